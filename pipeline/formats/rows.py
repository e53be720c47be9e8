"""Rows as found -> SOURCED: the rules by which a row of any format is taken or stopped.

A bad row is data: it keeps its place, its reason is `malformed`, and what was wrong stands in
stop_detail. Captions are kept as given, control characters and all; what is longer than the
limit is cut, and its digest kept.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from optout.urls import GIVEN, canonical_url, host_of
from pipeline.formats.columns import is_uid
from pipeline.formats.parts import ROW_BITS, Part, SourcePlan
from schemas.canonical import sha256_hex
from schemas.errors import UsageError
from schemas.tables import SOURCED
from schemas.verdict import Reason

STAGE = "source"
MAX_KEPT_URL = 8192
MAX_UIDS = 1_000


@dataclass(slots=True)
class Found:
    """Rows of one part as found, before any rule; lists of one length.

    number: row number in the file. url, caption, uid, page: text, null, or what stands there
    instead; page is the URL of the page around the image. tags: canonical JSON of what a stored
    page says, or null. fault: what is already known to be wrong, or null. place: line of the
    file, where rows have one. member: name of the bytes given with the row; null where none came.
    stopped: why an earlier download lacks the row, with its words.
    """

    number: list[int] = field(default_factory=list)
    url: list[Any] = field(default_factory=list)
    caption: list[Any] = field(default_factory=list)
    uid: list[Any] = field(default_factory=list)
    page: list[Any] = field(default_factory=list)
    tags: list[str | None] = field(default_factory=list)
    fault: list[str | None] = field(default_factory=list)
    place: list[int | None] = field(default_factory=list)
    member: list[str | None] = field(default_factory=list)
    stopped: list[tuple[Reason, str] | None] = field(default_factory=list)

    def add(
        self,
        number: int,
        *,
        fault: str | None = None,
        place: int | None = None,
        member: str | None = None,
        stopped: tuple[Reason, str] | None = None,
        tags: str | None = None,
    ) -> None:
        """Append a row whose url, caption, uid and page are set later, column by column."""
        self.number.append(number)
        self.url.append(None)
        self.caption.append(None)
        self.uid.append(None)
        self.page.append(None)
        self.tags.append(tags)
        self.fault.append(fault)
        self.place.append(place)
        self.member.append(member)
        self.stopped.append(stopped)


def sourced(found: Found, extra: pa.Table, part: Part, plan: SourcePlan) -> pa.Table:
    """Return SOURCED with the plan's `extra.` columns; as many rows as were found, same order.

    extra: columns of plan.extra_schema, one row for each found.
    """
    judge = _Judge(part, plan, given=plan.format in GIVEN_FORMATS)
    rows = [
        judge.row(cells)
        for cells in zip(
            found.url,
            found.caption,
            found.uid,
            found.page,
            found.tags,
            found.fault,
            found.place,
            found.member,
            found.stopped,
            strict=True,
        )
    ]
    numbers = pa.array([part.file << ROW_BITS | n for n in found.number], pa.int64())
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(SOURCED) - 1)
    arrays = [pa.array(values, pa.string()) for values in columns]
    schema = pa.schema([*SOURCED, *plan.extra_schema], metadata=SOURCED.metadata)
    return pa.Table.from_arrays([numbers, *arrays, *extra.columns], schema=schema)


GIVEN_FORMATS = frozenset({"img2dataset", "images"})
"""Formats in which the bytes come with the rows: nothing is fetched."""


class _Judge:
    """The rules for one row: all columns of SOURCED but its number."""

    def __init__(self, part: Part, plan: SourcePlan, *, given: bool) -> None:
        self._relative, self._given = part.relative, given
        self._max_caption = plan.max_caption_bytes

    def row(self, cells: tuple[Any, ...]) -> tuple[str | None, ...]:
        url, caption, uid, page, tags, fault, place, member, stopped = cells
        url, url_fault = text_of(url, "url")
        caption, caption_fault = self._caption(caption)
        uid, uid_fault = _uid(uid)
        page_key, page_fault = _page_key(page)
        url_key, key_fault = _key(url, needed=not self._given)
        host = host_of(url_key) if url_key else None
        if self._given:
            url_key = f"{GIVEN}{self._relative}#{member}" if member is not None else None
        what = fault or url_fault or key_fault or caption_fault or uid_fault or page_fault
        if self._given and not (what or stopped) and member is None:
            what = "expected image bytes, found none"
        kept_url = url[:MAX_KEPT_URL] if url else url
        stop = _stop(what, place, stopped)
        return (uid, kept_url, url_key, host, caption, page_key, tags, *stop)

    def _caption(self, value: Any) -> tuple[str | None, str | None]:
        text, fault = text_of(value, "caption")
        if text is None or len(text) * 4 <= self._max_caption:
            return text, fault
        body = text.encode()
        if len(body) <= self._max_caption:
            return text, fault
        short = body[: self._max_caption].decode(errors="ignore")
        return short, (
            f"expected a caption of at most {self._max_caption} bytes, found {len(body)} "
            f"with sha256 {sha256_hex(body)}"
        )


def text_of(value: Any, name: str) -> tuple[str | None, str | None]:
    """Return a value as text, and what is wrong with it.

    Bytes that are no UTF-8 come back with the bad ones escaped, so that they can be shown.
    """
    if value is None:
        return None, None
    if isinstance(value, bytes):
        try:
            return value.decode(), None
        except UnicodeDecodeError as e:
            return (
                value.decode(errors="backslashreplace"),
                f"expected {name} in UTF-8, found byte 0x{value[e.start]:02x} at {e.start}",
            )
    if not isinstance(value, str):
        return None, f"expected {name} to be text, found {type(value).__name__}"
    try:
        value.encode()
    except UnicodeEncodeError:
        shown = value.encode(errors="backslashreplace").decode()
        return shown, f"expected {name} in Unicode, found a lone surrogate"
    return value, None


def typed(values: Sequence[Any], kind: pa.DataType, name: str) -> tuple[pa.Array, dict[int, str]]:
    """Return values as an array of `kind`, and what is wrong by row; what does not fit is null.

    Where `kind` is text, other JSON values are taken as their JSON.
    """
    if kind == pa.string():
        values = [v if v is None or isinstance(v, str) else _json(v) for v in values]
    try:
        return pa.array(values, kind), {}
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass  # find out which rows are to blame
    kept: list[Any] = []
    faults: dict[int, str] = {}
    for i, value in enumerate(values):
        try:
            pa.array([value], kind)
            kept.append(value)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            kept.append(None)
            faults[i] = f"expected {name} to be {kind}, found {ascii(value)[:80]}"
    return pa.array(kept, kind), faults


def typed_columns(
    found: Found, schema: pa.Schema, values_of: Callable[[str], Sequence[Any]]
) -> pa.Table:
    """Return the further columns of rows whose values are Python's, and note faults in `found`.

    values_of: column name with prefix -> one value for each row.
    """
    arrays = []
    for column in schema:
        array, faults = typed(values_of(column.name), column.type, column.name)
        arrays.append(array)
        for i, what in faults.items():
            found.fault[i] = found.fault[i] or what
    if not arrays:  # a table without columns has no rows to count
        return pa.table({})
    return pa.Table.from_arrays(arrays, schema=schema)


def _uid(value: Any) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    text, _ = text_of(value, "uid")
    if is_uid(text):
        return str(text).lower(), None
    return None, f"expected a uid of 32 hex digits, found {ascii(value)[:80]}"


def _key(url: str | None, *, needed: bool) -> tuple[str | None, str | None]:
    """Return the canonical URL; none is needed where bytes came with the row."""
    if not (url and url.strip()):
        return None, "expected a URL, found none" if needed else None
    try:
        return canonical_url(url), None
    except UsageError as e:
        return None, str(e)


def _page_key(value: Any) -> tuple[str | None, str | None]:
    """Return the canonical URL of the page, null where the row names none.

    One that cannot be asked stops its row: what its page says could not be judged.
    """
    text, fault = text_of(value, "the page URL")
    if fault or not (text and text.strip()):
        return None, fault
    try:
        return canonical_url(text), None
    except UsageError as e:
        return None, f"expected a page URL that can be asked: {e}"


def _stop(
    what: str | None, place: int | None, stopped: tuple[Reason, str] | None
) -> tuple[str | None, str | None, None, str | None]:
    if stopped:
        reason, words = stopped
        return STAGE, str(reason), None, _json({"found": words[:500]})
    if not what:
        return None, None, None, None
    detail = {"found": what} if place is None else {"found": what, "line": place}
    return STAGE, str(Reason.MALFORMED), None, _json(detail)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True).encode().decode()
    except UnicodeEncodeError:
        return json.dumps(value, sort_keys=True)
