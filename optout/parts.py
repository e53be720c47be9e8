"""The two parts of a claim: as a registry's database keeps them, and as what they are read.

A part stands there under its claim's key (optout.claim_keys), so that who has the database alone,
or an old copy of it, can read none. Bound to table, entry and claim, it can stand for no other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from optout.claim_keys import ClaimKeys, number_of, opened, sealed
from optout.commitment import SALT_BYTES, OpenedPart
from optout.entry import Random
from optout.storage import blob
from optout.storage_tables import EVENTS, IDENTITY_PARTS, MATCH_PARTS
from schemas.claim import IdentityPart, MatchPart
from schemas.errors import RegistryError

TABLES = (MATCH_PARTS, IDENTITY_PARTS)


@dataclass(frozen=True, slots=True)
class Every:
    """The parts of a table by entry. locked: entries whose part stands there without its key."""

    opened: dict[int, OpenedPart]
    locked: frozenset[int]


@dataclass(frozen=True, slots=True)
class Parts:
    """Reads and writes parts in the transaction that is passed in."""

    keys: ClaimKeys
    random: Random

    def stored(self, connection: sa.Connection, table: sa.Table, seq: int) -> OpenedPart | None:
        """Return the part of an entry in MATCH_PARTS or IDENTITY_PARTS, null where there is none.

        Raises RegistryError where its key is absent, or does not open it.
        """
        for row in self._rows(connection, table, table.c.seq == seq):
            number = number_of(blob(row.payload))
            secret = self.keys.get(row.claim_id, number)
            known = {} if secret is None else {(row.claim_id, number): secret}
            return self._opened(table, row, known)
        return None

    def every(self, connection: sa.Connection, table: sa.Table) -> "Every":
        """Return all parts of a table. Raises RegistryError where a key does not open its part."""
        keys = self.keys.all()
        opened: dict[int, OpenedPart] = {}
        locked: set[int] = set()
        for row in self._rows(connection, table, sa.true()):
            if not row.salt and (row.claim_id, number_of(blob(row.payload))) not in keys:
                locked.add(row.seq)
            else:
                opened[row.seq] = self._opened(table, row, keys)
        return Every(opened, frozenset(locked))

    def put(
        self, connection: sa.Connection, table: sa.Table, place: tuple[int, str], part: OpenedPart,
        number: int,
    ) -> None:  # fmt: skip
        """Write a part. place: entry and claim. number: of the claim's key."""
        seq, claim_id = place
        secret = self.keys.get(claim_id, number)
        if secret is None:
            raise RegistryError(f"expected key {number} of claim {claim_id}, found none")
        where = _place(table, seq, claim_id)
        body = sealed(part.salt + part.payload, (number, secret), where, self.random)
        connection.execute(sa.insert(table).values(seq=seq, salt=b"", payload=body))

    def number(self, connection: sa.Connection, seq: int) -> int:
        """Return the number of the key under which the parts of an entry stand."""
        query = sa.select(MATCH_PARTS.c.payload).where(MATCH_PARTS.c.seq == seq)
        body = connection.execute(query).scalar_one_or_none()
        if body is None:
            raise RegistryError(f"expected the match part of entry {seq}, found none")
        return number_of(blob(body))

    def destroy(self, connection: sa.Connection, claim_id: str, below: int) -> None:
        """Delete the parts of a claim's entries before `below`."""
        own = sa.select(EVENTS.c.seq).where(EVENTS.c.claim_id == claim_id, EVENTS.c.seq < below)
        for table in TABLES:
            connection.execute(sa.delete(table).where(table.c.seq.in_(own)))

    def seal_plain(self, connection: sa.Connection) -> int:
        """Bring parts that an older recuse wrote in the clear under keys; returns how many."""
        count = 0
        for table in TABLES:
            for row in self._rows(connection, table, sa.func.length(table.c.salt) > 0):
                part = OpenedPart(blob(row.payload), blob(row.salt))
                numbers = self.keys.numbers(row.claim_id)
                number = max(numbers, default=0) or self.keys.make(row.claim_id, self.random)
                connection.execute(sa.delete(table).where(table.c.seq == row.seq))
                self.put(connection, table, (row.seq, row.claim_id), part, number)
                count += 1
        return count

    def _rows(
        self, connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]
    ) -> Sequence[Any]:
        query = (
            sa.select(table.c.seq, table.c.salt, table.c.payload, EVENTS.c.claim_id)
            .join_from(table, EVENTS, EVENTS.c.seq == table.c.seq)
            .where(which)
        )
        return connection.execute(query).all()

    def _opened(
        self,
        table: sa.Table,
        row: sa.Row[Any],
        keys: dict[tuple[str, int], bytes],
    ) -> OpenedPart:
        body, salt = blob(row.payload), blob(row.salt)
        if salt:  # of an older recuse, until `seal_plain` has run
            return OpenedPart(body, salt)
        secret = keys.get((row.claim_id, number_of(body)))
        if secret is None:
            raise RegistryError(
                f"expected the key of claim {row.claim_id} in {self.keys.where}, found none:"
                " without it nobody can read what the claim says"
            )
        plain = opened(body, secret, _place(table, row.seq, row.claim_id))
        return OpenedPart(plain[SALT_BYTES:], plain[:SALT_BYTES])


def open_match_part(part: OpenedPart) -> MatchPart:
    """Return the match part that a payload holds. Raises RegistryError where it holds none."""
    try:
        return MatchPart.model_validate_json(part.payload)
    except ValueError as e:
        raise RegistryError(f"expected a match part of a claim, found {e}") from e


def open_identity_part(part: OpenedPart) -> IdentityPart:
    """Return the identity part that a payload holds."""
    return IdentityPart.model_validate_json(part.payload)


def _place(table: sa.Table, seq: int, claim_id: str) -> bytes:
    return f"{table.name} {seq} {claim_id}".encode()
