"""pipeline.sift: what a page or a list denies, or cannot say, is not asked."""

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES, Mode
from pipeline.judge import judge
from pipeline.sift import sift
from schemas.errors import SchemaError
from schemas.tables import ROWS, STOP
from schemas.verdict import Channel, Outcome, Purpose, Reason
from tests.pipeline.worlds import ASKED, POLICY, URL, World, robots

PAGE = "https://h.example/p"
PLAIN = '{"metas": [], "licenses": [], "rsl": [], "headers": [], "truncated": false}'
NOAI = PLAIN.replace('"metas": []', '"metas": [["robots", "noai"]]')
STOPS = [f.name for f in STOP]
LISTED = SignalPolicy("ArtBot", lists=frozenset({Channel.SPAWNING}))


def listed(world: World, entry: dict[str, Any] | None, url: str = URL) -> World:
    body = json.dumps({"kind": "list", "list": "spawning", "answer": entry}).encode()
    world.listed.append({"url_key": url, "channel": "spawning", "at": ASKED, "body": body})
    return world


def sifted(world: World, policy: SignalPolicy = POLICY) -> list[dict[str, Any]]:
    table, facts = world.tables()
    before = pa.table(table.columns, schema=table.schema)
    found = sift(table, facts, policy)
    assert found.schema.equals(ROWS, check_metadata=True)
    found.validate(full=True)
    assert table.equals(before)
    kept = [name for name in ROWS.names if name not in STOPS]
    assert found.select(kept).equals(table.sort_by("uid").select(kept))
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def one(world: World, policy: SignalPolicy = POLICY) -> str | None:
    (row,) = sifted(world, policy)
    reason: str | None = row["stop_reason"]
    assert (row["stop_stage"] is None) is (reason is None)
    assert (row["stop_detail"] is None) is (reason is None)
    return reason


def test_where_nothing_was_asked_rows_come_back_as_they_were() -> None:
    world = World().row(uid="b").row(uid="a").row(uid="c", stop_reason="optout_host")
    assert [(row["uid"], row["stop_reason"]) for row in sifted(world)] == [
        ("a", None),
        ("b", None),
        ("c", "optout_host"),
    ]
    assert sifted(World()) == []


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ({"page_tags": PLAIN}, None),
        ({"page_tags": NOAI}, Reason.SIGNAL_PAGE),
        ({"outcome": "status", "http_status": 410}, None),
        ({"outcome": "status", "http_status": 500}, Reason.SIGNAL_ERROR),
        ({"outcome": "unreachable", "http_status": None}, Reason.SIGNAL_ERROR),
        ({"outcome": "gated"}, Reason.SIGNAL_ERROR),
    ],
)
def test_a_page_that_denies_or_cannot_be_read_keeps_its_image_from_being_asked(
    page: dict[str, Any], reason: Reason | None
) -> None:
    assert one(World().row().page(PAGE, **page)) == reason


def test_a_page_that_came_with_the_source_counts_without_any_answer() -> None:
    for tags, reason in ((PLAIN, None), (NOAI, Reason.SIGNAL_PAGE)):
        world = World().row()
        world.rows[0] |= {"page_key": PAGE, "page_tags": tags}
        assert one(world) == reason


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"optOut": False}, None),
        ({"optOut": True}, Reason.SIGNAL_LIST),
        (None, Reason.SIGNAL_ERROR),
    ],
)
def test_a_list_that_denies_or_cannot_say_keeps_an_address_from_being_asked(
    entry: dict[str, Any] | None, reason: Reason | None
) -> None:
    assert one(listed(World().row(), entry), LISTED) == reason


def test_a_list_that_did_not_answer_yet_stops_nothing() -> None:
    assert one(World().row().page(PAGE, page_tags=PLAIN), LISTED) is None


def test_what_a_profile_or_a_purpose_lets_pass_is_asked() -> None:
    world = World().row().page(PAGE, page_tags=NOAI)
    pages = (Channel.PAGE_ROBOTS, Channel.PAGE_TDM, Channel.PAGE_LICENSE)
    modes = {**POLICY.profile.channels, **dict.fromkeys(pages, Mode.OFF)}
    profile = replace(PROFILES["default"], channels=modes)
    assert one(world, SignalPolicy("ArtBot", profile=profile)) is None
    assert one(world, SignalPolicy("ArtBot", Purpose.MINE)) is None
    unread = World().row().page(PAGE, outcome="too_slow")
    assert one(unread, SignalPolicy("ArtBot", profile=profile)) is None


def test_each_row_has_its_own_stop_and_earlier_stops_stay() -> None:
    stop = {"stop_stage": "screen", "stop_reason": "optout_host", "stop_claim": "c"}
    world = World().row("https://h.example/1", uid="d").page(PAGE, page_tags=NOAI)
    world.row("https://h.example/2", uid="c").page(f"{PAGE}2", page_tags=PLAIN)
    world.row("https://h.example/3", uid="b")
    world.row("https://h.example/4", uid="a", **stop, stop_detail="{}").page(PAGE, page_tags=NOAI)
    rows = sifted(listed(world, {"optOut": True}, "https://h.example/3"))
    assert [(row["uid"], row["stop_reason"]) for row in rows] == [
        ("a", Reason.OPTOUT_HOST),
        ("b", Reason.SIGNAL_LIST),
        ("c", None),
        ("d", Reason.SIGNAL_PAGE),
    ]
    assert {name: rows[0][name] for name in stop} == stop


def test_the_judge_comes_to_the_same_stop_from_the_same_facts() -> None:
    world = World().row(uid="a").page(PAGE, page_tags=NOAI).row("https://h.example/2", uid="b")
    world.answer("https://h.example/2", ("https://h.example/2", 200, robots()), outcome=Outcome.OK)
    table, facts = world.tables()
    before = replace(facts, observed=facts.observed.slice(0, 0))
    stopped = sift(table, before, POLICY)
    judged = judge(table, facts, POLICY).table
    assert stopped["stop_reason"].to_pylist() == [Reason.SIGNAL_PAGE, None]
    assert judged["stop_reason"].to_pylist() == [Reason.SIGNAL_PAGE, None]
    assert stopped["stop_detail"].to_pylist() == judged["stop_detail"].to_pylist()


def test_another_table_is_refused() -> None:
    with pytest.raises(SchemaError):
        sift(pa.table({"uid": ["a"]}), World().tables()[1], POLICY)
