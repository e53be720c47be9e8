"""Size, format, frames and orientation from the first bytes: what is too large is never decoded."""

import struct
from collections.abc import Callable

from pipeline.image.headers import bmp, boxes, gif, jpeg, png, tiff, webp
from pipeline.image.headers.header import Format, ImageHeader, not_an_image
from schemas.errors import ImageError
from schemas.verdict import Reason

MAX_PIXELS = 100_000_000

PARSERS: dict[Format, Callable[[bytes], ImageHeader]] = {
    Format.JPEG: jpeg.parse,
    Format.PNG: png.parse,
    Format.WEBP: webp.parse,
    Format.GIF: gif.parse,
    Format.TIFF: tiff.parse,
    Format.BMP: bmp.parse,
    Format.AVIF: boxes.parse,
    Format.HEIC: boxes.parse,
}

MAGIC = (
    (b"\xff\xd8\xff", Format.JPEG),
    (png.SIGNATURE, Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    *((magic, Format.TIFF) for magic in tiff.MAGIC),
    (b"BM", Format.BMP),
)


def read_header(body: bytes, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Return what an image's header says; nothing is decoded.

    max_pixels: largest width times height, as coded.
    Raises ImageError: `not_an_image` for bytes of no known format, or cut off as far as the header
    can tell; `too_many_pixels` beyond the limit.
    """
    found = sniff(body)
    if found is None:
        known = ", ".join(f.value for f in PARSERS)
        raise not_an_image(f"expected one of {known}, found {len(body)} bytes of none of them")
    try:
        header = PARSERS[found](body)
    except (struct.error, IndexError, KeyError, OverflowError, ValueError) as e:
        raise not_an_image(f"expected a whole {found} header, found a broken one") from e
    if header.width < 1 or header.height < 1:
        raise not_an_image(f"expected pixels, found {header.width} x {header.height}")
    if header.width * header.height > max_pixels:
        raise ImageError(
            Reason.TOO_MANY_PIXELS,
            f"expected at most {max_pixels} pixels, found {header.width} x {header.height}",
        )
    return header


def sniff(body: bytes) -> Format | None:
    """Return the format that the first bytes name, None where we know none."""
    for magic, found in MAGIC:
        if body.startswith(magic):
            return found
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return Format.WEBP
    return boxes.brand(body)
