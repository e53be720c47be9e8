"""optout.signals.c2pa against the facts' vectors, files of others, and any facts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals import c2pa_manifest
from optout.signals.c2pa import DENIES, of_facts
from optout.signals.c2pa_manifest import ACTIVE, RELATIONS, STATES, Assertion, C2paFacts
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.c2pa_cases import CASES, CAWG, PUBLIC, Case, one, uses

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "c2pa"


def says(facts: C2paFacts | None) -> dict[Purpose, Say]:
    signals = of_facts(facts)
    assert len({s.purpose for s in signals}) == len(signals)
    assert {s.channel for s in signals} <= {Channel.C2PA}
    return {s.purpose: s.say for s in signals}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_manifest_says_what_the_table_says(case: Case) -> None:
    assert says(case.facts()) == case.says
    if case.note:
        assert {s.note for s in of_facts(case.facts())} == {case.note}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_recorded_facts_say_the_same(case: Case) -> None:
    facts = case.facts()
    assert of_facts(C2paFacts.from_json(facts.as_json())) == of_facts(facts)


@pytest.mark.parametrize("vector", PUBLIC)
def test_files_of_others_say_what_they_are_known_to_say(vector: str) -> None:
    path = VECTORS / vector.split(" ", 1)[1]
    if not path.exists():
        pytest.skip(f"no public vectors in {VECTORS}")
    assert says(c2pa_manifest.read(path.read_bytes())) == PUBLIC[vector]


def test_no_manifest_says_nothing() -> None:
    assert of_facts(None) == ()


def test_a_denial_shows_entry_use_and_condition() -> None:
    entry = {"use": "constrained", "constraints_info": "ask me"}
    case = one("x", {"entries": {"cawg.ai_training": entry}}, {})
    (signal,) = of_facts(case.facts())
    assert signal.raw == "cawg.ai_training: constrained (ask me)"
    assert (signal.line, signal.place, signal.evidence) == (None, "", None)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.sampled_from(["allowed", "notAllowed", "constrained"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["entries", "use", "constraint_info", *DENIES, "cawg.ai_training"]),
            inner,
        )
    ),
    max_leaves=12,
)
ASSERTIONS = st.builds(
    Assertion,
    st.just("urn:x"),
    st.sampled_from(sorted(RELATIONS)),
    st.just(CAWG),
    st.text() | VALUES.map(lambda value: one("x", value, {}).facts().assertions[0].data),
)
FACTS = st.builds(
    C2paFacts,
    st.sampled_from(sorted(STATES)),
    st.lists(ASSERTIONS, max_size=4).map(tuple),
    st.none() | st.text(),
    st.none() | st.text(),
)


@given(FACTS)
def test_any_facts_are_answered_and_recorded(facts: C2paFacts) -> None:
    assert all(len(s.raw.encode()) <= 512 for s in of_facts(facts))
    assert says(C2paFacts.from_json(facts.as_json())) == says(facts)


@given(FACTS, st.sampled_from(sorted(DENIES)), st.sampled_from(["notAllowed", "constrained", "?"]))
def test_one_more_refusal_denies_and_takes_no_denial_back(
    facts: C2paFacts, entry: str, use: str
) -> None:
    denied = {purpose for purpose, say in says(facts).items() if say is Say.DENY}
    data = one("x", uses(**{entry: use}), {}).facts().assertions[0].data
    more = replace(facts, assertions=(*facts.assertions, Assertion("urn:y", ACTIVE, CAWG, data)))
    now = {purpose for purpose, say in says(more).items() if say is Say.DENY}
    assert denied | set(DENIES[entry]) <= now


@given(FACTS)
def test_nothing_is_granted_without_a_valid_signature(facts: C2paFacts) -> None:
    granted: Any = {
        p for p, say in says(replace(facts, state="Invalid")).items() if say is Say.ALLOW
    }
    assert not granted
