"""The tdm-reservation header as datadiligence reads it: each disagreement is named."""

from pathlib import Path

import pytest

from tests.optout.signals.peers import datadiligence_of_headers, ours
from tests.optout.signals.tdmrep_cases import HEADERS, HeaderCase

DOCS = Path(__file__).parents[3] / "docs" / "signals.md"
NAME = "tdm-reservation"
CASES = [case for case in HEADERS if case.profile == "default"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disagreements_with_datadiligence_are_the_named_ones(case: HeaderCase) -> None:
    theirs = datadiligence_of_headers(NAME, case.values)
    assert (theirs != ours(case.say)) == bool(case.datadiligence)


def table() -> str:
    """Return the table of disagreements as it stands in docs/signals.md."""
    lines = ["| case | header | recuse | datadiligence 0.1.7 | who is right |", "| --- " * 5 + "|"]
    for case in CASES:
        if case.datadiligence:
            shown = "<br>".join(f"`{value}`" for value in case.values) or "none"
            shown = shown.replace("``", "empty")
            theirs = datadiligence_of_headers(NAME, case.values)
            says = f"{ours(case.say)} | {theirs}"
            lines.append(f"| {case.name} | {shown} | {says} | {case.datadiligence} |")
    return "\n".join(lines)


def test_the_docs_hold_the_table_of_disagreements() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
