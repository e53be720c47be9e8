"""Bytes to upright sRGB pixels, by the one decoder of each format that recuse trusts.

Each image is opened by the plug-in of the format that its header names, never by guessing, and its
size must be the one in the header: what was checked is what is decoded. A file that ends early is
refused, never half decoded. Messages quote no decoder, since those print addresses and versions.
"""

import io
import threading
import warnings
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pipeline.image.color import rgb_from_array, rgb_from_image
from pipeline.image.headers.header import Format, ImageHeader, not_an_image
from schemas.errors import ImageError
from schemas.ports import Pixels

cv2.setNumThreads(1)  # a worker has one core; OpenCV would start one thread for each

# The classes, not Image.open: that one warns by a limit of its own, and tries every format.
PLUGINS: dict[Format, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    Format.PNG: PngImageFile,
    Format.WEBP: WebPImageFile,
    Format.GIF: GifImageFile,
    Format.TIFF: TiffImageFile,
    Format.BMP: BmpImageFile,
    Format.AVIF: AvifImageFile,
}
# What Pillow's plug-ins raise on bytes they cannot follow.
FOREIGN: tuple[type[Exception], ...] = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    Warning,
)

TURNED_ON_OPEN = frozenset({Format.TIFF})
QUIET = threading.Lock()  # warning filters belong to the process

COLOURSPACES = {1: "GRAY", 3: "RGB", 4: "CMYK"}
EIGHTHS = 8  # libjpeg scales by k / 8


class Decoder:
    """One image's pixels, decoded at most once for each scale that is asked for."""

    def __init__(self, body: bytes, header: ImageHeader) -> None:
        self.header = header
        self._body = body
        self._at_scale: dict[int, Pixels] = {}

    def at_least(self, edge_px: int) -> Pixels:
        """Return upright sRGB pixels whose shorter side is at least `edge_px`, or full size.

        A JPEG comes at the smallest DCT scale k / 8 that is large enough, the rest at full size.
        Raises ImageError.
        """
        scale = self._scale(edge_px)
        if scale not in self._at_scale:
            self._at_scale[scale] = self._decode(scale)
        return self._at_scale[scale]

    def reduced(self, edge_px: int) -> bool:
        """Say whether `at_least` gives fewer pixels than the original has."""
        return self._scale(edge_px) < EIGHTHS

    def _scale(self, edge_px: int) -> int:
        if self.header.format != Format.JPEG:
            return EIGHTHS
        shorter = min(self.header.width, self.header.height)
        fits = (k for k in range(1, EIGHTHS) if _scaled(shorter, k) >= edge_px)
        return next(fits, EIGHTHS)

    def _decode(self, scale: int) -> Pixels:
        if self.header.format == Format.JPEG:
            pixels = _jpeg(self._body, self.header, scale)
        else:
            pixels = _other(self._body, self.header)
        if self.header.format in TURNED_ON_OPEN:
            return pixels
        return _turned(pixels, self.header.orientation)


def _scaled(edge_px: int, scale: int) -> int:
    return -(-edge_px * scale // EIGHTHS)  # libjpeg rounds up


def _jpeg(body: bytes, header: ImageHeader, scale: int) -> Pixels:
    if header.components not in COLOURSPACES:
        raise not_an_image(f"expected 1, 3 or 4 components, found {header.components}")
    grey_as_rgb = header.components == 1 and not header.icc
    space = "RGB" if grey_as_rgb else COLOURSPACES[header.components]
    height, width = _scaled(header.height, scale), _scaled(header.width, scale)

    try:
        pixels = simplejpeg.decode_jpeg(body, space, min_height=height, min_width=width)
    except ValueError as e:
        if "premature" in str(e).lower():
            raise not_an_image("expected a whole JPEG, found one that is cut off") from e
        return _odd_jpeg(body, (width, height))
    if pixels.shape[:2] != (height, width):
        raise not_an_image("expected the size in the header, found another")
    return rgb_from_array(pixels, header.icc)


def _odd_jpeg(body: bytes, size: tuple[int, int]) -> Pixels:
    """Return a JPEG that simplejpeg refuses over harmless oddities (stray bytes between markers).

    Pillow passes over those, and still refuses a file that ends early. It knows fewer DCT scales,
    so the whole is decoded and area-resized.
    """
    try:
        with JpegImageFile(io.BytesIO(body)) as image:
            image.load()
            pixels = rgb_from_image(image)
    except FOREIGN as e:
        raise not_an_image("expected a whole JPEG, found a broken one") from e
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _other(body: bytes, header: ImageHeader) -> Pixels:
    if header.format not in PLUGINS:
        raise not_an_image(f"expected a format that a decoder reads, found {header.format}")
    try:
        with _opened(body, header.format) as image:
            turned = header.format in TURNED_ON_OPEN
            if image.size != (header.upright if turned else (header.width, header.height)):
                raise not_an_image("expected the size in the header, found another")
            image.load()
            return rgb_from_image(image)
    except ImageError:
        raise
    except FOREIGN as e:
        message = f"expected a whole {header.format}, found a broken or unusual one"
        raise not_an_image(message) from e


def _opened(body: bytes, form: Format) -> ImageFile.ImageFile:
    # Plug-ins warn of odd tags; whether that is an error must not hang on somebody's filters.
    with QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PLUGINS[form](io.BytesIO(body))


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Return pixels as an Exif orientation wants them shown."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
