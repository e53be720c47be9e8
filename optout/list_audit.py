"""What a manifest says of the lists that it used, held against keys and what was asked. Pure.

A list is a signed state of somebody's log. What can be checked without the log is whose signature
it carries, and how old it was; what the log adds, `optout.log_audit` says.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from optout.log import checkpoint
from optout.log import policy as policies
from optout.log.checkpoint import Checkpoint
from optout.log.policy import Policy, Vouched
from schemas.config import MAX_LIST_AGE_DAYS
from schemas.errors import ProofError
from schemas.manifest import ListEntry


@dataclass(frozen=True, slots=True)
class OfLists:
    """What was found of the lists of a manifest.

    wrong: in words. unsigned: origins of which no signature was checked. unseen: what is missing
    of the witnesses that the policy asks for, in words. seen: origins that they saw in time.
    """

    wrong: list[str] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


def look_at_lists(
    entries: Sequence[ListEntry],
    policy: Policy | None,
    demanded: Collection[str],
    created: datetime,
    max_age_days: float = MAX_LIST_AGE_DAYS,
) -> OfLists:
    """Return what a manifest's entries show of its lists.

    policy: whose keys count; null for none. demanded: origins that must have been used. created:
    when the build began, by the builder's clock.
    """
    found = OfLists()
    used = {entry.origin for entry in entries if entry.used}
    declined = {entry.origin: entry.reason for entry in entries if not entry.used}
    for origin in sorted(set(demanded) - used):
        why = f"declined: {declined[origin]}" if origin in declined else "not named at all"
        found.wrong.append(f"expected the list {origin} to be used, found it {why}")
    for entry in entries:
        if entry.used:
            _look_at(entry, policy, created, max_age_days, found)
    return found


def _look_at(
    entry: ListEntry,
    policy: Policy | None,
    created: datetime,
    max_age_days: float,
    found: OfLists,
) -> None:
    if entry.age_days is not None and not 0 <= entry.age_days <= max_age_days:
        found.wrong.append(
            f"expected the list {entry.origin} to be at most {max_age_days:g} days old when the"
            f" build began, found {entry.age_days:g}"
        )
    if entry.checkpoint is None:
        found.unsigned.append(entry.origin)
        return
    body = entry.checkpoint.encode()
    try:
        vouched = policies.opened(body, policy) if policy else None
        said = vouched.checkpoint if vouched else checkpoint.parse(body)
    except ProofError as e:
        found.wrong.append(f"checkpoint of {entry.origin}: {e}")
        return
    if fault := _state_fault(entry, said):
        found.wrong.append(fault)
    elif policy is None or vouched is None:
        found.unsigned.append(entry.origin)
    elif unseen := _unseen(entry, policy, vouched, created, max_age_days):
        found.unseen.append(unseen)
    elif policy.current_at(vouched.times) is not None:
        found.seen.append(entry.origin)


def _unseen(
    entry: ListEntry, policy: Policy, vouched: Vouched, created: datetime, max_age_days: float
) -> str:
    """Return what is missing of a policy's witnesses: all of them, or a look not long before."""
    if not vouched.quorum:
        return f"cosignatures of {entry.origin} by the witnesses that the policy asks for"
    at = policy.current_at(vouched.times)
    if at is None:
        return ""
    age = created - datetime.fromtimestamp(at, UTC)
    if age <= timedelta(days=max_age_days):
        return ""
    return (
        f"a cosignature of {entry.origin} by witnesses in the {max_age_days:g} days before the"
        f" build; that it was fresh is the builder's word: they last saw it {age.days} days before"
    )


def _state_fault(entry: ListEntry, found: Checkpoint) -> str:
    root = bytes.fromhex(entry.root or "")
    if found != Checkpoint(entry.origin, entry.size or 0, root):
        return (
            f"expected the checkpoint of {entry.origin} at {entry.size} entries, root {entry.root},"
            f" found one of {found.origin} at {found.size}, root {found.root.hex()}"
        )
    return ""
