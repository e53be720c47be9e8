"""The vault's own rules: where it lies, what pins it, and when held bytes go."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import vault
from pipeline.shard import read_parquet, write_parquet
from schemas.errors import SchemaError, UsageError
from schemas.tables import EDGES, MATCHES, STORED, from_rows
from tests.fakes import MemoryStore

DAY = vault.DAY_US


def held_store() -> MemoryStore:
    store = MemoryStore()
    rows = [{"uid": u, "stored_sha256": "0" * 64, "body": b"x"} for u in "ab"]
    store.publish("held/00000.parquet", write_parquet(from_rows(rows, STORED)))
    store.publish("rows/00000.parquet", b"rows")
    store.publish(vault.HELD_UNTIL, vault.held_until(10 * DAY, 30))
    return store


def test_the_vault_lies_beside_the_release() -> None:
    assert vault.vault_of("data/flowers/") == "data/flowers.vault"


@pytest.mark.parametrize("place", [".", "./", "../flowers", "sub/..", "sub/../"])
def test_the_vault_of_the_folder_that_one_is_in_lies_beside_it(tmp_path, monkeypatch, place):
    """Not in it, as `..vault` would: there it would be published, or deleted as a stray."""
    here = tmp_path / "flowers"
    (here / "sub").mkdir(parents=True)
    monkeypatch.chdir(here)
    found = Path(vault.vault_of(place))
    assert found.resolve() == (tmp_path / "flowers.vault").resolve()


@pytest.mark.parametrize("place", ["memory://flowers/..", "/"])
def test_what_has_no_name_has_no_vault(place) -> None:
    with pytest.raises(UsageError, match="ends in the name"):
        vault.vault_of(place)


def test_held_bytes_stay_until_their_time_is_over() -> None:
    store = held_store()
    assert vault.purge_held(store, 40 * DAY - 1) == 0
    assert store.exists("held/00000.parquet")


def test_held_bytes_are_deleted_after_their_time_and_rows_stay() -> None:
    store = held_store()
    assert vault.purge_held(store, 40 * DAY) == 2
    assert store.paths("held") == [vault.HELD_UNTIL]
    assert store.exists("rows/00000.parquet")
    assert vault.purge_held(store, 41 * DAY) == 0


def test_what_a_review_needs_goes_with_the_images_and_what_was_decided_stays() -> None:
    store = held_store()
    for path in (vault.whole_path("00000", "rows"), f"{vault.REVIEW_FOLDER}/index.html"):
        store.publish(path, b"x")
    store.publish(vault.DECISIONS, b"{}")
    assert vault.purge_held(store, 40 * DAY) == 2
    assert store.paths("held") == [vault.DECISIONS, vault.HELD_UNTIL]


def test_a_vault_without_held_rows_has_nothing_to_purge() -> None:
    assert vault.purge_held(MemoryStore(), 0) == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"until_us": "soon"}'])
def test_a_note_that_cannot_be_read_deletes_nothing(body: bytes) -> None:
    store = held_store()
    store.publish(vault.HELD_UNTIL, body)
    with pytest.raises(SchemaError, match="until_us"):
        vault.purge_held(store, 99 * DAY)
    assert store.exists("held/00000.parquet")


def test_the_digest_covers_paths_and_bytes_but_not_what_is_deleted_later() -> None:
    rows = vault.entry("rows/00000.parquet", b"rows")
    held = vault.entry("held/00000.parquet", b"held")
    secret = vault.entry(vault.SECRET_PATH, b"secret")
    pinned = vault.vault_digest([rows])
    assert vault.vault_digest([secret, held, rows]) == pinned
    assert vault.vault_digest([vault.entry("rows/00000.parquet", b"rowz")]) != pinned
    assert vault.vault_digest([vault.entry("rows/00001.parquet", b"rows")]) != pinned


def test_salts_differ_by_row_and_by_release() -> None:
    salts = {vault.salt(s, u) for s in (b"1" * 32, b"2" * 32) for u in ("a", "b")}
    assert len(salts) == 4
    assert vault.salts(["a"], b"1" * 32).to_pylist() == [vault.salt(b"1" * 32, "a").hex()]


def test_edges_and_matches_are_stored_in_one_order() -> None:
    edges = from_rows(
        [{"uid_a": a, "uid_b": b} for a, b in (("b", "c"), ("a", "z"), ("a", "b"))], EDGES
    )
    turned = edges.take(pa.array([2, 0, 1]))
    assert vault.edges_file(edges) == vault.edges_file(turned)
    assert read_parquet(vault.edges_file(edges))["uid_b"].to_pylist() == ["b", "z", "c"]
    matches = from_rows([{"uid": u, "claim_id": "c", "rule": "style"} for u in "ba"], MATCHES)
    assert read_parquet(vault.matches_file(matches))["uid"].to_pylist() == ["a", "b"]
