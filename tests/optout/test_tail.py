import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.tail import (
    Tail,
    caution,
    fit_tail,
    hold_threshold_at,
    least_alpha,
    quantile,
    threshold_at,
    unpack,
    upper_bound,
)
from schemas.errors import SchemaError

TAIL = Tail(u=2.0, share=0.02, xi=0.1, beta=0.5, least_alpha=1e-3, mean=0.3, sd=0.05)


def test_a_known_tail_is_fitted():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=50_000)
    tail = fit_tail(values, 200, 0.0, 1.0)
    for rate in (1e-2, 1e-3, 1e-4):
        assert quantile(tail, rate) == pytest.approx(-math.log(rate), rel=0.1)


def test_a_threshold_is_set_with_caution_more_of_it_at_small_rates():
    assert threshold_at(TAIL, 1e-2) == pytest.approx(quantile(TAIL, 1e-2 / 3))
    assert threshold_at(TAIL, 1e-3) == pytest.approx(quantile(TAIL, 1e-3 / 20))
    assert 3 < caution(3e-3) < 20
    assert (caution(1e-6), caution(0.5)) == (20, 3)


def test_no_threshold_is_lower_than_the_cohort_supports():
    assert threshold_at(TAIL, 1e-6) == threshold_at(TAIL, 1e-3)
    assert TAIL.supports(1e-3)
    assert not TAIL.supports(9e-4)
    assert unpack(TAIL.pack()).supports(1e-3)  # rounded to float32 and back


def test_few_hands_support_only_large_rates():
    assert least_alpha(200, 2600) <= 1e-3
    assert least_alpha(9, 2600) > 1e-2
    assert least_alpha(200, 100) >= 1e-2


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 10), st.floats(1e-6, 1e-1), st.floats(1e-6, 1e-1))
def test_smaller_rates_have_higher_thresholds(xi, beta, one, other):
    tail = Tail(1.0, 0.02, xi, beta, 1e-6, 0.0, 1.0)
    low, high = sorted([one, other])
    assert threshold_at(tail, low) >= threshold_at(tail, high)


def test_a_tail_survives_the_table():
    found = unpack(TAIL.pack())
    assert found.pack() == TAIL.pack()
    assert threshold_at(found, 1e-3) == pytest.approx(threshold_at(TAIL, 1e-3), rel=1e-6)


@pytest.mark.parametrize(
    "values",
    [(), (1.0,) * 6, (math.nan,) * 7, (2, 0, 0.1, 0.5, 1e-3, 0, 1), (2, 0.02, 0.1, 0, 1e-3, 0, 1)],
)
def test_what_is_no_tail_is_refused(values):
    with pytest.raises(SchemaError):
        unpack(values)


def test_a_handful_of_images_has_no_tail():
    with pytest.raises(SchemaError):
        fit_tail(np.arange(99.0), 99, 0.0, 1.0)


def test_constant_similarities_do_not_break_the_fit():
    tail = unpack(fit_tail(np.ones(500), 200, 0.0, 1.0).pack())
    assert math.isfinite(threshold_at(tail, 1e-3))


@pytest.mark.parametrize(
    ("hits", "trials", "bound"),
    # Source: facts of the design (rule of three); the rest from the beta quantile.
    [(0, 29_956, 1e-4), (0, 10, 0.258866), (3, 2600, 0.00297945), (50, 2600, 0.0242788), (5, 5, 1)],
)
def test_clopper_pearson(hits, trials, bound):
    assert upper_bound(hits, trials) == pytest.approx(bound, rel=1e-4)


def test_no_trials_bound_nothing():
    assert upper_bound(0, 0) == 1.0


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 10), st.floats(1e-6, 1.0))
def test_a_row_is_held_before_it_is_dropped_and_within_the_declared_rate(xi, beta, alpha):
    tail = Tail(1.0, 0.02, xi, beta, 1e-6, 0.0, 1.0)
    assert quantile(tail, alpha) <= hold_threshold_at(tail, alpha) <= threshold_at(tail, alpha)


def test_the_band_lies_between_a_fifteenth_and_a_twentieth_and_is_empty_at_large_rates():
    assert hold_threshold_at(TAIL, 1e-3) == pytest.approx(quantile(TAIL, 1e-3 / 15))
    assert hold_threshold_at(TAIL, 1e-2) == threshold_at(TAIL, 1e-2)
    assert hold_threshold_at(TAIL, 1e-6) == hold_threshold_at(TAIL, 1e-3)  # what is supported
