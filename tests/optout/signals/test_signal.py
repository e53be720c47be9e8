"""optout.signals.signal and optout.signals.evidence."""

from hypothesis import given
from hypothesis import strategies as st

from optout.signals.evidence import document_id, header_document, rfc3339
from optout.signals.signal import RAW_BYTES, Signal, excerpt
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


def test_header_evidence_is_canonical_json() -> None:
    lines = [("X-Robots-Tag", "noai")]
    assert header_document("https://h/a", 200, lines, 0, 1_500_000) == (
        b'{"asked_at":"1970-01-01T00:00:00.000000Z","fetched_at":"1970-01-01T00:00:01.500000Z",'
        b'"headers":[["X-Robots-Tag","noai"]],"kind":"headers","status":200,"url":"https://h/a"}'
    )


def test_no_time_is_null() -> None:
    assert rfc3339(None) is None
