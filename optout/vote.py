"""The vote of a source: what its images together say of a style, more than each of them can.

One image is weak evidence, and where chance puts one stranger beyond a threshold it rarely puts
five from one source there. What counts is the mean excess, over the source's images, above where
the claim's tail begins (`Tail.u`); an image below it counts as nothing, so that only similarities
above it need be known.

Source: measured in bench/matching.py on hands that nobody tuned to (docs/benchmarks.md).
"""

import math
from dataclasses import replace

from optout.tail import Tail, caution, quantile

VOTERS = 5
"""Different images that a source needs to have a vote."""
SHARED = 0.12
"""The part of the spread between strangers' images that the images of one source share.

A mean of n strangers spreads by sqrt(SHARED + (1 - SHARED) / n) of one's spread. At .12 the votes
of 5, 10 and 20 images of one stranger reach .6, .3 and .1 of the declared rate."""
ELSEWHERE = 50
"""Different images that a build needs to have elsewhere, for a source to have a vote in it."""
MAJORITY = 0.5
"""Where so many images of a source that was voted out lie above u, the source is the hand's, and
all its images go; where fewer do, others have images there too, and only what lies above goes."""


def needed(tail: Tail, alpha: float, voters: int) -> float:
    """Return the mean excess above `tail.u` that a stranger's source reaches at a rate `alpha`.

    voters: different images of the source, at least 1; with one it is the excess of a single image.
    Beyond the rate that the cohort supports a tail that was fitted with an end is read as one
    without: else some claims are reached at any rate.
    """
    if not tail.supports(alpha):
        tail = replace(tail, xi=max(tail.xi, 0.0))
    single = quantile(tail, alpha / caution(alpha)) - tail.u
    return single * math.sqrt(SHARED + (1.0 - SHARED) / voters)
