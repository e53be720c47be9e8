"""A release that is out, its vault where it is at hand, and rows as a build's stages had them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import checked
from jobs.releases import Release
from jobs.vaults import Vault
from pipeline.identify import shard_of
from pipeline.likeness import NOTHING_MEASURED, Likeness
from pipeline.manifest import MANIFEST_PATH
from pipeline.reread import Reread, extra_fields, of_samples, of_vaulted, samples_of
from pipeline.shard import read_parquet
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError
from schemas.manifest import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The released rows of one samples file.

    samples: SAMPLES and `extra.` columns. vectors: as stored. originals: ORIGINALS of those whose
    caption was redacted; null where none is known. reread: what stages take.
    """

    shard: int
    samples: pa.Table
    vectors: pa.Table
    originals: pa.Table | None
    reread: Reread


@dataclass(frozen=True, eq=False)
class Published:
    """A release, and its vault where it is at hand."""

    release: Release
    vault: Vault | None

    @cached_property
    def sha256(self) -> str:
        """Sha256 of its manifest.json, by which it is named."""
        return sha256_hex(self.release.store.read(MANIFEST_PATH))

    @property
    def manifest(self) -> Manifest:
        return self.release.manifest

    @property
    def matcher(self) -> str:
        """Fingerprint of the model by which its rows were compared with claims, "" for none."""
        return self.release.matcher.fingerprint if self.release.matcher else ""

    @property
    def duplicate_similarity(self) -> float:
        """The similarity from which its rows are copies of each other. Raises SchemaError."""
        found = self.manifest.thresholds.get("duplicate_similarity")
        if found is None:
            raise SchemaError("expected duplicate_similarity among the manifest's thresholds")
        return found

    @cached_property
    def shards(self) -> int:
        """The number of its uid shards."""
        return sum(p.startswith("ledger/") for p in self.release.files)

    @cached_property
    def extra(self) -> list[pa.Field]:
        """Columns of the source that recuse does not know, as the vault names them."""
        return extra_fields(self.vault.rows(0).schema) if self.vault else []

    def retracted(self) -> pa.Array:
        """Return the uids of rows that a recall has taken out of its parent, for this release."""
        table = self.release.retractions()
        own = pc.equal(table["release"], self.manifest.parent or "")
        return table["uid"].filter(own).combine_chunks()

    def url_keys(self, shard: int) -> Mapping[str, str]:
        """Return the canonical address of each row of a shard, as far as the vault knows them."""
        return self.vault.url_keys(shard) if self.vault else {}

    def originals(self, shard: int) -> pa.Table | None:
        """Return ORIGINALS of released rows of a shard; null where none is known."""
        return self.vault.originals(shard) if self.vault else None

    def measured(self, uids: pa.ChunkedArray) -> Likeness:
        """Return what was measured of rows of one shard."""
        return self.vault.likeness_of(uids) if self.vault else NOTHING_MEASURED

    def vectors(self, name: str, rows: pa.Table) -> pa.Table:
        """Return the vectors of a part; no column but uid where the release has none."""
        path = f"embeddings/{name}.parquet"
        if path not in self.release.files:
            return rows.select(["uid"])
        return read_parquet(checked(self.release.store, self.release.files, path))

    def rows(self, name: str) -> Rows:
        """Return the rows of a part.

        Raises ProofError for a file other than the manifest names, SchemaError for one without
        rows, which no build writes.
        """
        samples = samples_of(self.release.plain(name), self.extra)
        if not samples.num_rows or not self.shards:
            what = "rows" if self.shards else "a ledger beside it, and rows"
            raise SchemaError(f"expected {what} in samples/{name}.parquet, found none")
        vectors = self.vectors(name, samples)
        (shard,) = shard_of(samples["uid"][:1], self.shards).to_pylist()
        reread = of_samples(samples, vectors, self.url_keys(shard))
        originals = self.originals(shard)
        if originals is not None:
            own = pc.is_in(originals["uid"], samples["uid"].combine_chunks())
            originals = originals.filter(own)
        if self.vault is not None:
            reread = self.vault.with_hops(reread, shard)
        return Rows(int(shard), samples, vectors, originals, reread)


def left_out(vault: Vault, vaulted: pa.Table, shard: int) -> Reread:
    """Return the rows of a shard that are not released. vaulted: `Vault.rows` of it."""
    return vault.with_hops(of_vaulted(vaulted), shard)
