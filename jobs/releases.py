"""A published release read back, part by part: rows, vectors as stored, and single pictures."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import checked
from pipeline.manifest import MANIFEST_PATH, read_manifest
from pipeline.release_maps import MAPPED, mapped, with_codes
from pipeline.reread import read_rows
from pipeline.rewrite import RETRACTIONS_PATH
from pipeline.shard import IMAGE_COLUMN, read_parquet
from pipeline.tars import read_tar
from schemas.config import BuildConfig
from schemas.errors import SchemaError, UsageError
from schemas.manifest import FileEntry, Manifest, ModelEntry
from schemas.ports import Store
from schemas.tables import LEDGER, RETRACTIONS, SAMPLES

READ = [
    "uid",
    "url",
    "caption",
    "host",
    "final_url",
    "sha256",
    "pixel_sha256",
    "pdq",
    "pdq_quality",
    "stored_pdq",
    "original_width",
    "original_height",
    "clip_similarity",
]
ROWS = pa.schema([SAMPLES.field(name) for name in READ])


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one samples file. rows: the columns READ. vectors: uid and named vectors."""

    name: str
    rows: pa.Table
    vectors: pa.Table


@dataclass(frozen=True)
class Release:
    """A release in a store; every file that is read is checked against the manifest."""

    store: Store
    manifest: Manifest

    @cached_property
    def files(self) -> dict[str, FileEntry]:
        return {f.path: f for f in self.manifest.files}

    @cached_property
    def config(self) -> BuildConfig:
        """The config of its build. Raises SchemaError."""
        try:
            return BuildConfig.model_validate(self.manifest.config)
        except ValueError as e:
            raise SchemaError(f"expected the config of a build in the manifest: {e}") from e

    @property
    def matcher(self) -> ModelEntry | None:
        """The model by which its rows were compared with claims."""
        return next((m for m in self.manifest.models if m.role == "matcher"), None)

    @property
    def names(self) -> list[str]:
        """The names of its parts, sorted."""
        return sorted(
            p.removeprefix("samples/").removesuffix(".parquet")
            for p in self.files
            if p.startswith("samples/") and p.endswith(".parquet")
        )

    def uids(self, name: str) -> pa.Table:
        """Return the uids of a part. Raises as `part`."""
        return read_parquet(checked(self.store, self.files, f"samples/{name}.parquet"), ["uid"])

    def plain(self, name: str) -> pa.Table:
        """Return a samples file without images, as it was published. Raises as `part`."""
        return read_rows(checked(self.store, self.files, f"samples/{name}.parquet"))

    def each_ledger(self) -> Iterator[pa.Table]:
        """Give LEDGER of one uid shard after the other. Raises as `part`."""
        for path in sorted(p for p in self.files if p.startswith("ledger/")):
            body = checked(self.store, self.files, path)
            yield read_parquet(body, LEDGER.names).cast(LEDGER)

    def ledger(self) -> pa.Table:
        """Return LEDGER, whole. Raises as `part`."""
        return pa.concat_tables([LEDGER.empty_table(), *self.each_ledger()])

    def newest_fetch(self) -> datetime | None:
        """Return when the last of its rows was fetched; null where none says. Raises as `part`."""
        newest: list[datetime] = []
        for name in self.names:
            body = checked(self.store, self.files, f"samples/{name}.parquet")
            told = pc.max(read_parquet(body, ["fetched_at"])["fetched_at"]).as_py()
            if told is not None:  # beside tars times stand as text, all of one form
                newest.append(datetime.fromisoformat(told) if isinstance(told, str) else told)
        return max(newest, default=None)

    def retractions(self) -> pa.Table:
        """Return RETRACTIONS of a recalled release; of another none. Raises as `part`."""
        if RETRACTIONS_PATH not in self.files:
            return RETRACTIONS.empty_table()
        body = checked(self.store, self.files, RETRACTIONS_PATH)
        return read_parquet(body, RETRACTIONS.names).cast(RETRACTIONS)

    def part(self, name: str) -> Part:
        """Return one part. Raises ProofError, SchemaError, StorageError."""
        body = checked(self.store, self.files, f"samples/{name}.parquet")
        rows = as_read(read_parquet(body, READ))
        path = f"embeddings/{name}.parquet"
        if path not in self.files:
            return Part(name, rows, rows.select(["uid"]))
        return Part(name, rows, read_parquet(checked(self.store, self.files, path)))

    def mapped(self, name: str) -> pa.Table:
        """Return the columns of a part that the maps speak of. Raises as `part`."""
        body = checked(self.store, self.files, f"samples/{name}.parquet")
        return mapped(read_parquet(body, MAPPED))

    def pictures(self, name: str, uids: Collection[str]) -> dict[str, bytes]:
        """Return the stored bytes of some rows of a part by uid; none of a URL-only release."""
        body = checked(self.store, self.files, f"samples/{name}.parquet")
        tar, layout = f"samples/{name}.tar", self.config.output.format
        if layout == "webdataset":
            keys = read_parquet(body, ["uid", "key"]).to_pylist()
            wanted = {row["key"]: row["uid"] for row in keys if row["uid"] in uids}
            form = self.config.decode.encode_format
            samples = read_tar(checked(self.store, self.files, tar))
            told = ((wanted.get(s["__key__"].decode()), s[form]) for s in samples)
            return {uid: picture for uid, picture in told if uid}
        if layout == "urls":
            return {}
        table = read_parquet(body, ["uid", IMAGE_COLUMN])
        chosen = table.filter(pc.is_in(table["uid"], pa.array(sorted(uids), pa.string())))
        return {row["uid"]: row[IMAGE_COLUMN]["bytes"] for row in chosen.to_pylist()}


def is_release(store: Store) -> bool:
    """Say whether a folder holds a release."""
    return store.exists(MANIFEST_PATH)


def require_release(store: Store) -> None:
    """Raise UsageError where a folder that was named holds no release."""
    if not is_release(store):
        raise UsageError(f"expected a release (with manifest.json) in {store.root}, found none")


def open_release(store: Store) -> Release:
    """Return the release in a store. Raises SchemaError, StorageError."""
    return Release(store, read_manifest(store))


def as_read(rows: pa.Table) -> pa.Table:
    """Return the columns READ of samples, codes as bytes."""
    return with_codes(rows.select(READ)).cast(ROWS)
