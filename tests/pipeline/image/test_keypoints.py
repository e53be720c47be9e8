import cv2
import numpy as np
import pytest

from optout.keypoints import POINT, agreeing, both_ways, unpack
from pipeline.image.keypoints import SAMPLE, WORK, keypoints


def drawing(seed: int, height: int = 300, width: int = 400) -> np.ndarray:
    """A picture of many shapes, as the canonical decode would give it."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 255, np.uint8)
    for _ in range(60):
        x, y, size = rng.integers(0, width), rng.integers(0, height), rng.integers(8, 50)
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        corners = np.array([x, y]) + rng.integers(-size, size, (rng.integers(3, 7), 2))
        cv2.fillPoly(pixels, [corners.astype(np.int32)], colour)
    return cv2.GaussianBlur(pixels, (3, 3), 0)


def agreed(work: np.ndarray, sample: np.ndarray) -> int:
    return agreeing(both_ways(keypoints(work, WORK)), unpack(keypoints(sample, SAMPLE)))


COPIES = {
    "itself": lambda p: p,
    "half as large": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1, ::-1],
    "a quarter of it": lambda p: p[:150, 200:],
    "on a page": lambda p: cv2.copyMakeBorder(
        p, 90, 90, 60, 60, cv2.BORDER_CONSTANT, value=(9, 60, 9)
    ),
    "grey": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2),
    "darker": lambda p: (p * 0.6).astype(np.uint8),
    "a part, mirrored": lambda p: p[60:260, 90:330][:, ::-1],
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
@pytest.mark.parametrize("seed", range(3))
def test_copies_and_parts_of_a_picture_agree_with_it(change, seed):
    pixels = drawing(seed)
    assert agreed(pixels, np.ascontiguousarray(change(pixels))) >= 5


def test_other_pictures_do_not_agree():
    works, samples = ([drawing(n) for n in range(k, k + 6)] for k in (0, 20))
    assert max(agreed(w, s) for w in works for s in samples) < 4


def test_points_are_the_same_each_time_and_the_strongest():
    pixels = drawing(4)
    stored = keypoints(pixels, SAMPLE)
    assert stored == keypoints(pixels.copy(), SAMPLE)
    assert len(stored) <= SAMPLE.most * POINT.itemsize
    assert len(keypoints(pixels, WORK)) > len(stored)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (8, 8), (256, 256)])
def test_a_picture_without_anything_on_it_has_no_points(shape):
    assert keypoints(np.full((*shape, 3), 200, np.uint8), SAMPLE) == b""
