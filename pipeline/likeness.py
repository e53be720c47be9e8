"""How like each style every row is, down to a floor: measured once, whatever the thresholds are.

A similarity belongs to a row and a claim alone, so that another budget, another number of claims or
a vote of a whole source is read off this table, and a new claim costs only itself: what is stored
is taken over where neither the row, the style nor the cohort has changed, each told by its digest.
The floor of a claim is where the tail of its cohort begins (optout.tail): no threshold lies below
it. Nothing above a floor is left out, however much it is.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.cohort import Cohort
from optout.lifecycle import Rule, acts
from optout.style import METHOD, NONE_NEAR, Near, Search, Style, near_styles, neighbours
from optout.tail import FLOOR_SHARE, unpack
from pipeline.plan import units
from pipeline.stored_vectors import matrix
from schemas.canonical import digest
from schemas.errors import ModelMismatchError, SchemaError
from schemas.ports import Vectors
from schemas.snapshot import Honoured
from schemas.tables import MEASURED_ROWS, MEASURED_STYLES, SIMILARITIES, require
from schemas.verdict import Stance

CHUNK_PAIRS = 4_000_000  # of one Arrow array; its texts must stay below 2 GB
PAIRS_AT_ONCE = 2_000_000
"""About so many pairs of a whole build are held at once by a pass over all of its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Claimed:
    """A style that acts, with the vectors of its works."""

    claim_id: str
    style: Style


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Similarities, and of what: enough to tell what need not be measured again.

    similarities: SIMILARITIES, by uid and claim. styles: MEASURED_STYLES, by claim.
    rows: MEASURED_ROWS, by uid.
    """

    similarities: pa.Table
    styles: pa.Table
    rows: pa.Table


NOTHING_MEASURED = Likeness(
    SIMILARITIES.empty_table(), MEASURED_STYLES.empty_table(), MEASURED_ROWS.empty_table()
)


def likeness(
    vectors: pa.Table,
    honoured: Honoured,
    cohort: Cohort | None,
    epsilon: float,
    *,
    search: Search = near_styles,
) -> pa.Table:
    """Return SIMILARITIES of the rows to every style that acts, sorted by uid and claim.

    vectors: uid with the matcher's `sty` as fixed_size_list<halffloat>; rows without are left out.
    cohort: null where no style acts. epsilon: what falls short of the floor by it is kept as well.
    search: `optout.style_search.near_styles` gives the same in a fraction of the time.
    A similarity that is not a number is kept: doubt falls on the side of the claim.
    Raises ModelMismatchError where vectors, cohort and build name different matchers.
    """
    require_cohort(honoured, cohort)
    return _measured(vectors, claimed(honoured), cohort, epsilon, search)


def likeness_again(
    stored: Likeness,
    vectors: pa.Table,
    honoured: Honoured,
    cohort: Cohort | None,
    epsilon: float,
    *,
    search: Search = near_styles,
) -> Likeness:
    """Return the likeness of the rows to every style that acts, measuring only what is not stored.

    The same as measuring all of it, bit for bit: a row is measured anew where its vector has
    changed, a style where its works, its tail, the matcher, the cohort or epsilon have. Rows and
    styles that are not asked for are left out. Arguments and errors are those of `likeness`, and
    SchemaError for stored tables of another form.
    """
    require_cohort(honoured, cohort)
    require(stored.similarities, SIMILARITIES, extra=False)
    wanted, rows = measured_styles(honoured, cohort, epsilon), measured_rows(vectors)
    old_styles = unchanged(stored.styles, wanted, MEASURED_STYLES)
    old_rows = unchanged(stored.rows, rows, MEASURED_ROWS)
    known = pc.and_(
        pc.is_in(stored.similarities["claim_id"], old_styles),
        pc.is_in(stored.similarities["uid"], old_rows),
    )
    old, styles = set(old_styles.to_pylist()), claimed(honoured)
    new_styles = [one for one in styles if one.claim_id not in old]
    old_again = [one for one in styles if one.claim_id in old]
    new_rows = vectors.filter(pc.invert(pc.is_in(vectors["uid"], old_rows)))
    whole = pa.concat_tables(
        [
            stored.similarities.filter(known).cast(SIMILARITIES),
            _measured(vectors, new_styles, cohort, epsilon, search),
            _measured(new_rows, old_again, cohort, epsilon, search),
        ]
    )
    return Likeness(by_row(whole), wanted, rows)


def claim_parts(honoured: Honoured, rows: int) -> int:
    """Return into how many parts, each of some claims, the pairs of a build are cut.

    rows: about how many the build has, of which FLOOR_SHARE reach the floor of a stranger's claim.
    """
    styles = len(acting(honoured))
    return min(max(styles, 1), units(int(FLOOR_SHARE * rows * styles), PAIRS_AT_ONCE))


def part_of_claim(similarities: pa.Table, honoured: Honoured, parts: int) -> pa.Array:
    """Return int32[n]: the part in which each pair's claim is; claims keep their order."""
    styles = acting(honoured)
    places = pc.index_in(similarities["claim_id"], pa.array(styles, pa.string())).combine_chunks()
    part = pc.divide(pc.multiply(places.cast(pa.int64()), parts), max(len(styles), 1))
    return part.cast(pa.int32())


def by_row(similarities: pa.Table) -> pa.Table:
    """Return SIMILARITIES sorted by uid and claim, as `likeness` gives them."""
    ordered = similarities.sort_by([("uid", "ascending"), ("claim_id", "ascending")])
    return ordered.replace_schema_metadata(SIMILARITIES.metadata)


def measured_styles(honoured: Honoured, cohort: Cohort | None, epsilon: float) -> pa.Table:
    """Return MEASURED_STYLES: each style that acts, with its floor and a digest of all that it is.

    Raises as `likeness`.
    """
    require_cohort(honoured, cohort)
    styles = claimed(honoured)
    by = "" if cohort is None else hashlib.sha256(cohort.fit_sty.tobytes()).hexdigest()
    contents = [
        digest(
            {
                "method": METHOD,
                "matcher": honoured.matcher,
                "cohort": by,
                "works": hashlib.sha256(one.style.works.tobytes()).hexdigest(),
                "tail": list(one.style.tail.pack()),
                "epsilon": epsilon,
            }
        )
        for one in styles
    ]
    columns = [[s.claim_id for s in styles], [s.style.tail.u for s in styles], contents]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, MEASURED_STYLES, strict=True)]
    return pa.Table.from_arrays(arrays, schema=MEASURED_STYLES)


def measured_rows(vectors: pa.Table) -> pa.Table:
    """Return MEASURED_ROWS: each row that has a style vector, with the digest of it, by uid."""
    if "sty" not in vectors.column_names:
        return MEASURED_ROWS.empty_table()
    own = vectors.select(["uid", "sty"]).filter(vectors["sty"].is_valid()).sort_by("uid")
    halves = own["sty"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    bodies = halves.astype("<f2").reshape(own.num_rows, -1) if own.num_rows else ()
    contents = [hashlib.sha256(body.tobytes()).digest() for body in bodies]
    columns = [own["uid"].combine_chunks(), pa.array(contents, pa.binary(32))]
    return pa.Table.from_arrays(columns, schema=MEASURED_ROWS)


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
    """Return the style vectors of each claim, of the pinned matcher only, in the order of works."""
    table = honoured.works.select(["claim_id", "matcher", "sty"])
    acting_now = pc.is_in(table["claim_id"], pa.array(sorted(claims), pa.string()))
    pinned = pc.fill_null(pc.equal(table["matcher"], honoured.matcher), fill_value=False)
    own = table.filter(pc.and_(pc.and_(acting_now, pinned), table["sty"].is_valid()))
    rows = matrix(own["sty"])
    if not np.isfinite(rows).all():
        raise SchemaError("expected finite style vectors of works")
    ids = np.array(own["claim_id"].to_pylist(), object)
    if (ids[1:] < ids[:-1]).any():  # as in a snapshot they are in order
        order = np.argsort(ids, kind="stable")
        ids, rows = ids[order], rows[order]
    names, starts = np.unique(ids, return_index=True)
    works = np.split(rows, starts[1:]) if len(names) else []
    return {str(name): own for name, own in zip(names, works, strict=True)}


def _measured(
    vectors: pa.Table,
    styles: Sequence[Claimed],
    cohort: Cohort | None,
    epsilon: float,
    search: Search,
) -> pa.Table:
    if not styles or cohort is None or "sty" not in vectors.column_names:
        return SIMILARITIES.empty_table()
    present = vectors.select(["uid", "sty"]).filter(vectors["sty"].is_valid()).sort_by("uid")
    rows, fit = matrix(present["sty"]), cohort.fit_sty
    near = NONE_NEAR
    if len(rows):
        if rows.shape[1] != fit.shape[1]:
            raise ModelMismatchError(
                f"expected sty of {fit.shape[1]} numbers, found {rows.shape[1]}"
            )
        with np.errstate(invalid="ignore"):  # what is not a number is dealt with
            near = search(rows, neighbours(rows, fit), [one.style for one in styles], epsilon)
    names = pa.array([one.claim_id for one in styles], pa.string())
    return _table(near, present["uid"].combine_chunks(), names)


def _table(near: Near, uids: pa.Array, claims: pa.Array) -> pa.Table:
    """Return SIMILARITIES of pairs of places. uids, claims: sorted."""
    order = np.lexsort((near.style, near.row))
    parts = [SIMILARITIES.empty_table()]
    for start in range(0, len(order), CHUNK_PAIRS):
        at = order[start : start + CHUNK_PAIRS]
        columns = [
            uids.take(pa.array(near.row[at])),
            claims.take(pa.array(near.style[at])),
            pa.array(near.similarity[at].astype(np.float32)),
        ]
        parts.append(pa.Table.from_arrays(columns, schema=SIMILARITIES))
    return pa.concat_tables(parts)


def unchanged(stored: pa.Table, wanted: pa.Table, schema: pa.Schema) -> pa.Array:
    """Return the ids, in the first column, of what stands in both tables with the same content."""
    require(stored, schema, extra=False)
    require(wanted, schema, extra=False)
    ids, contents = schema.names[0], "content"
    place = pc.index_in(wanted[ids], stored[ids].combine_chunks())
    same = pc.equal(stored[contents].take(place), wanted[contents])
    return wanted[ids].filter(pc.fill_null(same, fill_value=False)).combine_chunks()
