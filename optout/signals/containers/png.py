"""PNG: XMP in an iTXt chunk, plain or deflated, or as hex in a "raw profile" of ImageMagick.

eXIf is left alone: a TIFF structure in it could hold XMP, no writer is known that does.
Source: PNG third edition sections 5 and 11.3.3; XMP specification part 3 section 1.1.5.
"""

import struct

from optout.signals.containers.walk import PACKET_BYTES, XMP_NAMESPACE_NAME, Walk

MAGIC = b"\x89PNG\r\n\x1a\n"

CHUNKS = 262_144
"""Chunks that are walked: 100 MB of pixels in the 8 KiB chunks of common encoders are 12,800."""

_HEAD = struct.Struct(">I4s")
_CHECKSUM_BYTES = 4  # not verified: a wrong one makes no statement less
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_KEYWORD_BYTES = 80
_XMP = b"xml:com.adobe.xmp"
_PROFILES = frozenset({b"raw profile type xmp", b"raw profile type app1"})
_RSL_NAMESPACE = b"rslstandard.org/rsl"


def walk(body: bytes) -> Walk:
    """Return the packets of a file that begins with MAGIC, in the order of its chunks."""
    found = Walk("png")
    at, end = len(MAGIC), len(body)
    first_pixel, last_pixel = end, 0
    for _ in range(CHUNKS):
        if at + _HEAD.size > end:
            found.fault("no end chunk")
            break
        length, kind = _HEAD.unpack_from(body, at)
        start = at + _HEAD.size
        stop = start + length
        if kind == b"IDAT":
            first_pixel, last_pixel = min(first_pixel, at), min(stop, end)
        elif kind in _TEXTS:
            _text(found, kind, body, start, min(stop, end))
        elif kind == b"IEND":
            break
        if stop > end:
            found.fault("chunk cut")
            break
        at = stop + _CHECKSUM_BYTES
    else:
        found.fault("more chunks than are walked")
    found.beside = [(0, first_pixel)]
    if last_pixel:
        found.beside.append((last_pixel, end))
    return found


def _text(found: Walk, kind: bytes, body: bytes, start: int, stop: int) -> None:
    nul = body.find(b"\0", start, min(start + _KEYWORD_BYTES, stop))
    if nul < 0:
        return
    keyword = body[start:nul].strip().lower()
    profile = keyword in _PROFILES
    named = keyword == _XMP or profile or b"rsl" in keyword
    deflated = kind == b"zTXt"
    at = nul + 1
    if kind == b"iTXt":
        deflated = body[at : at + 1] == b"\1"
        language = body.find(b"\0", at + 2, stop)
        translated = body.find(b"\0", language + 1, stop) if language >= 0 else -1
        if translated < 0:
            if named:
                found.fault("iTXt cut")
            return
        at = translated + 1
    elif deflated:
        at += 1  # the method; there is but one
    # RSL names no keyword for its fragments: they are known by their namespace.
    if not named and (deflated or body.find(_RSL_NAMESPACE, at, stop) < 0):
        return
    text = body[at:stop]
    if deflated:
        limit = (
            2 * PACKET_BYTES + PACKET_BYTES // 8 if profile else PACKET_BYTES
        )  # hex and newlines
        text = found.inflated(text, kind.decode(), limit)
    if profile:
        text = _from_hex(found, text, keyword)
    found.add(text)


def _from_hex(found: Walk, text: bytes, keyword: bytes) -> bytes:
    """Return the octets of a raw profile: a name, a count, then hex in lines."""
    head = text.split(None, 2)
    try:
        octets = bytes.fromhex(head[2].decode("ascii"))
    except (IndexError, ValueError):
        found.fault("raw profile is not hex")
        return b""
    if keyword.endswith(b"app1"):  # holds Exif or XMP, as the segment of a JPEG does
        if not octets.startswith(XMP_NAMESPACE_NAME):
            return b""
        octets = octets[len(XMP_NAMESPACE_NAME) :].removeprefix(b"\0")
    return octets
