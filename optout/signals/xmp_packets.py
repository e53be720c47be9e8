"""XMP packets of an image's bytes, whatever its container; no pixels are read.

Where a walk found no packet, or met a fault, the bytes beside the pixels are searched for the one
text that must not be missed. It stands in no packet, but it was said: it is reported as a fault
that names the code.
Source: facts section 8; XMP specification part 3.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from optout.signals.containers import bmff, gif, jpeg, png, text, tiff, webp
from optout.signals.containers.walk import Walk

STRAYS = 64
STRAY_BYTES = 256

_WORDS = (b"DMI-PROHIBITED", b"DMI-Prohibited")
_WIDE = tuple((b"\0" * n).join(bytes((c,)) for c in word) for n in (1, 3) for word in _WORDS)
NEEDLES = (*_WORDS, *_WIDE)
"""The text as it stands in UTF-8, and in UTF-16 and UTF-32 of either byte order."""

_CODE = re.compile(rb"DMI-PROHIBITED[A-Z-]*")


_CONTAINERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Walk]], ...] = (
    (lambda body: body.startswith(jpeg.MAGIC), jpeg.walk),
    (lambda body: body.startswith(png.MAGIC), png.walk),
    (webp.is_webp, webp.walk),
    (lambda body: body.startswith(gif.MAGICS), gif.walk),
    (lambda body: body.startswith(tiff.MAGICS), tiff.walk),
    (lambda body: body.startswith(text.GZIP_MAGIC), text.walk_gzip),
    (text.is_xml, text.walk),
)
"""How a container begins, most frequent first, and the walk through it; files of boxes are last,
for they begin with a length."""


@dataclass(frozen=True, slots=True)
class Packets:
    """What stands in one file.

    packets: at most 16, each at most 4 MiB and one byte, which says that it was longer.
    faults: where the container breaks off or lies, e.g. `jpeg: segment cut`; and prohibiting codes
        that stand in no packet, e.g. `jpeg: DMI-PROHIBITED outside a packet`.
    container: jpeg, png, webp, tiff, gif, avif, heic, bmff, jp2, jxl, svg, svgz or unknown.
    """

    packets: tuple[bytes, ...] = ()
    faults: tuple[str, ...] = ()
    container: str = "unknown"


NONE = Packets()


def packets(body: bytes) -> Packets:
    """Return the packets of any bytes. Never raises."""
    found = _walk(body)
    if (found.faults or not found.packets) and not any(map(_speaks, found.packets)):
        # Where the container lies, its word about where the pixels are counts for nothing either.
        spans = None if found.faults else found.beside
        for code in dict.fromkeys(_strays(body, [(0, len(body))] if spans is None else spans)):
            found.fault(f"{code} outside a packet")
    return Packets(tuple(found.packets), tuple(found.faults), found.container)


def codes(octets: bytes) -> tuple[str, ...]:
    """Return the prohibiting codes in any bytes, upper case, in any encoding of Unicode."""
    return tuple(
        dict.fromkeys(m[0].decode() for m in _CODE.finditer(octets.replace(b"\0", b"").upper()))
    )


def _walk(body: bytes) -> Walk:
    for begins, walk in _CONTAINERS:
        if begins(body):
            return walk(body)
    name = bmff.name(body)
    return bmff.walk(body, name) if name else text.scan(body)


def _speaks(packet: bytes) -> bool:
    return any(needle in packet for needle in NEEDLES)


def _strays(body: bytes, spans: list[tuple[int, int]]) -> Iterator[str]:
    for start, stop in spans:
        for needle in NEEDLES:
            at = body.find(needle, start, stop)
            for _ in range(STRAYS):
                if at < 0:
                    break
                yield from codes(body[at : at + STRAY_BYTES])[:1]
                at = body.find(needle, at + len(needle), stop)
