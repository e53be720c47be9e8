"""Tables cut into buckets inside one Parquet file: how rows change hands between tasks.

A task publishes one file whose row groups are buckets (by host, by uid shard); the task that owns
a bucket reads only its own row groups, by byte range, out of every file. A bucket is exactly one
row group, rows keep their order inside it, and equal tables give equal bytes. The footer says
which row group holds which bucket, so an absent bucket costs one small read.
"""

import io
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas import SCHEMA_VERSION
from schemas.errors import SchemaError, StorageError
from schemas.ports import Store

BUCKETS_KEY = "recuse.buckets"
TAIL_BYTES = 65_536  # one read that holds the footer of most files
MAGIC = b"PAR1"
FRAME_BYTES = 12  # magic, footer length, magic


def write_bucketed(table: pa.Table, bucket: pa.Array) -> bytes:
    """Return a Parquet file of `table` with one row group per bucket, buckets ascending.

    bucket: int32[n], one per row, no nulls; n may be 0 (a file without row groups).
    Raises SchemaError where `bucket` does not fit the table.
    """
    keys = _keys(table, bucket)
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **_options(table.schema)) as writer:
        for start, end in itertools.pairwise([*starts, len(keys)]):
            part = table.take(pa.array(order[start:end]))
            writer.write_table(part, row_group_size=len(part))
        writer.add_key_value_metadata({BUCKETS_KEY: json.dumps(found.tolist())})
    body: bytes = sink.getvalue().to_pybytes()
    return body


def read_bucket(store: Store, path: str, bucket: int) -> pa.Table:
    """Return one bucket's rows in the order written; no rows, but the schema, where it is absent.

    Raises StorageError for a file that is absent, cut or not bucketed, SchemaError for one of
    another schema version.
    """
    file = _BucketFile(store, path)
    return file.read([i for i, b in enumerate(file.buckets) if b == bucket])


def read_bucketed(store: Store, path: str) -> pa.Table:
    """Return all rows of a bucketed file, bucket by bucket. Raises as `read_bucket`."""
    file = _BucketFile(store, path)
    return file.read(list(range(len(file.buckets))))


def buckets_of(store: Store, path: str) -> list[int]:
    """Return the buckets that a file holds, ascending. Raises as `read_bucket`."""
    return _BucketFile(store, path).buckets


def gather_bucket(store: Store, paths: Sequence[str], bucket: int, schema: pa.Schema) -> pa.Table:
    """Return one bucket's rows out of many files, in the order of `paths`; no path gives no row.

    schema: the columns with which every file starts; further columns ride along, and all files
    must agree on them. Raises SchemaError where they do not, and as `read_bucket`.
    """
    parts = [read_bucket(store, path, bucket) for path in paths]
    if not parts:
        return schema.empty_table()
    first: pa.Schema = parts[0].schema
    for path, part in zip(paths, parts, strict=True):
        if not part.schema.equals(first) or first.names[: len(schema)] != schema.names:
            raise SchemaError(f"{path}: expected columns {schema.names}, found {part.schema.names}")
    return pa.concat_tables(parts)


def _keys(table: pa.Table, bucket: pa.Array) -> npt.NDArray[np.int32]:
    if isinstance(bucket, pa.ChunkedArray):
        bucket = bucket.combine_chunks()
    if bucket.type != pa.int32() or bucket.null_count or len(bucket) != len(table):
        raise SchemaError(
            f"expected one int32 bucket for each of {len(table)} rows, found {len(bucket)} of "
            f"{bucket.type} with {bucket.null_count} nulls"
        )
    keys: npt.NDArray[np.int32] = bucket.to_numpy(zero_copy_only=False)
    return keys


def _options(schema: pa.Schema) -> dict[str, Any]:
    # Image bytes and half floats do not shrink under zstd and cost three times the CPU. Statistics
    # would only swell the footer, which every reader of every bucket reads.
    codecs: dict[str, str] = {}
    paths = iter(_leaf_paths(schema))
    for field in schema:
        codec = "none" if _is_dense(field.type) else "zstd"
        codecs.update((path, codec) for path in itertools.islice(paths, _leaves(field.type)))
    return {
        "compression": codecs,
        "use_dictionary": [path for path, codec in codecs.items() if codec == "zstd"],
        "write_statistics": False,
        "write_page_checksum": True,
        "use_compliant_nested_type": False,  # else lists come back with another child name
    }


def _leaf_paths(schema: pa.Schema) -> list[str]:
    """Return the Parquet path of each leaf, in column order; names may hold dots themselves."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink, use_compliant_nested_type=False)
    parquet = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [parquet.column(i).path for i in range(len(parquet.names))]


def _leaves(kind: pa.DataType) -> int:
    if not kind.num_fields:
        return 1
    return sum(_leaves(kind.field(i).type) for i in range(kind.num_fields))


def _is_dense(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_binary(kind) or pa.types.is_float16(kind))


class _BucketFile:
    """A bucketed file of which only the footer and the row groups asked for are read."""

    def __init__(self, store: Store, path: str) -> None:
        self._path = path
        self._bytes = _footer(store, path)
        try:
            self._parquet = pq.ParquetFile(
                pa.PythonFile(self._bytes, mode="r"), page_checksum_verification=True
            )
            self._schema: pa.Schema = self._parquet.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as e:  # names need not be UTF-8
            raise StorageError(f"{path}: expected a Parquet footer, found {e}") from e
        self._check_version()
        self.buckets = self._read_buckets()

    def read(self, groups: list[int]) -> pa.Table:
        if not groups:
            return self._schema.empty_table()
        metadata = self._parquet.metadata
        try:
            for group in groups:  # one read for a row group, not one for each column chunk
                self._bytes.fetch(*_extent(metadata.row_group(group)))
            table = self._parquet.read_row_groups(groups, use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as e:
            raise StorageError(f"{self._path}: expected row groups {groups}, found {e}") from e
        return table.replace_schema_metadata(self._schema.metadata)

    def _check_version(self) -> None:
        here = str(SCHEMA_VERSION).encode()
        found = (self._schema.metadata or {}).get(b"schema_version", here)
        if found != here:
            raise SchemaError(f"{self._path}: expected schema version {here!r}, found {found!r}")

    def _read_buckets(self) -> list[int]:
        metadata = self._parquet.metadata
        try:
            buckets = [int(b) for b in json.loads(metadata.metadata[BUCKETS_KEY.encode()])]
        except (KeyError, ValueError, TypeError) as e:
            raise StorageError(f"{self._path}: expected {BUCKETS_KEY}, found {e!r}") from e
        if len(buckets) != metadata.num_row_groups:
            raise StorageError(
                f"{self._path}: expected {len(buckets)} row groups, found {metadata.num_row_groups}"
            )
        return buckets


class _Ranges(io.RawIOBase):
    """A read-only file over Store.read_ranges that keeps what it has read."""

    def __init__(self, store: Store, path: str, size: int) -> None:
        super().__init__()
        self._store, self._path, self._size, self._at = store, path, size, 0
        self._kept: list[tuple[int, bytes]] = []

    def fetch(self, offset: int, length: int) -> bytes:
        for start, body in self._kept:
            if start <= offset and offset + length <= start + len(body):
                return body[offset - start : offset - start + length]
        (body,) = self._store.read_ranges(self._path, [(offset, length)])
        if len(body) != length:
            raise StorageError(
                f"{self._path}: expected {length} bytes at {offset}, found {len(body)}"
            )
        self._kept.append((offset, body))
        return body

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        body = self.fetch(self._at, length) if length else b""
        self._at += length
        return body


def _footer(store: Store, path: str) -> _Ranges:
    """Return the file with its footer read."""
    size = store.size_bytes(path)
    file = _Ranges(store, path, size)
    tail_bytes = min(size, TAIL_BYTES)
    tail = file.fetch(size - tail_bytes, tail_bytes) if size else b""
    footer = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) < FRAME_BYTES or tail[-4:] != MAGIC or footer > size - len(MAGIC):
        raise StorageError(f"{path}: expected a whole Parquet file, found {size} bytes without one")
    if footer > tail_bytes:
        file.fetch(size - footer, footer)
    return file


def _extent(group: Any) -> tuple[int, int]:
    """Return offset and length of a row group's bytes, all columns together."""
    starts, ends = [], []
    for i in range(group.num_columns):
        column = group.column(i)
        pages = [column.data_page_offset, column.dictionary_page_offset]
        start = min(p for p in pages if p)  # 0 and None both say that there is no such page
        starts.append(start)
        ends.append(start + column.total_compressed_size)
    return min(starts), max(ends) - min(starts)
