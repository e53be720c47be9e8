import pyarrow as pa

from pipeline.answers import (
    documents_for_shards,
    explode_shards,
    latest,
    with_shards,
)
from schemas.tables import DOCUMENTS, OBSERVED, REQUESTS, from_rows


def fact(url_key, shards, outcome="ok", documents=()):
    hops = [{"url": url_key, "status": 200, "documents": list(documents)}]
    return {"url_key": url_key, "shards": shards, "outcome": outcome, "hops": hops}


def test_answer_reaches_every_shard_that_waits_for_it():
    facts = from_rows([fact("a", [0, 2]), fact("b", [1])], OBSERVED)
    rows, shard = explode_shards(facts)
    assert list(zip(rows["url_key"].to_pylist(), shard.to_pylist(), strict=True)) == [
        ("a", 0),
        ("a", 2),
        ("b", 1),
    ]


def test_moved_answer_is_left_to_a_later_round():
    facts = from_rows([fact("a", [0], "moved"), fact("b", [0])], OBSERVED)
    rows, _ = explode_shards(facts)
    assert rows["url_key"].to_pylist() == ["b"]


def test_no_answers_explode_to_none():
    rows, shard = explode_shards(OBSERVED.empty_table())
    assert rows.num_rows == 0
    assert len(shard) == 0


def test_document_reaches_the_shards_of_the_answers_that_name_it():
    named = [fact("a", [0, 1], documents=["d1", "d3"]), fact("b", [1], documents=["d1"])]
    facts = from_rows([*named, fact("c", [2])], OBSERVED)
    kinds = {"d1": "robots", "d2": "robots", "d3": "tdmrep"}
    documents = from_rows(
        [{"document_id": d, "kind": kind} for d, kind in kinds.items()], DOCUMENTS
    )
    rows, shard = documents_for_shards(facts, documents)
    assert rows["document_id"].to_pylist() == ["d1", "d3", "d1", "d3"]
    assert shard.to_pylist() == [0, 0, 1, 1]


def test_last_round_answers_for_a_url_that_moved():
    first = from_rows([fact("a", [0], "moved"), fact("b", [0])], OBSERVED)
    second = from_rows([fact("a", [0], "status")], OBSERVED)
    outcomes = dict(
        zip(*(latest([first, second])[c].to_pylist() for c in ("url_key", "outcome")), strict=True)
    )
    assert outcomes == {"a": "status", "b": "ok"}


def test_stored_answer_is_handed_to_the_shards_that_ask_now():
    facts = from_rows([fact("a", [7]), fact("z", [7])], OBSERVED)
    requests = from_rows(
        [{"url_key": "a", "shards": [0, 3]}, {"url_key": "c", "shards": [1]}], REQUESTS
    )
    found = with_shards(facts, requests)
    assert isinstance(found, pa.Table)
    assert found["url_key"].to_pylist() == ["a"]
    assert found["shards"].to_pylist() == [[0, 3]]
