"""Key points of images as stored, and how many of two images agree on where they lie.

A key point is a place that is found again after an image was scaled, turned, cut or encoded anew,
with a description of what is around it (D. Lowe, Distinctive image features from scale-invariant
keypoints, IJCV 2004). Two images show one picture where several points of one lie in the other as
if it had been moved, scaled, turned and mirrored as a whole. One pair of like points says all of
that by itself, so each pair is tried and the others are counted: no sampling, no seed.

A copy of a part, under a mark or on a larger page may look like something else as a whole, so its
vector is near the work's but not near enough. Points see the parts and nothing of the whole, which
is what makes them an independent second key.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.errors import SchemaError

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

DESCRIPTOR = (4, 4, 8)
"""Rows, columns and directions of a description; one bit each, set where there is more than the
mean of all. Told apart as well as by the numbers themselves (bench/copies.py)."""
POINT = np.dtype(
    [("xy", "<u2", 2), ("size", "u1"), ("angle", "u1"), ("bits", "u1", np.prod(DESCRIPTOR) // 8)]
)
"""As stored, 22 bytes. xy: from the upper left, of the longer edge. size: likewise, in sixteenths
of a power of two above 2**-12. angle: of a turn."""
UNITS = 65535
SIZE_STEPS, LEAST_SIZE = 16, -12
ANGLES = 256
MOST = 320  # of a work; of a sample fewer

LEAST = 3  # points that agree; two do by chance
NEAR_BITS = 32  # of 128: points that may show the same; those of strangers lie at 40 and more
TOLERANCE = 0.05  # of the longer edge of a sample, within which a point lies where it should
SCALE, TURN = np.log2(1.5), np.deg2rad(20)  # by how much a point may differ from the others
CELL_OF_WORK, CELL_OF_SAMPLE = 6 / 320, 6 / 160  # of the longer edge; points in one count once
SPREAD = 0.3
"""Of the longer edge of the sample: so far the points that agree must reach. Strangers with the
same logo in a corner, .15 or .25 of an edge wide, agreed in 591 and 815 of 888 pairs without it,
in 61 with it."""
ONE_PICTURE = 0.5  # of the points of two works: they agree in so many
RECURS = 2  # in so many other works of a claim: what is there is no picture


class Points(NamedTuple):
    """n key points.

    xy: float32[n, 2], of the longer edge. size: float32[n], log2 of its share of that edge. angle:
    float32[n], radians. bits: uint64[n, 2].
    """

    xy: Floats
    size: Floats
    angle: Floats
    bits: npt.NDArray[np.uint64]


def pack(xy: Floats, size: Floats, angle: Floats, description: Floats) -> bytes:
    """Return points as stored, in their order.

    xy, size: of the longer edge, [n, 2] and [n]. angle: radians. description: [n, 128], >= 0.
    """
    stored = np.zeros(len(xy), POINT)
    stored["xy"] = np.clip(np.rint(xy * UNITS), 0, UNITS)
    steps = np.rint((np.log2(np.maximum(size, 2.0**LEAST_SIZE)) - LEAST_SIZE) * SIZE_STEPS)
    stored["size"] = np.clip(steps, 0, 255)
    stored["angle"] = np.rint(angle / (2 * np.pi) * ANGLES).astype(np.int64) % ANGLES
    above = description > description.mean(axis=1, keepdims=True)
    stored["bits"] = np.packbits(above, axis=1)
    return stored.tobytes()


def unpack(stored: bytes) -> Points:
    """Return points that `pack` wrote. Raises SchemaError for bytes of another length."""
    if len(stored) % POINT.itemsize:
        raise SchemaError(
            f"expected key points of {POINT.itemsize} bytes each, found {len(stored)} bytes"
        )
    points = np.frombuffer(stored, POINT)
    return Points(
        xy=points["xy"].astype(np.float32) / np.float32(UNITS),
        size=points["size"].astype(np.float32) / np.float32(SIZE_STEPS) + np.float32(LEAST_SIZE),
        angle=points["angle"].astype(np.float32) * np.float32(2 * np.pi / ANGLES),
        bits=np.ascontiguousarray(points["bits"]).view(np.uint64).reshape(-1, 2),
    )


def _mirrored_bits() -> npt.NDArray[np.int64]:
    """Return where each bit of a description stands once the image is mirrored.

    A point brings its own axes along: what lies beside its direction changes sides, and so does
    each direction.
    """
    places = np.arange(np.prod(DESCRIPTOR)).reshape(DESCRIPTOR)
    return places[::-1][:, :, -np.arange(DESCRIPTOR[2]) % DESCRIPTOR[2]].reshape(-1)


MIRRORED_BITS = _mirrored_bits()


def mirrored(points: Points) -> Points:
    """Return the points of the image mirrored left to right, wherever its edge lies then."""
    loose = np.unpackbits(points.bits.view(np.uint8), axis=1)
    turned = np.packbits(loose[:, MIRRORED_BITS], axis=1)
    return Points(
        xy=points.xy * np.array([-1, 1], np.float32),
        size=points.size,
        angle=np.float32(np.pi) - points.angle,
        bits=np.ascontiguousarray(turned).view(np.uint64),
    )


def both_ways(stored: bytes) -> tuple[Points, Points]:
    """Return the points of a work as it is, and as it is mirrored. Raises SchemaError."""
    points = unpack(stored)
    return points, mirrored(points)


def agreeing(work: tuple[Points, Points], sample: Points) -> int:
    """Return how many points of a sample lie as those of a work do, mirrored or not; 0 below LEAST.

    work: of `both_ways`.
    """
    return max(_agreement(way, sample).agree for way in work)


def lasting(works: Sequence[bytes], near: Sequence[Iterable[int]]) -> list[bytes]:
    """Return works of one claim without the points that recur in RECURS others or more.

    A mark, a page or the frame of a series lies in all of them and would lie in pictures of others.
    Two that agree in half of their points or more are one picture, which loses nothing; nor does a
    picture to a part of it, as long as no more of them show the same.

    near: for each work the places of those that it is compared with.
    """
    ways = [both_ways(stored) for stored in works]
    others = [np.zeros(len(points.xy), np.int64) for points, _ in ways]
    pairs = {(min(a, b), max(a, b)) for a, every in enumerate(near) for b in every if a != b}
    for a, b in sorted(pairs):
        found = max((_agreement(way, ways[b][0]) for way in ways[a]), key=lambda one: one.agree)
        if 0 < found.agree < ONE_PICTURE * min(len(others[a]), len(others[b])):
            others[a][found.of_work] += 1
            others[b][found.of_sample] += 1
    return [
        np.frombuffer(stored, POINT)[count < RECURS].tobytes()
        for stored, count in zip(works, others, strict=True)
    ]


class _Agreement(NamedTuple):
    """How many points agree, and which ones; none below LEAST."""

    agree: int
    of_work: Places
    of_sample: Places


def _agreement(work: Points, sample: Points) -> _Agreement:
    of_work, of_sample = _pairs(work, sample)
    most = _Agreement(0, of_work[:0], of_sample[:0])
    if len(of_work) < LEAST:
        return most
    at, to = work.xy[of_work], sample.xy[of_sample]
    scale = sample.size[of_sample] - work.size[of_work]
    turn = sample.angle[of_sample] - work.angle[of_work]
    agrees = _near(at, to, scale, turn)
    agrees &= np.abs(scale[None] - scale[:, None]) < SCALE
    agrees &= np.abs((turn[None] - turn[:, None] + np.pi) % (2 * np.pi) - np.pi) < TURN
    counts = agrees.sum(axis=1)
    if counts.max() < LEAST:
        return most
    cells = _cells(at, CELL_OF_WORK), _cells(to, CELL_OF_SAMPLE)
    for pair in np.argsort(-counts, kind="stable"):
        if counts[pair] <= most.agree:
            break
        own = agrees[pair]
        if np.ptp(to[own], axis=0).max() >= SPREAD:
            count = min(len(np.unique(side[own])) for side in cells)
            if count >= LEAST and count > most.agree:
                most = _Agreement(count, of_work[own], of_sample[own])
    return most


def _pairs(work: Points, sample: Points) -> tuple[Places, Places]:
    """Return the pairs of points that are each other's nearest, and near."""
    if not (len(work.bits) and len(sample.bits)):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    low, high = (work.bits[:, None, k] ^ sample.bits[None, :, k] for k in (0, 1))
    bits = np.bitwise_count(low) + np.bitwise_count(high)
    nearest = bits.argmin(axis=1)
    of_work = np.arange(len(bits))
    mutual = bits.argmin(axis=0)[nearest] == of_work
    kept = of_work[mutual & (bits[of_work, nearest] <= NEAR_BITS)]
    return kept, nearest[kept]


def _near(at: Floats, to: Floats, scale: Floats, turn: Floats) -> npt.NDArray[np.bool_]:
    """Return bool[k, k]: by the movement of one pair, does another lie where it should."""
    along, across = np.exp2(scale) * np.cos(turn), np.exp2(scale) * np.sin(turn)
    step = at[None] - at[:, None]
    x = to[:, None, 0] + along[:, None] * step[..., 0] - across[:, None] * step[..., 1]
    y = to[:, None, 1] + across[:, None] * step[..., 0] + along[:, None] * step[..., 1]
    return np.asarray(np.hypot(x - to[None, :, 0], y - to[None, :, 1]) < TOLERANCE)


def _cells(xy: Floats, edge: float) -> npt.NDArray[np.int64]:
    cells = np.rint(xy / edge).astype(np.int64)
    return np.asarray(cells[:, 0] * 1024 + cells[:, 1], np.int64)
