import numpy as np
import pytest

from optout import guard
from optout.cohort import Cohort
from optout.enrol import Other, Works, _most_of_a_hand, calibrate, cohesion, copied
from optout.style import Style, as_norm, neighbours, normalised, similarity
from optout.tail import threshold_at, unpack
from schemas.errors import ModelMismatchError, SchemaError

DIM = 48
HANDS = 200
EACH = 6


def unit(rows: np.ndarray) -> np.ndarray:
    return (
        (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float16).astype(np.float32)
    )


def hand(seed: int, count: int, spread: float = 0.6, near: int | None = None) -> np.ndarray:
    """Works of one hand: around a centre that is its own, or close to another hand's."""
    rng = np.random.default_rng(seed)
    centre = rng.standard_normal(DIM)
    if near is not None:
        centre = np.random.default_rng(near).standard_normal(DIM) + 0.1 * centre
    centre /= np.linalg.norm(centre)
    noise = rng.standard_normal((count, DIM)) / np.sqrt(DIM)
    return unit(centre + spread * noise)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    fit = np.concatenate([hand(10_000 + h, EACH) for h in range(HANDS)])
    calibration = np.concatenate([hand(20_000 + h, EACH) for h in range(HANDS)])
    hands = np.repeat(np.arange(HANDS, dtype=np.int32), EACH)
    return Cohort("m" * 64, fit, fit, hands, calibration, calibration, hands + HANDS)


def works(sty: np.ndarray) -> Works:
    # copy vectors away from everything, so that styles are tested alone
    cpy = unit(np.random.default_rng(len(sty)).standard_normal((len(sty), DIM)))
    return Works(sty, cpy, np.full(len(sty), 0.5, np.float32))


def other(sty: np.ndarray, *, proved: bool = True, cpy: np.ndarray | None = None) -> Other:
    far = unit(np.random.default_rng(5).standard_normal(sty.shape)) if cpy is None else cpy
    return Other("claim abc", sty, far, proved)


def test_a_hand_is_a_style_and_its_numbers_are_kept(cohort):
    found = calibrate(works(hand(1, 10)), cohort)
    assert found.state == "active"
    assert found.self_recall >= 0.9
    assert (found.cohort_images, found.cohort_hands) == (HANDS * EACH, HANDS)
    assert found.false_match_upper < 0.01
    assert found.threshold == pytest.approx(threshold_at(unpack(found.tail), 1e-3), rel=1e-6)


def test_works_of_ten_hands_are_no_style(cohort):
    junk = np.concatenate([hand(300 + h, 1) for h in range(10)])
    found = calibrate(works(junk), cohort)
    assert found.state == "not separable"
    assert "recognised" in found.note


def test_a_sibling_hand_makes_a_style_not_separable(cohort):
    sibling = hand(2, 12, near=1)
    found = calibrate(works(hand(1, 10)), cohort, [other(sibling)])
    assert found.state == "not separable"
    assert "claim abc" in found.note


def test_a_sibling_whose_control_is_not_proved_asks_for_review_only(cohort):
    """Else anybody could switch a style off by claiming works like it."""
    found = calibrate(works(hand(1, 10)), cohort, [other(hand(2, 12, near=1), proved=False)])
    assert found.state == "needs review"


def test_who_decides_stands_in_the_record_however_many_come_nearer(cohort):
    mine = hand(1, 10)
    crowd = [Other(f"claim {n}", mine, hand(900 + n, 10), proved=False) for n in range(8)]
    found = calibrate(works(mine), cohort, [*crowd, other(hand(2, 12, near=1))])
    assert (found.state, found.overlaps[0].label) == ("not separable", "claim abc")
    assert guard.in_force(found, authorship=True, accepted=True).state == "not separable"


def test_a_stranger_changes_nothing(cohort):
    mine = works(hand(1, 10))
    assert calibrate(mine, cohort, [other(hand(2, 12))]) == calibrate(mine, cohort)


def test_works_that_somebody_else_has_claimed_ask_for_review(cohort):
    mine = works(hand(1, 10))
    found = calibrate(mine, cohort, [other(hand(2, 10), cpy=mine.cpy)])
    assert found.state == "needs review"
    assert "10 works are copies" in found.note


def test_the_largest_share_of_a_hand_is_read_off_hands_with_some_images():
    hands = np.repeat(np.arange(100, dtype=np.int32), EACH)
    hit = np.zeros(len(hands), bool)
    hit[:3] = True
    assert _most_of_a_hand(hit, hands) == 0.5
    assert _most_of_a_hand(np.roll(hit, 4), hands) == pytest.approx(1 / 3)  # two and one
    assert _most_of_a_hand(hit[:3], hands[:3]) == 0.0


def test_the_numbers_of_the_guard_stand_in_the_record(cohort):
    mine, other = works(hand(1, 10)), hand(2, 8, near=1)
    found = calibrate(mine, cohort, [Other("claim 0f3a", other, other, proved=True)])
    assert found.works == 10
    assert found.hand_share is not None
    (overlap,) = found.overlaps
    assert (overlap.label, overlap.works) == ("claim 0f3a", 8)
    assert overlap.near >= overlap.taken > 0
    assert overlap.proved is True
    assert guard.outcome(found) == (found.state, found.note)  # and it follows from them again
    assert (
        calibrate(mine, cohort, [Other("far", hand(3, 8), hand(3, 8), proved=True)]).overlaps == ()
    )


def test_cohesion_is_that_of_one_hand_above_that_of_many(cohort):
    strangers, hands = cohort.calibration_sty, cohort.calibration_hand
    mine = cohesion(hand(1, 10), strangers, hands)
    many = [
        cohesion(np.concatenate([hand(100 * s + h, 1) for h in range(10)]), strangers, hands)
        for s in range(9, 29)
    ]
    assert abs(np.mean(many)) < 1  # in spreads of chance sets: such a set is one
    assert max(many) < 4 < mine
    assert cohesion(hand(1, 10), strangers, hands) == mine


def test_copies_of_the_works_leave_the_cohort(cohort):
    mine = Works(
        cohort.calibration_sty[:EACH], cohort.calibration_cpy[:EACH], np.full(EACH, 0.3, np.float32)
    )
    assert copied(mine, cohort.calibration_cpy)[:EACH].all()
    found = calibrate(mine, cohort)
    assert found.cohort_images < HANDS * EACH


def test_the_false_match_rate_on_new_hands_is_kept(cohort):
    strangers = np.concatenate([hand(50_000 + h, EACH) for h in range(200)])
    reached = 0
    for claim in range(20):
        mine = hand(700 + claim, 10)
        found = calibrate(works(mine), cohort)
        style = Style(mine, unpack(found.tail))
        reached += int((normalised(strangers, style, cohort.fit_sty) >= found.threshold).sum())
    assert reached / (20 * len(strangers)) <= 1e-3


def test_recall_on_unseen_works_of_the_hand(cohort):
    mine, unseen = np.split(hand(1, 60), [10])
    found = calibrate(works(mine), cohort)
    style = Style(mine, unpack(found.tail))
    assert (normalised(unseen, style, cohort.fit_sty) >= found.threshold).mean() > 0.5


def test_enrolling_is_deterministic(cohort):
    assert calibrate(works(hand(3, 8)), cohort) == calibrate(works(hand(3, 8)), cohort)


def test_vectors_of_another_width_are_refused(cohort):
    short = unit(np.ones((5, 8)))
    with pytest.raises(ModelMismatchError):
        calibrate(Works(short, short, np.zeros(5, np.float32)), cohort)


def test_as_norm_by_hand():
    rows = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
    fit = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    own = similarity(rows, fit[:1])
    assert own == pytest.approx([1.0, 0.6])
    mean, sd = neighbours(rows, fit)
    assert mean == pytest.approx([0.5, 0.7])
    assert sd == pytest.approx([0.5, 0.1])
    both = as_norm(own, (0.2, 0.4), (mean, sd))
    assert both == pytest.approx([0.5 * (2.0 + 1.0), 0.5 * (1.0 - 1.0)], abs=1e-6)


def test_a_style_without_works_or_cohort_is_refused():
    rows = np.ones((1, 2), np.float32)
    with pytest.raises(SchemaError):
        similarity(rows, np.zeros((0, 2), np.float32))
    with pytest.raises(SchemaError):
        neighbours(rows, np.zeros((0, 2), np.float32))
