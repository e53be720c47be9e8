"""JPEG marker segments up to the first scan."""

import struct

from pipeline.image.headers.header import Format, ImageHeader, not_an_image
from pipeline.image.headers.tiff import orientation

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF markers; the three are tables
ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
SCAN, END, EXIF, ICC = 0xDA, 0xD9, 0xE1, 0xE2
PREFIX = 0xFF
ICC_NAME = b"ICC_PROFILE\0"
MAX_SCANS = 100  # a progressive JPEG has about ten; each further one costs a pass over all pixels


def parse(body: bytes) -> ImageHeader:
    """Return the header of a JPEG, with its orientation and ICC profile."""
    size: tuple[int, int, int] | None = None
    turn = 1
    icc: dict[int, bytes] = {}
    for marker, segment in _segments(body):
        if marker in FRAMES:
            if size is not None:
                raise not_an_image("expected one frame header in a JPEG, found two")
            _, height, width, components = struct.unpack_from(">BHHB", segment)
            size = (width, height, components)
        elif marker == EXIF and segment.startswith(b"Exif\0\0"):
            turn = orientation(segment)
        elif marker == ICC and segment.startswith(ICC_NAME):
            icc[segment[len(ICC_NAME)]] = segment[len(ICC_NAME) + 2 :]
    if size is None:
        raise not_an_image("expected a frame header before the first scan of a JPEG, found none")
    # Stuffed bytes keep FF DA out of entropy-coded data, so this counts scans (and thumbnails').
    if body.count(b"\xff\xda") > MAX_SCANS:
        raise not_an_image(f"expected at most {MAX_SCANS} scans in a JPEG, found more")
    profile = b"".join(icc[i] for i in sorted(icc))
    return ImageHeader(
        Format.JPEG, size[0], size[1], orientation=turn, components=size[2], icc=profile
    )


def _segments(body: bytes) -> list[tuple[int, bytes]]:
    """Return (marker, content) of each segment before the first scan."""
    segments: list[tuple[int, bytes]] = []
    at = 2
    while True:
        at = body.index(PREFIX, at)  # garbage between segments is skipped, as decoders do
        while body[at] == PREFIX:
            at += 1
        marker = body[at]
        at += 1
        if marker in (SCAN, END):
            return segments
        if marker in ALONE or marker == 0:
            continue
        (length,) = struct.unpack_from(">H", body, at)
        if length < 2 or at + length > len(body):  # noqa: PLR2004  # the length counts itself
            raise ValueError("a segment ends outside the file")
        segments.append((marker, body[at + 2 : at + length]))
        at += length
