"""Pairs of hashes: every way gives what comparing all with all gives."""

import numpy as np
import pytest

from pipeline.near import hamming
from pipeline.near.hamming import Hashes, Near, as_words, distance, pairs_within


def hashes(n: int, seed: int) -> Hashes:
    """Return random hashes of which a third are near copies of others."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 256, size=(n, 32), dtype=np.uint8)
    for k in range(n // 3):
        bits = np.unpackbits(found[k])
        bits[rng.choice(256, rng.integers(0, 60), replace=False)] ^= 1
        found[n - 1 - k] = np.packbits(bits)
    found[: n // 2, :2] = 7  # a hot word
    return as_words([h.tobytes() for h in found])


@pytest.mark.parametrize("radius", [0, 5, 15, 16, 31, 33, 47, 60])
def test_probing_equals_comparing(radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    some = hashes(600, radius)
    expected = np.triu(distance(some[:, None], some[None]) <= radius, 1)
    for probe_from in (1, 10_000):
        monkeypatch.setattr(hamming, "PROBE_FROM", probe_from)
        monkeypatch.setattr(hamming, "CANDIDATES", 5000)
        i, j, bits = pairs_within(some, radius)
        assert np.array_equal(np.stack([i, j]), np.stack(np.nonzero(expected)))
        assert np.array_equal(bits, distance(some[i], some[j]))


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_hashes_have_no_pairs(n: int) -> None:
    assert len(pairs_within(hashes(n, 0), 31)[0]) == 0


@pytest.mark.parametrize("radius", [0, 10, 31])
def test_nearest_is_the_same_with_and_without_probing(
    radius: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, asked = hashes(500, 1), hashes(500, 1)[::3]
    plain = Near(listed, radius)
    monkeypatch.setattr(hamming, "PROBE_FROM", 1)
    probing = Near(listed, radius)
    for one in asked:
        assert probing.nearest(one.tobytes()) == plain.nearest(one.tobytes()) is not None
    assert probing.nearest(bytes(range(32))) is None


def test_an_empty_list_hits_nothing() -> None:
    assert Near(as_words([]), 31).nearest(bytes(32)) is None
