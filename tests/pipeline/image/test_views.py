"""What copies of a work are likely to show."""

import numpy as np
import pytest
from PIL import Image

from pipeline.image.canonical import CANONICAL_EDGE_PX
from pipeline.image.views import views
from schemas.errors import ImageError
from tests.pipeline.pictures import picture, saved


def kinds(image: Image.Image, form: str = "PNG") -> list[str]:
    return [kind for kind, _ in views(saved(image, form))]


def test_a_picture_gives_its_parts_its_grey_version_and_frames():
    found = views(saved(picture(800, 600), "PNG"))
    kinds_ = ["crop"] * 10 + ["grey"] + ["framed"] * 2 + ["turned"] * 2
    assert [kind for kind, _ in found] == kinds_
    for kind, pixels in found:
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
        assert min(pixels.shape[:2]) >= CANONICAL_EDGE_PX - 1, kind  # as sharp as a sample's
    (grey,) = [pixels for kind, pixels in found if kind == "grey"]
    assert (grey[..., 0] == grey[..., 2]).all()


def test_parts_come_from_where_they_should():
    body = saved(picture(400, 300), "PNG")
    whole = np.asarray(picture(400, 300))
    centre, top_left, top_right, low_left, low_right = [p for _, p in views(body)][:5]
    height, width = centre.shape[:2]
    assert (top_left == whole[:height, :width]).all()
    assert (top_right == whole[:height, -width:]).all()
    assert (low_left == whole[-height:, :width]).all()
    assert (low_right == whole[-height:, -width:]).all()


def test_what_says_nothing_of_its_own_is_left_out():
    grey = picture().convert("L").convert("RGB")
    assert "grey" not in kinds(grey)
    blank = Image.new("RGB", (600, 400), "white")
    blank.paste(picture(150, 100), (20, 10))
    assert kinds(blank).count("crop") == 2  # the corner that holds it, in both sizes


def test_what_is_no_image_is_refused():
    with pytest.raises(ImageError):
        views(b"no image")


def test_the_smallest_image_has_views_that_can_be_looked_at():
    assert all(pixels.size for _, pixels in views(saved(Image.new("RGB", (1, 1)), "PNG")))
