"""What is stored of an image: sizes, resizing and encoding as img2dataset's options say.

Only the pixels' way differs: orientation and profile are applied first, grey is stored as RGB, and
a JPEG comes DCT-scaled. Everything is encoded anew, in mode `no` too, as img2dataset does: what is
stored never carries metadata (position, names), and one rule holds for every row.

Source: img2dataset 1.47 resizer.py; rounding and centring of albumentations 1.4.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from schemas.config import DecodeConfig, ResizeMode
from schemas.errors import ImageError, UsageError
from schemas.ports import Pixels
from schemas.verdict import Reason

SHORTEST = frozenset({ResizeMode.KEEP_RATIO, ResizeMode.CENTER_CROP})
LONGEST = frozenset({ResizeMode.BORDER, ResizeMode.KEEP_RATIO_LARGEST})
PNG_LEVELS = 9
# A DCT-scaled picture is already averaged: up to this factor linear and area give the same
# (mean difference to img2dataset 2.33 and 2.32 of 255), and linear costs a third.
LINEAR_UP_TO = 1.25


@dataclass(frozen=True, slots=True)
class Resize:
    """What is to be done: resized to width x height, then cropped or bordered to a square."""

    width: int
    height: int
    smaller: bool  # than the original
    square_px: int = 0  # edge after cropping or bordering, 0 for neither

    @property
    def shorter_px(self) -> int:
        """The shorter side after resizing."""
        return min(self.width, self.height)


def plan_resize(width: int, height: int, config: DecodeConfig) -> Resize:
    """Return what the options make of an upright original of that size.

    Raises ImageError with reason `too_small` or `too_elongated`.
    """
    shorter, longer = min(width, height), max(width, height)
    if shorter < config.min_image_size:
        message = f"expected at least {config.min_image_size} px, found {width} x {height}"
        raise ImageError(Reason.TOO_SMALL, message)
    if longer / shorter > config.max_aspect_ratio:
        message = f"expected sides up to {config.max_aspect_ratio}, found {width} x {height}"
        raise ImageError(Reason.TOO_ELONGATED, message)
    side = shorter if config.resize_mode in SHORTEST else longer
    smaller = side > config.image_size
    asis = config.resize_mode == ResizeMode.NO or (config.resize_only_if_bigger and not smaller)
    if asis:
        return Resize(width, height, smaller=False)
    scale = config.image_size / side
    square = config.resize_mode in (ResizeMode.CENTER_CROP, ResizeMode.BORDER)
    return Resize(
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        smaller,
        config.image_size if square else 0,
    )


def resized(pixels: Pixels, plan: Resize, *, reduced: bool) -> Pixels:
    """Return pixels as planned: area when smaller, Lanczos when larger, white borders.

    reduced: the pixels come DCT-scaled.
    """
    height, width = pixels.shape[:2]
    if (width, height) != (plan.width, plan.height):
        near = max(width / plan.width, height / plan.height) <= LINEAR_UP_TO
        way = cv2.INTER_AREA if plan.smaller else cv2.INTER_LANCZOS4
        way = cv2.INTER_LINEAR if reduced and near else way
        size = (plan.width, plan.height)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
    return _squared(pixels, plan.square_px) if plan.square_px else pixels


def _squared(pixels: Pixels, edge_px: int) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = max(0, height - edge_px) // 2, max(0, width - edge_px) // 2
    pixels = pixels[top : top + edge_px, left : left + edge_px]
    down, right = edge_px - pixels.shape[0], edge_px - pixels.shape[1]
    if down or right:
        sides = (down // 2, down - down // 2, right // 2, right - right // 2)
        white = (255, 255, 255)
        bordered = cv2.copyMakeBorder(pixels, *sides, cv2.BORDER_CONSTANT, value=white)
        pixels = np.asarray(bordered, np.uint8)
    return np.ascontiguousarray(pixels)


def encoded(pixels: Pixels, config: DecodeConfig) -> bytes:
    """Return the stored bytes: JPEG with 4:2:0 chroma, PNG or WebP, without metadata."""
    if config.encode_format == "jpg":
        quality = max(1, config.encode_quality)
        jpeg: bytes = simplejpeg.encode_jpeg(pixels, quality, "RGB", "420")
        return jpeg
    require_encodable(config)
    key = {"png": cv2.IMWRITE_PNG_COMPRESSION, "webp": cv2.IMWRITE_WEBP_QUALITY}
    options = [key[config.encode_format], config.encode_quality]
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, body = cv2.imencode(f".{config.encode_format}", bgr, options)
    if not done:
        raise UsageError(f"expected sizes that {config.encode_format} can hold, found larger ones")
    return bytes(body)


def require_encodable(config: DecodeConfig) -> None:
    """Raise UsageError where the quality means nothing in the format: for the plan to ask first."""
    if config.encode_format == "png" and config.encode_quality > PNG_LEVELS:
        raise UsageError(
            "expected decode.encode_quality 0 to 9 with encode_format png (it is the compression "
            f"level, as in img2dataset), found {config.encode_quality}"
        )
