"""Which rows are shown on the pages, and their thumbnails.

The public page shows released rows. The review page shows others, but never one that a safety list
names, nor one whose bytes forbid mining: of those no picture is made at all.
"""

import io
from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, UnidentifiedImageError

from pipeline.release import ShardTables
from pipeline.vault import forbids_mining
from schemas import SCHEMA_VERSION
from schemas.tables import DECIDED, TEXT, F, require
from schemas.verdict import Reason, Verdict

RELEASED_SHOWN = 60
WITHHELD_SHOWN = 24
"""Rows shown of each verdict, reason and claim."""
GROUPS_SHOWN = 40
THUMB_PX = 256
THUMB_QUALITY = 80

GROUPED = ["uid", "verdict", "reason", "claim_id"]
NEVER_SHOWN = [str(r) for r in (Reason.SAFETY, Reason.SIGNAL_EMBEDDED, Reason.SIGNAL_COPY)]

PICTURES = pa.schema(
    [
        F("uid", TEXT),
        F("verdict", TEXT),
        F("reason", TEXT),
        F("claim_id", TEXT),
        F("rule", TEXT),
        F("similarity", pa.float32()),
        F("threshold", pa.float32()),
        F("by_uid", TEXT),
        F("dup_of", TEXT),
        F("caption", TEXT),
        F("host", TEXT),
        F("url", TEXT),
        F("license", TEXT),
        F("attribution", TEXT),
        F("original_width", pa.int32()),
        F("original_height", pa.int32()),
        F("thumb", pa.binary()),  # JPEG
        F("thumb_width", pa.int32()),
        F("thumb_height", pa.int32()),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION)},
)


def shard_pictures(tables: ShardTables, shard: int, shards: int) -> pa.Table:
    """Return PICTURES of one shard out of `shards`: about twice its share of what will be shown.

    `thin` makes the final choice among the pictures of all shards.
    """
    share = 2 * RELEASED_SHOWN / shards
    released = int((shard + 1) * share) - int(shard * share)  # adds up, though shares be fractions
    withheld = -(-2 * WITHHELD_SHOWN // shards)
    pictured = tables.stored["uid"].combine_chunks()
    return pictures(tables, choose(tables.decided, pictured, released, withheld))


def thin(found: pa.Table) -> pa.Table:
    """Return the PICTURES of all shards, thinned out to what a page shows."""
    chosen = _choose(pl.DataFrame(found.select(GROUPED)), RELEASED_SHOWN, WITHHELD_SHOWN)
    return found.filter(pc.is_in(found["uid"], chosen)).sort_by("uid")


def choose(decided: pa.Table, pictured: pa.Array, released: int, withheld: int) -> pa.Array:
    """Return the uids of rows to show: evenly spaced over the sorted uids of each group.

    decided: DECIDED. pictured: uids of rows that have a stored image. released, withheld: rows of
    those released, and of each other verdict, reason and claim.
    """
    require(decided, DECIDED)
    rows = pl.DataFrame(decided.select(GROUPED)).filter(
        pl.col("uid").is_in(pl.Series(pictured).implode()),
        ~pl.col("reason").fill_null("").is_in(NEVER_SHOWN),
    )
    return _choose(rows, released, withheld)


def _choose(rows: pl.DataFrame, released: int, withheld: int) -> pa.Array:
    kept = rows.filter(pl.col("verdict") == str(Verdict.KEEP))
    others = rows.filter(pl.col("verdict") != str(Verdict.KEEP))
    chosen = _spaced(sorted(kept["uid"].to_list()), released)
    parts = others.sort("uid").partition_by(GROUPED[1:], maintain_order=True)
    parts.sort(key=lambda p: (-p.height, p["uid"][0]))
    for part in parts[:GROUPS_SHOWN]:
        chosen += _spaced(part["uid"].to_list(), withheld)
    return pa.array(sorted(chosen), pa.string())


def _spaced(uids: list[str], count: int) -> list[str]:
    if len(uids) <= count:
        return uids
    return [uids[i * len(uids) // count] for i in range(count)]


def pictures(tables: ShardTables, chosen: pa.Array) -> pa.Table:
    """Return PICTURES of the chosen rows of a shard, sorted by uid; rows without an image fall out.

    Rows whose signals forbid mining fall out too, whatever was chosen.
    """
    banned = tables.judged["uid"].filter(forbids_mining(tables.judged["signals"]))
    decided = tables.decided.sort_by("uid")
    shown = pc.and_(
        pc.is_in(decided["uid"], chosen),
        pc.or_(
            pc.equal(decided["verdict"], str(Verdict.KEEP)),
            pc.invert(pc.is_in(decided["uid"], banned.combine_chunks())),
        ),
    )
    rows = list(_pictured(tables, decided.filter(shown)))
    return pa.Table.from_pylist(rows, schema=PICTURES)


def _pictured(tables: ShardTables, decided: pa.Table) -> Iterator[dict[str, Any]]:
    uids = decided["uid"].combine_chunks()
    about = {r["uid"]: r for r in _of(tables.rows, uids, ["uid", "caption", "host", "url"])}
    sizes = {
        r["uid"]: r for r in _of(tables.decoded, uids, ["uid", "original_width", "original_height"])
    }
    bodies = {r["uid"]: r["body"] for r in _of(tables.stored, uids, ["uid", "body"])}
    for row in decided.to_pylist():
        uid = row["uid"]
        if row["reason"] in NEVER_SHOWN or uid not in bodies:
            continue
        made = thumbnail(bodies[uid])
        if made is None:
            continue
        known = row | about.get(uid, {}) | sizes.get(uid, {})
        thumb, width, height = made
        known |= {"thumb": thumb, "thumb_width": width, "thumb_height": height}
        yield {name: known.get(name) for name in PICTURES.names}


def _of(table: pa.Table, uids: pa.Array, names: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        table.select(names).filter(pc.is_in(table["uid"], uids)).to_pylist()
    )
    return rows


def thumbnail(body: bytes) -> tuple[bytes, int, int] | None:
    """Return a small JPEG of a stored image, its width and height; None where it cannot be read."""
    sink = io.BytesIO()
    try:
        with Image.open(io.BytesIO(body)) as image:
            image.draft("RGB", (THUMB_PX, THUMB_PX))
            small = image.convert("RGB")
            small.thumbnail((THUMB_PX, THUMB_PX))
            small.save(sink, "JPEG", quality=THUMB_QUALITY)
            return sink.getvalue(), small.width, small.height
    except (UnidentifiedImageError, OSError, ValueError):
        return None
