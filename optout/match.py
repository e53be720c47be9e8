"""Rows against the works of claims, in plain NumPy: the reference. `optout.index` is its fast twin.

A copy is found by two independent keys (PDQ and the copy vector), or by a copy vector that is far
nearer to the work than the work's nearest cohort images are. PDQ alone never decides: it sees
luminance only, and many flags are one pattern. A *common design*, which has near cohort images, is
matched only where it is almost exactly the same.

A work stands here as several vectors: the whole of it, and views of it that copies may show (parts,
grey, framed, turned). Each has its own cohort mean, and each kind its own limit.

Candidates come from float32 products with some slack; every candidate is then judged on its own,
in float64, so that an answer does not depend on how rows were cut into blocks. Doubt falls on the
side of the claim: a margin down to -epsilon counts as met, and so does one that is not a number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optout.lifecycle import Rule
from schemas.errors import ModelMismatchError
from schemas.ports import Vectors

__all__ = ["Candidates", "Exemplars", "Matches", "Rows", "Rule", "candidates", "match_copies"]


class Limit(NamedTuple):
    """From where a copy vector alone makes a copy."""

    margin: float  # above the vector's own cohort mean
    least: float  # and never below it


LEAST_COPY = 0.70
"""No copy below it: far from the cohort every cohort mean is low, and a margin proves little
(painted pictures of different hands met at .55 to .73, with margins of up to .45)."""
LIMITS = {
    # margins of strangers, by the tuning half of bench/copies.py: up to .45 over 718 works
    "whole": Limit(0.46, LEAST_COPY),
    # over 182 works strangers' cosines reached .75, margins of copies of strangers .39 at .75;
    # parts of painted pictures reached .76 between hands
    "crop": Limit(0.40, 0.77),
    "grey": Limit(0.46, LEAST_COPY),  # .41
    "framed": Limit(0.44, LEAST_COPY),  # .42
    "turned": Limit(0.46, LEAST_COPY),  # .45
}
KINDS = tuple(LIMITS)
WHOLE = KINDS.index("whole")
HASHED = (WHOLE, KINDS.index("grey"))  # show what the hash of the whole is made of

T_COPY = LIMITS["whole"].margin
PDQ_MIN_QUALITY = 50
PDQ_CLOSE, CLOSE_COSINE = 40, 0.40
"""Within so many bits it is enough to be as near as the nearest cohort images, and at least .40.
Copies under a watermark lay at .4 to .6; flags of other colours lie below their cohort mean."""
PDQ_RADIUS, CONFIRMING_COSINE = 48, 0.70
PDQ_FAR, FAR_MARGIN, FAR_COSINE = 64, 0.25, 0.55
"""Recoloured copies lie at up to 60 bits; strangers within 64 bits had margins of up to .24."""
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
    """m works as v vectors, v >= m: whole works and their views.

    pdq: uint64[m, 8, 4]. quality: int16[m]. cpy: float32[v, d]. mean: float32[v]. kind: int8[v],
    place in KINDS. work: int64[v], the place in `pdq` of the work that each vector belongs to.
    """

    pdq: Words
    quality: npt.NDArray[np.int16]
    cpy: Vectors
    mean: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]
    work: Places


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """k pairs that meet a rule, by row; a work comes once for each of its vectors that does."""

    row: Places
    work: Places
    rule: npt.NDArray[np.object_]
    similarity: Floats
    threshold: Floats


Candidates = Callable[[Vectors, Vectors, Floats], tuple[Places, Places]]
"""Rows, works' vectors and the least cosine of each to every pair that may reach it, by row."""


def match_copies(
    rows: Rows, works: Exemplars, epsilon: float, search: Candidates | None = None
) -> Matches:
    """Return every pair of row and work that the copy rules join, by row, vector, rule.

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
    """Return float64[v], the cosine below which no rule joins anything to a vector."""
    nearest = np.zeros(len(works.mean), np.int64)
    either = np.minimum(
        own_cosines(works.mean, works.kind), confirming_cosines(nearest, works.mean, works.kind)
    )
    return np.where(works.mean > COMMON_MEAN, COMMON_COSINE, either)


def own_cosines(mean: npt.NDArray[np.float32], kind: npt.NDArray[np.int8]) -> Floats:
    """Return float64[v], the cosine from which each copy vector alone makes a copy."""
    limits = np.array(list(LIMITS.values()), np.float64)[kind]
    return np.asarray(np.maximum(mean + limits[:, 0], limits[:, 1]), np.float64)


def confirming_cosines(
    distance: Places, mean: npt.NDArray[np.float32], kind: npt.NDArray[np.int8]
) -> Floats:
    """Return float64[k], the cosine from which a copy vector confirms a PDQ distance.

    Infinite beyond PDQ_FAR, and for parts, of which the hash of the whole says nothing.
    """
    wide = mean.astype(np.float64)
    far = np.maximum(wide + FAR_MARGIN, FAR_COSINE)
    steps = [distance <= PDQ_CLOSE, distance <= PDQ_RADIUS, distance <= PDQ_FAR]
    needed = [np.maximum(wide, CLOSE_COSINE), np.minimum(far, CONFIRMING_COSINE), far]
    hashed = np.isin(kind, HASHED)
    return np.asarray(np.where(hashed, np.select(steps, needed, np.inf), np.inf), np.float64)


def candidates(rows: Vectors, works: Vectors, least: Floats) -> tuple[Places, Places]:
    """Return the pairs whose cosine may reach the vector's least one; NaN reaches everything."""
    found_rows, found_works = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    floor = (least - SLACK).astype(np.float32)
    for i in range(0, len(rows), BLOCK_ROWS):
        for j in range(0, len(works), BLOCK_WORKS):
            cosines = rows[i : i + BLOCK_ROWS] @ works[j : j + BLOCK_WORKS].T
            r, w = np.nonzero(~(cosines < floor[j : j + BLOCK_WORKS]))
            found_rows.append(r + i)
            found_works.append(w + j)
    return in_order(np.concatenate(found_rows), np.concatenate(found_works))


def in_order(row: Places, at: Places) -> tuple[Places, Places]:
    """Return pairs sorted by row, then place of the vector."""
    order = np.lexsort((at, row))
    return row[order], at[order]


def judge_pairs(rows: Rows, works: Exemplars, row: Places, at: Places, epsilon: float) -> Matches:
    """Return which of the pairs meet a rule; a pair may meet two.

    row, at: int64[k], places in `rows` and of vectors in `works`, sorted by row, then vector.
    Margins are those of float64 cosines, each pair on its own.
    """
    work = works.work[at]
    cosine = cosines(rows.cpy, works.cpy, row, at)
    distance = distances(rows.pdq, works.pdq, row, work)
    quality = np.minimum(rows.quality[row], works.quality[work])
    mean, kind = works.mean[at], works.kind[at]
    common = mean > COMMON_MEAN
    confirming = np.where(common, COMMON_COSINE, confirming_cosines(distance, mean, kind))
    near = (quality >= PDQ_MIN_QUALITY) & np.isfinite(confirming)
    near &= (distance <= COMMON_RADIUS) | ~common
    own = own_cosines(mean, kind)
    perceptual = near & met(cosine - confirming, epsilon)
    copy = ~common & met(cosine - own, epsilon)
    return _merged(
        (Rule.PERCEPTUAL, perceptual, confirming), (Rule.COPY, copy, own), (row, at, cosine), work
    )


def met(margin: Floats, epsilon: float) -> npt.NDArray[np.bool_]:
    """Return where a margin counts as met; what is not a number is."""
    return ~(margin < -epsilon)


def cosines(rows: Vectors, works: Vectors, row: Places, at: Places) -> Floats:
    """Return float64[k], the cosine of each pair, one pair at a time."""
    out = np.empty(len(row))
    for start in range(0, len(row), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        out[part] = (rows[row[part]].astype(np.float64) * works[at[part]].astype(np.float64)).sum(
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
    work: Places,
) -> Matches:
    row, vector, cosine = pairs
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
    order = np.lexsort((rule.astype(str), vector[at], row[at]))
    at = at[order]
    return Matches(row[at], work[at], rule[order], cosine[at], threshold[order])
