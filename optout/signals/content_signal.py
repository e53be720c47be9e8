"""Cloudflare's Content Signals: `Content-Signal` in robots.txt and as a header.

A list of `key=value`, separated by commas: `search`, `ai-input` and `ai-train` are `yes` or `no`;
`use` is `immediate` (keep nothing), `reference` (index, excerpt, link back) or `full`. Names and
values have no case. What is absent is neither granted nor refused. Of repeated keys the stricter
value counts. A permission needs the exact form; a refusal is honoured wherever it stands, and one
that is misspelt (`ai-train=n`, or AIPREF's `train-ai=n`) is an error.
Source: Cloudflare's managed robots.txt and its post of 2026-07-01 for `use`.
"""

import re
from collections.abc import Iterable, Iterator

from optout.signals.preference import NO_LIKE, Preference, of_lines, statements, strictest
from optout.signals.profiles import Profile
from optout.signals.signal import Signal
from schemas.verdict import Channel, Purpose, Say

HEADER = "content-signal"

AI_TRAIN, AI_INPUT, USE = "ai-train", "ai-input", "use"

_TRAINING = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC)
_NO = {AI_TRAIN: _TRAINING, AI_INPUT: (Purpose.INFER,)}
_USE = {"immediate": (*_TRAINING, Purpose.MINE), "reference": (Purpose.TRAIN_GEN,)}
_CROSS_SPELT = {"train-ai": _TRAINING, "ai-use": (Purpose.INFER,)}
_GRANT = re.compile(r'\s*ai-train\s*=\s*"?yes"?\s*', re.IGNORECASE | re.ASCII)


def read(value: str, profile: Profile) -> tuple[Preference, ...]:
    """Return what a value says, at most one preference for each purpose, the strictest."""
    # A path has no place here; should one stand before a permission, it is not for all paths.
    granted = not value.lstrip().startswith("/") and any(map(_GRANT.fullmatch, value.split(",")))
    found = [
        one
        for key, word in statements(value)
        if not (granted and (key, word) == (USE, "reference"))
        for one in _refused(key, word)
    ]
    if granted:
        found += [Preference(purpose, Say.ALLOW, (AI_TRAIN, "yes")) for purpose in _TRAINING]
    if not profile.signal_input_is_infer:
        found = [one for one in found if one.purpose is not Purpose.INFER]
    return strictest(found)


def read_header(lines: Iterable[tuple[int, str]], profile: Profile) -> tuple[Signal, ...]:
    """Return what the lines of the header, (index of the header, value), say together."""
    spoken = list(lines)
    said = read(", ".join(value for _, value in spoken), profile)
    return of_lines(said, Channel.CONTENT_SIGNAL, spoken, HEADER)


def _refused(key: str, word: str) -> Iterator[Preference]:
    purposes: tuple[Purpose, ...] = ()
    say, note = Say.DENY, ""
    if key == USE:
        purposes, note = _USE.get(word, ()), "use"
    elif word in NO_LIKE and key in _CROSS_SPELT:
        purposes, say, note = _CROSS_SPELT[key], Say.ERROR, "cross-spelling"
    elif word in NO_LIKE:
        purposes = _NO.get(key, ())
        if word != "no":
            say, note = Say.ERROR, "malformed"
    for purpose in purposes:
        yield Preference(purpose, say, (key, word), note)
