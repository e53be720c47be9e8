"""Colours of all kinds come out as sRGB."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.image.color import on_white, rgb_from_array, rgb_from_image
from tests.pipeline.pictures import picture


def profile(gamma_red_green: tuple[float, float] = (0.21, 0.71)) -> bytes:
    """Return a matrix profile with a wide green: Adobe RGB's primaries, by lcms itself."""
    # A Lab profile is at hand in lcms; a wide RGB one is patched out of sRGB's own.
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = int.from_bytes(srgb[128:132], "big")
    for k in range(tags):
        at = 132 + 12 * k
        if srgb[at : at + 4] == b"gXYZ":
            start = int.from_bytes(srgb[at + 4 : at + 8], "big") + 8
            xyz = [gamma_red_green[0], gamma_red_green[1], 0.07]
            srgb[start : start + 12] = b"".join(round(v * 65536).to_bytes(4, "big") for v in xyz)
    return bytes(srgb)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WIDE = profile((0.15, 0.75))


def with_icc(image: Image.Image, icc: bytes) -> Image.Image:
    image.info["icc_profile"] = icc
    return image


def test_srgb_profiles_change_nothing() -> None:
    plain = np.asarray(picture())
    assert np.array_equal(rgb_from_image(with_icc(picture(), SRGB)), plain)
    assert np.array_equal(rgb_from_array(plain, SRGB), plain)


def test_a_wide_profile_is_converted_alike_for_all_decoders() -> None:
    plain = np.asarray(picture())
    found = rgb_from_image(with_icc(picture(), WIDE))
    assert np.abs(found.astype(int) - plain).max() > 10
    assert np.array_equal(found, rgb_from_array(plain, WIDE))


@pytest.mark.parametrize("icc", [b"", b"junk", SRGB[:200], bytes(5_000_000)])
def test_unreadable_profiles_are_ignored(icc: bytes) -> None:
    plain = np.asarray(picture())
    assert np.array_equal(rgb_from_array(plain, icc), plain)


def test_a_profile_of_another_kind_of_pixels_is_ignored() -> None:
    grey = picture().convert("L")
    plain = np.asarray(grey.convert("RGB"))
    assert np.array_equal(rgb_from_image(with_icc(grey, WIDE)), plain)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV"])
def test_opaque_modes_come_as_pillow_shows_them(mode: str) -> None:
    image = picture(40, 30).convert(mode)
    assert np.array_equal(rgb_from_image(image), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = picture(40, 30).convert(mode)
    image.putalpha(0)
    assert (rgb_from_image(image) == 255).all()


def test_a_transparent_palette_entry_is_white() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 10, 10])
    image.info["transparency"] = 1
    assert (rgb_from_image(image) == 255).all()


def test_half_transparent_black_is_grey() -> None:
    black, half = np.zeros((2, 2, 3), np.uint8), np.full((2, 2), 128, np.uint8)
    assert (on_white(black, half) == 127).all()


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_sixteen_bits_keep_the_upper_eight(mode: str) -> None:
    levels = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    image = Image.fromarray(levels) if mode == "I;16" else Image.fromarray(levels.astype(np.int32))
    assert image.mode == mode
    assert np.array_equal(rgb_from_image(image)[:, :, 1], levels >> 8)


def test_cmyk_of_a_jpeg_is_read_as_adobe_writes_it() -> None:
    no_ink = np.full((2, 2, 4), 255, np.uint8)
    assert (rgb_from_array(no_ink, b"") == 255).all()


def test_floats_are_refused() -> None:
    with pytest.raises(ValueError, match="floating"):
        rgb_from_image(Image.new("F", (2, 2)))
