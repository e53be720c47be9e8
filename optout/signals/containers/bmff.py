"""Files of boxes: AVIF and HEIC (XMP is an item, or a uuid box), JPEG XL (an xml box), JPEG 2000.

Source: ISO/IEC 14496-12 sections 8.11.3 (iloc) and 8.11.6 (iinf); ISO/IEC 23008-12 annex A;
XMP specification part 3 (uuid box); ISO/IEC 18181-2 section 9 (JPEG XL).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from optout.signals.containers.walk import PACKET_BYTES, Walk

JXL_MAGIC = b"\0\0\0\x0cJXL \r\n\x87\n"
JP2_MAGIC = b"\0\0\0\x0cjP  \r\n\x87\n"

BOXES = 65_536
"""Boxes of one level, and items of one table, that are walked; a large grid has some hundred."""

_HEAD = struct.Struct(">I4s")
_XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
_XMP_TYPE = b"application/rdf+xml"
_IN_FILE, _IN_IDAT = 0, 1  # construction methods
_NAMES = {b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic", b"mif1": "heic"}


class Box(NamedTuple):
    """Type of a box and the span of what it holds."""

    kind: bytes
    start: int
    stop: int


def name(body: bytes) -> str | None:
    """Return what a file of boxes is called; None for bytes that are none."""
    if body.startswith(JXL_MAGIC):
        return "jxl"
    if body.startswith(JP2_MAGIC):
        return "jp2"
    return _NAMES.get(body[8:12], "bmff") if body[4:8] == b"ftyp" else None


def walk(body: bytes, container: str) -> Walk:
    """Return the packets of a file that has a `name`.

    Nothing is set aside as pixels: items of either kind share one mdat box.
    """
    found = Walk(container)
    for box in _boxes(found, body, 0, len(body)):
        if box.kind == b"uuid" and body.startswith(_XMP_UUID, box.start):
            found.add(body[box.start + len(_XMP_UUID) : box.stop])
        elif box.kind == b"xml " and container == "jxl":
            found.add(body[box.start : box.stop])
        elif box.kind == b"brob" and body.startswith(b"xml ", box.start):
            found.fault("xml box compressed by Brotli")  # nothing that we depend on reads it
        elif box.kind == b"meta":
            _meta(found, body, box)
    return found


def _boxes(found: Walk, body: bytes, at: int, end: int) -> Iterator[Box]:
    """Yield the boxes of a span; one that lies about its size ends it."""
    for _ in range(BOXES):
        if at + _HEAD.size > end:
            return
        size, kind = _HEAD.unpack_from(body, at)
        start = at + _HEAD.size
        if size == 1:  # the size follows in eight octets
            size = int.from_bytes(body[start : start + 8], "big")
            start += 8
        elif size == 0:  # to the end
            size = end - at
        stop = at + size
        if stop < start or start > end:
            found.fault("box of impossible size")
            return
        if stop > end:
            found.fault("box cut")
        yield Box(kind, start, min(stop, end))
        at = stop
    found.fault("more boxes than are walked")


def _meta(found: Walk, body: bytes, meta: Box) -> None:
    wanted: dict[int, bytes] = {}
    places: Box | None = None
    idat = Box(b"idat", meta.stop, meta.stop)
    for box in _boxes(found, body, meta.start + 4, meta.stop):  # version and flags first
        if box.kind == b"iinf":
            wanted = _xmp_items(found, body, box)
        elif box.kind == b"iloc":
            places = box
        elif box.kind == b"idat":
            idat = box
    if not wanted:
        return
    located = _Places(body, places).of(found, wanted) if places else {}
    for number, encoding in wanted.items():
        if number not in located:
            found.fault("XMP item has no place")
            continue
        text = _item(found, body, located[number], idat)
        found.add(found.inflated(text, "XMP item") if encoding else text)


def _xmp_items(found: Walk, body: bytes, iinf: Box) -> dict[int, bytes]:
    """Return id and content encoding of the items that are XMP."""
    wanted: dict[int, bytes] = {}
    count_bytes = 2 if body[iinf.start : iinf.start + 1] == b"\0" else 4
    for box in _boxes(found, body, iinf.start + 4 + count_bytes, iinf.stop):
        entry = body[box.start : min(box.stop, box.start + 512)]
        version = entry[:1]
        id_bytes = 4 if version == b"\3" else 2
        number = int.from_bytes(entry[4 : 4 + id_bytes], "big")
        at = 4 + id_bytes + 2  # a protection index follows the id
        if version in (b"\2", b"\3"):
            if entry[at : at + 4] != b"mime":
                continue
            at += 4
        _, content_type, encoding, *_ = (*entry[at:].split(b"\0", 3), b"", b"", b"")
        if content_type.strip().lower() == _XMP_TYPE:
            wanted[number] = encoding.strip()
    return wanted


class _Place(NamedTuple):
    """Where an item stands: construction method, data reference, (offset, length) of extents."""

    method: int
    reference: int
    extents: tuple[tuple[int, int], ...]


class _Places:
    """Reads an iloc box, whose fields have widths of its own choice."""

    __slots__ = ("_at", "_body", "_stop")

    def __init__(self, body: bytes, box: Box) -> None:
        self._body, self._at, self._stop = body, box.start, box.stop

    def _uint(self, size_bytes: int) -> int:
        at = self._at
        self._at = at + size_bytes
        return int.from_bytes(self._body[at : min(self._at, self._stop)], "big")

    def of(self, found: Walk, wanted: dict[int, bytes]) -> dict[int, _Place]:
        """Return the places of wanted items; the first where an id is repeated."""
        places: dict[int, _Place] = {}
        version = self._uint(4) >> 24
        widths = self._uint(2)
        offset_bytes, length_bytes = widths >> 12, widths >> 8 & 15
        base_bytes = widths >> 4 & 15
        index_bytes = widths & 15 if version in (1, 2) else 0
        id_bytes = 4 if version == 2 else 2  # noqa: PLR2004 - the version with wide ids
        count = self._uint(id_bytes)
        for _ in range(min(count, BOXES)):
            number = self._uint(id_bytes)
            method = self._uint(2) & 15 if version in (1, 2) else _IN_FILE
            reference = self._uint(2)
            base = self._uint(base_bytes)
            extent_count = self._uint(2)
            extent_bytes = index_bytes + offset_bytes + length_bytes
            after = self._at + extent_count * extent_bytes
            if after > self._stop:
                found.fault("iloc cut")
                break
            if number in wanted and number not in places:
                extents = []
                for _ in range(extent_count):
                    self._uint(index_bytes)
                    extents.append((base + self._uint(offset_bytes), self._uint(length_bytes)))
                places[number] = _Place(method, reference, tuple(extents))
            self._at = after  # in one step: extents of no octets would take as long as of many
        return places


def _item(found: Walk, body: bytes, place: _Place, idat: Box) -> bytes:
    if place.reference or place.method not in (_IN_FILE, _IN_IDAT):
        found.fault("XMP item stands outside the file or in another item")
        return b""
    first, end = (0, len(body)) if place.method == _IN_FILE else (idat.start, idat.stop)
    text = bytearray()
    for offset, length in place.extents:
        start = first + offset
        stop = start + length if length else end  # no length: all there is
        if stop > end or start > end:
            found.fault("XMP item outside the file")
        text += body[start : min(stop, end, start + PACKET_BYTES + 1)]
        if len(text) > PACKET_BYTES:  # overlapping extents could repeat the file at will
            break
    return bytes(text)
