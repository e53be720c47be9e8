"""Checkpoints: what a log signs of its state. Pure; notes come in as bytes.

Source: C2SP tlog-checkpoint v1.0.0. The text of the note has three lines: origin, size, root in
base64. The key of a log bears the log's origin as its name, so that no log signs for another.

Extension lines are never written. On reading they are passed over: the specification makes them
opaque and optional, so a log may add them and its checkpoints stay good. They mean nothing here,
and whoever cosigns signs the text as it came, with them.
"""

import re
from dataclasses import dataclass

from optout.log import note
from optout.log.merkle import EMPTY_ROOT, HASH_BYTES
from optout.log.note import SignerKey, VerifierKey, to_base64, unbase64
from schemas.errors import ProofError, UsageError

LINES = 3
MAX_SIZE = (1 << 63) - 1
"""Sizes, indexes and times are signed 64-bit numbers where they are stored."""

NUMBER = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: as many entries, under that root."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"


def sign(checkpoint: Checkpoint, key: SignerKey) -> bytes:
    """Return the signed checkpoint.

    Raises UsageError for a key that does not bear the log's origin as its name, ProofError for a
    checkpoint that nobody could read.
    """
    if key.name != checkpoint.origin:
        raise UsageError(f"expected the key of log {checkpoint.origin!r}, found one of {key.name}")
    text = checkpoint.to_text()
    if parse_text(text) != checkpoint:
        raise ProofError(f"expected a checkpoint that stays what it is, found {checkpoint!r:.200}")
    return note.sign(text, key)


def opened(body: bytes, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint that the log's key has signed, once.

    Raises ProofError for anything else, the checkpoint of a log of another name included.
    """
    checkpoint = parse_text(note.opened(body, [key]).text)
    if checkpoint.origin != key.name:
        raise ProofError(f"expected a checkpoint of {key.name}, found one of {checkpoint.origin}")
    require_one_line_each(note.parse(body).signatures, key)
    return checkpoint


def parse(body: bytes) -> Checkpoint:
    """Return what a signed checkpoint says; whether anybody has signed it is not looked at."""
    return parse_text(note.parse(body).text)


def parse_text(text: str) -> Checkpoint:
    """Return the checkpoint of a note's text. Raises ProofError for any other text."""
    *lines, end = text.split("\n")
    if end or len(lines) < LINES or not all(lines):
        raise ProofError(
            f"expected origin, size and root in lines of a checkpoint, found {text!r:.120}"
        )
    origin, size, root = lines[0], parse_number(lines[1], "size"), parse_hash(lines[2])
    if not size and root != EMPTY_ROOT:
        raise ProofError(f"expected the root of the empty log at size 0, found {root.hex()}")
    return Checkpoint(origin, size, root)


def require_one_line_each(signatures: tuple[note.Signature, ...], *keys: VerifierKey) -> None:
    """Raise ProofError where a key that is known has signed in more than one line.

    A line said twice would change the bytes of a checkpoint unseen, and two times of one witness
    leave open which of them counts.
    """
    for key in keys:
        found = sum((s.name, s.key_id) == (key.name, key.key_id) for s in signatures)
        if found > 1:
            raise ProofError(f"expected one signature by {key.short}, found {found}")


def parse_number(text: str, what: str) -> int:
    """Return a number in its one decimal form, below 2^63. Raises ProofError otherwise."""
    if not NUMBER.fullmatch(text) or int(text) > MAX_SIZE:
        raise ProofError(f"expected a {what} in decimal, found {text!r:.60}")
    return int(text)


def parse_hash(text: str) -> bytes:
    """Return a hash of 32 bytes from base64 in its one form. Raises ProofError otherwise."""
    body = unbase64(text)
    if body is None or len(body) != HASH_BYTES:
        raise ProofError(f"expected a hash of {HASH_BYTES} bytes in base64, found {text!r:.60}")
    return body
