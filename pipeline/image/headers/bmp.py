"""BMP: the core header and its successors."""

import struct

from pipeline.image.headers.header import Format, ImageHeader

CORE = 12  # size of the OS/2 header, whose sizes have 16 bits


def parse(body: bytes) -> ImageHeader:
    """Return the header of a BMP; a negative height means rows from the top."""
    (length,) = struct.unpack_from("<I", body, 14)
    if length == CORE:
        width, height = struct.unpack_from("<HH", body, 18)
    else:
        width, height = struct.unpack_from("<ii", body, 18)
    return ImageHeader(Format.BMP, abs(width), abs(height))
