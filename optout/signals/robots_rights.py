"""All that robots.txt says about a path: who may fetch it, and what may be made of it.

Beside Allow and Disallow the groups of a file carry Content-Usage (AIPREF), Content-Signal
(Cloudflare), DisallowAITraining (draft-canel-robots-ai-control) and License (RSL). They hold for
whom the group holds: our own group, else `*`. A profile may let others speak too, who can only
reserve: `*` beside our own group, and groups that name crawlers known to train. Content-Signal
above all groups holds for the whole site.

A Content-Usage line between two `user-agent` lines parts them if it is a rule, as AIPREF says, and
does not if it is a record that RFC 9309 does not know. A profile may have both readings asked.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from optout.signals import content_signal
from optout.signals.preference import Said, add, of_record
from optout.signals.profiles import Profile
from optout.signals.remembered import remembered
from optout.signals.robots import Answer, Body, PathRules, Readings, parsed, readings
from optout.signals.robots_file import RULES, Group, Record, Robots, records_of
from optout.signals.signal import Signal, excerpt
from optout.signals.training_tokens import tokens_for
from optout.signals.usage_rules import NAME as CONTENT_USAGE
from optout.signals.usage_rules import UsageRules
from schemas.verdict import Channel, Purpose, Say

CONTENT_SIGNAL, LICENSE = "content-signal", "license"
ALLOW_TRAINING, DISALLOW_TRAINING = "allowaitraining", "disallowaitraining"

_TRAINING = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC)
_RESERVES = frozenset({Say.DENY, Say.ERROR})
_ADDRESS = re.compile(rb"[a-z][a-z0-9+.-]*:[^\s\x00-\x1f\x7f]+", re.IGNORECASE)
"""An absolute address. One that cannot be asked names a licence that nobody has: none."""


def read(body: Body, agent: str, path: bytes, profile: Profile) -> tuple[Signal, ...]:
    """Return all that a file says about a path with its query, silence left out.

    On channel ROBOTS about fetching, and about training from DisallowAITraining and the groups of
    others; on its own channels from Content-Usage and Content-Signal. At most one signal for each
    channel and purpose, the strictest. What a file says is worked out once and remembered.
    """
    return _rights_of(body, agent, _Bound.of(profile)).at(readings(path))


def of_file(robots: Robots, agent: str, path: bytes, profile: Profile) -> tuple[Signal, ...]:
    """Return what `read` does, but on Content-Usage's and Content-Signal's channels alone.

    Nothing is remembered; for many paths of one file ask `read`.
    """
    said = _Rights(robots, agent, profile).at(readings(path))
    return tuple(signal for signal in said if signal.channel is not Channel.ROBOTS)


def licenses(robots: Robots, agent: str) -> tuple[Record, ...]:
    """Return the `License` records that hold for an agent and hold an absolute http(s) URL.

    Those of its group (its own, else `*`) stand before those above all groups.
    Source: RSL 1.0, discovery in robots.txt.
    """
    scoped = _licenses(robots.records(agent) or ())
    return scoped or _licenses(robots.loose)


def _licenses(records: Iterable[Record]) -> tuple[Record, ...]:
    return tuple(r for r in records if r.name == LICENSE and _ADDRESS.fullmatch(r.value))


@dataclass(frozen=True, slots=True)
class _Bound:
    """A profile, equal and hashed by the values that are read here, so that it can be a key."""

    values: tuple[object, ...]
    profile: Profile = field(compare=False, repr=False)

    @classmethod
    def of(cls, profile: Profile) -> "_Bound":
        values = (
            profile.robots_tokens,
            profile.robots_lenient,
            profile.robots_star_too,
            profile.aipref_legacy,
            profile.aipref_malformed,
            profile.aipref_all_paths,
            profile.aipref_both_groupings,
            profile.signal_input_is_infer,
        )
        return cls(values, profile)


@remembered
def _rights_of(body: Body, agent: str, bound: _Bound) -> "_Rights":
    robots = parsed(body, lenient=bound.profile.robots_lenient)
    return _Rights(robots, agent, bound.profile)


class _Rights:
    """One file as it binds one agent under one profile."""

    __slots__ = ("_voices",)

    def __init__(self, robots: Robots, agent: str, profile: Profile) -> None:
        self._voices = [_Voice(s, profile) for s in _speakers(robots, agent, profile, "")]
        usage = (r.name == CONTENT_USAGE for group in robots.groups for r in group.records)
        if profile.aipref_both_groupings and any(usage):
            other = robots.regrouped(RULES | {CONTENT_USAGE})
            if len(other.groups) != len(robots.groups):  # it only ever parts groups
                speakers = _speakers(other, agent, profile, "aipref-grouping")
                self._voices += [_Voice(s, profile) for s in speakers]

    def at(self, path: Readings) -> tuple[Signal, ...]:
        """Return what all voices say about a path, the first of equally strict ones."""
        if len(self._voices) == 1:
            return tuple(self._voices[0].at(path))
        best: Said = {}
        add(best, (signal for voice in self._voices for signal in voice.at(path)))
        return tuple(best.values())


class _Speaker(NamedTuple):
    """Records that bind us, and in whose name."""

    note: str
    ours: bool  # addressed to us: it may permit, and its rules say whether we fetch
    crawl: bool  # its Disallow binds
    records: tuple[Record, ...]


def _speakers(robots: Robots, agent: str, profile: Profile, note: str) -> Iterator[_Speaker]:
    lenient = profile.robots_lenient
    own, star = robots.named(agent, lenient=lenient), robots.named("*")
    yield _Speaker(note, True, True, records_of(own or star))
    # Allow and Disallow above all groups are nobody's (RFC 9309 section 2.1).
    loose = tuple(record for record in robots.loose if record.name == CONTENT_SIGNAL)
    if loose:
        yield _Speaker(_joined(note, "site-wide"), True, False, loose)
    if profile.robots_star_too and own and star:
        yield _Speaker(_joined(note, "star"), False, False, records_of(star))
    seen = {_identity(own or star)}
    for token in tokens_for(profile.robots_tokens):
        groups = robots.named(token, lenient=lenient)
        if groups and _identity(groups) not in seen:  # its falling back to `*` would add nothing
            seen.add(_identity(groups))
            yield _Speaker(_joined(note, f"proxy {token}"), False, True, records_of(groups))


def _identity(groups: tuple[Group, ...]) -> tuple[int, ...]:
    return tuple(map(id, groups))


def _joined(*notes: str) -> str:
    return " ".join(note for note in notes if note)


class _Voice:
    """What one speaker says, ready to be asked about paths."""

    __slots__ = ("_constant", "_note", "_ours", "_rules", "_training", "_usage")

    def __init__(self, speaker: _Speaker, profile: Profile) -> None:
        lenient, records = profile.robots_lenient, speaker.records
        names = {record.name for record in records}
        self._note, self._ours = speaker.note, speaker.ours
        self._rules = PathRules(records if speaker.crawl else (), lenient=lenient)
        self._training = None
        if names & {ALLOW_TRAINING, DISALLOW_TRAINING}:
            self._training = PathRules(
                records, lenient=lenient, allow=ALLOW_TRAINING, disallow=DISALLOW_TRAINING
            )
        self._usage = UsageRules(records, profile) if CONTENT_USAGE in names else None
        self._constant = tuple(self._heard(_content_signals(records, profile)))

    def at(self, path: Readings) -> Iterable[Signal]:
        """Return what the speaker says about a path, the strictest by channel and purpose."""
        best: Said = {}
        fetch = self._rules.at(path)
        if self._ours:
            add(best, _answered(fetch, (Purpose.FETCH,), self._note))
        elif fetch.say is Say.DENY:
            add(best, _answered(fetch, _TRAINING, self._note))
        if self._training is not None:
            said = _answered(self._training.at(path), _TRAINING, "")
            add(best, self._heard(said))
        # What we may not fetch has no preferences (AIPREF attach section 3.1); whether others may
        # fetch it changes nothing about what they are told to leave alone.
        if self._usage is not None and not (self._ours and fetch.say is Say.DENY):
            add(best, self._heard(self._usage.at(path)))
        add(best, self._constant)
        return best.values()

    def _heard(self, signals: Iterable[Signal]) -> Iterator[Signal]:
        """Yield signals with the speaker's note; of those who speak to others no permission."""
        for signal in signals:
            if self._ours or signal.say in _RESERVES:
                noted = self._note and _joined(self._note, signal.note)
                yield replace(signal, note=noted) if noted else signal


def _content_signals(records: Iterable[Record], profile: Profile) -> Iterator[Signal]:
    """Yield the strictest signal for each purpose; each record is read by itself."""
    best: Said = {}
    for record in records:
        if record.name == CONTENT_SIGNAL:
            said = content_signal.read(record.value.decode("utf-8", "replace"), profile)
            channel = Channel.ROBOTS_CONTENT_SIGNAL
            add(best, of_record(said, channel, record.line, record.text))
    yield from best.values()


def _answered(answer: Answer, purposes: tuple[Purpose, ...], note: str) -> Iterator[Signal]:
    if answer.say is Say.SILENT:
        return
    line = answer.record.line if answer.record is not None else None
    raw = excerpt(answer.record.text) if answer.record is not None else ""
    for purpose in purposes:
        yield Signal(Channel.ROBOTS, purpose, answer.say, raw, line, note=note)
