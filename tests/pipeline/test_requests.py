import random
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from optout.urls import host_of
from pipeline.requests import chunks, host_bucket, merge_requests, public_urls, requests
from schemas.tables import REQUESTS, ROWS, from_rows, require


def rows(*urls: str | None, stop: str | None = None) -> pa.Table:
    return from_rows(
        [{"uid": f"{i:032x}", "url_key": url, "stop_reason": stop} for i, url in enumerate(urls)],
        ROWS,
    )


def wanted(*urls: str, shards: tuple[int, ...] = (0,)) -> pa.Table:
    given_rows = [
        {"host": host_of(u), "url_key": u, "url": u, "shards": list(shards), "hops": []}
        for u in urls
    ]
    return from_rows(given_rows, REQUESTS)


def test_url_is_asked_once_and_stopped_and_given_rows_never() -> None:
    table = pa.concat_tables(
        [
            rows("http://b/1", "http://a/2", "http://b/1", "given:x#1", None),
            rows("http://c/1", stop="optout_url"),
        ]
    )
    found = requests(table, 7)
    require(found, REQUESTS, extra=False)
    assert found["url_key"].to_pylist() == ["http://a/2", "http://b/1"]
    assert found["host"].to_pylist() == ["a", "b"]
    assert found["shards"].to_pylist() == [[7], [7]]
    assert found["url"].equals(found["url_key"])
    assert requests(rows(), 0).schema == REQUESTS


def test_merged_requests_know_all_shards_that_wait() -> None:
    merged = merge_requests(
        [
            wanted("http://b/1", "http://a/1", shards=(5,)),
            wanted("http://b/1", shards=(2, 5)),
            wanted("http://a/0", shards=(1,)),
        ]
    )
    require(merged, REQUESTS, extra=False)
    assert merged["url_key"].to_pylist() == ["http://a/0", "http://a/1", "http://b/1"]
    assert merged["shards"].to_pylist() == [[1], [5], [2, 5]]


def test_hops_and_redirected_urls_survive_a_merge() -> None:
    row: dict[str, Any] = {
        "host": "b",
        "url_key": "http://a/1",
        "url": "http://b/1",
        "shards": [1],
        "hops": [{"url": "http://a/1", "status": 301, "documents": ["r"]}],
    }
    merged = merge_requests([from_rows([row], REQUESTS), REQUESTS.empty_table()])
    assert merged.to_pylist() == [row]
    assert merge_requests([]).schema == REQUESTS
    assert len(merge_requests([REQUESTS.empty_table()])) == 0


url_lists = st.lists(
    st.sampled_from([f"http://{h}/{i}" for h in "abc" for i in range(6)]), unique=True
)


@given(url_lists, st.integers(1, 7), st.randoms())
def test_chunks_hold_everything_once_whatever_the_order(
    urls: list[str], size: int, r: random.Random
) -> None:
    cut = chunks(wanted(*urls), size)
    assert sorted(u for c in cut for u in c["url_key"].to_pylist()) == sorted(urls)
    assert all(0 < len(c) <= size for c in cut)
    shuffled = list(urls)
    r.shuffle(shuffled)
    assert [c.to_pylist() for c in chunks(wanted(*shuffled), size)] == [c.to_pylist() for c in cut]


def test_big_host_is_spread_over_chunks() -> None:
    big = [f"http://big/{i}" for i in range(6)]
    cut = chunks(wanted(*big, "http://s/1", "http://t/1"), 3)
    assert [c["host"].to_pylist() for c in cut] == [["big", "s", "t"], ["big"] * 3, ["big"] * 2]


def test_host_has_one_bucket() -> None:
    hosts = pa.chunked_array([["a", "b"], ["a"]])
    buckets = host_bucket(hosts, 64)
    assert buckets.type == pa.int32()
    assert buckets[0] == buckets[2]
    assert buckets[0] != buckets[1]


def test_hosts_opened_by_hand_are_not_public() -> None:
    table = wanted(
        "http://art.localhost:8000/1",
        "http://art.localhost/1",
        "https://x.example/",
        "http://[::1]:81/",
    )
    found = public_urls(table, ("Art.localhost:8000", "x.example:443", "[::1]:81"))
    assert found["url"].to_pylist() == ["http://art.localhost/1"]
