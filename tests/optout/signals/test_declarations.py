"""optout.signals.declarations against the facts' vectors, and any file."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.declarations import Declarations, of_url, parse
from schemas.errors import SignalError
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.list_cases import DECLARED, REFUSED, Declared

URL = "https://img.art.example/1.jpg"
SHA256 = "0123456789abcdef" * 4
OUT, IN = {"all": "false"}, {"all": "true"}


def lines(*values: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


def file(*values: dict[str, Any]) -> Declarations:
    return parse(lines(*values))


def train_gen(declarations: Declarations, url: str = URL, sha256: str | None = None) -> Say:
    signals = of_url(declarations, url, sha256)
    return next((s.say for s in signals if s.purpose is Purpose.TRAIN_GEN), Say.SILENT)


@pytest.mark.parametrize("case", DECLARED, ids=lambda case: case.name)
def test_a_declaration_says_what_the_table_says(case: Declared) -> None:
    declarations = file({"url": URL, **case.declaration})
    signals = of_url(declarations, URL, input_is_infer=case.input_is_infer)
    assert {s.purpose: s.say for s in signals} == case.says
    assert {s.note for s in signals} == ({case.note} if case.says else set())
    assert {(s.channel, s.line, s.place) for s in signals} <= {(Channel.DECLARATIONS, 1, "")}


@pytest.mark.parametrize("name", REFUSED)
def test_a_line_that_is_no_declaration_stops_the_run_and_is_named(name: str) -> None:
    with pytest.raises(SignalError, match=r"^line 3: "):
        parse(lines({"url": URL, **OUT}) + b"\n\n" + REFUSED[name] + b"\n")


@pytest.mark.parametrize(
    ("named", "url", "sha256", "found"),
    [
        ({"url": URL}, URL, None, True),
        ({"url": "HTTPS://IMG.art.example:443/1.jpg#x"}, URL, None, True),
        ({"url": "http://img.art.example/1.jpg"}, URL, None, True),
        ({"url": URL}, URL + "?a", None, False),
        ({"domain": "art.example"}, URL, None, True),
        ({"domain": "IMG.art.example"}, URL, None, True),
        ({"domain": "other.art.example"}, URL, None, False),
        ({"domain": "rt.example"}, URL, None, False),
        ({"domain": "art.example"}, "https://art.example/", None, True),
        ({"domain": "10.0.0.1"}, "http://10.0.0.1:8080/a", None, True),
        ({"domain": "0.0.1.example"}, "http://10.0.0.1/a", None, False),
        ({"sha256": SHA256.upper()}, URL, SHA256, True),
        ({"sha256": SHA256}, URL, None, False),
        ({"sha256": SHA256}, "given:0", SHA256, True),
        ({"domain": "art.example", "sha256": SHA256}, URL, "f" * 64, True),
    ],
)
def test_works_are_named_by_url_domain_or_sha256(
    named: dict[str, str], url: str, sha256: str | None, found: bool
) -> None:
    say = train_gen(file({**named, **OUT}), url, sha256)
    assert say is (Say.DENY if found else Say.SILENT)


def test_the_strictest_of_all_lines_counts_whatever_its_intent() -> None:
    declarations = file(
        {"domain": "art.example", **OUT},
        {"url": URL, **IN, "intent": "supersede"},
        {"sha256": SHA256, **OUT},
    )
    signals = of_url(declarations, URL, SHA256)
    assert {s.say for s in signals} == {Say.DENY}
    assert {s.line for s in signals} == {3}  # the most exact of those that say so
    assert {s.line for s in of_url(declarations, URL)} == {1}


def test_a_byte_order_mark_and_crlf_are_passed_over() -> None:
    body = b"\xef\xbb\xbf" + lines({"url": URL, **OUT}) + b"\r\n\r\n"
    assert train_gen(parse(body)) is Say.DENY


def test_an_empty_file_says_nothing() -> None:
    assert of_url(parse(b""), URL, SHA256) == ()


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(SignalError):
        parse(body)


KEYS = ["url", "sha256", "domain", "tdm-reservation", "all", "train-ai", "ai-use", "TDMAI",
        "verified", "intent", "version"]  # fmt: skip
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(
    [URL, SHA256, "art.example", "true", "false", "update", "1.0", "http://\ud800/", "[::1]", []]
)  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=3))
def test_any_objects_are_read_or_refused(values: list[dict[str, Any]]) -> None:
    try:
        declarations = file(*values)
    except SignalError:
        return
    for signal in of_url(declarations, URL, SHA256, input_is_infer=True):
        assert signal.say in {Say.DENY, Say.ALLOW}
        assert len(signal.raw.encode()) <= 512


GOOD = st.fixed_dictionaries(
    {"domain": st.sampled_from(["art.example", "img.art.example"])},
    optional={
        "all": st.sampled_from(["true", "false"]),
        "train-ai": st.sampled_from(["true", "false"]),
        "train-genai": st.sampled_from(["true", "false"]),
        "tdm-reservation": st.sampled_from([0, 1]),
        "verified": st.booleans(),
    },
).filter(lambda value: value.keys() & {"all", "train-ai", "train-genai", "tdm-reservation"})


@given(st.lists(GOOD, max_size=4), GOOD)
def test_one_more_declaration_takes_no_denial_back(
    values: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    def denied(declarations: Declarations) -> set[Purpose]:
        return {s.purpose for s in of_url(declarations, URL) if s.say is Say.DENY}

    assert denied(file(*values)) | denied(file(more)) <= denied(file(*values, more))


@given(st.lists(GOOD, max_size=4))
def test_what_is_unverified_grants_nothing(values: list[dict[str, Any]]) -> None:
    signals = of_url(file(*({**value, "verified": False} for value in values)), URL)
    assert {s.say for s in signals} <= {Say.DENY}
