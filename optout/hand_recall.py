"""How well a matcher tells hands apart, by its own calibration set, as a cohort's card says it.

Each hand in turn claims half of its works and is left out of the cohort; the other half is to be
found. Copies of claimed works do not count, as hashes find them. False matches are not counted
here: the threshold was set on the very images.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optout.cohort import Cohort, cohort_mean
from optout.enrol import Works, copied
from optout.match import COMMON_COSINE, COMMON_MEAN, T_COPY
from optout.style import as_norm, claim_moments, neighbours, similarity
from optout.tail import fit_tail, least_alpha, threshold_at

MOST_WORKS = 10
LEAST_WORKS = 3
RATES = (1e-2, 1e-3)


@dataclass(frozen=True, slots=True)
class HandRecall:
    """Mean over hands of the share of other works that is found, by declared rate."""

    hands: int
    recall: dict[float, float]


def hand_recall(cohort: Cohort, seed: int = 0) -> HandRecall:
    """Return recall of one image at each of RATES that the rest of the cohort supports.

    Hands with fewer than twice LEAST_WORKS images do not take part. No hand gives no rates.
    """
    of_images = neighbours(cohort.calibration_sty, cohort.fit_sty)
    means = cohort_mean(cohort.calibration_cpy, cohort)
    names, sizes = np.unique(cohort.calibration_hand, return_counts=True)
    found: dict[float, list[float]] = {rate: [] for rate in RATES}
    took_part = 0
    for hand in names[sizes >= 2 * LEAST_WORKS]:
        rng = np.random.default_rng([seed, int(hand)])
        own = rng.permutation(np.flatnonzero(cohort.calibration_hand == hand))
        k = min(MOST_WORKS, len(own) // 2)
        works = Works(
            cohort.calibration_sty[own[:k]], cohort.calibration_cpy[own[:k]], means[own[:k]]
        )
        is_copy = copied(works, cohort.calibration_cpy)
        positives = own[k:][~is_copy[own[k:]]]
        if not len(positives):
            continue
        took_part += 1
        strangers = np.flatnonzero((cohort.calibration_hand != hand) & ~is_copy)
        for rate, share in _shares(works, positives, strangers, cohort, of_images).items():
            found[rate].append(share)
    means_of = {rate: round(float(np.mean(v)), 3) for rate, v in found.items() if v}
    return HandRecall(took_part, means_of)


def copy_pairs(cohort: Cohort) -> tuple[int, int]:
    """Return how many pairs of images by different hands vectors alone call copies, of how many.

    Of the calibration set, both ways: as work and sample. Real copies among them count too.
    """
    mean = cohort_mean(cohort.calibration_cpy, cohort).astype(np.float64)
    limit = np.where(mean > COMMON_MEAN, COMMON_COSINE, mean + T_COPY)
    hits = pairs = 0
    for place, work in enumerate(cohort.calibration_cpy):
        others = cohort.calibration_cpy[cohort.calibration_hand != cohort.calibration_hand[place]]
        hits += int((others @ work >= limit[place]).sum())
        pairs += len(others)
    return hits, pairs


def _shares(
    works: Works,
    positives: npt.NDArray[np.int64],
    strangers: npt.NDArray[np.int64],
    cohort: Cohort,
    of_images: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> dict[float, float]:
    mean, sd = of_images
    own = claim_moments(works.sty, cohort.fit_sty)
    raw = similarity(cohort.calibration_sty, works.sty)
    values = as_norm(raw, own, (mean, sd))
    hands = len(np.unique(cohort.calibration_hand[strangers]))
    tail = fit_tail(values[strangers], hands, *own)
    least = least_alpha(hands, len(strangers))
    return {
        rate: float((values[positives] >= threshold_at(tail, rate)).mean())
        for rate in RATES
        if rate >= least * 0.9  # the hand itself is missing from those that calibrate
    }
