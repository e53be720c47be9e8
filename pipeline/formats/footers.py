"""Parquet files before work: footers, columns, and how they are cut into parts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.formats import columns as cols
from pipeline.formats.files import File, open_file, reading
from pipeline.formats.parts import Columns, Part
from schemas.config import SourceConfig
from schemas.errors import UsageError

SAMPLE_ROWS = 1_000
"""Values of a column named uid that are looked at before it is taken for one."""
READERS = 16
"""Footers read at once: remote ones take long and little."""
GROUP_SLACK = 2
"""A row group up to so many times rows_per_task is left whole."""


@dataclass(frozen=True, slots=True)
class Footer:
    """What a Parquet file says about itself."""

    file: File
    schema: pa.Schema
    groups: tuple[int, ...]  # rows of each row group

    @property
    def rows(self) -> int:
        return sum(self.groups)


def footers(files: list[File]) -> list[Footer]:
    """Read the footer of each file. Raises UsageError naming the first that has none."""
    with ThreadPoolExecutor(min(READERS, len(files))) as pool:
        return list(pool.map(_footer, files))


def holds_images(schema: pa.Schema) -> str:
    """Return the column with image bytes; empty where there is none."""
    for name in cols.IMAGE_NAMES:
        found = cols.find_column(schema.names, name)
        if found and schema.names.count(found) == 1 and _is_image(schema.field(found).type):
            return found
    return ""


def without(footer: Footer, column: str) -> Footer:
    """Return a footer as if the file lacked a column."""
    kept = [field for field in footer.schema if field.name != column]
    return Footer(footer.file, pa.schema(kept), footer.groups)


def inspect(
    found: list[Footer], config: SourceConfig, *, image: str = "", needs_url: bool = True
) -> tuple[Columns, pa.Schema]:
    """Return the meaning of the columns and the further ones, the same for all files.

    image: the column with bytes. needs_url: false where bytes come with the rows. Raises
    UsageError where the files do not fit together.
    """
    first = next((f for f in found if f.rows), found[0])
    names = first.schema.names
    cols.require_distinct(names, first.file.path)
    uid = config.uid_col or cols.find_column(names, "uid")
    uids = _some(first, uid) if uid in names else []
    columns = cols.recognise(names, config, first.file.path, uids=uids, needs_url=needs_url)
    named = [(footer.file.path, footer.schema.names) for footer in found]
    columns = cols.with_page(replace(columns, image=image), named, config)
    for footer in found:
        _require_columns(footer, columns)
    extras = [(f.file.path, cols.extra_schema(f.schema, columns)) for f in found]
    return columns, cols.unify(extras)


def parts(found: list[Footer], rows_per_task: int) -> list[Part]:
    """Cut files into parts of about `rows_per_task` rows, at row groups where they are small."""
    cut: list[Part] = []
    for number, footer in enumerate(found):
        bounds = _bounds(footer.groups, rows_per_task)
        cut.extend(
            Part(footer.file.path, footer.file.relative, number, start, stop)
            for start, stop in bounds
        )
    return cut


def _footer(file: File) -> Footer:
    with reading(file.path), open_file(file.path) as f:
        try:
            parquet = pq.ParquetFile(f)
        except pa.ArrowException as e:
            raise UsageError(
                f"{file.path}: expected a whole Parquet file, found {file.size_bytes} bytes "
                f"without its footer ({str(e)[:80]})"
            ) from e
        metadata = parquet.metadata
        groups = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        return Footer(file, parquet.schema_arrow, groups)


def _some(footer: Footer, column: str) -> list[Any]:
    with reading(footer.file.path), open_file(footer.file.path) as f:
        batches = pq.ParquetFile(f).iter_batches(SAMPLE_ROWS, columns=[column])
        try:
            first = next(batches, None)
        except pa.ArrowException as e:
            raise broken(footer.file.path, e) from e
        return first.column(0).to_pylist() if first is not None else []


def _require_columns(footer: Footer, columns: Columns) -> None:
    cols.require_distinct(footer.schema.names, footer.file.path)
    for meaning, name in columns.named().items():
        if name not in footer.schema.names:
            if meaning in cols.PAGE_MEANINGS:
                continue  # cols.with_page knows which files may lack it
            raise UsageError(
                f"{footer.file.path}: expected the {meaning} column {name!r} as in the other "
                f"files, found columns {footer.schema.names[:30]}"
            )
        kind = footer.schema.field(name).type
        if meaning != "image" and not _is_text(kind):
            raise UsageError(
                f"{footer.file.path}: expected the {meaning} column {name!r} to be text, "
                f"found {kind}"
            )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    checks = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_null,
    )
    return any(check(kind) for check in checks)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _bounds(groups: tuple[int, ...], rows_per_task: int) -> list[tuple[int, int]]:
    bounds: list[tuple[int, int]] = []
    start = stop = 0
    for rows in groups:
        if stop > start and stop + rows - start > rows_per_task:
            bounds.append((start, stop))
            start = stop
        stop += rows
        while stop - start > GROUP_SLACK * rows_per_task:
            bounds.append((start, start + rows_per_task))
            start += rows_per_task
    if stop > start:
        bounds.append((start, stop))
    return bounds


def broken(path: str, error: Exception) -> UsageError:
    return UsageError(f"{path}: expected a readable Parquet file, found {str(error)[:200]}")
