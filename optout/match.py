"""Rows against the works of claims, in plain NumPy: the reference. `optout.index` is its fast twin.

A copy is found by two independent keys (PDQ and the copy vector), or by a copy vector that is far
nearer to the work than the work's nearest cohort images are. PDQ alone never decides: it sees
luminance only, and many flags are one pattern. A *common design*, which has near cohort images, is
matched only where it is almost exactly the same.

Candidates come from float32 products with some slack; every candidate is then judged on its own,
in float64, so that an answer does not depend on how rows were cut into blocks. Doubt falls on the
side of the claim: a margin down to -epsilon counts as met, and so does one that is not a number.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optout.lifecycle import Rule
from schemas.errors import ModelMismatchError
from schemas.ports import Vectors

__all__ = ["Candidates", "Exemplars", "Matches", "Rows", "Rule", "candidates", "match_copies"]

T_COPY = 0.30  # cosine above the cohort mean: no false hit in 2,631 images x 312 works
LEAST_COPY = 0.70
"""No copy below it: far from the cohort every cohort mean is low, and a margin of .30 proves little
(painted pictures of different hands met at .55 to .69; crops of one lay at .74 and above)."""
PDQ_RADIUS = 48
PDQ_MIN_QUALITY = 50
CONFIRMING_COSINE = 0.70  # the second key of a PDQ match
COMMON_MEAN = 0.75  # a cohort mean above it makes a common design
COMMON_RADIUS = 16
COMMON_COSINE = 0.97
SLACK = 1e-3  # what float32 products and their order of summation can be off, many times over
BLOCK_ROWS = 1024
BLOCK_WORKS = 8192

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Samples. pdq: uint64[n, 4]. quality: int16[n], -1 without a hash. cpy: float32[n, d]."""

    pdq: Words
    quality: npt.NDArray[np.int16]
    cpy: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """Works. pdq: uint64[m, 8, 4]. quality: int16[m]. cpy: float32[m, d]. mean: float32[m]."""

    pdq: Words
    quality: npt.NDArray[np.int16]
    cpy: Vectors
    mean: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Pairs that meet a rule, k of them, by row and work."""

    row: Places
    work: Places
    rule: npt.NDArray[np.object_]
    similarity: Floats
    threshold: Floats


Candidates = Callable[[Vectors, Vectors, Floats], tuple[Places, Places]]
"""Rows, works and the least cosine of each work to every pair that may reach it, by row, work."""


def match_copies(
    rows: Rows, works: Exemplars, epsilon: float, search: Candidates | None = None
) -> Matches:
    """Return every pair of row and work that the copy rules join, by row, work, rule.

    n and m may be 0. epsilon: margin that counts as met. search: `candidates` by default.
    Raises ModelMismatchError where the vectors have other widths.
    """
    if len(rows.cpy) == 0 or len(works.cpy) == 0:
        return judge_pairs(rows, works, np.empty(0, np.int64), np.empty(0, np.int64), epsilon)
    if rows.cpy.shape[1] != works.cpy.shape[1]:
        raise ModelMismatchError(
            f"expected copy vectors of {works.cpy.shape[1]} numbers, found {rows.cpy.shape[1]}"
        )
    near = (search or candidates)(rows.cpy, works.cpy, least_cosines(works) - epsilon)
    return judge_pairs(rows, works, *near, epsilon)


def least_cosines(works: Exemplars) -> Floats:
    """Return float64[m], the cosine below which no rule joins anything to a work."""
    either = np.minimum(CONFIRMING_COSINE, own_cosines(works.mean))
    return np.where(works.mean > COMMON_MEAN, COMMON_COSINE, either)


def own_cosines(mean: npt.NDArray[np.float32]) -> Floats:
    """Return float64[m], the cosine from which a copy vector alone makes a copy of each work."""
    return np.maximum(mean.astype(np.float64) + T_COPY, LEAST_COPY)


def candidates(rows: Vectors, works: Vectors, least: Floats) -> tuple[Places, Places]:
    """Return the pairs whose cosine may reach the work's least one; NaN reaches everything."""
    found_rows, found_works = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    floor = (least - SLACK).astype(np.float32)
    for i in range(0, len(rows), BLOCK_ROWS):
        for j in range(0, len(works), BLOCK_WORKS):
            cosines = rows[i : i + BLOCK_ROWS] @ works[j : j + BLOCK_WORKS].T
            r, w = np.nonzero(~(cosines < floor[j : j + BLOCK_WORKS]))
            found_rows.append(r + i)
            found_works.append(w + j)
    return in_order(np.concatenate(found_rows), np.concatenate(found_works))


def in_order(row: Places, work: Places) -> tuple[Places, Places]:
    """Return pairs sorted by row, then work."""
    order = np.lexsort((work, row))
    return row[order], work[order]


def judge_pairs(rows: Rows, works: Exemplars, row: Places, work: Places, epsilon: float) -> Matches:
    """Return which of the pairs meet a rule; a pair may meet two.

    row, work: int64[k], sorted by row, then work. Margins are those of float64 cosines, each
    pair on its own.
    """
    cosine = cosines(rows.cpy, works.cpy, row, work)
    distance = distances(rows.pdq, works.pdq, row, work)
    quality = np.minimum(rows.quality[row], works.quality[work])
    mean = works.mean[work].astype(np.float64)
    common = mean > COMMON_MEAN
    confirming = np.where(common, COMMON_COSINE, CONFIRMING_COSINE)
    near = (quality >= PDQ_MIN_QUALITY) & (distance <= np.where(common, COMMON_RADIUS, PDQ_RADIUS))
    own = own_cosines(works.mean[work])
    perceptual = near & met(cosine - confirming, epsilon)
    copy = ~common & met(cosine - own, epsilon)
    return _merged(
        (Rule.PERCEPTUAL, perceptual, confirming), (Rule.COPY, copy, own), (row, work, cosine)
    )


def met(margin: Floats, epsilon: float) -> npt.NDArray[np.bool_]:
    """Return where a margin counts as met; what is not a number is."""
    return ~(margin < -epsilon)


def cosines(rows: Vectors, works: Vectors, row: Places, work: Places) -> Floats:
    """Return float64[k], the cosine of each pair, one pair at a time."""
    out = np.empty(len(row))
    for start in range(0, len(row), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        out[part] = (rows[row[part]].astype(np.float64) * works[work[part]].astype(np.float64)).sum(
            axis=1
        )
    return out


def distances(rows: Words, works: Words, row: Places, work: Places) -> npt.NDArray[np.int64]:
    """Return int64[k], the PDQ distance of each pair: the least over the work's eight variants."""
    out = np.empty(len(row), np.int64)
    for start in range(0, len(row), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        bits = np.bitwise_count(rows[row[part]][:, None, :] ^ works[work[part]])
        out[part] = bits.sum(axis=2, dtype=np.int64).min(axis=1)
    return out


def _merged(
    first: tuple[Rule, npt.NDArray[np.bool_], Floats],
    second: tuple[Rule, npt.NDArray[np.bool_], Floats],
    pairs: tuple[Places, Places, Floats],
) -> Matches:
    row, work, cosine = pairs
    hits = [np.nonzero(holds)[0] for _, holds, _ in (first, second)]
    at = np.concatenate(hits)
    rule = np.concatenate(
        [
            np.full(len(h), str(name), object)
            for h, (name, _, _) in zip(hits, (first, second), strict=True)
        ]
    )
    threshold = np.concatenate(
        [limit[h] for h, (_, _, limit) in zip(hits, (first, second), strict=True)]
    )
    order = np.lexsort((rule.astype(str), work[at], row[at]))
    at = at[order]
    return Matches(row[at], work[at], rule[order], cosine[at], threshold[order])
