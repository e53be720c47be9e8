"""Preprocessing as open_clip's own transform does it, from arrays of any size."""

import numpy as np
import pytest
from PIL import Image

from pipeline.models import imports, preprocess
from schemas.errors import ModelMismatchError

CONFIG = {"size": 224, "mean": (0.48, 0.46, 0.41), "std": (0.27, 0.26, 0.28), "mode": "RGB"}


@pytest.mark.parametrize("resize_mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_it_follows_open_clips_transform(resize_mode, interpolation, pictures):
    config = CONFIG | {"resize_mode": resize_mode, "interpolation": interpolation}
    imports.open_clip()
    from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: PLC0415 - after the cure

    theirs = image_transform_v2(PreprocessCfg(**config), is_train=False)
    ours = preprocess.tensor(pictures, preprocess.from_config(config)).numpy()
    for picture, mine in zip(pictures, ours, strict=True):
        other = theirs(Image.fromarray(picture)).numpy()
        assert mine.shape == other.shape == (3, 224, 224)
        assert np.abs(mine - other).mean() < 0.03


@pytest.mark.parametrize("shape", [(1, 1), (1, 9_000), (9_000, 1), (3, 500), (700, 2)])
@pytest.mark.parametrize("resize_mode", ["squash", "shortest", "longest"])
def test_any_shape_gives_a_tensor_of_the_models_size(shape, resize_mode):
    image = np.full((*shape, 3), 200, np.uint8)
    wanted = preprocess.from_config(CONFIG | {"resize_mode": resize_mode})
    found = preprocess.tensor([image], wanted).numpy()
    assert found.shape == (1, 3, 224, 224)
    assert np.isfinite(found).all()


def test_views_that_are_not_contiguous_are_read_right(pictures):
    wanted = preprocess.from_config(CONFIG)
    mirrored = pictures[0][:, ::-1]
    np.testing.assert_array_equal(
        preprocess.tensor([mirrored], wanted).numpy(),
        preprocess.tensor([mirrored.copy()], wanted).numpy(),
    )


def test_a_preprocessing_that_we_cannot_do_is_refused():
    with pytest.raises(ModelMismatchError, match="interpolation"):
        preprocess.from_config(CONFIG | {"interpolation": "random"})
