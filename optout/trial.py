"""What a style would take, before it acts: how near to it are images of a background and others.

The similarities are those of a build (optout.style): the same works, tail and cohort. The threshold
is that of a style that acts alone; where many share a budget, fewer images reach theirs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optout.cohort import Cohort
from optout.enrol import Works, copied
from optout.style import (
    NEAREST_WORKS,
    Doubles,
    Style,
    as_norm,
    neighbours,
    normalised,
    top_mean,
)
from optout.tail import unpack
from schemas.claim import StyleCalibration
from schemas.errors import ClaimError
from schemas.ports import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How near images are to a style. threshold: from which they would be left out."""

    threshold: float
    own: Doubles  # of each work to the others
    cohort: Doubles  # of the calibration images that are no copies of a work
    hands: npt.NDArray[np.int32]  # who made them
    background: Doubles
    copies: npt.NDArray[np.bool_]  # of the background: what is a copy of a work anyway

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """Places of the background images, the nearest first."""
        return np.argsort(-self.background, kind="stable")

    @property
    def taken(self) -> npt.NDArray[np.bool_]:
        """Which background images reach the threshold."""
        return np.asarray(self.background >= self.threshold, np.bool_)

    def taken_hands(self) -> list[tuple[int, int]]:
        """Return number and images of each cohort hand that is reached, the most first."""
        names, counts = np.unique(self.hands[self.cohort >= self.threshold], return_counts=True)
        pairs = zip(names.tolist(), counts.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def reach(
    works: Works, calibrated: StyleCalibration, cohort: Cohort, sty: Vectors, cpy: Vectors
) -> Reach:
    """Return how near the background (sty, cpy: float32[n, d], n may be 0) is to a tested style.

    Raises ClaimError for a style that was not tested.
    """
    if calibrated.threshold is None or not calibrated.tail:
        raise ClaimError("expected a style that was tested, found none: nothing can be compared")
    style = Style(works.sty, unpack(calibrated.tail))
    fit = cohort.fit_sty
    keep = ~copied(works, cohort.calibration_cpy)
    return Reach(
        threshold=calibrated.threshold,
        own=_own(style, fit),
        cohort=normalised(cohort.calibration_sty[keep], style, fit),
        hands=cohort.calibration_hand[keep],
        background=normalised(sty, style, fit) if len(sty) else np.empty(0),
        copies=copied(works, cpy) if len(cpy) else np.empty(0, np.bool_),
    )


def _own(style: Style, fit: Vectors) -> Doubles:
    """Return the similarity of each work to the others of its claim."""
    among = style.works.astype(np.float64) @ style.works.astype(np.float64).T
    np.fill_diagonal(among, -np.inf)
    nearest = top_mean(among, min(NEAREST_WORKS, len(among) - 1))
    moments = neighbours(style.works, fit)
    return as_norm(nearest, (style.tail.mean, style.tail.sd), moments)
