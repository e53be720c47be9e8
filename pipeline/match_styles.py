"""Which rows are look-alikes: similarities to styles against the thresholds of this build.

All styles together stay within a declared share of false drops: each has the budget divided by
their number as its rate. Where a cohort is too small for that rate, the threshold is that of the
smallest rate it supports, and the match acts only together with a second key.

Under the threshold lies a band: what is in it is held until somebody has looked. What is dropped
and what is held together stay within the budget.
"""

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from optout.lifecycle import Rule
from optout.match import met
from optout.tail import Tail, hold_threshold_at, threshold_at, unpack
from pipeline.likeness import acting
from schemas.config import MatchConfig
from schemas.errors import SchemaError
from schemas.snapshot import Honoured
from schemas.tables import MATCHES
from schemas.verdict import Stance

COLUMNS = MATCHES.names[: MATCHES.names.index("margin")]


@dataclass(frozen=True, slots=True)
class InForce:
    """A style as it acts in this build."""

    claim_id: str
    rule: Rule
    threshold: float
    hold_threshold: float  # the threshold itself where nothing is held
    tail: Tail
    alpha: float  # its share of the budget, supported by its cohort or not


def match_styles(similarities: pa.Table, honoured: Honoured, config: MatchConfig) -> pl.DataFrame:
    """Return the rows that reach the threshold of a style in force: MATCHES less its margin.

    A row that reaches no more than the band is a match by STYLE_BAND.

    similarities: SIMILARITIES. A style that does not act, for want of level, is not matched at all.
    Raises SchemaError for similarities to a claim that does not act.
    """
    styles = {one.claim_id: one for one in in_force(honoured, config)}
    found = pl.DataFrame(similarities)
    unknown = set(found["claim_id"].unique()) - styles.keys()
    if unknown:
        raise SchemaError(f"expected similarities to styles that act, found {min(unknown)}")
    limits = pl.DataFrame(
        [(s.claim_id, str(s.rule), s.threshold, s.hold_threshold) for s in styles.values()],
        schema={
            "claim_id": pl.String,
            "rule": pl.String,
            "threshold": pl.Float64,
            "hold": pl.Float64,
        },
        orient="row",
    )
    judged = found.join(limits, on="claim_id").with_columns(pl.col("similarity").cast(pl.Float64))
    reached, near = (
        pl.Series(met((judged["similarity"] - judged[limit]).to_numpy(), config.epsilon))
        for limit in ("threshold", "hold")
    )
    return (
        judged.with_columns(
            rule=pl.when(reached).then("rule").otherwise(pl.lit(str(Rule.STYLE_BAND))),
            threshold=pl.when(reached).then("threshold").otherwise("hold"),
            stance=pl.lit(str(Stance.OPT_OUT)),
            work_id=pl.lit(None, dtype=pl.String),
        )
        .filter(near)  # whatever reaches the threshold reaches the lower one
        .select(COLUMNS)
    )


def in_force(honoured: Honoured, config: MatchConfig) -> list[InForce]:
    """Return the styles that act, each with its threshold at its share of the budget."""
    ids = acting(honoured)
    alpha = config.style_budget / max(len(ids), 1)
    columns = (honoured.claims[name].to_pylist() for name in ("claim_id", "style_tail"))
    tails = dict(zip(*columns, strict=True))
    found = []
    for claim_id in ids:
        tail = unpack(tails[claim_id] or ())
        threshold, held_from = threshold_at(tail, alpha), hold_threshold_at(tail, alpha)
        rule = Rule.STYLE if tail.supports(alpha) else Rule.STYLE_WEAK
        held_from = min(held_from, threshold) if rule is Rule.STYLE else threshold
        found.append(InForce(claim_id, rule, threshold, held_from, tail, alpha))
    return found
