import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.tail import Tail, quantile, threshold_at
from optout.vote import SHARED, needed

TAIL = Tail(u=2.0, share=0.02, xi=0.1, beta=0.5, least_alpha=1e-3, mean=0.3, sd=0.05)
ENDING = replace(TAIL, xi=-0.4)


def test_one_voter_needs_what_a_single_image_needs():
    assert needed(TAIL, 1e-3, 1) == pytest.approx(threshold_at(TAIL, 1e-3) - TAIL.u)


def test_ten_voters_need_less_than_half_of_it():
    share = needed(TAIL, 1e-3, 10) / needed(TAIL, 1e-3, 1)
    assert share == pytest.approx(math.sqrt(SHARED + (1 - SHARED) / 10))
    assert 0.4 < share < 0.5


def test_beyond_what_the_cohort_supports_no_tail_has_an_end():
    end = TAIL.beta / 0.4
    assert needed(ENDING, 1e-3, 1) < end
    assert needed(ENDING, 1e-6, 1) == needed(replace(TAIL, xi=0.0), 1e-6, 1) > end
    assert needed(TAIL, 1e-6, 1) == pytest.approx(quantile(TAIL, 1e-6 / 20) - TAIL.u)


@given(
    st.floats(-0.5, 0.5), st.floats(1e-7, 1e-2), st.floats(1e-7, 1e-2),
    st.integers(1, 1000), st.integers(1, 1000),
)  # fmt: skip
def test_rarer_means_more_and_more_voters_less(xi, rate, other, few, many):
    tail = replace(TAIL, xi=xi)
    low, high = sorted((rate, other))
    assert needed(tail, low, few) >= needed(tail, high, few) * (1 - 1e-9)
    assert needed(tail, low, max(few, many)) <= needed(tail, low, min(few, many))
