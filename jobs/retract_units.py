"""The files of a copy that change together, layout by layout: what goes out of them, and that.

A copy is a folder on a disk, whoever made it, and is changed in place: so these are plain files and
no store. A file is written beside the old one and takes its place whole.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from pipeline.retract import (
    info_without,
    keeps,
    keys_of,
    statistics_without,
    stays,
    tar_keys,
    telling,
    without_keys,
    write_tar_without,
)
from pipeline.retracted import Retracted
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError

STATE, INFO = "state.json", "dataset_info.json"
PART = ".part-"


@dataclass(frozen=True, slots=True)
class Going:
    """A file, or a folder of files, out of which rows go. of: how many it has."""

    path: Path
    rows: int
    of: int


class Unit(Protocol):
    """Files of a copy that change together."""

    def look(self, retracted: Retracted) -> list[Going]:
        """Return out of which files how many rows would go."""
        ...

    def drop(self, retracted: Retracted) -> None:
        """Rewrite them."""
        ...


# --- Parquet


@dataclass(frozen=True, slots=True)
class Table:
    """A Parquet file of rows."""

    path: Path

    def look(self, retracted: Retracted) -> list[Going]:
        keep = _stays(self.path, retracted)
        return _going(self.path, int((~keep).sum()), len(keep))

    def drop(self, retracted: Retracted) -> None:
        _filter_parquet(self.path, _stays(self.path, retracted))


def _stays(path: Path, retracted: Retracted) -> np.ndarray:
    file = pq.ParquetFile(path)
    names = telling(file.schema_arrow)
    flags = [
        stays(file.read_row_group(g, columns=names), retracted) for g in range(file.num_row_groups)
    ]
    return np.concatenate([np.ones(0, bool), *flags])


def _filter_parquet(path: Path, keep: np.ndarray) -> None:
    """Write a Parquet file without some rows, its row groups, codecs and metadata as they were."""
    file = pq.ParquetFile(path)
    groups = file.num_row_groups
    columns = file.metadata.num_columns
    codecs = {
        c.path_in_schema: c.compression
        for c in (file.metadata.row_group(0).column(i) for i in range(columns if groups else 0))
    }
    with (
        _instead(path) as target,
        pq.ParquetWriter(
            target,
            file.schema_arrow,
            compression={name: _codec(codec) for name, codec in codecs.items()} or "zstd",
            write_page_index=True,
        ) as writer,
    ):
        at = 0
        for number in range(groups):
            group = file.read_row_group(number)
            own = keep[at : at + group.num_rows]
            at += group.num_rows
            if own.any():
                writer.write_table(group.filter(pa.array(own)))


def _codec(name: str) -> str:
    return "none" if name == "UNCOMPRESSED" else name.lower()


# --- tars


@dataclass(frozen=True, slots=True)
class Tar:
    """A tar, and what img2dataset writes beside it: a table of its rows, and statistics."""

    path: Path

    @property
    def table(self) -> Path:
        return self.path.with_suffix(".parquet")

    def look(self, retracted: Retracted) -> list[Going]:
        return self._find(retracted).going(self.path, self.table)

    def drop(self, retracted: Retracted) -> None:
        found = self._find(retracted)
        if found.keys:
            with self.path.open("rb") as source, _instead(self.path) as target:
                write_tar_without(source, target, found.keys)
        _drop_beside(self.path, found)

    def _find(self, retracted: Retracted) -> "_Shard":
        with self.path.open("rb") as file:
            own = tar_keys(file, retracted)
        return _shard(self.table, set(own.every), set(own.gone), retracted)


@dataclass(frozen=True, slots=True)
class _Shard:
    """keys: of the samples that go. keep: of the table beside them, null without one."""

    keys: set[str]
    samples: int
    keep: np.ndarray | None

    def going(self, path: Path, table: Path) -> list[Going]:
        """Return how many rows go out of the samples and out of the table beside them."""
        going = _going(path, len(self.keys), self.samples)
        if self.keep is not None:
            going += _going(table, int((~self.keep).sum()), len(self.keep))
        return going


def _shard(table: Path, every: set[str], gone: set[str], retracted: Retracted) -> _Shard:
    """Return what goes out of a shard, by what either its samples or its table tell."""
    if not table.exists():
        return _Shard(gone, len(every), None)
    keep = _stays(table, retracted) if telling(pq.read_schema(table)) else None
    names = pq.read_schema(table).names
    if "key" not in names:
        return _Shard(gone, len(every), keep)
    rows = pq.read_table(table, columns=["key"])
    own = np.ones(rows.num_rows, bool) if keep is None else keep
    of_table = keys_of(rows, ~own)
    short = {key.rsplit("/", 1)[-1] for key in gone}
    keys = {k for k in every if k in gone or k in of_table or k.rsplit("/", 1)[-1] in of_table}
    return _Shard(keys, len(every), without_keys(rows, own, short))


def _drop_beside(path: Path, found: _Shard) -> None:
    table, stats = path.with_suffix(".parquet"), path.with_name(f"{path.stem}_stats.json")
    if found.keep is None or found.keep.all():
        return
    _filter_parquet(table, found.keep)
    if stats.exists():
        body = statistics_without(stats.read_bytes(), int((~found.keep).sum()))
        with _instead(stats) as target:
            target.write(body)


# --- folders of files, as img2dataset writes them


@dataclass(frozen=True, slots=True)
class Files:
    """A folder of files by key, with its table and statistics beside it."""

    path: Path

    @property
    def table(self) -> Path:
        return self.path.with_name(f"{self.path.name}.parquet")

    def look(self, retracted: Retracted) -> list[Going]:
        return self._find(retracted).going(self.path, self.table)

    def drop(self, retracted: Retracted) -> None:
        found = self._find(retracted)
        by_key = self._by_key()
        for key in sorted(found.keys):
            for path in by_key[key]:
                path.unlink()
        _drop_beside(self.path.with_name(f"{self.path.name}.files"), found)

    def _by_key(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in sorted(self.path.iterdir()):
            if path.is_file() and not path.name.startswith(PART):
                found.setdefault(path.name.split(".", 1)[0], []).append(path)
        return found

    def _find(self, retracted: Retracted) -> _Shard:
        by_key = self._by_key()
        gone = {
            key
            for key, paths in by_key.items()
            if not keeps({_kind(p): p.read_bytes() for p in paths}, retracted)
        }
        return _shard(self.table, set(by_key), gone, retracted)


def _kind(path: Path) -> str:
    return path.name.split(".", 1)[-1].lower()


# --- what `datasets` saves


@dataclass(frozen=True, slots=True)
class Saved:
    """A folder of `datasets.Dataset.save_to_disk`."""

    path: Path

    def look(self, retracted: Retracted) -> list[Going]:
        going = []
        for file in self._files():
            keep = self._stays(file, retracted)
            going += _going(file, int((~keep).sum()), len(keep))
        return going

    def drop(self, retracted: Retracted) -> None:
        left = 0
        for file in self._files():
            keep = self._stays(file, retracted)
            left += int(keep.sum())
            if not keep.all():
                _filter_arrow(file, keep)
        state = self._state()
        before = (self.path / STATE).read_bytes()
        state["_fingerprint"] = sha256_hex(before + str(left).encode())[:16]
        info = info_without((self.path / INFO).read_bytes(), {str(state.get("_split")): left})
        for name, body in ((INFO, info), (STATE, json.dumps(state, indent=2).encode())):
            with _instead(self.path / name) as target:
                target.write(body)

    def _files(self) -> list[Path]:
        listed = self._state().get("_data_files")
        if not isinstance(listed, list):
            raise SchemaError(f"expected _data_files in {self.path / STATE}")
        return [self.path / str(one["filename"]) for one in listed]

    def _state(self) -> dict[str, object]:
        try:
            state: dict[str, object] = json.loads((self.path / STATE).read_bytes())
        except ValueError as e:
            raise SchemaError(f"expected JSON in {self.path / STATE}: {e}") from e
        return state

    @staticmethod
    def _stays(file: Path, retracted: Retracted) -> np.ndarray:
        flags = [np.ones(0, bool)]
        with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
            flags += [stays(pa.Table.from_batches([batch]), retracted) for batch in reader]
        return np.concatenate(flags)


def _filter_arrow(path: Path, keep: np.ndarray) -> None:
    with (
        pa.memory_map(str(path)) as source,
        pa.ipc.open_stream(source) as reader,
        _instead(path) as target,
        pa.ipc.new_stream(target, reader.schema) as writer,
    ):
        at = 0
        for batch in reader:
            own = keep[at : at + batch.num_rows]
            at += batch.num_rows
            writer.write_batch(batch.filter(pa.array(own)))


# --- files


def _going(path: Path, rows: int, of: int) -> list[Going]:
    return [Going(path, rows, of)] if rows else []


@contextmanager
def _instead(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; whole, it takes the place of another."""
    beside = path.with_name(f"{PART}{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(path.stat().st_mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
