"""What happens to pictures on their way through the web: encoded again, shrunk, turned, cut."""

import cv2
import numpy as np

from jobs.demo.gallery import jpeg


def again(body: bytes) -> bytes:
    """Return the picture encoded again at quality 75."""
    return jpeg(_pixels(body), 75)


def half(body: bytes) -> bytes:
    """Return the picture at half its size."""
    return jpeg(cv2.resize(_pixels(body), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), 85)


def mirrored(body: bytes) -> bytes:
    """Return the picture as in a mirror."""
    return jpeg(np.ascontiguousarray(_pixels(body)[:, ::-1]), 88)


def cropped(body: bytes) -> bytes:
    """Return the middle of the picture, four fifths of each edge."""
    pixels = _pixels(body)
    h, w = pixels.shape[:2]
    return jpeg(np.ascontiguousarray(pixels[h // 10 : h - h // 10, w // 10 : w - w // 10]), 90)


def as_png(body: bytes) -> bytes:
    """Return the picture as PNG: the same pixels, other bytes."""
    done, out = cv2.imencode(".png", _pixels(body)[..., ::-1])
    if not done:
        raise RuntimeError("expected pixels that PNG can hold")
    return out.tobytes()


def _pixels(body: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise RuntimeError("expected an image that OpenCV reads")
    return np.ascontiguousarray(pixels[..., ::-1])
