"""optout.signals.content_usage against the facts' vectors and any text."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.content_usage import HEADER, preferences, read_header
from optout.signals.profiles import PROFILES, Profile
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.content_usage_cases import CASES, Case, Says

DEFAULT, STRICT = PROFILES["default"], PROFILES["strict"]
LITERAL = PROFILES["rfc-literal"]


def says(value: str, profile: Profile) -> Says:
    return {p.purpose: p.say for p in preferences(value, profile)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_value_says_what_the_table_says(case: Case) -> None:
    assert says(case.value, DEFAULT) == says(case.value, LITERAL) == case.default
    assert says(case.value, STRICT) == (case.default if case.strict is None else case.strict)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_preference_carries_its_note(case: Case) -> None:
    notes = [p.note for p in preferences(case.value, STRICT) if p.purpose is Purpose.TRAIN_GEN]
    assert notes in ([], [case.note])


def test_only_the_labels_of_a_draft_can_be_switched() -> None:
    profile = replace(DEFAULT, aipref_legacy=True)
    assert says("tdm=n", profile)[Purpose.MINE] is Say.DENY
    assert says("train-ai=N", profile) == {}


def test_header_lines_are_joined_and_the_line_is_named() -> None:
    lines = [(2, "search=y"), (5, ""), (7, "train-ai=n"), (8, "x=1")]
    (signal,) = read_header(lines, DEFAULT)
    assert (signal.channel, signal.purpose, signal.say) == (
        Channel.CONTENT_USAGE,
        Purpose.TRAIN_GEN,
        Say.DENY,
    )
    assert (signal.raw, signal.line, signal.place) == ("train-ai=n", 7, HEADER)


def test_the_last_line_counts_and_a_strict_reader_doubts_it() -> None:
    lines = [(0, "train-ai=n"), (1, "train-ai=y")]
    assert [s.say for s in read_header(lines, DEFAULT)] == [Say.ALLOW]
    assert {(s.say, s.line) for s in read_header(lines, STRICT)} == {(Say.ERROR, 0)}


def test_no_lines_say_nothing() -> None:
    assert read_header([], STRICT) == read_header([(0, " ")], STRICT) == ()


WORDS = ["train-ai", "=", "n", "y", ",", ";", " ", '"', "?0", "(", ")", "search", "ai-train", "no"]
TEXT = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS)).map("".join))


@given(TEXT, st.sampled_from(list(PROFILES.values())))
def test_any_text_is_answered(value: str, profile: Profile) -> None:
    assert Say.SILENT not in says(value, profile).values()
    assert all(len(s.raw.encode()) <= 512 for s in read_header([(0, value)], profile))


VALUES = st.dictionaries(
    st.sampled_from(["train-ai", "search", "ai-use", "all", "tdm", "x"]), st.sampled_from("yn")
)


@given(VALUES)
def test_what_is_rendered_is_parsed(values: dict[str, str]) -> None:
    rendered = ", ".join(f"{label}={value}" for label, value in values.items())
    expected = {"n": Say.DENY, "y": Say.ALLOW, None: None}[values.get("train-ai")]
    assert says(rendered, DEFAULT).get(Purpose.TRAIN_GEN) is expected


@given(TEXT)
def test_a_refusal_beside_anything_is_never_silence_to_a_strict_reader(text: str) -> None:
    said = says(f"train-ai=n, {text}", STRICT)
    assert said[Purpose.TRAIN_GEN] in {Say.DENY, Say.ERROR}


@given(VALUES)
def test_one_more_refusal_always_denies(values: dict[str, str]) -> None:
    pairs = [f"{label}={value}" for label, value in values.items()]
    assert says(", ".join([*pairs, "train-ai=n"]), DEFAULT)[Purpose.TRAIN_GEN] is Say.DENY


@pytest.mark.parametrize(
    "text", ["train-ai" + " " * 200_000, "a" * 400_000, "a=" * 200_000, "((" * 99_999]
)
def test_hostile_values_stay_fast(text: str) -> None:
    assert preferences(text, STRICT) == ()
