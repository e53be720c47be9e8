"""Woodcut: black blocks opened by straight gouges, a coloured block printed a little off."""

# ruff: noqa: PLR2004  # its numbers are what makes a hand

import numpy as np

from jobs.demo.canvas import (
    Field,
    Paint,
    Random,
    blur,
    colour,
    distance,
    fbm,
    field,
    grid,
    lay,
    paper,
    shifted,
    smoothstep,
    streaks,
)
from jobs.demo.scene import Layer

PAPER = colour("efe6d2")
BLACK = colour("14110f")
BLOCKS = tuple(colour(c) for c in ("b8432f", "c98a2b", "3f6f6a", "8a4b32"))
ANGLE = {"sky": 0.0, "light": 1.57, "far": 0.7, "near": 2.2, "water": 0.05, "ground": 0.35,
         "subject": 1.15, "detail": 1.57}  # fmt: skip


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return the scene as a print from two blocks of wood."""
    h, w = layers[0].mask.shape
    black = np.zeros((h, w), np.float32)
    second = np.zeros((h, w), np.float32)
    chosen = str(random.choice(["sky", "light", "subject", "water"]))
    for layer in layers:
        rough = _cut(layer.mask, random)
        black = black * (1 - rough) + rough * _gouged(layer, random)
        second = second * (1 - rough) + rough * (layer.role in (chosen, "light"))
        if layer.role != "sky":
            ring = np.abs(distance(rough))
            white = layer.tone < 0.45
            line = smoothstep(2.6, 1.2, field(ring + 0.6 * fbm(random, h, w, 14, 2)))
            black = black * (1 - line) if white else np.maximum(black, line)
    black = _frame(field(black), random)
    sheet = paper(random, h, w, PAPER, 0.02)
    grain = streaks(random, h, w, 0.03, 61)
    block = BLOCKS[int(random.integers(len(BLOCKS)))]
    worn = 0.88 - 0.5 * smoothstep(0.2, 0.7, grain)
    down, right = (int(v) for v in random.integers(-3, 4, 2))
    sheet = lay(sheet, block, field(shifted(second, down, right) * worn * _inside(h, w)))
    ink = field(black * (1 - 0.75 * smoothstep(0.38, 0.62, grain + 0.35 * fbm(random, h, w, 5, 2))))
    return lay(sheet, BLACK, ink)


def _cut(mask: Field, random: Random) -> Field:
    """Return the mask as a knife leaves it: straight facets and small chips."""
    jag = fbm(random, mask.shape[0], mask.shape[1], 9, 2) * 0.22
    return smoothstep(0.42, 0.58, field(blur(mask, 1.6) + jag * (np.abs(mask - 0.5) < 0.5) * 0.8))


def _gouged(layer: Layer, random: Random) -> Field:
    """Return black with tapering white cuts; more of them where the form is light."""
    h, w = layer.mask.shape
    x, y = grid(h, w)
    angle = ANGLE[layer.role] + random.uniform(-0.12, 0.12)
    bend = fbm(random, h, w, 200, 2)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle) + 7 * bend
    pitch = 7.5 if layer.role in ("sky", "water", "ground") else 6.0
    row = np.floor(across / pitch)
    length = 46.0 + 26 * np.sin(row * 12.9898)
    start = 97 * np.sin(row * 78.233)  # each row of cuts begins elsewhere
    along_cut = np.abs(((along + start) / length) % 1 - 0.5) * 2
    taper = np.sqrt(np.clip(1 - along_cut**2, 0, 1))
    off = np.abs(across / pitch - row - 0.5) * 2
    light = np.clip((layer.tone - 0.12) / 0.85, 0, 1)
    reach = np.minimum(1.0, 0.25 + 1.25 * light) * taper * (0.35 + 0.8 * light)
    white = smoothstep(-0.12, 0.12, field(reach - off))
    if layer.tone > 0.93:
        white = np.ones_like(white)
    return field(1 - white)


def _inside(h: int, w: int) -> Field:
    x, y = grid(h, w)
    edge = np.minimum(np.minimum(x, w - 1 - x), np.minimum(y, h - 1 - y))
    return smoothstep(10, 12, edge)


def _frame(black: Field, random: Random) -> Field:
    h, w = black.shape
    x, y = grid(h, w)
    edge = np.minimum(np.minimum(x, w - 1 - x), np.minimum(y, h - 1 - y))
    edge = field(edge + 1.6 * fbm(random, h, w, 40, 3))
    bar = smoothstep(9, 10.5, edge) * smoothstep(17, 15.5, edge)
    return field(np.maximum(black * smoothstep(9, 10.5, edge), bar))
