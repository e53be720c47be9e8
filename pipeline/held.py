"""Rows under review, read back from a vault: whole, so that they are judged again without asking.

Each stands in the file of its uid shard. Their images are those that a release would hold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.identify import shard_of
from pipeline.release import name_of
from pipeline.shard import read_parquet
from pipeline.vault import EVIDENCE_ROWS, HELD_FOLDER, ROWS_FOLDER, WHOLE, whole_path
from schemas.canonical import sha256_hex
from schemas.errors import StorageError, UsageError
from schemas.ports import Store
from schemas.tables import EDGES, STOP, STORED, TEXT, TRACED, require

FETCH_AGAIN = "the rows can only be fetched anew, by a build from the source"


@dataclass(frozen=True, slots=True)
class Whole:
    """Rows as a build's `prepare` gave them, sorted by uid, and which evidence speaks for them."""

    rows: pa.Table
    judged: pa.Table
    decoded: pa.Table
    vectors: pa.Table
    stored: pa.Table
    traced: pa.Table


def shards_of(vault: Store) -> int:
    """Return the number of uid shards of the release that a vault belongs to."""
    return len(vault.paths(ROWS_FOLDER))


def read_whole(vault: Store, uids: Sequence[str]) -> Whole:
    """Return the rows of these uids; none may be missing, and there must be one.

    Nothing of them says where bytes lie: the packs of the first build are gone.
    Raises UsageError where bytes were purged, StorageError where they are not what they were.
    """
    by_shard: dict[int, list[str]] = {}
    shards = shards_of(vault)
    for uid, shard in zip(uids, shard_of(pa.array(uids, TEXT), shards).to_pylist(), strict=True):
        by_shard.setdefault(shard, []).append(uid)
    tables: dict[str, list[pa.Table]] = {kind: [] for kind in (*WHOLE, "stored", "traced")}
    for shard, own in sorted(by_shard.items()):
        name = name_of(shard)
        paths = {kind: whole_path(name, kind) for kind in WHOLE}
        paths["stored"] = f"{HELD_FOLDER}/{name}.parquet"
        for kind, path in paths.items():
            tables[kind].append(_rows_of(vault, path, own))
        traced = _rows_of(vault, f"{EVIDENCE_ROWS}/{name}.parquet", own)
        tables["traced"].append(traced.replace_schema_metadata(TRACED.metadata))
    joined = {k: pa.concat_tables(t).sort_by("uid").combine_chunks() for k, t in tables.items()}
    whole = Whole(**joined | {"judged": _unpacked(joined["judged"])})
    _check(vault, whole)
    return whole


def _rows_of(vault: Store, path: str, uids: list[str]) -> pa.Table:
    if not vault.exists(path):
        raise UsageError(
            f"expected held rows in {vault.root}/{path}, found no such file: their time is over"
            f" (output.hold_days) and they were purged; {FETCH_AGAIN}"
        )
    table = read_parquet(vault.read(path))
    found = table.filter(pc.is_in(table["uid"], pa.array(uids, TEXT)))
    if found.num_rows != len(uids):
        lost = min({*uids} - {*found["uid"].to_pylist()})
        raise StorageError(f"expected row {lost} in {vault.root}/{path}, found none")
    return found


def _unpacked(judged: pa.Table) -> pa.Table:
    for name in ("pack", "offset", "length"):
        place = judged.schema.get_field_index(name)
        field = judged.schema.field(place)
        judged = judged.set_column(place, field, pa.nulls(judged.num_rows, field.type))
    return judged


def _check(vault: Store, whole: Whole) -> None:
    require(whole.stored, STORED)
    pinned = dict(
        zip(*(whole.decoded[n].to_pylist() for n in ("uid", "stored_sha256")), strict=True)
    )
    for row in whole.stored.to_pylist():
        if sha256_hex(row["body"]) != pinned[row["uid"]]:
            raise StorageError(f"expected the image of {row['uid']} in {vault.root}, found another")


def stopped(table: pa.Table, stops: dict[str, tuple[str, str, str | None]]) -> pa.Table:
    """Return a table of rows with stops: uid -> stage, reason, detail; those that stand stay.

    table: with `uid` and the columns of STOP.
    """
    uids, before = table["uid"].to_pylist(), table["stop_reason"].to_pylist()
    new = [stops.get(u) if b is None else None for u, b in zip(uids, before, strict=True)]
    for name, at in zip((f.name for f in STOP), (0, 1, None, 2), strict=True):
        if at is None:
            continue
        place = table.schema.get_field_index(name)
        own = pa.array([stop[at] if stop else None for stop in new], TEXT)
        column = pc.coalesce(own, table[name].combine_chunks())
        table = table.set_column(place, table.schema.field(place), column)
    return table


def copies(uids: Iterable[str], edges: pa.Table, similarity: float) -> pl.DataFrame:
    """Return uid and other: every row of a release that `represent` takes for the same image.

    uids: of rows to ask about. edges: EDGES of the release: equal contents are stars around their
    smallest uid, near contents are joined by theirs. similarity: cosine of near-copies.
    """
    require(edges, EDGES)
    frame = pl.DataFrame(edges)
    both = pl.concat(
        [
            frame.rename({"uid_a": "at", "uid_b": "to"}),
            frame.rename({"uid_b": "at", "uid_a": "to"}).select("at", "to", *frame.columns[2:]),
        ]
    )
    equal = pl.col("sha256") | pl.col("pixel_sha256")
    alike = pl.col("pdq_distance").is_not_null() | (pl.col("similarity") >= similarity)
    same = both.filter(equal).select("at", "to")
    near = both.filter(alike).select("at", "to")
    start = pl.DataFrame({"uid": sorted(set(uids))}, schema={"uid": pl.String})
    own = _content(start.with_columns(at="uid"), same)
    others = _content(own.join(near, on="at").select("uid", at="to"), same)
    reached = pl.concat([own, others]).unique()
    return (
        reached.filter(pl.col("uid") != pl.col("at")).select("uid", other="at").sort("uid", "other")
    )


def _content(reached: pl.DataFrame, same: pl.DataFrame) -> pl.DataFrame:
    """Return the rows reached and all of equal content: to the middle of a star, and out again."""
    for _ in range(2):
        further = reached.join(same, on="at").select("uid", at="to")
        reached = pl.concat([reached, further]).unique()
    return reached


def unreleased(vault: Store, uids: Sequence[str]) -> set[str]:
    """Return those of the uids that stand among the rows that the release left out."""
    shards = shards_of(vault)
    wanted = pa.array(uids, TEXT)
    numbers = sorted(set(shard_of(wanted, shards).to_pylist()))
    found: set[str] = set()
    for number in numbers:
        body = vault.read(f"{ROWS_FOLDER}/{name_of(number)}.parquet")
        table = read_parquet(body, ["uid"])
        found |= set(table["uid"].filter(pc.is_in(table["uid"], wanted)).to_pylist())
    return found
