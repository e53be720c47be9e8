"""pipeline.evidence: what may be published, what may not, and that both can be found again."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.document import found
from pipeline.columns import header_lines, joined_lists
from pipeline.evidence import EVIDENCE, Evidence, evidence_bucket, once, public_evidence
from pipeline.facts import ANSWER, Answer, answers_of
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError
from schemas.tables import DOCUMENTS, OBSERVED, from_rows

AT = 1_767_225_600_000_000


def document(origin: str, status: int | None, body: bytes | None, at: int = AT) -> dict[str, Any]:
    url = f"{origin}/robots.txt"
    seen = found("robots", origin, url, http_status=status, asked_at_us=at, body=body)
    row = {name: getattr(seen, name) for name in DOCUMENTS.names if name != "asked_at"}
    return row | {"asked_at": at}


def observed(url: str, headers: list[tuple[str, str]] | None, **more: Any) -> dict[str, Any]:
    lines = None if headers is None else [{"name": n, "value": v} for n, v in headers]
    row = {"url_key": url, "final_url": url, "outcome": "ok", "http_status": 200}
    return row | {"headers": lines, "asked_at": AT, "fetched_at": AT + 1} | more


def test_each_body_is_kept_once_and_absence_is_kept_too() -> None:
    rows = [
        document("https://a", 200, b"same"),
        document("https://b", 200, b"same"),
        document("https://c", 404, None),
        document("https://c", 404, None),
        document("https://c", 404, None, AT + 1),
        document("https://d", None, None),
        document("https://e", 200, b""),
    ]
    index, bodies = public_evidence(from_rows(rows, DOCUMENTS))
    assert index.schema.equals(EVIDENCE, check_metadata=True)
    assert len(index) == 6
    ids = index["document_id"].to_pylist()
    assert ids == sorted(set(ids))
    assert bodies == {sha256_hex(b"same"): b"same", sha256_hex(b""): b""}
    assert list(bodies) == sorted(bodies)
    assert {s for s in index["sha256"].to_pylist() if s} == set(bodies)


def test_order_of_documents_does_not_matter() -> None:
    rows = [document(f"https://{n}", 200, b"%d" % (n % 3)) for n in range(9)]
    there, back = (public_evidence(from_rows(r, DOCUMENTS)) for r in (rows, rows[::-1]))
    assert there[0].equals(back[0])
    assert list(there[1].items()) == list(back[1].items())


def answer_of(*rows: dict[str, Any]) -> list[Answer]:
    return list(answers_of(from_rows(list(rows), OBSERVED)))


def test_evidence_of_an_answer_holds_signal_lines_only() -> None:
    lines = [
        ("Set-Cookie", "secret"), ("X-Robots-Tag", "noai"), ("x-robots-tag ", "Noimageai"),
        ("Link", "</a.css>; rel=preload"), ("Link", "</l>; rel=license"), ("tdm-reservation", "1"),
    ]  # fmt: skip
    (answer,) = answer_of(observed("https://h/a", lines))
    told = json.loads(answer.document(ANSWER))
    assert told["headers"] == [
        ["X-Robots-Tag", "noai"], ["x-robots-tag ", "Noimageai"],
        ["Link", "</l>; rel=license"], ["tdm-reservation", "1"],
    ]  # fmt: skip
    assert (told["url"], told["status"]) == ("https://h/a", 200)
    assert told["fetched_at"] == "2026-01-01T00:00:00.000001Z"


def test_headers_without_signals_are_evidence_of_absence() -> None:
    (answer,) = answer_of(observed("https://h/a", [("A", "b")]))
    assert json.loads(answer.document(ANSWER))["headers"] == []


@pytest.mark.parametrize(
    ("headers", "more", "expected"),
    [
        (None, {}, False),
        ([], {}, True),
        ([], {"outcome": "given", "http_status": None}, False),
        ([("A", "b")], {"outcome": "given", "http_status": None}, True),
        ([("A", "b")], {"outcome": "status", "http_status": 404}, False),
        ([("A", "b")], {"outcome": "stopped", "fetched_at": None}, True),
    ],
)
def test_answers_with_headers_that_speak(
    headers: list[tuple[str, str]] | None, more: dict[str, Any], expected: bool
) -> None:
    (answer,) = answer_of(observed("https://h/a", headers, **more))
    assert (answer.headers is not None) is expected


def test_an_answer_survives_its_evidence() -> None:
    hops = [{"url": "https://h/a", "status": 200, "documents": ["d1"]}]
    row = observed("https://h/a", [("X-Robots-Tag", "noai")], hops=hops, sha256="ab",
                   unchecked=["headers"], detail="why", page_tags="{}")  # fmt: skip
    (answer,) = answer_of(row)
    assert Answer.parse(json.loads(answer.document(ANSWER))) == answer


@pytest.mark.parametrize("value", [{}, {"outcome": "ok"}, {"outcome": "perhaps"}])
def test_other_json_is_no_evidence_of_an_answer(value: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Answer.parse(value)


def test_private_evidence_is_kept_once_under_its_digest() -> None:
    evidence = Evidence()
    digests = [evidence.add("answer", b"%d" % (n % 7)) for n in range(20)]
    table = evidence.table()
    assert table["sha256"].to_pylist() == sorted(set(digests))
    bodies = table["body"].to_pylist()
    assert [sha256_hex(body) for body in bodies] == table["sha256"].to_pylist()
    twice = pa.concat_tables([table, table])
    assert once(twice, "sha256").equals(table.combine_chunks())
    buckets = evidence_bucket(twice, 3).to_pylist()
    assert buckets[: len(table)] == buckets[len(table) :]
    assert set(buckets) <= {0, 1, 2}


def test_header_lines_are_found_across_nulls_and_chunks() -> None:
    tag = ("X-Robots-Tag", "noai")
    tables = [
        from_rows([observed("a", None), observed("b", [("A", "b"), tag])], OBSERVED),
        from_rows([observed("c", []), observed("d", [tag, ("B", "c"), tag])], OBSERVED),
    ]
    joined = pa.concat_tables(tables).slice(1)
    assert header_lines(joined["headers"]) == [(tag,), (), (tag, tag)]


LISTS = st.lists(st.one_of(st.none(), st.lists(st.integers(0, 9), max_size=3)), max_size=6)


@given(LISTS, st.randoms(use_true_random=False))
def test_lists_are_joined_row_by_row(one: list[list[int] | None], random: Any) -> None:
    other = [random.choice([None, [], [7], [8, 9]]) for _ in one]
    kind = pa.list_(pa.int64())
    found = joined_lists(pa.chunked_array([pa.array(one, kind)]), pa.array(other, kind))
    expected = [
        None if a is None and b is None else [*(a or ()), *(b or ())]
        for a, b in zip(one, other, strict=True)
    ]
    assert found.to_pylist() == expected


def test_other_tables_are_refused() -> None:
    with pytest.raises(SchemaError):
        list(answers_of(from_rows([], DOCUMENTS)))
    with pytest.raises(SchemaError):
        public_evidence(from_rows([], OBSERVED))
