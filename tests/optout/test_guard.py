"""When a style may act: by its numbers, and by what moderators state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.guard import LEAST_COHESION, in_force, outcome
from schemas.claim import StyleCalibration, StyleOverlap

RANK = {"none": 0, "not separable": 1, "needs review": 2, "active": 3}


def style(**changes: object) -> StyleCalibration:
    """A style that nothing speaks against, but for what is changed."""
    good = {"self_recall": 1.0, "cohesion": 9.0, "hand_share": 0.0}
    given = {"cohort_hits": 0, "cohort_images": 3000, "works": 10}
    found = StyleCalibration(**{**good, **given, **changes})
    state, note = outcome(found)
    return found.model_copy(update={"state": state, "note": note})


def other(*, near: int = 0, copies: int = 0, proved: bool | None = True) -> StyleOverlap:
    label = f"claim {proved}"
    return StyleOverlap(label=label, works=10, taken=0, near=near, copies=copies, proved=proved)


def standing(found: StyleCalibration, *, authorship: bool = False, accepted: bool = False) -> str:
    return in_force(found, authorship=authorship, accepted=accepted).state


UNLIKE, HARDLY = style(cohesion=4.1), style(cohesion=2.4)


@pytest.mark.parametrize(
    ("changes", "state", "says"),
    [
        ({}, "active", ""),
        ({"self_recall": 0.2}, "active", ""),
        ({"self_recall": 0.19}, "not separable", "only 19% of the works are recognised"),
        ({"cohesion": 4.3}, "active", ""),
        ({"cohesion": 4.1}, "needs review", "4.1 spreads above chance"),
        ({"cohesion": 2.4}, "not separable", "2.4 spreads above chance"),
        ({"overlaps": (other(near=3),)}, "not separable", "cannot be told from claim True"),
        ({"overlaps": (other(near=3, proved=False),)}, "needs review", "cannot be told"),
        ({"overlaps": (other(near=2),)}, "active", ""),
        ({"overlaps": (other(copies=2),)}, "needs review", "2 works are copies"),
        ({"hand_share": 0.25}, "active", ""),
        ({"hand_share": 0.34}, "needs review", "34% of the works of one cohort hand"),
        ({"cohort_hits": 9}, "active", ""),
        ({"cohort_hits": 10}, "needs review", "10 images by others"),
    ],
)
def test_the_weightiest_number_decides(changes, state, says):
    found = style(**changes)
    assert found.state == state
    assert says in found.note
    assert bool(found.note) == (state != "active")


@pytest.mark.parametrize("found", [UNLIKE, HARDLY])
def test_the_works_of_a_proved_author_need_not_be_alike(found):
    assert standing(found, authorship=True) == "active"
    assert in_force(found, authorship=True, accepted=False).note == ""


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"self_recall": 0.1}, "not separable"),
        ({"overlaps": (other(near=9),)}, "not separable"),
        ({"overlaps": (other(copies=9),)}, "needs review"),
        ({"hand_share": 0.5}, "needs review"),
        ({"cohort_hits": 99}, "needs review"),
    ],
)
def test_what_a_style_takes_of_others_counts_whoever_made_it(changes, state):
    assert standing(style(cohesion=2.4, **changes), authorship=True) == state


def test_nobody_holds_up_a_proved_author_by_claiming_works_like_theirs():
    crowd = style(overlaps=(other(near=10, copies=10, proved=False),))
    assert standing(crowd) == "needs review"
    assert standing(crowd, authorship=True) == "active"


def test_what_an_older_record_does_not_say_of_another_is_looked_at():
    older = style(overlaps=(other(near=10, proved=None),)).model_copy(
        update={"state": "not separable"}  # as it was found then
    )
    assert standing(older) == "not separable"
    assert standing(older, authorship=True) == "needs review"


def test_what_was_looked_at_and_accepted_acts():
    assert standing(UNLIKE, accepted=True) == "active"
    assert in_force(UNLIKE, authorship=False, accepted=True).note == ""
    waits = style(cohesion=2.4, hand_share=0.5)
    assert standing(waits, authorship=True, accepted=True) == "active"


@pytest.mark.parametrize("state", [{"self_recall": 0.1}, {"overlaps": (other(near=9),)}])
def test_nobody_accepts_what_cannot_be_told_from_others(state):
    assert standing(style(**state), accepted=True) == "not separable"
    assert standing(HARDLY, accepted=True) == "not separable"


def test_without_a_style_there_is_nothing_to_let_act():
    none = StyleCalibration(note="look-alikes were not tested, for want of a model")
    assert in_force(none, authorship=True, accepted=True) == none


SHARES = st.floats(0, 1)
STYLES = st.builds(
    style,
    self_recall=SHARES,
    cohesion=st.floats(-5, 12),
    hand_share=SHARES,
    cohort_hits=st.integers(0, 20),
    overlaps=st.lists(
        st.builds(
            other,
            near=st.integers(0, 10),
            copies=st.integers(0, 10),
            proved=st.sampled_from([True, False, None]),
        ),
        max_size=5,
    ).map(tuple),
)


@given(STYLES, st.booleans(), st.booleans())
def test_no_statement_takes_from_a_style_what_it_had(found, authorship, accepted):
    before = RANK[found.state]
    now = in_force(found, authorship=authorship, accepted=accepted)
    assert RANK[now.state] >= before
    assert now.model_copy(update={"state": found.state, "note": found.note}) == found
    assert in_force(found, authorship=False, accepted=False) == found


@given(STYLES)
def test_likeness_is_all_that_authorship_stands_for_where_others_are_proved(found):
    proved = tuple(o.model_copy(update={"proved": True}) for o in found.overlaps)
    alike = found.model_copy(update={"overlaps": proved, "cohesion": LEAST_COHESION})
    unlike = alike.model_copy(update={"cohesion": -1.0})
    assert outcome(unlike, authorship=True) == outcome(alike)
