"""A sparse Merkle map: the value that a key has, or that it has none, proved by one root. Pure.

Keys and values are hashes of 32 bytes. The bits of a key, the highest first, are its way down from
the root, 0 to the left. Whatever the order in which they came, the same pairs give the same root:

    subtree without a key     EMPTY = SHA-256("recuse/v1/map/empty")
    subtree with one key      SHA-256("recuse/v1/map/leaf" || key || value)
    subtree with more         SHA-256("recuse/v1/map/node" || left || right)

A leaf stands where its key parts from all others, and binds the whole of it; so a way is about
log2 n long, not 256. It also answers for every other key that would have to stand below it: where
there is a leaf of another key, there is none of this one.

A proof answers for one key or for many (`prove_many`: ways that run together are told once). It
is the tree in pre-order, pruned to what the keys need, a letter each:

    n    a node, its left and right subtree follow
    k    a leaf, key and value
    e    an empty subtree
    h    the hash of a subtree with none of the keys

As JSON: {"shape": letters, "hashes": base64 of what the letters h (32 bytes) and k (64) stand
for}. There is one form of each proof: whatever could be said shorter, or cannot come from a map,
is refused.
"""

import base64
import binascii
import hashlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.errors import ProofError, SchemaError

HASH_BYTES = 32
KEY_BITS = 8 * HASH_BYTES
EMPTY = hashlib.sha256(b"recuse/v1/map/empty").digest()

_LEAF = b"recuse/v1/map/leaf"
_NODE = b"recuse/v1/map/node"
_NO_NODES = {"ee", "ek", "ke"}
"""Children of no node: a subtree with one key or none is no node."""
_PAYLOAD = {"n": 0, "e": 0, "h": HASH_BYTES, "k": 2 * HASH_BYTES}
_KEPT_ABOVE = 16
"""Keys of a subtree whose hash is kept for proofs; smaller ones are hashed again when needed."""

Range = tuple[int, int]


def leaf_hash(key: bytes, value: bytes) -> bytes:
    """Return the hash of a subtree with one key."""
    return hashlib.sha256(_LEAF + key + value).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a subtree with two keys or more."""
    return hashlib.sha256(_NODE + left + right).digest()


@dataclass(frozen=True, slots=True)
class Proof:
    """A pruned tree: see the module. Nothing in it is to be believed before it is verified."""

    shape: str
    hashes: bytes

    def as_json(self) -> dict[str, str]:
        """Return the proof as a JSON value."""
        return {"shape": self.shape, "hashes": base64.b64encode(self.hashes).decode()}

    @classmethod
    def from_json(cls, value: Any) -> "Proof":
        """Return the proof of a JSON value. Raises ProofError for any other form."""
        if not isinstance(value, dict) or set(value) != {"shape", "hashes"}:
            raise ProofError("expected a map proof with shape and hashes, found another value")
        shape, text = value["shape"], value["hashes"]
        if not isinstance(shape, str) or not isinstance(text, str):
            raise ProofError("expected shape and hashes of a map proof as text")
        if not shape or set(shape) - set(_PAYLOAD):
            raise ProofError("expected n, k, e and h as shape of a map proof, found another")
        try:
            hashes = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as e:
            raise ProofError(f"expected the hashes of a map proof in base64: {e}") from e
        if base64.b64encode(hashes).decode() != text:
            raise ProofError("expected base64 in its one form, found stray bits")
        return cls(shape, hashes)


@dataclass(frozen=True, slots=True)
class Subtree:
    """What those above need to know of a subtree: how many keys it has, and its hash."""

    keys: int
    hash: bytes


def joined(subtrees: Sequence[Subtree]) -> Subtree:
    """Return the map whose subtrees at one depth these are, in order of the bits before them.

    So a map is made in pieces, wherever their keys are. Their number is a power of two.
    """
    level = list(subtrees)
    while len(level) > 1:
        level = [_above(a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def _above(left: Subtree, right: Subtree) -> Subtree:
    keys = left.keys + right.keys
    if keys > 1:
        return Subtree(keys, node_hash(left.hash, right.hash))
    return left if left.keys else right


class SparseMap:
    """A map held in memory, as sorted pairs of 64 bytes; 5 million keys take 0.7 GB."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Take pairs of key and value in any order.

        Raises SchemaError for one that is not twice 32 bytes, and for a key that comes twice.
        """
        self._pairs = [_pair(key, value) for key, value in pairs]
        self._pairs.sort()
        self._kept: dict[tuple[int, int], bytes] = {}
        for a, b in zip(self._pairs, self._pairs[1:], strict=False):
            if a[:HASH_BYTES] == b[:HASH_BYTES]:
                raise SchemaError(f"expected each key once, found {a[:HASH_BYTES].hex()} twice")

    def __len__(self) -> int:
        return len(self._pairs)

    def root(self) -> bytes:
        """Return the root of the map."""
        return self._hash(0, (0, len(self)))

    def below(self, depth: int) -> "Subtree":
        """Return the map as a subtree at a depth; all of its keys agree in the bits before."""
        return Subtree(len(self), self._hash(depth, (0, len(self))))

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None where it has none."""
        at = bisect_left(self._pairs, key)
        found = at < len(self) and self._pairs[at][:HASH_BYTES] == key
        return self._pairs[at][HASH_BYTES:] if found else None

    def prove(self, key: bytes) -> Proof:
        """Return the proof of what `get` says."""
        return self.prove_many([key])

    def prove_many(self, keys: Collection[bytes]) -> Proof:
        """Return one proof of what `get` says of each of the keys, at least one."""
        wanted = sorted(set(keys))
        if not wanted or any(len(key) != HASH_BYTES for key in wanted):
            raise SchemaError(f"expected keys of {HASH_BYTES} bytes to prove, at least one")
        letters: list[str] = []
        hashes: list[bytes] = []
        self._tell(0, (0, len(self)), (0, len(wanted)), wanted, letters, hashes)
        return Proof("".join(letters), b"".join(hashes))

    def _tell(  # noqa: PLR0917  # a walk down two sorted lists at once
        self,
        depth: int,
        own: Range,
        asked: Range,
        wanted: list[bytes],
        letters: list[str],
        hashes: list[bytes],
    ) -> None:
        count = own[1] - own[0]
        if not count:
            letters.append("e")
        elif asked[0] == asked[1]:
            letters.append("h")
            hashes.append(self._hash(depth, own))
        elif count == 1:
            letters.append("k")
            hashes.append(self._pairs[own[0]])
        else:
            letters.append("n")
            sides = zip(
                _halves(self._pairs, own, depth), _halves(wanted, asked, depth), strict=True
            )
            for half, of_asked in sides:
                self._tell(depth + 1, half, of_asked, wanted, letters, hashes)

    def _hash(self, depth: int, own: Range) -> bytes:
        """Return the hash of the subtree at a depth over pairs [first, last)."""
        first, last = own
        count = last - first
        if not count:
            return EMPTY
        if count == 1:
            return hashlib.sha256(_LEAF + self._pairs[first]).digest()
        if count > _KEPT_ABOVE and (kept := self._kept.get((depth, first))):
            return kept
        left, right = _halves(self._pairs, own, depth)
        found = node_hash(self._hash(depth + 1, left), self._hash(depth + 1, right))
        if count > _KEPT_ABOVE:
            self._kept[depth, first] = found
        return found


def verify(root: bytes, key: bytes, proof: Proof) -> bytes | None:
    """Return the value that a key has in the map with that root, None where it has none.

    Raises ProofError where the proof does not show either.
    """
    return verify_many(root, [key], proof)[key]


def verify_many(root: bytes, keys: Collection[bytes], proof: Proof) -> Mapping[bytes, bytes | None]:
    """Return the value of each key in the map with that root, None for those that have none.

    keys: all that the proof was made for, in any order. Raises ProofError where the proof does not
    show all of it, or shows more.
    """
    wanted = sorted(set(keys))
    if not wanted or any(len(key) != HASH_BYTES for key in wanted):
        raise ProofError(f"expected keys of {HASH_BYTES} bytes, at least one")
    reader = _Reader(wanted, iter(proof.shape), proof.hashes)
    _, found = reader.subtree(0, (0, len(wanted)))
    reader.end()
    if found != root:
        raise ProofError(f"expected map root {root.hex()}, found {found.hex()} by the proof")
    return reader.values


class _Reader:
    """Walks down a proof with the keys that it is to answer for."""

    def __init__(self, wanted: list[bytes], letters: Iterator[str], hashes: bytes) -> None:
        self.values: dict[bytes, bytes | None] = {}
        self._wanted = wanted
        self._letters = letters
        self._hashes = hashes
        self._at = 0

    def subtree(self, depth: int, asked: Range) -> tuple[str, bytes]:
        """Return the letter and the hash of the next subtree."""
        letter = next(self._letters, "")
        if letter not in _PAYLOAD:
            raise ProofError(f"expected one of n, k, e, h in a map proof, found {letter!r}")
        body = self._take(_PAYLOAD[letter])
        if letter == "e":
            self.values |= dict.fromkeys(self._wanted[slice(*asked)])
            return letter, EMPTY
        if (letter == "h") != (asked[0] == asked[1]):
            raise ProofError(f"expected a map proof of the keys asked for, found {letter!r}")
        if letter == "h":
            if body == EMPTY:
                raise ProofError("expected an empty subtree of a map proof as e, found its hash")
            return letter, body
        if letter == "k":
            return letter, self._leaf(depth, asked, body)
        return letter, self._node(depth, asked)

    def end(self) -> None:
        """Raise ProofError unless all was read."""
        if next(self._letters, None) is not None or self._at != len(self._hashes):
            raise ProofError("expected a map proof of the keys asked for, found a longer one")

    def _leaf(self, depth: int, asked: Range, body: bytes) -> bytes:
        wanted = self._wanted[slice(*asked)]
        key, value = body[:HASH_BYTES], body[HASH_BYTES:]
        if _common_bits(key, wanted[0]) < depth:
            raise ProofError(f"expected key {key.hex()} on its own way down, found it elsewhere")
        self.values |= {one: value if one == key else None for one in wanted}
        return leaf_hash(key, value)

    def _node(self, depth: int, asked: Range) -> bytes:
        if depth == KEY_BITS:
            raise ProofError(f"expected a map of {KEY_BITS} levels, found more in the proof")
        left, right = (
            self.subtree(depth + 1, half) for half in _halves(self._wanted, asked, depth)
        )
        if left[0] + right[0] in _NO_NODES:
            raise ProofError("expected two keys below a node of a map, found fewer")
        return node_hash(left[1], right[1])

    def _take(self, size: int) -> bytes:
        body = self._hashes[self._at : self._at + size]
        if len(body) != size:
            raise ProofError("expected a longer map proof, found its hashes cut short")
        self._at += size
        return body


def _halves(sorted_keys: list[bytes], own: Range, depth: int) -> tuple[Range, Range]:
    """Return the ranges of those whose bit at a depth is 0 and 1; they agree in all bits before."""
    first, last = own
    at, mask = depth >> 3, 0x80 >> (depth & 7)
    if first == last or not sorted_keys[last - 1][at] & mask:
        return own, (last, last)
    if sorted_keys[first][at] & mask:
        return (first, first), own
    middle = bisect_left(sorted_keys, mask, first, last, key=lambda one: one[at] & mask)
    return (first, middle), (middle, last)


def _common_bits(a: bytes, b: bytes) -> int:
    """Return in how many leading bits two keys agree."""
    return KEY_BITS - (int.from_bytes(a) ^ int.from_bytes(b)).bit_length()


def _pair(key: bytes, value: bytes) -> bytes:
    if len(key) != HASH_BYTES or len(value) != HASH_BYTES:
        raise SchemaError(
            f"expected key and value of {HASH_BYTES} bytes, found {len(key)} and {len(value)}"
        )
    return key + value
