"""The canonical decode and its keys: the same picture gives the same keys, whatever carries it."""

import hashlib
import struct

import numpy as np
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.image.canonical import CanonicalHasher, canonical_pixels, pixel_sha256
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.near.hamming import as_words, distance
from schemas.errors import ImageError
from schemas.ports import ContentKeys, Hasher, Pixels
from schemas.verdict import Reason
from tests.pipeline.image.test_color import WIDE
from tests.pipeline.pictures import FORMATS, exif, picture, saved

HASHER: Hasher = CanonicalHasher()


def canonical(body: bytes) -> Pixels:
    return canonical_pixels(Decoder(body, read_header(body)))


def bits_apart(a: bytes, b: bytes) -> int:
    return int(distance(as_words([a]), as_words([b]))[0])


def keys_or_reason(body: bytes) -> ContentKeys | str:
    try:
        return HASHER.keys(body)
    except ImageError as e:
        return e.reason


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_of_one_picture_have_equal_keys(form: str) -> None:
    expected = HASHER.keys(saved(picture(700, 500), "PNG"))
    assert HASHER.keys(saved(picture(700, 500), form)) == expected


@pytest.mark.parametrize("form", FORMATS)
def test_formats_of_one_picture_have_near_hashes(form: str) -> None:
    expected = HASHER.keys(saved(picture(700, 500), "PNG"))
    found = HASHER.keys(saved(picture(700, 500), form))
    assert bits_apart(found.pdq, expected.pdq) <= (40 if form == "GIF" else 16)  # 256 colours
    assert found.pdq_quality >= 80
    assert (found.width, found.height) == (700, 500)


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.75, 1.6])
def test_sizes_of_one_picture_have_near_hashes(factor: float) -> None:
    image = picture(800, 600)
    other = image.resize((round(800 * factor), round(600 * factor)), Image.Resampling.BICUBIC)
    assert bits_apart(HASHER.keys(saved(image)).pdq, HASHER.keys(saved(other)).pdq) <= 16


def test_pdq_is_near_the_reference_of_its_authors() -> None:
    image = picture(900, 700)
    reference = image.resize((512, 512), Image.Resampling.BOX)
    bits, _ = pdqhash.compute(np.asarray(reference))
    expected = np.packbits(bits.astype(np.uint8)).tobytes()
    assert bits_apart(HASHER.keys(saved(image)).pdq, expected) <= 10


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(form: str, orientation: int) -> None:
    image = picture(96, 64)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Exif value -> Pillow's inverse transpose
    coded = image.transpose(undo[orientation]) if orientation > 1 else image
    options = {"lossless": True} if form == "WEBP" else {}
    found = canonical(saved(coded, form, exif=exif(orientation), **options))
    assert found.shape == (64, 96, 3)
    assert np.abs(found.astype(int) - np.asarray(image)).mean() < 4


@pytest.mark.parametrize("shorter", [100, 256, 257, 300, 512, 700, 2048])
def test_jpegs_come_at_the_smallest_scale_that_is_large_enough(shorter: int) -> None:
    found = canonical(saved(Image.new("RGB", (2 * shorter, shorter))))
    expected = next(
        (-(-shorter * k // 8) for k in range(1, 8) if -(-shorter * k // 8) >= 256), shorter
    )
    assert found.shape[0] == expected


def test_the_rest_is_reduced_to_256_and_never_enlarged() -> None:
    assert canonical(saved(picture(1000, 500), "PNG")).shape == (256, 512, 3)
    assert canonical(saved(picture(90, 50), "PNG")).shape == (50, 90, 3)


def test_grey_cmyk_and_profiled_jpegs_are_read() -> None:
    image = picture(300, 280)
    colour, grey = canonical(saved(image)), canonical(saved(image.convert("L")))
    assert np.array_equal(grey[..., 0], grey[..., 2])
    cmyk = canonical(saved(image.convert("CMYK"), quality=95))
    assert np.abs(cmyk.astype(int) - colour).mean() < 6
    wide = canonical(saved(image, icc_profile=WIDE))
    assert np.abs(wide.astype(int) - colour).mean() > 3


def test_first_frame_of_an_animation_counts() -> None:
    frames = [picture(300, 260, seed).quantize(64) for seed in range(3)]
    moving = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    still = HASHER.keys(saved(frames[0], "GIF"))
    assert HASHER.keys(moving).pixel_sha256 == still.pixel_sha256


def test_pixel_sha256_is_what_the_document_says() -> None:
    body = saved(picture(40, 30), "PNG")
    rows = np.asarray(picture(40, 30)).tobytes()
    expected = hashlib.sha256(struct.pack(">II", 40, 30) + rows).hexdigest()
    assert HASHER.keys(body).pixel_sha256 == expected
    assert pixel_sha256(np.zeros((2, 3, 3), np.uint8)) != pixel_sha256(
        np.zeros((3, 2, 3), np.uint8)
    )


def test_dihedral_variants_are_the_hashes_of_the_turned_pictures() -> None:
    image = picture(600, 600)
    variants = HASHER.dihedral(saved(image, "PNG"))
    assert variants[0] == HASHER.keys(saved(image, "PNG")).pdq
    assert len(set(variants)) == 8
    turned = [image.transpose(t) for t in Image.Transpose]
    places = [5, 4, 1, 2, 3, 6, 7]  # of Pillow's transpositions in our order
    for each, place in zip(turned, places, strict=True):
        assert bits_apart(HASHER.keys(saved(each, "PNG")).pdq, variants[place]) <= 4


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_truncated_files_are_refused(form: str, part: float) -> None:
    rng = np.random.default_rng(0)
    noisy = Image.fromarray(rng.integers(0, 256, size=(120, 150, 3), dtype=np.uint8))
    for options in ({}, {"progressive": True}) if form == "JPEG" else ({},):
        body = saved(noisy, form, **options)
        with pytest.raises(ImageError) as refused:
            HASHER.keys(body[: int(len(body) * part)])
        assert refused.value.reason == Reason.NOT_AN_IMAGE


def test_harmless_oddities_of_a_jpeg_are_passed_over() -> None:
    body = saved(picture(300, 260))
    odd = body[:2] + b"\xff\xfe\x00\x04hi" + b"\x00\x00" + body[2:]
    assert bits_apart(HASHER.keys(odd).pdq, HASHER.keys(body).pdq) <= 4
    assert canonical(odd).shape == canonical(body).shape
    with pytest.raises(ImageError):
        HASHER.keys(odd[:-500])
    assert HASHER.keys(body + b"trailing").pixel_sha256 == HASHER.keys(body).pixel_sha256


def test_a_panorama_thousands_wide_is_hashed() -> None:
    assert HASHER.keys(saved(picture(9000, 20), "PNG")).pdq_quality >= 0


def test_messages_name_no_addresses() -> None:
    with pytest.raises(ImageError) as refused:
        HASHER.keys(saved(picture(), "PNG")[:-200] + bytes(188) + b"\0\0\0\0IEND\xaeB`\x82")
    assert "0x" not in str(refused.value)


BODIES = [saved(picture(40, 30), form) for form in FORMATS]


@settings(deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_damaged_images_give_keys_or_our_error(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found = keys_or_reason(bytes(damaged))
    if isinstance(found, str):
        assert found in (Reason.NOT_AN_IMAGE, Reason.TOO_MANY_PIXELS)
    assert found == keys_or_reason(bytes(damaged))
