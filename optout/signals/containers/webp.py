"""WebP: XMP in a chunk of the RIFF list. Source: RFC 9649 section 2."""

import struct

from optout.signals.containers.walk import Walk

CHUNKS = 65_536
"""Chunks that are walked; an animation has one a frame."""

_HEAD = struct.Struct("<4sI")
_RIFF_HEAD_BYTES = 12
_XMP = frozenset({b"XMP ", b"XMP\0"})  # the second by a writer that was shipped widely
_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})  # codespell:ignore


def is_webp(body: bytes) -> bool:
    """Say whether bytes begin like a WebP file."""
    return body.startswith(b"RIFF") and body[8:12] == b"WEBP"


def walk(body: bytes) -> Walk:
    """Return the packets of a file for which `is_webp` holds."""
    found = Walk("webp")
    (size,) = struct.unpack_from("<I", body, 4)
    at, end = _RIFF_HEAD_BYTES, min(8 + size, len(body))
    beside = [(end, len(body))]  # a writer that appended a chunk may have forgotten the size
    if 8 + size > len(body) + 1:  # one byte of padding is often left out
        found.fault("file cut")
    for _ in range(CHUNKS):
        if at + _HEAD.size > end:
            break
        kind, length = _HEAD.unpack_from(body, at)
        start, stop = at + _HEAD.size, at + _HEAD.size + length
        if kind in _XMP:
            found.add(body[start : min(stop, end)])
        elif kind not in _PIXELS:
            beside.append((start, min(stop, end)))
        if stop > end:
            found.fault("chunk cut")
            break
        at = stop + length % 2
    else:
        found.fault("more chunks than are walked")
    found.beside = beside
    return found
