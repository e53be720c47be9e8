"""The canonical decode and the content keys that come from it (docs/identity.md).

No config can change it, so that samples, exemplars and what an auditor finds elsewhere compare:
upright, sRGB, transparency on white, first frame; a JPEG at the smallest DCT scale whose shorter
side is at least 256 px, the rest area-resized to that bound; nothing is enlarged.
"""

import hashlib
import struct

import cv2
import numpy as np
import numpy.typing as npt
import pdqhash

from pipeline.image.decoders import Decoder
from pipeline.image.header import MAX_PIXELS, read_header
from pipeline.image.headers.header import Format
from pipeline.image.luma import luma
from schemas.ports import ContentKeys, Pixels

CANONICAL_EDGE_PX = 256
STRIPED = 1.5  # of 255: mean deviation along a stripe; noise of encoding is below a fifth of it
BARE = 6.0  # of 255: deviation of all; scanned paper has 4 to 6, the palest painted picture 13
RULED = 5.0  # of 255: ruled, squared and dotted paper has up to 3, the plainest picture 14
MARGIN = slice(5, -5)  # of 64: flags and test cards often come on a little white


class CanonicalHasher:
    """The Hasher of samples and exemplars."""

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self._max_pixels = max_pixels

    def keys(self, body: bytes) -> ContentKeys:
        """Return the content keys. Raises ImageError."""
        decoder = self._decoder(body)
        return content_keys(canonical_pixels(decoder), decoder.header.upright)

    def pdq(self, body: bytes) -> tuple[bytes, int]:
        """Return the PDQ hash and its quality alone. Raises ImageError."""
        return pdq(canonical_pixels(self._decoder(body)))

    def dihedral(self, body: bytes) -> list[bytes]:
        """Return the eight PDQ hashes of the image, in the order of `turns`. Raises ImageError.

        Each is the hash of turned pixels. PDQ's own shortcut through its coefficients takes its
        sampling grid for symmetric, which it is not: mirrored copies came out 20 bits away, 10 % of
        them beyond 31.
        """
        return [pdq(turned)[0] for turned in turns(canonical_pixels(self._decoder(body)))]

    def striped(self, body: bytes) -> bool:
        """Say whether a picture is stripes, lines or bare paper and nothing else, a margin aside.

        Stripes: all rows show the same, or all columns: bars, ramps, flags. PDQ has no lasting
        hash of them: half of its coefficients are zero but for noise, and the same bars came out 96
        bits apart once they had been encoded again. Lines: what each row and each column show by
        themselves says everything: ruled, squared and dotted paper. Bare paper: one tone but for
        its grain, of which PDQ makes a hash as if it were a picture. Raises ImageError.
        """
        plane = luma(canonical_pixels(self._decoder(body))).astype(np.float32)[MARGIN, MARGIN]
        if min(plane.std(axis=0).mean(), plane.std(axis=1).mean()) < STRIPED:
            return True
        return bool(plane.std() < BARE or min(map(_beside_lines, (plane, 255.0 - plane))) < RULED)

    def _decoder(self, body: bytes) -> Decoder:
        return Decoder(body, read_header(body, self._max_pixels))


def _beside_lines(plane: npt.NDArray[np.float32]) -> float:
    """Return what dark lines along rows and columns leave unsaid of a plane, as its deviation."""
    rows = np.percentile(plane, 95, axis=1)[:, None]
    columns = np.percentile(plane, 95, axis=0)[None, :]
    return float(np.sqrt(np.square(np.minimum(rows, columns) - plane).mean()))


def canonical_pixels(decoder: Decoder) -> Pixels:
    """Return the canonical decode. Raises ImageError."""
    pixels = decoder.at_least(CANONICAL_EDGE_PX)
    if decoder.header.format == Format.JPEG:
        return pixels
    return bounded(pixels, CANONICAL_EDGE_PX)


def turns(pixels: Pixels) -> list[Pixels]:
    """Return the eight ways to lay a picture.

    Upright; turned against the clock by 90, 180 and 270 degrees; upside-down mirrored, left-right
    mirrored; mirrored about the main and about the other diagonal.
    """
    across = pixels.swapaxes(0, 1)
    ways = [np.rot90(pixels, k) for k in range(4)]
    ways += [pixels[::-1], pixels[:, ::-1], across, across[::-1, ::-1]]
    return [np.ascontiguousarray(way) for way in ways]


def bounded(pixels: Pixels, edge_px: int) -> Pixels:
    """Return pixels area-resized so that the shorter side is at most `edge_px`."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    if shorter <= edge_px:
        return pixels
    size = (round(width * edge_px / shorter), round(height * edge_px / shorter))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def content_keys(pixels: Pixels, size: tuple[int, int]) -> ContentKeys:
    """Return the keys of a canonical decode; size: width and height of the upright original."""
    found, quality = pdq(pixels)
    return ContentKeys(pixel_sha256(pixels), found, quality, *size)


def pixel_sha256(pixels: Pixels) -> str:
    """Return hex SHA-256 over width and height (big-endian uint32 each), then RGB row by row."""
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(struct.pack(">II", width, height))
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def pdq(pixels: Pixels) -> tuple[bytes, int]:
    """Return the PDQ hash (32 bytes, in the order of Meta's hex form) and its quality, 0 to 100."""
    found, quality = pdqhash.compute(_three(luma(pixels)))
    return _packed(found), int(quality)


def _three(plane: Pixels) -> Pixels:
    return np.repeat(plane[:, :, None], 3, axis=2)


def _packed(bits: Pixels) -> bytes:
    return np.packbits(bits.astype(np.uint8)).tobytes()
