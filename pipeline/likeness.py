"""How like each style every row is, down to a floor: measured once, whatever the thresholds are.

A similarity belongs to a row and a claim alone, so that another budget, another number of claims or
a vote of a whole source is read off this table, and a new claim costs only itself. The floor of a
claim is where the tail of its cohort begins (optout.tail): no threshold lies below it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from optout.cohort import Cohort
from optout.lifecycle import Rule, acts
from optout.match import met
from optout.style import (
    BLOCK_ROWS,
    NEAREST_WORKS,
    Doubles,
    Style,
    as_norm,
    normalised,
    top_mean,
    top_moments,
)
from optout.tail import unpack
from pipeline.stored_vectors import matrix
from schemas.errors import ModelMismatchError, SchemaError
from schemas.ports import Vectors
from schemas.snapshot import Honoured
from schemas.tables import SIMILARITIES
from schemas.verdict import Stance

SLACK = 0.02  # of a normalised similarity; float32 products move it by less than a tenth of that


@dataclass(frozen=True, slots=True, eq=False)
class Claimed:
    """A style that acts, with the vectors of its works."""

    claim_id: str
    style: Style


def likeness(
    vectors: pa.Table, honoured: Honoured, cohort: Cohort | None, epsilon: float
) -> pa.Table:
    """Return SIMILARITIES of the rows to every style that acts, sorted by uid and claim.

    vectors: uid with the matcher's `sty` as fixed_size_list<halffloat>; rows without are left out.
    cohort: null where no style acts. epsilon: what falls short of the floor by it is kept as well.
    A similarity that is not a number is kept: doubt falls on the side of the claim.
    Raises ModelMismatchError where vectors, cohort and build name different matchers.
    """
    require_cohort(honoured, cohort)
    styles = claimed(honoured)
    uids: list[str] = []
    claims: list[str] = []
    values: list[float] = []
    if styles and cohort is not None and "sty" in vectors.column_names:
        present = vectors.filter(vectors["sty"].is_valid())
        names, rows = present["uid"].to_pylist(), matrix(present["sty"])
        with np.errstate(invalid="ignore"):  # what is not a number is dealt with
            for start in range(0, len(rows), BLOCK_ROWS):
                block = rows[start : start + BLOCK_ROWS]
                for place, claim, similarity in _near(block, styles, cohort.fit_sty, epsilon):
                    uids.append(names[start + place])
                    claims.append(claim)
                    values.append(similarity)
    found = [pa.array(uids, pa.string()), pa.array(claims, pa.string())]
    table = pa.Table.from_arrays([*found, pa.array(values, pa.float32())], schema=SIMILARITIES)
    return table.sort_by([("uid", "ascending"), ("claim_id", "ascending")])


def require_cohort(honoured: Honoured, cohort: Cohort | None) -> None:
    """Raise ModelMismatchError unless the cohort is that of the build's matcher.

    A cohort is needed only where a style acts; what cannot be judged is not let through.
    """
    pinned = honoured.matcher
    if cohort is not None and pinned and cohort.matcher != pinned:
        raise ModelMismatchError(
            f"expected the cohort of the build's matcher {pinned}, found {cohort.matcher}"
        )
    if cohort is None and acting(honoured):
        raise ModelMismatchError(f"expected the cohort of matcher {pinned}, found none")


def acting(honoured: Honoured) -> list[str]:
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


def claimed(honoured: Honoured) -> list[Claimed]:
    """Return the styles that act, by claim. Raises SchemaError for one without works or tail."""
    ids = acting(honoured)
    works = _works(honoured, set(ids))
    tails = dict(
        zip(*(honoured.claims[n].to_pylist() for n in ("claim_id", "style_tail")), strict=False)
    )
    missing = [claim for claim in ids if claim not in works]
    if missing:
        raise SchemaError(f"expected works with style vectors of active style {missing[0]}")
    return [Claimed(claim, Style(works[claim], unpack(tails[claim] or ()))) for claim in ids]


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


def _near(
    rows: Vectors, styles: Sequence[Claimed], fit: Vectors, epsilon: float
) -> Iterator[tuple[int, str, float]]:
    """Give place, claim and normalised similarity of each row that reaches a claim's floor."""
    if rows.shape[1] != fit.shape[1]:
        raise ModelMismatchError(f"expected sty of {fit.shape[1]} numbers, found {rows.shape[1]}")
    moments = top_moments(rows @ fit.T)
    cosines = rows @ np.concatenate([s.style.works for s in styles]).T
    start = 0
    for one in styles:
        stop = start + len(one.style.works)
        floor = one.style.tail.u
        rough = _rough(cosines[:, start:stop], one.style, moments)
        start = stop
        at = np.nonzero(met(rough - floor, epsilon + SLACK))[0]
        if not len(at):
            continue
        similarity = normalised(rows[at], one.style, fit)  # again, in float64, on its own
        for place in np.nonzero(met(similarity - floor, epsilon))[0]:
            yield int(at[place]), one.claim_id, float(similarity[place])


def _rough(
    cosines: npt.NDArray[np.float32], style: Style, moments: tuple[Doubles, Doubles]
) -> Doubles:
    own = (style.tail.mean, style.tail.sd)
    return as_norm(top_mean(cosines, NEAREST_WORKS), own, moments)
