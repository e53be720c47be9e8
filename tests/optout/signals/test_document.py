"""optout.signals.document: what was asked for, and what its absence is taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.document import PATHS, Kind, Wanted, found, licence, standing
from optout.signals.robots import Standing
from schemas.canonical import sha256_hex
from schemas.verdict import FAMILY, Family

ORIGIN = "https://h.example"
URL = f"{ORIGIN}/ai.txt"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", Standing.READ),
        (206, b"x", Standing.READ),
        (200, None, Standing.ERROR),  # a body that did not come whole is no answer
        (404, None, Standing.NO_FILE),
        (410, None, Standing.NO_FILE),
        (401, None, Standing.NO_FILE),  # "does not implement": TDMRep section 4.1
        (403, None, Standing.NO_FILE),
        (451, None, Standing.NO_FILE),
        (408, None, Standing.ERROR),
        (425, None, Standing.ERROR),
        (429, None, Standing.ERROR),
        (301, None, Standing.ERROR),
        (500, None, Standing.ERROR),
        (503, None, Standing.ERROR),
        (None, None, Standing.ERROR),
        (100, b"x", Standing.ERROR),
        (999, b"x", Standing.ERROR),
    ],
)
def test_a_status_says_what_a_document_is_taken_for(
    status: int | None, body: bytes | None, expected: Standing
) -> None:
    document = found("ai", ORIGIN, URL, http_status=status, asked_at_us=1, body=body)
    assert standing(document) is expected


@given(st.one_of(st.none(), st.integers(0, 999)), st.one_of(st.none(), st.binary(max_size=9)))
def test_only_a_whole_body_of_a_good_status_is_read(status: int | None, body: bytes | None) -> None:
    document = found("ai", ORIGIN, URL, http_status=status, asked_at_us=1, body=body)
    good = status is not None and 200 <= status < 300 and body is not None
    assert (standing(document) is Standing.READ) is good


def test_absence_has_an_id_and_no_digest() -> None:
    absent = found("ai", ORIGIN, URL, http_status=404, asked_at_us=1)
    assert absent.sha256 is None
    assert len(absent.document_id) == 64
    assert found("ai", ORIGIN, URL, http_status=404, asked_at_us=1) == absent


def test_an_id_names_kind_origin_status_body_and_time() -> None:
    def name(kind: str = "ai", origin: str = ORIGIN, status: int = 200, body: bytes = b"x",
             at: int = 1) -> str:  # fmt: skip
        document = found(kind, origin, URL, http_status=status, asked_at_us=at, body=body)
        return document.document_id

    ids = {name(), name("trust"), name(origin="http://h"), name(status=203), name(body=b"y")}
    assert len(ids | {name(at=2)}) == 6
    document = found("ai", ORIGIN, URL, http_status=200, asked_at_us=1, body=b"x")
    assert document.sha256 == sha256_hex(b"x")


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_wanted_and_what_is_found_have_one_key(kind: Kind) -> None:
    wanted = Wanted(kind, ORIGIN, URL)
    document = found(kind, ORIGIN, URL, http_status=404, asked_at_us=1)
    assert document.key == wanted.key


def test_each_licence_has_a_key_of_its_own_and_other_kinds_one() -> None:
    assert licence("https://a.example/1").key != licence("https://a.example/2").key
    assert Wanted(Kind.AI, "https://a.example", "x").key == Wanted(Kind.AI, ORIGIN, URL).key


def test_the_files_of_an_origin_are_robots_and_the_well_known_ones() -> None:
    assert list(PATHS) == [Kind.ROBOTS, Kind.TDMREP, Kind.AI, Kind.TRUST]
    families = [FAMILY[channel] for channel, _ in PATHS.values()]
    assert families == [Family.ROBOTS, *[Family.WELL_KNOWN] * 3]
    assert all(path.startswith("/") for _, path in PATHS.values())
