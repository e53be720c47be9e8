"""Rows of Parquet: lists of URLs and captions, and files that hold image bytes as well."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.formats.files import open_file, reading
from pipeline.formats.footers import broken, holds_images
from pipeline.formats.pages import stored_tags
from pipeline.formats.parts import UNCHECKED, Body, Part, Read, SourcePlan
from pipeline.formats.rows import Found, sourced
from pipeline.formats.status import reason_of

BATCH_ROWS = 65_536
BATCH_BODIES = 64
"""Rows of which the bytes are in memory together."""
BATCH_PAGES = 256
"""Rows of which stored pages are in memory together: 100 kB are usual, some are far larger."""


def read(part: Part, plan: SourcePlan) -> Read:
    """Read one part; memory is bounded by its rows without their image bytes."""
    image = plan.columns.image
    size = BATCH_PAGES if plan.columns.html or plan.columns.wat else BATCH_ROWS
    wanted = [*_inputs(plan), *([image] if image else [])]
    batches = _batches(part, wanted, size)
    tables = [_batch_rows(batch, start, part, plan) for start, batch in batches]
    schema = sourced(Found(), plan.extra_schema.empty_table(), part, plan).schema
    rows = pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()
    return Read(rows, partial(_bodies, part, rows, image)) if image else Read(rows)


def _inputs(plan: SourcePlan) -> list[str]:
    named = [name for meaning, name in plan.columns.named().items() if meaning != "image"]
    return [*named, *(name.removeprefix("extra.") for name in plan.extra_schema.names)]


def _batches(
    part: Part, wanted: list[str], size: int = BATCH_BODIES
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield (first row, batch) of the part's rows; columns that the file lacks are absent.

    size: rows of a batch; fewer where it holds images.
    """
    with reading(part.path), open_file(part.path) as f:
        try:
            parquet = pq.ParquetFile(f)
            names = [n for n in parquet.schema_arrow.names if n in set(wanted)]
            groups, at = _groups(parquet.metadata, part)
            size = BATCH_BODIES if _any_image(parquet.schema_arrow, names) else size
            for batch in parquet.iter_batches(size, row_groups=groups, columns=names):
                low, high = max(part.start - at, 0), min(part.stop - at, len(batch))
                if high > low:
                    yield at + low, batch.slice(low, high - low)
                at += len(batch)
                if at >= part.stop:
                    return
        except pa.ArrowException as e:
            raise broken(part.path, e) from e


def _any_image(schema: pa.Schema, names: list[str]) -> bool:
    return holds_images(schema) in names


def _groups(metadata: Any, part: Part) -> tuple[list[int], int]:
    """Return the row groups that a part touches, and the row at which the first begins."""
    groups: list[int] = []
    first, at = part.start, 0
    for i in range(metadata.num_row_groups):
        end = at + metadata.row_group(i).num_rows
        if at < part.stop and end > part.start:
            first = first if groups else at
            groups.append(i)
        at = end
    return groups, first


def _batch_rows(batch: pa.RecordBatch, start: int, part: Part, plan: SourcePlan) -> pa.Table:
    count, meanings = len(batch), plan.columns
    found = Found(
        number=list(range(start, start + count)),
        url=_texts(batch, meanings.url),
        caption=_texts(batch, meanings.caption),
        uid=_texts(batch, meanings.uid),
        page=_texts(batch, meanings.page),
        tags=[None] * count,
        fault=[None] * count,
        place=[None] * count,
        member=[None] * count,
        stopped=[None] * count,
    )
    pages = zip(_texts(batch, meanings.html), _texts(batch, meanings.wat), strict=True)
    for i, (html, record) in enumerate(pages):
        found.tags[i], found.fault[i] = stored_tags(html, record)
    extra = _extra(batch, plan.extra_schema, found)
    if meanings.image:
        present = _image_bytes(batch, meanings.image).is_valid().to_pylist()
        found.member = [str(start + i) if there else None for i, there in enumerate(present)]
        found.stopped = _stopped(extra, count)
    return sourced(found, extra, part, plan)


def _texts(batch: pa.RecordBatch, name: str) -> list[Any]:
    """Return a text column as Python values; bytes where the file breaks its own promise."""
    if not name or name not in batch.schema.names:
        return [None] * len(batch)
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = [_text(value) for value in column.cast(pa.large_binary()).to_pylist()]
    return values


def _text(value: bytes | None) -> str | bytes | None:
    try:
        return value if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _extra(batch: pa.RecordBatch, schema: pa.Schema, found: Found) -> pa.Table:
    arrays = []
    for column in schema:
        name = column.name.removeprefix("extra.")
        if name not in batch.schema.names:
            arrays.append(pa.nulls(len(batch), column.type))
            continue
        arrays.append(_cast(batch.column(name), column, found))
    return pa.Table.from_arrays(arrays, schema=schema) if arrays else pa.table({})


def _cast(array: pa.Array, column: pa.Field, found: Found) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:  # text that is no UTF-8: polars would trust it
        array = _only_valid(array, column, found)
    # int64 beyond 2**53 loses digits as a double; the files together asked for one.
    return array if array.type == column.type else array.cast(column.type, safe=False)


def _only_valid(array: pa.Array, column: pa.Field, found: Found) -> pa.Array:
    """Return the array with null for what breaks its type's promise, and note those rows."""
    valid = [_is_valid(array.slice(i, 1)) for i in range(len(array))]
    for i, fine in enumerate(valid):
        if not fine:
            found.fault[i] = found.fault[i] or f"expected {column.name} in UTF-8"
    return pc.if_else(pa.array(valid), array, pa.scalar(None, array.type))


def _is_valid(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _stopped(extra: pa.Table, count: int) -> list[Any]:
    if "extra.status" not in extra.column_names:
        return [None] * count
    status = extra["extra.status"].to_pylist()
    names = extra.column_names
    words = extra["extra.error_message"].to_pylist() if "extra.error_message" in names else status
    return [reason_of(s, w) for s, w in zip(status, words, strict=True)]


def _image_bytes(batch: pa.RecordBatch, name: str) -> pa.Array:
    column = batch.column(name)
    return column.field("bytes") if pa.types.is_struct(column.type) else column


def _bodies(part: Part, rows: pa.Table, image: str) -> Iterator[Body]:
    keys = rows["url_key"].to_pylist()
    stops = rows["stop_reason"].to_pylist()
    at = 0
    for _, batch in _batches(part, [image]):
        for body in _image_bytes(batch, image):
            if stops[at] is None:
                yield Body(keys[at], body.as_py(), UNCHECKED)
            at += 1
