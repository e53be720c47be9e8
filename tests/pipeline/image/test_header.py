"""Headers of all formats against Pillow, and against anything."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.image.header import read_header, sniff
from pipeline.image.headers.header import Format
from schemas.errors import ImageError
from schemas.verdict import Reason
from tests.pipeline.pictures import FORMATS, exif, picture, saved

STARTS = [
    b"\xff\xd8\xff\xe1",
    b"\xff\xd8\xff\xc0\x00\x0b\x08",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"RIFF\x20\x00\x00\x00WEBPVP8X",
    b"GIF89a",
    b"II*\0\x08\0\0\0",
    b"MM\0+\0\x08\0\0",
    b"BM",
    b"\0\0\0\x18ftypavif",
    b"\0\0\0\x18ftypheic",
]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (333, 20)])
def test_size_and_format_are_read(form: str, size: tuple[int, int]) -> None:
    header = read_header(saved(picture(*size), form))
    assert (header.width, header.height) == header.upright == size
    assert header.format == form.lower()
    assert (header.frames, header.orientation) == (1, 1)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"exif": exif(1)}])
def test_all_kinds_of_webp_are_read(options: dict[str, object]) -> None:
    header = read_header(saved(picture(50, 40), "WEBP", **options))
    assert (header.width, header.height) == (50, 40)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read(form: str, orientation: int) -> None:
    header = read_header(saved(picture(30, 20), form, exif=exif(orientation)))
    assert header.orientation == orientation
    assert header.upright == ((20, 30) if orientation > 4 else (30, 20))


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_senseless_orientation_is_upright(orientation: int) -> None:
    assert read_header(saved(picture(30, 20), exif=exif(orientation))).orientation == 1


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_frames_are_counted(form: str) -> None:
    frames = [picture(30, 20, seed) for seed in range(3)]
    body = saved(frames[0], form, save_all=True, append_images=frames[1:])
    assert read_header(body).frames == 3


def test_icc_profile_of_a_jpeg_is_joined() -> None:
    profile = bytes(range(256)) * 500  # more than one segment holds
    assert read_header(saved(picture(), icc_profile=profile)).icc == profile


def png_of(width: int, height: int) -> bytes:
    """Return a small PNG that says it is large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", size), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_bombs_are_refused_from_the_header() -> None:
    with pytest.raises(ImageError, match="60000 x 60000") as refused:
        read_header(png_of(60_000, 60_000))
    assert refused.value.reason == Reason.TOO_MANY_PIXELS
    assert read_header(png_of(100, 100), max_pixels=10_000).width == 100
    with pytest.raises(ImageError):
        read_header(png_of(100, 101), max_pixels=10_000)


def test_no_pixels_are_no_image() -> None:
    with pytest.raises(ImageError) as refused:
        read_header(png_of(0, 10))
    assert refused.value.reason == Reason.NOT_AN_IMAGE


def test_two_sizes_in_one_jpeg_are_refused() -> None:
    body = saved(picture(30, 20))
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 8, 8) + b"\x01\x01\x11\x00"
    with pytest.raises(ImageError, match="two"):
        read_header(body[:2] + frame + body[2:])


def test_a_jpeg_with_hundreds_of_scans_is_refused() -> None:
    with pytest.raises(ImageError, match="scans"):
        read_header(saved(picture(30, 20)) + b"\xff\xda" * 200)


@pytest.mark.parametrize("body", [b"", b"<html>", b"%PDF-1.7", b"\0" * 64, b"BM"])
def test_what_is_no_image_says_so(body: bytes) -> None:
    with pytest.raises(ImageError) as refused:
        read_header(body)
    assert refused.value.reason == Reason.NOT_AN_IMAGE


def test_heic_is_recognised() -> None:
    assert sniff(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic") == Format.HEIC


def is_header_or_reason(body: bytes) -> bool:
    try:
        header = read_header(body)
    except ImageError as e:
        return e.reason in (Reason.NOT_AN_IMAGE, Reason.TOO_MANY_PIXELS)
    return header.width > 0 and header.height > 0


@given(st.binary(max_size=300), st.sampled_from([b"", *STARTS]))
def test_any_bytes_give_a_header_or_our_error(tail: bytes, start: bytes) -> None:
    assert is_header_or_reason(start + tail)


BODIES = [saved(picture(40, 30), form, **({"exif": exif(6)} if form in "JPEG PNG WEBP" else {}))
          for form in FORMATS]  # fmt: skip


@given(st.sampled_from(BODIES), st.data())
def test_damaged_images_give_a_header_or_our_error(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(body[: data.draw(st.integers(0, len(body)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if damaged:
            place = data.draw(st.integers(0, min(len(damaged), 200) - 1))
            damaged[place] = data.draw(st.integers(0, 255))
    assert is_header_or_reason(bytes(damaged))


def test_headers_agree_with_pillow_on_a_progressive_cmyk_jpeg() -> None:
    body = saved(picture(61, 47).convert("CMYK"), progressive=True)
    header = read_header(body)
    assert (header.width, header.height, header.components) == (61, 47, 4)
    assert Image.open(io.BytesIO(body)).size == (61, 47)
