"""What every channel says about one image, channel by channel and purpose by purpose, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optout.signals.combine import combine, strictest
from optout.signals.policy import SignalPolicy
from optout.signals.signal import Signal
from schemas.verdict import FAMILY, Channel, Family, Purpose, Say, Verdict


@dataclass(frozen=True, slots=True)
class Line:
    """One channel. says: None for every purpose where the channel was not read.

    speaker: the signal that counts most; None where nobody spoke.
    """

    channel: Channel
    says: Mapping[Purpose, Say | None]
    speaker: Signal | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All channels, what they come to for each purpose, and what that means for a build."""

    lines: tuple[Line, ...]
    together: Mapping[Purpose, Say]
    verdict: Verdict
    because: Signal | None


def explain(signals: Sequence[Signal], policy: SignalPolicy) -> Explanation:
    """Return the explanation of the signals about one image, channels in their order."""
    by_channel: dict[Channel, list[Signal]] = {}
    for signal in signals:
        by_channel.setdefault(signal.channel, []).append(signal)
    lines = tuple(_line(channel, by_channel.get(channel, ()), policy) for channel in Channel)
    verdict = policy.verdict(signals)
    return Explanation(lines, combine(signals), verdict, _because(signals, verdict, policy))


def _line(channel: Channel, said: Sequence[Signal], policy: SignalPolicy) -> Line:
    if not said:
        return Line(channel, dict.fromkeys(Purpose), None, _unread(channel, policy))
    spoken = combine(said)
    mine = strictest(s.say for s in said if policy.binds(s))
    speakers = [s for s in said if s.say is mine and policy.binds(s)] or list(said)
    return Line(channel, spoken, speakers[0])


def _unread(channel: Channel, policy: SignalPolicy) -> str:
    if not policy.profile.reads(channel):
        return "off in this profile"
    if FAMILY[channel] is Family.LISTS:
        return "no list configured"
    return "no page given" if FAMILY[channel] is Family.PAGE else "not reached"


def _because(signals: Iterable[Signal], verdict: Verdict, policy: SignalPolicy) -> Signal | None:
    say = {Verdict.DROP: Say.DENY, Verdict.HOLD: Say.ERROR}.get(verdict)
    return next((s for s in signals if s.say is say and policy.binds(s)), None)
