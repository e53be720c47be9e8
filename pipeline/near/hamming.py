"""All pairs of 256-bit hashes within a distance: exact, without comparing all with all.

Two hashes that differ in at most r bits agree in at least one of their 16 words of 16 bits up to
r // 16 bits (pigeonhole). So each word in turn is sorted, and only hashes whose words agree so far
are compared in full.

Source: Norouzi, Punjani, Fleet, "Fast search in Hamming space with multi-index hashing" (2012).
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

WORDS, WORD_BITS = 16, 16
MOST_ERRORS = 2  # in a word: beyond, probing costs more than comparing all
PROBE_FROM = 4_000  # hashes from which probing pays
CANDIDATES = 1 << 21  # compared at a time: about 150 MB

Hashes = npt.NDArray[np.uint64]
"""uint64[n, 4]"""
Indices = npt.NDArray[np.int64]
Distances = npt.NDArray[np.int16]
Pairs = tuple[Indices, Indices, Distances]


def as_words(hashes: list[bytes]) -> Hashes:
    """Return 32-byte hashes as uint64[n, 4]."""
    return np.frombuffer(b"".join(hashes), dtype=np.uint64).reshape(-1, 4)


def distance(a: Hashes, b: Hashes) -> Distances:
    """Return the bits in which rows differ; shapes broadcast over the last axis."""
    bits: Distances = np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int16)
    return bits


def pairs_within(hashes: Hashes, radius: int) -> Pairs:
    """Return i < j and distance of all pairs of rows at most `radius` bits apart, by (i, j)."""
    if radius // WORDS <= MOST_ERRORS and len(hashes) >= PROBE_FROM:
        found = list(_probed(hashes, radius))
    else:
        found = list(_compared(hashes, radius))
    i = np.concatenate([f[0] for f in found] or [np.empty(0, np.int64)])
    j = np.concatenate([f[1] for f in found] or [np.empty(0, np.int64)])
    bits = np.concatenate([f[2] for f in found] or [np.empty(0, np.int16)])
    order = np.lexsort((j, i))
    return i[order], j[order], bits[order]


def _compared(hashes: Hashes, radius: int) -> Iterator[Pairs]:
    step = max(1, CANDIDATES // max(1, len(hashes)))
    for start in range(0, len(hashes), step):
        rows = hashes[start : start + step]
        bits = distance(rows[:, None], hashes[None, start:])
        i, j = np.nonzero(bits <= radius)
        later = j > i
        i, j = i[later], j[later]
        yield i + start, j + start, bits[i, j]


def _probed(hashes: Hashes, radius: int) -> Iterator[Pairs]:
    words = np.ascontiguousarray(hashes).view(np.uint16).reshape(-1, WORDS)
    errors = radius // WORDS
    flips = [bits for n in range(errors + 1) for bits in combinations(range(WORD_BITS), n)]
    masks = [sum(1 << b for b in bits) for bits in flips]
    for w in range(WORDS):
        order = np.argsort(words[:, w], kind="stable").astype(np.int64)
        ordered = words[order, w]
        starts = np.searchsorted(ordered, np.arange((1 << WORD_BITS) + 1))
        for mask in masks:
            for left, right in _bucketed(order, ordered, starts, mask):
                bits = distance(hashes[left], hashes[right])
                near = np.flatnonzero(bits <= radius)
                # A pair is met in each word that agrees; it is kept in the first of them.
                agreed = np.bitwise_count(words[left[near]] ^ words[right[near]]) <= errors
                kept = near[agreed.argmax(axis=1) == w]
                i, j = left[kept], right[kept]
                yield np.minimum(i, j), np.maximum(i, j), bits[kept]


def _bucketed(
    order: Indices, ordered: npt.NDArray[np.uint16], starts: Indices, mask: int
) -> Iterator[tuple[Indices, Indices]]:
    """Yield, a bounded number at a time, pairs of rows whose words differ by exactly `mask`."""
    wanted = ordered ^ np.uint16(mask)
    low, high = starts[wanted], starts[wanted.astype(np.int64) + 1]
    places = np.arange(len(order))
    # Each pair once: from its smaller word, or, in one's own bucket, from the earlier place.
    low = np.where(wanted > ordered, low, high) if mask else places + 1
    counts = high - low
    ends = np.cumsum(counts)
    at = 0
    while at < len(order):
        done = ends[at - 1] if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, done + CANDIDATES, side="right")))
        many = counts[at:stop]
        total = int(many.sum())
        if total:
            left = np.repeat(places[at:stop], many)
            shift = np.repeat(low[at:stop] - (np.cumsum(many) - many), many)
            yield order[left], order[np.arange(total) + shift]
        at = stop


class Near:
    """A list of hashes that answers which of them is within a distance of one hash."""

    def __init__(self, hashes: Hashes, radius: int) -> None:
        self._hashes = hashes
        self._radius = radius
        self._probes = len(hashes) >= PROBE_FROM and radius // WORDS <= 1
        if self._probes:
            words = np.ascontiguousarray(hashes).view(np.uint16).reshape(-1, WORDS)
            self._order = [np.argsort(words[:, w], kind="stable") for w in range(WORDS)]
            bounds = np.arange((1 << WORD_BITS) + 1)
            self._starts = [np.searchsorted(words[o, w], bounds) for w, o in enumerate(self._order)]

    def nearest(self, found: bytes) -> tuple[int, int] | None:
        """Return place and distance of the nearest hash within the radius (the first of equals)."""
        one = np.frombuffer(found, dtype=np.uint64)
        places = self._candidates(one) if self._probes else np.arange(len(self._hashes))
        if not len(places):
            return None
        bits = distance(self._hashes[places], one)
        best = int(np.lexsort((places, bits))[0])
        if bits[best] > self._radius:
            return None
        return int(places[best]), int(bits[best])

    def _candidates(self, one: Hashes) -> Indices:
        masks = [0] + [1 << b for b in range(WORD_BITS)] * (self._radius >= WORDS)
        found = []
        for w, word in enumerate(one.view(np.uint16).tolist()):
            for mask in masks:
                low, high = self._starts[w][word ^ mask : (word ^ mask) + 2]
                if low < high:
                    found.append(self._order[w][low:high])
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
