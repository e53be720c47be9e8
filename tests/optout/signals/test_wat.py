"""optout.signals.wat: the same tags from Common Crawl's metadata as from the page."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.page import PageTags, extract, licences, of_page, rsl_links
from optout.signals.profiles import PROFILES
from optout.signals.wat import MAX_BYTES
from optout.signals.wat import extract as of_wat
from schemas.errors import SignalError
from schemas.verdict import Channel, Say

PAGE = "https://art.example/works/1"


def capture(head=None, headers=None, links=()):
    return {
        "Container": {"Filename": "x.warc.gz", "Offset": "1"},
        "Envelope": {
            "WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": PAGE},
            "Payload-Metadata": {
                "Actual-Content-Type": "application/http; msgtype=response",
                "HTTP-Response-Metadata": {
                    "Response-Message": {"Status": "200", "Version": "HTTP/1.1", "Reason": "OK"},
                    "Headers": headers or {"Content-Type": "text/html", "X-Robots-Tag": "noai"},
                    "HTML-Metadata": {"Head": head or {"Title": "x"}, "Links": list(links)},
                },
            },
        },
    }


FULL = capture(
    head={
        "Base": "https://art.example/base/",
        "Metas": [
            {"name": "Robots", "content": "noimageai"},
            {"property": "og:title", "content": "noai"},
            {"http-equiv": "content-usage", "content": "train-ai=n"},
            {"name": "tdm-reservation", "content": "1"},
        ],
        "Link": [
            {"path": "LINK@/href", "url": "l.xml", "rel": "license", "type": "application/rsl+xml"},
            {"path": "LINK@/href", "url": "s.css", "rel": "stylesheet"},
            {"path": "LINK@/href", "url": "/cc", "rel": "license"},
        ],
    },
    headers={"Link": ["<a>", "<b>"], "Server": "x", "x-robots-tag": "index"},
    links=[
        {"path": "A@/href", "url": "/terms", "rel": "license", "text": "Terms"},
        {"path": "IMG@/src", "url": "/a.jpg", "rel": "license"},
    ],
)
HTML = """
<head><base href="https://art.example/base/"><meta name="Robots" content="noimageai">
<meta name="tdm-reservation" content="1">
<link rel="license" type="application/rsl+xml" href="l.xml"><link rel=license href="/cc">
</head><body><a rel=license href="/terms">Terms</a>
"""


def test_a_capture_has_the_tags_of_its_page():
    sent = [("Link", "<a>"), ("Link", "<b>"), ("Server", "x"), ("X-Robots-Tag", "index")]
    expected = extract(HTML, headers=sent)
    assert of_wat(FULL) == of_wat(json.dumps(FULL)) == of_wat(json.dumps(FULL).encode()) == expected
    assert rsl_links(expected, PAGE) == ("https://art.example/base/l.xml",)
    assert [url for _, url in licences(expected, PAGE)] == [
        "https://art.example/cc",
        "https://art.example/terms",
    ]


def test_a_single_header_line_is_read():
    tags = of_wat(capture())
    assert tags == PageTags(headers=(("x-robots-tag", "noai"),))
    signals = of_page(tags, "ArtBot", PROFILES["default"], PAGE)
    assert {(s.channel, s.say) for s in signals} == {(Channel.PAGE_ROBOTS, Say.DENY)}


@pytest.mark.parametrize("name", ["Envelope", "Payload-Metadata", "HTTP-Response-Metadata"])
def test_what_is_no_response_has_no_tags(name):
    value = copy.deepcopy(FULL)
    inner = value
    for step in ("Envelope", "Payload-Metadata", "HTTP-Response-Metadata"):
        if step == name:
            inner[step] = "x"
            break
        inner = inner[step]
    assert of_wat(value) is None
    del inner[name]
    assert of_wat(value) is None
    assert of_wat({}) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "1", "[" * 100_000, b"\xff\xfe\xff", "1" * 10_000, b"\0",
     '{"a": ' * 50_000, " " * (MAX_BYTES + 1)],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_what_is_no_json_object_is_an_error(text):
    with pytest.raises(SignalError):
        of_wat(text)


def test_unicode_that_is_none_becomes_some():
    tags = of_wat(capture(head={"Metas": [{"name": "robots", "content": "noai \ud800"}]}))
    assert tags is not None
    assert tags.metas == (("robots", "noai ?"),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()) | st.just("license"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Metas", "Link", "Base", "name", "content", "rel", "url", "path", "Link"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_any_json_is_answered(head, headers, links):
    value = capture()
    response = value["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]
    response |= {"Headers": headers, "HTML-Metadata": {"Head": head, "Links": links}}
    tags = of_wat(value)
    assert tags is not None
    assert PageTags.from_json(tags.as_json()) == tags
    of_page(tags, "ArtBot", PROFILES["strict"], PAGE)


@given(st.text() | st.binary())
def test_any_text_is_tags_nothing_or_our_error(text):
    try:
        assert of_wat(text) is None
    except SignalError as e:
        assert "WAT" in str(e)  # noqa: PT017 - either answer will do
