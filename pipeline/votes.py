"""Which sources were voted out: the images of one folder, or of one host, read together.

A source is a host, or the folder of an address, which is where a shared host keeps one account's
images. Copies are one image and have one vote (duplicate groups). A cohort of drawings says little
about photographs: there everything may lie nearer, and what is little for one image adds up over a
source. So a source is read against the rest of its build too, where that lies nearer than the
cohort. Runs once over slim columns and stored similarities, before `decide`; the threshold and its
reasons are those of optout.vote.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from optout.lifecycle import Rule
from optout.match import met
from optout.tail import FLOOR_SHARE
from optout.vote import ELSEWHERE, MAJORITY, VOTERS, needed
from pipeline.cleared import cleared
from pipeline.match_styles import InForce, in_force
from pipeline.spread import between_contents, content_key
from schemas.config import MatchConfig
from schemas.snapshot import Honoured
from schemas.tables import EDGES, MATCHES, SIMILARITIES, SLIM, require
from schemas.verdict import Stance

SOURCES = {
    "folder": pl.col("url_key").str.extract(r"^[a-z]+://([^?]*/)"),
    "host": pl.col("host"),
}
"""How the sources of a row are called, the narrower first; bytes that were given have none."""
UNIT = 2.0**-20
"""Excesses are added as whole numbers of it, so that no order of addition shows."""


@dataclass(frozen=True, slots=True, eq=False)
class _Build:
    """What is known of a build.

    seen: uid, url_key, host, content of rows with an image. near: uid, content, claim_id, excess.
    edges: EDGES.
    """

    seen: pl.DataFrame
    near: pl.DataFrame
    edges: pl.DataFrame


def votes(
    rows: pa.Table,
    similarities: pa.Table,
    edges: pa.Table,
    honoured: Honoured,
    config: MatchConfig,
    *,
    safe: pa.Table | None = None,
) -> pa.Table:
    """Return MATCHES by `style_vote`: one for each row and claim, sorted by uid and claim.

    rows: SLIM. similarities: SIMILARITIES to styles that act. edges: EDGES. similarity and
    threshold of a match are mean excesses (optout.vote); detail is JSON: kind and name of the
    source, how many different images it has, and how many of them are near. safe: SAFE; what it
    clears of a claim counts as an image that is not near.
    """
    for table, schema in ((rows, SLIM), (similarities, SIMILARITIES), (edges, EDGES)):
        require(table, schema)
    styles = in_force(honoured, config)
    seen = (
        pl.DataFrame(rows.select(["uid", "url_key", "host", "sha256", "pixel_sha256"]))
        .filter(pl.col("pixel_sha256").is_not_null())
        .with_columns(content=content_key())
    )
    similar = pl.DataFrame(similarities)
    aside = cleared(similar, seen, safe)
    near = _near(similar.join(aside, on=["uid", "claim_id"], how="anti"), seen, styles)
    build = _Build(seen, near, pl.DataFrame(edges))
    found = [_voted(kind, build, styles, config) for kind in SOURCES]
    # Of two sources of a row the one that speaks more clearly; at a tie the narrower.
    best = (
        pl.concat(found)
        .with_row_index("order")
        .sort("uid", "claim_id", -pl.col("margin"), "order")
        .unique(["uid", "claim_id"], keep="first", maintain_order=True)
    )
    return best.select(MATCHES.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(MATCHES)


def _near(similarities: pl.DataFrame, seen: pl.DataFrame, styles: list[InForce]) -> pl.DataFrame:
    """Return uid, content, claim_id and excess above the claim's u, in UNITs.

    A similarity that is not a number says nothing of the source; its row is matched by itself.
    """
    floors = pl.DataFrame(
        {"claim_id": [s.claim_id for s in styles], "u": [s.tail.u for s in styles]},
        schema={"claim_id": pl.String, "u": pl.Float64},
    )
    excess = (pl.col("similarity").cast(pl.Float64) - pl.col("u")).clip(lower_bound=0.0)
    return (
        similarities.filter(pl.col("similarity").is_not_nan())
        .join(floors, on="claim_id")
        .join(seen.select("uid", "content"), on="uid")
        .select("uid", "content", "claim_id", excess=(excess / UNIT).round().cast(pl.Int64))
    )


def _voted(kind: str, build: _Build, styles: list[InForce], config: MatchConfig) -> pl.DataFrame:
    """Return MATCHES of the rows of every source of one kind that was voted out."""
    placed = build.seen.with_columns(source=SOURCES[kind]).filter(
        pl.col("source").is_not_null() & (pl.col("source") != "")
    )
    asked = build.near.join(placed.select("uid", "source"), on="uid")
    rolls = _voters(placed.join(asked.select("source").unique(), on="source"), build.edges)
    counted = rolls.group_by("source").agg(voters=pl.len()).filter(pl.col("voters") >= VOTERS)
    ballots = (
        asked.unique(["source", "content", "claim_id"])  # equal contents have equal vectors
        .join(rolls, on=["source", "content"])
        .group_by("source", "claim_id")
        .agg(near=pl.len(), total=pl.col("excess").sum())
        .join(counted, on="source")
        .with_columns(similarity=pl.col("total") * UNIT / pl.col("voters"))
    )
    likely = _beyond(ballots, styles, config)
    out = _held_against_the_rest(likely, build, placed, rolls, config.epsilon)
    out = out.with_columns(kind=pl.lit(kind))
    everything = out.filter(pl.col("near") >= MAJORITY * pl.col("voters"))
    columns = ["uid", "source", *(c for c in everything.columns if c != "source")]
    reached = pl.concat(
        [
            placed.select("uid", "source").join(everything, on="source").select(columns),
            asked.select("uid", "source", "claim_id", "excess")
            .join(out, on=["source", "claim_id"])
            .filter(pl.col("excess") >= pl.col("raised"))
            .select(columns),
        ]
    ).unique(["uid", "claim_id"])
    return _matches(reached)


def _voters(placed: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Return source and content of the images that have a vote: copies of another have none.

    A content is passed over where an edge joins it to one of the same source that comes before.
    """
    contents = placed.select("source", "content").unique()
    joined = between_contents(edges, placed.select("uid", "content")).select("content", "other")
    copies = (
        joined.filter(pl.col("other") < pl.col("content"))
        .join(contents, on="content")
        .join(contents.rename({"content": "other"}), on=["source", "other"], how="semi")
    )
    return contents.join(copies, on=["source", "content"], how="anti")


def _beyond(ballots: pl.DataFrame, styles: list[InForce], config: MatchConfig) -> pl.DataFrame:
    """Return the ballots whose mean excess is enough, with threshold and margin."""
    asked = ballots.select("claim_id", "voters").unique().sort("claim_id", "voters")
    limits = asked.with_columns(threshold=pl.Series(_limits(asked, styles), dtype=pl.Float64))
    judged = ballots.join(limits, on=["claim_id", "voters"]).with_columns(
        margin=pl.col("similarity") - pl.col("threshold")
    )
    enough = np.asarray(met(judged["margin"].to_numpy(), config.epsilon))
    return judged.filter(pl.Series(enough, dtype=pl.Boolean))


def _limits(asked: pl.DataFrame, styles: list[InForce]) -> list[float]:
    by_claim = {one.claim_id: one for one in styles}
    return [
        needed(by_claim[claim_id].tail, by_claim[claim_id].alpha, voters)
        for claim_id, voters in asked.iter_rows()
    ]


def _held_against_the_rest(
    ballots: pl.DataFrame,
    build: _Build,
    placed: pl.DataFrame,
    rolls: pl.DataFrame,
    epsilon: float,
) -> pl.DataFrame:
    """Return the ballots that are enough above what FLOOR_SHARE of the images elsewhere reach.

    placed: source, content. rolls: those of them that have a vote. Where the images elsewhere reach
    no more than u nothing changes, and `raised` is 0. Few ballots come here, so one at a time.
    """
    contents = build.seen["content"].n_unique()
    asked = ballots.select("claim_id").unique()
    near = build.near.join(asked, on="claim_id", how="semi").unique(["content", "claim_id"])
    of_claim = near.partition_by("claim_id", as_dict=True)
    here_only = ballots.select("source").unique()
    all_of = _contents_by_source(placed.join(here_only, on="source", how="semi"))
    voting = _contents_by_source(rolls.join(here_only, on="source", how="semi"))
    found = []
    for ballot in ballots.sort("source", "claim_id").iter_rows(named=True):
        own = all_of[ballot["source"]]
        elsewhere = contents - own.len()
        if elsewhere < ELSEWHERE:
            continue
        alike = of_claim[ballot["claim_id"],]
        there = alike.filter(~pl.col("content").is_in(own.implode()))["excess"]
        place = int(FLOOR_SHARE * elsewhere)
        raised = int(there.sort(descending=True)[place]) if place < there.len() else 0
        voters = voting[ballot["source"]]
        here = alike.filter(pl.col("content").is_in(voters.implode()))["excess"]
        mean = float((here - raised).clip(lower_bound=0).sum()) * UNIT / ballot["voters"]
        margin = mean - ballot["threshold"]
        if not margin < -epsilon:
            near_here = int((here >= raised).sum())
            said = {"similarity": mean, "margin": margin, "near": near_here, "raised": raised}
            found.append(ballot | said)
    return pl.DataFrame(found, schema=ballots.schema | {"raised": pl.Int64()})


def _contents_by_source(placed: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the different contents of each source."""
    parts = placed.select("source", "content").unique().partition_by("source", as_dict=True)
    return {str(source): part["content"] for (source,), part in parts.items()}


def _matches(reached: pl.DataFrame) -> pl.DataFrame:
    told = pl.struct("kind", "source", images="voters", near="near").struct.json_encode()
    frame = reached.with_columns(
        stance=pl.lit(str(Stance.OPT_OUT)),
        rule=pl.lit(str(Rule.STYLE_VOTE)),
        work_id=pl.lit(None, dtype=pl.String),
        detail=told,
    )
    return frame.select(MATCHES.names)
