"""64 x 64 luma of a picture, as PDQ sees it: the same hash for the same picture at any size.

PDQ blurs and samples at a grid that depends on the size of what it is given; a picture at half size
is then up to 36 bits away from itself. Its authors therefore reduce to 512 x 512 first. This is
that, in one step: area samples at 512, PDQ's two box passes there and its 64 sample points are all
linear, so they are one small matrix for each axis. A 64 x 64 plane passes PDQ's own blur unchanged.
Weights are integers (of 4096), so sums are exact in any order, on any machine.

Source: ThreatExchange pdq/README.md and pdq/cpp/downscaling/downscaling.cpp.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from schemas.ports import Pixels

EDGE = 64
REFERENCE_EDGE = 512
BOX = 4  # PDQ's window at 512: (512 + 127) // 128
ONE = 4096  # weights of a sample sum to this
MAX_EDGE = 2048  # beyond, weights of 1 / 4096 grow too coarse: area-resized to this first

Luma = npt.NDArray[np.uint8]
"""uint8[64, 64]"""


def luma(pixels: Pixels) -> Luma:
    """Return the 64 x 64 luma plane that PDQ hashes."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if max(height, width) > MAX_EDGE:
        size = (min(width, MAX_EDGE), min(height, MAX_EDGE))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    rows = weights(grey.shape[0]) @ grey.astype(np.float32)  # below 2**20: exact in float32
    both = rows.astype(np.float64) @ weights(grey.shape[1]).T.astype(np.float64)  # below 2**32
    return ((both.astype(np.int64) + ONE * ONE // 2) // (ONE * ONE)).astype(np.uint8)


@lru_cache(maxsize=256)
def weights(edge_px: int) -> npt.NDArray[np.float32]:
    """Return float32[64, edge_px] of whole numbers, each row summing to 4096."""
    kernel = _kernel()
    total = np.concatenate([np.zeros((EDGE, 1)), np.cumsum(kernel, axis=1)], axis=1)
    edges = np.arange(edge_px + 1) * REFERENCE_EDGE / edge_px
    whole = np.minimum(edges.astype(np.int64), REFERENCE_EDGE - 1)
    at_edges = total[:, whole] + (edges - whole) * kernel[:, whole]
    return np.diff(np.rint(at_edges * ONE), axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _kernel() -> npt.NDArray[np.float64]:
    """Return float64[64, 512]: PDQ's two box passes at 512, sampled at its 64 centres."""
    box = np.zeros((REFERENCE_EDGE, REFERENCE_EDGE))
    after = (BOX + 2) // 2  # PDQ's window leans to the right by one
    for i in range(REFERENCE_EDGE):
        low, high = max(0, i - BOX + after), min(REFERENCE_EDGE, i + after)
        box[i, low:high] = 1 / (high - low)
    step = REFERENCE_EDGE // EDGE
    return (box @ box)[step // 2 :: step]
