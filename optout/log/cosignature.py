"""Cosignatures: a witness says that at a time it saw no longer log than this one. Pure.

Source: C2SP tlog-cosignature v1.0.1, of it the Ed25519 form, cosignature/v1. A cosignature is a
line of the checkpoint's note whose body is a time, eight bytes, and a signature over a header, that
time and the text of the checkpoint as it came, extension lines included. Times are POSIX seconds
by the witness's clock; whether one lies in the future, who has a clock may ask.
"""

from collections.abc import Collection, Iterable, Mapping

from optout.keys import SigningKey, verifies
from optout.log import checkpoint, note
from optout.log.checkpoint import Checkpoint
from optout.log.note import COSIGNATURE, Signature, SignerKey, VerifierKey
from schemas.errors import ProofError, UsageError

HEADER = "cosignature/v1"
TIME_BYTES = 8
MAX_TIME = 253_402_300_799
"""The last second of the year 9999: what lies beyond no calendar here can name."""


def cosign(text: str, key: SignerKey, at: int) -> Signature:
    """Return a witness's signature of a checkpoint's text at a POSIX time.

    Raises ProofError for what is no checkpoint's text, UsageError for a key of another kind.
    """
    if key.kind != COSIGNATURE:
        raise UsageError(f"expected the key of a witness, found {key.verifier.short}")
    if not 0 <= at <= MAX_TIME:
        raise ProofError(f"expected a POSIX time from 0 to {MAX_TIME}, found {at}")
    checkpoint.parse_text(text)
    signed = SigningKey(key.seed).sign(_message(text, at))
    body = at.to_bytes(TIME_BYTES, "big") + bytes.fromhex(signed)
    return Signature(key.name, key.verifier.key_id, body)


def cosigned_at(text: str, signature: Signature, witness: VerifierKey) -> int:
    """Return the time at which a witness signed a checkpoint's text. Raises ProofError if not."""
    at = int.from_bytes(signature.body[:TIME_BYTES], "big")
    good = at <= MAX_TIME and verifies(
        witness.public.hex(), _message(text, at), signature.body[TIME_BYTES:].hex()
    )
    if not good or (signature.name, signature.key_id) != (witness.name, witness.key_id):
        raise ProofError(f"expected a cosignature by {witness.short}, found one that fails")
    return at


def times(body: bytes, witnesses: Collection[VerifierKey]) -> dict[VerifierKey, int]:
    """Return when each of the witnesses has cosigned a checkpoint, as far as they have.

    Lines of other keys are passed over. Raises ProofError where the line of a known witness fails,
    or there are two by it; UsageError for a key that is no witness's. Whose log it is, and that
    it has signed, is not looked at here.
    """
    if any(key.kind != COSIGNATURE for key in witnesses):
        raise UsageError("expected keys of witnesses, found another kind of key")
    known = {(key.name, key.key_id): key for key in witnesses}
    found = note.parse(body)
    checkpoint.require_one_line_each(found.signatures, *witnesses)
    return {
        key: cosigned_at(found.text, signature, key)
        for signature in found.signatures
        if (key := known.get((signature.name, signature.key_id)))
    }


def cosigned(
    body: bytes, log_key: VerifierKey, witnesses: Collection[VerifierKey]
) -> tuple[Checkpoint, Mapping[VerifierKey, int]]:
    """Return the checkpoint that the log has signed, and when which witness has cosigned it.

    Raises ProofError as `checkpoint.opened` and `times` do. No witness at all is no error.
    """
    return checkpoint.opened(body, log_key), times(body, witnesses)


def with_signatures(body: bytes, signatures: Iterable[Signature]) -> bytes:
    """Return a note with more signature lines; a line of the same name and id is replaced.

    The lines are taken as they are: who adds them has verified them.
    """
    found = note.parse(body)
    lines = {(s.name, s.key_id): s for s in (*found.signatures, *signatures)}
    return note.Note(found.text, tuple(lines.values())).to_bytes()


def parse_lines(body: bytes) -> tuple[Signature, ...]:
    """Return signature lines as a witness answers with them, unverified. Raises ProofError."""
    try:
        *lines, end = body.decode().split("\n")
    except UnicodeDecodeError as e:
        raise ProofError(f"expected signature lines in UTF-8: {e}") from e
    if end or not 0 < len(lines) <= note.MAX_SIGNATURES:
        raise ProofError(f"expected signature lines, each ended, found {body!r:.120}")
    return tuple(note.parse_signature(line) for line in lines)


def _message(text: str, at: int) -> bytes:
    return f"{HEADER}\ntime {at}\n{text}".encode()
