"""pipeline.recheck: what is said otherwise today, and what that would make of a released row."""

from typing import Any

import pyarrow as pa

from pipeline.fetch import Errand
from pipeline.recheck import CHANGES, Compared, compare
from schemas.verdict import Channel, Outcome, Purpose, Say, Verdict
from tests.pipeline.worlds import OPEN, POLICY, SHUT, URL, World, robots


def row(*signals: tuple[Channel, Say], robots: Say = Say.ALLOW) -> dict[str, Any]:
    """Return a released row of an origin whose robots.txt allowed it to be fetched."""
    said = [(Channel.ROBOTS, Purpose.FETCH, robots)]
    said += [(channel, Purpose.TRAIN_GEN, say) for channel, say in signals]
    recorded = [{"channel": str(c), "purpose": str(p), "verdict": str(s)} for c, p, s in said]
    return {"uid": "a" * 32, "url": URL, "key": URL, "signals": recorded}


def again(
    rows: list[dict[str, Any]],
    body: bytes = OPEN,
    errand: Errand = Errand.HEAD,
    **answered: Any,
) -> Compared:
    world = World().row().answer(URL, (URL, 200, robots(body=body)), **answered)
    _, facts = world.tables()
    found = compare(rows, facts.observed, facts.documents, POLICY, errand)
    assert found.changes.schema.equals(CHANGES)
    return found


def told(found: Compared) -> set[tuple[str, str, str, str]]:
    table: pa.Table = found.changes
    names = ("channel", "before", "now", "verdict")
    return {tuple(r[n] for n in names) for r in table.to_pylist()}


def test_where_the_same_is_said_nothing_changed() -> None:
    found = again([row((Channel.X_ROBOTS, Say.SILENT))])
    assert found.changes.num_rows == 0
    assert (found.rows, found.gone, found.verdicts) == (1, 0, {Verdict.KEEP: 1})


def test_a_ban_of_today_is_a_change_and_drops() -> None:
    found = again([row()], body=SHUT, outcome=Outcome.GATED)
    assert told(found) == {("robots", "ALLOW", "DENY", "drop")}
    assert found.verdicts == {Verdict.DROP: 1}


def test_a_ban_lifted_is_a_change_too() -> None:
    found = again([row((Channel.X_ROBOTS, Say.DENY))])
    assert told(found) == {("x-robots-tag", "DENY", "SILENT", "keep")}


def test_a_ban_that_stood_and_stands_is_none() -> None:
    found = again([row(robots=Say.DENY)], body=SHUT, outcome=Outcome.GATED)
    assert (found.changes.num_rows, found.verdicts) == (0, {Verdict.DROP: 1})


def test_headers_are_compared_only_where_they_were_asked() -> None:
    rows = [row((Channel.X_ROBOTS, Say.DENY))]
    found = again(rows, errand=Errand.ORIGIN)
    assert found.changes.num_rows == 0
    assert found.verdicts == {Verdict.DROP: 1}  # as recorded


def test_what_is_not_read_again_counts_as_recorded() -> None:
    found = again([row((Channel.XMP, Say.DENY))])
    assert found.changes.num_rows == 0
    assert found.verdicts == {Verdict.DROP: 1}


def test_a_host_that_does_not_answer_says_nothing_new() -> None:
    found = again([row((Channel.X_ROBOTS, Say.DENY))], outcome=Outcome.UNREACHABLE)
    assert (found.changes.num_rows, found.rows, found.gone, found.verdicts) == (0, 1, 1, {})


def test_rows_of_one_url_are_each_compared() -> None:
    found = again([row(), row((Channel.X_ROBOTS, Say.DENY))], tag="noai")
    assert (found.rows, found.verdicts) == (2, {Verdict.DROP: 2})
    assert {r["before"] for r in found.changes.to_pylist() if r["channel"] == "x-robots-tag"} == {
        "SILENT"
    }
