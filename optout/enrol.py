"""Exemplar vectors to a calibrated, guarded style: whether works are a style, and how near is near.

A claim is normalised and calibrated against a cohort of many hands, then has to pass a guard
(`optout.guard`): its works must recognise each other, and must not recognise what others made. A
style that fails is told so and protects nothing beyond its listed works, names and hosts.

Source of the rule and the constants: docs/registry.md, measured on hands that were not tuned to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optout import guard
from optout.cohort import Cohort
from optout.guard import ALPHA
from optout.match import COMMON_COSINE, COMMON_MEAN, LEAST_COPY, T_COPY
from optout.style import (
    LEAST_SD,
    NEAREST_WORKS,
    Doubles,
    Style,
    as_norm,
    claim_moments,
    neighbours,
    normalised,
    top_mean,
    top_moments,
)
from optout.tail import fit_tail, quantile, threshold_at, unpack, upper_bound
from schemas.claim import StyleCalibration, StyleOverlap
from schemas.errors import ModelMismatchError
from schemas.ports import Vectors

GUARD_RATE = 1e-2
CHANCE_SETS = 400
CHANCE_SEED = 20261125
LEAST_HAND = 4  # images of a cohort hand from which a share says something
OVERLAPS_SHOWN = 5
SELF_TESTS = 40  # works left out in turn; more would change the recall by little


@dataclass(frozen=True, slots=True, eq=False)
class Works:
    """The distinct works of a claim: vectors as stored, and what the cohort says of each."""

    sty: Vectors
    cpy: Vectors
    cohort_mean: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """Works of somebody else, which a style must leave alone."""

    label: str  # as the outcome names it, e.g. "claim 0f3a" or "the contrast images"
    sty: Vectors
    cpy: Vectors
    proved: bool  # who made them is known: control proved, or given with the claim


def calibrate(works: Works, cohort: Cohort, others: Sequence[Other] = ()) -> StyleCalibration:
    """Return what enrolling found out: threshold and tail, the guard's numbers, the outcome.

    works: k distinct works, k >= 3. others: works of other claims, and contrast images.
    Raises ModelMismatchError where the vectors are not the cohort's.
    """
    _check_widths(works, cohort)
    fit = cohort.fit_sty[~copied(works, cohort.fit_cpy)]
    keep = ~copied(works, cohort.calibration_cpy)
    strangers, hands = cohort.calibration_sty[keep], cohort.calibration_hand[keep]
    own = claim_moments(works.sty, fit)
    of_strangers = neighbours(strangers, fit)
    similarities = as_norm(_top(strangers @ works.sty.T), own, of_strangers)
    tail = unpack(fit_tail(similarities, len(np.unique(cohort.calibration_hand)), *own).pack())
    threshold = float(np.float32(threshold_at(tail, ALPHA)))
    hit = similarities >= threshold
    recall = self_recall(works.sty, fit, strangers, of_strangers)
    style = Style(works.sty, tail)
    together = cohesion(works.sty, strangers, hands)
    found = StyleCalibration(
        threshold=threshold,
        alpha=max(ALPHA, tail.least_alpha),
        tail=tail.pack(),
        works=len(works.sty),
        self_recall=round(recall, 4),
        cohesion=round(together, 2),
        cohort_hits=int(hit.sum()),
        cohort_images=len(hit),
        cohort_hands=len(np.unique(hands)),
        false_match_upper=round(upper_bound(int(hit.sum()), len(hit)), 6),
        hand_share=round(_most_of_a_hand(hit, hands), 4),
        overlaps=_nearest(_overlaps(style, works, fit, others, threshold)),
        matcher=cohort.matcher,
    )
    state, note = guard.outcome(found)
    return found.model_copy(update={"state": state, "note": note})


def copied(works: Works, cpy: Vectors) -> npt.NDArray[np.bool_]:
    """Return bool[n]: which images the claim's own copy rule takes for copies of a work.

    They would stand on both sides of the comparison, so they leave the cohort.
    """
    mean = works.cohort_mean.astype(np.float64)
    limit = np.where(mean > COMMON_MEAN, COMMON_COSINE, np.maximum(mean + T_COPY, LEAST_COPY))
    return np.asarray((cpy @ works.cpy.T >= limit).any(axis=1), np.bool_)


def self_recall(
    sty: Vectors, fit: Vectors, strangers: Vectors, of_strangers: tuple[Doubles, Doubles]
) -> float:
    """Return the share of works that the others recognise, each calibrated without it.

    The threshold is the one that GUARD_RATE of the strangers reach. Where there are more than
    SELF_TESTS works, as many are left out in turn, evenly spread.
    """
    to_fit, to_strangers, among = fit @ sty.T, strangers @ sty.T, sty @ sty.T
    of_works = top_moments(sty @ fit.T)
    chosen = np.unique(np.linspace(0, len(sty) - 1, min(len(sty), SELF_TESTS)).astype(int))
    recognised = 0
    for left_out in chosen:
        rest = np.arange(len(sty)) != left_out
        mean, sd = (float(v[0]) for v in top_moments(_top(to_fit[:, rest])[None, :]))
        calibrated = as_norm(_top(to_strangers[:, rest]), (mean, sd), of_strangers)
        tail = fit_tail(calibrated, 1, mean, sd)
        moments = (of_works[0][[left_out]], of_works[1][[left_out]])
        found = as_norm(_top(among[[left_out]][:, rest]), (mean, sd), moments)
        recognised += int(found[0] >= quantile(tail, GUARD_RATE))
    return recognised / len(chosen)


def cohesion(sty: Vectors, strangers: Vectors, hands: npt.NDArray[np.int32]) -> float:
    """Return how alike the works are, in spreads above as many images of as many hands.

    sty: float32[k, d], k >= 2. strangers: float32[n, d], with the hand of each. A hand's works are
    alike wherever they were made; works of several hands on one subject are so by the subject only,
    which is less. Scaled by chance, the number means the same for any k and any matcher. Where the
    cohort has fewer than k hands, as many as it has.
    """
    names, place = np.unique(hands, return_inverse=True)
    count = min(len(sty), len(names))
    rng = np.random.default_rng(CHANCE_SEED)
    own = [np.flatnonzero(place == number) for number in range(len(names))]
    means = np.empty(CHANCE_SETS)
    for number in range(CHANCE_SETS):
        chosen = rng.choice(len(names), count, replace=False)
        means[number] = _mean_pair(strangers[[rng.choice(own[hand]) for hand in chosen]])
    return float((_mean_pair(sty) - means.mean()) / max(means.std(), LEAST_SD))


def _mean_pair(rows: Vectors) -> float:
    """Return the mean cosine of pairs of unit rows."""
    k = len(rows)
    wide = rows.astype(np.float64)
    total = wide.sum(axis=0)
    return float((total @ total - (wide * wide).sum()) / (k * (k - 1)))


def _overlaps(
    style: Style, works: Works, fit: Vectors, others: Sequence[Other], threshold: float
) -> list[StyleOverlap]:
    """Return how far a style reaches into the works of each other that has style vectors."""
    near = quantile(style.tail, GUARD_RATE)
    found = []
    for other in others:
        if not len(other.sty):
            continue
        copies = copied(works, other.cpy)
        similarity = normalised(other.sty, style, fit)
        found.append(
            StyleOverlap(
                label=other.label,
                works=len(other.sty),
                taken=int((similarity >= threshold).sum()),
                near=int((similarity >= near).sum()),
                copies=int(copies.sum()),
                proved=other.proved,
            )
        )
    return found


def _nearest(overlaps: Sequence[StyleOverlap]) -> tuple[StyleOverlap, ...]:
    """Return the others into which the style reaches, what decides and what is furthest first."""
    reached = [o for o in overlaps if o.near or o.copies]
    reached.sort(
        key=lambda o: (guard.weight(o), -o.taken / o.works, -o.near / o.works, -o.copies, o.label)
    )
    return tuple(reached[:OVERLAPS_SHOWN])


def _most_of_a_hand(hit: npt.NDArray[np.bool_], hands: npt.NDArray[np.int32]) -> float:
    """Return the largest share of one hand's images that is hit, among hands with some images."""
    _, place, counts = np.unique(hands, return_inverse=True, return_counts=True)
    hits = np.bincount(place, weights=hit)
    large = counts >= LEAST_HAND
    return float((hits[large] / counts[large]).max()) if large.any() else 0.0


def _top(cosines: npt.NDArray[np.floating]) -> Doubles:
    return top_mean(cosines, NEAREST_WORKS)


def _check_widths(works: Works, cohort: Cohort) -> None:
    found = (works.sty.shape[1], works.cpy.shape[1])
    expected = (cohort.fit_sty.shape[1], cohort.fit_cpy.shape[1])
    if found != expected:
        raise ModelMismatchError(f"expected sty and cpy of {expected} numbers, found {found}")
