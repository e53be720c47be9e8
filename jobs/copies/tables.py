"""Tables of a copy: Parquet files, and folders that `datasets` has saved."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from jobs.copies.files import instead
from jobs.copies.units import Going, Looked, Untold, going, untold
from pipeline.copies.counts import info_without
from pipeline.copies.samples import Evidence
from pipeline.copies.tables import STATUS, Flags, Judged, filtered, judge, telling
from pipeline.retracted import Retracted
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError

STATE, INFO = "state.json", "dataset_info.json"
PICKED = ("_indices_files", "_indices_data_files")
ELSEWHERE = "rows with an image that tell nothing here"
CHANGED = "expected as many rows as before, found others: does another run change it now?"


@dataclass(frozen=True, slots=True)
class Table:
    """A Parquet file of rows."""

    path: Path

    def look(self, retracted: Retracted) -> Looked:
        found = judged(self.path, retracted)
        gone = going(self.path, int((~found.keep).sum()), len(found.keep))
        unclear = untold(self.path, found.untold, ELSEWHERE)
        drop = partial(filter_parquet, self.path, found.keep)
        return Looked(gone, unclear, Evidence.of_rows(found), drop=drop)


def judged(path: Path, retracted: Retracted) -> Judged:
    """Return which rows of a Parquet file stay."""
    with pq.ParquetFile(path) as file:
        return judged_in(file, retracted)


def judged_in(file: pq.ParquetFile, retracted: Retracted) -> Judged:
    """Return the same of a file that is open."""
    names = telling(file.schema_arrow)
    names += [STATUS] if STATUS in file.schema_arrow.names and STATUS not in names else []
    if not names:
        return Judged.nothing(file.metadata.num_rows)
    return Judged.joined(
        judge(file.read_row_group(g, columns=names), retracted, file.schema_arrow)
        for g in range(file.num_row_groups)
    )


def filter_parquet(path: Path, keep: Flags) -> None:
    """Write a Parquet file without some rows, its row groups, codecs and metadata as they were.

    Raises SchemaError where it has not as many rows as there are flags.
    """
    # As Spark writes times, of more years than nanoseconds have: these digits are left out.
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
        if file.metadata.num_rows != len(keep):
            raise SchemaError(CHANGED)
        groups = file.num_row_groups
        with (
            instead(path) as target,
            pq.ParquetWriter(
                target,
                file.schema_arrow,
                compression=_codecs(file.metadata),
                use_compliant_nested_type=_is_compliant(file.schema),
                use_deprecated_int96_timestamps=_is_int96(file.schema),
                write_page_index=True,
            ) as writer,
        ):
            at = 0
            for number in range(groups):
                group = file.read_row_group(number)
                own = keep[at : at + group.num_rows]
                at += group.num_rows
                if own.any():
                    writer.write_table(filtered(group, own))


def _codecs(file: pq.FileMetaData) -> str | dict[str, str]:
    """Return the codec of a file, or those of its columns where they are several."""
    first = [file.row_group(0)] if file.num_row_groups else []
    columns = [group.column(i) for group in first for i in range(file.num_columns)]
    codecs = {c.path_in_schema: _codec(c.compression) for c in columns}
    # Paths change where lists are written in other ways than Arrow's: one codec needs none.
    return codecs if len({*codecs.values()}) > 1 else next(iter(codecs.values()), "zstd")


def _is_compliant(schema: pq.ParquetSchema) -> bool:
    """Say whether what is in lists is called as Parquet has it, and not as older writers have."""
    paths = [schema.column(i).path for i in range(len(schema.names))]
    return all(".list.element" in path for path in paths if ".list." in path)


def _is_int96(schema: pq.ParquetSchema) -> bool:
    """Say whether all times of a file are in the form of old writers."""
    columns = [schema.column(i) for i in range(len(schema.names))]
    is_new = any(column.logical_type.type == "TIMESTAMP" for column in columns)
    return not is_new and any(column.physical_type == "INT96" for column in columns)


def _codec(name: str) -> str:
    return "none" if name == "UNCOMPRESSED" else name.lower()


@dataclass(frozen=True, slots=True)
class Saved:
    """A folder of `datasets.Dataset.save_to_disk`."""

    path: Path

    def look(self, retracted: Retracted) -> Looked:
        gone: list[Going] = []
        unclear: list[Untold] = []
        evidence: list[Evidence] = []
        kept: dict[Path, Flags] = {}
        for file in self.files():
            found = self._judged(file, retracted)
            gone += going(file, int((~found.keep).sum()), len(found.keep))
            unclear += untold(file, found.untold, ELSEWHERE)
            evidence.append(Evidence.of_rows(found))
            kept[file] = found.keep
        self._info({})
        return Looked(gone, unclear, Evidence.joined(evidence), drop=partial(self._drop, kept))

    def _drop(self, kept: Mapping[Path, Flags]) -> None:
        left = sum(int(keep.sum()) for keep in kept.values())
        state = self._state()
        before = (self.path / STATE).read_bytes()
        state["_fingerprint"] = sha256_hex(before + str(left).encode())[:16]
        info = self._info({str(state.get("_split")): left})
        # Before the rows: as long as any is there, the next run comes by here again.
        for name, body in ((INFO, info), (STATE, json.dumps(state, indent=2).encode())):
            with instead(self.path / name) as target:
                target.write(body)
        for file, keep in kept.items():
            if not keep.all():
                _filter_arrow(file, keep)

    def files(self) -> list[Path]:
        """Return the files of its rows. Raises SchemaError where it does not say which.

        Also where it picks rows by their places, as versions before 1.3 did: these would be others.
        """
        state = self._state()
        listed = state.get("_data_files")
        if any(state.get(name) for name in PICKED):
            raise SchemaError(f"expected all rows of its files in {self.path / STATE}, found some")
        found = []
        for one in listed if isinstance(listed, list) else [None]:
            name = one.get("filename") if isinstance(one, dict) else None
            if not isinstance(name, str) or Path(name).name != name:
                raise SchemaError(
                    f"expected names of files as _data_files in {self.path / STATE}, found {name!r}"
                )
            found.append(self.path / name)
        return found

    def _info(self, rows: dict[str, int]) -> bytes:
        return info_without((self.path / INFO).read_bytes(), rows)

    def _state(self) -> dict[str, object]:
        try:
            state = json.loads((self.path / STATE).read_bytes())
        except (ValueError, RecursionError) as e:
            raise SchemaError(f"expected JSON in {self.path / STATE}: {e}") from e
        if not isinstance(state, dict):
            raise SchemaError(f"expected an object in {self.path / STATE}")
        return state

    @staticmethod
    def _judged(file: Path, retracted: Retracted) -> Judged:
        def parts() -> Iterator[Judged]:
            with pa.OSFile(os.fsencode(file)) as source, pa.ipc.open_stream(source) as reader:
                if not telling(reader.schema):
                    raise SchemaError(f"expected columns that tell its rows in {file}, found none")
                for batch in reader:
                    batch.validate(full=True)  # offsets are trusted ever after
                    yield judge(pa.Table.from_batches([batch]), retracted, reader.schema)

        return Judged.joined(parts())


def _filter_arrow(path: Path, keep: Flags) -> None:
    with (
        pa.OSFile(os.fsencode(path)) as source,
        pa.ipc.open_stream(source) as reader,
        instead(path) as target,
        pa.ipc.new_stream(target, reader.schema) as writer,
    ):
        at = 0
        for batch in reader:
            own = keep[at : at + batch.num_rows]
            at += batch.num_rows
            if len(own) == batch.num_rows:
                writer.write_table(filtered(pa.Table.from_batches([batch]), own))
        if at != len(keep):
            raise SchemaError(CHANGED)
