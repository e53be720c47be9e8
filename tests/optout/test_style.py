"""Similarities are the same bits however they are computed: by either twin, whole or in parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout import style, style_search
from optout.style import Moments, Near, Style, near_styles, neighbours, normalised, on_grid
from optout.tail import Tail
from schemas.errors import SchemaError

DIM = 32
FIT = np.random.default_rng(5).standard_normal((150, DIM)).astype(np.float32)
FIT /= np.linalg.norm(FIT, axis=1, keepdims=True)


def vectors(rng: np.random.Generator, count: int) -> np.ndarray:
    """Half floats of unit length, as stored, around a few centres so that some are near."""
    centres = np.random.default_rng(1).standard_normal((4, DIM))
    rows = centres[rng.integers(4, size=count)] + rng.standard_normal((count, DIM))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)


def styles(rng: np.random.Generator, count: int) -> list[Style]:
    def tail() -> Tail:
        return Tail(float(rng.normal(0, 1)), 0.02, 0.0, 0.5, 1e-3, 0.5, float(rng.uniform(0.01, 1)))

    return [Style(vectors(rng, int(rng.integers(1, 9))), tail()) for _ in range(count)]


def case(seed: int) -> tuple[np.ndarray, list[Style]]:
    rng = np.random.default_rng(seed)
    rows = vectors(rng, int(rng.integers(1, 60)))
    rows[rng.random(len(rows)) < 0.1] = np.nan
    return rows, styles(rng, int(rng.integers(0, 30)))


def same(one: Near, other: Near) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def near(rows: np.ndarray, claims: list[Style], search=near_styles, epsilon: float = 0.01) -> Near:
    with np.errstate(invalid="ignore"):
        return search(rows, neighbours(rows, FIT), claims, epsilon)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 20))
def test_the_twin_finds_the_same_bits_whatever_its_blocks(seed, block_styles, block_rows):
    rows, claims = case(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style_search, "BLOCK_STYLES", block_styles)
        patch.setattr(style_search, "BLOCK_ROWS", block_rows)
        quick = near(rows, claims, style_search.near_styles)
    assert same(quick, near(rows, claims))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_the_reference_gives_the_same_bits_for_each_row_on_its_own(seed, block_rows):
    rows, claims = case(seed)
    whole = near(rows, claims)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "BLOCK_ROWS", block_rows)
        assert same(near(rows, claims), whole)
    for place in range(0, len(rows), 7):
        alone, own = near(rows[[place]], claims), whole.row == place
        assert np.array_equal(alone.style, whole.style[own])
        assert np.array_equal(alone.similarity, whole.similarity[own], equal_nan=True)


def test_pairs_at_the_very_floor_are_met_by_both():
    rng = np.random.default_rng(2)
    rows, (one,) = vectors(rng, 300), styles(rng, 1)
    values = normalised(rows, one, FIT)
    for value in values[::10]:
        floor = Tail(float(value), 0.02, 0.0, 0.5, 1e-3, one.tail.mean, one.tail.sd)
        claims = [Style(one.works, floor)]
        # the tail's own numbers decide what is exactly at the floor
        expected = np.nonzero(normalised(rows, claims[0], FIT) >= value)[0]
        for search in (near_styles, style_search.near_styles):
            assert np.array_equal(near(rows, claims, search, 0.0).row, expected)


def test_a_row_that_is_not_a_number_is_near_to_every_style():
    rows = np.full((1, DIM), np.nan, np.float32)
    claims = styles(np.random.default_rng(0), 5)
    for search in (near_styles, style_search.near_styles):
        assert near(rows, claims, search).style.tolist() == [0, 1, 2, 3, 4]


def test_rows_of_any_length_are_not_lost_by_the_first_look():
    rng = np.random.default_rng(8)
    rows = vectors(rng, 50) * rng.uniform(0.1, 30, (50, 1)).astype(np.float16).astype(np.float32)
    rows, claims = rows.astype(np.float16).astype(np.float32), styles(rng, 20)
    assert same(near(rows, claims, style_search.near_styles), near(rows, claims))


def test_a_style_without_works_is_refused():
    bare = Style(np.empty((0, DIM), np.float32), Tail(0.0, 0.02, 0.0, 0.5, 1e-3, 0.5, 0.1))
    for search in (near_styles, style_search.near_styles):
        with pytest.raises(SchemaError, match="at least one work"):
            near(vectors(np.random.default_rng(0), 3), [bare], search)


def test_half_floats_stand_on_the_grid_as_they_are():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].astype(np.float32)
    assert np.array_equal(on_grid(halves), halves)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_no_order_of_summation_rounds_a_cosine(seed):
    rng = np.random.default_rng(seed)
    rows, fit = on_grid(vectors(rng, 8)), on_grid(FIT)
    shuffled = rng.permutation(DIM)
    assert np.array_equal(rows @ fit.T, rows[:, shuffled] @ fit[:, shuffled].T)
    assert np.array_equal((rows @ fit.T)[3], fit @ rows[3])


def test_moments_of_a_row_do_not_depend_on_others():
    rows = vectors(np.random.default_rng(3), 40)
    whole = neighbours(rows, FIT)
    one = neighbours(rows[7:8], FIT)
    assert isinstance(whole, Moments)
    assert (one.mean[0], one.sd[0]) == (whole.mean[7], whole.sd[7])
