"""The log of a registry as its database holds it: read by ranges, extended by one transaction.

What an entry means and who may record it is for `optout.registry`; here are leaves, head, the
registry's own notices, and the signed states that it keeps.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import sqlalchemy as sa

from optout import storage
from optout.append import LostRaceError, append_notice
from optout.log import checkpoint, cosignature, note
from optout.log.note import VerifierKey
from optout.notice import Notice, NoticeType, rotated
from optout.storage import blob
from optout.storage_tables import CHECKPOINTS, EVENTS, REGISTRY
from schemas.errors import ProofError, RegistryError, RollbackError
from schemas.ports import Clock

T = TypeVar("T")
N = TypeVar("N", bound=Notice)

APPEND_TRIES = 50  # each lost race means that somebody else appended


class LogTable:
    """The log in a registry's database."""

    def __init__(self, engine: sa.Engine, where: str, clock: Clock) -> None:
        self.where = where
        self._engine = engine
        self._clock = clock

    def note(self, notice: Callable[[str], N]) -> tuple[N, int]:
        """Record a notice of the registry's own; returns it and the log's size after it.

        notice: gives it for the time at which it is recorded.
        """

        def once(connection: sa.Connection) -> tuple[N, int]:
            made = notice(self._now(connection))
            return made, append_notice(connection, made)[1]

        return self._appended(once)

    def note_at(
        self, size: int, notice: Callable[[str], N], kind: NoticeType | None = None
    ) -> N | None:
        """Record a notice unless there are other entries than so many by now: then return null.

        kind: of those that count, null for all.
        """
        later = sa.select(sa.func.count()).where(EVENTS.c.seq >= size)
        if kind is not None:
            later = later.where(EVENTS.c.type == str(kind))

        def once(connection: sa.Connection) -> N | None:
            if connection.execute(later).scalar_one():
                return None
            made = notice(self._now(connection))
            append_notice(connection, made)
            return made

        return self._appended(once)

    def now(self) -> str:
        """Return the time that an entry would have if it were recorded now: RFC 3339, UTC."""
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            return self._now(connection)

    def _appended(self, once: Callable[[sa.Connection], T]) -> T:
        for _ in range(APPEND_TRIES):
            try:
                with storage.translated(self.where), storage.writing(self._engine) as connection:
                    return once(connection)
            except (LostRaceError, sa.exc.IntegrityError):
                continue  # somebody else appended: read the head again
        raise RegistryError(f"expected to append to {self.where}, lost {APPEND_TRIES} races")

    def matcher(self) -> tuple[str, str]:
        """Return fingerprint and name of the registry's matcher; empty until works have vectors."""
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            row = connection.execute(sa.select(REGISTRY)).one()
        return row.matcher, row.matcher_name

    def log_key(self) -> tuple[str, str]:
        """Return the log's origin, and the verifier key that signs for it, "" for none yet."""
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            row = connection.execute(sa.select(REGISTRY)).one()
        return row.origin, row.log_key

    def set_log_key(self, key: VerifierKey, rotation: str = "") -> None:
        """Name the key that signs for the log; a later one only by a notice that rotates.

        rotation: the signature by which the key before hands over, hex. Raises RegistryError where
        that does not verify, or a rotation is expected and none given.
        """

        def once(connection: sa.Connection) -> None:
            row = connection.execute(sa.select(REGISTRY)).one()
            if row.log_key == str(key):
                return
            if key.name != row.origin:
                raise RegistryError(
                    f"expected a key named {row.origin}, as the log is, found {key.short}"
                )
            if row.log_key:
                at = self._now(connection)
                append_notice(connection, rotated(row.log_key, str(key), rotation, at))
            connection.execute(sa.update(REGISTRY).values(log_key=str(key)))

        self._appended(once)

    def head(self) -> tuple[int, bytes]:
        """Return size and root of the log."""
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            row = storage.head(connection)
        return row.size, blob(row.root)

    def keep_checkpoint(self, size: int, body: bytes) -> None:
        """Keep a signed checkpoint; one of the same state gains its signatures.

        Raises RollbackError where another state of that size is kept: a log never signs two.
        """

        def once(connection: sa.Connection) -> None:
            query = sa.select(CHECKPOINTS.c.body).where(CHECKPOINTS.c.size == size)
            kept = connection.execute(query).scalar()
            merged = body if kept is None else _merged(blob(kept), body, self.where)
            connection.execute(sa.delete(CHECKPOINTS).where(CHECKPOINTS.c.size == size))
            connection.execute(sa.insert(CHECKPOINTS).values(size=size, body=merged))

        self._appended(once)

    def checkpoints(self, above: int = 0) -> list[tuple[int, bytes]]:
        """Return the kept checkpoints of logs larger than `above`, the smallest first."""
        query = sa.select(CHECKPOINTS).where(CHECKPOINTS.c.size > above)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            rows = connection.execute(query.order_by(CHECKPOINTS.c.size)).all()
        return [(row.size, blob(row.body)) for row in rows]

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Return the leaves of the log from one place up to another."""
        query = sa.select(EVENTS.c.leaf).where(EVENTS.c.seq >= start, EVENTS.c.seq < end)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            found = connection.execute(query.order_by(EVENTS.c.seq)).scalars()
            return [blob(value) for value in found]

    def leaf_bytes(self, size: int, width: int) -> list[int]:
        """Return how long the leaves of each so many places are together, up to a size."""
        # Written out: PostgreSQL takes a parameter that is given twice for two.
        bundle = EVENTS.c.seq // sa.literal(width, literal_execute=True)
        query = sa.select(sa.func.sum(sa.func.length(EVENTS.c.leaf))).where(EVENTS.c.seq < size)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            found = connection.execute(query.group_by(bundle).order_by(bundle)).scalars()
            return [int(length) for length in found]

    def leaf_hashes(self, size: int | None = None) -> list[bytes]:
        """Return the first `size` leaf hashes in log order; all of them by default."""
        query = sa.select(EVENTS.c.leaf_hash).order_by(EVENTS.c.seq).limit(size)
        with storage.translated(self.where), storage.reading(self._engine) as connection:
            return [blob(value) for value in connection.execute(query).scalars()]

    def _now(self, connection: sa.Connection) -> str:
        """Return the registry's time for its next entry: RFC 3339, microseconds, UTC.

        Never before that of the newest one, also where the clock was put back: an entry that is
        dated before the one ahead of it shows that somebody has put it there later.
        """
        seconds, micros = divmod(self._clock.now_us(), 1_000_000)
        now = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
        newest = sa.select(EVENTS.c.recorded_at).order_by(EVENTS.c.seq.desc()).limit(1)
        return max(now, connection.execute(newest).scalar() or "")


def _merged(kept: bytes, body: bytes, where: str) -> bytes:
    """Return a checkpoint with the signatures of another copy of it as well."""
    try:
        before = checkpoint.parse(kept)
    except ProofError:
        return body  # damaged: nobody could have relied on it
    if before != (after := checkpoint.parse(body)):
        raise RollbackError(
            f"expected root {before.root.hex()} of {before.origin} at size {before.size}, as"
            f" {where} has signed, found {after.root.hex()} of {after.origin}"
        )
    return cosignature.with_signatures(kept, note.parse(body).signatures)
