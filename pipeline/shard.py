"""Tables to file bytes and back: Parquet that trainers load (pipeline/tars.py: the other layout).

The bytes depend on the table alone: no clock, no host, no order but that of the rows. Image bytes
and vectors are stored plain, since compressing them costs time and saves nothing; everything else
is zstd. Statistics stand on short columns only, so that captions and URLs do not leak into footers.
"""

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas import SCHEMA_VERSION
from schemas.errors import SchemaError
from schemas.tables import EXTRA, IMAGE, KEYPOINTS, SAMPLES, require, with_metadata

ROW_GROUP_BYTES = 8_000_000
PAGE_ROWS = 32
"""Values after which the writer looks at the page size: pages of images stay near 1 MB."""

IMAGE_COLUMN = "image"
_LONG_TEXT = {"caption", "url", "final_url", "url_key", "detail", "attribution"}


# --- Parquet


def write_parquet(table: pa.Table) -> bytes:
    """Return the table as Parquet: row groups of about 8 MB, page index, deterministic bytes."""
    leaves = _leaves(table.schema)
    sink = pa.BufferOutputStream()
    writer = pq.ParquetWriter(
        sink,
        table.schema,
        compression={path: "NONE" if bulky else "ZSTD" for path, bulky in leaves.items()},
        use_dictionary=[path for path, bulky in leaves.items() if not bulky],
        write_statistics=[
            path for path, bulky in leaves.items() if not bulky and path not in _LONG_TEXT
        ],
        write_page_index=True,
        write_batch_size=PAGE_ROWS,
    )
    groups = max(1, math.ceil(table.nbytes / ROW_GROUP_BYTES))
    with writer:
        writer.write_table(table, row_group_size=max(1, math.ceil(table.num_rows / groups)))
    body: bytes = sink.getvalue().to_pybytes()
    return body


def read_parquet(body: bytes, columns: list[str] | None = None) -> pa.Table:
    """Return the table in Parquet bytes.

    Raises SchemaError for bytes that are no Parquet, or of a schema_version that we do not know.
    """
    try:
        # Not ParquetDataset: the bytes are here, and nothing about them comes from a path.
        table = pq.ParquetFile(pa.BufferReader(body)).read(columns)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as e:
        raise SchemaError(f"expected a Parquet file, found {len(body):,} bytes: {e}") from e
    found = (table.schema.metadata or {}).get(b"schema_version", b"none").decode()
    if found != str(SCHEMA_VERSION):
        raise SchemaError(f"expected schema_version {SCHEMA_VERSION}, found {found}")
    return table


def _leaves(schema: pa.Schema) -> dict[str, bool]:
    """Return each leaf column's path, and whether it holds bytes or vectors."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    parquet = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return {c.path: _is_bulky(c) for c in (parquet.column(i) for i in range(len(parquet)))}


def _is_bulky(leaf: Any) -> bool:
    kind = leaf.logical_type.type
    return bool(kind == "FLOAT16" or (leaf.physical_type == "BYTE_ARRAY" and kind == "NONE"))


# --- samples


def with_images(samples: pa.Table, bodies: pa.Array, encode_format: str) -> pa.Table:
    """Return SAMPLES in its released form: source columns under their own names, image last.

    samples: SAMPLES and `extra.` columns. bodies: binary[n], the bytes as stored.
    The schema carries the Hugging Face features, so that `datasets` decodes `image` by itself.
    """
    plain = without_images(samples)
    paths = [f"{uid}.{encode_format}" for uid in plain["uid"].to_pylist()]
    image = pa.StructArray.from_arrays(
        [pa.array(bodies, pa.binary()), pa.array(paths, pa.string())], fields=list(IMAGE)
    )
    return _with_features(plain.append_column(pa.field(IMAGE_COLUMN, IMAGE), image))


def without_images(samples: pa.Table) -> pa.Table:
    """Return SAMPLES with source columns under their own names: the URL-only release."""
    require(samples, SAMPLES)
    plain = samples.rename_columns(plain_names(samples.column_names))
    return plain.replace_schema_metadata({"schema_version": str(SCHEMA_VERSION)})


def plain_names(names: list[str]) -> list[str]:
    """Return names without `extra.`; one that is ours already becomes `source_<name>`."""
    taken = {n for n in names if not n.startswith(EXTRA)} | {IMAGE_COLUMN, "key", "status"}
    taken |= {"error_message"}  # columns of img2dataset's layout
    plain = []
    for name in names:
        own = name
        if name.startswith(EXTRA):
            own = name.removeprefix(EXTRA)
            while own in taken:
                own = f"source_{own}"
            taken.add(own)
        plain.append(own)
    return plain


def _with_features(table: pa.Table) -> pa.Table:
    features = {f.name: _feature(f.name, f.type) for f in table.schema}
    if any(f is None for f in features.values()):
        return table  # a source column of a type that `datasets` does not name; it still loads
    return with_metadata(table, huggingface=json.dumps({"info": {"features": features}}))


def _feature(name: str, kind: pa.DataType) -> Any:
    """Return a column's Hugging Face feature, or None where there is none."""
    if name == IMAGE_COLUMN:
        return {"_type": "Image"}
    if pa.types.is_struct(kind):
        inner = {f.name: _feature("", f.type) for f in kind}
        return None if None in inner.values() else inner
    if pa.types.is_list(kind):
        item = _feature("", kind.value_type)
        return None if item is None else [item]
    named = {pa.float32(): "float32", pa.float64(): "float64", pa.float16(): "float16"}
    plain = (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_timestamp(kind)
    )
    dtype = named.get(kind) or (str(kind) if plain else None)
    return dtype and {"dtype": dtype, "_type": "Value"}


# --- vectors


def write_vectors(vectors: pa.Table) -> bytes:
    """Return uid, named vectors and key points as Parquet.

    vectors: uid, fixed_size_list<halffloat> columns, and KEYPOINTS if there are any; the
    fingerprints of model and matcher stand in the table's metadata and go into the file's.
    Raises SchemaError for a column that is no vector, or that is not finite.
    """
    for field in vectors.schema:
        if field.name == "uid" or field == KEYPOINTS:
            continue
        if not _is_vector(field.type):
            raise SchemaError(f"expected a vector of half floats, found {field.name}: {field.type}")
        if not np.isfinite(_values(vectors[field.name])).all():
            raise SchemaError(f"expected finite vectors, found others in {field.name}")
    return write_parquet(with_metadata(vectors, schema_version=str(SCHEMA_VERSION)))


def _is_vector(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float16())


def _values(column: pa.ChunkedArray) -> Any:
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
