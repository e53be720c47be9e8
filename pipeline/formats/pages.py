"""The page around an image where the source holds it: as HTML, or as a Common Crawl WAT record.

Only the tags and headers that bear signals go on from here: the page itself is large, and nobody's
to publish. Both are read without network.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from optout.signals import page, wat
from optout.signals.page import PageTags
from pipeline.formats.parts import Columns
from schemas.canonical import canonical_json
from schemas.errors import SchemaError, SignalError


def stored_tags(html: Any, record: Any) -> tuple[str | None, str | None]:
    """Return the canonical JSON of what a stored page says, and what is wrong with it.

    html: text or bytes. record: a WAT record as text, bytes or parsed JSON. Null and blank values
    are no page; without either the tags are null. Where both are there, the HTML tells the tags
    and the record adds the headers of the response, which HTML lacks.
    """
    try:
        tags = _tags(html, record)
        return (None if tags is None else canonical_json(tags.as_json()).decode()), None
    except (SignalError, SchemaError) as e:  # SchemaError: a lone surrogate in a WAT record
        return None, str(e)


def take_tags(value: dict[str, Any], columns: Columns) -> tuple[str | None, str | None]:
    """Take the stored page out of a JSON object and return `stored_tags` of it.

    Taken out at once, so that the pages of a whole part are never in memory together.
    """
    html = value.pop(columns.html, None) if columns.html else None
    record = value.pop(columns.wat, None) if columns.wat else None
    return stored_tags(html, record)


def _tags(html: Any, record: Any) -> PageTags | None:
    crawled = None
    if not _is_blank(record):
        _require(record, (str, bytes, Mapping), "a WAT record")
        crawled = wat.extract(record)
    if _is_blank(html):
        return crawled
    _require(html, (str, bytes), "the page's HTML")
    if crawled is None:
        return page.extract(html)
    tags = page.extract(html, headers=crawled.headers)
    return replace(tags, truncated=tags.truncated or crawled.truncated)


def _is_blank(value: Any) -> bool:
    """Say whether a cell holds no page: empty text is what CSV writes for null."""
    return value is None or (isinstance(value, str | bytes) and (not value or value.isspace()))


def _require(value: Any, kinds: tuple[type, ...], name: str) -> None:
    if not isinstance(value, kinds):
        raise SignalError(f"expected {name}, found {type(value).__name__}")
