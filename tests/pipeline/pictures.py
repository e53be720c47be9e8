"""Pictures painted by code, and their bytes in any format, for the tests of decoding."""

import io
from typing import Any

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")


def picture(width: int = 400, height: int = 300, seed: int = 0) -> Image.Image:
    """Return a smooth picture with enough structure for PDQ, no two corners alike."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, size=(9, 12, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """Return an image's bytes; lossy formats at a high quality unless told."""
    stream = io.BytesIO()
    if form in ("JPEG", "WEBP", "AVIF"):
        options = {"quality": 92} | options
    image.save(stream, form, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    """Return an Exif block with an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()
