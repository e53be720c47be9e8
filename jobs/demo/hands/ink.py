"""Flowing lines of ink on cream paper: every form is combed by lines that follow its own edge."""

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
    stain,
    whole,
)
from jobs.demo.scene import Layer

PAPER = colour("f6efdf")
INK = colour("1b1a2b")
ACCENTS = (colour("d9442b"), colour("e0a12e"), colour("c8503c"))
SPACING = {"sky": 10.5, "light": 7.0, "far": 8.0, "near": 6.0, "water": 8.5, "ground": 7.0,
           "subject": 6.2, "detail": 4.6}  # fmt: skip


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return the scene in ink: combed lines, swelling outlines, one vermilion or ochre wash."""
    h, w = layers[0].mask.shape
    sheet = paper(random, h, w, PAPER, 0.018)
    ink = np.zeros((h, w), np.float32)
    wash = np.zeros((h, w), np.float32)
    drift = fbm(random, h, w, 0.6 * max(h, w), 3)
    sun = _centre(layers)
    for layer in layers:
        covered = smoothstep(0.35, 0.65, layer.mask)
        ink = ink * (1 - covered)
        wash = wash * (1 - covered)
        phase = _phase(layer, drift, sun, random)
        ink = np.maximum(ink, _combed(phase, layer.tone, random) * covered)
        ink = np.maximum(ink, _edge(layer.mask, drift))
        if layer.role == "light":
            wash = wash + covered
    accent = ACCENTS[int(random.integers(len(ACCENTS)))]
    loose = shifted(blur(field(wash), 1.2), 2, -3)
    sheet = stain(sheet, accent, field(loose * (0.9 + 0.25 * fbm(random, h, w, 60, 3))))
    dry = 1 - 0.22 * smoothstep(0.35, 0.8, fbm(random, h, w, 3, 2))
    return lay(sheet, INK, field(np.clip(ink, 0, 1) * dry))


def _centre(layers: list[Layer]) -> tuple[float, float]:
    for layer in layers[1:]:
        if layer.role in ("light", "subject") and layer.mask.sum() > 50:
            y, x = np.nonzero(layer.mask > 0.5)
            if len(x):
                return float(x.mean()), float(y.mean())
    h, w = layers[0].mask.shape
    return w / 2, h / 2


def _phase(layer: Layer, drift: Field, sun: tuple[float, float], random: Random) -> Field:
    """Return a height whose level lines are the strokes; one line a unit."""
    h, w = layer.mask.shape
    x, y = grid(h, w)
    spacing = SPACING[layer.role] * random.uniform(0.9, 1.1)
    wobble = fbm(random, h, w, 120, 3) * 1.1
    if whole(layer.mask):
        rings = np.hypot(x - sun[0], y - sun[1])
        return field((0.55 * rings + 0.6 * y + 70 * drift) / spacing)
    if layer.role in ("water", "ground", "far"):
        below = blur(distance(layer.mask), 5)
        return field(below / spacing + wobble + 0.7 * drift)
    return field(blur(distance(layer.mask), 2.2) / spacing + 0.8 * wobble)


def _combed(phase: Field, tone: float, random: Random) -> Field:
    """Return lines along the phase, heavier where the form is dark, swelling along their way."""
    gy, gx = np.gradient(phase)
    slope = np.maximum(np.hypot(gx, gy), 1e-3)
    off = np.abs(phase - np.floor(phase) - 0.5) / slope  # pixels to the middle of the line
    swell = 1 + 0.45 * fbm(random, phase.shape[0], phase.shape[1], 70, 2)
    half = (0.45 + 2.0 * (1 - tone) ** 1.4) * swell
    half = np.minimum(half, 0.42 / slope)
    return field(np.clip(half - off + 0.5, 0, 1) * smoothstep(0.004, 0.02, field(slope)))


def _edge(mask: Field, drift: Field) -> Field:
    near = np.abs(distance(mask))
    if whole(mask):
        return np.zeros_like(mask)
    half = 1.5 + 1.1 * drift
    return field(np.clip(half - near + 0.6, 0, 1))
