"""Brushes, paper and noise that all hands share. Pixels are float32 in 0..1 until the end.

Everything is drawn from a generator that is passed in: the same seed paints the same picture.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
"""float32[height, width]: a mask, a tone or a height."""
Paint = npt.NDArray[np.float32]
"""float32[height, width, 3]: RGB in 0..1."""
Points = npt.NDArray[np.float64]
"""float64[n, 2]: x to the right, y down, in units of the picture's edge unless said."""
Colour = tuple[float, float, float]
Random = np.random.Generator

SUPERSAMPLE = 3
HALF = 0.5


def colour(code: str) -> Colour:
    """Return the RGB of a six-digit hex code."""
    r, g, b = bytes.fromhex(code)
    return r / 255, g / 255, b / 255


def field(values: npt.ArrayLike) -> Field:
    """Return values as float32."""
    return np.asarray(values, dtype=np.float32)


def grid(h: int, w: int) -> tuple[Field, Field]:
    """Return x and y of every pixel, in pixels."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    return x, y


def fbm(random: Random, h: int, w: int, scale_px: float, octaves: int = 4) -> Field:
    """Return smooth noise, about -1..1, whose largest features are `scale_px` wide."""
    total = np.zeros((h, w), np.float32)
    amplitude, norm = 1.0, 0.0
    for octave in range(octaves):
        step = max(scale_px / 2**octave, 1.5)
        rows, cols = int(h / step) + 3, int(w / step) + 3
        coarse = random.uniform(-1, 1, (rows, cols)).astype(np.float32)
        big = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += amplitude * big[:h, :w]
        norm += amplitude
        amplitude *= 0.5
    return field(total / norm * 1.6)


def streaks(random: Random, h: int, w: int, angle: float, length_px: int) -> Field:
    """Return noise drawn out along a direction (radians), about -1..1: grain, bristles."""
    side = int(np.hypot(h, w)) + 2
    noise = random.normal(0, 1, (side, side)).astype(np.float32)
    drawn = cv2.blur(noise, (length_px, 1))
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), -float(np.degrees(angle)), 1.0)
    turn[:, 2] += np.array([w / 2 - side / 2, h / 2 - side / 2])
    out = cv2.warpAffine(drawn, turn, (w, h), borderMode=cv2.BORDER_REFLECT)
    return field(np.clip(out * (0.28 * np.sqrt(length_px)), -1, 1))


def blur(values: Field, sigma: float) -> Field:
    """Return the field smoothed by a Gaussian of `sigma` pixels."""
    return field(cv2.GaussianBlur(values, (0, 0), max(sigma, 0.1)))


def distance(mask: Field) -> Field:
    """Return the signed distance to a mask's edge in pixels, positive inside."""
    inside = (mask > HALF).astype(np.uint8)
    within = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    without = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    far = float(sum(mask.shape))  # a mask without an edge is nowhere near one
    return field(np.clip(within, 0, far) - np.clip(without, 0, far))


def whole(mask: Field) -> bool:
    """Say whether a mask covers the whole picture."""
    return float(mask.min()) > HALF


def shifted(values: Field, down: int, right: int) -> Field:
    """Return the field moved; what comes in at an edge repeats that edge."""
    h, w = values.shape
    pad = max(abs(down), abs(right))
    big = np.pad(values, pad, mode="edge")
    return field(big[pad - down : pad - down + h, pad - right : pad - right + w])


def smoothstep(low: float, high: float, values: Field) -> Field:
    """Return 0 below `low`, 1 above `high`, and an even ramp between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return field(t * t * (3 - 2 * t))


def polygon(h: int, w: int, shapes: Sequence[Points]) -> Field:
    """Return the antialiased mask of closed outlines given in pixels."""
    big = np.zeros((h * SUPERSAMPLE, w * SUPERSAMPLE), np.uint8)
    for shape in shapes:
        points = np.round(shape * SUPERSAMPLE * 16).astype(np.int32)
        cv2.fillPoly(big, [points], 255, cv2.LINE_AA, 4)
    return field(cv2.resize(big, (w, h), interpolation=cv2.INTER_AREA) / np.float32(255))


def stroke(h: int, w: int, lines: Sequence[Points], width_px: float) -> Field:
    """Return the antialiased mask of open lines given in pixels."""
    big = np.zeros((h * SUPERSAMPLE, w * SUPERSAMPLE), np.uint8)
    thickness = max(1, round(width_px * SUPERSAMPLE))
    for line in lines:
        points = np.round(line * SUPERSAMPLE * 16).astype(np.int32)
        cv2.polylines(big, [points], False, 255, thickness, cv2.LINE_AA, 4)
    return field(cv2.resize(big, (w, h), interpolation=cv2.INTER_AREA) / np.float32(255))


def discs(paint: Paint, centres: Points, radii: npt.ArrayLike, colours: npt.ArrayLike) -> Paint:
    """Return the picture with filled discs on it, in the order given."""
    out = np.ascontiguousarray(finished(paint))
    where = np.round(np.asarray(centres) * 16).astype(int).tolist()
    sizes = np.round(np.asarray(radii) * 16).astype(int).tolist()
    tones = np.round(np.asarray(colours) * 255).astype(int).tolist()
    for (x, y), r, c in zip(where, sizes, tones, strict=True):
        cv2.circle(out, (x, y), r, c, -1, cv2.LINE_AA, 4)
    return field(out / np.float32(255))


def spline(
    points: Sequence[tuple[float, float]], *, closed: bool = True, steps: int = 14
) -> Points:
    """Return a Catmull-Rom curve through the points."""
    p = np.asarray(points, np.float64)
    before = np.roll(p, 1, 0) if closed else np.vstack([p[:1], p[:-1]])
    after = np.roll(p, -1, 0) if closed else np.vstack([p[1:], p[-1:]])
    beyond = np.roll(p, -2, 0) if closed else np.vstack([p[2:], p[-1:], p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (q[:, None, :] for q in (before, p, after, beyond))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    flat = curve.reshape(-1, 2)
    return np.asarray(flat if closed else flat[: -steps + 1], np.float64)


def plain(h: int, w: int, tone: Colour) -> Paint:
    """Return a sheet of one colour."""
    return np.broadcast_to(np.asarray(tone, np.float32), (h, w, 3)).copy()


def paper(random: Random, h: int, w: int, tone: Colour, grain: float = 0.02) -> Paint:
    """Return a sheet of paper: a colour with fibres and a slow unevenness."""
    tooth = fbm(random, h, w, 4, 2) + 0.6 * fbm(random, h, w, 90, 3)
    return field(plain(h, w, tone) * (1 + grain * tooth[..., None]))


def lay(under: Paint, over: Colour | Paint, mask: Field) -> Paint:
    """Return `under` covered by opaque paint where the mask is 1."""
    m = mask[..., None]
    return field(under * (1 - m) + np.asarray(over, np.float32) * m)


def stain(under: Paint, pigment: Colour, density: Field) -> Paint:
    """Return `under` seen through a transparent wash of the given density (0 is none)."""
    absorb = -np.log(np.clip(np.asarray(pigment, np.float32), 0.02, 1))
    return field(under * np.exp(-density[..., None] * absorb))


def warp(paint: Paint, dx: Field, dy: Field) -> Paint:
    """Return the picture with each pixel taken from (x + dx, y + dy)."""
    x, y = grid(*paint.shape[:2])
    return field(cv2.remap(paint, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def resized(paint: Paint, scale: float) -> Paint:
    """Return the picture at another size, at least 64 pixels each way."""
    h, w = (max(64, round(edge * scale)) for edge in paint.shape[:2])
    return field(cv2.resize(paint, (w, h), interpolation=cv2.INTER_AREA))


def finished(paint: Paint) -> npt.NDArray[np.uint8]:
    """Return the picture as uint8 RGB."""
    return np.clip(np.round(paint * 255), 0, 255).astype(np.uint8)
