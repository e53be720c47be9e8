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
from optout.append import Desk, LostRaceError, Recorded, append_once, check_parts
from optout.commitment import OpenedPart
from optout.entry import Draft, Random
from optout.lifecycle import IN_FORCE
from optout.log.merkle import leaf_hash, root
from optout.parts import blob, open_match_part, stored
from optout.refresh import check_history
from optout.replay import Standing, replay
from optout.storage_tables import (
    CLAIMS,
    EVENTS,
    HEAD,
    IDENTITY_PARTS,
    MATCH_PARTS,
    REGISTRY,
    WORKS,
)
from schemas.claim import MatchPart
from schemas.errors import ClaimError, ModelMismatchError, RegistryError
from schemas.ports import Clock
from schemas.verdict import Stance

APPEND_TRIES = 50  # each lost race means that somebody else appended


@dataclass(frozen=True, slots=True)
class LogView:
    """One state of a registry, checked: the leaves have the head's root."""

    origin: str
    matcher: str
    matcher_name: str
    leaves: Sequence[bytes]
    root: str
    match_parts: Mapping[int, OpenedPart]  # by seq


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
        check_parts(draft)
        for _ in range(APPEND_TRIES):
            try:
                with storage.translated(self.where), storage.writing(self._engine) as connection:
                    desk = Desk(self.where, self._moderators, _rfc3339(self._clock.now_us()))
                    return append_once(connection, draft, desk)
            except (LostRaceError, sa.exc.IntegrityError):
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
        leaves = [blob(row.leaf) for row in rows]
        found = root([leaf_hash(leaf) for leaf in leaves])
        if [row.seq for row in rows] != list(range(head.size)) or found != blob(head.root):
            raise RegistryError(
                f"expected {head.size} entries with root {blob(head.root).hex()} in {self.where},"
                f" found {len(rows)} with {found.hex()}"
            )
        opened = {row.seq: OpenedPart(blob(row.payload), blob(row.salt)) for row in parts}
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
            return [blob(value) for value in connection.execute(query).scalars()]

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
            return [(row.claimant_key, blob(row.pdq)) for row in connection.execute(query)]

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
            match = stored(connection, MATCH_PARTS, seq)
            identity = stored(connection, IDENTITY_PARTS, seq)
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


def _rfc3339(at_us: int) -> str:
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
