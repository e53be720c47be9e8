"""What is known about an image before it is decoded."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.errors import ImageError
from schemas.verdict import Reason


class Format(StrEnum):
    """Formats whose headers are read. HEIC is recognised, but no decoder of ours reads it."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    TIFF = "tiff"
    BMP = "bmp"
    AVIF = "avif"
    HEIC = "heic"


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size as coded, before orientation is applied."""

    format: Format
    width: int
    height: int
    frames: int = 1
    orientation: int = 1  # Exif 1..8: how the coded pixels are to be turned
    components: int = 3  # of a JPEG: 1 grey, 3 colour, 4 CMYK
    icc: bytes = b""  # of a JPEG; decoders of the other formats give it themselves

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height once orientation is applied."""
        if self.orientation >= 5:  # noqa: PLR2004  # Exif: 5 to 8 swap the axes
            return self.height, self.width
        return self.width, self.height


def not_an_image(message: str) -> ImageError:
    """Return the error for bytes that are no whole image of a known format."""
    return ImageError(Reason.NOT_AN_IMAGE, message)
