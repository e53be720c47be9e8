"""A notice: an entry of the log that is the registry's own word and is about no single claim.

It carries no signature of its own: whoever signs the log's checkpoints stands for it. A rotation
alone is signed, by the key that hands over, so that who trusts the old key can follow.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from optout.keys import verifies
from optout.log.note import parse_verifier_key
from schemas.canonical import canonical_json
from schemas.errors import RegistryError

ROTATE_PREFIX = b"recuse/v1/rotate\n"

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Hex64 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
Count = Annotated[int, Field(ge=0)]


class NoticeType(StrEnum):
    """What a registry says of itself."""

    MATCHER = "matcher"
    EPOCH = "epoch"
    RELEASE = "release"
    ROTATE = "rotate"


class _Notice(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = 1
    recorded_at: str  # RFC 3339, microseconds, UTC, by the registry's clock

    def leaf(self) -> bytes:
        """Return the canonical bytes of the log's leaf."""
        return canonical_json(self.model_dump(mode="json"))


class MatcherNotice(_Notice):
    """From here on vectors of this matcher judge, and those of any other wait."""

    type: Literal[NoticeType.MATCHER] = NoticeType.MATCHER
    fingerprint: str
    name: str


class EpochNotice(_Notice):
    """Where every claim stood when the log had `size` entries, as the root of a map.

    Whoever has the entries can make map and counts again (optout.status); the digest is of the
    snapshot's tables, whose match parts only some may see.
    """

    type: Literal[NoticeType.EPOCH] = NoticeType.EPOCH
    number: Count
    size: Count
    map_root: Hex32
    claims: dict[str, Count]  # by state
    tables_sha256: Hex32


class Applied(BaseModel):
    """The state of this registry that a release was made by, as its manifest says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Count
    root: Hex32


class ReleaseNotice(_Notice):
    """A release as it was announced; no signature was checked, what it holds its own proofs say."""

    type: Literal[NoticeType.RELEASE] = NoticeType.RELEASE
    title: str
    manifest_sha256: Hex32
    key: str  # NAME+ID as its note names it, unverified; "" without a note
    roots: dict[str, Hex32]  # of the maps over the release
    applied: Applied | None  # null where it did not use this registry


class RotateNotice(_Notice):
    """From here on another key signs the log's checkpoints."""

    type: Literal[NoticeType.ROTATE] = NoticeType.ROTATE
    before: str  # verifier keys: NAME+ID+BASE64
    after: str
    signature: Hex64  # by the key before, over `rotation_bytes`


Notice = MatcherNotice | EpochNotice | ReleaseNotice | RotateNotice

_ANY: TypeAdapter[Notice] = TypeAdapter(Annotated[Notice, Field(discriminator="type")])


def parse_notice(value: Any) -> Notice:
    """Return the notice of a JSON value. Raises ValueError for anything else."""
    return _ANY.validate_python(value)


def rotated(before: str, after: str, signature: str, recorded_at: str) -> RotateNotice:
    """Return the notice of a rotation. Raises RegistryError where the key before has not signed."""
    key = parse_verifier_key(before)
    if not verifies(key.public.hex(), rotation_bytes(before, after), signature):
        raise RegistryError(
            f"expected the key before, {key.short}, to hand over to another, found no signature by"
            " it"
        )
    return RotateNotice(recorded_at=recorded_at, before=before, after=after, signature=signature)


def rotation_bytes(before: str, after: str) -> bytes:
    """Return what the key that hands over signs."""
    return ROTATE_PREFIX + canonical_json([before, after])
