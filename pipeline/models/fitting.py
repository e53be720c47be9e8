"""Whitening and cohort of a matcher, from raw vectors of background images by hands that are known.

Hands are split, never shared: of each three hands in order of size the largest goes to the fit set
and two to the calibration set, until as many calibrate as are asked for; the rest fit. At most 250
images a hand, so that the largest do not become the norm. Pure; builtin:lite's own were made by
this code (`bench/model/build_cohort.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from optout.tail import HANDS_FOR_1E3, IMAGES_FOR_1E3, least_alpha
from pipeline.models import imports, style
from schemas.errors import UsageError
from schemas.ports import Vectors

Names = npt.NDArray[np.str_]
"""str[n]: the hand of each image."""
Halves = dict[str, npt.NDArray[np.float16]]
Raw = Mapping[str, Vectors]
"""`cpy` and `sty` as `taps.Taps` reads them, float32[n, d] each."""

RIDGE = {"cpy": 1e-2, "sty": 3e-3}
DIMS = {"cpy": 256, "sty": 512}
BLOCK_DIM = 128
IMAGES_A_DIM = 7 / 4  # of the fit set; with fewer, most directions would be noise
CALIBRATION_HANDS = 200
MOST_IMAGES = 250
SEED = 20261122

LEAST_FIT_IMAGES = 100  # optout.style.NEAREST_COHORT: neighbours by which all is normalised
LEAST_IMAGES = 100  # of the calibration set: fewer have no tail (optout.tail.fit_tail)
LEAST_HANDS = {"fit": 10, "calibration": 20}
"""Fewer fit hands make a whitening of hands, not of styles; with fewer than 20 that calibrate not
even the rate at which a style is tested, a hundredth, would mean anything."""


@dataclass(frozen=True, slots=True)
class Dims:
    """Widths after whitening: of `cpy`, of `sty`, and of each block of it."""

    cpy: int
    sty: int
    block: int


def dims(images: int) -> Dims:
    """Return the widths that a fit set of so many images supports."""
    most = int(images / IMAGES_A_DIM)
    return Dims(min(DIMS["cpy"], most), min(DIMS["sty"], most), min(BLOCK_DIM, most))


def split_hands(hands: Names, calibrating: int = CALIBRATION_HANDS) -> tuple[list[str], list[str]]:
    """Return the hands that fit and those that calibrate, each in order of size."""
    names, sizes = np.unique(hands, return_counts=True)
    by_size = [str(names[i]) for i in np.lexsort((names, -sizes))]
    calibrate = [name for i, name in enumerate(by_size) if i % 3 != 0][:calibrating]
    chosen = set(calibrate)
    return [name for name in by_size if name not in chosen], calibrate


def capped(hands: Names, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return indices of the images of some hands, at most MOST_IMAGES a hand, in order."""
    rng = np.random.default_rng(SEED)
    rows = [np.flatnonzero(hands == name) for name in names]
    few = [r if len(r) <= MOST_IMAGES else rng.choice(r, MOST_IMAGES, replace=False) for r in rows]
    return np.sort(np.concatenate(few)) if few else np.empty(0, np.int64)


def require_enough(part: str, hands: int, images: int) -> None:
    """Raise UsageError where a set could not do what it is for. part: fit, calibration."""
    images_needed = LEAST_FIT_IMAGES if part == "fit" else LEAST_IMAGES
    if hands < LEAST_HANDS[part] or images < images_needed:
        raise UsageError(
            f"expected at least {LEAST_HANDS[part]} hands with {images_needed} images in the"
            f" {part} set, found {hands} hands with {images}: a third of all hands fit and two"
            f" thirds calibrate, and a rate of 0.1 % needs {HANDS_FOR_1E3} of those, with"
            f" {IMAGES_FOR_1E3:,} images"
        )


def shortfalls(hands: int, images: int) -> list[str]:
    """Return what a calibration set is too small for, in words; empty where 1e-3 holds."""
    least = least_alpha(hands, images)
    if least <= 1e-3:  # noqa: PLR2004 - the default budget of all styles
        return []
    return [
        (
            f"the smallest false-match rate that this cohort supports is {least:.2%}: {hands}"
            f" hands with {images:,} images calibrate; 0.1 % needs {HANDS_FOR_1E3} hands with"
            f" {IMAGES_FOR_1E3:,} images. Where a build asks for less, styles drop only with a"
            " second key"
        )
    ]


def fitted(raw: Raw, sizes: Sequence[int], widths: Dims) -> Halves:
    """Return the arrays of the whitening, float16 as they are stored.

    raw: of the fit set alone. sizes: widths of the blocks of `sty`.
    """
    arrays = style.fit_style(raw["sty"], sizes, (widths.block, widths.sty), RIDGE["sty"])
    parts = style.fit_whitening(raw["cpy"], widths.cpy, RIDGE["cpy"])
    arrays |= dict(zip(("cpy_mean", "cpy_projection"), parts, strict=True))
    # safetensors writes memory as it lies: a transposed view would come back scrambled
    return {name: np.ascontiguousarray(value, np.float16) for name, value in arrays.items()}


def whitened(raw: Raw, arrays: Mapping[str, npt.NDArray[np.float16]]) -> dict[str, Vectors]:
    """Return `cpy` and `sty` float32[n, d], unit rows, by arrays as they are stored."""
    torch = imports.torch()
    tensors = {name: torch.from_numpy(np.ascontiguousarray(raw[name])) for name in DIMS}
    found = style.Whitening(arrays, "cpu").apply(tensors)
    return {name: value.numpy() for name, value in found.items()}


def numbered(hands: Names, names: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return int32[n]: the place of each image's hand among `names`."""
    number = {name: place for place, name in enumerate(names)}
    return np.array([number[str(hand)] for hand in hands], np.int32)


def counts(fit: Names, calibration: Names) -> dict[str, Any]:
    """Return how many hands and images each set has, as a cohort's card says it."""
    return {
        part: {"hands": len(np.unique(hands)), "images": len(hands)}
        for part, hands in (("fit", fit), ("calibration", calibration))
    }
