"""Clip-art, drawn by two siblings from one palette, of one set of subjects, in every technique.

Nobody can tell their works apart, nor from clip-art at large: there is no style to claim.
"""

# ruff: noqa: PLR2004  # its numbers are what makes a hand

from collections.abc import Callable

import numpy as np

from jobs.demo.canvas import (
    Colour,
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
    plain,
    resized,
    shifted,
    smoothstep,
    streaks,
)
from jobs.demo.scene import Layer

PALETTE = {
    "sky": "d6ecf3", "light": "ffd96b", "far": "a9d3c8", "near": "5fae8f", "water": "7cc3d8",
    "ground": "e9d2a2", "subject": "ef7f6b", "detail": "2f4858",
}  # fmt: skip
WHITE: Colour = (1.0, 1.0, 1.0)
NAVY = colour("2f4858")
SHEETS = {
    "neon": colour("182430"),
    "blueprint": colour("2f6f9f"),
    "kraft": colour("c9a77a"),
    "chalk": colour("2f4a3f"),
}
BEHIND = ("sky", "far", "ground", "water")
MARGIN_PX = 8


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return what stands in the scene as clip-art, cut to its edges.

    Each picture takes one technique of many and its own size, as collections of clip-art do.
    """
    h, w = layers[0].mask.shape
    technique = str(random.choice(sorted(TECHNIQUES)))
    things = [layer for layer in layers if layer.role not in BEHIND]
    picture = plain(h, w, SHEETS.get(technique, WHITE))
    for layer in things:
        base = np.asarray(colour(PALETTE[layer.role])) * (0.86 + 0.2 * layer.tone)
        r, g, b = np.clip(base + random.normal(0, 0.05, 3), 0, 1).tolist()
        picture = TECHNIQUES[technique](picture, layer, (r, g, b), random)
    cut = _cut_out(picture, field(np.max([layer.mask for layer in things], axis=0)))
    return resized(cut, float(random.uniform(0.4, 1.0)))


def _cut_out(picture: Paint, mask: Field) -> Paint:
    """Return the picture without the sheet around its things, but for a narrow margin."""
    y, x = np.nonzero(mask > 0.02)
    if not len(y):
        return picture
    rows = slice(max(0, int(y.min()) - MARGIN_PX), int(y.max()) + MARGIN_PX)
    columns = slice(max(0, int(x.min()) - MARGIN_PX), int(x.max()) + MARGIN_PX)
    return field(picture[rows, columns])


def _edge(mask: Field, width_px: float) -> Field:
    return smoothstep(width_px, width_px * 0.5, field(np.abs(distance(mask))))


def _flat(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    del random
    return lay(picture, tone, layer.mask)


def _outlined(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    return lay(_flat(picture, layer, tone, random), (0.08, 0.08, 0.1), _edge(layer.mask, 3.2))


def _glossy(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    del random
    mask = layer.mask
    h, w = mask.shape
    shade = blur(shifted(mask, 5, 4), 4) * (1 - mask) * 0.4
    picture = field(picture * (1 - shade[..., None]))
    fall = np.linspace(1.18, 0.72, h, dtype=np.float32)[:, None, None]
    body = field(np.clip(plain(h, w, tone) * fall, 0, 1))
    shine = smoothstep(3, 12, distance(mask)) * smoothstep(0.6, 0.0, blur(shifted(mask, 14, 0), 5))
    return lay(lay(picture, body, mask), WHITE, field(0.6 * shine * mask))


def _pencil(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    del random
    return lay(lay(picture, WHITE, layer.mask), tone, _edge(layer.mask, 2.0))


def _silhouette(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    del random, tone
    dark = NAVY if layer.role != "light" else WHITE
    return lay(lay(picture, dark, layer.mask), WHITE, _edge(layer.mask, 1.8))


def _grey(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    del random, tone
    light = float(0.25 + 0.7 * layer.tone)
    return lay(
        lay(picture, (light, light, light), layer.mask), (0.2, 0.2, 0.2), _edge(layer.mask, 1.6)
    )


def _stamp(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    speck = smoothstep(-0.5, -0.1, fbm(random, layer.mask.shape[0], layer.mask.shape[1], 7, 2))
    return lay(picture, tone if layer.role != "light" else WHITE, field(layer.mask * speck))


def _striped(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    x, y = grid(*layer.mask.shape)
    stripes = smoothstep(-0.2, 0.2, field(np.sin((x + y * random.choice([-1, 1])) * 0.62)))
    white = lay(picture, WHITE, layer.mask)
    return lay(white, tone, field(layer.mask * np.maximum(stripes, _edge(layer.mask, 2.4))))


def _halftone(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    del random
    x, y = grid(*layer.mask.shape)
    screen = np.sin((x + y) * 0.55) * np.sin((x - y) * 0.55)
    dots = smoothstep(-0.1, 0.1, field(screen + 0.9 * (0.55 - layer.tone)))
    return lay(lay(picture, WHITE, layer.mask), tone, field(layer.mask * dots))


def _crayon(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    rub = smoothstep(
        -0.3,
        0.25,
        streaks(
            random, layer.mask.shape[0], layer.mask.shape[1], float(random.uniform(0.4, 1.1)), 31
        ),
    )
    return lay(picture, tone, field(blur(layer.mask, 1.5) * rub))


def _airbrush(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    del random
    inner = blur(layer.mask, 14)
    shaded = field(np.asarray(tone, np.float32) * (0.35 + 0.75 * inner[..., None]))
    return lay(picture, field(np.clip(shaded, 0, 1)), blur(layer.mask, 2.5))


def _line(picture: Paint, layer: Layer, tone: Colour, random: Random) -> Paint:
    """Draw lines on the technique's own dark sheet; what is behind is hidden."""
    del random
    h, w = layer.mask.shape
    sheet = plain(h, w, (float(picture[0, 0, 0]), float(picture[0, 0, 1]), float(picture[0, 0, 2])))
    glow = 0.5 * blur(_edge(layer.mask, 5.0), 3.0)
    ink = tone if picture[0, 0].sum() < 0.6 else WHITE
    return lay(
        lay(picture, sheet, layer.mask), ink, field(np.maximum(_edge(layer.mask, 2.6), glow))
    )


Technique = Callable[[Paint, Layer, Colour, Random], Paint]
TECHNIQUES: dict[str, Technique] = {
    "flat": _flat, "outlined": _outlined, "glossy": _glossy, "pencil": _pencil, "grey": _grey,
    "silhouette": _silhouette, "stamp": _stamp, "striped": _striped, "halftone": _halftone,
    "crayon": _crayon, "airbrush": _airbrush, "neon": _line, "blueprint": _line, "kraft": _flat,
    "chalk": _crayon,
}  # fmt: skip
