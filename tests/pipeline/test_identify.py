import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.identify import addresses, identify, identity_bucket, shard_of
from schemas.canonical import digest
from schemas.errors import SchemaError
from schemas.tables import ROWS, SOURCED, from_rows, require

UID = "0123456789abcdef0123456789abcdef"


def sourced(*rows: dict[str, Any]) -> pa.Table:
    given: list[dict[str, Any]] = []
    for i, row in enumerate(rows):
        key = row.get("url_key", row.get("url"))
        given.append({"row": i, **row, "url_key": key})
    return from_rows(given, SOURCED)


def by_row(rows: pa.Table) -> list[dict[str, Any]]:
    return list(rows.sort_by("row").to_pylist())


row_lists = st.lists(
    st.fixed_dictionaries(
        {
            "url": st.sampled_from(["http://a/1", "http://a/2", None]),
            "caption": st.sampled_from(["x", 'ü"\\\x01\u2028', None, ""]),
            "given_uid": st.sampled_from([None, None, UID, UID[::-1]]),
            "stop_reason": st.sampled_from([None, None, "malformed"]),
        }
    ),
    max_size=12,
)


@given(row_lists, st.text(max_size=5))
def test_every_row_keeps_its_place_and_gets_a_uid_of_its_own(
    given_rows: list[dict[str, Any]], name: str
) -> None:
    rows = identify(sourced(*given_rows), name)
    require(rows, ROWS)
    uids = rows["uid"].to_pylist()
    assert uids == sorted(set(uids))
    assert all(len(uid) == 32 for uid in uids)
    assert sorted(rows["row"].to_pylist()) == list(range(len(given_rows)))


@given(row_lists, st.randoms())
def test_order_of_rows_and_cut_into_buckets_do_not_matter(
    given_rows: list[dict[str, Any]], r: random.Random
) -> None:
    table = sourced(*given_rows)
    whole = identify(table, "s")
    shuffled = list(range(len(table)))
    r.shuffle(shuffled)
    assert identify(table.take(pa.array(shuffled, pa.int64())), "s").equals(whole)
    buckets = identity_bucket(table, 3)
    parts = [
        identify(table.filter(pa.array([b == n for b in buckets.to_pylist()], pa.bool_())), "s")
        for n in range(3)
    ]
    assert pa.concat_tables(parts).sort_by("uid").combine_chunks().equals(whole)


@given(st.text(max_size=9), st.text(max_size=9), st.one_of(st.none(), st.text(max_size=9)))
def test_uid_is_the_documented_digest(name: str, path: str, caption: str | None) -> None:
    url = f"http://a/{path}"
    rows = identify(sourced({"url": url, "caption": caption}), name)
    assert rows["uid"].to_pylist() == [digest([name, url, caption, 0])[:32]]


def test_own_uid_is_kept() -> None:
    rows = identify(sourced({"url": "http://a/", "given_uid": UID}), "s")
    assert rows["uid"].to_pylist() == [UID]


def test_later_identical_rows_are_repeated_in_source_order() -> None:
    same = {"url": "http://a/", "caption": "c"}
    rows = by_row(identify(sourced(same, same, {**same, "caption": "d"}, same), "s"))
    assert [r["stop_reason"] for r in rows] == [None, "repeated", None, "repeated"]
    assert rows[1]["stop_stage"] == "source"
    assert rows[3]["uid"] == digest(["s", "http://a/", "c", 2])[:32]


def test_equal_row_with_another_page_is_no_repetition_for_its_page_must_be_heard() -> None:
    same = {"url": "http://a/", "caption": "c"}
    one, other = {"page_key": "http://p/1", "page_tags": "{}"}, {"page_key": "http://p/2"}
    table = sourced({**same, **one}, {**same, **other}, {**same, **one}, same)
    rows = by_row(identify(table, "s"))
    assert [r["uid"] for r in rows] == [digest(["s", "http://a/", "c", n])[:32] for n in range(4)]
    assert [r["stop_reason"] for r in rows] == [None, None, "repeated", "repeated"]
    assert [r["page_key"] for r in rows] == ["http://p/1", "http://p/2", "http://p/1", None]


def test_finding_about_a_malformed_row_is_not_overwritten() -> None:
    bad = {"url": "bad", "url_key": None, "stop_reason": "malformed", "stop_detail": "why"}
    rows = by_row(identify(sourced(bad, {**bad, "page_key": "http://p/"}), "s"))
    assert [r["stop_detail"] for r in rows] == ["why", "why"]


def test_urls_that_are_written_differently_are_the_same_row() -> None:
    rows = by_row(
        identify(
            sourced(
                {"url": "http://A/", "url_key": "http://a/", "caption": "c"},
                {"url": "http://a", "url_key": "http://a/", "caption": "c"},
            ),
            "s",
        )
    )
    assert [r["stop_reason"] for r in rows] == [None, "repeated"]


def test_uid_that_is_taken_makes_a_row_repeated_under_another_name() -> None:
    rows = by_row(
        identify(
            sourced(
                {"url": "http://a/1", "given_uid": UID}, {"url": "http://a/2", "given_uid": UID}
            ),
            "s",
        )
    )
    assert [r["stop_reason"] for r in rows] == [None, "repeated"]
    assert rows[1]["uid"] == digest(["s", UID, None, 1])[:32]


def test_rows_with_uids_of_their_own_may_say_the_same() -> None:
    same = {"url": "http://a/", "caption": "c"}
    table = sourced({**same, "given_uid": UID}, {**same, "given_uid": UID[::-1]}, same)
    assert identify(table, "s")["stop_reason"].null_count == 3


def test_malformed_row_neither_pushes_out_a_sound_one_nor_loses_its_reason() -> None:
    table = sourced(
        {"url": "http://a/", "given_uid": UID, "stop_reason": "malformed"},
        {"url": "http://a/", "given_uid": UID},
        {"url": "bad", "url_key": None, "stop_reason": "malformed"},
        {"url": "bad", "url_key": None, "stop_reason": "malformed"},
    )
    rows = by_row(identify(table, "s"))
    assert [r["stop_reason"] for r in rows] == ["malformed", None, "malformed", "malformed"]
    assert rows[1]["uid"] == UID


def test_given_bytes_are_known_by_their_url_and_else_by_their_place() -> None:
    table = sourced(
        {"url": "http://A/x", "url_key": "given:a.tar#1"},
        {"url": None, "url_key": "given:a.tar#2"},
        {"url": "no url", "url_key": "given:a.tar#3"},
        {"url": "no url", "url_key": None},
    )
    assert addresses(table) == ["http://a/x", "given:a.tar#2", "given:a.tar#3", "no url"]


def test_other_columns_ride_along() -> None:
    table = sourced({"url": "http://a/2"}, {"url": "http://a/1"}).append_column(
        "extra.n", pa.array([2, 1])
    )
    rows = identify(table, "s")
    assert rows.column_names == [*ROWS.names, "extra.n"]
    assert sorted(zip(rows["url"].to_pylist(), rows["extra.n"].to_pylist(), strict=True)) == [
        ("http://a/1", 1),
        ("http://a/2", 2),
    ]


def test_shards_are_even_even_where_uids_are_in_sequence() -> None:
    uids = pa.array([f"{i:032x}" for i in range(8000)])
    shards = shard_of(uids, 8)
    assert shards.type == pa.int32()
    counts = shards.value_counts().to_pylist()
    assert len(counts) == 8
    assert all(850 < c["counts"] < 1150 for c in counts)


def test_empty_tables_stay_empty() -> None:
    assert identify(SOURCED.empty_table(), "s").schema == ROWS
    assert len(identity_bucket(SOURCED.empty_table(), 4)) == 0
    assert len(shard_of(pa.array([], pa.string()), 4)) == 0


def test_other_tables_are_refused() -> None:
    with pytest.raises(SchemaError):
        identify(ROWS.empty_table(), "s")
