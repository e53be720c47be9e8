import pytest

from optout.lifecycle import ACTS_FROM, MOVES, Event, Rule, State, acts, move
from schemas.errors import ClaimError
from schemas.verdict import Stance

WORK = [Rule.URL, Rule.SHA256, Rule.PIXEL_SHA256, Rule.PERCEPTUAL, Rule.COPY]
REACHING = [Rule.HOST, Rule.ACCOUNT, Rule.NAME, Rule.STYLE, Rule.STYLE_VOTE, Rule.STYLE_WEAK]


@pytest.mark.parametrize("rule", WORK)
def test_listed_works_and_copies_act_from_recorded_on(rule):
    assert acts(rule, 0, trust_local=False, stance=Stance.OPT_OUT)


@pytest.mark.parametrize("rule", REACHING)
def test_what_reaches_further_waits_for_proved_control(rule):
    assert not acts(rule, 1, trust_local=False, stance=Stance.OPT_OUT)
    assert acts(rule, 2, trust_local=False, stance=Stance.OPT_OUT)
    assert acts(rule, 0, trust_local=True, stance=Stance.OPT_OUT)


@pytest.mark.parametrize("rule", [Rule.PERCEPTUAL, Rule.COPY, Rule.STYLE, Rule.NAME])
def test_nothing_is_granted_by_likeness_or_name(rule):
    assert not acts(rule, 3, trust_local=True, stance=Stance.OPT_IN)


@pytest.mark.parametrize("rule", [Rule.SHA256, Rule.PIXEL_SHA256, Rule.HOST, Rule.ACCOUNT])
def test_exact_keys_and_hosts_grant_once_control_is_proved(rule):
    assert not acts(rule, 1, trust_local=False, stance=Stance.OPT_IN)
    assert acts(rule, 2, trust_local=False, stance=Stance.OPT_IN)


def test_every_rule_has_a_level_for_opt_outs():
    assert ACTS_FROM[Stance.OPT_OUT].keys() == set(Rule)


def test_only_listed_moves_are_allowed():
    for state in State:
        for event in Event:
            if (state, event) in MOVES:
                assert move(state, event) == MOVES[state, event]
            else:
                with pytest.raises(ClaimError):
                    move(state, event)


def test_withdrawn_claims_can_only_be_erased_and_erased_is_final():
    assert [event for state, event in MOVES if state == State.WITHDRAWN] == [Event.ERASE]
    assert not [1 for state, _ in MOVES if state == State.ERASED]
