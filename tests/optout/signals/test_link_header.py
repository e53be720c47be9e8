"""optout.signals.link_header against RFC 8288's examples, licences of either kind, and any text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.link_header import FIELD, Link, is_rsl, licences, parse, rsl_links

BASE = "https://art.example/img/a.jpg"
RSL = "application/rsl+xml"


@pytest.mark.parametrize(
    ("value", "links"),
    [
        ("<a>", [("a", {})]),
        ('<http://e.example/>; rel="previous";\n title="x"', [
            ("http://e.example/", {"rel": "previous", "title": "x"})]),
        ("</>; rel=foo , </b>;REL=bar", [("/", {"rel": "foo"}), ("/b", {"rel": "bar"})]),
        ('<a,b;c>; title="x, <y>; z=1"; rel=license', [
            ("a,b;c", {"title": "x, <y>; z=1", "rel": "license"})]),
        (r'<a>; title="say \"hi\", \\"; rel=x', [("a", {"title": 'say "hi", \\', "rel": "x"})]),
        ("<a>; crossorigin; rel = x", [("a", {"crossorigin": "", "rel": "x"})]),
        ("<a> rel=x", [("a", {"rel": "x"})]),
        ('<a>; rel="x', [("a", {"rel": "x"})]),
        ("<a; rel=x", [("a", {"rel": "x"})]),
        ("<a;rel=x, <b>;rel=y", [("a;rel=x, <b", {"rel": "y"})]),
        ('<a>;;;==""rel=x', [("a", {"rel": "x"})]),
        ("a; rel=x", []),
        ("", []),
    ],
)  # fmt: skip
def test_links_are_read(value, links):
    assert [(link.href, dict(link.params)) for link in parse(value)] == links


def test_the_first_of_repeated_parameters_counts():
    assert parse("<a>; rel=license; rel=next")[0].param("rel") == "license"
    assert Link("a", ()).param("rel") == ""


def test_rsl_and_other_licences_are_told_apart():
    lines = [
        (0, f'<https://cdn.example/l.xml>; rel="license"; type="{RSL}"'),
        (
            3,
            f"<https://creativecommons.org/licenses/by/4.0/>; rel=license, </r>; rel=x; type={RSL}",
        ),
        (4, '<../rsl.xml#x>; rel="LICENSE nofollow"; type="Application/RSL+XML; charset=utf-8"'),
    ]
    assert rsl_links(lines, BASE) == (
        (0, "https://cdn.example/l.xml"),
        (4, "https://art.example/rsl.xml"),
    )
    assert licences(lines, BASE) == ((FIELD, "https://creativecommons.org/licenses/by/4.0/"),)


def test_an_address_that_cannot_be_asked_is_named_all_the_same():
    lines = [(0, f"<javascript:x>;rel=license;type={RSL}, <http://[>;rel=license;type={RSL}")]
    assert rsl_links(lines, BASE) == ((0, "javascript:x"), (0, "http://["))


@pytest.mark.parametrize(
    ("media_type", "href", "rsl"),
    [
        (RSL, "", True),
        ("application/rsl", "", True),
        ("text/rsl+xml;q=1", "", True),
        ("application/rdf+xml", "rsl.xml", False),
        ("text/html", "rsl.xml", False),
        ("application/xml", "https://a.example/RSL.xml?x#y", True),
        ("text/xml", "/my-rsl", True),
        ("text/xml", "/rsl/licence.xml", False),
        ("text/xml", "/parsley.xml", False),
        ("", "rsl.xml", False),
        ("rsl", "", False),
    ],
)
def test_rsl_is_known_by_its_type_or_as_xml_of_its_name(media_type, href, rsl):
    assert is_rsl(media_type, href) is rsl


@pytest.mark.parametrize("piece", ["<", "<>", "<a>;", '"', '<a>;b="\\', "<a;", "=", '<a>;b="c'])
def test_hostile_lines_take_no_long_time(piece):
    began = time.perf_counter()
    parse(piece * 200_000)
    assert time.perf_counter() - began < 2


TOKEN = st.text(alphabet="abcdefgh-*", min_size=1)
PARAMS = st.lists(st.tuples(TOKEN, st.text()), max_size=4)
HREF = st.text(alphabet=st.characters(exclude_characters=">", exclude_categories=["Z", "C"]))


@given(st.lists(st.tuples(HREF, PARAMS), max_size=4))
def test_rendered_links_are_read_back(links):
    def quoted(value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    line = ", ".join(
        f"<{href}>" + "".join(f"; {name}={quoted(value)}" for name, value in params)
        for href, params in links
    )
    assert parse(line) == tuple(Link(href, tuple(params)) for href, params in links)


@given(st.text(alphabet='<>;,="\\ abrellicense/:', max_size=80) | st.text(), st.text())
def test_any_text_is_answered(value, base):
    found = rsl_links([(0, value)], base), licences([(0, value)], base)
    assert len(found) == 2


@given(st.text(alphabet='<>;,="\\ abrellicense/:', max_size=80))
def test_a_licence_after_a_whole_line_is_found(value):
    line = f"<https://a.example/l>; rel=license; type={RSL}, {value}"
    assert (0, "https://a.example/l") in rsl_links([(0, line)], BASE)
