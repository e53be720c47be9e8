import random
from collections.abc import Sequence

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from pipeline.fetchstore import PackWriter, read_bodies
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError, StorageError
from tests.fakes import MemoryStore


def places_of(writer: PackWriter, bodies: list[bytes]) -> pa.Table:
    """Return where each body lies, as OBSERVED has it."""
    found = [writer.places[sha256_hex(body)] for body in bodies]
    return pa.table(
        {
            "pack": pa.array([p.pack for p in found], pa.string()),
            "offset": pa.array([p.offset for p in found], pa.int64()),
            "length": pa.array([p.length for p in found], pa.int64()),
            "sha256": pa.array([sha256_hex(body) for body in bodies], pa.string()),
        }
    )


def pack(store: MemoryStore, bodies: list[bytes], flush_bytes: int = 1000) -> pa.Table:
    writer = PackWriter(store, "packs", flush_bytes)
    for body in bodies:
        writer.add(body)
    writer.flush()
    return places_of(writer, bodies)


@settings(deadline=None)  # the first example pays for imports
@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(1, 2000), st.randoms())
def test_bodies_come_back_in_any_order(
    bodies: list[bytes], flush_bytes: int, rng: random.Random
) -> None:
    store = MemoryStore()
    places = pack(store, bodies, flush_bytes)
    order = list(range(len(bodies)))
    rng.shuffle(order)

    assert read_bodies(store, places.take(pa.array(order, pa.int64()))) == [
        bodies[i] for i in order
    ]


def test_equal_bodies_are_stored_once() -> None:
    store = MemoryStore()
    places = pack(store, [b"same", b"other", b"same"], 4)
    assert places["offset"][0] == places["offset"][2]
    assert places["pack"][0] == places["pack"][2]
    assert sum(map(len, store.files.values())) == 9


def test_packs_are_named_by_content_whatever_the_order_of_answers() -> None:
    one, other = MemoryStore(), MemoryStore()
    pack(one, [b"a", b"b", b"c"])
    pack(other, [b"c", b"a", b"b"])
    assert one.files == other.files
    (path,) = one.files
    assert path == f"packs/{sha256_hex(one.files[path])}.pack"


def test_packs_stay_below_the_limit() -> None:
    store = MemoryStore()
    pack(store, [bytes([i]) * 300 for i in range(10)], 1000)
    assert [len(body) for body in store.files.values()] == [900, 900, 900, 300]


def test_nothing_given_publishes_nothing() -> None:
    store = MemoryStore()
    places = pack(store, [])
    assert store.files == {}
    assert read_bodies(store, places) == []


def test_an_empty_body_has_a_place() -> None:
    store = MemoryStore()
    assert read_bodies(store, pack(store, [b""])) == [b""]


@pytest.mark.parametrize("fault", ["failed", "written"])
def test_a_failed_pack_can_be_published_again(fault: str) -> None:
    faults = [fault, None]
    store = MemoryStore(fail=lambda _: faults.pop(0))
    writer = PackWriter(store, "packs")
    writer.add(b"body")
    with pytest.raises(StorageError):
        writer.flush()
    writer.flush()
    assert read_bodies(store, places_of(writer, [b"body"])) == [b"body"]


def test_changed_bytes_are_noticed() -> None:
    store = MemoryStore()
    places = pack(store, [b"a" * 50, b"b" * 50])
    (path,) = store.files
    for damaged in (b"x" * 100, store.files[path][:70]):
        store.files[path] = damaged
        with pytest.raises(StorageError, match="expected sha256"):
            read_bodies(store, places)


def test_an_absent_pack_is_a_storage_error() -> None:
    store = MemoryStore()
    places = pack(store, [b"a"])
    store.files.clear()
    with pytest.raises(StorageError):
        read_bodies(store, places)


def test_rows_without_a_body_are_refused() -> None:
    places = pack(MemoryStore(), [b"a"])
    nothing = pa.concat_tables([places, pa.table({n: pa.nulls(1, t) for n, t in zip(
        places.column_names, places.schema.types, strict=True)})])  # fmt: skip
    with pytest.raises(SchemaError, match="pack null"):
        read_bodies(MemoryStore(), nothing)


def test_near_bodies_are_read_together() -> None:
    spans: list[int] = []

    class Counting(MemoryStore):
        def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
            spans.append(len(ranges))
            return super().read_ranges(path, ranges)

    store = Counting()
    places = pack(store, [bytes([i]) * 1000 for i in range(50)], 1_000_000)
    read_bodies(store, places)
    assert spans == [1]


def test_body_that_must_not_be_stored_has_no_place_and_leaves_nothing() -> None:
    store = MemoryStore()
    writer = PackWriter(store, "fetch", never=lambda _sha256, body: body == b"never")
    listed, kept = writer.add(b"never"), writer.add(b"kept")
    assert writer.add(b"never") == listed
    writer.flush()
    assert set(writer.places) == {kept}
    assert b"never" not in b"".join(store.files.values())
