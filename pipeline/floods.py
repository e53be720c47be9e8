"""The flood guard: what one claim reaches beyond its cap is held until somebody has looked.

A style that matches more rows than its declared rate allows for is more likely to be a crowd than a
hand. A work that is found everywhere is more likely to be a blank form, a meme or a logo than one
person's picture, and acts without anybody having proved anything. A name in very many captions is
more likely to be that of several people. None of them drops its rows on its own, and none of them
lets a row through: the rows are held. Whoever has looked (`recuse optout simulate`, or the vault's
review page) names the claim in `match.accept_floods`, and it drops them from then on.

Addresses, hosts, accounts and the very bytes of a work have no cap: each was listed by itself.
"""

import polars as pl
import pyarrow as pa

from optout.lifecycle import STYLE_RULES, Rule
from schemas.config import MatchConfig
from schemas.verdict import Reason

HANDFUL = 20
"""Rows that one style, or each listed work by its copies, may drop in any release."""
LEAST_BY_NAME = 100
"""Rows that the names of one claim may drop in any release."""

DROPPING_STYLES = STYLE_RULES - {Rule.STYLE_BAND}
"""What the band holds is dropped by nobody."""
COPY_RULES = frozenset({Rule.PERCEPTUAL, Rule.COPY, Rule.KEYPOINTS})
FLOODS = pl.Schema(
    {
        "claim_id": pl.String,
        "rule": pl.String,
        "reached": pl.Int64,  # rows
        "cap": pl.Int64,
    }
)


def floods(
    against: pl.DataFrame, stops: pl.DataFrame, rows: int, claims: pa.Table, config: MatchConfig
) -> pl.DataFrame:
    """Return FLOODS: the rules by which claims reach more rows than they may drop unseen.

    against: MATCHES by opt-out claims that may act. stops: SLIM of stopped rows.
    rows: of the build.
    """
    kinds = [
        (DROPPING_STYLES, _by_style(against, rows, claims, config)),
        (COPY_RULES, _by_copies(against, rows, config)),
        (frozenset({Rule.NAME}), _by_name(stops, rows, config)),
    ]
    over = [
        pl.DataFrame({"rule": sorted(map(str, rules))}).join(
            reached.filter(pl.col("reached") > pl.col("cap")), how="cross"
        )
        for rules, reached in kinds
    ]
    accepted = pl.col("claim_id").is_in(list(config.accept_floods))
    columns = [pl.col(name).cast(dtype) for name, dtype in FLOODS.items()]
    found = pl.concat([frame.select(columns) for frame in over])
    return found.filter(~accepted).sort("claim_id", "rule")


def _by_style(
    against: pl.DataFrame, rows: int, claims: pa.Table, config: MatchConfig
) -> pl.DataFrame:
    keyed = against.filter(~pl.col("rule").is_in([str(r) for r in STYLE_RULES]))
    # Copies of the claim's own works say nothing about how far its style reaches.
    style = against.filter(pl.col("rule").is_in([str(r) for r in DROPPING_STYLES])).join(
        keyed, on=["uid", "claim_id"], how="anti"
    )
    in_force = pl.DataFrame(claims.select(["claim_id", "style_state", "style_alpha"]))
    active = in_force.filter(pl.col("style_state") == "active").height
    declared = config.style_budget / max(active, 1)
    # The claim's own calibrated rate where it is higher than its share of the budget.
    alpha = pl.max_horizontal(pl.col("style_alpha").fill_null(0.0), pl.lit(declared))
    return (
        _reached(style)
        .join(in_force, on="claim_id")
        .with_columns(
            cap=pl.max_horizontal(config.share_cap * alpha * rows, pl.lit(float(HANDFUL)))
        )
    )


def _by_copies(against: pl.DataFrame, rows: int, config: MatchConfig) -> pl.DataFrame:
    copies = pl.col("rule").is_in([str(r) for r in COPY_RULES])
    near = against.filter(copies)
    works = near.group_by("claim_id").agg(works=pl.col("work_id").n_unique())
    least = HANDFUL * pl.col("works").cast(pl.Float64)
    return (
        _reached(near)
        .join(works, on="claim_id")
        .with_columns(cap=pl.max_horizontal(pl.lit(config.claim_share * rows), least))
    )


def _by_name(stops: pl.DataFrame, rows: int, config: MatchConfig) -> pl.DataFrame:
    named = stops.filter(pl.col("stop_reason") == str(Reason.OPTOUT_NAME))
    cap = max(config.claim_share * rows, float(LEAST_BY_NAME))
    return _reached(named.rename({"stop_claim": "claim_id"})).with_columns(cap=pl.lit(cap))


def _reached(found: pl.DataFrame) -> pl.DataFrame:
    return found.group_by("claim_id").agg(reached=pl.col("uid").n_unique())
