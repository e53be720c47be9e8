"""What a manifest says of the lists that it used, held against keys, logs and what was asked. Pure.

A list is a signed state of somebody's log. What can be checked without the log is whose signature
it carries, and how old it was; with the log, that it really had that state and only grew since.
"""

from collections.abc import Collection, Sequence

from optout.log import checkpoint, merkle
from optout.log import policy as policies
from optout.log.checkpoint import Checkpoint
from optout.log.policy import Policy
from schemas.errors import ProofError
from schemas.manifest import ListEntry

MAX_AGE_DAYS = 7.0


def list_faults(
    entries: Sequence[ListEntry],
    policy: Policy | None,
    demanded: Collection[str],
    max_age_days: float = MAX_AGE_DAYS,
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the lists of a manifest, and of which no signature was checked.

    policy: whose keys count; null for none. demanded: origins that must have been used.
    """
    wrong, unsigned = [], []
    used = {entry.origin for entry in entries if entry.used}
    declined = {entry.origin: entry.reason for entry in entries if not entry.used}
    for origin in sorted(set(demanded) - used):
        why = f"declined: {declined[origin]}" if origin in declined else "not named at all"
        wrong.append(f"expected the list {origin} to be used, found it {why}")
    for entry in entries:
        if not entry.used:
            continue
        if entry.age_days is not None and not 0 <= entry.age_days <= max_age_days:
            wrong.append(
                f"expected the list {entry.origin} to be at most {max_age_days:g} days old when the"
                f" build began, found {entry.age_days:g}"
            )
        if entry.checkpoint is None:
            unsigned.append(entry.origin)
            continue
        fault = _checkpoint_fault(entry, policy)
        if fault:
            wrong.append(fault)
        elif policy is None:
            unsigned.append(entry.origin)
    return wrong, unsigned


def _checkpoint_fault(entry: ListEntry, policy: Policy | None) -> str:
    body = (entry.checkpoint or "").encode()
    try:
        found = (
            policies.opened(body, policy).checkpoint
            if policy is not None
            else checkpoint.parse(body)
        )
    except ProofError as e:
        return f"checkpoint of {entry.origin}: {e}"
    root = bytes.fromhex(entry.root or "")
    if found != Checkpoint(entry.origin, entry.size or 0, root):
        return (
            f"expected the checkpoint of {entry.origin} at {entry.size} entries, root {entry.root},"
            f" found one of {found.origin} at {found.size}, root {found.root.hex()}"
        )
    return ""


def log_fault(entry: ListEntry, leaves: Sequence[bytes]) -> str:
    """Return how a log contradicts the state at which a list was used; "" where it had it.

    leaves: leaf hashes of the log as it is now.
    """
    size = entry.size or 0
    if len(leaves) < size:
        return (
            f"expected the log of {entry.origin} to have {size} entries or more, found"
            f" {len(leaves)}: it was rolled back, or the release used a state that never was"
        )
    found = merkle.root(leaves[:size]).hex()
    if found != entry.root:
        return (
            f"expected root {entry.root} of {entry.origin} at {size} entries, found {found} by its"
            " log: there are two histories"
        )
    return ""
