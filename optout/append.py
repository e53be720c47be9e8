"""One entry more: checked against the log and the registry, recorded, and the head moved with it.

All of it happens in the one transaction that is passed in, so that nothing is left of what is
refused, or of a race that was lost.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from optout import projection, storage
from optout.commitment import OpenedPart
from optout.entry import Draft, Entry
from optout.erasure import check_left
from optout.guard import REVIEW
from optout.lifecycle import ERASING, Event, Signer
from optout.log.merkle import Frontier, leaf_hash
from optout.notice import Notice
from optout.parts import Parts, open_match_part
from optout.refresh import as_judged, changed
from optout.replay import Standing, step
from optout.storage import blob
from optout.storage_tables import EVENTS, HEAD, IDENTITY_PARTS, MATCH_PARTS, REGISTRY
from optout.works import check_works
from schemas.claim import MatchPart, WorkKeys
from schemas.errors import ClaimError, ModelMismatchError, RegistryError, UsageError

MAX_LEAF_BYTES = 65_535  # C2SP tlog-tiles length-prefixes entries with 16 bits
OF_CLAIMS = (
    "claim_id",
    "previous",
    "match_commitment",
    "identity_commitment",
    "signer",
    "public_key",
    "signature",
)
"""Columns of EVENTS that a notice leaves empty."""
ABOUT_STYLE = frozenset({Event.VERIFY, Event.ACCEPT_STYLE})
"""Events that carry no part, and by which what the part says of a style may come to act."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry that stands in the log, with the head right after it."""

    seq: int
    entry: Entry
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Whose registry an entry comes to: its name, its moderators' keys, its parts, the time there.

    key_number: of the claim's key that the draft's parts are written under; 0 for the one that its
    parts stand under.
    """

    where: str
    moderators: AbstractSet[str]
    parts: Parts
    recorded_at: str
    key_number: int = 0


class LostRaceError(Exception):
    """The head is no longer where it was read."""


def check_parts(draft: Draft) -> None:
    """Raise ClaimError or ProofError unless a draft's parts are those that it commits to."""
    shown = {"match": draft.statement.match, "identity": draft.statement.identity}
    for name, part in (("match", draft.match), ("identity", draft.identity)):
        if (part is None) != (shown[name] == ""):
            raise ClaimError(f"expected the {name} part with its commitment, found one of them")
        if part is not None:
            part.check(shown[name], f"the {name} part")
    if draft.match is not None:
        check_works(open_match_part(draft.match))


def append_once(connection: sa.Connection, draft: Draft, desk: Desk) -> Recorded:
    """Append in this transaction. Raises LostRaceError where the head moved meanwhile.

    Raises ClaimError where the entry is not allowed, ModelMismatchError where its vectors are not
    the registry's matcher's.
    """
    head = storage.head(connection)
    before = projection.standing(connection, draft.statement.claim)
    if draft.statement.type == Event.SUBMIT and before is not None:
        raise ClaimError(f"expected a new claim id, found {draft.statement.claim} in use")
    entry = draft.entry(desk.recorded_at)
    if entry.by == Signer.MODERATOR and entry.key not in desk.moderators:
        raise ClaimError(f"expected the key of a moderator of {desk.where}, found {entry.key}")
    after = step(before, head.size, entry)
    leaf = entry.leaf()
    if len(leaf) > MAX_LEAF_BYTES:
        raise ClaimError(f"expected an entry of at most {MAX_LEAF_BYTES} bytes")
    frontier = frontier_of(head).append(leaf_hash(leaf))
    swap_head(connection, head, frontier)
    part = _part(connection, before, draft, desk)
    insert_leaf(connection, head.size, leaf, of_entry(entry))
    for table, given in ((MATCH_PARTS, draft.match), (IDENTITY_PARTS, draft.identity)):
        if given is not None:
            number = desk.key_number or _number(connection, before, desk)
            desk.parts.put(connection, table, (head.size, entry.claim), given, number)
    if entry.type in ERASING:
        desk.parts.destroy(connection, entry.claim, head.size)
    projection.put(connection, after, part)
    return Recorded(head.size, entry, frontier.size, frontier.root().hex())


def _number(connection: sa.Connection, before: Standing | None, desk: Desk) -> int:
    """Return the number of the key under which the parts of a claim stand."""
    if before is None:
        raise ClaimError("expected a key for a new claim, found none")
    return desk.parts.number(connection, before.part_seq)


def frontier_of(head: sa.Row[Any]) -> Frontier:
    """Return the right edge of the tree. Raises RegistryError where it is not that of its root.

    What was appended to another tree would stand in a log that nobody could verify any more.
    """
    found = Frontier.from_bytes(head.size, blob(head.peaks))
    if found.root() != blob(head.root):
        raise RegistryError(
            f"expected the edge of a tree of {head.size} entries with root"
            f" {blob(head.root).hex()}, found one with {found.root().hex()}"
        )
    return found


def swap_head(
    connection: sa.Connection, head: sa.Row[tuple[object, ...]], frontier: Frontier
) -> None:
    """Move the head from where it was read. Raises LostRaceError where it is there no more."""
    done = connection.execute(
        sa.update(HEAD)
        .where(HEAD.c.id == 1, HEAD.c.size == head.size, HEAD.c.root == head.root)
        .values(size=frontier.size, root=frontier.root(), peaks=frontier.to_bytes())
    )
    if done.rowcount != 1:
        raise LostRaceError


def _part(
    connection: sa.Connection, before: Standing | None, draft: Draft, desk: Desk
) -> MatchPart | None:
    """Return the match part from which what an entry changes follows, checked for it."""
    if draft.match is not None and draft.statement.type == Event.ERASE_IDENTITY:
        return _left(connection, before, draft.match, desk)
    if draft.match is not None:
        match = open_match_part(draft.match)
        works = match.works if before is None else _refreshed(connection, before, draft, desk)
        _require_matcher(connection, works, desk.where)
        return match
    if before is None or draft.statement.type not in ABOUT_STYLE:
        return None
    kept = desk.parts.stored(connection, MATCH_PARTS, before.part_seq)
    part = open_match_part(kept) if kept else None
    if draft.statement.type == Event.ACCEPT_STYLE:
        _require_review(connection, before, part)
    return part


def _require_review(connection: sa.Connection, before: Standing, part: MatchPart | None) -> None:
    """Raise ClaimError unless the style of a claim needs review, as it stands."""
    pinned = connection.execute(sa.select(REGISTRY.c.matcher)).scalar_one()
    found = before.style(as_judged(part, pinned).style) if part else None
    if found is None or found.state != REVIEW:
        said = "none that can be read" if found is None else f"{found.state!r} ({found.note})"
        raise ClaimError(
            f"expected a style that {REVIEW} of claim {before.claim_id}, found"
            f" {said.replace(' ()', '')}"
        )


def _require_matcher(connection: sa.Connection, works: Sequence[WorkKeys], where: str) -> None:
    used = {work.matcher for work in works if work.matcher}
    pinned = connection.execute(sa.select(REGISTRY.c.matcher)).scalar_one()
    if not used <= {pinned}:
        raise ModelMismatchError(
            f"expected vectors of the matcher {pinned or '(none yet)'} of {where},"
            f" found {sorted(used)}"
        )


def _left(
    connection: sa.Connection, before: Standing | None, left: OpenedPart, desk: Desk
) -> MatchPart:
    """Return what erasing the identity leaves. Raises ClaimError where it is something else."""
    kept = before and desk.parts.stored(connection, MATCH_PARTS, before.part_seq)
    if not kept:
        raise ClaimError("expected the match part of the claim, found none to take names out of")
    match = open_match_part(left)
    check_left(open_match_part(kept), match)
    return match


def _refreshed(
    connection: sa.Connection, before: Standing, draft: Draft, desk: Desk
) -> list[WorkKeys]:
    """Return the works that a refresh gives vectors. Raises ClaimError where it changes more."""
    match = desk.parts.stored(connection, MATCH_PARTS, before.part_seq)
    identity = desk.parts.stored(connection, IDENTITY_PARTS, before.part_seq)
    if match is None or identity is None or draft.match is None or draft.identity is None:
        raise ClaimError(f"expected the parts of claim {before.claim_id}, found none to refresh")
    if draft.identity.payload != identity.payload:
        raise ClaimError("expected a refresh by who submitted the claim, found another identity")
    return changed(open_match_part(match), open_match_part(draft.match))


def of_entry(entry: Entry) -> dict[str, str]:
    """Return the columns of EVENTS that say what an entry says, for looking up."""
    return {
        "type": entry.type,
        "claim_id": entry.claim,
        "previous": entry.previous,
        "recorded_at": entry.recorded_at,
        "match_commitment": entry.match,
        "identity_commitment": entry.identity,
        "signer": entry.by,
        "public_key": entry.key,
        "signature": entry.signature,
    }


def of_notice(notice: Notice) -> dict[str, str]:
    """Return the same columns of a notice, which is about no claim and signed by nobody else."""
    said = {"type": str(notice.type), "recorded_at": notice.recorded_at}
    return dict.fromkeys(OF_CLAIMS, "") | said


def insert_leaf(connection: sa.Connection, seq: int, leaf: bytes, columns: dict[str, str]) -> None:
    """Write a leaf of the log. columns: what `of_entry` or `of_notice` gives."""
    values = {**columns, "seq": seq, "leaf": leaf, "leaf_hash": leaf_hash(leaf)}
    connection.execute(sa.insert(EVENTS).values(values))


def append_notice(connection: sa.Connection, notice: Notice) -> tuple[int, int, str]:
    """Append a notice in this transaction; returns its place, and size and root after it.

    Raises LostRaceError where the head moved meanwhile, UsageError for one that is too long.
    """
    head = storage.head(connection)
    leaf = notice.leaf()
    if len(leaf) > MAX_LEAF_BYTES:  # a log with it in could never be written out
        raise UsageError(
            f"expected a notice ({notice.type}) of at most {MAX_LEAF_BYTES:,} bytes, found"
            f" {len(leaf):,}"
        )
    frontier = frontier_of(head).append(leaf_hash(leaf))
    swap_head(connection, head, frontier)
    insert_leaf(connection, head.size, leaf, of_notice(notice))
    return head.size, frontier.size, frontier.root().hex()
