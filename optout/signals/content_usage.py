"""AIPREF preferences: the Content-Usage header, and the vocabulary that its robots.txt rule shares.

A value is a Dictionary of RFC 9651 whose labels carry the Tokens `y` or `n`. Labels that nobody
knows, other values and Dictionaries that do not parse say nothing; the last of repeated labels
counts; parameters are ignored, but the exceptions that CC signals adds are named in the note. A
profile may read more: labels of older drafts, and refusals that went wrong, as errors.
Source: draft-ietf-aipref-vocab-08 (labels), -07 section 6 (syntax); -attach-05 (header).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

import http_sf

from optout.signals.preference import NO_LIKE, Preference, of_lines, statements, strictest
from optout.signals.profiles import Profile
from optout.signals.signal import Signal
from schemas.verdict import Channel, Purpose, Say

HEADER = "content-usage"

TRAIN_AI, AI_USE = "train-ai", "ai-use"
"""The labels of the current vocabulary that concern us; `search` says nothing about our uses."""

_TRAINING = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC)
LEGACY_LABELS: Mapping[str, tuple[Purpose, ...]] = MappingProxyType(
    {
        "all": (*_TRAINING, Purpose.MINE),
        "bots": (*_TRAINING, Purpose.MINE),
        "tdm": (*_TRAINING, Purpose.MINE),
        "ai": _TRAINING,
        "genai": (Purpose.TRAIN_GEN,),
        "train-genai": (Purpose.TRAIN_GEN,),
    }
)
"""Labels of drafts -01 to -07 and what their `n` forbids."""

_CROSS_SPELT: Mapping[str, str] = MappingProxyType({"ai-train": TRAIN_AI, "ai-input": AI_USE})
_EXCEPTIONS_SHOWN = 40

Refusals = Mapping[str, tuple[tuple[Purpose, str], ...]]
"""Label to the purposes that its `n` forbids, each with the note under which it is reported."""


@lru_cache(maxsize=4)
def _refusals(*, legacy: bool, input_is_infer: bool) -> Refusals:
    # Until -08 `train-ai` covered training of any kind, and legacy files mean it so.
    trains = [(Purpose.TRAIN_GEN, ""), *([(Purpose.TRAIN_DISC, "legacy-label")] * legacy)]
    found: dict[str, tuple[tuple[Purpose, str], ...]] = {TRAIN_AI: tuple(trains)}
    if input_is_infer:
        found[AI_USE] = ((Purpose.INFER, ""),)
    if legacy:
        for label, purposes in LEGACY_LABELS.items():
            found[label] = tuple((purpose, "legacy-label") for purpose in purposes)
    return MappingProxyType(found)


def preferences(value: str, profile: Profile) -> tuple[Preference, ...]:
    """Return what a value says, at most one preference for each purpose, the strictest."""
    refusals = _refusals(legacy=profile.aipref_legacy, input_is_infer=profile.signal_input_is_infer)
    found = list(_said(value, refusals))
    if profile.aipref_malformed:
        found += _suggested(value, refusals)
    return strictest(found)


def read_header(lines: Iterable[tuple[int, str]], profile: Profile) -> tuple[Signal, ...]:
    """Return what the lines of the header say together.

    lines: (index of the header, value) in order; lines without a value are skipped, since joined
    they would spoil the rest.
    """
    spoken = [(index, value) for index, value in lines if value.strip(" \t")]
    said = preferences(", ".join(value for _, value in spoken), profile)
    return of_lines(said, Channel.CONTENT_USAGE, spoken, HEADER)


def _said(value: str, refusals: Refusals) -> Iterator[Preference]:
    for label, (word, parameters) in _dictionary(value).items():
        if word == "n":
            exceptions = parameters.get("exceptions")
            shown = f"exceptions {exceptions}"[:_EXCEPTIONS_SHOWN]
            for purpose, note in refusals.get(label, ()):
                noted = note if exceptions is None else shown
                yield Preference(purpose, Say.DENY, (label, word), noted)
        elif word == "y" and label == TRAIN_AI:
            yield Preference(Purpose.TRAIN_GEN, Say.ALLOW, (label, word))


def _dictionary(value: str) -> dict[str, tuple[str, Mapping[str, object]]]:
    """Return the members of a Dictionary whose values are Tokens; nothing where it is none."""
    try:
        parsed = http_sf.parse(value.encode("utf-8", "replace"), tltype="dictionary")
    except http_sf.StructuredFieldError:
        return {}
    members = parsed if isinstance(parsed, dict) else {}
    return {
        label: (str(member[0]), member[1])
        for label, member in members.items()
        if isinstance(member, tuple) and isinstance(member[0], http_sf.Token)
    }


def _suggested(value: str, refusals: Refusals) -> Iterator[Preference]:
    """Yield an error for each refusal that stands in the text, whether or not it was understood.

    Where it was understood the denial is stricter and hides the error.
    """
    for label, word in statements(value):
        if word not in NO_LIKE:
            continue
        crossed = _CROSS_SPELT.get(label)
        note = "malformed" if crossed is None else "cross-spelling"
        for purpose, _ in refusals.get(crossed or label, ()):
            yield Preference(purpose, Say.ERROR, (label, word), note)
