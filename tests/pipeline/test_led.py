"""Where redirects led counts for a denial, at any hop, and never for a grant."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.urls import canonical_url
from pipeline.judge import judge
from pipeline.led import hops_before, hops_by_row, led, told_hops, with_hops, with_told_hops
from pipeline.redact import redact
from pipeline.screen import denier, grants, screen
from schemas.tables import EVIDENCED, JUDGED, OBSERVED, from_rows
from schemas.verdict import Outcome
from tests.pipeline.test_screen import claims, rows
from tests.pipeline.worlds import POLICY, World

SHORT, MIDDLE, LAST = "http://short.example/x", "http://ada.example/1.jpg", "http://cdn.example/1"


def judged(*ways: tuple[str, ...]) -> pa.Table:
    """Return JUDGED; of each row the addresses that were asked, none where nothing was."""
    told = [
        {
            "uid": f"{n:032x}",
            "hops": list(way[:-1]) if way else None,
            "final_url": way[-1] if way else None,
        }
        for n, way in enumerate(ways)
    ]
    return from_rows(told, JUDGED)


def found(table: pa.Table, way: pa.Table, *listed: dict[str, Any]) -> list[str | None]:
    return list(screen(table, claims(*listed), way)["stop_reason"].to_pylist())


@pytest.mark.parametrize(
    ("claim", "reason", "detail"),
    [
        ({"hosts": ["ada.example"]}, "optout_host", {"host": "ada.example", "redirect": MIDDLE}),
        ({"hosts": ["cdn.example"]}, "optout_host", {"host": "cdn.example", "redirect": LAST}),
        ({"urls": ["https://ada.example/1.jpg"], "level": 0}, "optout_url",
         {"url": "https://ada.example/1.jpg", "redirect": MIDDLE}),
        ({"urls": [LAST], "level": 0}, "optout_url", {"url": LAST, "redirect": LAST}),
        ({"accounts": ["cdn.example/1"]}, "optout_account",
         {"account": "cdn.example/1", "redirect": LAST}),
        ({"hosts": ["short.example"]}, "optout_host", {"host": "short.example"}),
    ],
)  # fmt: skip
def test_a_claim_acts_on_every_address_on_the_way(
    claim: dict[str, Any], reason: str, detail: dict[str, str]
) -> None:
    table, way = rows({"url": SHORT}, {"url": SHORT}), judged((SHORT, MIDDLE, LAST), (SHORT,))
    screened = screen(table, claims({}, claim), way)
    own = reason if "redirect" not in detail else None
    assert screened["stop_reason"].to_pylist() == [reason, own]
    row = screened.to_pylist()[0]
    assert (row["stop_stage"], row["stop_claim"]) == ("screen", "c1")
    assert json.loads(row["stop_detail"]) == detail
    assert redact(table, claims({}, claim), way).rows.equals(screened)


def test_levels_scopes_and_forms_are_those_of_a_rows_own_address() -> None:
    table, way = rows({"url": SHORT}), judged((SHORT, "https://img.ada.example/Mira/1.jpg"))
    assert found(table, way, {"hosts": ["ada.example"], "level": 1}) == [None]
    assert found(table, way, {"hosts": ["ada.example"], "scope": "work"}) == [None]
    assert found(table, way, {"hosts": ["da.example"]}) == [None]
    assert found(table, way, {"hosts": ["ada.example"]}) == ["optout_host"]
    assert found(table, way, {"accounts": ["img.ada.example/mira"]}) == ["optout_account"]


def test_the_row_s_own_address_is_named_before_others_and_else_the_smallest_claim() -> None:
    table, way = rows({"url": SHORT}), judged((SHORT, MIDDLE, LAST))
    ada, cdn, short = ({"hosts": [f"{name}.example"]} for name in ("ada", "cdn", "short"))
    told = screen(table, claims(ada, short), way).to_pylist()[0]
    assert (told["stop_claim"], json.loads(told["stop_detail"])) == (
        "c1",
        {"host": "short.example"},
    )
    assert screen(table, claims(cdn, ada), way)["stop_claim"].to_pylist() == ["c0"]
    assert found(table, way, short, {"urls": [LAST]}) == ["optout_url"]


def test_a_row_that_is_stopped_or_was_never_asked_stays_as_it_is() -> None:
    table = rows({"url": SHORT, "stop_stage": "source", "stop_reason": "malformed"}, {"url": SHORT},
                 {"url": None, "url_key": "given:a.tar#1"})  # fmt: skip
    way = judged((SHORT, MIDDLE), (), ())
    assert screen(table, claims({"hosts": ["ada.example"]}), way).equals(table)
    assert screen(table, claims({"hosts": ["ada.example"]})).equals(table)


def test_rows_are_met_by_uid_and_hops_may_be_unknown() -> None:
    table = rows({"url": LAST}, {"url": SHORT})
    way = judged((LAST,), (SHORT, MIDDLE, LAST)).select(["uid", "final_url"])
    for one in (way, way.take([1, 0]), way.slice(1)):
        assert found(table, one, {"hosts": ["ada.example"]}) == [None, None]
        assert found(table.slice(1), one, {"hosts": ["cdn.example"]}) == ["optout_host"]


def test_a_redirect_grants_nothing() -> None:
    table, way = rows({"url": SHORT}), judged((SHORT, MIDDLE))
    opt_in = claims({"stance": "opt_in", "hosts": ["ada.example"], "urls": [MIDDLE]})
    assert not grants(table, opt_in).num_rows
    assert found(table, way, {"stance": "opt_in", "hosts": ["ada.example"]}) == [None]


URLS = st.sampled_from(
    [SHORT, MIDDLE, LAST, "https://a.example/mira/1", "http://b.a.example/2", "not asked:", ""]
)
WAYS = st.lists(st.lists(URLS, min_size=1, max_size=4).map(tuple), min_size=1, max_size=5)
CLAIMS_GIVEN = st.lists(
    st.fixed_dictionaries(
        {
            "level": st.integers(0, 2),
            "stance": st.sampled_from(["opt_out", "opt_in"]),
            "hosts": st.lists(st.sampled_from(["ada.example", "a.example"]), max_size=2),
            "accounts": st.lists(st.sampled_from(["a.example/mira", "cdn.example/1"]), max_size=1),
            "urls": st.lists(URLS, max_size=2),
        }
    ),
    max_size=4,
)


@given(WAYS, CLAIMS_GIVEN)
def test_neither_a_claim_nor_a_redirect_more_frees_a_row(
    ways: list[tuple[str, ...]], listed: list[dict[str, Any]]
) -> None:
    table, way = rows(*({"url": SHORT} for _ in ways)), judged(*ways)
    after = found(table, way, *listed)
    for fewer in (
        found(table, way, *listed[:-1]),
        list(screen(table, claims(*listed))["stop_reason"].to_pylist()),
    ):
        assert all(now is not None for was, now in zip(fewer, after, strict=True) if was)
    # A row is denied as if each address on its way were a row's own.
    for one, reason in zip(ways, after, strict=True):
        alone = rows(*({"url": url} for url in (SHORT, *one) if url.startswith("http")))
        denied = screen(alone, claims(*listed))["stop_reason"].to_pylist()
        assert (reason is not None) == any(denied)
        denies = denier(claims(*listed))
        asked = [denies(canonical_url(url)) for url in alone["url"].to_pylist()]
        assert asked == [one is not None for one in denied]


def test_the_addresses_of_an_answer_come_from_its_hops() -> None:
    hop = [{"url": url, "status": 302, "documents": []} for url in (SHORT, MIDDLE, LAST)]
    observed = from_rows(
        [
            {"url_key": "1", "hops": hop, "final_url": LAST},
            {"url_key": "2", "hops": hop[:1], "final_url": SHORT},
            {"url_key": "3", "hops": hop[:2], "final_url": LAST},  # where it was not asked any more
            {"url_key": "4", "hops": None},
            {"url_key": "5", "hops": []},
        ],
        OBSERVED,
    )
    told = [[SHORT, MIDDLE], [], [SHORT, MIDDLE], None, []]
    assert hops_before(observed).to_pylist() == told
    assert hops_before(observed.slice(2, 2)).to_pylist() == told[2:4]
    assert hops_before(observed.slice(0, 0)).to_pylist() == []


def test_a_judged_row_says_where_it_led() -> None:
    world = World().row(SHORT).row(LAST)
    world.answer(SHORT, (SHORT, 302, None), (MIDDLE, 302, None), (LAST, 200, None))
    world.answer(SHORT, (SHORT, 302, None), outcome=Outcome.MOVED, final_url=MIDDLE)  # round one
    first, second = world.judged()
    assert (first["hops"], first["final_url"]) == ([SHORT, MIDDLE], LAST)
    assert (second["hops"], second["final_url"]) == (None, None)
    table = rows({"url": SHORT})
    told = led(table, from_rows([first], JUDGED))
    assert told["url"].to_pylist() == [MIDDLE, LAST]
    assert told["host"].to_pylist() == ["ada.example", "cdn.example"]


def test_hops_are_read_back_from_private_evidence_and_from_what_stopped_a_row() -> None:
    world = World().row(SHORT).row(LAST)
    world.answer(SHORT, (SHORT, 302, None), (MIDDLE, 302, None), (LAST, 200, None))
    rows_, facts = world.tables()
    found_ = judge(rows_, facts, POLICY)
    stored = from_rows([{"uid": f"{n:032x}", "final_url": LAST} for n in range(2)], JUDGED)
    table, ada = rows({"url": SHORT}, {"url": LAST}), {"hosts": ["ada.example"]}
    assert found(table, stored, ada) == [None, None]
    told = told_hops(found_.evidence.table())
    again = with_hops(stored, hops_by_row(found_.traced, told))
    assert again.schema.equals(JUDGED, check_metadata=True)
    assert again["hops"].to_pylist() == [[SHORT, MIDDLE, LAST], None]
    assert found(table, again, ada) == ["optout_host", None]
    nothing = told_hops(EVIDENCED.empty_table())
    assert with_hops(stored, hops_by_row(found_.traced, nothing)).equals(stored)

    stopped = screen(table, claims(ada), again)
    told = with_told_hops(stored, stopped["stop_detail"])
    assert told["hops"].to_pylist() == [[MIDDLE], None]
    assert screen(table, claims(ada), told).equals(stopped)
