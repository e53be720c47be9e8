"""optout.signals.page against the facts' vectors, broken pages, and any bytes."""

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.page import CHANNELS, PageTags, extract, licences, of_page, rsl_links
from optout.signals.page_tags import MAX_CONTENT_CHARS, MAX_TAGS, READ_BYTES
from optout.signals.profiles import PROFILES
from optout.signals.signal import RAW_BYTES
from optout.urls import MAX_URL_CHARS
from schemas.canonical import canonical_json
from schemas.errors import SignalError
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.page_cases import CASES, NOAI, Case, meta, rsl

DEFAULT, STRICT, LITERAL = (PROFILES[name] for name in ("default", "strict", "rfc-literal"))
PAGE = "https://art.example/works/1"
NOAI_META = '<meta name="robots" content="noai">'


def says(tags, profile=DEFAULT, purpose=Purpose.TRAIN_GEN):
    signals = of_page(tags, "ArtBot", profile, PAGE)
    assert len({(s.channel, s.purpose) for s in signals}) == len(signals)
    assert all(s.channel in CHANNELS and not s.place and s.evidence is None for s in signals)
    return {s.channel: s.say for s in signals if s.purpose is purpose}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_page_says_what_the_table_says(case: Case):
    for html in (case.html, case.html.encode(), b"\xff\xfe" + case.html.encode("utf-16-le")):
        tags = extract(html, headers=case.headers)
        assert says(tags) == case.says
        assert not tags.truncated
        assert {s.note for s in of_page(tags, "ArtBot", DEFAULT, PAGE)} <= {case.note}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_tags_are_evidence_that_says_the_same(case: Case):
    tags = extract(case.html, headers=case.headers)
    again = PageTags.from_json(json.loads(canonical_json(tags.as_json())))
    assert again == tags
    assert says(again) == case.says


def test_a_refusal_forbids_both_trainings_and_shows_robot_and_word():
    signals = of_page(extract(meta("index, follow") + meta("noai")), "ArtBot", DEFAULT, PAGE)
    assert [s.purpose for s in signals] == [Purpose.TRAIN_GEN, Purpose.TRAIN_DISC]
    assert {(s.raw, s.line, s.note) for s in signals} == {("robots: noai", None, "")}


def test_a_page_header_is_shown_with_its_index_among_those_kept():
    headers = [("Date", "x"), ("Link", "<a>"), ("X-Robots-Tag", "noai")]
    signals = of_page(extract("", headers=headers), "ArtBot", DEFAULT, PAGE)
    assert {(s.raw, s.line, s.note) for s in signals} == {("noai", 1, "page header")}


def test_other_crawlers_are_heard_where_the_profile_hears_them():
    tags = extract(meta("noai", "CCBot"))
    assert tags.metas == (("ccbot", "noai"),)
    assert says(tags) == {}
    assert says(tags, STRICT) == NOAI
    assert {s.note for s in of_page(tags, "ArtBot", STRICT, PAGE)} == {"proxy ccbot"}
    sent = extract("", headers=[("x-robots-tag", "ccbot: noai")])
    assert (says(sent), says(sent, STRICT)) == ({}, NOAI)


@pytest.mark.parametrize(
    ("head", "profile", "denied"),
    [
        ("none", DEFAULT, True),
        ("none", LITERAL, False),
        ("noml", LITERAL, False),
        ("noindex", STRICT, False),
        ("noai", LITERAL, True),
    ],
)
def test_words_are_read_as_the_profile_says(head, profile, denied):
    assert (says(extract(meta(head)), profile) == NOAI) is denied


def test_a_reservation_of_the_html_alone_is_none_where_the_letter_counts():
    tags = extract(meta("1", "tdm-reservation"), headers=[("tdm-reservation", "1")])
    assert says(tags, purpose=Purpose.MINE) == {Channel.PAGE_TDM: Say.DENY}
    assert says(tags, LITERAL) == {}


LINKS = """
<base href="/base/">
<link rel="License stylesheet" type="application/rsl+xml" href="l.xml">
<link rel=license type="application/rsl+xml" href=https://cdn.example/l.xml>
<link rel=license href=https://creativecommons.org/licenses/by-nc/4.0/>
<link rel=license type=application/rsl+xml href="">
<link rel=stylesheet type=application/rsl+xml href=x>
<body><a rel="nofollow license" type="application/rsl+xml" href="/terms">Terms</a>
<link rel=license type="application/rsl+xml" href="javascript:x">
"""


def test_licences_are_told_apart_and_made_absolute():
    sent = [("Link", '</sent.xml>; rel=license; type="application/rsl+xml", <cc>; rel=license')]
    tags = extract(LINKS, headers=sent)
    assert rsl_links(tags, PAGE) == (
        "https://art.example/base/l.xml",
        "https://cdn.example/l.xml",
        "javascript:x",
        "https://art.example/sent.xml",
    )
    assert licences(tags, PAGE) == (
        ("html:license", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ("html:license", "https://art.example/terms"),
        ("http:link", "https://art.example/works/cc"),
    )
    assert says(tags) == {}


def test_an_address_that_is_too_long_is_no_shorter_address():
    href = "https://a.example/" + "x" * 2 * MAX_URL_CHARS
    tags = extract(f'<link rel=license type="application/rsl+xml" href="{href}">')
    assert tags.truncated
    assert len(rsl_links(tags, PAGE)[0]) > MAX_URL_CHARS


def test_only_headers_that_bear_signals_are_kept():
    headers = [("Set-Cookie", "secret"), ("LINK ", "<a>"), ("TDM-Policy", "p"), ("Link", "<a>")]
    assert extract("", headers=headers).headers == (
        ("link", "<a>"),
        ("tdm-policy", "p"),
        ("link", "<a>"),
    )


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("noai", True),
        ("This is noai, friends", True),
        ("max-snippet:-1, none", True),
        ("none nofollow", True),
        ("none of these", False),
        ("all, about, art", True),  # a robot may be called keywords
        ("all about art", False),
        ("", False),
    ],
)
def test_metas_of_robots_are_kept_and_descriptions_are_not(content, kept):
    assert bool(extract(meta(content, "SomeBot/2.1")).metas) is kept
    assert extract(meta(content, "some bot")).metas == ()


def test_the_encoding_is_read_as_browsers_do():
    def licence_of(body: bytes) -> str:
        return extract(body).licenses[0][1]

    link = "<link rel=license href=/é>"
    assert licence_of(link.encode()) == "/é"
    assert licence_of(b"\xef\xbb\xbf<meta charset=latin1>" + link.encode()) == "/é"
    assert licence_of(b"<meta charset='ISO-8859-1'>" + link.encode("latin1")) == "/é"
    http_equiv = b'<meta http-equiv=content-type content="text/html; charset=windows-1252">'
    assert licence_of(http_equiv + link.encode("latin1")) == "/é"
    assert licence_of(b"<meta charset=punycode>" + link.encode()) == "/é"


def test_no_more_of_a_page_is_read_than_promised():
    filler = "<!--" + "x" * READ_BYTES + "-->"
    assert extract(NOAI_META + filler).metas
    tags = extract("<head>" + filler + NOAI_META)
    assert (tags.metas, tags.truncated) == ((), True)
    assert extract(b"<head>" + b" " * READ_BYTES).truncated


def test_tags_are_capped_and_it_shows():
    metas = "".join(meta("noai", f"bot{n}") for n in range(MAX_TAGS + 1))
    tags = extract(metas)
    assert (len(tags.metas), tags.truncated) == (MAX_TAGS, True)
    assert not extract(NOAI_META * 1000).truncated
    tags = extract(meta("noai, " * MAX_CONTENT_CHARS))
    assert (len(tags.metas[0][1]), tags.truncated) == (MAX_CONTENT_CHARS, True)
    assert says(tags) == NOAI


@pytest.mark.parametrize(
    "parts",
    [
        (b"<div>",), (b"<b><p>",), (b"<a>",), (b"<svg><g>", b"</a>"), (b"<svg><desc>", b"</b>"),
        (b"<table><b>",), (b"<div></p>",), (b"<meta ",), (b"<meta name=a content=noai",),
        (b"<!--",),
        (b"<script type=rsl/rsl>",), (b"<meta charset=",), (b"<font size=1><p>",), (b"&",),
        (b"\0",),
        (b"<script type=a/rsl><rsl></script>",), (b"\xff\xfe", b"<\0b\0>\0"),
    ],
)  # fmt: skip
def test_hostile_pages_take_no_long_time(parts):
    share = READ_BYTES * 2 // len(parts)
    body = b"".join(part * (share // len(part)) for part in parts)
    began = time.perf_counter()
    of_page(extract(body), "ArtBot", STRICT, PAGE)
    of_page(extract(body[: READ_BYTES // 8] + body[-READ_BYTES:]), "ArtBot", STRICT, PAGE)
    assert time.perf_counter() - began < 5


GOOD = extract(NOAI_META + rsl(""), headers=[("link", "<a>")]).as_json()


@pytest.mark.parametrize(
    "value",
    [
        None, [], {}, "x", {**GOOD, "more": 1}, {**GOOD, "metas": None}, {**GOOD, "metas": [["a"]]},
        {**GOOD, "metas": [["a", 1]]}, {**GOOD, "licenses": [["a", "b", "c"]]},
        {**GOOD, "headers": {"a": "b"}}, {**GOOD, "headers": ["ab"]}, {**GOOD, "rsl": "x"},
        {**GOOD, "rsl": [1]}, {**GOOD, "truncated": 1}, {k: GOOD[k] for k in list(GOOD)[1:]},
    ],
)  # fmt: skip
def test_other_evidence_is_refused(value):
    assert PageTags.from_json(GOOD).as_json() == GOOD
    with pytest.raises(SignalError):
        PageTags.from_json(value)


PIECES = st.lists(
    st.sampled_from(
        ["<head>", "</head>", "<body>", "<div>", meta("index"), meta("noai"), rsl(""), "<title>",
         meta("1", "tdm-reservation"), "<link rel=license href=", "<script>", "</script>", "<!--",
         "<svg>", ">", '"']
    )
    | st.text(),
    max_size=12,
).map("".join)  # fmt: skip
PAIRS = st.lists(st.tuples(st.sampled_from(["X-Robots-Tag", "link", "tdm-reservation"]), st.text()))


@given(PIECES | st.binary() | st.text(st.characters()), PAIRS, st.sampled_from([DEFAULT, STRICT]))
def test_any_page_is_answered(html, headers, profile):
    tags = extract(html, headers=headers)
    assert PageTags.from_json(json.loads(canonical_json(tags.as_json()))) == tags
    for signal in of_page(tags, "ArtBot", profile, PAGE):
        assert len(signal.raw.encode()) <= RAW_BYTES
    for url in (*rsl_links(tags, PAGE), *(url for _, url in licences(tags, PAGE))):
        assert isinstance(url, str)


@given(PIECES, st.sampled_from(["noai", "noimageai"]), st.sampled_from(["robots", "artbot"]))
def test_a_refusal_first_in_the_head_is_heard_whatever_follows(rest, word, name):
    assert says(extract(f"<head>{meta(word, name)}{rest}"))[Channel.PAGE_ROBOTS] is Say.DENY


@given(st.lists(st.sampled_from(CASES), max_size=3), st.sampled_from(CASES))
def test_more_tags_never_lift_a_refusal_of_robots_or_licence(cases, more):
    fewer, all_of_it = ("".join(c.head for c in some) for some in (cases, [*cases, more]))
    before, after = says(extract(fewer)), says(extract(all_of_it))
    for channel in (Channel.PAGE_ROBOTS, Channel.PAGE_LICENSE):
        assert before.get(channel) is not Say.DENY or after[channel] is Say.DENY


def test_tags_are_values():
    assert replace(PageTags(), truncated=True) == PageTags(truncated=True)
    assert extract("") == extract(b"") == PageTags()
