"""Clip-art on white. Two siblings draw it from one palette and in every technique at hand,

so that nobody can tell their works apart, nor from clip-art at large: no style to claim.
"""

import numpy as np

from jobs.demo.canvas import (
    Colour, Field, Paint, Random, blur, colour, distance, field, lay, plain, shifted, smoothstep,
)  # fmt: skip
from jobs.demo.scenes import Layer

PALETTE = {
    "sky": "d6ecf3", "light": "ffd96b", "far": "a9d3c8", "near": "5fae8f", "water": "7cc3d8",
    "ground": "e9d2a2", "subject": "ef7f6b", "detail": "2f4858",
}  # fmt: skip


def paint(layers: list[Layer], random: Random) -> Paint:
    """Return the scene as clip-art: flat, outlined, glossy, pencilled or a silhouette."""
    h, w = layers[0].mask.shape
    technique = str(random.choice(["flat", "outlined", "glossy", "pencil", "silhouette"]))
    picture = plain(h, w, (1.0, 1.0, 1.0))
    for layer in layers:
        if layer.role == "sky" and random.random() < 0.75:
            continue  # most clip-art stands on white
        picture = _drawn(picture, layer, technique, random)
    return picture


def _drawn(picture: Paint, layer: Layer, technique: str, random: Random) -> Paint:
    base = np.asarray(colour(PALETTE[layer.role])) * (0.86 + 0.2 * layer.tone) + random.normal(0, 0.03, 3)
    r, g, b = np.clip(base, 0, 1).tolist()
    tone: Colour = (r, g, b)
    edge = field(np.abs(distance(layer.mask)))
    if technique == "flat":
        return lay(picture, tone, layer.mask)
    if technique == "outlined":
        return lay(lay(picture, tone, layer.mask), (0.08, 0.08, 0.1), smoothstep(3.0, 1.6, edge))
    if technique == "glossy":
        return _glossy(picture, layer.mask, tone)
    if technique == "pencil":
        white = lay(picture, (1.0, 1.0, 1.0), layer.mask)
        return lay(white, tone, smoothstep(2.0, 0.6, edge))
    dark: Colour = colour("2f4858") if layer.role not in ("light", "sky") else (1.0, 1.0, 1.0)
    return lay(lay(picture, dark, layer.mask), (1.0, 1.0, 1.0), smoothstep(1.8, 0.8, edge))


def _glossy(picture: Paint, mask: Field, tone: Colour) -> Paint:
    h, w = mask.shape
    shade = blur(shifted(mask, 5, 4), 4) * (1 - mask) * 0.4
    picture = field(picture * (1 - shade[..., None]))
    fall = np.linspace(1.18, 0.72, h, dtype=np.float32)[:, None, None]
    body = field(np.clip(plain(h, w, tone) * fall, 0, 1))
    shine = smoothstep(3, 12, distance(mask)) * smoothstep(0.6, 0.0, field(blur(shifted(mask, 14, 0), 5)))
    return lay(lay(picture, body, mask), (1.0, 1.0, 1.0), field(0.6 * shine * mask))
