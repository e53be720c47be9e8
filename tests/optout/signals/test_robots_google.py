"""Google's parser as an oracle: equal where the grammar is undisputed, each disagreement named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.patterns import target
from optout.signals.robots import Rules, parse
from schemas.verdict import Say
from tests.optout.signals.robots_cases import CASES, Case

googlebot = pytest.importorskip("jwm.robotstxt.googlebot")

DOCS = Path(__file__).parents[3] / "docs" / "signals.md"
ORIGIN = "https://h.example"


def google_may_ask(body: bytes, path: str, agent: str = "ArtBot") -> bool:
    text = body.decode("utf-8", "replace")
    matcher = googlebot.RobotsMatcher()
    return bool(matcher.OneAgentAllowedByRobots(text, agent, ORIGIN + path))


def we_may_ask(body: bytes, path: str, agent: str = "ArtBot") -> bool:
    return Rules(parse(body), agent).answer(target(ORIGIN + path)).say is not Say.DENY


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disagreements_with_google_are_the_named_ones(case: Case) -> None:
    theirs = google_may_ask(case.body, case.path, case.agent)
    disagree = theirs != (case.say is not Say.DENY)
    assert disagree == bool(case.google)


def table() -> str:
    """Return the table of disagreements as it stands in docs/signals.md."""
    lines = ["| case | recuse | Google's parser | who is right |", "| --- | --- | --- | --- |"]
    for case in CASES:
        if case.google:
            ours = "deny" if case.say is Say.DENY else "ask"
            theirs = "ask" if ours == "deny" else "deny"
            lines.append(f"| {case.name} | {ours} | {theirs} | {case.google} |")
    return "\n".join(lines)


def test_the_docs_hold_the_table_of_disagreements() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")


SEGMENT = st.text(alphabet="abc", min_size=1, max_size=2)
PATH = st.lists(SEGMENT, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
PATTERN = st.tuples(PATH, st.sampled_from(["", "/", "*", "*/c", "*c$", "$"])).map("".join)
LINE = st.one_of(
    st.tuples(st.sampled_from(["Allow", "Disallow", "disalow"]), PATTERN).map(": ".join),
    st.sampled_from(["Content-Usage: train-ai=n", "Sitemap: https://h/s", "", "# Disallow: /"]),
)
AGENT = st.sampled_from(["ArtBot", "*", "Other", "Art", "ArtBot/1.0"]).map("User-agent: ".__add__)
FILE = st.lists(st.one_of(AGENT, LINE), max_size=12).map("\n".join)


@given(FILE, PATH)
def test_files_are_read_as_google_reads_them(text: str, path: str) -> None:
    assert we_may_ask(text.encode(), path) == google_may_ask(text.encode(), path)
