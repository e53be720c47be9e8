"""Any colours to sRGB: profiles, grey, CMYK, palettes, 16 bits and transparency.

A profile is applied where it fits the pixels and says something other than sRGB; one that cannot be
read is ignored, as browsers do. Transparency is laid on white after the colours are converted.
PNG's gAMA and cHRM chunks are not read: without a profile, pixels are taken as sRGB.
"""

import io
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from schemas.ports import Pixels

MAX_PROFILE_BYTES = 4_000_000
SRGB_LEVELS = 2  # a profile that moves no colour by more than this many of 255 levels is sRGB
INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION

Plane = npt.NDArray[np.uint8]
"""uint8[height, width]."""


def rgb_from_array(pixels: npt.NDArray[np.uint8], icc: bytes) -> Pixels:
    """Return sRGB pixels of a decoded JPEG.

    pixels: uint8[h, w, 1 | 3 | 4]: grey, RGB, or CMYK as Adobe writes it (0 is full ink).
    """
    channels = pixels.shape[2]
    if channels == 4:  # noqa: PLR2004  # CMYK
        return _rgb(Image.fromarray(np.bitwise_not(pixels), "CMYK"), icc)
    if channels == 1:
        return _rgb(Image.fromarray(pixels[:, :, 0], "L"), icc)
    if icc and _transform(icc, "RGB") is not None:
        return _rgb(Image.fromarray(pixels, "RGB"), icc)
    return pixels


def rgb_from_image(image: Image.Image) -> Pixels:
    """Return sRGB pixels of a loaded Pillow image of any mode, transparency laid on white.

    Raises ValueError for a mode that has no plain meaning as a picture (floats, LAB).
    """
    icc = image.info.get("icc_profile") or b""
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = Image.fromarray(_upper_byte(np.asarray(image)), "L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
        return on_white(_rgb(image.convert("RGB"), icc), alpha)
    return _rgb(image, icc)


def on_white(pixels: Pixels, alpha: Plane) -> Pixels:
    """Return pixels laid on white; alpha: uint8[h, w], 255 is opaque. Rounds to nearest."""
    if alpha.min(initial=255) == 255:  # noqa: PLR2004  # opaque everywhere
        return pixels
    share = alpha[:, :, None].astype(np.uint16)
    return ((pixels * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def _rgb(image: Image.Image, icc: bytes) -> Pixels:
    mode = {"1": "L", "L": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    transform = _transform(icc, mode) if icc else None
    if transform is None:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    if image.mode != mode:
        image = image.convert(mode)
    return np.array(transform.apply(image))


def _upper_byte(levels: npt.NDArray[np.generic]) -> Plane:
    """Return the upper of 16 bits, which is also what Pillow keeps of 16-bit RGB."""
    return (np.clip(levels.astype(np.int64), 0, 65535) >> 8).astype(np.uint8)


@lru_cache(maxsize=64)
def _transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB, None where it does not fit, or is sRGB itself."""
    if len(icc) > MAX_PROFILE_BYTES:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space.strip() != {"L": "GRAY"}.get(mode, mode):
            return None
        srgb = ImageCms.createProfile("sRGB")
        found = ImageCms.buildTransform(profile, srgb, mode, "RGB", INTENT, FLAGS)
        probe = _probe(mode)
        moved = np.asarray(found.apply(probe)).astype(int) - np.asarray(probe.convert("RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # an unreadable profile says nothing
    if mode != "CMYK" and np.abs(moved).max() <= SRGB_LEVELS:
        return None
    return found


def _probe(mode: str) -> Image.Image:
    """Return an image that holds colours from all over the cube."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    axes = np.meshgrid(*[levels] * len(mode), indexing="ij")
    cube = np.stack([axis.ravel() for axis in axes], axis=-1)[None]
    return Image.fromarray(np.ascontiguousarray(cube), mode)
