"""JSON Lines: one object a line, plain or gzip."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from pipeline.formats import columns as cols
from pipeline.formats.files import File
from pipeline.formats.lines import lines, sample_bytes, sample_lines
from pipeline.formats.pages import take_tags
from pipeline.formats.parts import Columns, Part, Read, SourcePlan
from pipeline.formats.rows import Found, sourced, typed_columns
from schemas.config import SourceConfig
from schemas.errors import UsageError
from schemas.tables import EXTRA

BATCH_ROWS = 50_000
OBJECT_MEANINGS = frozenset({"url", "caption", "uid", "page"})
"""What the value of a key can be; it stands in `Found` under the same name."""
_BAD_BYTE = re.compile("[\udc80-\udcff]")


def inspect(files: list[File], config: SourceConfig) -> tuple[Columns, pa.Schema]:
    """Return the meaning of the keys and the further ones with their types, for all files.

    What is looked at are the first lines of each file; a key that first comes later is left out.
    Raises UsageError.
    """
    samples = [(file.path, _sample(file.path, config)) for file in files]
    names = _names(row for _, sample in samples for row in sample)
    uid = config.uid_col or cols.find_column(names, "uid")
    uids = [row.get(uid) for _, sample in samples for row in sample]
    columns = cols.recognise(names, config, files[0].path, uids=uids)
    keys = [(path, _names(sample)) for path, sample in samples]
    for path, found in keys:
        if columns.url not in found:
            raise UsageError(
                f"{path}: expected the url key {columns.url!r} as in the other files, found {found}"
            )
    columns = cols.with_page(columns, keys, config)
    rows = [row for _, sample in samples for row in sample]
    return columns, infer_extra(rows, columns)


def parts(files: list[File]) -> list[Part]:
    """Return one part a file."""
    return [Part(file.path, file.relative, number) for number, file in enumerate(files)]


def read(part: Part, plan: SourcePlan) -> Read:
    """Read one file; every line that is not blank is a row."""
    tables = [sourced(Found(), plan.extra_schema.empty_table(), part, plan)]
    found, objects = Found(), []
    for number, line in lines(part.path):
        if not line.strip():
            continue
        value, fault = parse_object(line)
        tags, tags_fault = take_tags(value, plan.columns)
        found.add(number - 1, fault=fault or tags_fault, place=number, tags=tags)
        objects.append(value)
        if len(objects) >= BATCH_ROWS:
            tables.append(object_rows(found, objects, part, plan))
            found, objects = Found(), []
    tables.append(object_rows(found, objects, part, plan))
    return Read(pa.concat_tables(tables).combine_chunks())


def object_rows(
    found: Found, objects: Sequence[dict[str, Any]], part: Part, plan: SourcePlan
) -> pa.Table:
    """Return SOURCED of JSON objects; `found` has their places and faults, not yet their values.

    What `take_tags` takes out of the objects is in `found` already.
    """
    columns = plan.columns
    for meaning, name in columns.named().items():
        if meaning in OBJECT_MEANINGS:
            setattr(found, meaning, [value.get(name) for value in objects])

    def values_of(column: str) -> list[Any]:
        name = column.removeprefix(EXTRA)
        return [value.get(name) for value in objects]

    extra = typed_columns(found, plan.extra_schema, values_of)
    return sourced(found, extra, part, plan)


def infer_extra(rows: Sequence[dict[str, Any]], columns: Columns) -> pa.Schema:
    """Return the further keys of JSON objects and their types, under the prefix `extra.`."""
    names = _names(rows)
    fields = [pa.field(name, _type([row.get(name) for row in rows])) for name in names]
    return cols.extra_schema(pa.schema(fields), columns)


def parse_object(line: bytes) -> tuple[dict[str, Any], str | None]:
    """Return the JSON object of a line, empty with what is wrong where it is none."""
    fault = None
    try:
        text = line.decode()
    except UnicodeDecodeError as e:
        fault = f"expected UTF-8, found byte 0x{line[e.start]:02x} at {e.start}"
        text = _BAD_BYTE.sub(_shown, line.decode(errors="surrogateescape"))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as e:
        return {}, f"expected a JSON object, found {str(e)[:100]}"
    if not isinstance(value, dict):
        return {}, f"expected a JSON object, found {type(value).__name__}"
    return value, fault


def _shown(bad: re.Match[str]) -> str:
    return f"\\\\x{ord(bad[0]) - 0xDC00:02x}"  # escaped twice: once for JSON


def _sample(path: str, config: SourceConfig) -> list[dict[str, Any]]:
    """Return the first objects of a file, null for their pages: those of all files are large."""
    pages = [name for name in (config.html_col, config.wat_col) if name]
    seen = False
    rows: list[dict[str, Any]] = []
    fault = ""
    for _, line in sample_lines(path, sample_bytes(config)):
        if line.strip():
            seen = True
            value, what = parse_object(line)
            fault = fault or what or ""
            if what is None:
                rows.append({**value, **{name: None for name in pages if name in value}})
    if not seen:
        raise UsageError(f"{path}: expected JSON objects, one a line, found an empty file")
    if not rows:
        raise UsageError(f"{path}: expected JSON objects, one a line: {fault}")
    return rows


def _names(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return all keys in the order in which they first come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _type(values: Sequence[Any]) -> pa.DataType:
    """Return the type that holds the values; text (their JSON) where they differ or are objects."""
    present = [value for value in values if value is not None]
    if any(isinstance(value, dict) for value in present):
        return pa.string()
    try:
        kind = pa.array(present).type
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.string()
    plain = kind
    while pa.types.is_list(plain):
        plain = plain.value_type
    known = (pa.int64(), pa.float64(), pa.bool_(), pa.string())
    return kind if plain in known else pa.string()
