"""PNG chunks. The walk goes to IEND, so that a file that was cut off is known as such."""

import struct

from pipeline.image.headers.header import Format, ImageHeader, not_an_image
from pipeline.image.headers.tiff import orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAMING = 12  # length, type and checksum of a chunk


def parse(body: bytes) -> ImageHeader:
    """Return the header of a PNG or an APNG."""
    at, frames, turn = len(SIGNATURE), 1, 1
    size: tuple[int, int] | None = None
    while True:
        length, kind = struct.unpack_from(">I4s", body, at)
        if at + FRAMING + length > len(body):
            raise not_an_image("expected a whole PNG, found one that is cut off")
        if (size is None) != (kind == b"IHDR"):
            raise not_an_image("expected one IHDR, the first chunk of a PNG")
        if kind == b"IHDR":
            size = struct.unpack_from(">II", body, at + 8)
        elif kind == b"acTL":
            frames = max(1, struct.unpack_from(">I", body, at + 8)[0])
        elif kind == b"eXIf":
            turn = orientation(body[at + 8 : at + 8 + length])
        elif kind == b"IEND" and size is not None:
            return ImageHeader(Format.PNG, *size, frames=frames, orientation=turn)
        at += FRAMING + length
