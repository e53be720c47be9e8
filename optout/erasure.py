"""What erasing a claim leaves, and which snapshots it withdraws. Pure.

The log never held a name, a hash or a vector of the claim, so nothing of it changes: parts and
salts go, with the key under which they were kept, and every proof stays what it was.
"""

from collections.abc import Sequence

from optout.leaf import entries
from optout.lifecycle import ERASING, Event
from schemas.claim import MatchPart
from schemas.errors import ClaimError
from schemas.verdict import Stance

SAYS_WHO = {"names": (), "hosts": (), "accounts": (), "urls": ()}
"""What of a match part says who asks."""

Range = tuple[int, int]


def without_identity(part: MatchPart) -> MatchPart:
    """Return what stays of a match part once who asks is forgotten: works and style.

    Raises ClaimError where nothing would be left at work, and for an opt-in, which says whom to
    name.
    """
    if part.stance == Stance.OPT_IN:
        raise ClaimError(
            "expected an opt-out: an opt-in says whom to name, so nothing of it works once that is"
            " forgotten; erase all of it (--all)"
        )
    if not part.works:
        raise ClaimError(
            "expected a claim with works: names, hosts and addresses say who asks, so nothing would"
            " be left at work; erase all of it (--all)"
        )
    return part.model_copy(update=SAYS_WHO)


def check_left(before: MatchPart, left: MatchPart) -> None:
    """Raise ClaimError unless `left` is what erasing the identity leaves of a part."""
    if left != without_identity(before):
        raise ClaimError(
            "expected the works and the style of the claim as they stand, without names, hosts and"
            " addresses, found something else"
        )


def withdrawn(leaves: Sequence[bytes], where: str) -> tuple[Range, ...]:
    """Return the log sizes whose snapshots hold what was erased since: first to last, joined.

    Their roots and digests stay; who holds one is told by this to hold it no longer.
    """
    since: dict[str, int] = {}  # the entry from which on snapshots hold what was not erased yet
    until: dict[str, int] = {}  # the entry by which the claim was withdrawn
    ranges: list[Range] = []
    for seq, entry in entries(leaves, where):
        if entry.type in ERASING and entry.claim in since:
            ranges.append((since[entry.claim] + 1, until.get(entry.claim, seq)))
            since[entry.claim] = seq
        elif entry.type == Event.WITHDRAW:
            until[entry.claim] = seq
        else:
            since.setdefault(entry.claim, seq)
    return _joined(ranges)


def is_withdrawn(size: int, ranges: Sequence[Range]) -> bool:
    """Say whether the snapshot at a log size is withdrawn."""
    return any(first <= size <= last for first, last in ranges)


def _joined(ranges: list[Range]) -> tuple[Range, ...]:
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)
