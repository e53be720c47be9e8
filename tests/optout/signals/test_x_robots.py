"""optout.signals.x_robots against the facts' vectors, two peers' own functions, and any text."""

import http.client
import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.x_robots import DENIES, HEADER, deny_tokens, read
from schemas.verdict import Purpose, Say
from tests.optout.signals.peers import (
    IMG2DATASET,
    RULES,
    datadiligence_of_headers,
    img2dataset_of_headers,
    img2dataset_token,
    ours,
    peer,
)
from tests.optout.signals.x_robots_cases import CASES, Case

DOCS = Path(__file__).parents[3] / "docs" / "signals.md"
ALL = deny_tokens(index_tokens=True, noml=True)


def headers(*lines: str) -> list[tuple[str, str]]:
    return [("Content-Type", "image/png"), *(("X-Robots-Tag", line) for line in lines)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_header_says_what_the_table_says(case: Case) -> None:
    signals = read(headers(*case.lines), case.agent, ALL)
    assert {s.say for s in signals} == ({Say.DENY} if case.say is Say.DENY else set())
    assert {s.note for s in signals} == ({case.note} if case.say is Say.DENY else set())


def test_a_denial_names_both_trainings_the_text_and_the_header() -> None:
    signals = read(headers("index", "nofollow, ArtBot: NoAI"), "ArtBot", ALL)
    assert [s.purpose for s in signals] == [Purpose.TRAIN_GEN, Purpose.TRAIN_DISC] == list(DENIES)
    assert {(s.raw, s.line, s.place) for s in signals} == {("ArtBot: NoAI", 2, HEADER)}


@pytest.mark.parametrize(
    ("token", "index_tokens", "noml", "denies"),
    [
        ("noindex", False, True, False),
        ("noimageindex", False, True, False),
        ("none", False, True, False),
        ("noai", False, False, True),
        ("noml", True, False, False),
        ("noml", False, True, True),
    ],
)
def test_tokens_can_be_switched(token: str, index_tokens: bool, noml: bool, denies: bool) -> None:
    tokens = deny_tokens(index_tokens=index_tokens, noml=noml)
    assert bool(read(headers(token), "ArtBot", tokens)) is denies


def test_other_headers_are_not_read() -> None:
    assert read([("X-Robots", "noai"), ("Robots", "noai")], "ArtBot", ALL) == ()


@given(st.lists(st.tuples(st.sampled_from([HEADER, "X-ROBOTS-TAG ", "y"]), st.text())))
def test_any_text_is_answered(pairs: list[tuple[str, str]]) -> None:
    assert all(len(s.raw.encode()) <= 512 for s in read(pairs, "ArtBot", ALL))


WORD = st.sampled_from(["index", "nofollow", "max-snippet: 3", "otherbot: all", "none", ": :", "="])


@given(st.lists(st.lists(WORD, max_size=4).map(", ".join), max_size=3))
def test_one_more_refusal_always_denies(lines: list[str]) -> None:
    assert read(headers(*lines, "noai"), "ArtBot", ALL)
    assert read(headers(*[f"noai, {line}" for line in lines], "noai"), "ArtBot", ALL)


@given(st.lists(st.sampled_from(["noai", "noimageai", "nofollow", "all"]), min_size=1))
def test_what_is_rendered_is_parsed(words: list[str]) -> None:
    denied = bool({"noai", "noimageai"} & set(words))
    assert bool(read(headers(", ".join(words)), "ArtBot", ALL)) is denied


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disagreements_with_img2dataset_are_the_named_ones(case: Case) -> None:
    theirs = img2dataset_of_headers(case.lines, case.agent)
    assert (theirs != ours(case.say)) == bool(case.why)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disagreements_with_datadiligence_are_the_named_ones(case: Case) -> None:
    theirs = datadiligence_of_headers("X-Robots-Tag", case.lines, case.agent)
    assert (theirs != ours(case.say)) == bool(case.datadiligence)


def test_datadiligence_honours_search_tokens_only_where_it_is_told_to() -> None:
    rules = peer(RULES)
    for token in ("noindex", "noimageindex", "none"):
        headers = {"X-Robots-Tag": token}  # in lower case: it knows no other
        assert rules.XRobotsTagHeader("ArtBot").is_allowed(headers=headers)
        told = rules.XRobotsTagHeader("ArtBot", respect_noindex=True)
        assert not told.is_allowed(headers=headers)


def test_img2dataset_keeps_our_token_in_lower_case() -> None:
    settings = dict.fromkeys(inspect.signature(peer(IMG2DATASET).Downloader).parameters)
    settings |= {"number_sample_per_shard": 1, "user_agent_token": " ArtBot "}
    assert peer(IMG2DATASET).Downloader(**settings).user_agent_token == img2dataset_token("ArtBot ")


def test_datadiligence_sees_the_first_line_of_a_message_only() -> None:
    message = http.client.HTTPMessage()
    message["X-Robots-Tag"], message["x-robots-tag"] = "index", "noai"
    assert peer(RULES).XRobotsTagHeader("ArtBot").is_allowed(headers=message)
    assert datadiligence_of_headers("X-Robots-Tag", ("index", "noai")) == "deny"


@pytest.mark.parametrize("name", ["XRobotsTagHeader", "TDMRepHeader"])
def test_datadiligence_raises_for_a_response_without_headers(name: str) -> None:
    with pytest.raises(Exception, match="must be provided with"):
        getattr(peer(RULES), name)().is_allowed(headers={})


def table() -> str:
    """Return the table of disagreements as it stands in docs/signals.md."""
    lines = ["| case | header | recuse | img2dataset 1.47 | datadiligence 0.1.7 | who is right |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        if case.why or case.datadiligence:
            shown = "<br>".join(f"`{line}`" for line in case.lines)
            says = [
                ours(case.say),
                img2dataset_of_headers(case.lines, case.agent),
                datadiligence_of_headers("X-Robots-Tag", case.lines, case.agent),
            ]
            reasons = "<br>".join(dict.fromkeys(filter(None, (case.why, case.datadiligence))))
            lines.append(f"| {case.name} | {shown} | {' | '.join(says)} | {reasons} |")
    return "\n".join(lines)


def test_the_docs_hold_the_table_of_disagreements() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
