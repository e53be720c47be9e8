"""How a denial reaches copies: one hop, over equal content or two keys that agree.

A denial that rests on what an image *is* (a listed work, a style, a reservation inside its bytes)
holds for its copies wherever they were found. One that rests on *where* it was found (robots.txt,
a header, a host or account, a name in a caption) says nothing about copies elsewhere; it reaches
rows with the same canonical URL only. A single near-key never spreads: PDQ alone and cosine alone
both take different images for one another.

The keys of an image are functions of its content, so an edge between two rows speaks for every row
of equal content with either of them: hence *contents*, not rows, are the ends of a hop.
"""

import polars as pl

from schemas.verdict import Reason

BY_CONTENT = {
    Reason.OPTOUT_WORK: Reason.OPTOUT_COPY,
    Reason.OPTOUT_STYLE: Reason.OPTOUT_COPY,
    Reason.SIGNAL_EMBEDDED: Reason.SIGNAL_COPY,
    Reason.REVIEW: Reason.REVIEW,  # while a style is under review, so are the copies it reaches
}
"""What a finding about content becomes in a copy."""

BY_ADDRESS = {
    Reason.OPTOUT_URL: Reason.OPTOUT_SAME_URL,
    Reason.OPTOUT_HOST: Reason.OPTOUT_SAME_URL,
    Reason.OPTOUT_ACCOUNT: Reason.OPTOUT_SAME_URL,
    Reason.OPTOUT_NAME: Reason.OPTOUT_SAME_URL,
    Reason.OPTOUT_WORK: Reason.OPTOUT_SAME_URL,
    Reason.OPTOUT_STYLE: Reason.OPTOUT_SAME_URL,
    Reason.REVIEW: Reason.REVIEW,
    **{
        reason: reason
        for reason in (
            Reason.SIGNAL_ROBOTS,
            Reason.SIGNAL_HEADER,
            Reason.SIGNAL_WELL_KNOWN,
            Reason.SIGNAL_PAGE,
            Reason.SIGNAL_LIST,
            Reason.SIGNAL_EMBEDDED,
        )
    },
}
"""What any denial becomes in a row with the same canonical URL: one address, one image."""


def content_key(sha256: str = "sha256", pixel: str = "pixel_sha256") -> pl.Expr:
    """Return the number of a row's content: equal for rows with equal bytes or equal pixels.

    Rows whose bytes were never read are a content of their own. Numbers hold within one table.
    """
    known = pl.col(pixel).drop_nulls().min().over(sha256)
    by_bytes = pl.when(pl.col(sha256).is_not_null()).then(known)
    return pl.coalesce(pixel, by_bytes, sha256, "uid").rank("dense")


def between_contents(edges: pl.DataFrame, contents: pl.DataFrame) -> pl.DataFrame:
    """Return EDGES between different contents, both ways round: content, other, and the evidence.

    contents: uid, content. Edges to rows that it lacks are left out.
    """
    evidence = [c for c in edges.columns if c not in ("uid_a", "uid_b")]
    ends = edges.join(
        contents.select(uid_a="uid", content="content"), on="uid_a", how="inner"
    ).join(contents.select(uid_b="uid", other="content"), on="uid_b", how="inner")
    there = ends.filter(pl.col("content") != pl.col("other")).select("content", "other", *evidence)
    back = there.rename({"content": "other", "other": "content"}).select(there.columns)
    return pl.concat([there, back])


def spread(slim: pl.DataFrame, findings: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Return further findings: rows that are copies of, or share an address with, denied rows.

    slim: SLIM. findings: decide.FINDING, made by stops and matches only, so that there is one hop.
    edges: EDGES. A row may get several findings; `decide` takes the weightiest.
    """
    rows = slim.select("uid", "url_key", "sha256", content=content_key())
    told = findings.drop("by_uid", "detail").join(rows, on="uid", how="inner")
    sources = told.rename({"uid": "by_uid"})
    # A name that is held for review says as little about copies as one that denies.
    of_content = sources.filter(pl.col("stage").ne_missing("screen"))
    copies = pl.concat([_equal(rows, of_content), _near(rows, of_content, edges)])
    return pl.concat([copies, _same_url(rows, sources)])


def _told(targets: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return targets as findings: never about the source itself, the best source first."""
    others = targets.filter(pl.col("uid") != pl.col("by_uid"))
    best = others.sort("uid", "weight", "closeness", "by_uid").unique(
        "uid", keep="first", maintain_order=True
    )
    empty = pl.lit(None)
    return best.select(
        "uid",
        "reason",
        pl.lit("decide").alias("stage"),
        "claim_id",
        "rule",
        empty.cast(pl.Float32).alias("similarity"),
        empty.cast(pl.Float32).alias("threshold"),
        "by_uid",
        _json(columns).alias("detail"),
    )


def _json(columns: list[str]) -> pl.Expr:
    return pl.struct(columns).struct.json_encode() if columns else pl.lit(None, dtype=pl.String)


def _becoming(sources: pl.DataFrame, table: dict[Reason, Reason]) -> pl.DataFrame:
    """Return the sources whose reason spreads, with the reason it becomes and its weight."""
    becomes = {str(k): str(v) for k, v in table.items()}
    weights = {str(k): place for place, k in enumerate(table)}
    here = sources.filter(pl.col("reason").is_in(list(becomes)))
    return here.with_columns(
        weight=pl.col("reason").replace_strict(weights, return_dtype=pl.Int64),
        reason=pl.col("reason").replace_strict(becomes, return_dtype=pl.String),
    )


_CARRIED = ["by_uid", "reason", "claim_id", "rule", "weight"]


def _leading(sources: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return the best source of each key: no row needs two, and groups may be large."""
    return sources.sort("weight", "by_uid").unique(key, keep="first", maintain_order=True)


def _equal(rows: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    leading = _leading(_becoming(sources, BY_CONTENT), "content")
    targets = rows.join(leading.select("content", *_CARRIED, by_sha="sha256"), on="content")
    return _told(
        targets.with_columns(
            closeness=pl.lit(0),
            edge=pl.when(pl.col("sha256") == pl.col("by_sha"))
            .then(pl.lit("sha256"))
            .otherwise(pl.lit("pixel_sha256")),
        ),
        ["edge"],
    )


def _near(rows: pl.DataFrame, sources: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    both = pl.col("pdq_distance").is_not_null() & pl.col("similarity").is_not_null()
    agreed = between_contents(edges.filter(both), rows)
    leading = _leading(_becoming(sources, BY_CONTENT), "content")
    reached = leading.select("content", *_CARRIED).join(agreed, on="content")
    targets = reached.drop("content").join(rows, left_on="other", right_on="content")
    return _told(
        targets.with_columns(
            closeness=pl.col("pdq_distance"),
            edge=pl.lit("pdq and similarity"),
            similarity=pl.col("similarity").cast(pl.Float64).round(4),
        ),
        ["edge", "pdq_distance", "similarity"],
    )


def _same_url(rows: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    leading = _leading(_becoming(sources, BY_ADDRESS), "url_key")
    targets = rows.join(leading.select("url_key", *_CARRIED), on="url_key")
    return _told(
        targets.with_columns(closeness=pl.lit(0), edge=pl.lit("url")),
        ["edge"],
    )
