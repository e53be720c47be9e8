"""AVIF and HEIC: boxes of ISO/IEC 14496-12 and 23008-12, as far as the primary item's size."""

import struct
from collections.abc import Iterator

from pipeline.image.headers.header import Format, ImageHeader, not_an_image

AVIF = frozenset({b"avif", b"avis"})
HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
MAX_BOXES = 10_000

# (quarter turns against the clock, mirrored left to right first) -> Exif orientation
TURNED = {0: 1, 1: 8, 2: 3, 3: 6}
TURNED_THEN_MIRRORED = {  # (turns, axis) of irot followed by imir
    (0, 0): 4,
    (0, 1): 2,
    (1, 0): 5,
    (1, 1): 7,
    (2, 0): 2,
    (2, 1): 4,
    (3, 0): 7,
    (3, 1): 5,
}

Box = tuple[bytes, int, int]
"""Type, where the content begins, where it ends."""


def brand(body: bytes) -> Format | None:
    """Return AVIF or HEIC where the file type box names it."""
    if body[4:8] != b"ftyp":
        return None
    length = int.from_bytes(body[:4], "big")
    brands = {body[at : at + 4] for at in (8, *range(16, min(length, len(body), 256), 4))}
    if brands & AVIF:
        return Format.AVIF
    return Format.HEIC if brands & HEIC else None


def parse(body: bytes) -> ImageHeader:
    """Return the header of the primary item. Frames is 1: sequences are read for their cover."""
    found = brand(body)
    top = {kind: (start, end) for kind, start, end in _boxes(body, 0, len(body))}
    if found is None or b"meta" not in top:
        raise not_an_image("expected a file type and a meta box, found none")
    start, end = top[b"meta"]
    meta = {kind: (a, b) for kind, a, b in _boxes(body, start + 4, end)}
    item = _primary(body, meta[b"pitm"][0])
    inside = list(_boxes(body, *meta[b"iprp"]))
    properties = [p for kind, a, b in inside if kind == b"ipco" for p in _boxes(body, a, b)]
    wanted = [i for kind, a, _ in inside if kind == b"ipma" for i in _associated(body, a, item)]
    by_kind = {properties[i - 1][0]: properties[i - 1][1] for i in wanted if i}
    width, height = struct.unpack_from(">II", body, by_kind[b"ispe"] + 4)
    return ImageHeader(found, width, height, orientation=_orientation(body, by_kind))


def _boxes(body: bytes, at: int, end: int) -> Iterator[Box]:
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", body, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", body, start)
            start += 8
        stop = end if length == 0 else at + length
        if stop < start or stop > end:
            raise not_an_image("expected whole boxes, found one that ends outside the file")
        yield kind, start, stop
        at = stop


def _primary(body: bytes, at: int) -> int:
    version = body[at]
    return int.from_bytes(body[at + 4 : at + (8 if version else 6)], "big")


def _associated(body: bytes, at: int, item: int) -> list[int]:
    """Return the numbers, from 1, of the properties that an ipma box gives an item."""
    version, wide = body[at], body[at + 3] & 1
    (count,) = struct.unpack_from(">I", body, at + 4)
    at += 8
    for _ in range(min(count, MAX_BOXES)):
        size = 4 if version else 2
        number = int.from_bytes(body[at : at + size], "big")
        many = body[at + size]
        at += size + 1
        step = 2 if wide else 1
        if number == item:
            mask = 0x7FFF if wide else 0x7F  # the highest bit says that it is essential
            ends = range(at, at + many * step, step)
            return [int.from_bytes(body[i : i + step], "big") & mask for i in ends]
        at += many * step
    return []


def _orientation(body: bytes, by_kind: dict[bytes, int]) -> int:
    turns = body[by_kind[b"irot"]] & 3 if b"irot" in by_kind else 0
    if b"imir" not in by_kind:
        return TURNED[turns]
    return TURNED_THEN_MIRRORED[turns, body[by_kind[b"imir"]] & 1]
