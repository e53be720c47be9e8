"""TIFF and BigTIFF directories; the Exif block of JPEG, PNG and WebP is one too."""

import struct
from collections.abc import Iterator

from pipeline.image.headers.header import Format, ImageHeader

WIDTH, HEIGHT, ORIENTATION = 256, 257, 274
MAX_DIRECTORIES = 1000
MAX_ENTRIES = 4096
CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types that may hold a size: BYTE to LONG8
BIG = 43
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def parse(body: bytes) -> ImageHeader:
    """Return the header of the first directory; frames counts the directories."""
    directories = list(_directories(body))
    first = directories[0]
    turn = first.get(ORIENTATION, 1)
    return ImageHeader(
        Format.TIFF,
        first[WIDTH],
        first[HEIGHT],
        frames=len(directories),
        orientation=turn if 1 <= turn <= 8 else 1,  # noqa: PLR2004  # Exif values
    )


def orientation(exif: bytes) -> int:
    """Return the orientation an Exif block gives, 1 where it gives none or cannot be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    if not exif.startswith(MAGIC):
        return 1
    try:
        turn = next(_directories(exif)).get(ORIENTATION, 1)
    except (struct.error, IndexError, OverflowError, StopIteration, ValueError):
        return 1
    return turn if 1 <= turn <= 8 else 1  # noqa: PLR2004  # Exif values


def _directories(body: bytes) -> Iterator[dict[int, int]]:
    order = "<" if body[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", body, 2)[0] == BIG
    offset = struct.unpack_from(order + ("Q" if big else "I"), body, 8 if big else 4)[0]
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MAX_DIRECTORIES:
        seen.add(offset)
        tags, offset = _directory(body, offset, order, big=big)
        yield tags


def _directory(body: bytes, at: int, order: str, *, big: bool) -> tuple[dict[int, int], int]:
    """Return the one-valued integer tags of the directory at `at`, and where the next one is."""
    count_code, entry, size = ("Q", "HHQ8s", 20) if big else ("H", "HHI4s", 12)
    (count,) = struct.unpack_from(order + count_code, body, at)
    if count > MAX_ENTRIES:
        raise ValueError("too many entries")
    at += struct.calcsize("<" + count_code)
    tags = {}
    for i in range(count):
        tag, kind, values, raw = struct.unpack_from(order + entry, body, at + i * size)
        if values == 1 and kind in CODES and struct.calcsize("<" + CODES[kind]) <= len(raw):
            tags[tag] = struct.unpack_from(order + CODES[kind], raw)[0]
    return tags, struct.unpack_from(order + ("Q" if big else "I"), body, at + count * size)[0]
