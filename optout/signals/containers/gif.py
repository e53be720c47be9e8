"""GIF: XMP in an application extension, as plain text that is not cut into sub-blocks.

The text is followed by a "magic trailer", over which a reader that takes the letters for lengths
of sub-blocks stumbles to the end of the block. Some writers cut it into sub-blocks all the same.
The extension is searched for, not walked to: its fourteen octets do not come about by chance.
Source: XMP specification part 3 section 1.1.2; GIF89a section 26.
"""

from optout.signals.containers.walk import PACKET_BYTES, Walk

MAGICS = (b"GIF87a", b"GIF89a")

BLOCKS = 64
"""Application extensions with XMP that are read."""

_EXTENSION = b"\x21\xff\x0bXMP DataXMP"
_TRAILER = b"\x01\xff\xfe\xfd\xfc\xfb"
_TEXT_BEGINS = (b"<", b"\xef\xbb\xbf")


def walk(body: bytes) -> Walk:
    """Return the packets of a file that begins with one of MAGICS."""
    found = Walk("gif")
    at = body.find(_EXTENSION)
    for _ in range(BLOCKS):
        if at < 0:
            return found
        start = at + len(_EXTENSION)
        spans, stop = _sub_blocks(body, start)
        text = body[start:stop]
        if not text.lstrip().startswith(_TEXT_BEGINS):
            text = b"".join(body[a:b] for a, b in spans)
        trailer = text.rfind(_TRAILER)
        found.add(text if trailer < 0 else text[:trailer])
        if stop >= len(body) or body[stop]:
            found.fault("XMP block cut")
        at = body.find(_EXTENSION, max(stop, start))
    found.fault("more blocks than are read")
    return found


def _sub_blocks(body: bytes, at: int) -> tuple[list[tuple[int, int]], int]:
    """Return the spans of sub-blocks and where their terminator stands, or where reading ends."""
    spans = []
    last = min(len(body), at + PACKET_BYTES + PACKET_BYTES // 64)
    while at < last and body[at]:
        stop = min(at + 1 + body[at], last)
        spans.append((at + 1, stop))
        at = stop
    return spans, at
