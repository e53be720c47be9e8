import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from optout.keypoints import (
    LEAST,
    MIRRORED_BITS,
    POINT,
    SPREAD,
    Points,
    agreeing,
    both_ways,
    lasting,
    mirrored,
    pack,
    unpack,
)
from schemas.errors import SchemaError
from tests.optout.points import moved, scene

RNG = np.random.default_rng(3)
stored_points = st.binary(max_size=40 * POINT.itemsize).map(
    lambda b: b[: len(b) // POINT.itemsize * POINT.itemsize]
)


def agreed(work: dict, sample: dict) -> int:
    return agreeing(both_ways(pack(**work)), unpack(pack(**sample)))


def test_what_is_packed_is_read_again_within_its_steps():
    points = scene()
    found = unpack(pack(**points))
    assert len(pack(**points)) == 24 * POINT.itemsize == 24 * 22
    assert np.abs(found.xy - points["xy"]).max() < 1e-4
    assert np.abs(np.exp2(found.size) / points["size"] - 1).max() < 0.03
    assert np.abs((found.angle - points["angle"] + np.pi) % (2 * np.pi) - np.pi).max() < 0.013
    assert found.bits.shape == (24, 2)


@given(
    arrays.arrays(np.float32, (5, 2), elements=st.floats(-9, 9, width=32)),
    arrays.arrays(np.float32, 5, elements=st.floats(0, 9, width=32)),
    arrays.arrays(np.float32, 5, elements=st.floats(-99, 99, width=32)),
)
def test_whatever_is_packed_is_read_as_so_many_points(xy, size, angle):
    found = unpack(pack(xy, size, angle, np.zeros((5, 128), np.float32)))
    assert len(found.xy) == 5
    assert ((found.xy >= 0) & (found.xy <= 1)).all()
    assert all(np.isfinite(part).all() for part in found[:3])


@given(st.binary(max_size=200))
def test_bytes_are_whole_points_or_refused(stored):
    if len(stored) % POINT.itemsize:
        with pytest.raises(SchemaError, match="expected key points of 22 bytes each"):
            unpack(stored)
    else:
        assert len(unpack(stored).xy) * POINT.itemsize == len(stored)


@given(stored_points)
def test_mirrored_twice_is_as_it_was(stored):
    points = unpack(stored)
    again = mirrored(mirrored(points))
    assert (again.bits == points.bits).all()
    assert np.allclose(again.xy, points.xy)
    assert np.allclose(again.angle, points.angle, atol=1e-5)
    assert sorted(MIRRORED_BITS) == list(range(128))


@settings(max_examples=60, deadline=None)
@given(stored_points, stored_points)
def test_any_bytes_are_compared_and_never_agree_more_than_they_are(one, other):
    agreed = agreeing(both_ways(one), unpack(other))
    assert agreed == 0 or LEAST <= agreed <= min(len(one), len(other)) // POINT.itemsize


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.4, 1.0), st.floats(-0.3, 0.3), st.floats(0, 0.2), st.floats(0, 0.2), st.booleans()
)
def test_a_picture_that_was_moved_as_a_whole_agrees(scale, turn, right, down, mirror):
    work = scene()
    sample = moved(work, scale * 0.7, turn, (0.2 + right, 0.2 + down))
    if mirror:
        loose = np.unpackbits(unpack(pack(**sample)).bits.view(np.uint8), axis=1)
        sample |= {
            "xy": np.array([1, 0], np.float32) - sample["xy"] * np.array([1, -1], np.float32),
            "angle": np.pi - sample["angle"],
            "description": loose[:, MIRRORED_BITS].astype(np.float32),
        }
    reach = np.ptp(np.clip(sample["xy"], 0, 1), axis=0).max()
    if reach > SPREAD + 0.01:
        assert agreed(work, sample) >= 10


def test_points_that_lie_anywhere_do_not_agree():
    work = scene()
    scattered = work | {"xy": RNG.random((24, 2)).astype(np.float32)}
    assert agreed(work, scattered) < 4


def test_another_picture_does_not_agree():
    assert agreed(scene(seed=1), scene(seed=2)) == 0


def test_a_mark_in_a_corner_is_not_the_picture():
    mark = scene(seed=5, reach=0.2)
    work, sample = scene(seed=1), scene(seed=2)
    both = [{k: np.concatenate([one[k], mark[k]]) for k in one} for one in (work, sample)]
    assert agreed(mark, mark) == 0
    assert agreed(*both) == 0


def test_many_points_in_one_place_count_once():
    work = scene(n=4)
    crowd = {k: np.concatenate([v, v[:1] + 0, v[:1] + 0]) for k, v in work.items()}
    crowd["description"] = np.random.default_rng(8).random((6, 128)).astype(np.float32)
    assert agreed(crowd, crowd) == 4


def together(*scenes: dict) -> bytes:
    return pack(**{k: np.concatenate([one[k] for one in scenes]) for k in scenes[0]})


EACH_OTHER = [[1, 2], [0, 2], [0, 1]]


def test_what_recurs_in_the_works_of_a_claim_is_no_picture():
    frame = scene(n=12, seed=5)
    works = [together(scene(seed=n), frame) for n in (1, 2, 3)]
    assert lasting(works, EACH_OTHER) == [together(scene(seed=n)) for n in (1, 2, 3)]
    assert lasting(works, [[], [], []]) == works


def test_what_two_works_share_stays_since_one_may_be_a_part_of_the_other():
    shared = scene(n=12, seed=5)
    works = [together(scene(seed=1), shared), together(scene(seed=2), shared), pack(**scene())]
    assert lasting(works, EACH_OTHER) == works


def test_one_picture_in_several_colours_keeps_its_points():
    works = [together(scene(seed=1, n=24), scene(seed=n, n=10)) for n in (2, 3, 4)]
    assert lasting(works, EACH_OTHER) == works


@settings(max_examples=30, deadline=None)
@given(st.lists(stored_points, max_size=4))
def test_of_any_works_only_points_are_taken_away(works):
    kept = lasting(works, [range(len(works))] * len(works))
    assert len(kept) == len(works)
    for before, after in zip(works, kept, strict=True):
        points = [before[i : i + 22] for i in range(0, len(before), 22)]
        rest = iter(points)
        assert all(after[i : i + 22] in rest for i in range(0, len(after), 22))


def test_no_points_agree_with_nothing():
    none = Points(*(part[:0] for part in unpack(pack(**scene()))))
    assert agreeing((none, none), none) == 0
    assert agreeing(both_ways(b""), unpack(pack(**scene()))) == 0
