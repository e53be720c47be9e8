"""optout.signals.content_signal against the facts' vectors and any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.content_signal import HEADER, read, read_header
from optout.signals.profiles import PROFILES, Profile
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.content_signal_cases import CASES, Case, Says

DEFAULT, STRICT = PROFILES["default"], PROFILES["strict"]


def says(value: str, profile: Profile) -> Says:
    return {p.purpose: p.say for p in read(value, profile)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_value_says_what_the_table_says(case: Case) -> None:
    assert says(case.value, DEFAULT) == case.default
    assert says(case.value, STRICT) == (case.default if case.strict is None else case.strict)
    notes = [p.note for p in read(case.value, DEFAULT) if p.purpose is Purpose.TRAIN_GEN]
    assert notes in ([], [case.note])


def test_the_header_line_that_decided_is_named() -> None:
    lines = [(1, "ai-train=no"), (4, "ai-train=yes")]
    signals = read_header(lines, DEFAULT)
    assert {(s.channel, s.say, s.raw, s.line, s.place) for s in signals} == {
        (Channel.CONTENT_SIGNAL, Say.DENY, "ai-train=no", 1, HEADER)
    }
    assert {s.purpose for s in signals} == {Purpose.TRAIN_GEN, Purpose.TRAIN_DISC}


def test_header_lines_are_one_list() -> None:
    lines = [(0, "use=reference"), (1, "ai-train=yes")]
    assert {(s.say, s.line) for s in read_header(lines, DEFAULT)} == {(Say.ALLOW, 1)}
    assert read_header([], DEFAULT) == ()


WORDS = ["ai-train", "=", "yes", "no", ",", " ", "use", "reference", "/", "train-ai", "n", "search"]
TEXT = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS)).map("".join))


@given(TEXT, st.sampled_from(list(PROFILES.values())))
def test_any_text_is_answered(value: str, profile: Profile) -> None:
    assert Say.SILENT not in says(value, profile).values()


@given(TEXT)
def test_one_more_refusal_always_denies(text: str) -> None:
    assert says(f"{text}, ai-train=no", DEFAULT)[Purpose.TRAIN_GEN] is Say.DENY
    assert says(f"ai-train=no, {text}", DEFAULT)[Purpose.TRAIN_GEN] is Say.DENY


PAIRS = st.dictionaries(st.sampled_from(["ai-train", "ai-input", "search"]), st.booleans())


@given(PAIRS)
def test_what_is_rendered_is_parsed(pairs: dict[str, bool]) -> None:
    rendered = ", ".join(f"{key}={'yes' if value else 'no'}" for key, value in pairs.items())
    expected = {True: Say.ALLOW, False: Say.DENY, None: None}[pairs.get("ai-train")]
    assert says(rendered, DEFAULT).get(Purpose.TRAIN_DISC) is expected
    denied = pairs.get("ai-input") is False
    assert (Purpose.INFER in says(rendered, STRICT)) is denied
