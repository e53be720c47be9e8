"""WebP: RIFF chunks of the simple and the extended format."""

import struct
from collections.abc import Iterator

from pipeline.image.headers.header import Format, ImageHeader, not_an_image
from pipeline.image.headers.tiff import orientation

SIZE_14 = 0x3FFF


def parse(body: bytes) -> ImageHeader:
    """Return the header of a WebP; the canvas where there is one, else the picture."""
    (length,) = struct.unpack_from("<I", body, 4)
    if length + 8 > len(body):
        raise not_an_image("expected a whole WebP, found one that is cut off")
    canvas: tuple[int, int] | None = None
    picture: tuple[int, int] | None = None
    frames, turn = 0, 1
    for kind, at, size in _chunks(body, length + 8):
        if kind == b"VP8X":
            canvas = (1 + _u24(body, at + 4), 1 + _u24(body, at + 7))
        elif kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF":
            turn = orientation(body[at : at + size])
        elif kind in (b"VP8 ", b"VP8L") and picture is None:
            picture = _lossy(body, at) if kind == b"VP8 " else _lossless(body, at)
    found = canvas or picture
    if found is None or (picture is None and not frames):
        raise not_an_image("expected a picture in a WebP, found none")
    return ImageHeader(Format.WEBP, *found, frames=max(1, frames), orientation=turn)


def _chunks(body: bytes, end: int) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", body, at)
        if at + 8 + size > end:
            raise not_an_image("expected a whole WebP, found one that is cut off")
        yield kind, at + 8, size
        at += 8 + size + size % 2


def _u24(body: bytes, at: int) -> int:
    return body[at] | body[at + 1] << 8 | body[at + 2] << 16


def _lossy(body: bytes, at: int) -> tuple[int, int]:
    tag, width, height = struct.unpack_from("<3sHH", body, at + 3)
    if tag != b"\x9d\x01\x2a":  # RFC 6386 section 9.1
        raise ValueError("no key frame")
    return width & SIZE_14, height & SIZE_14


def _lossless(body: bytes, at: int) -> tuple[int, int]:
    signature, bits = struct.unpack_from("<BI", body, at)
    if signature != 0x2F:  # noqa: PLR2004  # RFC 9649 section 3.4
        raise ValueError("no VP8L signature")
    return 1 + (bits & SIZE_14), 1 + (bits >> 14 & SIZE_14)
