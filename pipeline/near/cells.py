"""Near pairs among many vectors: k-means cells, each vector in its several nearest ones.

A pair is found where the two share a cell; with one cell each, 5 to 12 % of the true pairs lie on
both sides of a border. The parts (`train_cells`, `assign`, `join_cell`) can run as tasks of their
own over files; `near_pairs` runs them in memory.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.near.scan import Indices, Pairs, Stored, scan
from schemas.ports import Vectors

ROUNDS = 20
POINTS_PER_CELL = 256  # that k-means looks at
FEWEST_PER_CELL = 64  # vectors that a cell is worth, on average
FULL_CELL = 20_000  # vectors beyond which a cell is split
DEEPEST = 3  # splits of splits; what is still full then is scanned as it is
BLOCK = 8192

Cells = npt.NDArray[np.int32]
"""int32[n, m]: the cells of each vector, the nearest first."""


@dataclass(frozen=True, slots=True)
class Join:
    """How near pairs are looked for."""

    threshold: float
    seed: int
    cells_per_vector: int = 4
    exact_limit: int = 200_000
    full_cell: int = FULL_CELL


def near_pairs(vectors: Stored, uids: Sequence[str], join: Join) -> Pairs:
    """Return places i < j of near pairs: all up to `exact_limit` vectors, beyond nearly all.

    uids: of the rows, ascending; they choose the sample that k-means sees.
    """
    if len(vectors) <= join.exact_limit:
        return scan(vectors, join.threshold)
    return _joined(vectors, _shuffled(uids, join.seed), join, cell_count(len(vectors)), 0)


def cell_count(rows: int) -> int:
    """Return how many cells suit so many vectors."""
    return max(1, min(int(4 * rows**0.5), rows // FEWEST_PER_CELL))


def train_cells(sample: Stored, cells: int, seed: int) -> Vectors:
    """Return centroids float32[cells, d] of unit length, by spherical k-means on one thread.

    sample: in an order that says nothing. The same sample gives the same centroids on one machine;
    a build that runs on several trains once and passes the result on.
    """
    import faiss  # noqa: PLC0415  # 40 MB that small builds never need

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # sums in one order
    try:
        means = faiss.Kmeans(
            sample.shape[1],
            min(cells, len(sample)),
            niter=ROUNDS,
            spherical=True,
            seed=seed % 2**31,
            min_points_per_centroid=1,
            max_points_per_centroid=POINTS_PER_CELL,
        )
        means.train(np.ascontiguousarray(sample, np.float32))
    finally:
        faiss.omp_set_num_threads(threads)
    centroids: Vectors = np.ascontiguousarray(means.centroids, np.float32)
    return centroids


def assign(vectors: Stored, centroids: Vectors, cells_per_vector: int) -> Cells:
    """Return the nearest cells of each vector; of equals the smaller number."""
    many = min(cells_per_vector, len(centroids))
    found = np.empty((len(vectors), many), np.int32)
    for at in range(0, len(vectors), BLOCK):
        apart = -(vectors[at : at + BLOCK].astype(np.float32) @ centroids.T)
        nearest = np.sort(np.argpartition(apart, many - 1, axis=1)[:, :many], axis=1)
        order = np.argsort(np.take_along_axis(apart, nearest, axis=1), axis=1, kind="stable")
        found[at : at + BLOCK] = np.take_along_axis(nearest, order, axis=1)
    return found


def join_cell(vectors: Stored, shuffled: Indices, join: Join, depth: int = 0) -> Pairs:
    """Return the near pairs inside one cell, as places in it; a full cell is split.

    vectors: of the cell, by uid. shuffled: its places in an order that says nothing.
    """
    if len(vectors) <= join.full_cell or depth >= DEEPEST:
        return scan(vectors, join.threshold)
    cells = 2 * -(-len(vectors) * join.cells_per_vector // join.full_cell)
    return _joined(vectors, shuffled, join, cells, depth + 1)


def members(cells: Cells) -> Iterator[tuple[int, Indices]]:
    """Yield each cell that is not empty with the places of its vectors, ascending."""
    flat = cells.ravel()
    order = np.argsort(flat, kind="stable")
    numbers, starts = np.unique(flat[order], return_index=True)
    for number, places in zip(numbers, np.split(order, starts[1:]), strict=True):
        yield int(number), np.sort(places // cells.shape[1])


def _joined(vectors: Stored, shuffled: Indices, join: Join, cells: int, depth: int) -> Pairs:
    sample = vectors[shuffled[: cells * POINTS_PER_CELL]]
    centroids = train_cells(sample, cells, join.seed + depth)
    rank = np.empty(len(vectors), np.int64)
    rank[shuffled] = np.arange(len(vectors))
    keys = [np.empty(0, np.int64)]
    for _, places in members(assign(vectors, centroids, join.cells_per_vector)):
        i, j = join_cell(vectors[places], np.argsort(rank[places]), join, depth)
        keys.append(places[i] * len(vectors) + places[j])
    i, j = np.divmod(np.unique(np.concatenate(keys)), len(vectors))
    return i, j


def _shuffled(uids: Sequence[str], seed: int) -> Indices:
    """Return places in the order of SHA-256 over seed and uid: the same however rows came."""
    digests = [hashlib.sha256(f"{seed}:{uid}".encode()).digest()[:8] for uid in uids]
    return np.argsort(np.frombuffer(b"".join(digests), ">u8"), kind="stable")
