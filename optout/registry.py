"""The registry: an append-only log of what claimants said, and what follows from it.

One transaction appends an entry, moves the head of the log by compare-and-swap and carries the
projection along. The log decides: `view` checks it against the head before anybody builds on it,
and `rebuild` makes the projection again from nothing else. Private keys never come here.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from optout import projection, storage
from optout.commitment import OpenedPart
from optout.entry import Draft, Entry, Random
from optout.lifecycle import IN_FORCE, Event, Signer
from optout.log.merkle import Frontier, leaf_hash, root
from optout.refresh import changed, check_history
from optout.replay import Standing, replay, step
from optout.storage_tables import (
    CLAIMS,
    EVENTS,
    HEAD,
    IDENTITY_PARTS,
    MATCH_PARTS,
    REGISTRY,
    WORKS,
)
from optout.works import check_works
from schemas.claim import IdentityPart, MatchPart, WorkKeys
from schemas.errors import ClaimError, ModelMismatchError, RegistryError
from schemas.ports import Clock
from schemas.verdict import Stance

MAX_LEAF_BYTES = 65_535  # C2SP tlog-tiles length-prefixes entries with 16 bits
APPEND_TRIES = 50  # each lost race means that somebody else appended


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry that stands in the log, with the head right after it."""

    seq: int
    entry: Entry
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class LogView:
    """One state of a registry, checked: the leaves have the head's root."""

    origin: str
    matcher: str
    matcher_name: str
    leaves: Sequence[bytes]
    root: str
    match_parts: Mapping[int, OpenedPart]  # by seq


class _LostRaceError(Exception):
    """The head is no longer where it was read."""


class Registry:
    """A registry's database. Opened by `Registry.open`, closed by `close` or `with`."""

    def __init__(
        self,
        engine: sa.Engine,
        where: str,
        clock: Clock,
        moderators: AbstractSet[str] = frozenset(),
    ) -> None:
        self.where = where
        self._engine = engine
        self._clock = clock
        self._moderators = moderators

    @classmethod
    def open(
        cls,
        where: str,
        clock: Clock,
        *,
        random: Random = secrets.token_bytes,
        create: bool = False,
        moderators: AbstractSet[str] = frozenset(),
    ) -> "Registry":
        """Return the registry at a path or SQLAlchemy URL, brought to the newest revision.

        create: make one where there is none. moderators: public keys whose entries are taken as
        a moderator's; they come from whoever runs the registry, never from the registry.
        Raises RegistryError where it is absent, something else, damaged or of a newer recuse.
        """
        return cls(storage.open_engine(where, random, create=create), where, clock, moderators)

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def append(self, draft: Draft) -> Recorded:
        """Record a signed statement; returns its place in the log.

        Raises ClaimError where it is not allowed (see `optout.replay.step`), ModelMismatchError
        where its vectors are not the registry's matcher's.
        """
        _check_parts(draft)
        for _ in range(APPEND_TRIES):
            try:
                with storage.translated(self.where), storage.writing(self._engine) as connection:
                    return self._append_once(connection, draft)
            except (_LostRaceError, sa.exc.IntegrityError):
                continue  # somebody else appended: read the head again
        raise RegistryError(f"expected to append to {self.where}, lost {APPEND_TRIES} races")

    def view(self) -> LogView:
        """Return the whole log and the match parts, in one state.

        Raises RegistryError where the leaves do not give the head's root, a part is missing or
        does not open its commitment.
        """
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            meta = connection.execute(sa.select(REGISTRY)).one()
            head = connection.execute(sa.select(HEAD)).one()
            rows = connection.execute(
                sa.select(EVENTS.c.seq, EVENTS.c.leaf).order_by(EVENTS.c.seq)
            ).all()
            parts = connection.execute(sa.select(MATCH_PARTS)).all()
        leaves = [_blob(row.leaf) for row in rows]
        found = root([leaf_hash(leaf) for leaf in leaves])
        if [row.seq for row in rows] != list(range(head.size)) or found != _blob(head.root):
            raise RegistryError(
                f"expected {head.size} entries with root {_blob(head.root).hex()} in {self.where},"
                f" found {len(rows)} with {found.hex()}"
            )
        opened = {row.seq: OpenedPart(_blob(row.payload), _blob(row.salt)) for row in parts}
        return LogView(meta.origin, meta.matcher, meta.matcher_name, leaves, found.hex(), opened)

    def matcher(self) -> tuple[str, str]:
        """Return fingerprint and name of the registry's matcher; empty until works have vectors."""
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            row = connection.execute(sa.select(REGISTRY)).one()
        return row.matcher, row.matcher_name

    def leaf_hashes(self, size: int | None = None) -> list[bytes]:
        """Return the first `size` leaf hashes in log order; all of them by default."""
        query = sa.select(EVENTS.c.leaf_hash).order_by(EVENTS.c.seq).limit(size)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            return [_blob(value) for value in connection.execute(query).scalars()]

    def claims(self) -> list[sa.Row[tuple[object, ...]]]:
        """Return the projected claims in the order of submission; see storage_tables.CLAIMS."""
        query = sa.select(CLAIMS).order_by(CLAIMS.c.submitted_at, CLAIMS.c.part_seq)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            return list(connection.execute(query).all())

    def listed_by_others(self, own_key: str) -> list[tuple[str, bytes]]:
        """Return claimant and upright PDQ of every work that others opt out, in no order."""
        query = (
            sa.select(CLAIMS.c.claimant_key, WORKS.c.pdq)
            .join_from(WORKS, CLAIMS, WORKS.c.claim_id == CLAIMS.c.claim_id)
            .where(CLAIMS.c.claimant_key != own_key)
            .where(CLAIMS.c.stance == Stance.OPT_OUT.value)
            .where(CLAIMS.c.state.in_([state.value for state in IN_FORCE]))
        )
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            return [(row.claimant_key, _blob(row.pdq)) for row in connection.execute(query)]

    def standing(self, claim_id: str) -> Standing:
        """Return where a claim stands. Raises ClaimError where there is none of that id."""
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            found = projection.standing(connection, claim_id)
        if found is None:
            raise ClaimError(f"expected the id of a claim in {self.where}, found {claim_id!r}")
        return found

    def parts(self, claim_id: str) -> tuple[OpenedPart, OpenedPart]:
        """Return the match part and the identity part of a claim, as committed to."""
        seq = self.standing(claim_id).part_seq
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            match = _part(connection, MATCH_PARTS, seq)
            identity = _part(connection, IDENTITY_PARTS, seq)
        if match is None or identity is None:
            raise RegistryError(f"expected the parts of claim {claim_id} in {self.where}")
        return match, identity

    def rebuild(self) -> int:
        """Make the projection again from log and parts; returns the number of claims.

        Raises RegistryError where the log does not hold (see `view` and `optout.replay`).
        """
        view = self.view()
        standings = replay(view.leaves, self.where)
        check_history(view.leaves, view.match_parts, self.where)
        with storage.translated(self.where), storage.writing(self._engine) as connection:
            size = connection.execute(sa.select(HEAD.c.size)).scalar_one()
            if size != len(view.leaves):
                raise RegistryError(f"expected {self.where} to rest meanwhile, found new entries")
            projection.clear(connection)
            for standing in standings.values():
                projection.put(connection, standing, match_part(view, standing, self.where))
        return len(standings)

    def _append_once(self, connection: sa.Connection, draft: Draft) -> Recorded:
        """Append in this transaction. Raises _LostRaceError where the head moved meanwhile."""
        head = connection.execute(sa.select(HEAD)).one()
        before = projection.standing(connection, draft.statement.claim)
        if draft.statement.type == Event.SUBMIT and before is not None:
            raise ClaimError(f"expected a new claim id, found {draft.statement.claim} in use")
        entry = draft.entry(_rfc3339(self._clock.now_us()))
        if entry.by == Signer.MODERATOR and entry.key not in self._moderators:
            raise ClaimError(f"expected the key of a moderator of {self.where}, found {entry.key}")
        after = step(before, head.size, entry)
        leaf = entry.leaf()
        if len(leaf) > MAX_LEAF_BYTES:
            raise ClaimError(f"expected an entry of at most {MAX_LEAF_BYTES} bytes")
        frontier = Frontier.from_bytes(head.size, _blob(head.peaks)).append(leaf_hash(leaf))
        _swap_head(connection, head, frontier)
        _insert(connection, head.size, entry, draft)
        match = open_match_part(draft.match) if draft.match else None
        if match is not None:
            works = match.works if before is None else _refreshed(connection, before, draft)
            self._require_matcher(connection, works)
        projection.put(connection, after, match)
        return Recorded(head.size, entry, frontier.size, frontier.root().hex())

    def pin_matcher(self, fingerprint: str, name: str) -> None:
        """Name the registry's matcher. Raises ModelMismatchError where it has another one."""
        with storage.translated(self.where), storage.writing(self._engine) as connection:
            found = connection.execute(sa.select(REGISTRY.c.matcher)).scalar_one()
            if found not in ("", fingerprint):
                raise ModelMismatchError(
                    f"expected vectors of matcher {found}, which {self.where} is pinned to,"
                    f" found {fingerprint}"
                )
            connection.execute(sa.update(REGISTRY).values(matcher=fingerprint, matcher_name=name))

    def move_matcher(self, fingerprint: str, name: str) -> None:
        """Name another matcher: vectors of the one before stay recorded, and no longer judge."""
        with storage.translated(self.where), storage.writing(self._engine) as connection:
            connection.execute(sa.update(REGISTRY).values(matcher=fingerprint, matcher_name=name))

    def _require_matcher(self, connection: sa.Connection, works: Sequence[WorkKeys]) -> None:
        used = {work.matcher for work in works if work.matcher}
        pinned = connection.execute(sa.select(REGISTRY.c.matcher)).scalar_one()
        if not used <= {pinned}:
            raise ModelMismatchError(
                f"expected vectors of the matcher {pinned or '(none yet)'} of {self.where},"
                f" found {sorted(used)}"
            )


def match_part(view: LogView, standing: Standing, where: str) -> MatchPart:
    """Return the match part in force of a claim, checked against its commitment.

    Raises RegistryError where it is missing or does not open what the log shows.
    """
    part = view.match_parts.get(standing.part_seq)
    if part is None:
        raise RegistryError(f"expected the match part of claim {standing.claim_id} in {where}")
    shown = json.loads(view.leaves[standing.part_seq])["match"]
    part.check(shown, f"the match part of claim {standing.claim_id}")
    return open_match_part(part)


def open_identity_part(part: OpenedPart) -> IdentityPart:
    """Return the identity part that a payload holds."""
    return IdentityPart.model_validate_json(part.payload)


def _blob(value: object) -> bytes:
    """Return a stored blob; SQLite would give text where somebody put text."""
    if not isinstance(value, bytes | memoryview):
        raise RegistryError(f"expected bytes in the registry, found {type(value).__name__}")
    return bytes(value)


def open_match_part(part: OpenedPart) -> MatchPart:
    """Return the match part that a payload holds. Raises RegistryError where it holds none."""
    try:
        return MatchPart.model_validate_json(part.payload)
    except ValueError as e:
        raise RegistryError(f"expected a match part of a claim, found {e}") from e


def _check_parts(draft: Draft) -> None:
    shown = {"match": draft.statement.match, "identity": draft.statement.identity}
    for name, part in (("match", draft.match), ("identity", draft.identity)):
        if (part is None) != (shown[name] == ""):
            raise ClaimError(f"expected the {name} part with its commitment, found one of them")
        if part is not None:
            part.check(shown[name], f"the {name} part")
    if draft.match is not None:
        check_works(open_match_part(draft.match))


def _refreshed(connection: sa.Connection, before: Standing, draft: Draft) -> list[WorkKeys]:
    """Return the works that a refresh gives vectors. Raises ClaimError where it changes more."""
    match = _part(connection, MATCH_PARTS, before.part_seq)
    identity = _part(connection, IDENTITY_PARTS, before.part_seq)
    if match is None or identity is None or draft.match is None or draft.identity is None:
        raise ClaimError(f"expected the parts of claim {before.claim_id}, found none to refresh")
    if draft.identity.payload != identity.payload:
        raise ClaimError("expected a refresh by who submitted the claim, found another identity")
    return changed(open_match_part(match), open_match_part(draft.match))


def _part(connection: sa.Connection, table: sa.Table, seq: int) -> OpenedPart | None:
    row = connection.execute(sa.select(table).where(table.c.seq == seq)).one_or_none()
    return OpenedPart(_blob(row.payload), _blob(row.salt)) if row else None


def _swap_head(
    connection: sa.Connection, head: sa.Row[tuple[object, ...]], frontier: Frontier
) -> None:
    done = connection.execute(
        sa.update(HEAD)
        .where(HEAD.c.id == 1, HEAD.c.size == head.size, HEAD.c.root == head.root)
        .values(size=frontier.size, root=frontier.root(), peaks=frontier.to_bytes())
    )
    if done.rowcount != 1:
        raise _LostRaceError


def _insert(connection: sa.Connection, seq: int, entry: Entry, draft: Draft) -> None:
    leaf = entry.leaf()
    connection.execute(
        sa.insert(EVENTS).values(
            seq=seq,
            type=entry.type,
            claim_id=entry.claim,
            previous=entry.previous,
            recorded_at=entry.recorded_at,
            match_commitment=entry.match,
            identity_commitment=entry.identity,
            signer=entry.by,
            public_key=entry.key,
            signature=entry.signature,
            leaf=leaf,
            leaf_hash=leaf_hash(leaf),
        )
    )
    for table, part in ((MATCH_PARTS, draft.match), (IDENTITY_PARTS, draft.identity)):
        if part is not None:
            connection.execute(
                sa.insert(table).values(seq=seq, salt=part.salt, payload=part.payload)
            )


def _rfc3339(at_us: int) -> str:
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
