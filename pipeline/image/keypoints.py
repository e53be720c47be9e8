"""Key points of a picture: SIFT on its grey version at a small size, the strongest of them.

A sample is looked at small and with few points, since every image of a build pays for it; a work
larger and with many, so that a part of it is known by points of its own.
"""

from typing import NamedTuple

import cv2
import numpy as np

from optout.keypoints import MOST, pack
from schemas.ports import Pixels


class Detail(NamedTuple):
    """How closely a picture is looked at. edge_px: to which its longer edge is brought."""

    edge_px: int
    most: int


SAMPLE = Detail(160, 64)
WORK = Detail(320, MOST)
CONTRAST = 0.01  # a quarter of what SIFT asks for: flat drawings have few points
MARGIN_PX = 8  # the edge goes on so far, so that points beside it have surroundings
LEAST_PX = 8  # of an edge


def keypoints(pixels: Pixels, detail: Detail) -> bytes:
    """Return the strongest points of a picture, the strongest first, as `optout.keypoints.pack`.

    pixels: the canonical decode. Empty where nothing stands out.
    """
    plane = _grey(pixels, detail.edge_px)
    sift = cv2.SIFT.create(nfeatures=detail.most, contrastThreshold=CONTRAST)
    found, described = sift.detectAndCompute(plane, None)  # in one go, since each looks anew
    if not found:
        return b""
    told = np.array([(-p.response, *p.pt, p.size, p.angle) for p in found], np.float32)
    strongest = np.lexsort(told.T[::-1])[: detail.most]  # several may be as strong as the last
    _, x, y, size, angle = told[strongest].T
    edge = np.float32(detail.edge_px)
    xy = np.stack([x, y], axis=1) - np.float32(MARGIN_PX)
    return pack(xy / edge, size / edge, np.deg2rad(angle), np.sqrt(described[strongest]))


def _grey(pixels: Pixels, edge_px: int) -> Pixels:
    """Return the grey plane with its longer edge at edge_px, and a margin around it."""
    plane = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    scale = edge_px / max(plane.shape)
    if scale != 1:
        height, width = (max(LEAST_PX, round(edge * scale)) for edge in plane.shape)
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        plane = cv2.resize(plane, (width, height), interpolation=way)
    sides = (MARGIN_PX,) * 4
    return np.asarray(cv2.copyMakeBorder(plane, *sides, cv2.BORDER_REPLICATE), np.uint8)
