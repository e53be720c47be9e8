"""Were the lists that a release used fresh and whole, and have their logs only grown."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import combinations

from jobs.checks.held import Held
from jobs.releases import Release
from jobs.replaying import loaded
from optout import log_audit
from optout.list_audit import look_at_lists
from optout.log.policy import Policy
from optout.log_audit import Build, HeldLog
from pipeline.audit import Check, Name, Status, failed, needs, verified
from schemas.errors import StorageError
from schemas.manifest import ListEntry


def lists(release: Release, held: Held) -> Check:
    """Check signatures and age of the lists that were used, and that none asked for is left out."""
    entries = release.manifest.lists
    created = datetime.fromisoformat(release.manifest.created)
    found = look_at_lists(entries, held.policy, held.demanded, created, held.max_age_days)
    if found.wrong:
        return failed(Name.LISTS, found.wrong)
    used = sum(entry.used for entry in entries)
    said = f"{used} used, {len(entries) - used} declined"
    if used:
        whose = "witnesses' clocks" if len(found.seen) == used else "the builder's clock"
        said += f"; how fresh they were, by {whose}"
    missing = list(found.unseen)
    if found.unsigned and held.policy is None:
        missing.append("the policy file that says whose keys count (--policy)")
    elif found.unsigned:
        missing.append(f"a signed checkpoint of {', '.join(found.unsigned)}")
    if missing:
        return Check(Name.LISTS, Status.NEEDS, said, needs=tuple(missing))
    return verified(Name.LISTS, said)


def logs(release: Release, held: Held) -> Check:
    """Check that logs had the states at which they were used, only grew, and are dated truly."""
    entries = [entry for entry in release.manifest.lists if entry.used]
    build = Build(
        datetime.fromisoformat(release.manifest.created), release.newest_fetch(), held.max_age_days
    )
    try:
        known = [opened() for opened in held.logs]
    except StorageError as e:
        return needs(Name.LOG, f"a log that can be read: {e}")
    wrong = list(_forks(known, held))
    wrong += log_audit.build_faults(build)
    missing = []
    for entry in entries:
        own = [log for log in known if log.origin == entry.origin]
        if not own:
            missing.append(entry.origin)
        for log in own:
            wrong += _log_faults(entry, log, held, build)
    if wrong:
        return failed(Name.LOG, wrong)
    if missing:
        what = f"the log of {', '.join(missing)} (--registry, or --log as published)"
        return needs(Name.LOG, what)
    said = ", ".join(entry.origin for entry in entries) or "none was used"
    return verified(Name.LOG, f"had the states that were used: {said}")


def _log_faults(entry: ListEntry, log: HeldLog, held: Held, build: Build) -> Iterator[str]:
    if fault := log_audit.state_fault(entry, log):
        yield fault  # of another history, nothing else can be asked
        return
    if fault := log_audit.stale_fault(entry, log, build):
        yield fault
    signed = [entry.checkpoint.encode()] if entry.checkpoint else []
    signed += [body for _, body in log.signed]
    states = log_audit.seen(signed, held.policy) if held.policy else ()
    leaves = log.leaves()
    yield from log_audit.signed_faults(log)
    yield from log_audit.entry_faults(leaves, log.where)
    yield from log_audit.time_faults(leaves, states, log.where)
    taken = loaded(held.snapshots, entry)
    if taken is not None and entry.size is not None:
        yield from log_audit.snapshot_faults(leaves[: entry.size], taken, log.where)


def _forks(logs: Sequence[HeldLog], held: Held) -> Iterator[str]:
    """Give how logs contradict each other, two copies of one at a time."""
    for one, other in combinations(logs, 2):
        if one.origin != other.origin:
            continue
        said, proof = log_audit.fork((one, other), held.policy or Policy())
        if said:
            where = held.keep_fork(proof, one.origin) if proof else ""
            kept = f"; {where} proves it to anybody (recuse audit verify-fork)" if where else ""
            yield f"{said}{kept}"
