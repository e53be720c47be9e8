"""optout.signals.combine: a lattice, and the one table of what a denial entails."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.combine import (
    ENTAILS,
    STRICTNESS,
    Step,
    binding,
    combine,
    forbidden_steps,
    strictest,
    verdict,
)
from optout.signals.signal import Signal
from schemas.verdict import Channel, Purpose, Say, Verdict

SAYS = st.sampled_from(list(Say))
SIGNALS = st.lists(
    st.builds(Signal, st.sampled_from(list(Channel)), st.sampled_from(list(Purpose)), SAYS),
    max_size=6,
)
PURPOSES = st.sampled_from(list(Purpose))


def test_every_say_has_its_own_strictness() -> None:
    assert sorted(Say, key=STRICTNESS.__getitem__) == [
        Say.SILENT,
        Say.ALLOW,
        Say.ERROR,
        Say.DENY,
    ]


@pytest.mark.parametrize(("a", "b", "c"), list(itertools.product(Say, repeat=3)))
def test_strictest_is_a_join(a: Say, b: Say, c: Say) -> None:
    assert strictest((a, b)) is strictest((b, a))
    assert strictest((a, strictest((b, c)))) is strictest((strictest((a, b)), c))
    assert strictest((a, a)) is a
    assert strictest((a, Say.SILENT)) is a


@given(SIGNALS, SIGNALS)
def test_order_and_repetition_of_signals_do_not_matter(a: list[Signal], b: list[Signal]) -> None:
    assert combine(a + b) == combine(b + a) == combine(a + b + a)


@given(SIGNALS, PURPOSES, PURPOSES)
def test_one_more_denial_never_turns_into_keep(
    signals: list[Signal], denied: Purpose, purpose: Purpose
) -> None:
    before = verdict(combine(signals), purpose)
    after = verdict(combine([*signals, Signal(Channel.ROBOTS, denied, Say.DENY)]), purpose)
    if before is not Verdict.KEEP:
        assert after is not Verdict.KEEP
    if denied in binding(purpose) or before is Verdict.DROP:
        assert after is Verdict.DROP


@given(SIGNALS, PURPOSES)
def test_a_permission_never_undoes_anything(signals: list[Signal], purpose: Purpose) -> None:
    allowed = [*signals, *(Signal(Channel.ROBOTS, p, Say.ALLOW) for p in Purpose)]
    assert verdict(combine(allowed), purpose) is verdict(combine(signals), purpose)


@pytest.mark.parametrize(
    ("denied", "purpose", "expected"),
    [
        (Purpose.FETCH, Purpose.TRAIN_GEN, Verdict.DROP),
        (Purpose.MINE, Purpose.TRAIN_GEN, Verdict.DROP),
        (Purpose.INFER, Purpose.TRAIN_GEN, Verdict.DROP),
        (Purpose.TRAIN_GEN, Purpose.TRAIN_GEN, Verdict.DROP),
        (Purpose.TRAIN_DISC, Purpose.TRAIN_GEN, Verdict.KEEP),
        (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC, Verdict.KEEP),
        (Purpose.TRAIN_GEN, Purpose.MINE, Verdict.KEEP),
    ],
)
def test_a_denial_binds_builds(denied: Purpose, purpose: Purpose, expected: Verdict) -> None:
    assert verdict({denied: Say.DENY}, purpose) is expected


def test_an_error_holds_and_a_denial_outranks_it() -> None:
    says = {Purpose.FETCH: Say.ERROR}
    assert verdict(says, Purpose.TRAIN_GEN) is Verdict.HOLD
    says[Purpose.TRAIN_GEN] = Say.DENY
    assert verdict(says, Purpose.TRAIN_GEN) is Verdict.DROP


def test_what_may_not_be_mined_is_neither_hashed_nor_embedded() -> None:
    steps = forbidden_steps({Purpose.MINE: Say.DENY}, Purpose.TRAIN_GEN)
    assert steps == {Step.HASH, Step.EMBED, Step.RELEASE}


def test_the_builds_own_purpose_forbids_the_release_only() -> None:
    assert forbidden_steps({Purpose.TRAIN_GEN: Say.DENY}, Purpose.TRAIN_GEN) == {Step.RELEASE}


def test_steps_that_are_forbidden_forbid_all_later_ones() -> None:
    order = list(Step)
    for steps in ENTAILS.values():
        assert not steps or steps == set(order[min(order.index(s) for s in steps) :])
