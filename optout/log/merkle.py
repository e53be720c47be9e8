"""The Merkle tree of the log: roots, inclusion proofs, consistency proofs. Pure.

Source: RFC 6962 section 2.1 and RFC 9162 section 2.1 (the same tree, with the verification
algorithms spelt out). Leaves come in as 32-byte leaf hashes, in log order.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import ProofError

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf. The prefix keeps a leaf from passing for a node."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes; of none, SHA-256 of nothing."""
    level = list(leaves)
    while len(level) > 1:
        above = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)]
        # Who has no neighbour goes up as it is: the split of RFC 6962, told from below.
        level = above + level[-1:] if len(level) & 1 else above
    return level[0] if level else EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: enough to append a leaf and to know the root, in log n hashes.

    peaks: roots of the perfect subtrees, the largest first; one for each bit set in `size`.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> "Frontier":
        """Return the frontier with one more leaf hash."""
        peaks = list(self.peaks)
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(peaks.pop(), node)
            size >>= 1
        return Frontier(self.size + 1, (*peaks, node))

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node

    def to_bytes(self) -> bytes:
        """Return the peaks side by side."""
        return b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, size: int, body: bytes) -> "Frontier":
        """Return what `to_bytes` wrote. Raises ProofError where it does not fit `size`."""
        expected = size.bit_count() * HASH_BYTES
        if size < 0 or len(body) != expected:
            raise ProofError(
                f"expected {expected} bytes of peaks at size {size}, found {len(body)}"
            )
        peaks = tuple(body[at : at + HASH_BYTES] for at in range(0, len(body), HASH_BYTES))
        return cls(size, peaks)


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of the leaf at `index` in the tree over all of `leaves`.

    Raises ProofError where there is no such leaf. Source: RFC 9162 section 2.1.3.1.
    """
    if not 0 <= index < len(leaves):
        raise ProofError(f"expected a leaf index below {len(leaves)}, found {index}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root(leaves[:split])]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree over `leaves` extends its first `old_size` leaves.

    Raises ProofError unless 0 < old_size <= len(leaves): of an empty tree there is nothing to
    prove. Source: RFC 9162 section 2.1.4.1.
    """
    if not 0 < old_size <= len(leaves):
        raise ProofError(f"expected an old size from 1 to {len(leaves)}, found {old_size}")
    return _subproof(leaves, old_size, whole=True)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Return if the leaf hash is at `index` of the tree with that size and root.

    Raises ProofError otherwise. Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofError(f"expected a leaf index below tree size {size}, found {index}")
    _check_lengths([leaf, expected_root, *proof])
    node, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError(f"expected a shorter inclusion proof, found {len(proof)} hashes")
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError(f"expected a longer inclusion proof, found {len(proof)} hashes")
    if value != expected_root:
        raise ProofError(f"expected root {expected_root.hex()}, found {value.hex()} by the proof")


def verify_consistency(
    size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]
) -> None:
    """Return if the tree of size2 and root2 extends the tree of size1 and root1.

    Raises ProofError otherwise, and for an empty old tree, of which nothing can be proved.
    Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 < size1 <= size2:
        raise ProofError(f"expected sizes 0 < old <= new, found {size1} and {size2}")
    if size1 == size2:
        # No hash is computed here, so none is measured: the roots need only be the same.
        if proof or root1 != root2:
            raise ProofError(f"expected equal roots and no proof at size {size1}")
        return
    if not proof:
        raise ProofError(f"expected a consistency proof from {size1} to {size2}, found none")
    _check_lengths([root1, root2, *proof])
    path = list(proof)
    if size1 & (size1 - 1) == 0:  # the old tree is perfect: its root is the first node
        path.insert(0, root1)
    found1, found2 = _roots_by_proof(path, size1, size2)
    if found1 != root1 or found2 != root2:
        raise ProofError(f"expected the tree of {size2} to extend the one of {size1}: it does not")


def _roots_by_proof(path: Sequence[bytes], size1: int, size2: int) -> tuple[bytes, bytes]:
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("expected a shorter consistency proof")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("expected a longer consistency proof")
    return old, new


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [root(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, whole=whole), root(leaves[split:])]
    right = _subproof(leaves[split:], old_size - split, whole=False)
    return [*right, root(leaves[:split])]


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_lengths(hashes: Sequence[bytes]) -> None:
    wrong = [len(h) for h in hashes if len(h) != HASH_BYTES]
    if wrong:
        raise ProofError(f"expected hashes of {HASH_BYTES} bytes, found {wrong[0]}")
