"""Reads back what became of every row: shards for the kept, the vault for the rest."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.demo.expect import ActualRow

COLUMNS = ["uid", "url", "caption"]
TOLD = [*COLUMNS, "verdict", "reason", "claim_id"]


def rows_of(release: Path) -> list[ActualRow]:
    """Return one row for each of the input, in no order."""
    kept = _read(release / "samples", COLUMNS).to_pylist()
    rest = vaulted(release).to_pylist()
    return [ActualRow(r["url"] or "", r["caption"] or "", "keep", "") for r in kept] + [
        ActualRow(r["url"] or "", r["caption"] or "", r["verdict"], r["reason"]) for r in rest
    ]


def vaulted(release: Path) -> pa.Table:
    """Return TOLD of the rows that were not released."""
    return _read(release.with_name(f"{release.name}.vault") / "rows", TOLD)


def _read(folder: Path, columns: list[str]) -> pa.Table:
    # one file at a time: a dataset would guess at partitions in the folder's name
    parts = [pq.ParquetFile(f).read(columns) for f in sorted(folder.glob("*.parquet"))]
    empty = pa.schema([(name, pa.string()) for name in columns]).empty_table()
    return pa.concat_tables(parts) if parts else empty
