"""What the matcher reads beside the embedding."""

import numpy as np

from pipeline.models import imports, style


def test_gem_lies_between_mean_and_maximum():
    torch = imports.torch()
    features = torch.rand(2, 3, 7, 7)
    pooled = style.gem(features)
    assert pooled.shape == (2, 3)
    assert (pooled >= features.mean(dim=(2, 3)) - 1e-6).all()
    assert (pooled <= features.amax(dim=(2, 3)) + 1e-6).all()


def test_statistics_do_not_see_where_things_are():
    torch = imports.torch()
    features = torch.randn(1, 4, 6, 5)
    shuffled = features.flatten(2)[:, :, torch.randperm(30)].reshape(1, 4, 6, 5)
    found = style.stage_statistics(features, gram=True)
    assert found.shape == (1, 2 * 4 + 4 * 5 // 2)
    torch.testing.assert_close(found, style.stage_statistics(shuffled, gram=True))
    assert style.stage_statistics(features, gram=False).shape == (1, 8)


def test_whitening_makes_directions_count_alike():
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(500, 6)) * [9, 5, 3, 1, 0.5, 0.1] + 4).astype(np.float32)
    mean, projection = style.fit_whitening(rows, 3, ridge=0.0)
    spread = ((rows - mean) @ projection).std(axis=0)
    np.testing.assert_allclose(spread, spread[0], rtol=1e-2)
    strong = (rows - mean) @ style.fit_whitening(rows, 3, ridge=1.0)[1]
    assert strong.std(axis=0)[0] > strong.std(axis=0)[2] * 1.5


def test_whitened_vectors_have_unit_length():
    torch = imports.torch()
    arrays = {
        f"{name}_{part}": np.random.default_rng(2).normal(size=shape).astype(np.float16)
        for name in ("cpy", "sty")
        for part, shape in (("mean", (5,)), ("projection", (5, 3)))
    }
    whitening = style.Whitening(arrays, "cpu")
    found = whitening.apply({"cpy": torch.randn(4, 5), "sty": torch.randn(4, 5)})
    for rows in found.values():
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))


def test_the_mirror_image_of_a_picture_is_its_nearest(lite, pictures):
    plain = lite.images(pictures)
    mirrored = lite.images([p[:, ::-1] for p in pictures])
    for name in ("cpy", "sty"):
        nearest = (plain[name] @ mirrored[name].T).argmax(axis=1)
        np.testing.assert_array_equal(nearest, np.arange(len(pictures)))
