"""Paper cut-outs: flat gouache colours cut with scissors, overlapping, with a hair of shadow."""

# its numbers are what makes a hand

import numpy as np

from jobs.demo.canvas import (
    Colour,
    Field,
    Paint,
    Random,
    blur,
    colour,
    field,
    lay,
    plain,
    polygon,
    shifted,
    smoothstep,
    spline,
    streaks,
)
from jobs.demo.scene import Layer

SHEETS = tuple(colour(c) for c in (
    "e4312b", "0f5fb8", "f7b32b", "0d8a5f", "f28ab2", "16213e", "fff6e6", "7a3fa0",
    "f26b21", "58b7e6",
))  # fmt: skip


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return the scene cut out of painted paper, on a patchwork of sheets."""
    h, w = layers[0].mask.shape
    order = [SHEETS[i] for i in random.permutation(len(SHEETS))]
    picture = _patchwork(h, w, order, random)
    used = 0
    for layer in layers[1:]:
        if layer.role == "light":
            tone = order[6 if order[6] != SHEETS[5] else 7]
        else:
            used += 1
            tone = order[(2 + used) % len(order)]
        picture = _glue(picture, _scissors(layer.mask), tone, random)
    for x in random.permutation([0.03, 0.03, 0.97, 0.97])[: int(random.integers(1, 4))]:
        at = (x, random.uniform(0.06, 0.94))
        picture = _glue(
            picture, _alga(h, w, at, random), order[int(random.integers(len(order)))], random
        )
    return picture


def _scissors(mask: Field) -> Field:
    """Return the mask with the roundness of a cut made in one go."""
    return smoothstep(0.47, 0.53, blur(mask, 3.0))


def _patchwork(h: int, w: int, order: list[Colour], random: Random) -> Paint:
    picture = plain(h, w, order[0])
    across = np.sort(random.uniform(0.2, 0.8, 2)) * w
    down = random.uniform(0.35, 0.7) * h
    for k, (left, right) in enumerate(((0, across[0]), (across[0], across[1]), (across[1], w))):
        for top, bottom in ((0, down), (down, h)):
            tone = order[(k + (top > 0)) % 3]
            tilt = random.uniform(-4, 4, 4)
            corners = [[left - 3, top + tilt[0]], [right + 3, top + tilt[1]],
                       [right + 3, bottom + tilt[2]], [left - 3, bottom + tilt[3]]]  # fmt: skip
            picture = _glue(picture, polygon(h, w, [np.asarray(corners)]), tone, random)
    return picture


def _glue(picture: Paint, mask: Field, tone: Colour, random: Random) -> Paint:
    h, w = mask.shape
    shadow = blur(shifted(mask, 3, 2), 1.6) * 0.38
    picture = field(picture * (1 - (shadow * (1 - mask))[..., None]))
    brushed = 1 + 0.05 * streaks(random, h, w, float(random.uniform(0, 3.1)), 41)
    return lay(picture, field(plain(h, w, tone) * brushed[..., None]), mask)


def _alga(h: int, w: int, at: tuple[float, float], random: Random) -> Field:
    """Return a weed as Matisse cut them: a spine with rounded fingers."""
    fingers = int(random.integers(4, 7))
    size = min(h, w) * random.uniform(0.07, 0.12)
    right: list[tuple[float, float]] = []
    for k in range(fingers):
        y = -1 + 2 * k / fingers
        reach = 0.8 * np.sin(np.pi * (k + 0.8) / (fingers + 0.6))
        right += [(0.14, y), (reach, y - 0.06), (reach + 0.06, y + 0.14), (0.16, y + 0.26)]
    left = [(-x, y + 0.08) for x, y in reversed(right)]
    shape = spline([(0.0, -1.25), *right, (0.0, 1.15), *left])
    turn = random.uniform(-0.9, 0.9)
    cos, sin = np.cos(turn), np.sin(turn)
    shape = shape @ np.array([[cos, sin], [-sin, cos]]) * size
    return polygon(h, w, [shape + np.array([at[0] * w, at[1] * h])])
