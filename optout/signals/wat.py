"""WAT: the tags of a page from Common Crawl's metadata, so that no page is asked again.

One JSON value a capture: Envelope > Payload-Metadata > HTTP-Response-Metadata holds the headers,
and HTML-Metadata > Head the metas and links of the page's head. It keeps the address of a script
and not its text, so inline RSL is not seen; and of a repeated header older ones keep one line.
Source: facts section 7.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from optout.signals.link_header import LICENSE
from optout.signals.page_tags import PageTags, gather, joined
from schemas.errors import SignalError

MAX_BYTES = 16 * 1024 * 1024
"""Longest value that is read: a page of a million links has less."""

_PATH = ("Envelope", "Payload-Metadata", "HTTP-Response-Metadata")


def extract(record: str | bytes | Mapping[str, Any]) -> PageTags | None:
    """Return the tags of one capture that bear signals; None where it is no HTTP response.

    record: the JSON text or what was parsed from it; what is missing in it is absent, and what has
    another shape than expected is passed over.
    Raises SignalError where it is no JSON object, or longer than MAX_BYTES.
    """
    found: Any = record if isinstance(record, Mapping) else _parsed(record)
    for name in _PATH:
        found = _mapping(found).get(name)
    if not isinstance(found, Mapping):
        return None
    html = _mapping(found.get("HTML-Metadata"))
    head = _mapping(html.get("Head"))
    base = _text(head, "Base")
    return gather(
        metas=((_text(m, "name"), _text(m, "content")) for m in _each(head.get("Metas"))),
        licenses=_licenses(head, html, base),
        headers=_headers(found.get("Headers")),
    )


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    if len(text) > MAX_BYTES:
        raise SignalError(f"expected at most {MAX_BYTES} bytes of WAT, found {len(text)}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as e:  # UnicodeDecodeError is a ValueError
        raise SignalError(f"expected WAT as JSON: {e!r:.200}") from e
    if not isinstance(value, Mapping):
        raise SignalError(f"expected WAT as a JSON object, found {value!r:.80}")
    return value


def _licenses(
    head: Mapping[str, Any], html: Mapping[str, Any], base: str
) -> Iterator[tuple[str, str]]:
    for link in _each(head.get("Link")):
        if _licenses_it(link):
            yield _text(link, "type"), joined(base, _text(link, "url") or _text(link, "href"))
    for link in _each(html.get("Links")):
        if _text(link, "path").upper().startswith("A@") and _licenses_it(link):
            yield "", joined(base, _text(link, "url"))


def _licenses_it(link: Mapping[str, Any]) -> bool:
    return LICENSE in _text(link, "rel").lower().split()


def _headers(value: Any) -> Iterator[tuple[str, str]]:
    for name, sent in _mapping(value).items():
        for line in sent if isinstance(sent, list) else [sent]:
            if isinstance(line, str):
                yield str(name), line


def _each(value: Any) -> Iterator[Mapping[str, Any]]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Mapping):
            yield one


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""
