"""Exemplar vectors to a calibrated, guarded style: whether works are a style, and how near is near.

A claim is normalised and calibrated against a cohort of many hands, then has to pass a guard:
its works must recognise each other, and must not recognise what others made. A style that fails
is told so and protects nothing beyond its listed works, names and hosts.

Source of the rule and the constants: docs/registry.md, measured on hands that were not tuned to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optout.cohort import Cohort
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

ALPHA = 1e-3  # the rate at which a claim is tested: the budget of a style that acts alone
GUARD_RATE = 1e-2
LEAST_SELF_RECALL = 0.2
LEAST_COHESION = 4.2  # spreads above chance: what most works of several hands on one subject lack
REVIEWED_COHESION = 2.5  # between the two somebody looks; below it works of ten hands begin
CHANCE_SETS = 400
CHANCE_SEED = 20261125
MOST_OF_ANOTHER = 0.02  # of the works of another hand, at the threshold that would act
MOST_NEAR_ANOTHER = 0.25  # the same at GUARD_RATE
MOST_OF_A_COHORT_HAND = 0.25
SHARE_CAP = 3.0  # times ALPHA of the cohort's images: no style may take more without a look
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
    overlaps = _overlaps(style, works, fit, others, threshold)
    state, note = _outcome(recall, together, hit, hands, overlaps)
    return StyleCalibration(
        state=state,
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
        overlaps=_nearest(overlaps),
        note=note,
        matcher=cohort.matcher,
    )


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


@dataclass(frozen=True, slots=True)
class _Overlap:
    """How far a style reaches into the works of another."""

    reach: StyleOverlap
    proved: bool  # the other's control

    @property
    def confused(self) -> bool:
        """Whether the style cannot tell the other's works from its own."""
        taken, near = self.reach.taken / self.reach.works, self.reach.near / self.reach.works
        return max(taken / MOST_OF_ANOTHER, near / MOST_NEAR_ANOTHER) > 1


def _overlaps(
    style: Style, works: Works, fit: Vectors, others: Sequence[Other], threshold: float
) -> list[_Overlap]:
    near = quantile(style.tail, GUARD_RATE)
    found = []
    for other in others:
        if not len(other.sty):
            continue
        copies = copied(works, other.cpy)
        similarity = normalised(other.sty, style, fit)
        found.append(
            _Overlap(
                StyleOverlap(
                    label=other.label,
                    works=len(other.sty),
                    taken=int((similarity >= threshold).sum()),
                    near=int((similarity >= near).sum()),
                    copies=int(copies.sum()),
                ),
                other.proved,
            )
        )
    return found


def _nearest(overlaps: Sequence[_Overlap]) -> tuple[StyleOverlap, ...]:
    """Return the others into which the style reaches furthest, those that it does not left out."""
    reached = [o.reach for o in overlaps if o.reach.near or o.reach.copies]
    reached.sort(key=lambda r: (-r.taken / r.works, -r.near / r.works, -r.copies, r.label))
    return tuple(reached[:OVERLAPS_SHOWN])


def _outcome(
    recall: float,
    together: float,
    hit: npt.NDArray[np.bool_],
    hands: npt.NDArray[np.int32],
    overlaps: Sequence[_Overlap],
) -> tuple[str, str]:
    """Return state and note: the weightiest finding decides."""
    found = _of_itself(recall, together)
    confused = sorted((o for o in overlaps if o.confused), key=lambda o: not o.proved)
    if found is None and confused:
        one = confused[0].reach
        found = (
            "not separable" if confused[0].proved else "needs review",
            (
                f"it cannot be told from {one.label}: {one.near} of {one.works} works there are"
                f" near, {one.taken} would be taken"
            ),
        )
    copies = [o.reach for o in overlaps if o.reach.copies]
    if found is None and copies:
        one = copies[0]
        found = "needs review", f"{one.copies} works are copies of works of {one.label}"
    share = _most_of_a_hand(hit, hands)
    if found is None and together < LEAST_COHESION:
        found = (
            "needs review",
            (
                f"the works are no more alike ({together:.1f} spreads above chance;"
                f" {LEAST_COHESION} are needed) than works of several hands on one subject often"
                " are"
            ),
        )
    if found is None and share > MOST_OF_A_COHORT_HAND:
        found = "needs review", f"{share:.0%} of the works of one cohort hand would be taken"
    if found is None and hit.sum() > SHARE_CAP * ALPHA * len(hit):
        found = (
            "needs review",
            (
                f"{int(hit.sum())} images by others would be taken, more than {SHARE_CAP:g} times"
                " the rate that it declares"
            ),
        )
    return found or ("active", "")


def _of_itself(recall: float, together: float) -> tuple[str, str] | None:
    """Return why the works are no style of their own, whatever others made; else null."""
    if recall < LEAST_SELF_RECALL:
        return "not separable", (
            f"only {recall:.0%} of the works are recognised by the others;"
            f" {LEAST_SELF_RECALL:.0%} are needed"
        )
    if together < REVIEWED_COHESION:
        return "not separable", (
            "the works are hardly more alike than works of different hands are"
            f" ({together:.1f} spreads above chance; {LEAST_COHESION} are needed)"
        )
    return None


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
