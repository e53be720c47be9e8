"""pipeline.explain: one line a channel, in order, and the signal behind the verdict."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.combine import combine
from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES, Mode
from optout.signals.signal import Signal
from pipeline.explain import Explanation, Line, explain
from schemas.verdict import Channel, Purpose, Say, Verdict

POLICY = SignalPolicy("ArtBot")
STRICT = SignalPolicy("ArtBot", profile=PROFILES["strict"])


def line(explained: Explanation, channel: Channel) -> Line:
    (found,) = [one for one in explained.lines if one.channel is channel]
    return found


def test_every_channel_has_one_line_in_order() -> None:
    assert [one.channel for one in explain((), POLICY).lines] == list(Channel)


def test_a_channel_that_was_not_read_says_nothing_and_why() -> None:
    explained = explain((), POLICY)
    for one in explained.lines:
        assert one.says == dict.fromkeys(Purpose)
        assert one.speaker is None
        assert one.unread
    off = line(explained, Channel.TRUST_TXT).unread
    assert off == "off in this profile"
    assert line(explain((), STRICT), Channel.TRUST_TXT).unread != off
    assert line(explained, Channel.XMP).unread != off
    assert (explained.verdict, explained.because) == (Verdict.KEEP, None)


def test_a_channel_that_was_read_and_is_silent_is_not_one_that_was_not_read() -> None:
    silent = Signal(Channel.XMP, Purpose.TRAIN_GEN, Say.SILENT)
    found = line(explain([silent], POLICY), Channel.XMP)
    assert found.says == dict.fromkeys(Purpose, Say.SILENT)
    assert (found.speaker, found.unread) == (silent, "")


def test_a_channel_says_each_purpose_strictest_first_and_names_who_counts() -> None:
    grants = Signal(Channel.X_ROBOTS, Purpose.TRAIN_GEN, Say.ALLOW, raw="all")
    denies = Signal(Channel.X_ROBOTS, Purpose.TRAIN_GEN, Say.DENY, raw="noai")
    other = Signal(Channel.X_ROBOTS, Purpose.TRAIN_DISC, Say.DENY, raw="noai")
    explained = explain([other, grants, denies], POLICY)
    found = line(explained, Channel.X_ROBOTS)
    assert found.speaker is denies
    assert found.says == dict.fromkeys(Purpose, Say.SILENT) | {
        Purpose.TRAIN_GEN: Say.DENY,
        Purpose.TRAIN_DISC: Say.DENY,
    }
    assert (explained.verdict, explained.because) == (Verdict.DROP, denies)


def test_a_denial_of_another_purpose_is_shown_and_decides_nothing() -> None:
    other = Signal(Channel.C2PA, Purpose.TRAIN_DISC, Say.DENY)
    explained = explain([other], POLICY)
    assert line(explained, Channel.C2PA).says[Purpose.TRAIN_DISC] is Say.DENY
    assert line(explained, Channel.C2PA).speaker is other
    assert explained.together[Purpose.TRAIN_DISC] is Say.DENY
    assert (explained.verdict, explained.because) == (Verdict.KEEP, None)
    assert explain([other], SignalPolicy("ArtBot", Purpose.TRAIN_DISC)).because is other


def test_an_error_holds_unless_the_profile_ignores_it() -> None:
    error = Signal(Channel.AI_TXT, Purpose.TRAIN_GEN, Say.ERROR)
    ignored, held = explain([error], POLICY), explain([error], STRICT)
    assert POLICY.profile.channels[Channel.AI_TXT] is Mode.IGNORE
    assert (ignored.verdict, ignored.because) == (Verdict.KEEP, None)
    assert (held.verdict, held.because) == (Verdict.HOLD, error)
    assert line(ignored, Channel.AI_TXT).says[Purpose.TRAIN_GEN] is Say.ERROR  # shown all the same


def test_a_denial_outranks_an_error_before_it() -> None:
    error = Signal(Channel.ROBOTS, Purpose.FETCH, Say.ERROR)
    denial = Signal(Channel.XMP, Purpose.MINE, Say.DENY)
    explained = explain([error, denial], POLICY)
    assert (explained.verdict, explained.because) == (Verdict.DROP, denial)


def test_the_first_of_several_that_deny_is_the_reason() -> None:
    denials = [Signal(c, Purpose.FETCH, Say.DENY) for c in (Channel.XMP, Channel.ROBOTS)]
    assert explain(denials, POLICY).because is denials[0]


SIGNALS = st.lists(
    st.builds(
        Signal,
        st.sampled_from(list(Channel)),
        st.sampled_from(list(Purpose)),
        st.sampled_from(list(Say)),
    ),
    max_size=8,
)
ANY_POLICY = st.builds(
    SignalPolicy,
    st.just("ArtBot"),
    st.sampled_from(list(Purpose)),
    st.sampled_from(list(PROFILES.values())),
)


@given(SIGNALS, ANY_POLICY)
def test_an_explanation_is_of_the_verdict(said: list[Signal], policy: SignalPolicy) -> None:
    explained = explain(said, policy)
    assert explained.verdict is policy.verdict(said)
    assert explained.together == combine(said)
    assert (explained.because is None) is (explained.verdict is Verdict.KEEP)
    if explained.because is not None:
        assert explained.because in said
        assert policy.binds(explained.because)
    for one in explained.lines:
        own = [s for s in said if s.channel is one.channel]
        assert (one.speaker in own) if own else one.speaker is None
        assert bool(own) is not bool(one.unread)


@pytest.mark.parametrize("channel", list(Channel))
def test_a_channel_that_is_off_is_told_apart_from_one_that_was_not_reached(
    channel: Channel,
) -> None:
    modes = {**POLICY.profile.channels, channel: Mode.OFF}
    off = SignalPolicy("ArtBot", profile=replace(POLICY.profile, channels=modes))
    on = SignalPolicy(
        "ArtBot", profile=replace(off.profile, channels={**modes, channel: Mode.HOLD})
    )
    assert line(explain((), off), channel).unread == "off in this profile"
    assert line(explain((), on), channel).unread not in ("", "off in this profile")
