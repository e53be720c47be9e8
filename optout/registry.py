"""The registry: an append-only log of what claimants said, and what follows from it.

One transaction appends an entry, moves the head of the log by compare-and-swap and carries the
projection along. The log decides: `view` checks it against the head before anybody builds on it,
and `rebuild` makes the projection again from nothing else. Private keys never come here.
"""

import contextlib
import json
import secrets
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from optout import projection, storage
from optout.append import (
    Desk,
    Recorded,
    append_notice,
    append_once,
    check_parts,
)
from optout.claim_keys import ClaimKeys, keys_path
from optout.commitment import OpenedPart
from optout.entry import Draft, Random
from optout.leaf import notices
from optout.lifecycle import ERASING, IN_FORCE, Event, State
from optout.log.merkle import leaf_hash, root
from optout.log_table import LogTable
from optout.notice import MatcherNotice
from optout.parts import Parts, open_match_part
from optout.postgres import UnsweptError
from optout.refresh import check_history
from optout.replay import Standing, replay
from optout.storage import blob
from optout.storage_tables import (
    CLAIMS,
    EVENTS,
    IDENTITY_PARTS,
    MATCH_PARTS,
    REGISTRY,
    WORKS,
)
from schemas.claim import MatchPart
from schemas.errors import ClaimError, ModelMismatchError, RegistryError
from schemas.ports import Clock
from schemas.verdict import Stance

TRUE = sa.true()


@dataclass(frozen=True, slots=True)
class LogView:
    """One state of a registry, checked: the leaves have the head's root."""

    origin: str
    matcher: str
    matcher_name: str
    leaves: Sequence[bytes]
    root: str
    match_parts: Mapping[int, OpenedPart]  # by seq
    locked: AbstractSet[int] = frozenset()  # entries whose match part is there without its key


class Registry(LogTable):
    """A registry's database. Opened by `Registry.open`, closed by `close` or `with`."""

    def __init__(
        self,
        engine: sa.Engine,
        where: str,
        clock: Clock,
        parts: Parts,
        moderators: AbstractSet[str] = frozenset(),
    ) -> None:
        super().__init__(engine, where, clock)
        self._parts = parts
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
        keys: str = "",
        origin: str = "",
    ) -> "Registry":
        """Return the registry at a path or SQLAlchemy URL, brought to the newest revision.

        create: make one where there is none. moderators: public keys whose entries are taken as
        a moderator's; they come from whoever runs the registry, never from the registry. keys: the
        file of claim keys, beside the database where empty. origin: name of the log of a registry
        that is made, "" for a random one.
        Raises RegistryError where it is absent, something else, damaged or of a newer recuse.
        """
        place = keys or keys_path(where)
        engine = storage.open_engine(where, random, create=create, origin=origin)
        try:
            with storage.translated(where):
                is_sealed = storage.has_sealed_parts(engine)
            found = ClaimKeys.open(place, create=not is_sealed)
        except BaseException:
            engine.dispose()
            raise
        registry = cls(engine, storage.shown(where), clock, Parts(found, random), moderators)
        try:
            registry._recover(is_sealed=is_sealed)
        except BaseException:
            registry.close()
            raise
        return registry

    def _recover(self, *, is_sealed: bool) -> None:
        """End what broke off elsewhere, and bring up what an older recuse or a copy left out.

        is_sealed: whether parts stand under keys; then all do, since one transaction seals all.
        Each open passes here, so nothing here may read every entry.
        """
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            plain = not is_sealed and _any(connection, MATCH_PARTS.c.seq)
            projected = _any(connection, CLAIMS.c.claim_id)
            submitted = not projected and _any(
                connection, EVENTS.c.seq, EVENTS.c.type == Event.SUBMIT
            )
        if plain:
            with storage.translated(self.where), storage.writing(self._engine) as connection:
                self._parts.seal_plain(connection)
            storage.truncate(self._engine, self.where, (MATCH_PARTS, IDENTITY_PARTS))
        if submitted:  # `registry backup` leaves out what follows from the rest
            self.rebuild()
        for claim_id in self._unforgotten():
            # Whoever erases may still be at it, and who only reads is not to stop for that.
            with contextlib.suppress(UnsweptError):  # whoever comes next tries again
                self._forget(claim_id, wait=False)

    def _unforgotten(self) -> list[str]:
        """Return the claims that may have keys of what was erased."""
        erased = sa.select(CLAIMS.c.claim_id).where(CLAIMS.c.state == State.ERASED)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            gone = set(connection.scalars(erased))
        keys = self._parts.keys
        return sorted({*keys.claims(several=True), *(gone & set(keys.claims()) if gone else ())})

    def _forget(self, claim_id: str, *, wait: bool = True) -> None:
        """Destroy the keys of a claim that came before the one in force; all where all is erased.

        A later one is of somebody who is about to append. wait: for those who read meanwhile.
        """
        numbers = self._parts.keys.numbers(claim_id)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            standing = projection.standing(connection, claim_id)
            if standing is None:  # of a submission that is about to be recorded, or never was
                return
            if standing.state != State.ERASED:
                in_force = self._parts.number(connection, standing.part_seq)
                numbers = [number for number in numbers if number < in_force]
        if numbers:
            storage.truncate(self._engine, self.where, wait=wait)
            self._parts.keys.destroy(claim_id, numbers)

    def close(self) -> None:
        """Give back the connections."""
        self._parts.keys.close()
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
        claim_id, event = draft.statement.claim, draft.statement.type
        number = 0
        if event in (Event.SUBMIT, Event.ERASE_IDENTITY):
            # The key comes first: a part without one could never be read.
            number = self._parts.keys.make(claim_id, self._parts.random)

        def once(connection: sa.Connection) -> Recorded:
            at = self._now(connection)
            desk = Desk(self.where, self._moderators, self._parts, at, number)
            return append_once(connection, draft, desk)

        try:
            recorded = self._appended(once)
        except (ClaimError, ModelMismatchError):
            # Of anything else nobody knows whether it came before the commit or after it.
            if number:
                self._parts.keys.destroy(claim_id, [number])
            raise
        if event in ERASING:
            self._forget(claim_id)
        return recorded

    def view(self) -> LogView:
        """Return the whole log and the match parts, in one state.

        Parts whose key is gone are named as `locked`: a copy of the database that is older than an
        erasure has such. Raises RegistryError where the leaves do not give the head's root, or a
        key does not open its part.
        """
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            meta = connection.execute(sa.select(REGISTRY)).one()
            head = storage.head(connection)
            rows = connection.execute(
                sa.select(EVENTS.c.seq, EVENTS.c.leaf).order_by(EVENTS.c.seq)
            ).all()
            parts = self._parts.every(connection, MATCH_PARTS)
        leaves = [blob(row.leaf) for row in rows]
        found = root([leaf_hash(leaf) for leaf in leaves])
        if [row.seq for row in rows] != list(range(head.size)) or found != blob(head.root):
            raise RegistryError(
                f"expected {head.size} entries with root {blob(head.root).hex()} in {self.where},"
                f" found {len(rows)} with {found.hex()}"
            )
        pinned = self._pinned(leaves, (meta.matcher, meta.matcher_name))
        return LogView(meta.origin, *pinned, leaves, found.hex(), parts.opened, parts.locked)

    def view_at(self, size: int) -> LogView:
        """Return the log as it was at a size, with the match parts that are still there.

        Raises RegistryError as `view`, and where the log never was so long.
        """
        whole = self.view()
        if not 0 <= size <= len(whole.leaves):
            raise RegistryError(
                f"expected {size} log entries or more in {self.where}, found {len(whole.leaves)}"
            )
        leaves = whole.leaves[:size]
        named, ever = _matchers(leaves, self.where), _matchers(whole.leaves, self.where)
        # A log of an older recuse names no matcher: then it is the one that never changed.
        unnamed = ("", "") if ever else (whole.matcher, whole.matcher_name)
        fingerprint, name = named[-1] if named else unnamed
        found = root([leaf_hash(leaf) for leaf in leaves])
        parts = {seq: part for seq, part in whole.match_parts.items() if seq < size}
        return LogView(whole.origin, fingerprint, name, leaves, found.hex(), parts, whole.locked)

    def _pinned(self, leaves: Sequence[bytes], row: tuple[str, str]) -> tuple[str, str]:
        """Return fingerprint and name of the matcher that a log names. row: as the table has it.

        Raises RegistryError where the two differ. Logs of an older recuse name none.
        """
        named = _matchers(leaves, self.where)
        said = named[-1] if named else row
        if said != row:
            raise RegistryError(
                f"expected the matcher {said[0][:16]} that the log of {self.where} names, found"
                f" {row[0][:16] or 'none'}"
            )
        return said

    def claims(self) -> list[sa.Row[tuple[object, ...]]]:
        """Return the projected claims in the order of submission; see storage_tables.CLAIMS."""
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            rows = connection.execute(sa.select(CLAIMS)).all()
        # Not by the database: how text is sorted there is for whoever has set it up to say.
        return sorted(rows, key=lambda row: (row.submitted_at, row.part_seq))

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

    def parts(self, claim_id: str) -> tuple[OpenedPart, OpenedPart | None]:
        """Return the match part and the identity part of a claim, as committed to.

        The second is null where who asks was erased. Raises ClaimError where all was.
        """
        standing = self.standing(claim_id)
        seq = standing.part_seq
        if standing.state == State.ERASED:
            raise ClaimError(f"expected what claim {claim_id} says, found it erased")
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            match = self._parts.stored(connection, MATCH_PARTS, seq)
            identity = self._parts.stored(connection, IDENTITY_PARTS, seq)
        if match is None:
            raise RegistryError(f"expected the match part of claim {claim_id} in {self.where}")
        return match, identity

    def rebuild(self) -> int:
        """Make the projection again from log and parts; returns the number of claims.

        Of a claim whose key is gone it holds where the claim stands, and nothing that it says.
        Raises RegistryError where the log does not hold (see `view` and `optout.replay`).
        """
        view = self.view()
        standings = replay(view.leaves, self.where)
        check_history(view.leaves, view.match_parts, self.where)
        with storage.translated(self.where), storage.writing(self._engine) as connection:
            size = storage.head(connection).size
            if size != len(view.leaves):
                raise RegistryError(f"expected {self.where} to rest meanwhile, found new entries")
            projection.clear(connection)
            for standing in standings.values():
                told = standing.state != State.ERASED and standing.part_seq not in view.locked
                part = match_part(view, standing, self.where) if told else None
                projection.put(connection, standing, part)
        return len(standings)

    def pin_matcher(self, fingerprint: str, name: str) -> None:
        """Name the registry's matcher. Raises ModelMismatchError where it has another one."""
        found, _ = self.matcher()
        if found not in ("", fingerprint):
            raise ModelMismatchError(
                f"expected vectors of matcher {found}, which {self.where} is pinned to, found"
                f" {fingerprint}"
            )
        if not found:
            self.move_matcher(fingerprint, name)

    def move_matcher(self, fingerprint: str, name: str) -> None:
        """Name another matcher, by a notice in the log.

        Vectors of the one before stay recorded, and no longer judge.
        """

        def once(connection: sa.Connection) -> None:
            if connection.execute(sa.select(REGISTRY.c.matcher)).scalar_one() == fingerprint:
                return
            at = self._now(connection)
            append_notice(
                connection, MatcherNotice(recorded_at=at, fingerprint=fingerprint, name=name)
            )
            connection.execute(sa.update(REGISTRY).values(matcher=fingerprint, matcher_name=name))

        self._appended(once)


def match_part(view: LogView, standing: Standing, where: str) -> MatchPart:
    """Return the match part in force of a claim, checked against its commitment.

    Raises RegistryError where it is missing, its key is gone, or it does not open what the log
    shows.
    """
    if standing.part_seq in view.locked:
        raise RegistryError(
            f"expected the key of claim {standing.claim_id}, which the log of {where} has in"
            " force, found none: a copy of the database that is older than an erasure? Put back"
            " the newer database or, where there is none, erase the claim again (--all, as its"
            " claimant or a moderator)"
        )
    part = view.match_parts.get(standing.part_seq)
    if part is None:
        raise RegistryError(f"expected the match part of claim {standing.claim_id} in {where}")
    shown = json.loads(view.leaves[standing.part_seq])["match"]
    part.check(shown, f"the match part of claim {standing.claim_id}")
    return open_match_part(part)


def _matchers(leaves: Sequence[bytes], where: str) -> list[tuple[str, str]]:
    """Return fingerprint and name of the matchers that a log names, in order."""
    said = (notice for _, notice in notices(leaves, where))
    return [(n.fingerprint, n.name) for n in said if isinstance(n, MatcherNotice)]


def _any(
    connection: sa.Connection, column: sa.Column[Any], which: sa.ColumnElement[bool] = TRUE
) -> bool:
    return connection.execute(sa.select(column).where(which).limit(1)).first() is not None
