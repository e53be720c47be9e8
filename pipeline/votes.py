"""Which sources were voted out: the images of one folder, or of one host, read together.

A source is a host, or the folder of an address, which is where a shared host keeps one account's
images. Copies are one image and have one vote (duplicate groups). A cohort of drawings says little
about photographs: there everything may lie nearer, and what is little for one image adds up over a
source. So a source is read against the rest of its build too, where that lies nearer than the
cohort. The threshold and its reasons are those of optout.vote.

Runs once, before `decide`, over slim columns of all rows and one part of the similarities after the
other. Parts are cut by claim, not by row: two rows with one image may lie in different shards and
have one vote together, and what a claim reaches elsewhere is asked of the whole build; but no claim
looks at another. Who votes where follows from the rows alone, and is counted once for all parts.
"""

from collections.abc import Iterable
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
from schemas.errors import SchemaError
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
class _Roll:
    """The sources of one kind that have a vote; sources are numbers, in the order of their names.

    names: source, name. placed: row, content, source; every image of them. voting: source, content,
    voters; an image that has a vote, and how many its source has.
    """

    kind: str
    names: pl.DataFrame
    placed: pl.DataFrame
    voting: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Build:
    """What is known of a build. seen: row (a number), uid, content keys, content of its images.

    contents: different images.
    """

    seen: pl.DataFrame
    contents: int
    rolls: tuple[_Roll, ...]


def votes(
    rows: pa.Table,
    similarities: Iterable[pa.Table],
    edges: pa.Table,
    honoured: Honoured,
    config: MatchConfig,
    *,
    safe: pa.Table | None = None,
) -> pa.Table:
    """Return MATCHES by `style_vote`: one for each row and claim, sorted by uid and claim.

    rows: SLIM. similarities: SIMILARITIES to styles that act, in parts, all of a claim in one.
    edges: EDGES. similarity and threshold of a match are mean excesses (optout.vote); detail is
    JSON: kind and name of the source, how many different images it has, and how many of them are
    near. safe: SAFE; what it clears of a claim counts as an image that is not near.
    Raises SchemaError where a table departs from its schema, or a claim is in two parts.
    """
    require(rows, SLIM)
    require(edges, EDGES)
    styles = in_force(honoured, config)
    build = _build(rows, edges)
    found = [MATCHES.empty_table()]
    known: set[str] = set()
    for part in similarities:
        require(part, SIMILARITIES)
        claims = set(part["claim_id"].unique().to_pylist())
        if twice := claims & known:
            raise SchemaError(f"expected claim {min(twice)} in one part of the similarities")
        known |= claims
        own = [one for one in styles if one.claim_id in claims]
        found.append(_of_part(pl.DataFrame(part), build, own, config, safe))
    return pa.concat_tables(found).sort_by([("uid", "ascending"), ("claim_id", "ascending")])


def _build(rows: pa.Table, edges: pa.Table) -> _Build:
    seen = (
        pl.DataFrame(rows.select(["uid", "url_key", "host", "sha256", "pixel_sha256"]))
        .filter(pl.col("pixel_sha256").is_not_null())
        .with_columns(content=content_key())
        .with_row_index("row")
    )
    joined = between_contents(pl.DataFrame(edges), seen.select("uid", "content"))
    before = joined.select("content", "other").filter(pl.col("other") < pl.col("content")).unique()
    rolls = tuple(_roll(kind, seen, before) for kind in SOURCES)
    return _Build(seen.drop("url_key", "host"), seen["content"].n_unique(), rolls)


def _roll(kind: str, seen: pl.DataFrame, before: pl.DataFrame) -> _Roll:
    """Return the sources with VOTERS votes or more. before: content, other; copies of each other.

    A content is passed over where it is a copy of one of the same source that comes before.
    """
    named = seen.select("row", "content", name=SOURCES[kind]).filter(
        pl.col("name").is_not_null() & (pl.col("name") != "")
    )
    contents = named.select("name", "content").unique()
    crowd = contents.group_by("name").len().filter(pl.col("len") >= VOTERS)
    names = crowd.select("name").sort("name").with_row_index("source")
    placed = named.join(names, on="name").select("row", "content", "source")
    contents = contents.join(names, on="name").select("source", "content")
    copies = (
        contents.join(before, on="content")
        .join(contents.rename({"content": "other"}), on=["source", "other"], how="semi")
        .select("source", "content")
    )
    voting = (
        contents.join(copies, on=["source", "content"], how="anti")
        .with_columns(voters=pl.len().over("source"))
        .filter(pl.col("voters") >= VOTERS)
    )
    placed = placed.join(voting.select("source").unique(), on="source", how="semi")
    return _Roll(kind, names, placed, voting)


def _of_part(
    similarities: pl.DataFrame,
    build: _Build,
    styles: list[InForce],
    config: MatchConfig,
    safe: pa.Table | None,
) -> pa.Table:
    """Return MATCHES of some claims, sorted by uid and claim."""
    aside = cleared(similarities, build.seen, safe)
    left = similarities.join(aside, on=["uid", "claim_id"], how="anti")
    near = _near(left, build.seen, styles)
    found = [_voted(roll, near, build, styles, config) for roll in build.rolls]
    # Of two sources of a row the one that speaks more clearly; at a tie the narrower.
    best = (
        pl.concat(found)
        .with_row_index("order")
        .sort("row", "claim", -pl.col("margin"), "order")
        .unique(["row", "claim"], keep="first", maintain_order=True)
    )
    return _matches(best, build, styles)


def _near(similarities: pl.DataFrame, seen: pl.DataFrame, styles: list[InForce]) -> pl.DataFrame:
    """Return row, content, claim (its place) and excess above the claim's u, in UNITs.

    A similarity that is not a number says nothing of the source; its row is matched by itself.
    """
    floors = pl.DataFrame(
        {"claim_id": [s.claim_id for s in styles], "u": [s.tail.u for s in styles]},
        schema={"claim_id": pl.String, "u": pl.Float64},
    ).with_row_index("claim")
    excess = (pl.col("similarity").cast(pl.Float64) - pl.col("u")).clip(lower_bound=0.0)
    return (
        similarities.filter(pl.col("similarity").is_not_nan())
        .join(floors, on="claim_id")
        .join(seen.select("uid", "row", "content"), on="uid")
        .select("row", "content", "claim", excess=(excess / UNIT).round().cast(pl.Int64))
    )


def _voted(
    roll: _Roll,
    near: pl.DataFrame,
    build: _Build,
    styles: list[InForce],
    config: MatchConfig,
) -> pl.DataFrame:
    """Return row, claim and what is told of the rows of every source that was voted out."""
    asked = near.join(roll.placed.select("row", "source"), on="row")
    ballots = (
        asked.join(roll.voting, on=["source", "content"])
        .group_by("source", "claim", "content")  # equal contents have equal vectors
        .agg(pl.col("excess").max(), pl.col("voters").first())
        .group_by("source", "claim")
        .agg(near=pl.len(), total=pl.col("excess").sum(), voters=pl.col("voters").first())
        .with_columns(similarity=pl.col("total") * UNIT / pl.col("voters"))
    )
    likely = _beyond(ballots, styles, config)
    out = _held_against_the_rest(likely, near, roll, build.contents, config.epsilon)
    everything = out.filter(pl.col("near") >= MAJORITY * pl.col("voters"))
    told = out.join(roll.names, on="source").with_columns(kind=pl.lit(roll.kind))
    reached = pl.concat(
        [
            roll.placed.select("row", "source").join(
                everything.select("source", "claim"), on="source"
            ),
            asked.join(out.select("source", "claim", "raised"), on=["source", "claim"])
            .filter(pl.col("excess") >= pl.col("raised"))
            .select("row", "source", "claim"),
        ]
    ).unique(["row", "claim"])
    columns = ["row", "claim", "kind", "name", "voters", "near"]
    return reached.join(told, on=["source", "claim"]).select(
        *columns, "similarity", "threshold", "margin"
    )


def _beyond(ballots: pl.DataFrame, styles: list[InForce], config: MatchConfig) -> pl.DataFrame:
    """Return the ballots whose mean excess is enough, with threshold and margin."""
    asked = ballots.select("claim", "voters").unique().sort("claim", "voters")
    limits = asked.with_columns(threshold=pl.Series(_limits(asked, styles), dtype=pl.Float64))
    judged = ballots.join(limits, on=["claim", "voters"]).with_columns(
        margin=pl.col("similarity") - pl.col("threshold")
    )
    enough = np.asarray(met(judged["margin"].to_numpy(), config.epsilon))
    return judged.filter(pl.Series(enough, dtype=pl.Boolean))


def _limits(asked: pl.DataFrame, styles: list[InForce]) -> list[float]:
    return [
        needed(styles[claim].tail, styles[claim].alpha, voters)
        for claim, voters in asked.iter_rows()
    ]


def _held_against_the_rest(
    ballots: pl.DataFrame, near: pl.DataFrame, roll: _Roll, contents: int, epsilon: float
) -> pl.DataFrame:
    """Return the ballots that are enough above what FLOOR_SHARE of the images elsewhere reach.

    contents: different images of the build. Where the images elsewhere reach no more than u nothing
    changes, and `raised` is 0. Few ballots come here, so one at a time.
    """
    asked = near.join(ballots.select("claim").unique(), on="claim", how="semi")
    of_claim = (
        asked.group_by("claim", "content")
        .agg(pl.col("excess").max())
        .partition_by("claim", as_dict=True)
    )
    here_only = ballots.select("source").unique()
    all_of = _contents_by_source(roll.placed.join(here_only, on="source", how="semi"))
    voting = _contents_by_source(roll.voting.join(here_only, on="source", how="semi"))
    found = []
    for ballot in ballots.sort("source", "claim").iter_rows(named=True):
        own = all_of[ballot["source"]]
        elsewhere = contents - own.len()
        if elsewhere < ELSEWHERE:
            continue
        alike = of_claim[ballot["claim"],]
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


def _contents_by_source(placed: pl.DataFrame) -> dict[int, pl.Series]:
    """Return the different contents of each source."""
    parts = placed.select("source", "content").unique().partition_by("source", as_dict=True)
    return {int(source): part["content"] for (source,), part in parts.items()}


def _matches(best: pl.DataFrame, build: _Build, styles: list[InForce]) -> pa.Table:
    """Return MATCHES. best: row, claim, kind, name, voters, near, and what MATCHES says of them."""
    ids = pl.DataFrame(
        {"claim_id": [one.claim_id for one in styles]}, schema={"claim_id": pl.String}
    ).with_row_index("claim")
    told = pl.struct("kind", source="name", images="voters", near="near").struct.json_encode()
    frame = (
        best.join(build.seen.select("row", "uid"), on="row")
        .join(ids, on="claim")
        .with_columns(
            stance=pl.lit(str(Stance.OPT_OUT)),
            rule=pl.lit(str(Rule.STYLE_VOTE)),
            work_id=pl.lit(None, dtype=pl.String),
            detail=told,
        )
    )
    return frame.select(MATCHES.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(MATCHES)
