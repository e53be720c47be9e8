"""What copies of a work are likely to show: a part, no colours, a frame, all of it aslant.

Views are made and looked at once, where a work is enrolled, so that every image of a build needs
one look only. A view that says nothing of its own is left out: a part that is nearly blank, the
grey version of what is grey already.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from pipeline.image.canonical import CANONICAL_EDGE_PX, bounded, pdq
from pipeline.image.decoders import Decoder
from pipeline.image.header import MAX_PIXELS, read_header
from schemas.claim import ViewKind
from schemas.ports import Pixels

CROP_SHARES = (0.7, 0.6)  # of each edge
FRAME_SHARE = 0.10  # of each edge, on every side
FRAMES = ((255, 255, 255), (0, 0, 0))
TURNS = (-5.0, 5.0)  # degrees
LEAST_QUALITY = 50  # of a part: PDQ's own limit for what can be told from other images
LEAST_CHROMA = 4.0  # mean spread of the channels, of 255; less is grey already
SOURCE_EDGE_PX = round(CANONICAL_EDGE_PX / min(CROP_SHARES))


def views(body: bytes, max_pixels: int = MAX_PIXELS) -> list[tuple[ViewKind, Pixels]]:
    """Return the views of an image, each as large as a canonical decode. Raises ImageError."""
    decoder = Decoder(body, read_header(body, max_pixels))
    # parts are cut from a decode so large that they are as sharp as a sample of the same part
    pixels = bounded(decoder.at_least(SOURCE_EDGE_PX), SOURCE_EDGE_PX)
    whole = bounded(pixels, CANONICAL_EDGE_PX)
    found: list[tuple[ViewKind, Pixels]] = [
        ("crop", part) for share in CROP_SHARES for part in crops(pixels, share)
    ]
    if chroma(whole) >= LEAST_CHROMA:
        found.append(("grey", greyed(whole)))
    found += [("framed", framed(whole, colour)) for colour in FRAMES]
    return found + [("turned", turned(whole, degrees)) for degrees in TURNS]


def crops(pixels: Pixels, share: float) -> Iterator[Pixels]:
    """Give the centre and the four corners, a share of each edge, those that are not blank."""
    height, width = pixels.shape[:2]
    h, w = max(1, round(height * share)), max(1, round(width * share))
    down, right = height - h, width - w
    for top, left in ((down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)):
        part = np.ascontiguousarray(pixels[top : top + h, left : left + w])
        if pdq(part)[1] >= LEAST_QUALITY:
            yield part


def chroma(pixels: Pixels) -> float:
    """Return the mean distance between the largest and the smallest channel, 0 to 255."""
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())


def greyed(pixels: Pixels) -> Pixels:
    """Return the picture without its colours."""
    plane = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.repeat(plane[:, :, None], 3, axis=2)


def framed(pixels: Pixels, colour: tuple[int, int, int]) -> Pixels:
    """Return the picture with a plain frame around it."""
    high, wide = (max(1, round(edge * FRAME_SHARE)) for edge in pixels.shape[:2])
    sides = (high, high, wide, wide)
    bordered = cv2.copyMakeBorder(pixels, *sides, cv2.BORDER_CONSTANT, value=colour)
    return np.asarray(bordered, np.uint8)


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """Return the picture turned a little about its centre; corners go on as the edge does."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(pixels, turn, (width, height), borderMode=edge), np.uint8)
