"""GIF: the screen, its first picture, and how many follow."""

import struct

from pipeline.image.headers.header import Format, ImageHeader, not_an_image

EXTENSION, PICTURE, TRAILER = 0x21, 0x2C, 0x3B
TABLE = 0x80  # flag: a colour table follows


def parse(body: bytes) -> ImageHeader:
    """Return the header of a GIF. The screen grows to hold its first picture, as decoders do."""
    width, height, flags = struct.unpack_from("<HHB", body, 6)
    at = 13 + _table_bytes(flags)
    frames = 0
    while at < len(body) and body[at] != TRAILER:
        if body[at] == PICTURE:
            x, y, w, h, flags = struct.unpack_from("<HHHHB", body, at + 1)
            if not frames:
                width, height = max(width, x + w), max(height, y + h)
            frames += 1
            at = _after_blocks(body, at + 11 + _table_bytes(flags))
        elif body[at] == EXTENSION:
            at = _after_blocks(body, at + 2)
        else:
            at += 1  # stray bytes between blocks are skipped, as decoders do
    if not frames:
        raise not_an_image("expected a picture in a GIF, found none")
    return ImageHeader(Format.GIF, width, height, frames=frames)


def _table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & TABLE else 0


def _after_blocks(body: bytes, at: int) -> int:
    while body[at]:
        at += 1 + body[at]
    return at + 1
