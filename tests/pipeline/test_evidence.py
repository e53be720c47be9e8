"""pipeline.evidence: what may be published, what may not, and that both can be found again."""

import json
from typing import Any

import pyarrow as pa
import pytest

from optout.signals.channels import SignalPolicy, found
from pipeline.evidence import (
    EVIDENCE,
    HEADER_EVIDENCE,
    private_evidence,
    public_evidence,
    signal_headers,
)
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


def test_header_evidence_holds_signal_lines_only() -> None:
    lines = [("Set-Cookie", "secret"), ("X-Robots-Tag", "noai"), ("x-robots-tag ", "Noimageai")]
    table = private_evidence(from_rows([observed("https://h/a", lines)], OBSERVED))
    assert table.schema.equals(HEADER_EVIDENCE, check_metadata=True)
    (row,) = table.to_pylist()
    assert row["sha256"] == sha256_hex(row["body"])
    evidence = json.loads(row["body"])
    assert evidence["headers"] == [["X-Robots-Tag", "noai"], ["x-robots-tag ", "Noimageai"]]
    assert (evidence["url"], evidence["status"]) == ("https://h/a", 200)
    assert evidence["fetched_at"] == "2026-01-01T00:00:00.000001Z"


def test_headers_without_signals_are_evidence_of_absence() -> None:
    table = private_evidence(from_rows([observed("https://h/a", [("A", "b")])], OBSERVED))
    assert json.loads(table["body"][0].as_py())["headers"] == []


@pytest.mark.parametrize(
    ("headers", "more", "expected"),
    [
        (None, {}, 0),
        ([], {}, 1),
        ([], {"outcome": "given", "http_status": None}, 0),
        ([("A", "b")], {"outcome": "given", "http_status": None}, 1),
        ([("A", "b")], {"outcome": "status", "http_status": 404}, 0),
        ([("A", "b")], {"outcome": "stopped", "fetched_at": None}, 1),
    ],
)
def test_answers_with_headers_that_speak(
    headers: list[tuple[str, str]] | None, more: dict[str, Any], expected: int
) -> None:
    table = private_evidence(from_rows([observed("https://h/a", headers, **more)], OBSERVED))
    assert len(table) == expected


def test_evidence_is_sorted_and_repeated_rows_count_once() -> None:
    rows = [observed(f"https://h/{n % 7}", [("X-Robots-Tag", "all")]) for n in range(20)]
    table = private_evidence(from_rows(rows, OBSERVED))
    digests = table["sha256"].to_pylist()
    assert digests == sorted(digests)
    assert len(digests) == 7


def test_no_answers_give_no_evidence() -> None:
    assert len(private_evidence(from_rows([], OBSERVED))) == 0
    assert public_evidence(from_rows([], DOCUMENTS))[1] == {}


def test_header_lines_are_found_across_nulls_and_chunks() -> None:
    tag = ("X-Robots-Tag", "noai")
    tables = [
        from_rows([observed("a", None), observed("b", [("A", "b"), tag])], OBSERVED),
        from_rows([observed("c", []), observed("d", [tag, ("B", "c"), tag])], OBSERVED),
    ]
    joined = pa.concat_tables(tables).slice(1)
    assert signal_headers(joined["headers"]) == [[tag], [], [tag, tag]]


def test_the_policy_finds_in_the_evidence_what_it_found_in_the_answer() -> None:
    lines = [("A", "b"), ("X-Robots-Tag", "otherbot: all, ArtBot: noai")]
    table = private_evidence(from_rows([observed("https://h/a", lines)], OBSERVED))
    replayed = [tuple(line) for line in json.loads(table["body"][0].as_py())["headers"]]
    policy = SignalPolicy("ArtBot")
    says = [[(s.purpose, s.say, s.raw) for s in policy.of_headers(h)] for h in (lines, replayed)]
    assert says[0] == says[1]


def test_other_tables_are_refused() -> None:
    with pytest.raises(SchemaError):
        private_evidence(from_rows([], DOCUMENTS))
    with pytest.raises(SchemaError):
        public_evidence(from_rows([], OBSERVED))
