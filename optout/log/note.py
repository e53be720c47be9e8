"""Signed notes: a text, a blank line, signatures. Pure; keys and notes come in as text and bytes.

Source: C2SP signed-note v1.0.0. Of the signature types Ed25519 (0x01) is understood here, and the
cosignatures of witnesses (0x04) in optout.log.cosignature; a line of any other type is one of an
unknown key, and ignored as the specification asks. Signing keys
have the form in which Go's sumdb/note writes them. One form of everything is accepted: base64 with
its padding and no stray bits, key ids in lower case, so that no byte of a note can be changed
unseen.
"""

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from optout.keys import SEED_BYTES, SigningKey, verifies
from schemas.errors import ProofError, UsageError

ED25519 = b"\x01"
COSIGNATURE = b"\x04"
KINDS = {ED25519: "Ed25519", COSIGNATURE: "cosignature/v1"}
"""Signature types that a key may have; the same public key has another id under each."""

PUBLIC_BYTES = 32
ID_BYTES = 4
PRIVATE = "PRIVATE+KEY+"
DASH = "\u2014 "

MAX_SIGNATURES = 100
"""More than the 16 that the specification demands of a verifier; as many as Go's takes."""
MAX_NOTE_BYTES = 1 << 20
"""A hundred signatures of 5 kB, the largest in sight, and half a megabyte of text."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name under which it signs. As text: NAME+ID+BASE64."""

    name: str
    public: bytes  # Ed25519, 32 bytes
    kind: bytes = ED25519  # signature type: what a signature by the key is made over

    @property
    def key_id(self) -> str:
        """What a signature names beside the name: 8 hex characters."""
        body = self.name.encode() + b"\n" + self.kind + self.public
        return hashlib.sha256(body).digest()[:ID_BYTES].hex()

    @property
    def short(self) -> str:
        """Name and id: enough to know the key again, not to verify by it."""
        return f"{self.name}+{self.key_id}"

    def __str__(self) -> str:
        return f"{self.short}+{to_base64(self.kind + self.public)}"


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A private key with its name. `to_text` is what its file holds."""

    name: str
    seed: bytes = field(repr=False)
    kind: bytes = ED25519

    @property
    def verifier(self) -> VerifierKey:
        """The key by which others verify."""
        return VerifierKey(self.name, bytes.fromhex(SigningKey(self.seed).public), self.kind)

    def to_text(self) -> str:
        """Return PRIVATE+KEY+NAME+ID+BASE64."""
        return f"{PRIVATE}{self.verifier.short}+{to_base64(self.kind + self.seed)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line; of whatever key, verified or not."""

    name: str
    key_id: str
    body: bytes

    def line(self) -> str:
        """Return the line, with its end."""
        return f"{DASH}{self.name} {to_base64(bytes.fromhex(self.key_id) + self.body)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note that is well formed. Nothing in it is to be believed before `opened` has verified."""

    text: str  # with its final newline
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """Return the note as it is published."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()


@dataclass(frozen=True, slots=True)
class Opened:
    """The text of a note, and the keys whose signatures on it verified, in the note's order."""

    text: str
    keys: tuple[VerifierKey, ...]


def parse_verifier_key(text: str, kind: bytes = ED25519) -> VerifierKey:
    """Return the key of NAME+ID+BASE64. Raises UsageError for anything else, or another kind.

    An id that is not the key's own is refused: it is there to catch a mistyped key.
    """
    name, material = _split_key(text, "verifier key", PUBLIC_BYTES, kind)
    key = VerifierKey(name, material, kind)
    if str(key) != text:
        raise UsageError(f"expected key id {key.key_id} in verifier key {text!r:.120}")
    return key


def parse_signer_key(text: str, where: str, kind: bytes = ED25519) -> SignerKey:
    """Return the key of PRIVATE+KEY+NAME+ID+BASE64. Raises UsageError, which never shows it."""
    if not text.startswith(PRIVATE):
        raise UsageError(f"expected a private key that begins with {PRIVATE} in {where}")
    try:
        name, material = _split_key(text.removeprefix(PRIVATE), "private key", SEED_BYTES, kind)
    except UsageError:
        raise UsageError(
            f"expected {PRIVATE}NAME+ID+BASE64 of an {KINDS[kind]} key in {where}, found"
            " another form"
        ) from None
    key = SignerKey(name, material, kind)
    if key.to_text() != text:
        raise UsageError(f"expected key id {key.verifier.key_id} of the private key in {where}")
    return key


def require_name(name: str) -> None:
    """Raise UsageError unless a key may have this name: not empty, no space, plus or control."""
    if not _is_name(name):
        raise UsageError(
            f"expected a name without spaces, '+' and control characters, found {name!r:.120}"
        )


def sign(text: str, *keys: SignerKey) -> bytes:
    """Return the note of a text by one or more keys.

    Raises ProofError for what no verifier would take: no key, a text that does not end its line, a
    control character, too long a text; UsageError for a key that signs something else than notes.
    """
    _require_notes(key.kind for key in keys)
    signatures = tuple(
        Signature(
            key.name,
            key.verifier.key_id,
            bytes.fromhex(SigningKey(key.seed).sign(_encoded(text))),
        )
        for key in keys
    )
    body = _encoded(text) + b"\n" + b"".join(s.line().encode() for s in signatures)
    if parse(body) != Note(text, signatures):
        raise ProofError("expected a text that stays what it is in a note, found another")
    return body


def parse(body: bytes) -> Note:
    """Return the note in bytes, unverified. Raises ProofError for anything else."""
    if len(body) > MAX_NOTE_BYTES:
        raise ProofError(
            f"expected a note of {MAX_NOTE_BYTES:,} bytes at most, found {len(body):,}"
        )
    try:
        whole = body.decode()
    except UnicodeDecodeError as e:
        raise ProofError(f"expected a note in UTF-8: {e}") from e
    if any(c < " " and c != "\n" for c in whole):
        raise ProofError("expected a note without control characters, found one")
    # The last empty line: the text may hold others.
    text, blank, signed = whole.rpartition("\n\n")
    if not blank or not signed.endswith("\n"):
        raise ProofError("expected a text, an empty line and signatures, each line ended")
    lines = signed[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise ProofError(f"expected {MAX_SIGNATURES} signatures at most, found {len(lines)}")
    return Note(text + "\n", tuple(parse_signature(line) for line in lines))


def opened(body: bytes, keys: Collection[VerifierKey]) -> Opened:
    """Return the text of a note that one of `keys` has signed, with those that have.

    Signatures of other keys are passed over, also where they share name or id with a known one.
    Raises ProofError for a malformed note, one that no known key has signed, and one on which any
    signature of a known key does not verify, repeated lines included; UsageError where two of
    `keys` cannot be told apart, or one signs something else than notes.
    """
    _require_notes(key.kind for key in keys)
    known = {(key.name, key.key_id): key for key in keys}
    if len(known) != len(set(keys)):
        raise UsageError("expected keys that differ in name or id, found two that do not")
    note = parse(body)
    found: dict[VerifierKey, None] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not verifies(key.public.hex(), note.text.encode(), signature.body.hex()):
            raise ProofError(f"expected a signature by {key.short}, found one that does not verify")
        found[key] = None
    if not found:
        names = ", ".join(sorted(key.short for key in keys)) or "no key"
        signers = ", ".join(f"{s.name}+{s.key_id}" for s in note.signatures)
        raise ProofError(f"expected a note signed by {names}, found signatures by {signers:.300}")
    return Opened(note.text, tuple(found))


def parse_signature(line: str) -> Signature:
    """Return a signature line, given without its end; unverified. Raises ProofError otherwise."""
    name, space, encoded = line.removeprefix(DASH).partition(" ")
    body = unbase64(encoded)
    if not line.startswith(DASH) or not space or not _is_name(name) or body is None:
        raise ProofError(f"expected a signature line of a note, found {line!r:.120}")
    if len(body) <= ID_BYTES:
        raise ProofError(f"expected a signature behind the key id, found {line!r:.120}")
    return Signature(name, body[:ID_BYTES].hex(), body[ID_BYTES:])


def _split_key(text: str, what: str, size_bytes: int, kind: bytes) -> tuple[str, bytes]:
    """Return name and key material; whether the id is right the caller sees by writing the key."""
    name, _, rest = text.partition("+")
    body = unbase64(rest.partition("+")[2])  # base64 itself may hold '+'
    if not _is_name(name) or body is None or len(body) != 1 + size_bytes or body[:1] != kind:
        raise UsageError(f"expected an {KINDS[kind]} {what} NAME+ID+BASE64, found {text!r:.120}")
    return name, body[1:]


def _require_notes(kinds: Iterable[bytes]) -> None:
    if any(kind != ED25519 for kind in kinds):
        raise UsageError("expected Ed25519 keys that sign notes, found one of a witness")


def _is_name(name: str) -> bool:
    # isspace goes by Unicode's White_Space and takes the control characters 1c to 1f as well.
    # A lone surrogate is what UTF-8 cannot write.
    return bool(name) and not any(
        c.isspace() or c == "+" or c < " " or "\ud800" <= c <= "\udfff" for c in name
    )


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as e:
        raise ProofError(f"expected a text that UTF-8 can write: {e}") from e


def to_base64(body: bytes) -> str:
    """Return the one form of base64 that is accepted."""
    return base64.b64encode(body).decode()


def unbase64(text: str) -> bytes | None:
    """Return the bytes of base64 in its one form, null for any other text."""
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return body if to_base64(body) == text else None
