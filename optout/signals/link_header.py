"""Link headers: which licences a response names, machine-readable (RSL) or not.

A line holds links, separated by commas: `<address>; name=value; name="quoted, value"`. Commas and
semicolons inside `<>` and quotes belong there. What departs from the grammar is read as far as it
makes sense (a missing `>`, `;` or quote), since half a link still names a licence.
A link's `anchor` is not followed: a licence says itself which addresses it speaks about, and
leaving it out on the word of a parameter would lose a reservation.
Source: RFC 8288 section 3 and appendix B; facts section 10 for RSL.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urljoin

from optout.urls import canonical_url
from schemas.errors import UsageError

MAX_CHARS = 32 * 1024
"""What is read of one line; servers take headers of 8 to 16 KiB."""

MAX_LINKS = 256
LICENSE = "license"
FIELD = "http:link"
"""Under which field the provenance of a licence from this header stands."""

_GENERIC_XML = frozenset({"application/xml", "text/xml"})
_RSL_NAME = re.compile(r"(?:^|[._-])rsl(?:[._-]|$)")
_SUFFIXES = re.compile(r"[+.-]")
_UNCLOSED = re.compile(r"[^;,\s]*+")
_BETWEEN = re.compile(r"[\s;]*+")
_NAME = re.compile(r"[^\s;,=<\"]++")
_EQUALS = re.compile(r"\s*+=\s*+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"?', re.DOTALL)
_PLAIN = re.compile(r"[^\s;,]*+")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


class Link(NamedTuple):
    """One link: its address as sent and its parameters in order, names in lower case."""

    href: str
    params: tuple[tuple[str, str], ...]

    def param(self, name: str) -> str:
        """Return the first value of a parameter, empty where there is none.

        Source: RFC 8288 section 3.3: occurrences of `rel` after the first are ignored.
        """
        return next((value for own, value in self.params if own == name), "")


def parse(value: str) -> tuple[Link, ...]:
    """Return the links of one line, at most MAX_LINKS. Any text has an answer."""
    text = value[:MAX_CHARS]
    last_close = text.rfind(">")
    links: list[Link] = []
    at = text.find("<")
    while at >= 0 and len(links) < MAX_LINKS:
        if at < last_close:
            end = text.find(">", at)
            href, at = text[at + 1 : end], end + 1
        else:
            href, at = _next(_UNCLOSED, text, at + 1)
        params, at = _params(text, at)
        links.append(Link(href.strip(), params))
        at = text.find("<", at)
    return tuple(links)


def rsl_links(lines: Iterable[tuple[int, str]], base: str) -> tuple[tuple[int, str], ...]:
    """Return (header index, absolute URL) of each RSL licence that Link lines name, in order.

    lines: (index among all headers, value). base: URL of the response. An address that no request
    can be sent to is returned all the same: a licence is named, and nobody will obtain it.
    """
    return tuple(
        (index, absolute(link.href, base))
        for index, link in _licensing(lines)
        if is_rsl(link.param("type"), link.href)
    )


def licences(lines: Iterable[tuple[int, str]], base: str) -> tuple[tuple[str, str], ...]:
    """Return (FIELD, absolute URL) of each other licence: provenance, no opt-out."""
    return tuple(
        (FIELD, absolute(link.href, base))
        for _, link in _licensing(lines)
        if not is_rsl(link.param("type"), link.href)
    )


def is_rsl(media_type: str, href: str = "") -> bool:
    """Say whether a licence link means RSL: by its type, or as XML by a file name that says so.

    Wrong media types are common where RSL is deployed, so `application/rsl` and `text/rsl+xml`
    count too; RDF and HTML of other licences do not.
    """
    bare = media_type.partition(";")[0].strip().lower()
    if "rsl" in _SUFFIXES.split(bare.partition("/")[2]):
        return True
    if bare not in _GENERIC_XML:
        return False
    path = href.partition("#")[0].partition("?")[0]
    return _RSL_NAME.search(path.rpartition("/")[2].lower()) is not None


def absolute(href: str, base: str) -> str:
    """Return an address resolved against a base and canonical, as far as that can be done."""
    try:
        joined = urljoin(base, href)
    except ValueError:
        return href
    try:
        return canonical_url(joined)
    except UsageError:
        return joined


def _licensing(lines: Iterable[tuple[int, str]]) -> Iterable[tuple[int, Link]]:
    for index, value in lines:
        for link in parse(value):
            if link.href and LICENSE in link.param("rel").lower().split():
                yield index, link


def _params(text: str, at: int) -> tuple[tuple[tuple[str, str], ...], int]:
    """Return the parameters from a place on, and where the next link may begin."""
    params: list[tuple[str, str]] = []
    while True:
        _, at = _next(_BETWEEN, text, at)
        if at >= len(text) or text[at] in ",<":
            return tuple(params), at
        name, after = _next(_NAME, text, at)
        if not name:
            at += 1  # a stray `=` or quote
            continue
        equals = _EQUALS.match(text, after)
        if equals is None:
            value, at = "", after
        elif quoted := _QUOTED.match(text, equals.end()):
            value, at = _QUOTED_PAIR.sub(r"\1", quoted[1]), quoted.end()
        else:
            value, at = _next(_PLAIN, text, equals.end())
        params.append((name.lower(), value))


def _next(pattern: re.Pattern[str], text: str, at: int) -> tuple[str, int]:
    found = pattern.match(text, at)
    return (found[0], found.end()) if found else ("", at)
