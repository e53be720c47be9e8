import contextlib

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from pipeline.buckets import (
    buckets_of,
    gather_bucket,
    read_bucket,
    read_bucketed,
    write_bucketed,
)
from schemas.errors import SchemaError, StorageError
from schemas.tables import OBSERVED, REQUESTS, STORED, from_rows, with_metadata


class Files:
    """A store in memory that counts the bytes read."""

    root = "memory"

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.read_bytes = 0
        self.reads = 0

    def size_bytes(self, path: str) -> int:
        try:
            return len(self.files[path])
        except KeyError:
            raise StorageError(f"{path}: expected a file, found none") from None

    def read_ranges(self, path: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        parts = [self.files[path][o : o + n] for o, n in ranges]
        self.reads += len(parts)
        self.read_bytes += sum(map(len, parts))
        return parts


def requests(*hosts: str) -> pa.Table:
    rows = [
        {
            "host": host,
            "url_key": f"http://{host}/{i}",
            "url": f"http://{host}/{i}",
            "shards": [i, i + 1],
            "hops": [{"url": "http://a/", "status": 301, "documents": []}] * (i % 3),
        }
        for i, host in enumerate(hosts)
    ]
    return from_rows(rows, REQUESTS)


def int32(*values: int) -> pa.Array:
    return pa.array(values, pa.int32())


def test_each_bucket_comes_back_alone_in_the_order_written() -> None:
    table = requests("a", "b", "a", "c", "b")
    store = Files(f=write_bucketed(table, int32(7, 0, 7, -3, 0)))

    assert read_bucket(store, "f", 7).equals(table.take([0, 2]), check_metadata=True)
    assert read_bucket(store, "f", 0).equals(table.take([1, 4]), check_metadata=True)
    assert read_bucket(store, "f", -3).equals(table.take([3]), check_metadata=True)
    assert buckets_of(store, "f") == [-3, 0, 7]


def test_an_absent_bucket_is_empty_with_the_same_schema() -> None:
    store = Files(f=write_bucketed(requests("a"), int32(1)))

    assert read_bucket(store, "f", 2).equals(REQUESTS.empty_table(), check_metadata=True)


def test_an_empty_table_makes_a_file_without_buckets() -> None:
    store = Files(f=write_bucketed(REQUESTS.empty_table(), int32()))

    assert buckets_of(store, "f") == []
    assert read_bucketed(store, "f").equals(REQUESTS.empty_table(), check_metadata=True)


def test_further_columns_vectors_and_bodies_survive() -> None:
    table = from_rows(
        [{"uid": "u", "stored_sha256": "s", "body": b"\xff" * 9}, {"uid": "v", "body": b""}], STORED
    )
    vectors = pa.array([[0.5, 1.0], [0.25, -1.0]], pa.list_(pa.float16(), 2))
    table = table.append_column("sem", vectors).append_column("extra.a.b", pa.array(["x", None]))
    store = Files(f=write_bucketed(with_metadata(table, model="m"), int32(0, 1)))

    found = read_bucketed(store, "f")

    assert found.equals(table)
    assert found.schema.metadata[b"model"] == b"m"


def test_equal_tables_give_equal_bytes_whatever_their_chunks() -> None:
    table = requests("a", "b", "c")
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])

    assert write_bucketed(table, int32(1, 0, 1)) == write_bucketed(chunked, int32(1, 0, 1))


def test_a_bucket_costs_only_its_own_bytes() -> None:
    bodies = [{"uid": str(i), "stored_sha256": "", "body": bytes([i]) * 300_000} for i in range(9)]
    store = Files(f=write_bucketed(from_rows(bodies, STORED), int32(*range(9))))

    assert read_bucket(store, "f", 4)["body"][0].as_py() == b"\x04" * 300_000
    assert store.reads == 2
    assert store.read_bytes < 400_000


def test_a_footer_beyond_the_first_read_is_read() -> None:
    table = requests(*["h"] * 900)
    store = Files(f=write_bucketed(table, int32(*range(900))))

    assert read_bucket(store, "f", 899).equals(table.slice(899))


def test_one_bucket_is_gathered_from_many_files_in_order() -> None:
    store = Files(
        a=write_bucketed(requests("a", "b"), int32(0, 1)),
        b=write_bucketed(requests("c"), int32(0)),
        c=write_bucketed(requests("d"), int32(1)),
    )

    found = gather_bucket(store, ["c", "b", "a"], 1, REQUESTS)

    assert found["host"].to_pylist() == ["d", "b"]
    assert gather_bucket(store, [], 1, REQUESTS).equals(REQUESTS.empty_table())


def test_files_of_another_schema_are_not_gathered() -> None:
    store = Files(a=write_bucketed(requests("a"), int32(0)))

    with pytest.raises(SchemaError, match="a: expected columns"):
        gather_bucket(store, ["a"], 0, OBSERVED)


@pytest.mark.parametrize(
    "bucket",
    [int32(1, 2), pa.array([1], pa.int64()), pa.array([None], pa.int32())],
    ids=["length", "type", "null"],
)
def test_buckets_that_do_not_fit_are_refused(bucket: pa.Array) -> None:
    with pytest.raises(SchemaError, match="expected one int32 bucket"):
        write_bucketed(requests("a"), bucket)


def test_another_schema_version_is_refused() -> None:
    table = with_metadata(requests("a"), schema_version="99")
    store = Files(f=write_bucketed(table, int32(0)))

    with pytest.raises(SchemaError, match="schema version"):
        read_bucket(store, "f", 0)


def test_an_absent_file_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="expected a file"):
        read_bucket(Files(), "f", 0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_give_the_table_or_our_error(data: st.DataObject) -> None:
    whole = write_bucketed(requests("a", "b"), int32(0, 1))
    cut = data.draw(st.integers(0, len(whole)))
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] ^= data.draw(st.integers(0, 255))

    for body in (whole[:cut], bytes(damaged), data.draw(st.binary())):
        with contextlib.suppress(StorageError, SchemaError):
            read_bucketed(Files(f=body), "f")


def test_a_name_that_is_no_text_is_a_damaged_file() -> None:
    whole = bytearray(write_bucketed(requests("a"), int32(0)))
    whole[whole.index(b"url_key")] ^= 0x80
    with pytest.raises(StorageError, match="expected a Parquet footer"):
        read_bucketed(Files(f=bytes(whole)), "f")
