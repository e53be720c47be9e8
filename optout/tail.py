"""The tail of a claim's similarities over the cohort: thresholds for rates too small to count.

Peaks over threshold: above its 98th percentile the distribution is described by a generalised
Pareto tail, fitted by probability-weighted moments. What makes a threshold honest is the number
of different hands in the cohort, so a tail carries the smallest rate that its cohort supports.

Source: Pickands 1975; Hosking and Wallis 1987 for the fit; facts behind the constants in
docs/registry.md.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from schemas.errors import SchemaError

PERCENTILE = 98.0
FLOOR_SHARE = round(1 - PERCENTILE / 100, 6)
"""Of the cohort above the floor of a claim: no threshold is lower, whatever the rate."""
CAUTION = ((1e-3, 20.0), (1e-2, 3.0))
"""Rate -> by how much a threshold is set below it; between them on a line of logarithms.

Measured on unseen hands with 135 hands to calibrate (`bench/matching.py`): at 1e-3 a
tenth keeps half of the rate over all claims, yet 5 % of claims go beyond three times of it; with a
twentieth 3 % do. At 1e-2 a third is enough (1.4 %)."""
HOLD_CAUTION = ((1e-3, 15.0), (1e-2, 3.0))
"""Likewise, for what is held until somebody has looked: with single images and votes dropped, the
rate over all claims is kept, and a hold that was in vain can be taken back. At 1e-2 and above both
are one, and nothing is held."""
Cautions = tuple[tuple[float, float], tuple[float, float]]
HANDS_FOR_1E3 = 198  # as measured: realised 3.8e-4 where 1e-3 was declared; 99 hands did not
IMAGES_FOR_1E3 = 1_000  # fewer leave less than twenty values above the percentile
LEAST_BETA = 1e-6
SHAPE = 0.5
"""How much of a fitted shape is believed: it is drawn towards 0, the shape of an exponential tail.

Some thirty points give a shape within .2, which is no less than how far shapes of claims lie apart.
Halved, thresholds of one realised rate find .30 instead of .29 at 1e-3, votes .49 instead of
.46."""
XI_RANGE = (-0.5, 0.5)  # beyond, a fit to some fifty points says more about noise than tails


@dataclass(frozen=True, slots=True)
class Tail:
    """What a threshold at any rate needs, and how the claim's similarities are normalised."""

    u: float  # where the tail begins
    share: float  # of the cohort above u
    xi: float
    beta: float
    least_alpha: float  # the smallest rate that the cohort supports
    mean: float  # of the claim's similarities to its nearest cohort images
    sd: float

    def pack(self) -> tuple[float, ...]:
        """Return the seven numbers, rounded to what a table of float32 keeps."""
        return tuple(float(np.float32(value)) for value in astuple(self))

    def supports(self, alpha: float) -> bool:
        """Say whether the cohort is large enough for a rate."""
        return alpha >= self.least_alpha * (1.0 - 1e-6)  # float32 may have rounded it up


def unpack(values: Sequence[float]) -> Tail:
    """Return the tail of what `Tail.pack` gave. Raises SchemaError for anything else."""
    numbers = [float(value) for value in values]
    expected = len(Tail.__slots__)
    if len(numbers) != expected or not all(math.isfinite(value) for value in numbers):
        raise SchemaError(f"expected {expected} finite numbers of a tail, found {numbers}")
    tail = Tail(*numbers)
    if not (0 < tail.share < 1 and tail.beta > 0 and 0 < tail.least_alpha <= 1 and tail.sd > 0):
        raise SchemaError(f"expected share, beta, rate and spread above zero, found {tail}")
    return tail


def threshold_at(tail: Tail, alpha: float) -> float:
    """Return the normalised similarity that at most `alpha` of strangers are meant to reach.

    Calibrated with CAUTION, and never below what the cohort supports: a smaller alpha gives the
    threshold of `tail.least_alpha`.
    """
    alpha = max(alpha, tail.least_alpha)
    return quantile(tail, alpha / caution(alpha))


def hold_threshold_at(tail: Tail, alpha: float) -> float:
    """Return the normalised similarity from which a row is held; at most `threshold_at`.

    What is dropped and what is held together are meant to be at most `alpha` of strangers.
    """
    alpha = max(alpha, tail.least_alpha)
    return quantile(tail, alpha / caution(alpha, HOLD_CAUTION))


def caution(alpha: float, cautions: Cautions = CAUTION) -> float:
    """Return by how much a threshold is set below a declared rate."""
    (low, most), (high, least) = cautions
    place = math.log(min(max(alpha, low), high) / low) / math.log(high / low)
    return most * math.pow(least / most, place)


def quantile(tail: Tail, rate: float) -> float:
    """Return the value that the fitted tail exceeds at a rate; u for rates above its share."""
    ratio = tail.share / rate
    if ratio <= 1:
        return tail.u
    if abs(tail.xi) < 1e-9:  # noqa: PLR2004 - the limit of the formula below
        return tail.u + tail.beta * math.log(ratio)
    return tail.u + tail.beta / tail.xi * (math.pow(ratio, tail.xi) - 1.0)


def fit_tail(values: npt.NDArray[np.float64], hands: int, mean: float, sd: float) -> Tail:
    """Return the tail of the cohort's normalised similarities.

    values: float64[n], one for each calibration image. hands: how many made them.
    Raises SchemaError where there are too few to have a tail.
    """
    if len(values) < 100:  # noqa: PLR2004 - two values above the 98th percentile
        raise SchemaError(f"expected at least 100 calibration images, found {len(values)}")
    u = float(np.percentile(values, PERCENTILE))
    excess: npt.NDArray[np.float64] = np.sort(values[values > u] - u)
    xi = SHAPE * _shape(excess)
    mean_excess = float(excess.mean()) if len(excess) else 0.0
    beta = max(mean_excess * (1.0 - xi), LEAST_BETA)  # the scale that keeps the mean
    share = max(len(excess), 1) / len(values)
    return Tail(u, share, xi, beta, least_alpha(hands, len(values)), mean, sd)


def least_alpha(hands: int, images: int) -> float:
    """Return the smallest false-match rate that a cohort supports."""
    return min(1.0, 1e-3 * max(HANDS_FOR_1E3 / max(hands, 1), IMAGES_FOR_1E3 / max(images, 1)))


def _shape(excess: npt.NDArray[np.float64]) -> float:
    """Return the shape of sorted values above zero, by probability-weighted moments."""
    if len(excess) < 2:  # noqa: PLR2004 - no shape from one value
        return 0.0
    n = len(excess)
    first = float(excess.mean())
    # plotting positions of the survival function, as Hosking and Wallis recommend
    survival = 1.0 - (np.arange(1, n + 1) - 0.35) / n
    second = float((excess * survival).mean())
    gap = first - 2.0 * second
    if gap <= 0:
        return XI_RANGE[1]
    return float(np.clip(2.0 - first / gap, *XI_RANGE))


def upper_bound(hits: int, trials: int, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson upper bound of a rate; 1 without trials."""
    if hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(hits, trials, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, trials: int, rate: float) -> float:
    """Return the probability of at most `hits` in `trials`."""
    if rate >= 1.0:
        return 0.0
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    total = math.lgamma(trials + 1)
    logs = [
        total - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_rate
        + (trials - k) * log_rest
        for k in range(hits + 1)
    ]  # fmt: skip
    peak = max(logs)
    return math.exp(peak) * sum(math.exp(value - peak) for value in logs)
