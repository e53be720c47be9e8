"""CSV and TSV with a line of column names: RFC 4180 quoting, read so that no line is lost.

A quoted field may hold line ends. A quote that is never closed would swallow all that follows;
here it costs its own line, which is malformed, and reading goes on with the next one.
"""

import csv
import itertools
import re
from collections import deque
from collections.abc import Iterator, Sequence

import pyarrow as pa

from pipeline.formats import columns as cols
from pipeline.formats.files import File
from pipeline.formats.lines import lines, sample_bytes, sample_lines
from pipeline.formats.pages import stored_tags
from pipeline.formats.parts import Columns, Part, Read, SourcePlan
from pipeline.formats.rows import Found, sourced, text_of, typed_columns
from schemas.config import SourceConfig
from schemas.errors import UsageError
from schemas.tables import EXTRA

DELIMITERS = {"csv": ",", "tsv": "\t"}
MAX_RECORD_BYTES = 16 << 20
"""Where a quote is not closed within so many bytes, it never was one."""
BATCH_ROWS = 50_000

_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|-?inf", re.IGNORECASE
)
_NUMBERS = {pa.int64(): (_INT, int), pa.float64(): (_FLOAT, float)}


def inspect(files: list[File], config: SourceConfig, kind: str) -> tuple[Columns, pa.Schema]:
    """Return the meaning of the columns and the further ones, the same for all files.

    Types are told from the first lines of each file: whole numbers, numbers, else text.
    Raises UsageError.
    """
    chosen: Columns | None = None
    headers, schemas = [], []
    rows = 0
    for file in files:
        header, sample = _sample(file.path, DELIMITERS[kind], sample_bytes(config))
        rows += len(sample)
        by_name = dict(zip(header, zip(*sample, strict=True), strict=True)) if sample else {}
        uids = by_name.get(config.uid_col or cols.find_column(header, "uid"), ())
        found = cols.recognise(header, config, file.path, uids=[u or None for u in uids])
        chosen = chosen or found
        absent = sorted(set(chosen.named().values()) - set(header))
        if absent:
            raise UsageError(
                f"{file.path}: expected columns {absent} as in the other files, found {header}"
            )
        fields = [pa.field(name, _type(by_name.get(name, ()))) for name in header]
        headers.append((file.path, header))
        schemas.append(pa.schema(fields))
    if not rows:
        raise UsageError(f"{files[0].path}: expected rows after the column names, found none")
    columns = cols.with_page(chosen or Columns(), headers, config)
    extras = [cols.extra_schema(schema, columns) for schema in schemas]
    return columns, cols.unify(list(zip([f.path for f in files], extras, strict=True)))


def parts(files: list[File]) -> list[Part]:
    """Return one part a file: where a record begins, only reading from the start tells."""
    return [Part(file.path, file.relative, number) for number, file in enumerate(files)]


def read(part: Part, plan: SourcePlan) -> Read:
    """Read one file; every line after the names is a row, or part of one."""
    source = records(part.path, DELIMITERS[plan.format])
    _, first = next(source, (0, b""))
    header = _fields([_decoded(first)[0]], DELIMITERS[plan.format])[0]
    tables = [sourced(Found(), plan.extra_schema.empty_table(), part, plan)]
    at = 0
    for batch in _batched(source):
        tables.append(_batch_rows(batch, at, header, part, plan))
        at += len(batch)
    return Read(pa.concat_tables(tables).combine_chunks())


def records(
    path: str, delimiter: str, *, first_bytes: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, record): physical lines joined where a quoted field goes on.

    A record with a quote that is never closed is its first line alone. first_bytes: about so much
    of the file is read; null: all of it.
    """
    source = lines(path) if first_bytes is None else sample_lines(path, first_bytes)
    waiting: deque[tuple[int, bytes]] = deque()
    mark = delimiter.encode()
    while True:
        number, line = waiting.popleft() if waiting else next(source, (0, b""))
        if not number:
            return
        if not line.strip():
            continue
        if not _is_open(line, mark, inside=False):
            yield number, line
            continue
        taken, size, is_open = [(number, line)], len(line), True
        while is_open and size < MAX_RECORD_BYTES:
            following = waiting.popleft() if waiting else next(source, (0, b""))
            if not following[0]:
                break
            taken.append(following)
            size += len(following[1]) + 1
            is_open = _is_open(following[1], mark, inside=True)
        if is_open:
            waiting.extendleft(reversed(taken[1:]))
            yield number, line
        else:
            yield number, b"\n".join(text for _, text in taken)


def _is_open(line: bytes, delimiter: bytes, *, inside: bool) -> bool:
    """Say whether a quoted field goes on after this line; `inside`: it began with one open."""
    if b'"' not in line:
        return inside
    at = 0
    while True:
        if inside or line[at : at + 1] == b'"':
            at = at if inside else at + 1
            while True:
                at = line.find(b'"', at)
                if at < 0:
                    return True
                if line[at + 1 : at + 2] != b'"':
                    break
                at += 2
            inside = False
        at = line.find(delimiter, at)
        if at < 0:
            return False
        at += 1


def _sample(path: str, delimiter: str, first_bytes: int) -> tuple[list[str], list[list[str]]]:
    found = list(records(path, delimiter, first_bytes=first_bytes))
    if not found:
        raise UsageError(f"{path}: expected a line of column names, found an empty file")
    name_line, fault = _decoded(found[0][1])
    if fault:
        raise UsageError(f"{path}: expected column names in UTF-8, found {fault}")
    header = _fields([name_line], delimiter)[0]
    rows = _fields([_decoded(record)[0] for _, record in found[1:]], delimiter)
    return header, [row for row in rows if len(row) == len(header)]


def _fields(texts: Sequence[str], delimiter: str) -> list[list[str]]:
    """Return the fields of each record; a record that csv refuses has none."""
    csv.field_size_limit(1 << 30)  # our own limits are lower, and per row
    # The reader takes one element of `texts` a record and starts afresh after an error.
    reader = csv.reader(texts, delimiter=delimiter)
    rows: list[list[str]] = []
    while len(rows) < len(texts):
        try:
            rows.append(next(reader))
        except csv.Error:
            rows.append([])
        except StopIteration:  # an open quote took the last record
            rows.append([])
    return rows


def _decoded(record: bytes) -> tuple[str, str | None]:
    text, fault = text_of(record, "the line")
    return text or "", fault


def _type(values: Sequence[str]) -> pa.DataType:
    present = [value for value in values if value]
    if not present:
        return pa.null()
    for kind, (pattern, _) in _NUMBERS.items():
        if all(pattern.fullmatch(value) for value in present):
            return kind
    return pa.string()


def _batched(source: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size = 0
    for record in source:
        batch.append(record)
        size += len(record[1])
        if len(batch) >= BATCH_ROWS or size >= MAX_RECORD_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _batch_rows(
    batch: list[tuple[int, bytes]], start: int, header: list[str], part: Part, plan: SourcePlan
) -> pa.Table:
    found = Found()
    values: dict[str, list[str | None]] = {name: [] for name in header}
    rows = _rows([record for _, record in batch], len(header), DELIMITERS[plan.format])
    for i, (fields, fault) in enumerate(rows):
        found.add(start + i, fault=fault, place=batch[i][0])
        for name, value in itertools.zip_longest(header, fields[: len(header)]):
            values[name].append(value)
    nulls: list[str | None] = [None] * len(batch)
    columns = plan.columns
    found.url = values[columns.url]
    found.caption = values[columns.caption] if columns.caption else nulls
    found.uid = [uid or None for uid in values[columns.uid]] if columns.uid else nulls
    found.page = values.get(columns.page, nulls)
    pages = zip(values.get(columns.html, nulls), values.get(columns.wat, nulls), strict=True)
    for i, (html, record) in enumerate(pages):
        found.tags[i], fault = stored_tags(html, record)
        found.fault[i] = found.fault[i] or fault

    def values_of(column: str) -> list[object]:
        kind = plan.extra_schema.field(column).type
        return [_value(v, kind) for v in values.get(column.removeprefix(EXTRA), nulls)]

    extra = typed_columns(found, plan.extra_schema, values_of)
    return sourced(found, extra, part, plan)


def _rows(batch: list[bytes], width: int, delimiter: str) -> Iterator[tuple[list[str], str | None]]:
    """Yield the fields of each record, and what is wrong with it."""
    decoded = [_decoded(record) for record in batch]
    is_open = [_is_open(record, delimiter.encode(), inside=False) for record in batch]
    # An open record is kept from the reader, in which it would swallow the next ones.
    texts = ["" if o else text for (text, _), o in zip(decoded, is_open, strict=True)]
    for fields, (text, fault), o in zip(_fields(texts, delimiter), decoded, is_open, strict=True):
        if o:
            yield text.split(delimiter), fault or "expected a quoted field to end, found no end"
        elif len(fields) != width:
            yield fields, fault or f"expected {width} fields, found {len(fields)}"
        else:
            yield fields, fault


def _value(text: str | None, kind: pa.DataType) -> object:
    """Return a field's value; one that is no number stays text, and is found out by its type."""
    if text is None or kind not in _NUMBERS:
        return text
    pattern, parse = _NUMBERS[kind]
    if not text:
        return None
    return parse(text) if pattern.fullmatch(text) else text
