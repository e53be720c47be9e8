"""RSL licences: what one says about an address. In doubt nothing is permitted.

The contents whose pattern is the narrowest that matches decide, in any order; a broader one says
nothing beside them. Within them a prohibition beats a permission. Each licence is an offer, and an
offer counts where it lists the usage and asks for nothing that we cannot give: money, a token of a
licence server, reports, being some kind of user or in some place. A list of permitted usages
forbids the others. Who names a licence that nobody can obtain or read has licensed nothing.
A permission here is a licence's own; what it obliges to (attribution) is for the operator.
Source: facts section 10 (RSL 1.0), vectors L01-L06.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from optout.signals.combine import STRICTNESS
from optout.signals.profiles import Profile
from optout.signals.rsl_document import (
    PAYMENT,
    PERMITS,
    PROHIBITS,
    REPORTING,
    USAGE,
    Content,
    Term,
    read,
)
from optout.signals.rsl_scope import READINGS, narrowest
from optout.signals.signal import Signal, excerpt
from schemas.errors import SignalError
from schemas.verdict import Channel, Purpose, Say

UNREADABLE = "unreadable licence"
TRAINING = frozenset({Purpose.TRAIN_GEN, Purpose.TRAIN_DISC})
PURPOSES = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC, Purpose.MINE)
"""What a licence speaks about; INFER too where the profile takes `ai-input` for it."""

_EVERYTHING = frozenset({*PURPOSES, Purpose.INFER})
USAGES: Mapping[str, frozenset[Purpose]] = MappingProxyType(
    {
        "ai-train": TRAINING,
        "ai-index": frozenset({Purpose.MINE}),
        "ai-input": frozenset({Purpose.INFER}),
        "ai-all": _EVERYTHING,
        "all": _EVERYTHING,
    }
)
_SUGGESTIVE = re.compile(r"(?:^|-)(?:ai|genai|tdm|train|training)(?:-|$)")
_FREE, _ATTRIBUTION = "free", "attribution"
_PAYMENTS = frozenset({"purchase", "subscription", "training", "crawl", "use", "contribution"})
_CIRCLES = frozenset({"user", "geo"})


class _Said(NamedTuple):
    say: Say
    raw: str
    line: int
    note: str


_Offer = dict[Purpose, _Said]


def of_document(body: bytes, url: str, profile: Profile, channel: Channel) -> tuple[Signal, ...]:
    """Return what a licence says about an address, one signal a purpose; nothing if it is silent.

    url: absolute, of the asset. A pattern that names a host is about that host; one that is a path
    is about whatever named the licence. Both readings of percent-encoding count.
    """
    try:
        contents = read(body)
    except SignalError:
        return unobtainable(channel, UNREADABLE)
    said: list[Signal] = []
    for reading in READINGS:
        chosen = narrowest(contents, url, reading)
        made = _signals(_judged(chosen, profile), channel)
        said += made if all(content.url for content in chosen) else _reservations(made)
    return per_purpose(said)


def of_fragment(xml: str, url: str, profile: Profile, channel: Channel) -> tuple[Signal, ...]:
    """Return what a licence says about the file or page that carries it.

    It has exactly one content. What it reserves holds for its carrier whatever address it names,
    since copies keep it; what it permits holds at the address that it names only.
    """
    try:
        contents = read(xml)
    except SignalError:
        return unobtainable(channel, UNREADABLE)
    if len(contents) != 1:
        return unobtainable(channel, UNREADABLE)
    said = _signals(_judged(contents, profile), channel)
    named = (
        url and contents[0].url and all(narrowest(contents, url, reading) for reading in READINGS)
    )
    return said if named else _reservations(said)


def unobtainable(channel: Channel, note: str) -> tuple[Signal, ...]:
    """Return what follows where a licence is named and nobody can have it: nothing is licensed."""
    return tuple(Signal(channel, purpose, Say.DENY, note=note) for purpose in PURPOSES)


def per_purpose(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Return the strictest signal of each purpose, the first of equally strict ones."""
    kept: dict[Purpose, Signal] = {}
    for signal in signals:
        known = kept.get(signal.purpose)
        if known is None or STRICTNESS[signal.say] > STRICTNESS[known.say]:
            kept[signal.purpose] = signal
    return tuple(kept.values())


# --- what they say


def _judged(contents: Sequence[Content], profile: Profile) -> _Offer:
    """Return what contents of one scope say together."""
    purposes = _purposes(profile)
    for content in contents:
        if flaw := _flaw(content):
            return dict.fromkeys(purposes, _Said(Say.DENY, content.raw, content.line, flaw))
    licences = [licence for content in contents for licence in content.licences]
    offers = [_offer(licence, purposes, profile) for licence in licences]
    prohibited = _prohibited((term for licence in licences for term in licence), purposes)
    judged: _Offer = {}
    for purpose in purposes:
        if purpose in prohibited:
            judged[purpose] = prohibited[purpose]
            continue
        offered = [offer[purpose] for offer in offers if purpose in offer]
        if offered:  # any licence will do
            judged[purpose] = min(offered, key=lambda said: STRICTNESS[said.say])
    return judged


def _purposes(profile: Profile) -> tuple[Purpose, ...]:
    return (*PURPOSES, Purpose.INFER) if profile.signal_input_is_infer else PURPOSES


def _flaw(content: Content) -> str:
    """Return why a content licenses nothing at all, empty where it may."""
    if content.server:
        return "licence server"  # a token is needed even where the licence is free
    if content.encrypted:
        return "encrypted"
    if not content.licences:
        return "no licence"
    return ""


def _prohibited(terms: Iterable[Term], purposes: Sequence[Purpose]) -> _Offer:
    found: _Offer = {}
    for term in terms:
        if term.kind != PROHIBITS:
            continue
        if term.type in {USAGE, ""}:
            forbidden, note = _forbidden(term)
        else:
            forbidden, note = _EVERYTHING, _restriction(term)
        for purpose in purposes:
            if purpose in forbidden:
                found.setdefault(purpose, _Said(Say.DENY, term.raw, term.line, note))
    return found


def _forbidden(term: Term) -> tuple[frozenset[Purpose], str]:
    """Return what a list of prohibited usages forbids, and the note for it."""
    known = [USAGES[word] for word in term.words if word in USAGES]
    unknown = any(word not in USAGES and _SUGGESTIVE.search(word) for word in term.words)
    # `genai` in a prohibition forbids something, though nobody defined it; so does an empty one.
    if unknown or not term.words:
        return _EVERYTHING, "unknown usage"
    return frozenset[Purpose]().union(*known), "legacy" if term.legacy else ""


def _offer(licence: Sequence[Term], purposes: Sequence[Purpose], profile: Profile) -> _Offer:
    """Return what one licence offers."""
    if not licence:
        return dict.fromkeys(purposes, _Said(Say.DENY, "<license>", 0, "no terms"))
    for term in licence:
        if obstacle := _obstacle(term, profile):
            return dict.fromkeys(purposes, _Said(Say.DENY, term.raw, term.line, obstacle))
    lists = [term for term in licence if term.kind == PERMITS]
    if not lists:
        return {}
    note = (
        "attribution" if any(_ATTRIBUTION in t.words for t in licence if t.kind == PAYMENT) else ""
    )
    granted: _Offer = {}
    for term in lists:
        for purpose in {p for word in term.words for p in USAGES.get(word, ())}:
            own = note or ("legacy" if term.legacy else "")
            granted.setdefault(purpose, _Said(Say.ALLOW, term.raw, term.line, own))
    # Training takes in what it needs: who may train on a work may look at it for that. Without
    # this a permission to train would forbid itself.
    implied = {Purpose.MINE, Purpose.INFER} if TRAINING & granted.keys() else set[Purpose]()
    refused = _Said(Say.DENY, lists[0].raw, lists[0].line, "not permitted")
    return {p: granted.get(p, refused) for p in purposes if p in granted or p not in implied}


def _obstacle(term: Term, profile: Profile) -> str:
    """Return why a term keeps a licence from being ours, empty where it does not."""
    if term.kind == REPORTING:
        return "reporting"
    if term.kind == PERMITS and term.type != USAGE:
        return _restriction(term)
    if term.kind == PAYMENT:
        if not term.words or not {_FREE, _ATTRIBUTION}.issuperset(term.words):
            return " ".join(["payment", *sorted(_PAYMENTS.intersection(term.words))])
        if _ATTRIBUTION in term.words and not profile.rsl_attribution:
            return "attribution"
    return ""


def _reservations(said: Iterable[Signal]) -> tuple[Signal, ...]:
    """Return what stands of a licence that does not name the address: it permits nothing there."""
    return tuple(signal for signal in said if signal.say is not Say.ALLOW)


def _restriction(term: Term) -> str:
    return f"{term.type} restriction" if term.type in _CIRCLES else "restriction"


def _signals(judged: _Offer, channel: Channel) -> tuple[Signal, ...]:
    return tuple(
        Signal(channel, purpose, said.say, excerpt(said.raw), said.line or None, note=said.note)
        for purpose, said in judged.items()
    )
