"""What a witness answers: it cosigns a log's newer state if that extends the one it has seen.

Source: C2SP tlog-witness v1.0.0, its call add-checkpoint. Pure: state and time come in. `judge`
says what a request asks for, either an answer that refuses it or a `Move` of the witness's state.
Whoever runs a witness stores the move first, if the state is still the one that was judged by, and
only then has `cosigned` make the signature: so none is given out for a state that may be forgotten.

    old SIZE                the size that the witness has seen, as far as the client knows
    BASE64                  the consistency proof from that size, up to 63 lines
    (empty)
    CHECKPOINT              signed by the log
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from optout.log import checkpoint, cosignature, merkle, note
from optout.log.checkpoint import Checkpoint, parse_hash, parse_number
from optout.log.merkle import EMPTY_ROOT
from optout.log.note import SignerKey, VerifierKey, to_base64
from schemas.errors import ProofError

CALL = "add-checkpoint"
OLD = "old "
MAX_HASHES = 63
MAX_REQUEST_BYTES = 256 << 10
"""Sixteen signatures of 5 kB, a proof, and as much again."""

OK, BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE = 200, 400, 403, 404, 409, 422
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Request:
    """A call of add-checkpoint. `checkpoint` is the signed note."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def to_bytes(self) -> bytes:
        """Return the request's body."""
        lines = [f"{OLD}{self.old_size}", *map(to_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, kind and body of an answer."""

    status: int
    body: bytes
    content_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Head:
    """What a witness has cosigned last of a log; of one that it has not seen, the empty log."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Move:
    """A state that may be cosigned once the witness's state has gone from `before` to `after`."""

    origin: str
    before: Head
    after: Head
    signed: bytes  # the checkpoint as the log has signed it


def parse_request(body: bytes) -> Request:
    """Return a request. Raises ProofError for anything else."""
    if len(body) > MAX_REQUEST_BYTES:
        raise ProofError(f"expected {MAX_REQUEST_BYTES:,} bytes at most, found {len(body):,}")
    head, blank, signed = body.partition(b"\n\n")
    try:
        first, *lines = head.decode().split("\n")
    except UnicodeDecodeError as e:
        raise ProofError(f"expected a request in UTF-8: {e}") from e
    if not blank or not first.startswith(OLD):
        raise ProofError(f"expected `old SIZE`, a proof, an empty line, found {head!r:.120}")
    if len(lines) > MAX_HASHES:
        raise ProofError(f"expected {MAX_HASHES} hashes at most, found {len(lines)}")
    checkpoint.parse(signed)
    size = parse_number(first.removeprefix(OLD), "old size")
    return Request(size, tuple(map(parse_hash, lines)), signed)


def judge(
    body: bytes, logs: Collection[VerifierKey], head_of: Callable[[str], Head]
) -> Move | Answer:
    """Return the move of the witness's state that a request asks for, or why it is refused.

    logs: keys of the logs that the witness knows; the name of each is its log's origin.
    head_of: what was cosigned last of an origin.
    """
    try:
        request = parse_request(body)
        asked = checkpoint.parse(request.checkpoint)
    except ProofError as e:
        return _refused(BAD_REQUEST, str(e))
    keys = [key for key in logs if key.name == asked.origin]
    if not keys:
        return _refused(NOT_FOUND, f"no log {asked.origin!r:.120} is known here")
    try:
        note.opened(request.checkpoint, keys)
    except ProofError as e:
        return _refused(FORBIDDEN, str(e))
    if request.old_size > asked.size:
        return _refused(BAD_REQUEST, f"old size {request.old_size} is above size {asked.size}")
    seen = head_of(asked.origin)
    if request.old_size != seen.size:
        return Answer(CONFLICT, f"{seen.size}\n".encode(), SIZE)
    return _grown(request, asked, seen) or Move(
        asked.origin, seen, Head(asked.size, asked.root), request.checkpoint
    )


def cosigned(move: Move, key: SignerKey, at: int) -> Answer:
    """Return the answer to a request whose move has been stored, at a POSIX time."""
    text = note.parse(move.signed).text
    return Answer(OK, cosignature.cosign(text, key, at).line().encode())


def _grown(request: Request, asked: Checkpoint, seen: Head) -> Answer | None:
    """Return why a state does not extend the one seen, whose size the request has; else none."""
    if seen.size in (0, asked.size):
        # From nothing to something there is nothing to prove, nor from a state to itself.
        if request.proof:
            return _refused(UNPROCESSABLE, f"expected no proof from size {seen.size}")
        if seen.size == asked.size and seen.root != asked.root:
            return _refused(CONFLICT, f"another root was cosigned at size {seen.size}")
        return None
    try:
        merkle.verify_consistency(seen.size, asked.size, seen.root, asked.root, request.proof)
    except ProofError as e:
        return _refused(UNPROCESSABLE, str(e))
    return None


def _refused(status: int, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())
