"""Watercolour: thin glazes that let the paper through, dark wet edges, blooms and granules."""

# ruff: noqa: PLR2004  # its numbers are what makes a hand

import numpy as np

from jobs.demo.canvas import (
    Field,
    Paint,
    Random,
    blur,
    colour,
    discs,
    distance,
    fbm,
    field,
    paper,
    plain,
    smoothstep,
    stain,
)
from jobs.demo.scene import Layer

PAPER = colour("fbf8f1")
PIGMENTS = {
    "sky": ("a9c7de", "c6b7d8", "efc9b4"),
    "light": ("f6d36b", "f3b58a", "f7e3a1"),
    "far": ("9fb0cf", "b3a6c9", "9cc0bb"),
    "near": ("6f9a63", "4f8580", "8f9b4a"),
    "water": ("6ba3c0", "5f8fb5", "7bb8b0"),
    "ground": ("c9a66b", "b58f76", "a8b27a"),
    "subject": ("c8574f", "7d5a9a", "3f7396", "d0813f"),
    "detail": ("4a4560", "5c3f46", "364a5a"),
}


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return the scene in glazes, the sky wet in wet, then a few splashes."""
    h, w = layers[0].mask.shape
    tooth = field(fbm(random, h, w, 3.2, 2) + 0.5 * fbm(random, h, w, 8, 2))
    sheet = field(paper(random, h, w, PAPER, 0.006) * (1 + 0.022 * tooth)[..., None])
    free = np.ones((h, w), np.float32)  # what later, nearer layers leave of a glaze
    stack: list[tuple[Layer, Field]] = []
    for layer in reversed(layers):
        stack.append((layer, field(layer.mask * free)))
        keep = 0.93 if layer.role not in ("far", "water") else 0.7
        free = field(free * (1 - keep * smoothstep(0.3, 0.7, layer.mask)))
    for layer, visible in reversed(stack):
        choice = PIGMENTS[layer.role]
        pigment = colour(choice[int(random.integers(len(choice)))])
        other = colour(choice[int(random.integers(len(choice)))])
        density = _glaze(layer, visible, tooth, random)
        drift = smoothstep(-0.5, 0.5, fbm(random, h, w, 150, 2))
        sheet = stain(sheet, pigment, field(density * drift))
        sheet = stain(sheet, other, field(density * (1 - drift)))
    return _splashed(sheet, random)


def _glaze(layer: Layer, visible: Field, tooth: Field, random: Random) -> Field:
    """Return how much pigment settles: uneven inside, heaped along edges and in hollows."""
    h, w = visible.shape
    wander = 0.34 * fbm(random, h, w, 26, 3) + 0.16 * fbm(random, h, w, 7, 2)
    wet = layer.role in ("sky", "far", "water") and random.random() < 0.75
    soft = blur(visible, 9.0 if wet else 2.4)
    shape = smoothstep(0.25, 0.8, field(soft + wander * 0.5)) if wet else smoothstep(
        0.44, 0.56, field(soft + 0.35 * wander))  # fmt: skip
    pool = 0.62 + 0.5 * fbm(random, h, w, 110, 4)
    bloom = np.abs(fbm(random, h, w, 80, 3))
    pool = pool - 0.35 * smoothstep(0.09, 0.0, field(bloom)) * (random.random() < 0.6)
    rim = np.exp(-np.clip(distance(shape), 0, None) / 2.1) * shape
    edge = 0.15 if wet else 0.85
    strength = 1.75 - 1.25 * layer.tone
    return field(
        np.clip(shape * (np.clip(pool, 0.12, 2) + edge * rim + 0.13 * tooth), 0, None) * strength
    )


def _splashed(sheet: Paint, random: Random) -> Paint:
    h, w = sheet.shape[:2]
    n = int(random.integers(10, 26))
    spots = discs(plain(h, w, (0, 0, 0)), random.uniform(0, 1, (n, 2)) * [w, h],
                  random.gamma(1.6, 1.1, n) + 0.6, np.ones((n, 3)))[..., 0]  # fmt: skip
    tone = PIGMENTS["subject"][int(random.integers(4))]
    density = blur(field(spots), 0.7) * 0.5
    return stain(sheet, colour(tone), density)
