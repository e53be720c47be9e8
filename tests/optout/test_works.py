import base64
import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.works import check_works, decode_points, decode_vector, encode_points, encode_vector
from schemas.errors import ClaimError, RegistryError
from tests.optout.claims import match_part, unit, view, work


def test_a_vector_survives_its_text():
    vector = unit(1).astype(np.float16)
    assert (decode_vector(encode_vector(vector)) == vector).all()


@given(st.text(max_size=30))
def test_any_text_is_a_vector_or_our_error(text):
    with contextlib.suppress(RegistryError):
        decode_vector(text)


def half(values: list[float]) -> str:
    return base64.b64encode(np.array(values, "<f2").tobytes()).decode()


@given(st.binary(max_size=99))
def test_key_points_come_back_as_they_were_or_are_refused(stored):
    if len(stored) % 22:
        with pytest.raises(RegistryError, match="expected key points as base64 of whole points"):
            decode_points(encode_points(stored))
    else:
        assert decode_points(encode_points(stored)) == stored


@pytest.mark.parametrize(
    "changes",
    [
        {"pdq": ("00" * 32,)},
        {"pdq": ("zz" * 32,) * 8},
        {"sha256": "x"},
        {"pixel_sha256": "ABC"},
        {"matcher": ""},
        {"cohort_mean": None},
        {"cohort_mean": float("nan")},
        {"cpy": ""},
        {"cpy": "?"},
        {"cpy": half([float("nan")] * 8)},
        {"sty": half([100.0] + [0.0] * 7)},  # would be near to everything
        {"sty": half([0.0] * 8)},
        {"views": (view(),) * 17},  # a build pays for each
        {"keypoints": encode_points(bytes(22)), "matcher": "", "cpy": "", "sty": ""},
        {"keypoints": encode_points(bytes(22 * 321))},
        {"keypoints": "AAAA"},
        {"keypoints": "?"},
        {"views": (view(cohort_mean=float("nan")),)},
        {"views": (view(cpy=half([2.0] + [0.0] * 7)),)},
        {"views": (view(),), "matcher": "", "cpy": "", "sty": "", "cohort_mean": None},
    ],
)
def test_keys_that_would_match_anything_or_nothing_are_refused(changes):
    with pytest.raises(ClaimError):
        check_works(match_part(works=(work(1).model_copy(update=changes),)))


def test_one_work_twice_is_refused():
    with pytest.raises(ClaimError):
        check_works(match_part(works=(work(1), work(1))))


def test_sound_keys_pass_with_and_without_vectors():
    whole = work(1, views=(view(),), keypoints=encode_points(bytes(22 * 320)))
    check_works(match_part(works=(whole, work(2, matcher=""))))
