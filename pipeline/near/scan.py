"""All pairs of unit vectors from a similarity on: exact, in tiles, with bounded memory.

Tiles of the upper triangle are multiplied in fp32; what lies within SLACK of the threshold is
decided again in double precision, rounded to four decimals, so that neither the tile nor the BLAS
decides. Where everything resembles everything, k vectors have k * k / 2 pairs; there a pair is kept
only if one of the two is among the first `most` neighbours (by place) of the other. Around the
first of such a heap all its pairs remain, and the number grows linearly.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

TILE = 2048
SLACK = 1e-3  # fp32 sums of 512 products are off by far less
UNITS = 10_000  # similarities are rounded to 1e-4
MOST_NEIGHBOURS = 100
SCORED = 8192  # pairs scored at a time

Stored = npt.NDArray[np.float16] | npt.NDArray[np.float32]
"""[n, d], unit rows, as stored."""
Indices = npt.NDArray[np.int64]
Pairs = tuple[Indices, Indices]
"""Places i < j of each pair."""


def scan(
    vectors: Stored, threshold: float, *, most: int = MOST_NEIGHBOURS, tile: int = TILE
) -> Pairs:
    """Return all pairs of rows whose rounded similarity is at least `threshold`, by (i, j).

    most: neighbours of a vector beyond which pairs of a heap are left out (see above).
    """
    found = list(_tiles(vectors, threshold, Heaps(len(vectors), most), tile))
    i = np.concatenate([f[0] for f in found] or [np.empty(0, np.int64)])
    j = np.concatenate([f[1] for f in found] or [np.empty(0, np.int64)])
    order = np.lexsort((j, i))
    return i[order], j[order]


def similarity_units(vectors: Stored, i: Indices, j: Indices) -> npt.NDArray[np.int32]:
    """Return similarities of pairs of rows in units of 1e-4, rounded to nearest.

    Halves multiply exactly in double precision, so the order of summation cannot be seen.
    """
    units = np.empty(len(i), np.int32)
    for at in range(0, len(i), SCORED):
        part = slice(at, at + SCORED)
        a, b = vectors[i[part]].astype(np.float64), vectors[j[part]].astype(np.float64)
        units[part] = np.rint(np.einsum("nd,nd->n", a, b) * UNITS)
    return units


def least_units(threshold: float) -> int:
    """Return the threshold in units of 1e-4, rounded up."""
    return int(np.ceil(round(threshold * UNITS, 6)))


class Heaps:
    """Counts neighbours while pairs pass in order, and says which of them are kept."""

    def __init__(self, rows: int, most: int) -> None:
        self._most = most
        self._before = np.zeros(rows, np.int64)  # neighbours seen at smaller places
        self._after = np.zeros(rows, np.int64)

    def keep(self, i: Indices, j: Indices) -> npt.NDArray[np.bool_]:
        """Return which pairs are kept.

        i < j, by (i, j), one tile of the upper triangle; tiles come row by row, the diagonal first.
        """
        rank_of_i = self._before[j] + _running(j)
        np.add.at(self._before, j, 1)  # a tile on the diagonal needs its own counts for its rows
        rank_of_j = self._before[i] + self._after[i] + _running(i)
        np.add.at(self._after, i, 1)
        return (rank_of_i < self._most) | (rank_of_j < self._most)


def _tiles(vectors: Stored, threshold: float, heaps: Heaps, tile: int) -> Iterator[Pairs]:
    least = least_units(threshold)
    for top in range(0, len(vectors), tile):
        rows = vectors[top : top + tile].astype(np.float32)
        for left in range(top, len(vectors), tile):
            columns = rows if left == top else vectors[left : left + tile].astype(np.float32)
            similar = rows @ columns.T
            i, j = np.nonzero(similar >= threshold - SLACK)
            close = similar[i, j]
            i, j = i + top, j + left
            met = (i < j) & (close > threshold + SLACK)
            unsure = np.flatnonzero((i < j) & ~met)
            met[unsure] = similarity_units(vectors, i[unsure], j[unsure]) >= least
            i, j = i[met], j[met]
            kept = heaps.keep(i, j)
            yield i[kept], j[kept]


def _running(values: Indices) -> Indices:
    """Return, for each value, how often it came before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(np.append(starts, len(values)))
    counts = np.empty(len(values), np.int64)
    counts[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return counts
