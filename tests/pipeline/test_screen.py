import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.urls import host_of
from pipeline.screen import count_stops, grants, screen
from schemas.errors import SchemaError
from schemas.tables import CLAIMS, GRANTS, ROWS, from_rows


def rows(*given_rows: dict[str, Any]) -> pa.Table:
    full = []
    for i, row in enumerate(given_rows):
        key = row.get("url_key", row.get("url"))
        host = host_of(key) if key and not key.startswith("given:") else row.get("host")
        full.append({"uid": f"{i:032x}", "row": i, **row, "url_key": key, "host": host})
    return from_rows(full, ROWS)


def claims(*given_claims: dict[str, Any], trusted: bool = False) -> pa.Table:
    full = [
        {
            "claim_id": f"c{i}",
            "scope": "artist",
            "stance": "opt_out",
            "level": 2,
            "names": [],
            "hosts": [],
            "urls": [],
            "trusted": trusted,
            **claim,
        }
        for i, claim in enumerate(given_claims)
    ]
    return from_rows(full, CLAIMS)


def stops(table: pa.Table, listed: pa.Table) -> list[str | None]:
    return list(screen(table, listed)["stop_reason"].to_pylist())


def test_listed_url_is_stopped_under_both_schemes() -> None:
    table = rows(
        {"url": "https://a.example/1"},
        {"url": "http://a.example/1"},
        {"url": "https://a.example/10"},
        {"url": "https://a.example:8443/1"},
    )
    listed = claims({"urls": ["HTTPS://A.example/x/../1", "not a url"], "level": 0})
    assert stops(table, listed) == ["optout_url", "optout_url", None, None]


def test_stop_says_stage_claim_and_key() -> None:
    table = screen(
        rows({"url": "http://img.mira.example/1", "caption": "x"}),
        claims({}, {"hosts": ["mira.example"]}),
    )
    row = table.to_pylist()[0]
    assert (row["stop_stage"], row["stop_reason"], row["stop_claim"]) == (
        "screen",
        "optout_host",
        "c1",
    )
    assert json.loads(row["stop_detail"]) == {"host": "mira.example"}


def test_host_covers_itself_and_below_at_a_dot() -> None:
    table = rows(
        {"url": "http://mira.example/"},
        {"url": "http://a.b.mira.example:81/"},
        {"url": "http://notmira.example/"},
        {"url": "http://example/"},
        {"url": "http://10.0.0.1/"},
        {"url": "http://1.0.0.10/"},
    )
    listed = claims({"hosts": ["mira.example", "10.0.0.1", "0.0.10"]})
    assert stops(table, listed) == ["optout_host", "optout_host", None, None, "optout_host", None]


def test_name_in_a_caption_is_stopped() -> None:
    table = rows(
        {"url": "http://a.example/1", "caption": "by MIRA_VENN's hand"},
        {"url": "http://a.example/2", "caption": "admira venn"},
        {"url": "http://a.example/3", "caption": None},
    )
    screened = screen(table, claims({"names": ["Mira Venn"]}))
    assert screened["stop_reason"].to_pylist() == ["optout_name", None, None]
    assert json.loads(screened["stop_detail"][0].as_py()) == {"name": "Mira Venn", "form": "by"}


@pytest.mark.parametrize(
    ("level", "trusted", "acting"),
    [(0, False, False), (1, False, False), (2, False, True), (0, True, True)],
)
def test_names_and_hosts_wait_for_proof_of_control(level: int, trusted: bool, acting: bool) -> None:
    table = rows(
        {"url": "http://a.example/1", "caption": "mira venn"},
        {"url": "http://mira.example/", "caption": "x"},
    )
    listed = claims(
        {"names": ["Mira Venn"], "hosts": ["mira.example"], "level": level}, trusted=trusted
    )
    expected = ["optout_name", "optout_host"] if acting else [None, None]
    assert stops(table, listed) == expected


def test_claim_on_works_means_no_name_and_no_host() -> None:
    table = rows({"url": "http://mira.example/", "caption": "mira venn"})
    full = {"names": ["Mira Venn"], "hosts": ["mira.example"]}
    assert stops(table, claims({**full, "scope": "work"})) == [None]
    assert stops(table, claims({**full, "scope": "domain"})) == ["optout_host"]
    assert stops(table, claims({"names": ["Mira Venn"], "scope": "style"})) == ["optout_name"]


def test_stopped_rows_and_grants_change_nothing() -> None:
    table = rows(
        {"url": "http://mira.example/", "stop_stage": "source", "stop_reason": "malformed"},
        {"url": "http://mira.example/2"},
    )
    assert stops(table, claims({"hosts": ["mira.example"]})) == ["malformed", "optout_host"]
    assert stops(table, claims({"hosts": ["mira.example"], "stance": "opt_in"})) == [
        "malformed",
        None,
    ]
    assert screen(table, claims()).equals(table)


def test_url_comes_before_host_and_host_before_name_and_smaller_claims_first() -> None:
    table = rows(
        {"url": "http://mira.example/", "caption": "mira venn"},
        {"url": "http://mira.example/2", "caption": "mira venn"},
    )
    listed = claims(
        {"names": ["Mira Venn"]},
        {"hosts": ["mira.example"]},
        {"hosts": ["mira.example"], "urls": ["http://mira.example/"]},
    )
    screened = screen(table, listed)
    assert screened["stop_reason"].to_pylist() == ["optout_url", "optout_host"]
    assert screened["stop_claim"].to_pylist() == ["c2", "c1"]


def test_given_bytes_are_screened_by_their_url() -> None:
    table = rows(
        {"url": "http://A.example/1", "url_key": "given:a.tar#1", "host": "a.example"},
        {"url": "http://mira.example/", "url_key": "given:a.tar#2", "host": "mira.example"},
        {"url": None, "url_key": "given:a.tar#3"},
    )
    listed = claims({"urls": ["http://a.example/1"], "hosts": ["mira.example"]})
    assert stops(table, listed) == ["optout_url", "optout_host", None]


def test_grant_is_by_exact_url_or_host_of_a_proved_claim() -> None:
    table = rows(
        {"url": "https://mira.example/1", "caption": "mira venn"},
        {"url": "https://b.example/1", "caption": "mira venn"},
        {"url": "http://b.example/1"},
    )
    given_claims = (
        {"stance": "opt_in", "hosts": ["mira.example"], "names": ["Mira Venn"]},
        {"stance": "opt_in", "urls": ["https://b.example/1"]},
        {"stance": "opt_in", "urls": ["https://b.example/1"], "level": 1},
        {"stance": "opt_out", "hosts": ["mira.example"]},
    )
    found = grants(table, claims(*given_claims))
    assert found.schema == GRANTS
    assert [tuple(r.values()) for r in found.to_pylist()] == [
        (f"{0:032x}", "c0", "host"),
        (f"{1:032x}", "c1", "url"),
    ]
    assert len(grants(table, claims(*given_claims, trusted=True))) == 3
    assert grants(rows(), claims()).schema == GRANTS


captions = st.sampled_from(["mira venn", "x", None, "venn of mira.example", "a tree by venn"])
urls = st.sampled_from(
    [
        "http://mira.example/1",
        "http://a.mira.example/",
        "http://b.example/1",
        "https://b.example/m/1",
    ]
)
given_lists = st.lists(st.fixed_dictionaries({"url": urls, "caption": captions}), max_size=6)
claim_lists = st.lists(
    st.fixed_dictionaries(
        {
            "names": st.lists(st.sampled_from(["Mira Venn", "venn"]), max_size=2),
            "captions": st.sampled_from([None, "drop", "redact"]),
            "hosts": st.lists(st.sampled_from(["mira.example", "b.example"]), max_size=1),
            "accounts": st.lists(st.sampled_from(["b.example/m", "b.example/n"]), max_size=1),
            "urls": st.lists(urls, max_size=1),
            "stance": st.sampled_from(["opt_out", "opt_in"]),
            "level": st.integers(0, 3),
            "scope": st.sampled_from(["work", "artist", "style", "domain"]),
        }
    ),
    max_size=4,
)


@given(given_lists, claim_lists)
def test_one_more_claim_never_frees_a_row(
    given_rows: list[dict[str, Any]], given_claims: list[dict[str, Any]]
) -> None:
    table = rows(*given_rows)
    fewer = stops(table, claims(*given_claims[:-1]))
    more = stops(table, claims(*given_claims))
    assert all(after is not None for before, after in zip(fewer, more, strict=True) if before)


@given(given_lists, given_lists, claim_lists)
def test_screening_a_concatenation_concatenates(
    a: list[dict[str, Any]], b: list[dict[str, Any]], given_claims: list[dict[str, Any]]
) -> None:
    listed = claims(*given_claims)
    assert stops(rows(*a, *b), listed) == stops(rows(*a), listed) + stops(rows(*b), listed)


def test_an_account_covers_its_path_under_both_schemes_and_www() -> None:
    table = rows(
        {"url": "https://a.example/mira/1.jpg"},
        {"url": "http://www.a.example/mira"},
        {"url": "http://a.example/Mira/x?y=1"},
        {"url": "http://a.example/miravenn/1.jpg"},
        {"url": "http://a.example/u/mira/1.jpg"},
        {"url": "http://cdn.a.example/mira/1.jpg"},
        {"url": "http://A.example/mira/2", "url_key": "given:a.tar#1", "host": "a.example"},
        {"url": None, "url_key": None, "host": "a.example"},
    )
    screened = screen(table, claims({"accounts": ["a.example/mira"]}))
    reason = "optout_account"
    assert screened["stop_reason"].to_pylist() == [reason] * 3 + [None] * 3 + [reason, None]
    assert json.loads(screened["stop_detail"][0].as_py()) == {"account": "a.example/mira"}


def test_an_account_waits_for_proof_and_stands_between_host_and_name() -> None:
    table = rows({"url": "https://a.example/mira/1.jpg", "caption": "mira venn"})
    both = {"accounts": ["a.example/mira"], "names": ["Mira Venn"]}
    assert stops(table, claims({**both, "level": 1})) == [None]
    assert stops(table, claims(both)) == ["optout_account"]
    assert stops(table, claims({**both, "scope": "work"})) == [None]
    assert stops(table, claims({**both, "scope": "domain"})) == ["optout_account"]
    assert stops(table, claims(both, {"hosts": ["a.example"]})) == ["optout_host"]


def test_an_account_grants_at_its_word() -> None:
    table = rows({"url": "https://www.a.example/mira/1.jpg"}, {"url": "https://a.example/Mira/1"})
    given_claim = {"stance": "opt_in", "accounts": ["a.example/mira"]}
    found = grants(table, claims(given_claim))
    assert [tuple(r.values()) for r in found.to_pylist()] == [(f"{0:032x}", "c0", "account")]
    assert not grants(table, claims({**given_claim, "level": 1})).num_rows


def test_a_name_that_is_to_be_redacted_stops_only_what_cannot_do_without_it() -> None:
    table = rows(
        {"url": "http://b.example/1", "caption": "a tree by Mira Venn"},
        {"url": "http://b.example/2", "caption": "by @mira_venn"},
        {"url": "http://b.example/3", "caption": "Ada by Mira Venn Moss"},
    )
    listed = claims({"names": ["Mira Venn"], "captions": "redact"}, {"names": ["Ada Moss"]})
    screened = screen(table, listed)
    assert screened["stop_reason"].to_pylist() == [None, "optout_name", "optout_name"]
    assert screened["stop_claim"].to_pylist() == [None, "c0", "c1"]
    assert json.loads(screened["stop_detail"][1].as_py()) == {
        "name": "Mira Venn",
        "form": "by",
        "captions": "redact",
    }


def test_a_claim_that_drops_wins_over_one_that_redacts() -> None:
    table = rows({"url": "http://b.example/1", "caption": "a tree by Mira Venn"})
    drop, redact = {"names": ["Mira Venn"]}, {"names": ["Mira Venn"], "captions": "redact"}
    assert stops(table, claims(redact, drop)) == ["optout_name"]
    assert stops(table, claims(redact, {"names": ["Mira"]})) == ["optout_name"]


def test_common_words_name_somebody_on_their_own_hosts_and_in_attributions() -> None:
    table = rows(
        {"url": "http://flora.example/1", "caption": "flora"},
        {"url": "http://b.example/1", "caption": "flora of the north"},
        {"url": "http://b.example/2", "caption": "a meadow by Flora"},
    )
    listed = claims({"names": ["Flora"], "hosts": ["flora.example"]})
    assert stops(table, listed) == ["optout_host", None, "optout_name"]


def test_stops_are_counted() -> None:
    table = rows({"url": "http://mira.example/"}, {"url": "http://b.example/"})
    screened = screen(table, claims({"hosts": ["mira.example"]}))
    assert count_stops(screened) == {"optout_host": 1}


def test_other_tables_are_refused() -> None:
    with pytest.raises(SchemaError):
        screen(CLAIMS.empty_table(), claims())
    with pytest.raises(SchemaError):
        screen(rows(), ROWS.empty_table())
