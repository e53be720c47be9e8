"""Counts behind a report: made shard by shard, added up, and turned into charts only then."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import polars as pl
import pyarrow as pa

from optout.signals.combine import binding
from pipeline.release import ShardTables
from schemas.verdict import Purpose, Say, Verdict

Counts = dict[str, int]
Table = dict[str, Counts]

STRICTEST_FIRST = (Say.DENY, Say.ERROR, Say.ALLOW, Say.SILENT)
CLIP_STEP = 0.02
EDGE_PX = (0, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192)
SIZE_KB = (0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CAPTION_CHARACTERS = (0, 1, 10, 20, 40, 80, 160, 320, 640, 1280)


@dataclass(frozen=True)
class Tally:
    """Counts of a shard or of a whole build. Keys are text, so that it is a JSON value.

    signals: channel -> what it said for the purpose -> rows. unchecked: channel -> released rows
    for which nobody could read it. hosts: host -> verdict -> rows. claims: claim -> reason -> rows.
    captions: redacted -> released rows from whose caption a name was taken out.
    histograms: name -> lower edge of the bin -> released rows. withheld: the same of other rows.
    """

    signals: Table = field(default_factory=dict)
    unchecked: Counts = field(default_factory=dict)
    hosts: Table = field(default_factory=dict)
    claims: Table = field(default_factory=dict)
    licenses: Counts = field(default_factory=dict)
    captions: Counts = field(default_factory=dict)
    histograms: Table = field(default_factory=dict)
    withheld: Table = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Tally":
        return Tally(**value)


def tally(tables: ShardTables, purpose: str) -> Tally:
    """Return the counts of one shard."""
    decided = pl.DataFrame(
        tables.decided.select(["uid", "verdict", "reason", "claim_id", "license"])
    )
    judged = pl.DataFrame(tables.judged.select(["uid", "unchecked", "signals"]))
    facts = (
        decided.join(judged, on="uid", how="left")
        .join(pl.DataFrame(tables.rows.select(["uid", "host", "caption"])), on="uid", how="left")
        .join(_sizes(tables.decoded), on="uid", how="left")
    )
    kept = facts.filter(pl.col("verdict") == str(Verdict.KEEP))
    others = facts.filter(pl.col("verdict") != str(Verdict.KEEP))
    return Tally(
        signals=_signals(judged, purpose),
        unchecked=_counts(kept.select("unchecked").explode("unchecked")),
        hosts=_table(facts.select("host", "verdict")),
        claims=_table(others.select("claim_id", "reason")),
        licenses=_counts(kept.select("license")),
        captions=_captions(kept, tables.originals),
        histograms=_histograms(kept),
        withheld=_histograms(others),
    )


def merge(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies; keys in sorted order, whatever the order of the tallies."""
    flat: dict[str, Counter[str]] = {}
    deep: dict[str, dict[str, Counter[str]]] = {}
    for each in tallies:
        for name, value in each.as_json().items():
            for key, own in value.items():
                if isinstance(own, dict):
                    deep.setdefault(name, {}).setdefault(key, Counter()).update(own)
                else:
                    flat.setdefault(name, Counter())[key] += own
    summed: dict[str, Any] = {n: _sorted(c) for n, c in flat.items()}
    summed |= {n: {k: _sorted(c) for k, c in sorted(t.items())} for n, t in deep.items()}
    return Tally(**summed)


def _sorted(counter: Counter[str]) -> Counts:
    return dict(sorted(counter.items()))


def _sizes(decoded: pa.Table) -> pl.DataFrame:
    names = ["uid", "original_width", "original_height", "stored_size_bytes", "clip_similarity"]
    return pl.DataFrame(decoded.select(names))


def _counts(frame: pl.DataFrame) -> Counts:
    named = frame.drop_nulls().to_series()
    return _sorted(Counter(named.to_list()))


def _captions(kept: pl.DataFrame, originals: pa.Table) -> Counts:
    redacted = kept.join(pl.DataFrame(originals.select(["uid"])), on="uid", how="semi").height
    return {"redacted": redacted} if redacted else {}


def _table(frame: pl.DataFrame) -> Table:
    counted = frame.drop_nulls().group_by(frame.columns).len().sort(frame.columns)
    table: Table = {}
    for key, inner, count in counted.iter_rows():
        table.setdefault(key, {})[inner] = count
    return table


def _signals(judged: pl.DataFrame, purpose: str) -> Table:
    """Return rows by channel and the most restrictive that it said for the purpose."""
    said = judged.select("uid", "signals").explode("signals").unnest("signals")
    bound = [str(p) for p in binding(Purpose(purpose))]
    weight = {str(say): place for place, say in enumerate(STRICTEST_FIRST)}
    strictest = (
        said.filter(pl.col("purpose").is_in(bound))
        .with_columns(weight=pl.col("verdict").replace_strict(weight, return_dtype=pl.Int8))
        .sort("uid", "channel", "weight")
        .unique(["uid", "channel"], keep="first", maintain_order=True)
    )
    return _table(strictest.select("channel", "verdict"))


def _histograms(rows: pl.DataFrame) -> Table:
    shorter = pl.min_horizontal("original_width", "original_height")
    values = rows.select(
        edge_px=shorter,
        size_kb=pl.col("stored_size_bytes") / 1024,
        caption=pl.col("caption").str.len_chars(),
    )
    clip = rows["clip_similarity"].drop_nulls().drop_nans()
    bins = Counter(f"{math.floor(v / CLIP_STEP) * CLIP_STEP:.2f}" for v in clip.to_list())
    return {
        "clip_similarity": _sorted(bins),
        "edge_px": _binned(values["edge_px"], EDGE_PX),
        "size_kb": _binned(values["size_kb"], SIZE_KB),
        "caption": _binned(values["caption"], CAPTION_CHARACTERS),
    }


def _binned(values: pl.Series, edges: tuple[int, ...]) -> Counts:
    places = pl.Series(edges).search_sorted(values.drop_nulls().cast(pl.Float64), side="right") - 1
    return {str(edges[p]): c for p, c in sorted(Counter(places.to_list()).items())}
