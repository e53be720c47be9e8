"""Op-art with a fault: stripes bulged by the subject, channels torn apart, bands out of step."""

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
    smoothstep,
    warp,
    whole,
)
from jobs.demo.scene import Layer

INKS = tuple(tuple(colour(c) for c in pair) for pair in (
    ("00e5ff", "ff2079"), ("f7ff3c", "7a00ff"), ("00ff9d", "ff5c00"), ("2f6bff", "ffe600"),
))  # fmt: skip


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return the scene as interference: one pattern a form, black and white with two neon inks."""
    h, w = layers[0].mask.shape
    tone = np.zeros((h, w), np.float32)
    tint = np.zeros((h, w), np.float32)
    kind = int(random.integers(3))
    pitch = float(random.uniform(10, 18))
    for k, layer in enumerate(layers):
        solid = smoothstep(0.4, 0.6, layer.mask)
        pattern = _pattern(layer, (kind + k) % 3, pitch * (1.0 if k == 0 else 0.6), random)
        tone = field(tone * (1 - solid) + pattern * solid)
        inked = layer.role in ("light", "subject")
        tint = field(tint * (1 - solid) + (1 + (k % 2)) * solid * inked)
    picture = np.repeat(tone[..., None], 3, axis=2)
    for number, ink in enumerate(INKS[int(random.integers(len(INKS)))], start=1):
        where = (np.abs(tint - number) < 0.5) * (1 - tone)
        picture = picture + np.asarray(ink, np.float32) * where[..., None]
    return _scanned(_torn(field(np.clip(picture, 0, 1)), random))


def _pattern(layer: Layer, kind: int, pitch: float, random: Random) -> Field:
    h, w = layer.mask.shape
    x, y = grid(h, w)
    depth = np.zeros((h, w), np.float32) if whole(layer.mask) else blur(distance(layer.mask), 3)
    bulge = 26 * np.tanh(depth / 30) + 16 * fbm(random, h, w, 240, 2)
    turn = (0.0, 1.57, 0.785)[kind] + (0.4 if layer.role in ("near", "far") else 0.0)
    u = x * np.cos(turn) + y * np.sin(turn) + bulge
    v = -x * np.sin(turn) + y * np.cos(turn) + 0.7 * bulge
    if layer.role == "light":
        wave = np.sin(2 * np.pi * depth / (pitch * 1.3))
    elif kind == 1:
        wave = np.sin(np.pi * u / pitch) * np.sin(np.pi * v / pitch) * 2.2
    else:
        wave = np.sin(2 * np.pi * u / pitch)
    duty = 1.5 * (layer.tone - 0.5)
    return smoothstep(-0.16, 0.16, field(wave + duty))


def _torn(picture: Paint, random: Random) -> Paint:
    """Return the picture with bands pushed sideways and red and blue apart."""
    h, w = picture.shape[:2]
    push = np.zeros((h, w), np.float32)
    top = 0
    while top < h:
        tall = int(random.integers(5, 44))
        if random.random() < 0.25:
            push[top : top + tall] = random.normal(0, 15)
        top += tall
    still = np.zeros((h, w), np.float32)
    split = float(random.uniform(2, 4))
    red = warp(picture, field(push + split), still)[..., 0]
    green = warp(picture, push, still)[..., 1]
    blue = warp(picture, field(push - split), still)[..., 2]
    out = np.stack([red, green, blue], axis=2)
    for _ in range(int(random.integers(3, 7))):
        r, c = int(random.integers(h - 30)), int(random.integers(w - 80))
        tall, wide = int(random.integers(6, 30)), int(random.integers(30, 80))
        out[r : r + tall, c : c + wide] = out[r : r + 1, c : c + wide]  # a smear of one line
    return field(out)


def _scanned(picture: Paint) -> Paint:
    rows = np.arange(picture.shape[0]) % 3 == 2
    return field(picture * np.where(rows, 0.74, 1.0)[:, None, None])
