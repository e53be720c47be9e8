"""Released shards: what trainers load is what was stored, in the layouts that they know."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.shard import (
    read_parquet,
    with_images,
    without_images,
    write_parquet,
    write_vectors,
)
from schemas.errors import SchemaError
from schemas.tables import LEDGER, vector
from tests.pipeline.samples import bodies, picture, samples


@pytest.fixture
def released(tmp_path: Path) -> Path:
    path = tmp_path / "00000.parquet"
    path.write_bytes(write_parquet(with_images(samples(), bodies(), "jpg")))
    return path


# --- Parquet


def test_hugging_face_datasets_decode_the_images(released: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(released), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.features["image"] == datasets.Image()
    assert loaded[1]["image"].size == (24, 16)
    assert loaded[1]["caption"] == "kött 1 <b>"
    assert loaded[1]["signals"][0]["channel"] == "robots"
    expected = np.asarray(Image.open(io.BytesIO(picture(1))))
    assert np.array_equal(np.asarray(loaded[1]["image"]), expected)


def test_polars_reads_every_column(released: Path) -> None:
    frame = pl.read_parquet(released)
    assert frame["image"].struct.field("bytes").to_list() == [picture(n) for n in range(3)]
    assert frame["pdq"].to_list()[2] == bytes([2]) * 32


def test_duckdb_counts_and_filters(released: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    query = f"select count(*), max(octet_length(image.bytes)) from '{released}' where width = 24"  # noqa: S608  # a path of ours
    assert duckdb.sql(query).fetchall() == [(3, max(len(picture(n)) for n in range(3)))]


def test_image_bytes_stand_last_plain_and_without_dictionary(released: Path) -> None:
    metadata = pq.ParquetFile(released).metadata
    group = metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert list(columns)[-2:] == ["image.bytes", "image.path"]
    image = columns["image.bytes"]
    assert image.compression == "UNCOMPRESSED"
    assert "PLAIN" in image.encodings
    assert not image.has_dictionary_page
    assert columns["caption"].compression == "ZSTD"
    assert columns["uid"].has_column_index
    assert not columns["caption"].is_stats_set
    assert columns["uid"].statistics.max == f"{2:032x}"


def test_row_groups_are_of_about_eight_megabytes() -> None:
    body = np.random.default_rng(0).bytes(100_000)
    table = with_images(samples(200), pa.array([body] * 200, pa.binary()), "jpg")
    metadata = pq.ParquetFile(pa.BufferReader(write_parquet(table))).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [67, 67, 66]


def test_the_same_rows_give_the_same_bytes() -> None:
    sliced = pa.concat_tables([samples(2), samples(3).slice(2)])
    one = write_parquet(with_images(samples(), bodies(), "jpg"))
    assert one == write_parquet(with_images(sliced.combine_chunks(), bodies(), "jpg"))


def test_source_columns_stand_flat_and_collisions_are_told_apart() -> None:
    names = with_images(samples(), bodies(), "jpg").column_names
    assert names[-3:] == ["punsafe", "source_width", "image"]
    assert "image" not in without_images(samples()).column_names


def test_odd_source_types_still_load() -> None:
    table = samples().append_column("extra.d", pa.array([1, 2, 3], pa.duration("s")))
    back = read_parquet(write_parquet(with_images(table, bodies(), "jpg")))
    assert back.num_rows == 3
    assert b"huggingface" not in back.schema.metadata


def test_an_empty_table_round_trips() -> None:
    assert read_parquet(write_parquet(LEDGER.empty_table())).equals(LEDGER.empty_table())


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_bytes_that_are_no_parquet_are_refused(body: bytes) -> None:
    with pytest.raises(SchemaError, match="expected a Parquet file"):
        read_parquet(body)


def test_unknown_schema_versions_are_refused() -> None:
    odd = LEDGER.empty_table().replace_schema_metadata({"schema_version": "99"})
    with pytest.raises(SchemaError, match="found 99"):
        read_parquet(write_parquet(odd))


# --- vectors


def test_vectors_carry_their_fingerprint() -> None:
    values = np.eye(4, dtype=np.float16)
    table = pa.table(
        {
            "uid": list("abcd"),
            "sem": pa.FixedSizeListArray.from_arrays(values.ravel(), type=vector(4)),
        }
    )
    back = read_parquet(write_vectors(table.replace_schema_metadata({"model": "f" * 64})))
    assert back.schema.metadata[b"model"] == b"f" * 64
    assert back["sem"].type == vector(4)
    assert np.array_equal(back["sem"].combine_chunks().flatten().to_numpy(), values.ravel())


def test_vectors_that_are_not_finite_are_refused() -> None:
    values = pa.FixedSizeListArray.from_arrays(np.full(2, np.nan, np.float16), type=vector(2))
    with pytest.raises(SchemaError, match="finite"):
        write_vectors(pa.table({"uid": ["a"], "sem": values}))
