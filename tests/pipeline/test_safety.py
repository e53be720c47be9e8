"""Hash lists: parsed strictly, and what they know leaves nothing behind."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.safety import SafetyLists, parse, withheld
from schemas.config import SafetyConfig
from schemas.errors import UsageError
from schemas.tables import JUDGED, from_rows

SHA = "ab" * 32
PDQ = "0f" * 32


def lists(sha256: str = "", pdq: str = "", radius: int = 31) -> SafetyLists:
    files = {"lists/a.txt": sha256.encode(), "lists/b.txt": pdq.encode()}
    config = SafetyConfig(sha256=("lists/a.txt",), pdq=("lists/b.txt",), pdq_radius=radius)
    return SafetyLists.load(config, files.__getitem__)


def test_empty_lists_hit_nothing() -> None:
    assert lists().hit(SHA, bytes(32), 100) is None


def test_bytes_are_hit_without_a_decode() -> None:
    hit = lists(sha256=SHA.upper()).hit(SHA)
    assert json.loads(hit or "") == {"list": "a.txt", "key": "sha256", "distance": 0}


@pytest.mark.parametrize(("bits", "expected"), [(0, True), (31, True), (32, False)])
def test_pdq_is_hit_up_to_the_radius(bits: int, expected: bool) -> None:
    number = int(PDQ, 16) ^ ((1 << bits) - 1)
    hit = lists(pdq=f"{PDQ}\n").hit("x", number.to_bytes(32, "big"), 100)
    assert (hit is not None) == expected
    if hit:
        assert json.loads(hit) == {"list": "b.txt", "key": "pdq", "distance": bits}
        assert PDQ not in hit


def test_pdq_of_low_quality_hits_nothing() -> None:
    assert lists(pdq=PDQ).hit("x", bytes.fromhex(PDQ), 49) is None


def test_comments_and_blank_lines_are_skipped() -> None:
    assert parse(f"\ufeff# list\n\n  {SHA} # why\r\n{PDQ}".encode(), "f") == [SHA, PDQ]


@pytest.mark.parametrize("line", ["xyz", SHA[:-1], SHA + "0", f"{SHA},100", "g" * 64])
def test_a_line_that_is_no_hash_is_named(line: str) -> None:
    with pytest.raises(UsageError, match=r"line 2 of bad\.txt"):
        parse(f"{SHA}\n{line}\n".encode(), "bad.txt")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        parse(b"\xff\xfe\x00", "f")


@given(st.binary(max_size=200))
def test_any_bytes_give_hashes_or_our_error(body: bytes) -> None:
    with suppress(UsageError):
        assert all(len(h) == 64 for h in parse(body, "f"))


def test_row_whose_bytes_were_seen_and_not_kept_is_stopped() -> None:
    rows = [
        {"uid": "a", "sha256": "1" * 64},
        {"uid": "b", "sha256": "2" * 64, "pack": "p"},
        {"uid": "c", "stop_reason": "http_status"},
        {"uid": "d"},
    ]
    found = withheld(from_rows(rows, JUDGED))
    assert found["stop_reason"].to_pylist() == ["safety", None, "http_status", None]
    assert found["stop_stage"].to_pylist() == ["safety", None, None, None]
