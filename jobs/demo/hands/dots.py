"""Pointillism: nothing but round touches of unmixed colour, each a little off its neighbour."""

# ruff: noqa: PLR2004  # its numbers are what makes a hand

import numpy as np

from jobs.demo.canvas import (
    Colour,
    Field,
    Paint,
    Random,
    blur,
    colour,
    discs,
    fbm,
    field,
    lay,
    paper,
    plain,
    shifted,
)
from jobs.demo.scene import Layer

CANVAS = colour("e6d3ae")
PALETTES: tuple[dict[str, Colour], ...] = tuple(
    dict(zip(("sky", "light", "far", "near", "water", "ground", "subject", "detail"),
             map(colour, codes), strict=True))
    for codes in (
        ("8fc1e3", "ffd94a", "a694c9", "4f9a5b", "3f86b8", "d8b04c", "e2574c", "3b2f63"),
        ("f2a65a", "fff1a8", "c06c84", "355c7d", "6c5b9b", "b5651d", "f8e16c", "2b2d52"),
        ("2f4b8f", "ffe680", "3c6e9f", "1f7a6b", "27408b", "5a4a9c", "ef6f9a", "12173d"),
        ("bfe3d0", "fff3b0", "7fb7a6", "2f7d4f", "57a5b5", "c9c25a", "f08a4b", "5b2a4a"),
    )
)  # fmt: skip


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return the scene in touches of colour: a coarse pass, then finer ones."""
    h, w = layers[0].mask.shape
    palette = PALETTES[int(random.integers(len(PALETTES)))]
    under, shade = _underpainting(layers, palette, random)
    picture = paper(random, h, w, CANVAS, 0.03)
    for radius, jitter, share in ((5.0, 0.05, 1.0), (3.8, 0.085, 0.9), (2.6, 0.12, 0.5)):
        picture = _pass(picture, under, shade, random, (radius, jitter, share))
    return picture


def _underpainting(
    layers: list[Layer], palette: dict[str, Colour], random: Random
) -> tuple[Paint, Field]:
    h, w = layers[0].mask.shape
    out = plain(h, w, palette["sky"])
    shade = np.zeros((h, w), np.float32)
    for layer in layers:
        base = np.asarray(palette[layer.role], np.float32)
        base = base * (0.72 + 0.42 * layer.tone)
        glow = np.linspace(1.12, 0.86, h, dtype=np.float32)[:, None] + 0.12 * fbm(
            random, h, w, 140, 3
        )
        out = lay(out, field(base * glow[..., None]), layer.mask)
        lit = blur(shifted(layer.mask, 6, 6), 7) - blur(layer.mask, 7)  # light from the upper left
        shade = field(shade * (1 - layer.mask) + lit * layer.mask)
    return field(np.clip(out, 0, 1)), shade


def _pass(picture: Paint, under: Paint, shade: Field, random: Random,
          touch: tuple[float, float, float]) -> Paint:  # fmt: skip
    radius, jitter, share = touch
    h, w = under.shape[:2]
    step = radius * 1.75
    ys, xs = np.mgrid[0 : h + step : step, 0 : w + step : step]
    n = xs.size
    centres = np.c_[xs.ravel(), ys.ravel()] + random.uniform(-0.6, 0.6, (n, 2)) * step
    centres = centres[random.permutation(n)[: int(n * share)]]
    ix = np.clip(centres[:, 0].astype(int), 0, w - 1)
    iy = np.clip(centres[:, 1].astype(int), 0, h - 1)
    tones = under[iy, ix] * (1 + 0.9 * shade[iy, ix])[:, None]
    tones = tones + random.normal(0, jitter, tones.shape)
    spark = random.random(len(tones)) < 0.03
    tones[spark] = 1 - tones[spark] * 0.8
    cool = shade[iy, ix] < -0.1
    tones[cool] = tones[cool] * [0.75, 0.8, 1.15]
    radii = radius * random.uniform(0.72, 1.12, len(centres))
    return discs(picture, centres, radii, np.clip(tones, 0, 1).astype(np.float32))
