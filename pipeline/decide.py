"""One global pass over slim columns: what was found against each row becomes its verdict.

Everything that speaks against a row is a *finding*: a stop of an earlier stage, a match by a claim,
a denial that spread from a copy, a missing grant. `STANDING` says how much each reason weighs; the
weightiest finding of a row is its reason, and a row without one is kept. Nothing here looks at
pixels or vectors, and a finding can only be added, never argued away.
"""

import polars as pl
import pyarrow as pa

from optout.lifecycle import STYLE_RULES, WORK_RULES, Rule, acts
from pipeline.cleared import cleared
from pipeline.floods import floods
from pipeline.spread import spread
from pipeline.standing import STANDING, VERDICT_OF
from schemas.config import BuildConfig
from schemas.errors import SchemaError
from schemas.tables import CLAIMS, DECIDED, EDGES, GRANTS, MATCHES, SLIM, require
from schemas.verdict import Captions, Reason, Stance, Verdict

_RULE_ORDER = [
    Rule.URL,
    Rule.SHA256,
    Rule.PIXEL_SHA256,
    Rule.PERCEPTUAL,
    Rule.COPY,
    Rule.KEYPOINTS,
    Rule.HOST,
    Rule.ACCOUNT,
    Rule.NAME,
    Rule.STYLE,
    Rule.STYLE_VOTE,
    Rule.STYLE_WEAK,
    Rule.STYLE_BAND,
]
_REASON_OF_RULE = {
    Rule.URL: Reason.OPTOUT_URL,
    Rule.HOST: Reason.OPTOUT_HOST,
    Rule.ACCOUNT: Reason.OPTOUT_ACCOUNT,
    Rule.NAME: Reason.OPTOUT_NAME,
    **dict.fromkeys(WORK_RULES, Reason.OPTOUT_WORK),
    **dict.fromkeys(STYLE_RULES, Reason.OPTOUT_STYLE),
    Rule.STYLE_BAND: Reason.REVIEW,
}
FINDING = {
    "uid": pl.String,
    "reason": pl.String,
    "stage": pl.String,
    "claim_id": pl.String,
    "rule": pl.String,
    "similarity": pl.Float32,
    "threshold": pl.Float32,
    "by_uid": pl.String,
    "detail": pl.String,
}


def decide(  # noqa: PLR0917  # six tables and values, each of its own type
    rows: pa.Table,
    matches: pa.Table,
    edges: pa.Table,
    claims: pa.Table,
    grants: pa.Table,
    config: BuildConfig,
    *,
    safe: pa.Table | None = None,
) -> pa.Table:
    """Return the verdict of every row: DECIDED, sorted by uid, one row each.

    rows: SLIM, unique uids. matches: MATCHES, votes among them.
    edges: EDGES. claims: CLAIMS in force.
    grants: GRANTS, opt-in claims by host, account and URL.
    safe: SAFE, contents that no longer count as look-alikes of a claim; None where there are none.
    Duplicates are not decided here but by `represent`, among the rows that this pass keeps.
    Raises SchemaError for a table that departs from its schema, a uid that occurs twice, an
    unknown reason, or a match by a claim that is not among `claims`.
    """
    for table, schema in (
        (rows, SLIM), (matches, MATCHES), (edges, EDGES), (claims, CLAIMS), (grants, GRANTS)
    ):  # fmt: skip
        require(table, schema)
    slim = pl.DataFrame(rows).sort("uid")
    _check(slim)
    met = _unsafe(_acting(pl.DataFrame(matches), claims), slim, safe)
    granted = _granted(met, pl.DataFrame(grants), claims)
    against = met.filter(pl.col("stance") == Stance.OPT_OUT).join(slim, on="uid", how="semi")
    stops = slim.filter(pl.col("stop_reason").is_not_null())
    flooding = floods(against, stops, slim.height, claims, config.match)
    stopped, matched = _of_stops(stops, flooding), _of_matches(against, flooding)
    own = pl.concat([stopped, matched.unique("uid", keep="first", maintain_order=True)])
    everything = pl.concat([stopped, matched])  # what decides a row may not be what spreads
    found = pl.concat(
        [
            own.with_columns(order=pl.lit(0)),
            spread(slim, everything, pl.DataFrame(edges)).with_columns(order=pl.lit(1)),
            _ungranted(slim, granted, config).with_columns(order=pl.lit(2)),
        ]
    )
    return _verdicts(slim, _weightiest(found), granted)


def _check(slim: pl.DataFrame) -> None:
    if slim["uid"].null_count() or slim["uid"].n_unique() != slim.height:
        raise SchemaError(f"expected unique uids, found {slim['uid'].n_unique()} in {slim.height}")
    unknown = set(slim["stop_reason"].drop_nulls().unique()) - set(Reason)
    if unknown:
        raise SchemaError(f"expected reasons of schemas.verdict.Reason, found {sorted(unknown)}")


def _of_stops(stops: pl.DataFrame, flooding: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for each row that an earlier stage stopped; held where a name floods."""
    found = stops.select(
        "uid",
        reason="stop_reason",
        stage="stop_stage",
        claim_id="stop_claim",
        detail="stop_detail",
    )
    by_name = flooding.filter(pl.col("rule") == Rule.NAME).select("claim_id", floods=True)
    named = pl.col("reason") == str(Reason.OPTOUT_NAME)
    held = named & pl.col("floods").fill_null(value=False)
    return _findings(
        found.join(by_name, on="claim_id", how="left").with_columns(
            reason=pl.when(held).then(pl.lit(str(Reason.REVIEW))).otherwise("reason")
        )
    )


def _findings(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with all columns of FINDING, missing ones null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in FINDING.items()
    )


def _acting(matches: pl.DataFrame, claims: pa.Table) -> pl.DataFrame:
    """Return the matches that may decide, by rule, level, trust and stance of their claims."""
    levels = _levels(claims, "captions")
    known = matches.drop("stance").join(levels, on="claim_id", how="left")
    strangers = known.filter(pl.col("level").is_null())
    if strangers.height:
        raise SchemaError(
            f"expected matches by claims of the snapshot, found {strangers['claim_id'][0]}"
        )
    kinds = known.select("rule", "level", "trusted", "stance").unique()
    may = [acts(*kind) for kind in kinds.iter_rows()]
    allowed = kinds.filter(pl.Series(may, dtype=pl.Boolean))
    second = _second_keys(known)
    met = known.join(allowed, on=kinds.columns, how="semi")
    # A name that its claim asks to redact denies nothing by itself; it is a second key.
    met = met.filter(
        (pl.col("rule") != Rule.NAME) | pl.col("captions").ne_missing(str(Captions.REDACT))
    )
    weak = pl.col("rule") == Rule.STYLE_WEAK
    return pl.concat(
        [met.filter(~weak), met.filter(weak).join(second, on=["uid", "claim_id"], how="semi")]
    )


def _unsafe(met: pl.DataFrame, slim: pl.DataFrame, safe: pa.Table | None) -> pl.DataFrame:
    """Return the matches less those by style that the safe list sets aside, by exact content."""
    by_style = pl.col("rule").is_in([str(r) for r in STYLE_RULES])
    aside = cleared(met, slim, safe)
    styles = met.filter(by_style).join(aside, on=["uid", "claim_id"], how="anti")
    return pl.concat([met.filter(~by_style), styles])


def _levels(claims: pa.Table, *more: str) -> pl.DataFrame:
    """Return what says whether a claim may act, and further columns."""
    columns = ["claim_id", "level", "trusted", "stance", *more]
    trusted = pl.col("trusted").fill_null(value=False)  # null would join with nothing
    return pl.DataFrame(claims.select(columns)).with_columns(trusted)


def _second_keys(matches: pl.DataFrame) -> pl.DataFrame:
    """Return (uid, claim_id) that belong together by something else than a look-alike."""
    return matches.filter(~pl.col("rule").is_in([str(r) for r in STYLE_RULES])).select(
        "uid", "claim_id"
    )


def _granted(met: pl.DataFrame, grants: pl.DataFrame, claims: pa.Table) -> pl.DataFrame:
    """Return uid, claim_id, rule, license, attribution of rows that an opt-in claim grants."""
    terms = _levels(claims, "license", "attribution")
    named = grants.join(terms, on="claim_id", how="inner")
    may = [
        acts(rule, level, trusted, stance) and stance == Stance.OPT_IN
        for rule, level, trusted, stance in named.select(
            "rule", "level", "trusted", "stance"
        ).iter_rows()
    ]
    columns = ["uid", "claim_id", "rule"]
    by_key = met.filter(pl.col("stance") == Stance.OPT_IN).select(columns)
    both = pl.concat([by_key, named.filter(pl.Series(may, dtype=pl.Boolean)).select(columns)])
    first = both.sort("uid", _place("rule"), "claim_id").unique("uid", keep="first")
    return first.join(terms.drop("level", "trusted", "stance"), on="claim_id", how="left")


def _place(column: str) -> pl.Expr:
    places = {str(rule): place for place, rule in enumerate(_RULE_ORDER)}
    return pl.col(column).replace_strict(places, return_dtype=pl.Int64)


def _of_matches(against: pl.DataFrame, flooding: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for each row and reason by which an opt-out claim reaches it, best first.

    flooding: FLOODS; what is reached by those rules alone is held, and says how far they reach.
    """
    known = against.join(flooding, on=["claim_id", "rule"], how="left")
    under_review = pl.col("cap").is_not_null() | (pl.col("rule") == Rule.STYLE_BAND)
    reasons = {str(rule): str(reason) for rule, reason in _REASON_OF_RULE.items()}
    reason = (
        pl.when(under_review)
        .then(pl.lit(str(Reason.REVIEW)))
        .otherwise(pl.col("rule").replace_strict(reasons, return_dtype=pl.String))
    )
    found = known.with_columns(
        reason=reason,
        stage=pl.lit("match"),
        detail=pl.when(pl.col("cap").is_not_null())
        .then(pl.struct("reached", "cap").struct.json_encode())
        .otherwise(
            pl.coalesce(
                "detail",
                pl.when(pl.col("work_id").is_not_null()).then(
                    pl.struct("work_id").struct.json_encode()
                ),
            )
        ),
    ).sort("uid", under_review, _place("rule"), -pl.col("margin"), "claim_id", "work_id")
    return _findings(found.unique(["uid", "reason"], keep="first", maintain_order=True))


def _ungranted(slim: pl.DataFrame, granted: pl.DataFrame, config: BuildConfig) -> pl.DataFrame:
    """Return a finding for each row that nobody granted, where the build keeps only what is."""
    if config.mode != Stance.OPT_IN:
        return _findings(slim.clear().select("uid"))
    without = slim.select("uid").join(granted, on="uid", how="anti")
    return _findings(
        without.with_columns(reason=pl.lit(str(Reason.NOT_GRANTED)), stage=pl.lit("decide"))
    )


def _weightiest(found: pl.DataFrame) -> pl.DataFrame:
    """Return one finding a row: by standing, then what was found directly, then the rest."""
    standing = {str(reason): int(place) for reason, place in STANDING.items()}
    ranked = found.with_columns(
        standing=pl.col("reason").replace_strict(standing, return_dtype=pl.Int64)
    )
    ties = ["reason", "claim_id", "rule", "by_uid", "detail"]
    return ranked.sort("uid", "standing", "order", *ties, nulls_last=True).unique(
        "uid", keep="first", maintain_order=True
    )


def _verdicts(slim: pl.DataFrame, found: pl.DataFrame, granted: pl.DataFrame) -> pa.Table:
    verdict = {str(reason): str(said) for reason, said in VERDICT_OF.items()}
    terms = granted.rename({"claim_id": "grant_claim", "rule": "grant_rule"})
    told = (
        slim.select("uid")
        .join(found, on="uid", how="left")
        .join(terms, on="uid", how="left")
        .sort("uid")
    )
    kept = pl.col("reason").is_null()
    decided = told.with_columns(
        verdict=pl.col("reason")
        .replace_strict(verdict, return_dtype=pl.String)
        .fill_null(str(Verdict.KEEP)),
        # A kept row names the claim that granted it, if any did.
        claim_id=pl.when(kept).then("grant_claim").otherwise("claim_id"),
        rule=pl.when(kept).then("grant_rule").otherwise("rule"),
        dup_of=pl.lit(None, dtype=pl.String),
    )
    return (
        decided.select(DECIDED.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(DECIDED)
    )
