"""Where networks of each family are read."""

import numpy as np
import pytest

from pipeline.models import imports, taps
from pipeline.models.loading import load_raw
from schemas.errors import UsageError
from tests.pipeline.models.tiny import tiny

GRAM = 80 * 81 // 2  # of 80 channels, to which more are mixed down


@pytest.mark.parametrize(
    ("family", "cpy", "sizes"),
    [
        ("vit", 32, [64, 528] * 2),  # blocks of the first half; 32 channels need no mixing
        ("resnet", 512, [128, 64 * 65 // 2, 256, GRAM, 512, GRAM, 1024, GRAM]),
        ("convnext", 64, None),
        ("timm_vit", 64, None),
    ],
)
def test_families_give_raw_vectors_of_unit_blocks(family, cpy, sizes, tmp_path, pictures):
    raw = load_raw(tiny(tmp_path / family, family), batch_size=2)
    found = raw.embedder.images(pictures)
    assert found.keys() == {"cpy", "sty"}
    assert found["cpy"].shape == (len(pictures), cpy)
    assert sizes is None or list(raw.sizes) == sizes
    assert found["sty"].shape == (len(pictures), sum(raw.sizes))
    for block in np.split(found["sty"], np.cumsum(raw.sizes)[:-1], axis=1):
        np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1, atol=1e-4)
    assert len(np.unique(found["sty"].round(5), axis=0)) == len(pictures)


def test_what_is_read_of_a_transformer_leaves_its_class_token_out(tmp_path):
    """Tokens of patches alone: the same patches in another order give the same statistics."""
    places = taps.places(_visual(tiny(tmp_path / "vit", "vit")))
    tokens = imports.torch().randn(1, 17, 32)
    assert places.as_map(tokens).shape == (1, 32, 16, 1)
    other = tokens.clone()
    other[:, 0] = 9
    assert (places.as_map(other) == places.as_map(tokens)).all()


def test_a_family_that_nobody_has_chosen_places_for_is_refused(tmp_path):
    with pytest.raises(UsageError, match="found MlpMixer"):
        load_raw(tiny(tmp_path / "mlp", "mlp"))


def test_channels_are_mixed_the_same_way_everywhere():
    torch = imports.torch()
    rotation = taps._rotation(200)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(80), atol=1e-5)
    features = torch.randn(1, 200, 3, 3)
    torch.testing.assert_close(taps.mixed(features), taps.mixed(features.clone()))


def _visual(name):
    return imports.open_clip().create_model(name, require_pretrained=True).visual
