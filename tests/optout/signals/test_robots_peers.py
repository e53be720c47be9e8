"""Protego 0.7 as an oracle: equal where the grammar is undisputed, and each disagreement named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.patterns import target
from optout.signals.robots import Rules, parse
from schemas.verdict import Say
from tests.optout.signals.robots_cases import CASES, Case

protego = pytest.importorskip("protego")

DOCS = Path(__file__).parents[3] / "docs" / "signals.md"
ORIGIN = "https://h.example"


def protego_may_ask(body: bytes, path: str, agent: str = "ArtBot") -> bool:
    text = body.decode("utf-8", "replace")
    return bool(protego.Protego.parse(text).can_fetch(ORIGIN + path, agent))


def we_may_ask(body: bytes, path: str, agent: str = "ArtBot") -> bool:
    return Rules(parse(body), agent).answer(target(ORIGIN + path)).say is not Say.DENY


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disagreements_with_protego_are_the_named_ones(case: Case) -> None:
    theirs = protego_may_ask(case.body, case.path, case.agent)
    disagree = theirs != (case.say is not Say.DENY)
    assert disagree == bool(case.why)


def table() -> str:
    """Return the table of disagreements as it stands in docs/signals.md."""
    lines = ["| case | recuse | Protego 0.7.0 | who is right |", "| --- | --- | --- | --- |"]
    for case in CASES:
        if case.why:
            ours = "deny" if case.say is Say.DENY else "ask"
            theirs = "ask" if ours == "deny" else "deny"
            lines.append(f"| {case.name} | {ours} | {theirs} | {case.why} |")
    return "\n".join(lines)


def test_the_docs_hold_the_table_of_disagreements() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")


SEGMENT = st.text(alphabet="abc", min_size=1, max_size=2)
PATH = st.lists(SEGMENT, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
PATTERN = st.tuples(PATH, st.sampled_from(["", "/", "*", "*/c", "*c$"])).map("".join)
RULE = st.tuples(st.sampled_from(["Allow", "Disallow"]), PATTERN).map(": ".join)
GROUP = st.tuples(
    st.sampled_from(["ArtBot", "*", "Other"]), st.lists(RULE, min_size=1, max_size=4)
).map(lambda group: "\n".join([f"User-agent: {group[0]}", *group[1], ""]))


@given(st.lists(GROUP, max_size=4).map("\n".join), PATH)
def test_simple_files_are_read_as_protego_reads_them(text: str, path: str) -> None:
    assert we_may_ask(text.encode(), path) == protego_may_ask(text.encode(), path)
