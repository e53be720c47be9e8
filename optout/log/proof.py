"""`.tlog-proof` files: an entry is in a log, and witnesses have seen that log. Pure.

Source: C2SP tlog-proof v1. A text of lines, then the checkpoint verbatim:

    c2sp.org/tlog-proof@v1
    extra BASE64            only where there is extra data; nobody has signed it
    index N
    BASE64                  the inclusion proof, from the leaf's sibling up
    (empty)
    CHECKPOINT              a signed note, cosignatures included

One form is accepted, so that no byte but those of unknown signatures and of `extra` can be changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from optout.log import checkpoint, merkle
from optout.log import policy as policies
from optout.log.checkpoint import Checkpoint, parse_hash, parse_number
from optout.log.note import VerifierKey, to_base64, unbase64
from optout.log.policy import Policy
from schemas.errors import ProofError

FORMAT = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
EXTRA = "extra "
INDEX = "index "
MAX_HASHES = 63
MAX_PROOF_BYTES = 2 << 20
"""As much as a note may have, and as much again for extra data."""


@dataclass(frozen=True, slots=True)
class LogProof:
    """A proof as it stands in its file. `checkpoint` is the signed note."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the file."""
        lines = [FORMAT, *([EXTRA + to_base64(self.extra)] if self.extra else [])]
        lines += [f"{INDEX}{self.index}", *map(to_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


@dataclass(frozen=True, slots=True)
class Proved:
    """What a proof has shown: the entry at `index` of the log that `log` has signed for.

    times: POSIX time of each witness of the policy that has cosigned, by that witness's clock.
    quorum: whether those are the witnesses that the policy asks for; without it a log may show
    others another history.
    """

    checkpoint: Checkpoint
    index: int
    log: VerifierKey
    times: Mapping[VerifierKey, int]
    quorum: bool


def render(proof: LogProof) -> bytes:
    """Return the file of a proof. Raises ProofError for one that nobody could read."""
    body = proof.to_bytes()
    if parse(body) != proof:
        raise ProofError("expected a proof that stays what it is in its file, found another")
    return body


def parse(body: bytes) -> LogProof:
    """Return the proof of a file, unverified. Raises ProofError for anything else."""
    if len(body) > MAX_PROOF_BYTES:
        raise ProofError(
            f"expected a proof of {MAX_PROOF_BYTES:,} bytes at most, found {len(body):,}"
        )
    head, blank, signed = body.partition(b"\n\n")
    try:
        first, *lines = head.decode().split("\n")
    except UnicodeDecodeError as e:
        raise ProofError(f"expected a proof in UTF-8: {e}") from e
    if first != FORMAT or not blank:
        raise ProofError(f"expected a proof that begins with {FORMAT}, found {body[:60]!r}")
    extra: bytes | None = b""
    if lines and lines[0].startswith(EXTRA):
        extra = unbase64(lines.pop(0).removeprefix(EXTRA)) or None  # no empty extra is written
    if extra is None:
        raise ProofError(f"expected base64 of extra data in a proof, found {head!r:.120}")
    if not lines or not lines[0].startswith(INDEX):
        raise ProofError(f"expected a line `{INDEX}N` in a proof, found {head!r:.120}")
    if len(lines) - 1 > MAX_HASHES:
        raise ProofError(f"expected {MAX_HASHES} hashes at most, found {len(lines) - 1}")
    index = parse_number(lines[0].removeprefix(INDEX), "index")
    checkpoint.parse(signed)
    return LogProof(index, tuple(map(parse_hash, lines[1:])), signed, extra)


def verify(leaf: bytes, proof: LogProof, policy: Policy) -> Proved:
    """Return what a proof shows of a leaf, given as it was logged, by a policy.

    Raises ProofError where the policy does not take the checkpoint (optout.log.policy.opened), or
    the leaf is not where the proof says. An unmet quorum is told, not raised: who relies on times,
    or on everybody seeing one log, asks for it.
    """
    found = policies.opened(proof.checkpoint, policy)
    head = found.checkpoint
    merkle.verify_inclusion(merkle.leaf_hash(leaf), proof.index, head.size, proof.hashes, head.root)
    return Proved(head, proof.index, found.log, found.times, found.quorum)
