"""Pixels to the tensor that a model wants, as its own preprocessing configuration says.

open_clip's transform works on PIL images; ours starts from decoded sRGB arrays and asks torch for
the same antialiased resampling. The two differ by rounding only (a test holds the embeddings
together). Resampling is done on the CPU whatever the device, so that no device moves a pixel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.models import imports
from schemas.errors import ModelMismatchError
from schemas.ports import Pixels

INTERPOLATIONS = ("bicubic", "bilinear")
LONGEST_STRIP = 8  # times the shorter edge; more is cut off before enlarging
RESIZE_MODES = ("squash", "shortest", "longest")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """What open_clip calls preprocess_cfg, checked: all that moves a pixel before the model."""

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize_mode: str
    fill: int

    def describe(self) -> dict[str, Any]:
        """Return it as JSON values, for the fingerprint."""
        return {
            "size": [self.height, self.width],
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "resize_mode": self.resize_mode,
            "fill": self.fill,
        }


def from_config(config: Mapping[str, Any]) -> Preprocess:
    """Return the preprocessing of open_clip's preprocess_cfg.

    Raises ModelMismatchError for one that this module cannot do, rather than doing another.
    """
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    interpolation = config.get("interpolation") or "bicubic"
    resize_mode = config.get("resize_mode") or "shortest"
    if interpolation not in INTERPOLATIONS or resize_mode not in RESIZE_MODES:
        raise ModelMismatchError(
            f"expected interpolation in {INTERPOLATIONS} and resize_mode in {RESIZE_MODES}, "
            f"found {interpolation} and {resize_mode} in the model's preprocess_cfg"
        )
    return Preprocess(
        height=height,
        width=width,
        mean=tuple(float(v) for v in config["mean"]),
        std=tuple(float(v) for v in config["std"]),
        interpolation=interpolation,
        resize_mode=resize_mode,
        fill=int(config.get("fill_color") or 0),
    )


def tensor(pixels: Sequence[Pixels], preprocess: Preprocess) -> Any:
    """Return float32[n, 3, height, width], normalised, of n images of any size."""
    torch = imports.torch()
    images = torch.stack([_sized(one, preprocess) for one in pixels])
    mean = torch.tensor(preprocess.mean).view(1, 3, 1, 1)
    std = torch.tensor(preprocess.std).view(1, 3, 1, 1)
    return (images.float() / 255.0 - mean) / std


def _sized(pixels: Pixels, preprocess: Preprocess) -> Any:
    torch = imports.torch()
    seen = _seen(pixels, preprocess)
    image = torch.from_numpy(np.ascontiguousarray(seen)).permute(2, 0, 1)
    height, width = image.shape[1:]
    want = _resized(height, width, preprocess)
    if want != (height, width):
        image = torch.nn.functional.interpolate(
            image[None], size=want, mode=preprocess.interpolation, antialias=True
        )[0]
    return _fitted(image, preprocess)


def _seen(pixels: Pixels, preprocess: Preprocess) -> Pixels:
    """Return the middle of an image of which the model will see a square anyway.

    A strip of one by 65,535 pixels would be enlarged to gigabytes before it was cropped.
    """
    if preprocess.resize_mode != "shortest":
        return pixels
    height, width = pixels.shape[:2]
    most = LONGEST_STRIP * min(height, width)
    top, left = max(0, (height - most) // 2), max(0, (width - most) // 2)
    return pixels[top : top + most, left : left + most]


def _resized(height: int, width: int, preprocess: Preprocess) -> tuple[int, int]:
    """Return the size after resampling and before cropping or padding."""
    if preprocess.resize_mode == "squash":
        return preprocess.height, preprocess.width
    ratios = preprocess.height / height, preprocess.width / width
    if preprocess.resize_mode == "longest":
        ratio = min(ratios)
        return max(1, round(height * ratio)), max(1, round(width * ratio))
    ratio = max(ratios)  # torchvision cuts off the fraction of the longer edge
    return max(preprocess.height, int(height * ratio)), max(preprocess.width, int(width * ratio))


def _fitted(image: Any, preprocess: Preprocess) -> Any:
    """Return the centre of an image, padded with the fill colour where it is too small."""
    torch = imports.torch()
    height, width = image.shape[1:]
    if (height, width) == (preprocess.height, preprocess.width):
        return image
    top, left = round((height - preprocess.height) / 2), round((width - preprocess.width) / 2)
    if top < 0 or left < 0:
        missing = max(0, preprocess.height - height), max(0, preprocess.width - width)
        above, before = missing[0] // 2, missing[1] // 2
        pads = (before, missing[1] - before, above, missing[0] - above)
        image = torch.nn.functional.pad(image, pads, value=preprocess.fill)
        top, left = max(0, top), max(0, left)
    return image[:, top : top + preprocess.height, left : left + preprocess.width]
