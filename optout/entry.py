"""An entry of the log: what it shows, what of it is signed, and the leaf it becomes.

A leaf is the canonical JSON of an entry. It shows version, type, a random claim id, the leaf hash
of the claim's previous entry, two salted commitments, who signed with which key, the registry's
time, and what a moderator has established. Name, address, hash and vector of a claim stand behind
the commitments.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from optout.commitment import SALT_BYTES, OpenedPart, opened
from optout.keys import SigningKey, verifies
from optout.lifecycle import Acceptance, Authorship, Event, Signer
from schemas.canonical import canonical_json
from schemas.claim import IdentityPart, MatchPart
from schemas.errors import ClaimError, RegistryError, SchemaError

SIGNED_PREFIX = b"recuse/v1/entry\n"  # a signature of ours is no signature of anything else
CLAIM_ID_BYTES = 16
ADDED = frozenset({"authorship", "reason"})
"""Fields that the first entries did not have; they stand only where they say something."""

Random = Callable[[int], bytes]
"""n to n random bytes; `secrets.token_bytes` outside tests."""

Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Hex64 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


class Statement(BaseModel):
    """What a claimant or a moderator signs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = 1
    type: Event
    claim: Hex16
    previous: Hex32 | Literal[""]  # leaf hash of the claim's entry before; "" on submit
    match: Hex32 | Literal[""]  # commitment; "" where the entry carries no part
    identity: Hex32 | Literal[""]
    by: Signer
    key: Hex32
    level: Annotated[int, Field(ge=0, le=3)] | None = None  # on verify
    authorship: Authorship | None = None  # on verify, where it was proved
    reason: Acceptance | None = None  # on accept_style

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is added and unset: the bytes of older entries stay what they were."""
        return {k: v for k, v in dump(self).items() if k not in ADDED or v is not None}

    def signed_bytes(self) -> bytes:
        """Return the bytes that the signature covers."""
        names = Statement.model_fields.keys()
        return SIGNED_PREFIX + canonical_json(self.model_dump(mode="json", include=set(names)))


class Entry(Statement):
    """A statement with its signature and the time at which the registry recorded it."""

    recorded_at: str  # RFC 3339, microseconds, UTC, by the registry's clock
    signature: Hex64

    def leaf(self) -> bytes:
        """Return the canonical bytes of the log's leaf."""
        return canonical_json(self.model_dump(mode="json"))

    def check_signature(self) -> None:
        """Raise ClaimError unless the key that the entry shows has signed it."""
        if not verifies(self.key, self.signed_bytes(), self.signature):
            raise ClaimError(f"expected a signature by {self.key} on {self.type} of {self.claim}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A signed statement on its way to the registry, with the parts that open it."""

    statement: Statement
    signature: str
    match: OpenedPart | None = None
    identity: OpenedPart | None = None

    def entry(self, recorded_at: str) -> Entry:
        """Return the entry that the registry records at that time."""
        return Entry(
            **self.statement.model_dump(), recorded_at=recorded_at, signature=self.signature
        )


def draft_submit(
    match: MatchPart, identity: IdentityPart, key: SigningKey, random: Random
) -> Draft:
    """Return a new claim, signed, under a random id. The private key goes no further."""
    parts = opened(match, random(SALT_BYTES)), opened(identity, random(SALT_BYTES))
    statement = Statement(
        type=Event.SUBMIT,
        claim=random(CLAIM_ID_BYTES).hex(),
        previous="",
        match=parts[0].commitment,
        identity=parts[1].commitment,
        by=Signer.CLAIMANT,
        key=key.public,
    )
    return Draft(statement, key.sign(statement.signed_bytes()), *parts)


def draft_refresh(
    parts: tuple[MatchPart, IdentityPart],
    claim_id: str,
    previous: str,
    key: SigningKey,
    random: Random,
) -> Draft:
    """Return a claim that exists with vectors added to its works, signed.

    parts: what changed and, for the record under a salt of its own, what did not. previous: leaf
    hash of the claim's newest entry.
    """
    match, identity = (opened(part, random(SALT_BYTES)) for part in parts)
    statement = Statement(
        type=Event.REFRESH,
        claim=claim_id,
        previous=previous,
        match=match.commitment,
        identity=identity.commitment,
        by=Signer.CLAIMANT,
        key=key.public,
    )
    return Draft(statement, key.sign(statement.signed_bytes()), match, identity)


def draft_erase_identity(  # noqa: PLR0917 - each of its own type
    left: MatchPart,
    claim_id: str,
    previous: str,
    key: SigningKey,
    random: Random,
    by: Signer = Signer.CLAIMANT,
) -> Draft:
    """Return the statement by which who asks is forgotten. left: what stays of the match part."""
    match = opened(left, random(SALT_BYTES))
    statement = Statement(
        type=Event.ERASE_IDENTITY,
        claim=claim_id,
        previous=previous,
        match=match.commitment,
        identity="",
        by=by,
        key=key.public,
    )
    return Draft(statement, key.sign(statement.signed_bytes()), match)


def draft_move(
    event: Event,
    claim_id: str,
    previous: str,
    key: SigningKey,
    *,
    by: Signer = Signer.CLAIMANT,
    level: int | None = None,
    authorship: Authorship | None = None,
    reason: Acceptance | None = None,
) -> Draft:
    """Return a signed statement about a claim that exists.

    previous: leaf hash of the claim's newest entry, so that a signature is good for one place.
    level, authorship: on verify. reason: on accept_style.
    """
    statement = Statement(
        type=event,
        claim=claim_id,
        previous=previous,
        match="",
        identity="",
        by=by,
        key=key.public,
        level=level,
        authorship=authorship,
        reason=reason,
    )
    return Draft(statement, key.sign(statement.signed_bytes()))


def parse_leaf(leaf: bytes, where: str) -> Entry:
    """Return the entry of a leaf. Raises RegistryError unless these are an entry's own bytes."""
    try:
        entry = Entry.model_validate(json.loads(leaf))
        same = entry.leaf() == leaf
    except (ValueError, ValidationError, SchemaError, RecursionError) as e:
        raise RegistryError(f"expected a log entry in {where}, found {type(e).__name__}") from e
    if not same:
        raise RegistryError(f"expected canonical JSON in {where}, found another form of it")
    return entry
