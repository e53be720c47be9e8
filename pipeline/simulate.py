"""What one claim would do to rows that are released: the steps of a build, for this claim alone.

Everything that a build decides by claims runs here unchanged: screen, redact, match, likeness,
decide with its flood guard. Only the claim is taken as it would be once it is accepted: control
proved, and a style that waits for review let in.

A release holds one of each image and none that is denied already. Whoever has the vault gives its
rows as well: then sources vote, floods are judged and a denial spreads to copies as in the build;
and what the vault has measured of the claim is not measured again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from optout.cohort import Cohort
from optout.lifecycle import Rule
from optout.style_search import near_styles
from optout.urls import GIVEN, canonical_url
from pipeline.decide import decide
from pipeline.likeness import (
    NOTHING_MEASURED,
    Likeness,
    acting,
    likeness_again,
    measured_styles,
    unchanged,
)
from pipeline.match import KEYS, match
from pipeline.redact import redact
from pipeline.screen import REASONS
from pipeline.votes import votes
from schemas.config import BuildConfig
from schemas.errors import UsageError
from schemas.snapshot import Honoured
from schemas.tables import EDGES, GRANTS, MATCHES, MEASURED_STYLES, ROWS, SIMILARITIES, SLIM, TEXT
from schemas.verdict import Stance, Verdict

_RULE_OF_REASON = {str(reason): rule for rule, reason in REASONS.items()}


@dataclass(frozen=True, slots=True)
class Accepted:
    """One claim as it would act, and the config of a build in which it is one of many.

    state: of its style, as recorded. styles: how many share the budget.
    """

    honoured: Honoured
    config: BuildConfig
    state: str
    styles: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the claim finds in some rows. redacted: uids of rows whose caption it would change."""

    slim: pa.Table
    matches: pa.Table
    redacted: pa.Array
    similarities: pa.Table


def accept(honoured: Honoured, claim_id: str, config: BuildConfig) -> Accepted:
    """Return a claim as it would act once accepted. Raises UsageError where it is not in force.

    honoured: all claims in force, with which a style shares its budget.
    """
    row = honoured.claims.filter(pc.equal(honoured.claims["claim_id"], claim_id))
    if not row.num_rows:
        raise UsageError(f"expected a claim in force, found none of id {claim_id}")
    state = row["style_state"][0].as_py()
    waiting = state == "needs review" and bool(row["style_tail"][0].as_py())
    changes = {
        "trusted": pa.array([True]),
        "style_state": pa.array(["active" if waiting else state], TEXT),
    }
    for name, column in changes.items():
        place = row.column_names.index(name)
        row = row.set_column(place, row.schema.field(place), column)
    works = honoured.works.filter(pc.equal(honoured.works["claim_id"], claim_id))
    alone = Honoured(honoured.matcher, row, works)
    others = [one for one in acting(honoured) if one != claim_id]
    styles = len(others) + len(acting(alone))
    budget = config.match.style_budget / max(styles, 1)
    limits = config.match.model_copy(update={"style_budget": budget, "accept_floods": ()})
    return Accepted(
        alone,
        config.model_copy(update={"match": limits, "mode": Stance.OPT_OUT}),
        state,
        styles,
    )


def is_stored(styles: pa.Table, accepted: Accepted, cohort: Cohort | None) -> bool:
    """Say whether rows were measured against the claim's style as it is now.

    styles: MEASURED_STYLES. cohort: null where the claim has no style that acts.
    """
    wanted = measured_styles(accepted.honoured, cohort, accepted.config.match.epsilon)
    return bool(len(unchanged(styles, wanted, MEASURED_STYLES)))


def find(
    rows: pa.Table,
    vectors: pa.Table,
    accepted: Accepted,
    cohort: Cohort | None,
    stored: Likeness = NOTHING_MEASURED,
) -> Found:
    """Return what a claim finds in rows of a build, released or not.

    rows: uid, url, caption, host, final_url, the content keys and sizes of SAMPLES. vectors: uid
    and named vectors as stored. cohort: null where the claim has no style that acts. stored: what
    was measured of these rows; it gives the same, sooner.
    Of redirects a release says where they ended; addresses between are not tried.
    Raises ModelMismatchError where vectors, cohort and claim do not belong together.
    """
    honoured, config = accepted.honoured, accepted.config.match
    worded = redact(sourced(rows), honoured.claims, rows.select(["uid", "final_url"]))
    left = rows.filter(worded.rows["stop_reason"].is_null())  # a build fetches no other
    compared = vectors.filter(pc.is_in(vectors["uid"], left["uid"].combine_chunks()))
    similar = likeness_again(
        stored, compared, honoured, cohort, config.epsilon, search=near_styles
    ).similarities
    pictured = left.filter(left["pixel_sha256"].is_valid())  # of the vault's some have no image
    found = match(pictured.select(KEYS), compared, honoured, similar, config)
    return Found(
        slim=_slim(worded.rows, rows),
        matches=pa.concat_tables([found, worded.named]),
        redacted=worded.originals["uid"].combine_chunks(),
        similarities=similar,
    )


def simulate(
    found: Sequence[Found],
    accepted: Accepted,
    beside: Sequence[Found] = (),
    edges: pa.Table | None = None,
) -> pa.Table:
    """Return DECIDED of the released rows that the claim would drop or hold, sorted by uid.

    found: of released rows. beside: of rows that are not, which are judged along and not told of.
    edges: EDGES between all of them; None where nobody knows them.
    """
    every = [*found, *beside]
    slim = pa.concat_tables([SLIM.empty_table(), *(one.slim for one in every)])
    matches = pa.concat_tables([MATCHES.empty_table(), *(one.matches for one in every)])
    similar = pa.concat_tables([SIMILARITIES.empty_table(), *(one.similarities for one in every)])
    edges = EDGES.empty_table() if edges is None else edges
    voted = votes(slim, [similar], edges, accepted.honoured, accepted.config.match)
    decided = decide(
        slim,
        pa.concat_tables([matches, voted]),
        edges,
        accepted.honoured.claims,
        GRANTS.empty_table(),
        accepted.config,
    )
    released = pa.concat_arrays(
        [pa.array([], TEXT), *(c for one in found for c in one.slim["uid"].chunks)]
    )
    told = pc.and_(
        pc.not_equal(decided["verdict"], str(Verdict.KEEP)), pc.is_in(decided["uid"], released)
    )
    return decided.filter(told)


def by_rule(decided: pa.Table) -> list[str]:
    """Return the rule by which each row is dropped or held."""
    rules = decided["rule"].to_pylist()
    reasons = decided["reason"].to_pylist()
    # a stop by address or caption says its reason; one that is held is a name
    return [
        rule or str(_RULE_OF_REASON.get(reason, Rule.NAME))
        for rule, reason in zip(rules, reasons, strict=True)
    ]


def sourced(rows: pa.Table) -> pa.Table:
    """Return released rows as ROWS: their addresses canonical, nothing stopped."""
    uids, urls = rows["uid"].to_pylist(), rows["url"].to_pylist()
    columns = {
        "uid": rows["uid"],
        "row": pa.array(range(len(uids)), pa.int64()),
        "url": rows["url"],
        "url_key": pa.array([_key(url, uid) for url, uid in zip(urls, uids, strict=True)], TEXT),
        "host": rows["host"],
        "caption": rows["caption"],
    }
    empty = pa.nulls(len(uids), TEXT)
    return pa.table({name: columns.get(name, empty) for name in ROWS.names}, schema=ROWS)


def _key(url: str | None, uid: str) -> str:
    """Return the canonical address, or a name of its own where the bytes came with the source."""
    try:
        return canonical_url(url) if url else f"{GIVEN}{uid}"
    except UsageError:
        return f"{GIVEN}{uid}"


def _slim(screened: pa.Table, rows: pa.Table) -> pa.Table:
    columns = {name: screened[name] for name in SLIM.names if name in screened.column_names}
    columns |= {name: rows[name] for name in SLIM.names if name not in columns}
    return pa.table({name: columns[name] for name in SLIM.names}, schema=SLIM)
