"""Ed25519 keys of claimants and moderators: made, written, read, used. Opens no file."""

import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from schemas.errors import ClaimError, UsageError

SEED_BYTES = 32
PUBLIC = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, from the 32 random bytes that are all of it."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> str:
        """The public key, 64 hex characters."""
        key = self._private().public_key()
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, message: bytes) -> str:
        """Return the signature of a message, 128 hex characters."""
        return self._private().sign(message).hex()

    def to_pem(self) -> bytes:
        """Return the key as unencrypted PKCS #8 PEM, which OpenSSL and SSH tools read."""
        return self._private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def parse_pem(body: bytes, where: str) -> SigningKey:
    """Return the key that a PEM file holds. Raises ClaimError for anything else."""
    try:
        key = load_pem_private_key(body, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise ClaimError(f"expected an Ed25519 private key in {where}: {e}") from e
    if not isinstance(key, Ed25519PrivateKey):
        raise ClaimError(f"expected an Ed25519 private key in {where}, found another kind of key")
    return SigningKey(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


def parse_public_keys(text: str, where: str) -> frozenset[str]:
    """Return the public keys of a text: one a line, `#` begins a remark.

    Raises UsageError for a line that is anything else, and where there is no key at all.
    """
    lines = [(n, line.partition("#")[0].strip()) for n, line in enumerate(text.split("\n"), 1)]
    keys = {key: number for number, key in lines if key}
    for key, number in keys.items():
        if not PUBLIC.fullmatch(key):
            raise UsageError(
                f"expected a public key (64 hex characters, lower case) in line {number} of"
                f" {where}, found {key[:80]!r}"
            )
    if not keys:
        raise UsageError(f"expected public keys in {where}, one a line, found none")
    return frozenset(keys)


def verifies(public: str, message: bytes, signature: str) -> bool:
    """Say whether a signature (hex) over a message was made by the key (hex); never raises."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True
