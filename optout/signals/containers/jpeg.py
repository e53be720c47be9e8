"""JPEG: segments up to the first scan; XMP stands in APP1, longer XMP in several of them.

Only the first image of a file is walked: what an MPF directory points to (previews, gain maps) has
statements of its own, about itself.
Source: ITU-T T.81 annex B; XMP specification part 3 section 1.1.3 (StandardXMP, ExtendedXMP).
"""

import hashlib
import struct
from collections.abc import Iterator

from optout.signals.containers.walk import PACKET_BYTES, XMP_NAMESPACE_NAME, Walk

MAGIC = b"\xff\xd8"

SEGMENTS = 16_384
"""Segments that are walked: 4 MiB of extended XMP are 65, a large ICC profile is 255."""

_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENSION_HEAD = struct.Struct(">32sII")  # digest of the whole, its length, offset of this chunk
_LENGTH = struct.Struct(">H")
_PREFIX, _APP1, _SCAN, _END = 0xFF, 0xE1, 0xDA, 0xD9
_BARE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # no length follows
_EOI = b"\xff\xd9"

_Chunks = list[tuple[int, int, int, int]]  # offset in the text, declared length, start, stop


def walk(body: bytes) -> Walk:
    """Return the packets of a file that begins with MAGIC: standard XMP first, then extended."""
    found = Walk("jpeg")
    extended: dict[bytes, _Chunks] = {}
    header_stop = 0
    for marker, start, stop in _segments(found, body):
        if marker == _APP1:
            _app1(found, extended, body, start, stop)
        header_stop = stop
    for digest, chunks in extended.items():
        _reassemble(found, body, digest, chunks)
    found.beside = [(0, header_stop)]
    if not body.endswith(_EOI):  # something hangs behind the image
        found.beside.append((max(body.rfind(_EOI), header_stop), len(body)))
    return found


def _segments(found: Walk, body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and stop of the segments before the first scan."""
    at, end = len(MAGIC), len(body)
    for _ in range(SEGMENTS):
        if at + 4 > end:
            found.fault("header cut")
            return
        marker = body[at + 1]
        if body[at] != _PREFIX:
            at = body.find(_PREFIX, at)  # decoders skip to the next marker, and so do we
            at = end if at < 0 else at
        elif marker in (_SCAN, _END):
            return
        elif marker == _PREFIX:  # a fill byte
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            (length,) = _LENGTH.unpack_from(body, at + 2)
            start, stop = at + 4, at + 2 + length
            yield marker, start, min(stop, end)
            if stop > end:
                found.fault("segment cut")
                return
            at = max(stop, start)  # a length below 2 is a lie; a marker is searched for behind it
    found.fault("more segments than are walked")


def _app1(found: Walk, extended: dict[bytes, _Chunks], body: bytes, start: int, stop: int) -> None:
    if body.startswith(XMP_NAMESPACE_NAME, start):
        found.add(body[start + len(XMP_NAMESPACE_NAME) : stop].removeprefix(b"\0"))
    elif body.startswith(_EXTENSION, start):
        head = start + len(_EXTENSION)
        if head + _EXTENSION_HEAD.size > stop:
            found.fault("extended XMP cut")
            return
        digest, length, offset = _EXTENSION_HEAD.unpack_from(body, head)
        extended.setdefault(digest, []).append((offset, length, head + _EXTENSION_HEAD.size, stop))


def _reassemble(found: Walk, body: bytes, digest: bytes, chunks: _Chunks) -> None:
    """Add the text of the chunks under one digest, in the order of their offsets.

    A text with gaps is added too: it will not parse, and may show what it was about.
    """
    text = bytearray()
    at = 0  # where the text would end if nothing was missing
    whole = True
    for offset, _, start, stop in sorted(chunks):
        if offset > at:
            whole, at = False, offset
        text += body[start + at - offset : stop]
        at = max(at, offset + stop - start)
        if len(text) > PACKET_BYTES:
            break
    if not whole or {at} != {length for _, length, _, _ in chunks}:
        found.fault("extended XMP incomplete")
    elif hashlib.md5(text, usedforsecurity=False).hexdigest().encode() != digest.lower():
        found.fault("extended XMP has another digest")  # still the only text there is
    found.add(bytes(text))
