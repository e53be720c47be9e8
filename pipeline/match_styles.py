"""Rows by style claims: the normalised similarity of every row to every style in force.

All styles together stay within a declared share of false drops: each has the budget divided by
their number as its rate. Where a cohort is too small for that rate, the threshold is that of the
smallest rate it supports, and the match acts only together with a second key.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from optout.cohort import Cohort
from optout.lifecycle import Rule, acts
from optout.match import met
from optout.style import BLOCK_ROWS, Doubles, Style, as_norm, normalised, top_mean, top_moments
from optout.style import NEAREST_WORKS as NEAREST
from optout.tail import threshold_at, unpack
from pipeline.stored_vectors import matrix
from schemas.config import MatchConfig
from schemas.errors import ModelMismatchError, SchemaError
from schemas.ports import Vectors
from schemas.snapshot import Honoured
from schemas.tables import MATCHES
from schemas.verdict import Stance

COLUMNS = MATCHES.names[:-1]  # the margin follows
SLACK = 0.02  # of a normalised similarity; float32 products move it by less than a tenth of that


@dataclass(frozen=True, slots=True, eq=False)
class InForce:
    """A style as it acts in this build."""

    claim_id: str
    style: Style
    rule: Rule
    threshold: float


def match_styles(
    vectors: pa.Table, honoured: Honoured, cohort: Cohort | None, config: MatchConfig
) -> pl.DataFrame:
    """Return the rows that reach the threshold of a style in force: MATCHES less its margin.

    vectors: uid and `sty`. A style that does not act, for want of level, is not matched at all.
    """
    styles = in_force(honoured, config)
    found: list[tuple[str, str, str, str, None, float, float]] = []
    if styles and cohort is not None and "sty" in vectors.column_names:
        present = vectors.filter(vectors["sty"].is_valid())
        uids, rows = present["uid"].to_pylist(), matrix(present["sty"])
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS]
            for place, one, similarity in _match_block(
                block, styles, cohort.fit_sty, config.epsilon
            ):
                uid, rule = uids[start + place], str(one.rule)
                stance = str(Stance.OPT_OUT)
                found.append((uid, one.claim_id, stance, rule, None, similarity, one.threshold))
    kinds = {name: pl.String() for name in COLUMNS}
    schema = kinds | {"similarity": pl.Float64(), "threshold": pl.Float64()}
    return pl.DataFrame(found, schema=schema, orient="row")


def require_cohort(honoured: Honoured, cohort: Cohort | None) -> None:
    """Raise ModelMismatchError unless the cohort is that of the build's matcher.

    A cohort is needed only where a style acts; what cannot be judged is not let through.
    """
    pinned = honoured.matcher
    if cohort is not None and pinned and cohort.matcher != pinned:
        raise ModelMismatchError(
            f"expected the cohort of the build's matcher {pinned}, found {cohort.matcher}"
        )
    if cohort is None and _acting(honoured):
        raise ModelMismatchError(f"expected the cohort of matcher {pinned}, found none")


def in_force(honoured: Honoured, config: MatchConfig) -> list[InForce]:
    """Return the styles that act, each with its threshold at its share of the budget."""
    acting = _acting(honoured)
    alpha = config.style_budget / max(len(acting), 1)
    works = _works(honoured, set(acting))
    rows = {row["claim_id"]: row for row in honoured.claims.to_pylist()}
    found = []
    for claim_id in acting:
        tail = unpack(rows[claim_id]["style_tail"] or ())
        if claim_id not in works:
            raise SchemaError(f"expected works with style vectors of active style {claim_id}")
        rule = Rule.STYLE if tail.supports(alpha) else Rule.STYLE_WEAK
        style = Style(works[claim_id], tail)
        found.append(InForce(claim_id, style, rule, threshold_at(tail, alpha)))
    return found


def _acting(honoured: Honoured) -> list[str]:
    """Return the ids of claims whose style acts, sorted."""
    columns = ["claim_id", "stance", "level", "trusted", "style_state"]
    claims = honoured.claims.select(columns).to_pylist()
    return sorted(
        row["claim_id"]
        for row in claims
        if row["style_state"] == "active"
        and row["stance"] == Stance.OPT_OUT
        and acts(Rule.STYLE, row["level"], row["trusted"], row["stance"])
    )


def _works(honoured: Honoured, claims: set[str]) -> dict[str, Vectors]:
    """Return the style vectors of each claim, of the pinned matcher only."""
    table = honoured.works.select(["claim_id", "matcher", "sty"])
    chosen = [
        bool(claim in claims and matcher == honoured.matcher and valid)
        for claim, matcher, valid in zip(
            table["claim_id"].to_pylist(),
            table["matcher"].to_pylist(),
            table["sty"].is_valid().to_pylist(),
            strict=True,
        )
    ]
    own = table.filter(pa.array(chosen, pa.bool_()))
    rows = matrix(own["sty"])
    if not np.isfinite(rows).all():
        raise SchemaError("expected finite style vectors of works")
    ids = np.array(own["claim_id"].to_pylist(), object)
    return {str(claim): rows[ids == claim] for claim in sorted(set(ids))}


def _match_block(
    rows: Vectors, styles: list[InForce], fit: Vectors, epsilon: float
) -> Iterable[tuple[int, InForce, float]]:
    """Give place, style and normalised similarity of each row that reaches a style."""
    if rows.shape[1] != fit.shape[1]:
        raise ModelMismatchError(f"expected sty of {fit.shape[1]} numbers, found {rows.shape[1]}")
    moments = top_moments(rows @ fit.T)
    cosines = rows @ np.concatenate([s.style.works for s in styles]).T
    start = 0
    for one in styles:
        stop = start + len(one.style.works)
        rough = _rough(cosines[:, start:stop], one, moments)
        start = stop
        at = np.nonzero(met(rough - one.threshold, epsilon + SLACK))[0]
        if not len(at):
            continue
        similarity = normalised(rows[at], one.style, fit)  # again, in float64, on its own
        for place in np.nonzero(met(similarity - one.threshold, epsilon))[0]:
            yield int(at[place]), one, float(similarity[place])


def _rough(
    cosines: npt.NDArray[np.float32], one: InForce, moments: tuple[Doubles, Doubles]
) -> Doubles:
    tail = one.style.tail
    return as_norm(top_mean(cosines, NEAREST), (tail.mean, tail.sd), moments)
