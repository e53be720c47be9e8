"""TIFF, BigTIFF and DNG: XMP is the value of tag 700 in any directory, sub-directories included.

Source: TIFF 6.0 section 2, BigTIFF (libtiff), Adobe TIFF Technical Note 1 (SubIFDs).
"""

import struct
from collections import deque
from typing import Literal

from optout.signals.containers.walk import PACKET_BYTES, Walk

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

ENTRIES = 200_000
"""Directory entries that are walked; a file of a thousand pages has some 20,000."""

DIRECTORIES = 10_000
"""Pointers to directories that are followed."""

_XMP, _SUB_DIRECTORY = 700, 330
_WIDTHS = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


class _Layout:
    """Widths and byte order of one file; the two formats differ in nothing else."""

    __slots__ = ("count", "entry", "first_at", "inline", "order", "pointer")

    def __init__(self, body: bytes) -> None:
        self.order: Literal["little", "big"] = "little" if body.startswith(b"II") else "big"
        order = "<" if self.order == "little" else ">"
        big = b"+" in body[:4]
        self.first_at = 8 if big else 4
        self.count = struct.Struct(order + ("Q" if big else "H"))
        self.entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
        self.pointer = struct.Struct(order + ("Q" if big else "I"))
        self.inline = self.pointer.size  # values that fit stand in place of the pointer to them


def walk(body: bytes) -> Walk:
    """Return the packets of a file that begins with one of MAGICS.

    A directory that was seen is not walked again, so that loops end; they hide nothing.
    """
    found = Walk("tiff")
    layout = _Layout(body)
    if layout.first_at + layout.pointer.size > len(body):
        found.fault("header cut")
        return found
    todo = deque(layout.pointer.unpack_from(body, layout.first_at))
    seen = {0}  # the pointer of the last directory
    left, pointers_left = ENTRIES, DIRECTORIES
    while todo:
        at = todo.popleft()
        if at in seen:
            continue
        seen.add(at)
        if at + layout.count.size > len(body):
            found.fault("directory outside the file")
            continue
        (count,) = layout.count.unpack_from(body, at)
        left -= count + 1
        if left < 0:
            found.fault("more directories than are walked")
            break
        pointers = _directory(found, body, layout, at, pointers_left)
        pointers_left -= len(pointers)
        todo.extend(pointers)
    return found


def _directory(found: Walk, body: bytes, layout: _Layout, at: int, limit: int) -> list[int]:
    """Add the packets of one directory; return pointers to the next and to those below it."""
    (count,) = layout.count.unpack_from(body, at)
    start = at + layout.count.size
    stop = start + count * layout.entry.size
    if stop > len(body):
        found.fault("directory cut")
        stop = start + (len(body) - start) // layout.entry.size * layout.entry.size
    pointers: list[int] = []
    if stop + layout.pointer.size <= len(body):
        pointers += layout.pointer.unpack_from(body, stop)
    for tag, kind, number, value in layout.entry.iter_unpack(memoryview(body)[start:stop]):
        width = _WIDTHS.get(kind, 1)
        if tag == _XMP:
            found.add(_value(found, body, layout, number * width, value))
        elif tag == _SUB_DIRECTORY and width in (4, 8):
            if len(pointers) + number > limit:
                found.fault("more directories than are walked")
                continue
            octets = _value(found, body, layout, number * width, value)
            pointers += [
                int.from_bytes(octets[i : i + width], layout.order)
                for i in range(0, len(octets) - width + 1, width)
            ]
    if len(pointers) > limit:
        found.fault("more directories than are walked")
    return pointers[:limit]


def _value(found: Walk, body: bytes, layout: _Layout, size_bytes: int, value: bytes) -> bytes:
    """Return the octets of an entry, at most one more than a packet may have."""
    if size_bytes <= layout.inline:
        return value[:size_bytes]
    (at,) = layout.pointer.unpack(value)
    if at + size_bytes > len(body):
        found.fault("value outside the file")
    return body[at : at + min(size_bytes, PACKET_BYTES + 1)]
