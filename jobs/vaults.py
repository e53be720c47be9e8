"""The vault of a release, read back: the rows that are not released, and what was measured."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa

from jobs.audit import check_vault
from jobs.releases import READ, Part, with_hashes
from pipeline.held import shards_of
from pipeline.identify import shard_of
from pipeline.likeness import NOTHING_MEASURED, Likeness
from pipeline.release import name_of
from pipeline.shard import read_parquet
from pipeline.storage import open_store
from pipeline.stored_likeness import STYLES_PATH, read_likeness, shard_paths
from pipeline.vault import EDGES_PATH, ROWS_FOLDER
from schemas.manifest import Manifest
from schemas.ports import Store
from schemas.tables import of_pixels


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

    def part(self, shard: int) -> Part:
        """Return the rows of a shard that are not released, with the vectors that are kept."""
        name = name_of(shard)
        table = read_parquet(self.store.read(f"{ROWS_FOLDER}/{name}.parquet"))
        vectors = of_pixels(table.schema)
        rows = table.select([*READ, *(n for n in vectors if n not in READ)])
        return Part(name, with_hashes(rows), rows.select(["uid", *vectors]))

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
