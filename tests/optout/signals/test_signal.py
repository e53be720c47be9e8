"""optout.signals.signal and optout.signals.evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.evidence import (
    Hop,
    answer_document,
    document_id,
    microseconds,
    rfc3339,
)
from optout.signals.signal import RAW_BYTES, Signal, excerpt
from schemas.errors import SchemaError
from schemas.verdict import Channel, Purpose, Say


@given(st.one_of(st.binary(max_size=2_000), st.text(max_size=2_000)))
def test_an_excerpt_is_short_and_valid(text: bytes | str) -> None:
    assert len(excerpt(text).encode("utf-8")) <= RAW_BYTES


def test_a_short_text_is_its_own_excerpt() -> None:
    assert excerpt("Disallow: /ä") == "Disallow: /ä" == excerpt("Disallow: /ä".encode())


def test_evidence_is_filled_in_afterwards() -> None:
    signal = Signal(Channel.X_ROBOTS, Purpose.FETCH, Say.DENY)
    assert signal.evidence is None
    assert signal.with_evidence("ab").evidence == "ab"


def test_absence_has_an_id_of_its_own() -> None:
    absent = document_id("robots", "https://h", 404, None, 1)
    assert absent != document_id("robots", "https://h", 404, None, 2)
    assert absent != document_id("robots", "https://h", None, None, 1)
    assert len(absent) == 64


def test_evidence_of_an_answer_is_canonical_json() -> None:
    hops = [Hop("https://h/a", 200, ("d1", "d2"))]
    lines = [("X-Robots-Tag", "noai")]
    body = answer_document(
        "answer", "ok", hops, "https://h/a", 200, lines, asked_at_us=0, fetched_at_us=1_500_000
    )
    assert body == (
        b'{"asked_at":"1970-01-01T00:00:00.000000Z","detail":null,'
        b'"fetched_at":"1970-01-01T00:00:01.500000Z","headers":[["X-Robots-Tag","noai"]],'
        b'"hops":[["https://h/a",200,["d1","d2"]]],"kind":"answer","outcome":"ok","page":null,'
        b'"sha256":null,"status":200,"unchecked":[],"url":"https://h/a"}'
    )


@given(st.integers(-(2**55), 2**52))
def test_times_survive_their_text(at_us: int) -> None:
    assert microseconds(rfc3339(at_us)) == at_us


def test_no_time_is_null() -> None:
    assert rfc3339(None) is None is microseconds(None)


@pytest.mark.parametrize(
    "text", ["", "2026-11-25", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-05:00"]
)
def test_what_is_no_time_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="RFC 3339"):
        microseconds(text)
