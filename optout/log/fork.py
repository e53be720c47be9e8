"""Proof that a log shows two histories: two checkpoints by its key that cannot both be true. Pure.

Whoever has a policy that names the log can check it, offline; only the log could have made it. Two
roots at one size are proof as they stand. Of two sizes it takes an entry that one tree has and the
other has not at that index: its leaf hash in either, each with its inclusion proof.

    recuse-fork/1
    index N                     of two sizes only, like the two lines below it
    first BASE64 BASE64...      leaf hash in the first tree, then its inclusion proof
    second BASE64 BASE64...
    (empty)
    CHECKPOINT                  signed by the log
    (empty)
    CHECKPOINT
"""

from dataclasses import dataclass

from optout.log import checkpoint, merkle
from optout.log import policy as policies
from optout.log.checkpoint import Checkpoint, parse_hash, parse_number
from optout.log.note import to_base64
from optout.log.policy import Policy
from optout.log.tile_reader import TileReader
from schemas.errors import ProofError

FORMAT = "recuse-fork/1"
INDEX, FIRST, SECOND = "index ", "first ", "second "
BLOCKS = 5  # what is said, and text and signatures of two checkpoints; none holds an empty line
MAX_FORK_BYTES = 3 << 20


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf hash in one of the trees, with its inclusion proof."""

    hash: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """Two signed checkpoints; of two sizes also where their trees part."""

    checkpoints: tuple[bytes, bytes]
    index: int | None = None
    leaves: tuple[Leaf, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the file."""
        lines = [FORMAT]
        if self.index is not None:
            lines.append(f"{INDEX}{self.index}")
            for word, leaf in zip((FIRST, SECOND), self.leaves, strict=True):
                lines.append(word + " ".join(map(to_base64, (leaf.hash, *leaf.proof))))
        return "\n".join([*lines, "", ""]).encode() + b"\n".join(self.checkpoints)


def of_heads(first: bytes, second: bytes, policy: Policy) -> Fork | None:
    """Return the proof that two signed checkpoints are of one size and two roots, else none.

    Raises ProofError where they are not both signed by one log of the policy.
    """
    found = Fork((first, second))
    heads = _heads(found, policy)
    return found if _is_fork_as_it_stands(heads) else None


def of_logs(
    first: bytes, second: bytes, policy: Policy, logs: tuple[TileReader, TileReader]
) -> Fork | None:
    """Return the proof that two signed checkpoints are of two histories, else none.

    logs: what each of the checkpoints stands for, read from its files. Raises ProofError where
    they are not both signed by one log of the policy, or a log's files are not its own.
    """
    heads = _heads(Fork((first, second)), policy)
    for head, log in zip(heads, logs, strict=True):
        if (log.size, log.root) != (head.size, head.root):
            raise ProofError(f"expected the log of size {head.size}, found one of {log.size}")
    if _is_fork_as_it_stands(heads):
        return Fork((first, second))
    common = min(log.size for log in logs)
    if logs[0].root_at(common) == logs[1].root_at(common):
        return None
    low, high = 0, common  # the trees agree on their first `low` entries, and part before `high`
    while high - low > 1:
        middle = (low + high) // 2
        same = logs[0].root_at(middle) == logs[1].root_at(middle)
        low, high = (middle, high) if same else (low, middle)
    leaves = tuple(Leaf(log.leaf_hash(low), tuple(log.inclusion_proof(low))) for log in logs)
    return Fork((first, second), low, leaves)


def verify(fork: Fork, policy: Policy) -> tuple[Checkpoint, Checkpoint]:
    """Return the two checkpoints that cannot both be true. Raises ProofError for no proof of it."""
    heads = _heads(fork, policy)
    if fork.index is None:
        if not _is_fork_as_it_stands(heads):
            raise ProofError("expected two roots at one size, found no fork")
        return heads
    first, second = fork.leaves
    if first.hash == second.hash:
        raise ProofError(f"expected two leaves at index {fork.index}, found one: no fork")
    for head, leaf in zip(heads, fork.leaves, strict=True):
        merkle.verify_inclusion(leaf.hash, fork.index, head.size, leaf.proof, head.root)
    return heads


def parse(body: bytes) -> Fork:
    """Return the proof of a file, unverified. Raises ProofError for anything else."""
    if len(body) > MAX_FORK_BYTES:
        raise ProofError(f"expected {MAX_FORK_BYTES:,} bytes at most, found {len(body):,}")
    try:
        said, *notes = body.decode().split("\n\n")
    except UnicodeDecodeError as e:
        raise ProofError(f"expected the proof of a fork in UTF-8: {e}") from e
    first, *lines = said.split("\n")
    if first != FORMAT or len(notes) != BLOCKS - 1:
        raise ProofError(f"expected a {FORMAT} of two checkpoints, found {body[:60]!r}")
    signed = (f"{notes[0]}\n\n{notes[1]}\n".encode(), f"{notes[2]}\n\n{notes[3]}".encode())
    for one in signed:
        checkpoint.parse(one)
    match lines:
        case []:
            return Fork(signed)
        case [index, a, b] if (
            index.startswith(INDEX) and a.startswith(FIRST) and b.startswith(SECOND)
        ):
            leaves = (_leaf(a.removeprefix(FIRST)), _leaf(b.removeprefix(SECOND)))
            return Fork(signed, parse_number(index.removeprefix(INDEX), "index"), leaves)
    raise ProofError(f"expected index, first and second in a {FORMAT}, found {said!r:.120}")


def _leaf(text: str) -> Leaf:
    found, *proof = map(parse_hash, text.split(" "))
    return Leaf(found, tuple(proof))


def _heads(fork: Fork, policy: Policy) -> tuple[Checkpoint, Checkpoint]:
    # A log may have had two keys; either binds it.
    first, second = (policies.opened(body, policy).checkpoint for body in fork.checkpoints)
    if first.origin != second.origin:
        raise ProofError(f"expected two checkpoints of {first.origin}, found {second.origin}")
    return first, second


def _is_fork_as_it_stands(heads: tuple[Checkpoint, Checkpoint]) -> bool:
    return heads[0].size == heads[1].size and heads[0].root != heads[1].root
