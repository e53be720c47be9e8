"""Salted commitments: what the log shows of a part whose content it does not show.

`SHA-256("recuse/v1" || salt || canonical JSON)`. The salt, 32 random bytes for each part of each
entry, keeps a guess of the content from being checked; once it is destroyed nothing can be.
"""

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel

from schemas.canonical import canonical_json
from schemas.errors import ProofError

PREFIX = b"recuse/v1"
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class OpenedPart:
    """A part with the salt that opens its commitment. `payload` is its canonical JSON."""

    payload: bytes
    salt: bytes

    @property
    def commitment(self) -> str:
        """The lower-case hex commitment to the part."""
        return commit(self.payload, self.salt)

    def check(self, commitment: str, where: str) -> None:
        """Raise ProofError unless the part opens the commitment that the log shows."""
        if self.commitment != commitment:
            raise ProofError(f"expected {where} to open {commitment}, found {self.commitment}")


def commit(payload: bytes, salt: bytes) -> str:
    """Return the lower-case hex commitment to canonical JSON under a salt of 32 bytes."""
    if len(salt) != SALT_BYTES:
        raise ProofError(f"expected a salt of {SALT_BYTES} bytes, found {len(salt)}")
    return hashlib.sha256(PREFIX + salt + payload).hexdigest()


def opened(part: BaseModel, salt: bytes) -> OpenedPart:
    """Return a part as it is committed to: canonical JSON of all its fields, and the salt."""
    return OpenedPart(canonical_json(part.model_dump(mode="json")), salt)
