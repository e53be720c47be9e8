"""What the training-mining assertions of a C2PA manifest forbid and grant.

    entry (any prefix)       notAllowed, constrained        allowed
    data_mining              mine, train-disc, train-gen    mine
    ai_inference             infer                          infer
    ai_training              train-disc                     train-disc
    ai_generative_training   train-gen                      train-gen

The active manifest speaks first. About a purpose that it grants, its parents are not asked; about
any other purpose, what a parent forbids holds on: an edit that says nothing lifts nothing. What
went into an image as a component binds that component; it stays in the facts and is no signal.
A damaged or forged signature cannot create a permission, and cannot take back a reservation.
Source: CAWG training and data mining assertion 1.1; C2PA 1.4 section 19.23; facts section 9.
"""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from optout.signals.c2pa_manifest import ACTIVE, PARENT, SOUND, C2paFacts
from optout.signals.combine import STRICTNESS
from optout.signals.signal import Signal, excerpt
from schemas.verdict import Channel, Purpose, Say

MINE, INFER = Purpose.MINE, Purpose.INFER
TRAIN_DISC, TRAIN_GEN = Purpose.TRAIN_DISC, Purpose.TRAIN_GEN

DENIES: Mapping[str, tuple[Purpose, ...]] = MappingProxyType(
    {
        "data_mining": (MINE, TRAIN_DISC, TRAIN_GEN),
        "ai_inference": (INFER,),
        "ai_training": (TRAIN_DISC,),
        "ai_generative_training": (TRAIN_GEN,),
    }
)
"""What an entry forbids; it grants the first of it alone."""
SPEAKS_OF = (MINE, INFER, TRAIN_DISC, TRAIN_GEN)
"""What a manifest can forbid, and what nobody knows where it cannot be read."""

_ENTRIES = "entries"
_INFORMATION = ("constraint_info", "constraints_info")  # the schema's name, and the prose's


class Statement(NamedTuple):
    """What one entry says about one purpose."""

    purpose: Purpose
    say: Say
    raw: str
    note: str = ""


def of_facts(facts: C2paFacts | None) -> tuple[Signal, ...]:
    """Return the strictest that a manifest says about each purpose; nothing where it is silent.

    ERROR for all that a manifest can forbid where one is there and could not be read, or only its
    address is (note `remote-manifest`).
    """
    if facts is None:
        return ()
    said: dict[Purpose, Statement] = {}
    for statement in _of_relation(facts, ACTIVE):
        if statement.say is not Say.ALLOW or facts.state in SOUND:
            _add(said, statement)
    granted = {purpose for purpose, statement in said.items() if statement.say is Say.ALLOW}
    for statement in _of_relation(facts, PARENT):
        if statement.say is not Say.ALLOW and statement.purpose not in granted:
            _add(said, statement._replace(note="inherited"))
    for statement in _unread(facts):
        _add(said, statement)
    return tuple(
        Signal(Channel.C2PA, s.purpose, s.say, excerpt(s.raw), note=s.note)
        for s in (said[purpose] for purpose in Purpose if purpose in said)
    )


def _add(said: dict[Purpose, Statement], statement: Statement) -> None:
    """Keep the stricter of two statements, the earlier of two alike."""
    held = said.get(statement.purpose)
    if held is None or STRICTNESS[statement.say] > STRICTNESS[held.say]:
        said[statement.purpose] = statement


def _unread(facts: C2paFacts) -> Iterator[Statement]:
    """Yield that nobody knows, where not all of a manifest could be read."""
    if facts.remote is not None:
        raw, note = facts.remote, "remote-manifest"
    elif facts.fault is not None:
        raw, note = "", excerpt(f"fault {facts.fault}")  # recorded facts may hold any text
    else:
        return
    yield from (Statement(purpose, Say.ERROR, raw, note) for purpose in SPEAKS_OF)


def _of_relation(facts: C2paFacts, relation: str) -> Iterator[Statement]:
    for assertion in facts.assertions:
        if assertion.relation == relation:
            yield from _statements(assertion.data)


def _statements(text: str) -> Iterator[Statement]:
    """Yield what the entries of an assertion say, those of CAWG 1.0's flat maps too."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    entries = data.get(_ENTRIES, {}) if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        yield from (Statement(p, Say.ERROR, text, "malformed") for p in SPEAKS_OF)
        entries = {}
    flat = data if isinstance(data, dict) else {}
    for key, value in (*entries.items(), *flat.items()):
        denied = DENIES.get(key.rpartition(".")[2])
        if denied is not None:
            yield from _of_entry(key, value, denied)


def _of_entry(key: str, value: Any, denied: tuple[Purpose, ...]) -> Iterator[Statement]:
    use = value.get("use") if isinstance(value, dict) else value
    raw = f"{key}: {use}" if isinstance(use, str) else key
    if use == "allowed":
        # A grant in another form than the schema's is neither a grant nor a refusal.
        proper = isinstance(value, dict)
        note = "" if proper else "nonconforming"
        yield Statement(denied[0], Say.ALLOW if proper else Say.ERROR, raw, note)
    elif use == "notAllowed":
        yield from (Statement(p, Say.DENY, raw) for p in denied)
    elif use == "constrained":
        # Without more information it SHALL be treated as notAllowed; nobody here reads prose.
        told = [value[k] for k in _INFORMATION if isinstance(value, dict) and k in value]
        raw = f"{raw} ({told[0]})" if told and isinstance(told[0], str) else raw
        yield from (Statement(p, Say.DENY, raw, "constrained") for p in denied)
    else:
        yield from (Statement(p, Say.DENY, raw, "nonconforming") for p in denied)
