"""Stored images: the same sizes and nearly the same pixels as img2dataset 1.47 makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.decode import prepare
from pipeline.image.resize import encoded, plan_resize, require_encodable
from schemas.config import DecodeConfig, ResizeMode
from schemas.errors import ImageError, UsageError
from schemas.ports import Pixels
from schemas.verdict import Reason
from tests.pipeline.pictures import picture, saved

HERE = Path(__file__).parent
SIZES = [
    (917, 687),
    (687, 917),
    (300, 301),
    (256, 256),
    (255, 700),
    (120, 90),
    (40, 500),
    (1100, 333),
]


def originals(folder: Path) -> list[Path]:
    """Return files of pictures in many sizes."""
    paths = []
    for number, size in enumerate(SIZES):
        path = folder / f"{number}.jpg"
        path.write_bytes(saved(picture(*size, seed=number), quality=95))
        paths.append(path)
    return paths


def pixels_of(body: bytes) -> Pixels:
    found = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(found, np.uint8)


def test_sizes_and_pixels_are_those_of_img2dataset(tmp_path: Path) -> None:
    pytest.importorskip("img2dataset")
    options = [
        {"image_size": size, "resize_mode": mode.value, "resize_only_if_bigger": only}
        for mode in ResizeMode
        for size in (100, 256, 384)
        for only in (True, False)
    ]
    asked = [(str(path), each) for path in originals(tmp_path) for each in options]
    done = subprocess.run(
        [sys.executable, str(HERE / "img2dataset_resizer.py"), str(tmp_path)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
        env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
    )
    differences = []
    for number, ((path, each), answer) in enumerate(
        zip(asked, json.loads(done.stdout), strict=True)
    ):
        found = prepare(Path(path).read_bytes(), DecodeConfig(**each))
        sizes = [found.width, found.height, found.keys.width, found.keys.height, None]
        assert sizes == answer, (path, each)
        theirs = pixels_of((tmp_path / f"{number}.bin").read_bytes())
        ours = pixels_of(found.stored)
        differences.append(float(np.abs(ours.astype(int) - theirs).mean()))
    assert max(differences) < 4
    assert np.mean(differences) < 1


@pytest.mark.parametrize("form", ["jpg", "png", "webp"])
def test_formats_are_written_without_metadata(form: str) -> None:
    config = DecodeConfig(encode_format=form, encode_quality=9 if form == "png" else 90)
    block = Image.Exif()
    block[0x013B] = "a name that must not stay"
    found = prepare(saved(picture(300, 400), exif=block.tobytes()), config)
    assert b"must not stay" not in found.stored
    assert pixels_of(found.stored).shape == (341, 256, 3)


def test_png_quality_is_a_compression_level() -> None:
    with pytest.raises(UsageError, match="0 to 9"):
        require_encodable(DecodeConfig(encode_format="png", encode_quality=95))
    with pytest.raises(UsageError, match="0 to 9"):
        encoded(np.zeros((4, 4, 3), np.uint8), DecodeConfig(encode_format="png"))
    require_encodable(DecodeConfig(encode_format="webp", encode_quality=95))


def test_borders_are_white_and_even() -> None:
    config = DecodeConfig(resize_mode=ResizeMode.BORDER, image_size=100, encode_format="png",
                          encode_quality=1)  # fmt: skip
    pixels = pixels_of(prepare(saved(Image.new("RGB", (200, 100))), config).stored)
    assert pixels.shape == (100, 100, 3)
    assert (pixels[:25] == 255).all()
    assert (pixels[75:] == 255).all()
    assert (pixels[26:74] < 5).all()


@pytest.mark.parametrize(
    ("size", "options", "reason"),
    [
        ((99, 300), {"min_image_size": 100}, Reason.TOO_SMALL),
        ((300, 100), {"max_aspect_ratio": 2.9}, Reason.TOO_ELONGATED),
        ((300, 100), {"max_pixels": 29_999}, Reason.TOO_MANY_PIXELS),
    ],
)
def test_limits_are_reasons(size: tuple[int, int], options: dict[str, float], reason: str) -> None:
    with pytest.raises(ImageError) as refused:
        prepare(saved(Image.new("RGB", size)), DecodeConfig(**options))
    assert refused.value.reason == reason


def test_limits_are_inclusive() -> None:
    plan = plan_resize(300, 100, DecodeConfig(min_image_size=100, max_aspect_ratio=3))
    assert (plan.width, plan.height) == (300, 100)
