"""Among rows that are still kept, one of each duplicate group stays; the others name it.

Rows are walked from the best to the least, and a row stays unless it is a *direct* neighbour of one
that stays already. Chains merge nothing: A like B and B like C does not make A and C one image.
Runs after `decide`, so that a denied row is never anybody's representative and never hides behind
"duplicate" (docs/adr/0001-duplicates.md says which neighbours count).
"""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline.spread import between_contents, content_key
from schemas.config import BuildConfig
from schemas.tables import DECIDED, EDGES, SLIM, require
from schemas.verdict import Reason, Verdict

Places = npt.NDArray[np.int64]


def represent(
    decided: pa.Table, rows: pa.Table, edges: pa.Table, similarity: float, config: BuildConfig
) -> pa.Table:
    """Return DECIDED with all but one of each duplicate group dropped, `dup_of` naming that one.

    decided: DECIDED of `decide`. rows: SLIM of the same uids. edges: EDGES.
    similarity: cosine from which two images count as near-copies (the model card's, or the
    config's). Rank: granted, then more original pixels, then clip_similarity, then source order,
    then uid. Returns the rows sorted by uid; unchanged where `relate.dedup` is off.
    """
    require(decided, DECIDED)
    require(rows, SLIM)
    require(edges, EDGES)
    if not config.relate.dedup:
        return decided.sort_by("uid")
    frame = pl.DataFrame(decided)
    kept = _by_rank(frame, pl.DataFrame(rows))
    firsts = kept.unique("content", keep="first", maintain_order=True).with_row_index("place")
    near = _near(pl.DataFrame(edges), kept, firsts, similarity)
    taker = _takers(firsts.height, near["place"].to_numpy(), near["other_place"].to_numpy())
    return _merged(frame, _duplicates(kept, firsts, near, taker), similarity)


def _by_rank(decided: pl.DataFrame, slim: pl.DataFrame) -> pl.DataFrame:
    """Return uid, content and sha256 of kept rows, the best first."""
    kept = decided.filter(pl.col("verdict") == str(Verdict.KEEP)).select("uid", grant="claim_id")
    pixels = pl.col("original_width").cast(pl.Int64) * pl.col("original_height").cast(pl.Int64)
    ranked = slim.with_columns(content=content_key(), pixels=pixels).join(kept, on="uid")
    return ranked.sort(
        pl.col("grant").is_null(),
        -pl.col("pixels").fill_null(0),
        -pl.col("clip_similarity").fill_null(-2.0),
        "row",
        "uid",
    ).select("uid", "content", "sha256")


def _near(
    edges: pl.DataFrame, kept: pl.DataFrame, firsts: pl.DataFrame, similarity: float
) -> pl.DataFrame:
    """Return near-copies as pairs of places, the better first, with the closest evidence."""
    alike = pl.col("pdq_distance").is_not_null() | (pl.col("similarity") >= similarity)
    places = firsts.select("content", "place")
    pairs = (
        between_contents(edges.filter(alike), kept)
        .join(places, on="content")
        .join(places.rename({"content": "other", "place": "other_place"}), on="other")
        .filter(pl.col("place") < pl.col("other_place"))
        .select("place", "other_place", "pdq_distance", "similarity")
    )
    closest = pairs.sort("place", "other_place", "pdq_distance", "similarity", nulls_last=True)
    return closest.unique(["place", "other_place"], keep="first", maintain_order=True)


def _takers(count: int, place: Places, other: Places) -> Places:
    """Return for each place the better neighbour that stays in its stead, or -1 where it stays.

    place, other: int[edges], place < other, sorted by place. The walk is greedy and in order of
    rank: a place that was taken takes nobody, so only direct neighbours ever fall to one another.
    """
    taker = np.full(count, -1, np.int64)
    heads, starts, sizes = np.unique(place, return_index=True, return_counts=True)
    ends = starts + sizes
    for head, start, end in zip(heads.tolist(), starts.tolist(), ends.tolist(), strict=True):
        if taker[head] < 0:
            neighbours = other[start:end]
            free = neighbours[taker[neighbours] < 0]
            taker[free] = head
    return taker


def _duplicates(
    kept: pl.DataFrame, firsts: pl.DataFrame, near: pl.DataFrame, taker: Places
) -> pl.DataFrame:
    """Return uid, dup_of, rule, pdq_distance and similarity of each row that gives way."""
    names = firsts.with_columns(taker=pl.Series(taker)).with_columns(pl.col("place").cast(pl.Int64))
    stays = names.select(taker="place", taken_by="uid")
    evidence = near.select(
        pl.col("place").cast(pl.Int64).alias("taker"),
        pl.col("other_place").cast(pl.Int64).alias("place"),
        "pdq_distance",
        "similarity",
    )
    led = names.join(stays, on="taker", how="left").join(
        evidence, on=["taker", "place"], how="left"
    )
    first = led.select(
        "content", "taken_by", "pdq_distance", "similarity", first="uid", first_sha="sha256"
    )
    told = kept.join(first, on="content", how="left").with_columns(
        dup_of=pl.coalesce("taken_by", "first")
    )
    return told.filter(pl.col("uid") != pl.col("dup_of")).select(
        "uid", "dup_of", _rule().alias("rule"), "pdq_distance", "similarity"
    )


def _rule() -> pl.Expr:
    """Name the key by which a row is the copy of its representative."""
    both = pl.col("pdq_distance").is_not_null() & pl.col("similarity").is_not_null()
    return (
        pl.when(pl.col("taken_by").is_null() & (pl.col("sha256") == pl.col("first_sha")))
        .then(pl.lit("sha256"))
        .when(pl.col("taken_by").is_null())
        .then(pl.lit("pixel_sha256"))
        .when(both)
        .then(pl.lit("pdq and similarity"))
        .when(pl.col("pdq_distance").is_not_null())
        .then(pl.lit("pdq"))
        .otherwise(pl.lit("similarity"))
    )


def _merged(decided: pl.DataFrame, duplicates: pl.DataFrame, similarity: float) -> pa.Table:
    """Return DECIDED with the duplicates' verdicts written over `keep`."""
    fallen = duplicates.select(
        "uid",
        verdict=pl.lit(str(Verdict.DROP)),
        reason=pl.lit(str(Reason.DUPLICATE)),
        stage=pl.lit("represent"),
        rule="rule",
        similarity="similarity",
        threshold=pl.when(pl.col("similarity").is_not_null())
        .then(pl.lit(similarity))
        .cast(pl.Float32),
        dup_of="dup_of",
        detail=pl.when(pl.col("pdq_distance").is_not_null()).then(
            pl.struct("pdq_distance").struct.json_encode()
        ),
    )
    merged = decided.update(fallen, on="uid", how="left").sort("uid")
    arrow = merged.select(DECIDED.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    return arrow.cast(DECIDED)
