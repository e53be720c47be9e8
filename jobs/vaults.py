"""The vault of a release, read back: the rows that are not released, and what was measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import pyarrow as pa

from jobs.audit import check_vault
from jobs.releases import READ, Part, as_read
from pipeline import led
from pipeline.held import shards_of
from pipeline.identify import shard_of
from pipeline.likeness import NOTHING_MEASURED, Likeness
from pipeline.release import name_of
from pipeline.reread import Reread
from pipeline.shard import read_parquet
from pipeline.storage import open_store
from pipeline.stored_likeness import STYLES_PATH, read_likeness, shard_paths
from pipeline.vault import (
    CAPTIONS_FOLDER,
    EDGES_PATH,
    EVIDENCE_ROWS,
    MATCHES_PATH,
    PRIVATE_EVIDENCE,
    ROWS_FOLDER,
)
from schemas.manifest import Manifest
from schemas.ports import Store
from schemas.tables import TRACED, VAULTED, of_pixels


@dataclass(frozen=True, eq=False)
class Vault:
    """A vault in a store, checked against the manifest of its release."""

    store: Store

    @cached_property
    def shards(self) -> int:
        return shards_of(self.store)

    @cached_property
    def styles(self) -> pa.Table:
        """MEASURED_STYLES: what its rows were measured against."""
        return read_parquet(self.store.read(STYLES_PATH))

    @cached_property
    def edges(self) -> pa.Table:
        """EDGES between its rows and released ones."""
        return read_parquet(self.store.read(EDGES_PATH))

    @cached_property
    def matches(self) -> pa.Table:
        """MATCHES of all rows of the build, also those that did not act."""
        return read_parquet(self.store.read(MATCHES_PATH))

    def rows(self, shard: int) -> pa.Table:
        """Return VAULTED of a shard, with vectors and `extra.` columns."""
        return read_parquet(self.store.read(f"{ROWS_FOLDER}/{name_of(shard)}.parquet"))

    def each_vaulted(self) -> Iterator[pa.Table]:
        """Give VAULTED of one shard after the other, without vectors."""
        for path in self.store.paths(ROWS_FOLDER):
            yield read_parquet(self.store.read(path), VAULTED.names).cast(VAULTED)

    def vaulted(self) -> pa.Table:
        """Return VAULTED of all shards."""
        return pa.concat_tables([VAULTED.empty_table(), *self.each_vaulted()])

    def originals(self, shard: int) -> pa.Table | None:
        """Return ORIGINALS of released rows of a shard; null where none was redacted."""
        path = f"{CAPTIONS_FOLDER}/{name_of(shard)}.parquet"
        return read_parquet(self.store.read(path)) if self.store.exists(path) else None

    def each_traced(self) -> Iterator[pa.Table]:
        """Give TRACED of one shard after the other: which evidence speaks for which row."""
        for path in self.store.paths(EVIDENCE_ROWS):
            yield read_parquet(self.store.read(path), TRACED.names)

    def url_keys(self, shard: int) -> Mapping[str, str]:
        """Return the canonical address of each row of a shard, as the build had it."""
        table = self._traced(shard, ["uid", "url_key"])
        return dict(zip(*(table[n].to_pylist() for n in table.column_names), strict=True))

    def with_hops(self, rows: Reread, shard: int) -> Reread:
        """Return rows of a shard with the addresses by which redirects led to their images."""
        if not self._told_hops:
            return rows
        hops = led.hops_by_row(self._traced(shard, ["uid", "answer"]), self._told_hops)
        return replace(rows, judged=led.with_hops(rows.judged, hops))

    @cached_property
    def _told_hops(self) -> Mapping[str, list[str]]:
        told: dict[str, list[str]] = {}
        for path in self.store.paths(PRIVATE_EVIDENCE):
            told |= led.told_hops(read_parquet(self.store.read(path)))
        return told

    def _traced(self, shard: int, names: list[str]) -> pa.Table:
        return read_parquet(self.store.read(f"{EVIDENCE_ROWS}/{name_of(shard)}.parquet"), names)

    def part(self, shard: int) -> Part:
        """Return the rows of a shard that are not released, with the vectors that are kept."""
        name, table = name_of(shard), self.rows(shard)
        vectors = of_pixels(table.schema)
        rows = table.select([*READ, *(n for n in vectors if n not in READ)])
        return Part(name, as_read(rows), rows.select(["uid", *vectors]))

    def likeness_of(self, uids: pa.ChunkedArray) -> Likeness:
        """Return what was measured of the shard in which some rows are. uids: of one shard."""
        if not len(uids):
            return NOTHING_MEASURED
        (shard,) = shard_of(uids[:1], self.shards).to_pylist()
        return _likeness(self, shard)


@lru_cache(maxsize=1)  # files of one shard follow each other
def _likeness(vault: Vault, shard: int) -> Likeness:
    if not vault.store.exists(shard_paths(shard)[0]):  # no row of it has vectors
        return NOTHING_MEASURED
    return read_likeness(vault.store.read, shard)


def open_vault(place: str, manifest: Manifest) -> Vault:
    """Return the vault of a release. Raises StorageError, and ProofError for another one."""
    store = open_store(place, private=True)
    check_vault(store, manifest)
    return Vault(store)
