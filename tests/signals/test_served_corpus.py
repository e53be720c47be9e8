"""Every signal case over HTTP: the real fetcher, the real judge, one row and one assertion each."""

from pathlib import Path

import pytest

from pipeline.standing import VERDICT_OF
from schemas.verdict import Channel, Reason, Verdict
from tests.signals import (
    cases_embedded,
    cases_files,
    cases_headers,
    cases_licences,
    cases_lists,
    cases_pages,
    cases_robots,
    cases_web,
)
from tests.signals.served import Served
from tests.signals.site import Result, run

DOCS = Path(__file__).parents[2] / "docs" / "signal-cases.md"
CASES: list[Served] = [
    case
    for family in (
        cases_robots,
        cases_files,
        cases_pages,
        cases_headers,
        cases_licences,
        cases_embedded,
        cases_lists,
        cases_web,
    )
    for case in family.CASES
]


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return run(CASES)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=case.id,
            marks=[pytest.mark.xfail(strict=True, reason=case.xfail)] if case.xfail else [],
        )
        for case in CASES
    ],
)
def test_a_served_case_ends_as_the_table_says(case: Served, results: dict[str, Result]) -> None:
    row, asked = results[case.id].row, results[case.id].asked
    reason = Reason(row["stop_reason"]) if row["stop_reason"] else None
    verdict = VERDICT_OF[reason] if reason else Verdict.KEEP
    said = {(s["channel"], s["purpose"], s["verdict"]) for s in row["signals"] or ()}

    assert (verdict, reason) == (case.outcome.verdict, case.outcome.reason), row["stop_detail"]
    if case.outcome.said is not None:
        assert tuple(map(str, case.outcome.said)) in said
    if case.asked is not None:
        assert sorted(asked) == sorted(case.asked)
    assert not set(asked) & set(case.unasked)
    if case.unread:
        assert row["sha256"] is None


def test_cases_are_many_and_distinct() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 200
    assert {case.channel for case in CASES} >= {str(channel) for channel in Channel}


def table() -> str:
    """Return the table as it stands in docs/signal-cases.md."""
    lines = [
        "| id | channel | what is served | profile | verdict | reason |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {case.id} | `{case.channel}` | {case.shown} | {case.setting} | {case.outcome.verdict} "
        f"| {case.outcome.reason or ''} |"
        for case in CASES
    ]
    return "\n".join(lines) + "\n"


def test_the_docs_hold_the_table() -> None:
    assert DOCS.read_text(encoding="utf-8").endswith(f"\n\n{table()}")
