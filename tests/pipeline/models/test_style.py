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
    assert [block.shape for block in found] == [(1, 2 * 4), (1, 4 * 5 // 2)]
    torch.testing.assert_close(found, style.stage_statistics(shuffled, gram=True))
    (moments,) = style.stage_statistics(features, gram=False)
    torch.testing.assert_close(moments, found[0])


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
    arrays = fitted(np.random.default_rng(2).normal(size=(40, 9)).astype(np.float32))
    found = style.Whitening(arrays, "cpu").apply(
        {"cpy": torch.randn(4, 5), "sty": torch.randn(4, 9)}
    )
    assert {name: rows.shape for name, rows in found.items()} == {"cpy": (4, 3), "sty": (4, 6)}
    for rows in found.values():
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))


def test_no_block_of_a_style_drowns_another():
    """The same directions come out however loud a block is."""
    torch = imports.torch()
    rows = np.random.default_rng(3).normal(size=(60, 9)).astype(np.float32)
    louder = rows * np.repeat([1.0, 50.0], [4, 5]).astype(np.float32)
    found = [
        style.Whitening(fitted(raw), "cpu").apply(
            {"cpy": torch.zeros(60, 5), "sty": torch.from_numpy(raw)}
        )["sty"]
        for raw in (rows, louder)
    ]
    torch.testing.assert_close(found[0] @ found[0].T, found[1] @ found[1].T, atol=2e-2, rtol=0)


def fitted(rows):
    """Return a whitening of `cpy` [5] to 3 numbers and of two blocks of `sty` [4 + 5] to 6."""
    cpy = np.random.default_rng(4).normal(size=(40, 5)).astype(np.float32)
    mean, projection = style.fit_whitening(cpy, 3, ridge=0.01)
    arrays = style.fit_style(rows, (4, 5), (3, 6), ridge=0.01)
    arrays |= {"cpy_mean": mean, "cpy_projection": projection}
    return {name: value.astype(np.float16) for name, value in arrays.items()}


def test_the_mirror_image_of_a_picture_is_its_nearest(lite, pictures):
    plain = lite.images(pictures)
    mirrored = lite.images([p[:, ::-1] for p in pictures])
    for name in ("cpy", "sty"):
        nearest = (plain[name] @ mirrored[name].T).argmax(axis=1)
        np.testing.assert_array_equal(nearest, np.arange(len(pictures)))
