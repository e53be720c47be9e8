"""Rows against the works of claims, in plain NumPy: the reference. `optout.index` is its fast twin.

A copy is found by two independent keys (PDQ and the copy vector, or key points and the copy
vector), or by a copy vector that is far nearer to the work than the work's nearest cohort images
are. PDQ alone never decides: it sees luminance only, and many flags are one pattern. A *common
design*, which has near cohort images, is matched only where it is almost exactly the same.

A work stands here as several vectors: the whole of it, and views of it that copies may show (parts,
grey, framed, turned). Each has its own cohort mean, and each kind its own limit.

Candidates come from float32 products with some slack; every candidate is then judged on its own,
in float64, so that an answer does not depend on how rows were cut into blocks. Doubt falls on the
side of the claim: a margin down to -epsilon counts as met, and so does one that is not a number.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optout.keypoints import agreeing, both_ways, unpack
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
POINTS = ((5, 0.10), (4, 0.20), (3, 0.30))
"""Key points that agree, and a margin: from any of these on a work is found by details. Of 2,727
pairs of strangers with margins above .10, the nearest of four million, 3 were (bench/copies.py)."""
POINTS_MARGIN = min(margin for _, margin in POINTS)
COMMON_MEAN = 0.75  # a cohort mean above it makes a common design
COMMON_RADIUS = 16
COMMON_COSINE = 0.97
SLACK = 1e-3  # what float32 products and their order of summation can be off, many times over
BLOCK_ROWS = 1024
BLOCK_WORKS = 8192
PAIRS_AT_ONCE = 1 << 19

Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Samples. pdq: uint64[n, c, 4], c codes of each, of which the nearest counts.

    quality: int16[n], -1 without a hash. cpy: float32[n, d].
    keypoints: as stored, n or none at all.
    """

    pdq: Words
    quality: npt.NDArray[np.int16]
    cpy: Vectors
    keypoints: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """m works as v vectors, v >= m: whole works and their views.

    pdq: uint64[m, 8, 4]. quality: int16[m]. cpy: float32[v, d]. mean: float32[v]. kind: int8[v],
    place in KINDS. work: int64[v], the place in `pdq` of the work that each vector belongs to.
    keypoints: as stored, m or none at all.
    """

    pdq: Words
    quality: npt.NDArray[np.int16]
    cpy: Vectors
    mean: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]
    work: Places
    keypoints: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """k pairs that meet a rule, by row; a work comes once for each of its vectors that does.

    points: int64[k], key points that agree; 0 where another rule is met.
    """

    row: Places
    work: Places
    rule: npt.NDArray[np.object_]
    similarity: Floats
    threshold: Floats
    points: Places


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
    parts = [judge_pairs(rows, works, *some, epsilon) for some in _portions(*near)]
    names = Matches.__dataclass_fields__
    return Matches(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def _portions(row: Places, at: Places) -> Iterator[tuple[Places, Places]]:
    """Give pairs by row, some at a time, those of one row together; once where there are none."""
    start = 0
    while True:
        end = min(start + PAIRS_AT_ONCE, len(row))
        if end < len(row):
            end = int(np.searchsorted(row, row[end - 1], side="right"))
        yield row[start:end], at[start:end]
        start = end
        if start >= len(row):
            return


def least_cosines(works: Exemplars) -> Floats:
    """Return float64[v], the cosine below which no rule joins anything to a vector."""
    nearest = np.zeros(len(works.mean), np.int64)
    either = np.minimum(
        own_cosines(works.mean, works.kind), confirming_cosines(nearest, works.mean, works.kind)
    )
    pointed = np.array([bool(points) for points in works.keypoints], bool)
    if len(pointed):
        by_points = np.where(pointed[works.work], works.mean + POINTS_MARGIN, np.inf)
        either = np.minimum(either, by_points)
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

    row, at: int64[k], places in `rows` and of vectors in `works`, sorted by row, then vector; of
    a row all pairs that may meet a rule, since key points are looked at where nothing else joins
    row and work. Margins are those of float64 cosines, each pair on its own.
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
    pair = row * len(works.pdq) + work
    open_ = ~common & ~np.isin(pair, pair[perceptual | copy])
    asked = open_ & met(cosine - mean - POINTS_MARGIN, epsilon)
    points = _points(rows, works, (row, work, pair), np.where(asked, cosine - mean, -np.inf))
    details, step = _enough(points, cosine - mean, epsilon)
    return _merged(
        [
            (Rule.PERCEPTUAL, perceptual, confirming),
            (Rule.COPY, copy, own),
            (Rule.KEYPOINTS, details, mean + step),
        ],
        (row, at, cosine, points),
        work,
    )


def _points(
    rows: Rows, works: Exemplars, pairs: tuple[Places, Places, Places], margin: Floats
) -> Places:
    """Return int64[k], how many key points agree; 0 where that was not asked.

    pairs: row, work, and a number of both. margin: -inf where nothing is asked; of the vectors of
    a work the one with the largest speaks, the first of equals.
    """
    row, work, pair = pairs
    points = np.zeros(len(row), np.int64)
    if not (rows.keypoints and works.keypoints):
        return points
    asked = np.flatnonzero(np.isfinite(margin))
    asked = asked[np.lexsort((asked, -margin[asked], pair[asked]))]
    asked = asked[np.unique(pair[asked], return_index=True)[1]]
    known = {int(w): both_ways(works.keypoints[w]) for w in np.unique(work[asked])}
    for one, places in groupby(asked, key=lambda place: row[place]):  # pairs are in order of rows
        sample = unpack(rows.keypoints[one])
        for place in places:
            points[place] = agreeing(known[int(work[place])], sample)
    return points


def _enough(points: Places, margin: Floats, epsilon: float) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Return which pairs have points enough for their margin, and the margin that they need."""
    needed = np.full(len(points), np.inf)
    for least, step in sorted(POINTS):
        needed[points >= least] = step
    return np.isfinite(needed) & met(margin - needed, epsilon), needed


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
    """Return int64[k], the PDQ distance of each pair: the least over codes and eight variants."""
    out = np.empty(len(row), np.int64)
    for start in range(0, len(row), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        bits = np.bitwise_count(rows[row[part]][:, :, None] ^ works[work[part]][:, None])
        out[part] = bits.sum(axis=3, dtype=np.int64).min(axis=(1, 2))
    return out


def _merged(
    rules: Sequence[tuple[Rule, npt.NDArray[np.bool_], Floats]],
    pairs: tuple[Places, Places, Floats, Places],
    work: Places,
) -> Matches:
    """Return the pairs that meet each rule, by row, vector and rule. rules: name, where, limit."""
    row, vector, cosine, points = pairs
    hits = [np.flatnonzero(holds) for _, holds, _ in rules]
    at = np.concatenate(hits)
    rule = np.repeat(np.array([str(name) for name, _, _ in rules], object), list(map(len, hits)))
    threshold = np.concatenate([limit[h] for h, (_, _, limit) in zip(hits, rules, strict=True)])
    told = np.where(rule == str(Rule.KEYPOINTS), points[at], 0)
    order = np.lexsort((rule.astype(str), vector[at], row[at]))
    at = at[order]
    return Matches(row[at], work[at], rule[order], cosine[at], threshold[order], told[order])
