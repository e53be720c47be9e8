"""What happens to pictures on their way through the web: the changes of bench/copies.py."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from pipeline.image.canonical import canonical_pixels
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from schemas.ports import Pixels


def decoded(body: bytes) -> Pixels:
    """Return the canonical pixels, as the decode stage hands them to the model."""
    return canonical_pixels(Decoder(body, read_header(body)))


def jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    done, body = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise SystemExit("expected pixels that JPEG can hold")
    return body.tobytes()


def cut(pixels: Pixels, rng: np.random.Generator, share: float) -> Pixels:
    """Keep that share of each edge, anywhere."""
    height, width = pixels.shape[:2]
    h, w = (max(1, round(edge * share)) for edge in (height, width))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    return pixels[top : top + h, left : left + w]


def scaled(pixels: Pixels, _rng: np.random.Generator, share: float = 0.5) -> Pixels:
    size = [max(1, round(edge * share)) for edge in pixels.shape[1::-1]]
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def flip(pixels: Pixels, _rng: np.random.Generator) -> Pixels:
    return pixels[:, ::-1]


def jitter(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Change brightness, contrast and saturation, each by up to 40 %."""
    light, contrast, saturation = rng.uniform(0.6, 1.4, 3)
    values = pixels.astype(np.float32) * light
    values = (values - values.mean()) * contrast + values.mean()
    grey = values @ np.float32([0.299, 0.587, 0.114])
    values = grey[..., None] + (values - grey[..., None]) * saturation
    return values.clip(0, 255).astype(np.uint8)


def hue(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Turn the hues by 30 to 90 degrees, either way."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV).astype(int)
    hsv[..., 0] = (hsv[..., 0] + rng.choice([-1, 1]) * rng.integers(15, 46)) % 180
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


def grey(pixels: Pixels, _rng: np.random.Generator) -> Pixels:
    plane = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.repeat(plane[:, :, None], 3, axis=2)


def watermark(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Write three lines across, half transparent, as wide as the picture."""
    height, width = pixels.shape[:2]
    layer = np.ascontiguousarray(pixels)
    text, font = "(c) example.org", cv2.FONT_HERSHEY_DUPLEX
    size = width / cv2.getTextSize(text, font, 1.0, 1)[0][0]
    colour = (255, 255, 255) if rng.random() < 0.5 else (60, 60, 60)
    layer = layer.copy()
    for share in (0.25, 0.55, 0.85):
        at = (0, round(height * share))
        cv2.putText(layer, text, at, font, size, colour, max(1, round(2 * size)), cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(layer, 0.5, np.ascontiguousarray(pixels), 0.5, 0), np.uint8)


def border(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Put a frame around it, a tenth of each edge on every side: white, black or a colour."""
    high, wide = (max(1, round(edge / 10)) for edge in pixels.shape[:2])
    colours = [(255, 255, 255), (0, 0, 0), tuple(int(v) for v in rng.integers(0, 256, 3))]
    colour = colours[rng.integers(3)]
    framed = cv2.copyMakeBorder(
        np.ascontiguousarray(pixels), high, high, wide, wide, cv2.BORDER_CONSTANT, value=colour
    )
    return np.asarray(framed, np.uint8)


def rotate(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Turn it by 5 degrees either way; what is uncovered is white or black."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 5 * rng.choice([-1, 1]), 1.0)
    fill = (255,) * 3 if rng.random() < 0.5 else (0,) * 3
    return np.asarray(
        cv2.warpAffine(np.ascontiguousarray(pixels), turn, (width, height), borderValue=fill),
        np.uint8,
    )


def combination(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Crop 80 %, mirror half of the time, jitter, 70 % of the size."""
    pixels = cut(pixels, rng, 0.8)
    if rng.random() < 0.5:
        pixels = flip(pixels, rng)
    return scaled(jitter(pixels, rng), rng, 0.7)


Change = Callable[[Pixels, np.random.Generator], Pixels]
COPIES: dict[str, tuple[Change, int]] = {  # with the quality at which the copy is encoded
    "jpeg30": (lambda pixels, _rng: pixels, 30),
    "half": (scaled, 90),
    "crop80": (partial(cut, share=0.8), 90),
    "crop50": (partial(cut, share=0.5), 90),
    "flip": (flip, 90),
    "jitter": (jitter, 90),
    "hue": (hue, 90),
    "grey": (grey, 90),
    "mark": (watermark, 90),
    "border": (border, 90),
    "rot5": (rotate, 90),
    "combo": (combination, 50),
}
