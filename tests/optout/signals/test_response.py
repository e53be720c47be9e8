"""optout.signals.response: each header line is read once, by its own family."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.document import Document, licence
from optout.signals.origin_files import MAX_LICENCES, Reader
from optout.signals.profiles import PROFILES
from optout.signals.response import (
    CHANNELS,
    NAMES,
    bears_signal,
    media_type,
    of_headers,
    wanted,
)
from optout.signals.signal import Signal
from schemas.verdict import FAMILY, Channel, Family, Purpose, Say
from tests.optout.signals.sites import ORIGIN, Page, document

READER = Reader("ArtBot", PROFILES["default"], Purpose.TRAIN_GEN)
LITERAL = Reader("ArtBot", PROFILES["rfc-literal"], Purpose.TRAIN_GEN)
URL = f"{ORIGIN}/dir/a.jpg"
PLAIN = [("Content-Type", "image/png"), ("ETag", '"1"'), ("Set-Cookie", "noai=1; train-ai=n")]
PERMITTED = (
    b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license>'
    b'<permits type="usage">all</permits></license></content></rsl>'
)
DENIALS = {
    Channel.X_ROBOTS: ("X-Robots-Tag", "noai"),
    Channel.TDM_HEADER: ("tdm-reservation", "1"),
    Channel.CONTENT_USAGE: ("Content-Usage", "train-ai=n"),
    Channel.CONTENT_SIGNAL: ("Content-Signal", "ai-train=no"),
    Channel.LINK_LICENSE: ("Link", '</rsl.xml>; rel="license"; type="application/rsl+xml"'),
}


def read(
    headers: list[tuple[str, str]], documents: dict[str, Document] | None = None,
    reader: Reader = READER,
) -> tuple[Signal, ...]:  # fmt: skip
    return of_headers(headers, URL, documents or {}, reader)


def test_headers_that_bear_no_signal_are_silence_in_each_channel() -> None:
    for headers in ([], PLAIN):
        said = read(headers)
        assert [s.channel for s in said] == list(CHANNELS)
        assert {(s.say, s.purpose, s.raw) for s in said} == {(Say.SILENT, Purpose.TRAIN_GEN, "")}
        assert all(s.place in NAMES for s in said)


def test_channels_are_those_of_the_family() -> None:
    assert set(CHANNELS) == {c for c in Channel if FAMILY[c] is Family.HEADERS}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_line_is_read_by_its_own_family_and_numbered(channel: Channel) -> None:
    said = read([*PLAIN, DENIALS[channel]])
    assert {s.channel for s in said if s.say is Say.DENY} == {channel}
    assert {s.line for s in said if s.channel is channel} == {len(PLAIN)}
    assert {s.channel for s in said} == set(CHANNELS)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("change", [str.upper, str.lower, lambda name: f" {name}\t"])
def test_names_have_no_case(channel: Channel, change: "type[str]") -> None:
    name, value = DENIALS[channel]
    said = read([(change(name), value)])
    assert {s.channel for s in said if s.say is Say.DENY} == {channel}


def test_what_a_profile_leaves_out_is_not_answered() -> None:
    said = read([*DENIALS.values()], reader=LITERAL)
    assert {s.channel for s in said} == set(CHANNELS) - {Channel.CONTENT_SIGNAL}
    assert wanted([DENIALS[Channel.LINK_LICENSE]], URL, {}, READER.profile) != []


def test_a_licence_is_resolved_against_the_address_of_the_response() -> None:
    (one,) = wanted([DENIALS[Channel.LINK_LICENSE]], URL, {}, READER.profile)
    assert one == licence(f"{ORIGIN}/rsl.xml")
    documents = {one.key: document(one, Page(PERMITTED))}
    assert wanted([DENIALS[Channel.LINK_LICENSE]], URL, documents, READER.profile) == []
    said = read([DENIALS[Channel.LINK_LICENSE]], documents)
    granted = {s.place for s in said if s.channel is Channel.LINK_LICENSE and s.say is Say.ALLOW}
    assert granted == {f"{ORIGIN}/rsl.xml"}


def test_more_licences_than_are_read_license_nothing() -> None:
    links = [
        ("Link", f'<https://l.example/{n}>; rel=license; type="application/rsl+xml"')
        for n in range(MAX_LICENCES + 1)
    ]
    asked = wanted(links, URL, {}, READER.profile)
    assert len(asked) == MAX_LICENCES
    documents = {one.key: document(one, Page(PERMITTED)) for one in asked}
    said = read(links, documents)
    assert {s.say for s in said if s.channel is Channel.LINK_LICENSE} == {Say.DENY}
    fewer = read(links[:-1], documents)
    assert {s.say for s in fewer if s.channel is Channel.LINK_LICENSE} == {Say.ALLOW}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("X-Robots-Tag", "all", True),
        ("TDM-Policy", "https://e.example/", True),
        ("content-type", "image/png", True),
        ("Link", '<a>; rel="LICENSE"', True),
        ("Link", "<style.css>; rel=preload", False),
        ("Set-Cookie", "license=1", False),
        ("X-Robots", "noai", False),
    ],
)
def test_only_lines_that_bear_signals_are_evidence(name: str, value: str, kept: bool) -> None:
    assert bears_signal(name, value) is kept


def test_the_media_type_is_the_first_that_was_sent() -> None:
    assert media_type([("A", "b"), ("CONTENT-TYPE", "image/png"), ("Content-Type", "x")]) == (
        "image/png"
    )
    assert media_type([("A", "b")]) is None


NAME = st.one_of(st.sampled_from(sorted(NAMES)), st.text(max_size=8))
LINES = st.lists(st.tuples(NAME, st.text(max_size=30)), max_size=5)


@given(LINES, st.text(max_size=20), st.sampled_from(list(PROFILES)))
def test_any_lines_are_answered(lines: list[tuple[str, str]], url: str, name: str) -> None:
    reader = Reader("ArtBot", PROFILES[name], Purpose.TRAIN_GEN)
    said = of_headers(lines, url, {}, reader)
    assert {s.channel for s in said} == {c for c in CHANNELS if reader.profile.reads(c)}
    assert all(len(s.raw.encode()) <= 512 for s in said)
    assert len(wanted(lines, url, {}, reader.profile)) <= MAX_LICENCES


@given(st.sampled_from(CHANNELS), LINES, LINES)
def test_more_lines_take_no_denial_back(
    channel: Channel, before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    lines = [*before, DENIALS[channel], *after]
    if channel is Channel.CONTENT_USAGE:  # its lines are one field, which parses or says nothing
        lines = [line for line in lines if line[0] != "content-usage"]
    said = read(lines)
    assert channel in {s.channel for s in said if s.say is Say.DENY}


@given(LINES)
def test_evidence_says_what_all_lines_say(lines: list[tuple[str, str]]) -> None:
    kept = [(name, value) for name, value in lines if bears_signal(name, value)]
    told = {(s.channel, s.purpose, s.say, s.raw, s.note) for s in read(lines)}
    assert told == {(s.channel, s.purpose, s.say, s.raw, s.note) for s in read(kept)}
