"""What newer claims do to a release that is out: judged from what it stores, by a build's stages.

Nothing is fetched and no image is embedded. Rows of the release and of its vault run through the
very stages of a build (redact, match, likeness, votes, decide, represent), so that what stays is
what a fresh build from the same bytes would release, less what that build would add: a row that was
left out stays out, and a name that was taken out of a caption is not put back.

What cannot be judged as in a build is told claim by claim (`unjudged`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from optout.cohort import Cohort
from optout.match import Candidates
from optout.style import Search
from optout.union import NOT_JUDGED
from pipeline.decide import decide
from pipeline.filters import FILTERED, refused
from pipeline.likeness import NOTHING_MEASURED, Likeness, acting, likeness_again
from pipeline.match import match
from pipeline.redact import overlaid, redact
from pipeline.represent import represent
from pipeline.reread import Reread
from pipeline.screen import grants
from pipeline.slim import content_keys, sample_columns, slim
from pipeline.votes import votes
from schemas.config import BuildConfig
from schemas.snapshot import Honoured
from schemas.tables import (
    EDGES,
    EXTRA,
    GRANTS,
    MATCHES,
    MEASURED_ROWS,
    SIMILARITIES,
    SLIM,
    TEXT,
)
from schemas.verdict import Stance, Verdict

Recaption = Callable[[pa.Table, pa.Table, Mapping[str, str]], pa.Table]
"""DECODED, vectors, and captions by uid: DECODED with clip_similarity of the captions as they are
now."""


@dataclass(frozen=True, slots=True)
class Means:
    """By what rows are judged: claims in force, and the config of the release's build.

    cohort: null where no style acts. search, near: as of `match` and `likeness`.
    """

    honoured: Honoured
    config: BuildConfig
    cohort: Cohort | None
    recaption: Recaption
    search: Candidates | None
    near: Search


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What claims find in some rows, and how those rows would be released.

    worded: uid, caption and `extra.` columns of the rows that are to be worded otherwise than they
    were. clip: uid and clip_similarity, of these and others. originals: ORIGINALS of all that say
    less than they were given. measured: MEASURED_ROWS.
    """

    slim: pa.Table
    matches: pa.Table
    grants: pa.Table
    similarities: pa.Table
    measured: pa.Table
    originals: pa.Table
    worded: pa.Table
    clip: pa.Table


def find(
    rows: Reread,
    means: Means,
    before: pa.Table | None = None,
    stored: Likeness = NOTHING_MEASURED,
    doubted: pa.Array | None = None,
) -> Found:
    """Return what the claims find in rows of a build, released or not.

    before: ORIGINALS and `extra.` columns of rows whose caption was redacted then; rows stand as
    released. stored: what was measured of these rows. doubted: uids that filters must see again,
    beside rows whose caption changes.
    Raises ModelMismatchError where vectors, cohort and claims do not belong together.
    """
    given = rows.rows if before is None else overlaid(rows.rows, before)
    claims = means.honoured.claims
    worded = redact(given, claims, rows.judged)
    originals, spoken = worded.originals, worded.rows
    if before is not None and before.num_rows:
        lifted = _lifted(before, originals)
        again = redact(rows.rows.filter(pc.is_in(rows.rows["uid"], lifted)), claims, rows.judged)
        spoken = overlaid(spoken, again.rows.select(_wording(again.rows)))
        kept = before.filter(pc.is_in(before["uid"], lifted)).select(originals.column_names)
        fresh = originals.filter(pc.invert(pc.is_in(originals["uid"], lifted)))
        originals = pa.concat_tables([fresh, kept.cast(fresh.schema)])
    changed = _changed(rows.rows, spoken)
    decoded = rows.decoded
    if changed.num_rows and "sem" in rows.vectors.column_names:
        captions = dict(zip(*(changed[n].to_pylist() for n in ("uid", "caption")), strict=True))
        decoded = means.recaption(decoded, rows.vectors, captions)
    asked = changed["uid"].combine_chunks()
    if doubted is not None:
        asked = pa.concat_arrays([asked, doubted])
    filtered = _refused([spoken, rows.judged, decoded], asked, means.config)
    limits = means.config.match
    similar = likeness_again(
        stored, rows.vectors, means.honoured, means.cohort, limits.epsilon, search=means.near
    )
    keys = content_keys(rows.judged, decoded)
    found = match(
        keys, rows.vectors, means.honoured, similar.similarities, limits, search=means.search
    )
    named = worded.named
    return Found(
        slim=slim(spoken, rows.judged, decoded, filtered),
        matches=pa.concat_tables([found, named]),
        grants=grants(spoken, claims),
        similarities=similar.similarities,
        measured=similar.rows,
        originals=originals,
        worded=changed,
        clip=decoded.select(["uid", "clip_similarity"]).filter(pc.is_in(decoded["uid"], asked)),
    )


def _wording(rows: pa.Table) -> list[str]:
    return ["uid", "caption", *(n for n in rows.column_names if n.startswith(EXTRA))]


def _lifted(before: pa.Table, after: pa.Table) -> pa.Array:
    """Return the uids of rows in which a name was taken out that nobody asks for any more."""
    asked = {
        row["uid"]: _names(row["detail"]) for row in after.select(["uid", "detail"]).to_pylist()
    }
    rows = before.select(["uid", "detail"]).to_pylist()
    lifted = [r["uid"] for r in rows if not _names(r["detail"]) <= asked.get(r["uid"], frozenset())]
    return pa.array(lifted, TEXT)


def _names(detail: str) -> frozenset[tuple[str, str]]:
    return frozenset((one["claim"], one["name"]) for one in json.loads(detail))


def _changed(released: pa.Table, spoken: pa.Table) -> pa.Table:
    """Return uid, caption and `extra.` columns of rows whose wording is another than before."""
    names = _wording(released)
    same = pa.array([True] * released.num_rows, pa.bool_())
    for name in names[1:]:
        old, new = released[name].to_pylist(), spoken[name].to_pylist()
        same = pc.and_(same, pa.array([a == b for a, b in zip(old, new, strict=True)], pa.bool_()))
    return spoken.select(names).filter(pc.invert(same))


def _refused(tables: Sequence[pa.Table], asked: pa.Array, config: BuildConfig) -> pa.Table:
    """Return FILTERED of some rows. tables: ROWS, JUDGED, DECODED."""
    if not config.filters or not len(asked):
        return FILTERED.empty_table()
    own = [_of(table, asked) for table in tables]
    return refused(sample_columns(*own), config.filters)


# --- the one pass over all rows


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """decided: DECIDED of every row of the build, by uid. voted: MATCHES by votes of sources."""

    decided: pa.Table
    voted: pa.Table


def decide_again(
    found: Sequence[Found],
    edges: pa.Table | None,
    means: Means,
    duplicate_similarity: float,
    safe: pa.Table | None = None,
) -> Decided:
    """Return what a build would decide of all rows.

    found: of all rows that are known. edges: EDGES between them; None where nobody knows them.
    """
    tables = {
        name: pa.concat_tables([schema.empty_table(), *(getattr(one, name) for one in found)])
        for name, schema in (
            ("slim", SLIM), ("matches", MATCHES), ("grants", GRANTS), ("similarities", SIMILARITIES)
        )
    }  # fmt: skip
    edges = EDGES.empty_table() if edges is None else edges
    rows, honoured, config = tables["slim"], means.honoured, means.config
    voted = votes(rows, [tables["similarities"]], edges, honoured, config.match, safe=safe)
    met = pa.concat_tables([tables["matches"], voted])
    decided = decide(rows, met, edges, honoured.claims, tables["grants"], config, safe=safe)
    return Decided(represent(decided, rows, edges, duplicate_similarity, config), voted)


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What becomes of the rows of a release.

    removed: DECIDED of rows that leave it, by uid. terms: uid, license, attribution of all that
    stay. worded: as of `Found`, of rows that stay and are worded otherwise. originals: ORIGINALS of
    every row that stays and says less than it was given.
    """

    removed: pa.Table
    terms: pa.Table
    worded: Sequence[pa.Table]
    clip: pa.Table
    originals: Sequence[pa.Table]

    @property
    def held(self) -> int:
        return int(pc.sum(pc.equal(self.removed["verdict"], str(Verdict.HOLD))).as_py() or 0)


def changes(decided: pa.Table, released: Sequence[Found]) -> Changes:
    """Return the changes to released rows. decided: DECIDED of all rows. released: of theirs."""
    uids = pa.concat_arrays(
        [pa.array([], TEXT), *(c for one in released for c in one.slim["uid"].chunks)]
    )
    own = decided.filter(pc.is_in(decided["uid"], uids))
    kept = pc.equal(own["verdict"], str(Verdict.KEEP))
    stay = own.filter(kept)["uid"].combine_chunks()
    staying = [
        replace(
            one,
            worded=_of(one.worded, stay),
            clip=_of(one.clip, stay),
            originals=_of(one.originals, stay),
        )
        for one in released
    ]
    clips = [one.clip for one in staying]
    empty = pa.table({"uid": pa.array([], TEXT), "clip_similarity": pa.array([], pa.float32())})
    return Changes(
        removed=own.filter(pc.invert(kept)).sort_by("uid"),
        terms=own.filter(kept).select(["uid", "license", "attribution"]),
        worded=[one.worded for one in staying if one.worded.num_rows],
        clip=pa.concat_tables([empty, *clips]),
        originals=[one.originals for one in staying if one.originals.num_rows],
    )


def _of(table: pa.Table, uids: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table["uid"], uids))


def matches_of(found: Sequence[Found], voted: pa.Table, before: pa.Table) -> pa.Table:
    """Return MATCHES for the new vault: as found now, and those of earlier claims as found then."""
    keys = ["uid", "claim_id", "rule", "work_id"]
    now = pa.concat_tables([MATCHES.empty_table(), *(one.matches for one in found), voted])
    frames = [pl.DataFrame(now), pl.DataFrame(before.select(MATCHES.names))]
    both = pl.concat(frames).unique(keys, keep="first", maintain_order=True)
    return both.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(MATCHES)


def measured_of(found: Sequence[Found], bare: pa.Array) -> tuple[pa.Table, pa.Table]:
    """Return SIMILARITIES and MEASURED_ROWS of some rows, as a vault may keep them.

    bare: uids of rows of whose pixels nothing may be kept.
    """
    tables = [
        pa.concat_tables([schema.empty_table(), *(getattr(one, name) for one in found)])
        for name, schema in (("similarities", SIMILARITIES), ("measured", MEASURED_ROWS))
    ]
    similar, rows = (t.filter(pc.invert(pc.is_in(t["uid"], bare))) for t in tables)
    order = [("uid", "ascending"), ("claim_id", "ascending")]
    return similar.sort_by(order), rows.sort_by("uid")


# --- what cannot be judged


class Why(StrEnum):
    """Why a claim cannot be judged as in a build."""

    OTHER_MATCHER = "its vectors are of another matcher than the release's"
    NO_VECTORS = "the release has no vectors of some rows to compare with it"
    NO_HASHES = "the release has no hashes of some rows to compare with it"
    NO_COHORT = "the cohort of the release's matcher is not at hand"
    NO_VAULT = "without the vault nobody knows copies, votes of sources and how far a claim reaches"


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a release lacks for a judgement."""

    vectors: bool = False
    hashes: bool = False
    cohort: bool = False
    vault: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Unjudged:
    """A claim that cannot be judged as in a build, and why."""

    claim_id: str
    why: Why


def unjudged(honoured: Honoured, lacking: Lacking) -> list[Unjudged]:
    """Return the opt-out claims that cannot be judged as in a build, by id, each reason once."""
    styles = set(acting(honoured))
    works = honoured.works.select(["claim_id", "matcher"]).to_pylist()
    compared = {w["claim_id"] for w in works if w["matcher"] == honoured.matcher}
    strange = {w["claim_id"] for w in works if w["matcher"] not in (None, "", honoured.matcher)}
    listed = {w["claim_id"] for w in works}
    columns = ["claim_id", "stance", "style_state", "names"]
    found: set[Unjudged] = set()
    for row in honoured.claims.select(columns).to_pylist():
        claim = row["claim_id"]
        if row["stance"] != Stance.OPT_OUT:
            continue
        reasons = {
            Why.OTHER_MATCHER: claim in strange - compared or row["style_state"] == NOT_JUDGED,
            Why.NO_VECTORS: lacking.vectors and claim in compared,
            Why.NO_HASHES: lacking.hashes and claim in listed,
            Why.NO_COHORT: lacking.cohort and claim in styles,
            Why.NO_VAULT: lacking.vault and (claim in listed or bool(row["names"])),
        }
        found |= {Unjudged(claim, why) for why, applies in reasons.items() if applies}
    return sorted(found)


def without_styles(honoured: Honoured) -> Honoured:
    """Return the claims with no style in force: what remains where their cohort is not at hand."""
    claims = honoured.claims
    place = claims.column_names.index("style_state")
    state = claims["style_state"]
    waits = pc.if_else(pc.equal(state, "active"), NOT_JUDGED, state)
    return replace(honoured, claims=claims.set_column(place, claims.schema.field(place), waits))
