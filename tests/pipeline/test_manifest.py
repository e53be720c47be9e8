"""A manifest adds up, names each file once, and is read back only if it is exactly itself."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.log.sparse import EMPTY
from optout.signals.profiles import PROFILES
from pipeline.manifest import (
    MANIFEST_PATH,
    assemble,
    counts,
    manifest_bytes,
    parse_manifest,
    read_manifest,
    row_counts,
)
from schemas import SCHEMA_VERSION
from schemas.errors import SchemaError, StorageError
from schemas.manifest import FileEntry, Manifest
from schemas.tables import DECIDED, from_rows
from tests.fakes import MemoryStore
from tests.pipeline.samples import roots

FILES = [
    FileEntry(path="samples/00000.parquet", sha256="1" * 64, size_bytes=10, rows=4),
    FileEntry(path="ledger/00000.parquet", sha256="2" * 64, size_bytes=10, rows=3),
    FileEntry(path="report.html", sha256="3" * 64, size_bytes=10),
]


def draft(**values: Any) -> Manifest:
    base: dict[str, Any] = {
        "title": "t",
        "created": "2026-01-01T00:00:00Z",
        "tool": {"name": "recuse"},
        "plan": "p",
        "config": {"mode": "opt_out"},
        "source": {},
        "rows_in": 7,
        "released": 4,
        "dropped": {"optout_work": 2},
        "held": {"unchecked": 1},
        "unchecked": {},
        "signals": {},
        "signal_profile": PROFILES["default"].as_json(),
        "models": [],
        "lists": [],
        "thresholds": {"share_cap": 3.0},
        "vault_sha256": "0" * 64,
        "roots": roots(4, 3),
    }
    return Manifest(**base | values)


def test_files_are_sorted_and_the_document_round_trips() -> None:
    manifest = assemble(draft(), FILES)
    assert [f.path for f in manifest.files] == sorted(f.path for f in FILES)
    assert parse_manifest(manifest_bytes(manifest)) == manifest


@pytest.mark.parametrize("change", [{"rows_in": 8}, {"released": 5}, {"held": {}}])
def test_rows_that_do_not_add_up_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="rows in = released"):
        assemble(draft(**change), FILES)


def test_files_that_contradict_the_counts_are_refused() -> None:
    with pytest.raises(SchemaError, match="expected 4 rows in samples/, found 0"):
        assemble(draft(), FILES[1:])
    with pytest.raises(SchemaError, match="expected 3 rows in ledger/, found 0"):
        assemble(draft(), FILES[:1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ledger_rows": 2}, "expected 3 rows under the ledger root, found 2"),
        ({"row_keys": 3}, "expected 4 uids or more under the row root, found 3"),
        ({"rows": "A" * 64}, "64 hex digits as root of rows"),
        ({"bands": "0"}, "64 hex digits as root of bands"),
        ({"bands": EMPTY.hex()}, "the empty root of bands"),
        ({"band_keys": 0}, "the empty root of bands"),
        ({"band_spec": "recuse/v1/bands/8x32"}, "maps made by"),
    ],
)
def test_roots_that_no_release_with_these_counts_has_are_refused(
    change: dict[str, Any], message: str
) -> None:
    odd = draft(roots=roots(4, 3).model_copy(update=change))
    with pytest.raises(SchemaError, match=message):
        assemble(odd, FILES)
    body = manifest_bytes(odd.model_copy(update={"files": FILES}))
    with pytest.raises(SchemaError, match=message):
        parse_manifest(body)


def test_a_path_that_occurs_twice_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"found report\.html more than once"):
        assemble(draft(), [*FILES, FILES[2]])


def test_a_manifest_of_another_schema_is_refused() -> None:
    body = manifest_bytes(assemble(draft(), FILES))
    version = b'"schema_version":%d'
    other = body.replace(version % SCHEMA_VERSION, version % (SCHEMA_VERSION - 1))
    with pytest.raises(SchemaError, match="expected schema_version 5, found 4"):
        parse_manifest(other)


def test_a_manifest_that_is_not_canonical_is_refused() -> None:
    body = manifest_bytes(assemble(draft(), FILES))
    with pytest.raises(SchemaError, match="canonical"):
        parse_manifest(body + b"\n")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_byte_is_refused_or_gives_another_manifest(data: st.DataObject) -> None:
    manifest = assemble(draft(), FILES)
    body = bytearray(manifest_bytes(manifest))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255).filter(lambda b: b != body[place]))
    with suppress(SchemaError):
        assert parse_manifest(bytes(body)) != manifest


@given(st.binary(max_size=80))
def test_any_bytes_give_a_manifest_or_our_error(body: bytes) -> None:
    with pytest.raises(SchemaError):
        parse_manifest(body)


def test_reading_names_the_file() -> None:
    store = MemoryStore()
    with pytest.raises(StorageError, match=MANIFEST_PATH):
        read_manifest(store)
    store.publish(MANIFEST_PATH, b"{}")
    with pytest.raises(SchemaError, match=r"memory://store/manifest\.json: expected a manifest"):
        read_manifest(store)
    store.publish(MANIFEST_PATH, manifest_bytes(assemble(draft(), FILES)))
    assert read_manifest(store).released == 4


def test_rows_are_counted_by_verdict_and_reason() -> None:
    rows: list[dict[str, Any]] = [
        {"uid": "a", "verdict": "keep"},
        {"uid": "b", "verdict": "drop", "reason": "filter"},
        {"uid": "c", "verdict": "drop", "reason": "filter"},
        {"uid": "d", "verdict": "hold", "reason": "unchecked"},
    ]
    table = from_rows(rows, DECIDED)
    assert counts(table) == {"keep": {"": 1}, "drop": {"filter": 2}, "hold": {"unchecked": 1}}
    assert row_counts(table) == (1, {"filter": 2}, {"unchecked": 1})
    assert row_counts(DECIDED.empty_table()) == (0, {}, {})
