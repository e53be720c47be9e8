"""optout.signals.channels: the hooks and the gates behind one policy."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.channels import (
    CHANNELS,
    DOCUMENT_CHANNELS,
    HEADER_CHANNELS,
    SIGNAL_HEADERS,
    Document,
    SignalPolicy,
    found,
)
from schemas.config import BuildConfig
from schemas.verdict import CHANNEL_REASON, Channel, Purpose, Say, Verdict

POLICY = SignalPolicy("ArtBot")
ORIGIN = "https://h.example"
ROBOTS_URL = f"{ORIGIN}/robots.txt"


def robots(body: bytes | None, status: int | None = 200) -> dict[str, Document]:
    document = found("robots", ORIGIN, ROBOTS_URL, http_status=status, asked_at_us=7, body=body)
    return {"robots": document}


def test_a_policy_comes_from_the_config() -> None:
    config = BuildConfig.model_validate(
        {
            "fetch": {"agent": "ArtBot"},
            "signals": {
                "purpose": "train-disc",
                "accept_unchecked": ["robots"],
                "index_tokens": False,
            },
        }
    )
    assert SignalPolicy.from_config(config) == SignalPolicy(
        "ArtBot",
        Purpose.TRAIN_DISC,
        index_tokens=False,
        accept_unchecked=frozenset({"robots"}),
    )


def test_robots_is_asked_of_every_origin() -> None:
    assert POLICY.origin_documents("http://h:8080") == (("robots", "http://h:8080/robots.txt"),)


@pytest.mark.parametrize(
    ("body", "status", "say", "purpose", "note"),
    [
        (b"User-agent: *\nDisallow: /", 200, Say.DENY, Purpose.FETCH, ""),
        (b"User-agent: *\nAllow: /", 200, Say.ALLOW, Purpose.FETCH, ""),
        (b"", 200, Say.SILENT, Purpose.TRAIN_GEN, ""),
        (None, 404, Say.SILENT, Purpose.TRAIN_GEN, "status 404"),
        (b"User-agent: *\nDisallow: /", 404, Say.SILENT, Purpose.TRAIN_GEN, "status 404"),
        (None, 403, Say.DENY, Purpose.FETCH, "status 403"),
        (None, 503, Say.ERROR, Purpose.FETCH, "status 503"),
        (None, 429, Say.ERROR, Purpose.FETCH, "status 429"),
        (None, 301, Say.ERROR, Purpose.FETCH, "status 301"),
        (None, None, Say.ERROR, Purpose.FETCH, "no response"),
        (None, 200, Say.ERROR, Purpose.FETCH, "status 200"),
    ],
)
def test_robots_speaks_about_fetching(
    body: bytes | None, status: int | None, say: Say, purpose: Purpose, note: str
) -> None:
    documents = robots(body, status)
    (signal,) = POLICY.of_documents(f"{ORIGIN}/a.jpg", documents)
    assert (signal.say, signal.purpose, signal.note) == (say, purpose, note)
    assert signal.evidence == documents["robots"].document_id
    assert signal.place == ROBOTS_URL
    assert POLICY.may_ask(f"{ORIGIN}/a.jpg", documents) is (say in {Say.ALLOW, Say.SILENT})


def test_the_line_that_denies_is_named() -> None:
    (signal,) = POLICY.of_documents(f"{ORIGIN}/a", robots(b"User-agent: *\nDisallow: /a # x"))
    assert (signal.raw, signal.line) == ("Disallow: /a # x", 2)


def test_a_document_that_was_not_asked_for_is_an_error() -> None:
    (signal,) = POLICY.of_documents(f"{ORIGIN}/a", {})
    assert signal.say is Say.ERROR
    assert not POLICY.may_ask(f"{ORIGIN}/a", {})


def test_headers_are_answered_silence_included() -> None:
    (silent,) = POLICY.of_headers([("Content-Type", "image/png")])
    assert (silent.channel, silent.say) == (Channel.X_ROBOTS, Say.SILENT)
    assert POLICY.may_read("https://h/a", [("Content-Type", "image/png")])
    assert not POLICY.may_read("https://h/a", [("x-robots-tag", "noai")])


@pytest.mark.parametrize("token", ["noindex", "none"])
def test_index_tokens_follow_the_config(token: str) -> None:
    headers = [("X-Robots-Tag", token)]
    assert not POLICY.may_read("https://h/a", headers)
    assert SignalPolicy("ArtBot", index_tokens=False).may_read("https://h/a", headers)


def test_headers_that_forbid_training_do_not_stop_a_build_for_mining() -> None:
    assert SignalPolicy("ArtBot", Purpose.MINE).may_read("https://h/a", [("X-Robots-Tag", "noai")])


def test_no_family_reads_bytes_yet() -> None:
    assert POLICY.of_bytes(b"\xff\xd8", "image/jpeg") == ()


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ({}, None),
        (robots(None, 404), None),
        (robots(None, 200), None),
        (robots(b"User-agent: *\nCrawl-delay: 3\n", 503), None),
        (robots(b"User-agent: *\nCrawl-delay: 3\n"), 3.0),
        (robots(b"User-agent: *\nCrawl-delay: 3\nDisallow:\nUser-agent: artbot\nAllow: /"), None),
    ],
)
def test_crawl_delay(documents: dict[str, Document], expected: float | None) -> None:
    assert POLICY.crawl_delay_s(documents) == expected


def test_every_channel_has_a_reason_and_a_hook() -> None:
    assert set(CHANNELS) == set(DOCUMENT_CHANNELS) | set(HEADER_CHANNELS) == set(Channel)
    assert set(CHANNEL_REASON) == set(Channel)
    assert all(name == name.lower() for name in SIGNAL_HEADERS)


@given(st.text(max_size=50), st.binary(max_size=50), st.one_of(st.none(), st.integers(0, 999)))
def test_gates_answer_anything(url: str, body: bytes, status: int | None) -> None:
    documents = robots(body, status)
    assert POLICY.may_ask(url, documents) in {True, False}
    verdict = POLICY.verdict(POLICY.of_documents(url, documents))
    assert POLICY.may_ask(url, documents) is (verdict is Verdict.KEEP)


def test_a_url_costs_less_than_a_tenth_of_a_millisecond() -> None:
    body = b"User-agent: *\n" + b"".join(b"Disallow: /dir%d/*.php$\n" % n for n in range(50))
    documents = robots(body)
    POLICY.may_ask(f"{ORIGIN}/warm", documents)
    spent = []
    for _ in range(3):
        start = time.process_time()
        for n in range(1_000):
            POLICY.may_ask(f"{ORIGIN}/images/{n}.jpg", documents)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1
