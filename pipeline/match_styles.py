"""Which rows are look-alikes: similarities to styles against the thresholds of this build.

All styles together stay within a declared share of false drops: each has the budget divided by
their number as its rate. Where a cohort is too small for that rate, the threshold is that of the
smallest rate it supports, and the match acts only together with a second key.
"""

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from optout.lifecycle import Rule
from optout.match import met
from optout.tail import Tail, threshold_at, unpack
from pipeline.likeness import acting
from schemas.config import MatchConfig
from schemas.errors import SchemaError
from schemas.snapshot import Honoured
from schemas.tables import MATCHES
from schemas.verdict import Stance

COLUMNS = MATCHES.names[: MATCHES.names.index("margin")]
SIMILAR = {"uid": pl.String, "claim_id": pl.String, "similarity": pl.Float64}


@dataclass(frozen=True, slots=True)
class InForce:
    """A style as it acts in this build."""

    claim_id: str
    rule: Rule
    threshold: float
    tail: Tail
    alpha: float  # its share of the budget, supported by its cohort or not


def match_styles(similarities: pa.Table, honoured: Honoured, config: MatchConfig) -> pl.DataFrame:
    """Return the rows that reach the threshold of a style in force: MATCHES less its margin.

    similarities: SIMILARITIES. A style that does not act, for want of level, is not matched at all.
    Raises SchemaError for similarities to a claim that does not act.
    """
    styles = {one.claim_id: one for one in in_force(honoured, config)}
    found = pl.DataFrame(similarities)
    unknown = set(found["claim_id"].unique()) - styles.keys()
    if unknown:
        raise SchemaError(f"expected similarities to styles that act, found {min(unknown)}")
    limits = pl.DataFrame(
        [(s.claim_id, str(s.rule), s.threshold) for s in styles.values()],
        schema={"claim_id": pl.String, "rule": pl.String, "threshold": pl.Float64},
        orient="row",
    )
    judged = found.join(limits, on="claim_id").with_columns(pl.col("similarity").cast(pl.Float64))
    margin = (judged["similarity"] - judged["threshold"]).to_numpy()
    reached = judged.filter(pl.Series(met(margin, config.epsilon), dtype=pl.Boolean))
    return reached.with_columns(
        stance=pl.lit(str(Stance.OPT_OUT)), work_id=pl.lit(None, dtype=pl.String)
    ).select(COLUMNS)


def in_force(honoured: Honoured, config: MatchConfig) -> list[InForce]:
    """Return the styles that act, each with its threshold at its share of the budget."""
    ids = acting(honoured)
    alpha = config.style_budget / max(len(ids), 1)
    columns = (honoured.claims[name].to_pylist() for name in ("claim_id", "style_tail"))
    tails = dict(zip(*columns, strict=True))
    found = []
    for claim_id in ids:
        tail = unpack(tails[claim_id] or ())
        rule = Rule.STYLE if tail.supports(alpha) else Rule.STYLE_WEAK
        found.append(InForce(claim_id, rule, threshold_at(tail, alpha), tail, alpha))
    return found
