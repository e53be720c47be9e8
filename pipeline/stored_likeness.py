"""Similarities as the vault keeps them, shard by shard: a new threshold or claim needs no pixel.

A shard has two files: SIMILARITIES, and MEASURED_ROWS with the rows that were measured, also those
that are like no style. The styles stand once for all shards. Of rows whose bytes forbid mining
nothing is kept, as of every other likeness of theirs.
"""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.likeness import Likeness, measured_rows
from pipeline.shard import read_parquet, write_parquet
from schemas.tables import MEASURED_ROWS, MEASURED_STYLES, SIMILARITIES, require

SIMILARITIES_FOLDER = "similarities"
STYLES_PATH = f"{SIMILARITIES_FOLDER}/styles.parquet"


def shard_paths(shard: int) -> tuple[str, str]:
    """Return where the vault keeps similarities and measured rows of a shard."""
    name = f"{SIMILARITIES_FOLDER}/{shard:05d}"
    return f"{name}.parquet", f"{name}.rows.parquet"


def lasting(similarities: pa.Table, vectors: pa.Table, vaulted: pa.Table) -> tuple[pa.Table, ...]:
    """Return SIMILARITIES and MEASURED_ROWS of one shard, as the vault may keep them.

    vectors: of all rows that were measured. vaulted: VAULTED with its named vectors, null where
    nothing may be kept of a row's pixels.
    """
    rows = measured_rows(vectors)
    if "sty" in vaulted.column_names:
        bare = vaulted["uid"].filter(vaulted["sty"].is_null()).combine_chunks()
        rows = rows.filter(pc.invert(pc.is_in(rows["uid"], bare)))
    known = pc.is_in(similarities["uid"], rows["uid"].combine_chunks())
    return similarities.filter(known), rows


def shard_files(
    similarities: pa.Table, vectors: pa.Table, vaulted: pa.Table, shard: int
) -> list[tuple[str, bytes, int]]:
    """Return path, bytes and rows of a shard's files; arguments as of `lasting`."""
    tables = lasting(similarities, vectors, vaulted)
    return [
        (path, write_parquet(table), table.num_rows)
        for path, table in zip(shard_paths(shard), tables, strict=True)
    ]


def read_likeness(read: Callable[[str], bytes], shard: int) -> Likeness:
    """Return what the vault knows of one shard: `likeness_again` measures what it does not.

    read: gives a file of the vault, e.g. `Store.read`. Raises SchemaError for files of another
    form, and what `read` raises for those that are absent.
    """
    similarities, rows = (read_parquet(read(path)) for path in shard_paths(shard))
    styles = read_parquet(read(STYLES_PATH))
    for table, schema in (
        (similarities, SIMILARITIES), (styles, MEASURED_STYLES), (rows, MEASURED_ROWS),
    ):  # fmt: skip
        require(table, schema, extra=False)
    return Likeness(similarities, styles, rows)
