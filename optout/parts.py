"""The two parts of a claim as a registry's database keeps them, and as what they are read."""

import sqlalchemy as sa

from optout.commitment import OpenedPart
from schemas.claim import IdentityPart, MatchPart
from schemas.errors import RegistryError


def stored(connection: sa.Connection, table: sa.Table, seq: int) -> OpenedPart | None:
    """Return the part of an entry in MATCH_PARTS or IDENTITY_PARTS, null where there is none."""
    row = connection.execute(sa.select(table).where(table.c.seq == seq)).one_or_none()
    return OpenedPart(blob(row.payload), blob(row.salt)) if row else None


def open_match_part(part: OpenedPart) -> MatchPart:
    """Return the match part that a payload holds. Raises RegistryError where it holds none."""
    try:
        return MatchPart.model_validate_json(part.payload)
    except ValueError as e:
        raise RegistryError(f"expected a match part of a claim, found {e}") from e


def open_identity_part(part: OpenedPart) -> IdentityPart:
    """Return the identity part that a payload holds."""
    return IdentityPart.model_validate_json(part.payload)


def blob(value: object) -> bytes:
    """Return a stored blob; SQLite would give text where somebody put text."""
    if not isinstance(value, bytes | memoryview):
        raise RegistryError(f"expected bytes in the registry, found {type(value).__name__}")
    return bytes(value)
