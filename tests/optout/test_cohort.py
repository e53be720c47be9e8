"""The cohort: two sets that share no hand, read back as unit rows, and the mean of the nearest."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout import cohort
from schemas.errors import ModelMismatchError, SchemaError


def arrays(**changes):
    rng = np.random.default_rng(3)
    made = {
        "fit_sty": rng.normal(size=(6, 5)).astype(np.float32),
        "fit_cpy": rng.normal(size=(6, 4)).astype(np.float32),
        "fit_hand": np.array([0, 0, 1, 1, 2, 2]),
        "calibration_sty": rng.normal(size=(3, 5)).astype(np.float32),
        "calibration_cpy": rng.normal(size=(3, 4)).astype(np.float32),
        "calibration_hand": np.array([3, 4, 4]),
    }
    return made | changes


def test_rows_are_brought_to_unit_length():
    made = cohort.from_arrays(arrays(), "f")
    for name in ("fit_sty", "fit_cpy", "calibration_sty", "calibration_cpy"):
        rows = getattr(made, name)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_what_is_rendered_is_read_back_within_half_floats():
    made = cohort.from_arrays(arrays(), "f", {"license": "public domain"})
    again = cohort.parse(cohort.render(made), "f")
    assert again.card == made.card
    assert again.matcher == "f"
    np.testing.assert_array_equal(again.fit_hand, made.fit_hand)
    np.testing.assert_allclose(again.fit_sty, made.fit_sty, atol=1e-3)
    third = cohort.parse(cohort.render(again), "f")
    np.testing.assert_allclose(third.fit_sty, again.fit_sty, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"calibration_hand": np.array([2, 3, 3])}, "no hand in both sets"),
        ({"fit_hand": np.array([0, 1])}, "rows"),
        ({"fit_hand": np.zeros(6)}, "int"),
        ({"fit_sty": np.full((6, 5), np.nan, np.float32)}, "finite"),
        ({"fit_sty": np.zeros((6, 5), np.float32)}, "zero"),
        ({"fit_sty": np.ones((6, 7), np.float32)}, "one width"),
        ({"fit_sty": np.ones(6, np.float32)}, "float"),
        ({"more": np.ones(6)}, "cohort arrays"),
    ],
)
def test_a_cohort_that_would_break_its_promise_is_refused(changes, found):
    with pytest.raises(SchemaError, match=found):
        cohort.from_arrays(arrays(**changes), "f")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_cohort_or_our_error(body):
    with pytest.raises(SchemaError):
        cohort.parse(body, "f")


@given(st.integers(0, 700), st.integers(0, 255))
def test_a_changed_byte_gives_a_cohort_or_our_error(place, value):
    body = bytearray(cohort.render(cohort.from_arrays(arrays(), "f", {"a": 1})))
    body[place % len(body)] = value
    try:
        cohort.parse(bytes(body), "f")
    except SchemaError:
        return


def test_cohort_mean_is_the_mean_of_the_nearest_fit_images():
    fit = np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 3, 3]]
    made = cohort.from_arrays(arrays(fit_cpy=fit), "f")
    query = np.eye(4, dtype=np.float32)[[0, 3]]
    np.testing.assert_allclose(cohort.cohort_mean(query, made, k=2), [1, 1])
    np.testing.assert_allclose(cohort.cohort_mean(query, made, k=3), [2 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(cohort.cohort_mean(query, made, k=99), [2 / 6, 2 / 6], rtol=1e-6)
    assert cohort.cohort_mean(query[:0], made).shape == (0,)


def test_vectors_of_another_width_are_refused():
    made = cohort.from_arrays(arrays(), "f")
    with pytest.raises(ModelMismatchError, match="4 numbers"):
        cohort.cohort_mean(np.ones((1, 5), np.float32), made)


def test_reading_the_shipped_cohort_needs_no_torch():
    code = (
        "import sys\n"
        "for name in ('torch', 'open_clip', 'timm', 'torchvision'): sys.modules[name] = None\n"
        "from pipeline.models.builtin_files import load_cohort\n"
        "print(len(load_cohort().fit_sty))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) > 500
