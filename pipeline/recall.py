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

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from optout.cohort import Cohort
from optout.match import Candidates
from optout.style import Search
from pipeline.decide import decide
from pipeline.filters import FILTERED, refused
from pipeline.likeness import NOTHING_MEASURED, Likeness, likeness_again
from pipeline.match import match
from pipeline.redact import overlaid, redact
from pipeline.represent import represent
from pipeline.reread import Reread
from pipeline.screen import grants
from pipeline.slim import content_keys, sample_columns, slim
from pipeline.spread import content_key
from pipeline.votes import votes
from schemas.config import BuildConfig
from schemas.snapshot import Honoured
from schemas.tables import (
    DECIDED,
    EDGES,
    EXTRA,
    GRANTS,
    MATCHES,
    MEASURED_ROWS,
    SIMILARITIES,
    SLIM,
    TEXT,
)
from schemas.verdict import Verdict

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

    unseen: UNSEEN, of rows that a build would not ask for. worded: uid, caption, `extra.` columns
    of the rows that are to be worded otherwise than they were. clip: uid and clip_similarity, of
    these and others. originals: ORIGINALS of all that say less than they were given. measured:
    MEASURED_ROWS.
    """

    slim: pa.Table
    matches: pa.Table
    grants: pa.Table
    similarities: pa.Table
    measured: pa.Table
    unseen: pa.Table
    originals: pa.Table
    worded: pa.Table
    clip: pa.Table


UNSEEN = pa.schema([SLIM.field(name) for name in ("uid", "sha256", "pixel_sha256")])


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
    if changed.num_rows:
        decoded = _recaptioned(decoded, rows.vectors, changed, means)
    asked = changed["uid"].combine_chunks()
    if doubted is not None:
        asked = pa.concat_arrays([asked, doubted])
    filtered = _refused([spoken, rows.judged, decoded], asked, means.config)
    # What claims stop by address or caption a build would not have asked for.
    stopped = spoken["uid"].filter(pc.is_valid(spoken["stop_reason"])).combine_chunks()
    judged, pictures, vectors = (
        _without(table, stopped) for table in (rows.judged, decoded, rows.vectors)
    )
    limits = means.config.match
    similar = likeness_again(
        stored, vectors, means.honoured, means.cohort, limits.epsilon, search=means.near
    )
    keys = content_keys(judged, pictures)
    found = match(keys, vectors, means.honoured, similar.similarities, limits, search=means.search)
    return Found(
        slim=slim(spoken, judged, pictures, filtered),
        matches=pa.concat_tables([found, worded.named]),
        grants=grants(spoken, claims),
        similarities=similar.similarities,
        measured=similar.rows,
        unseen=_unseen(rows, stopped),
        originals=originals,
        worded=changed,
        clip=decoded.select(["uid", "clip_similarity"]).filter(pc.is_in(decoded["uid"], asked)),
    )


def _recaptioned(decoded: pa.Table, vectors: pa.Table, changed: pa.Table, means: Means) -> pa.Table:
    """Return DECODED with clip_similarity of other captions; null where no vector is stored."""
    captions = dict(zip(*(changed[n].to_pylist() for n in ("uid", "caption")), strict=True))
    if "sem" in vectors.column_names:
        return means.recaption(decoded, vectors, captions)
    place = decoded.schema.get_field_index("clip_similarity")
    rows = (decoded[name].to_pylist() for name in ("uid", "clip_similarity"))
    told = [None if uid in captions else old for uid, old in zip(*rows, strict=True)]
    return decoded.set_column(place, decoded.schema.field(place), pa.array(told, pa.float32()))


def _without(table: pa.Table, uids: pa.Array) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["uid"], uids))) if len(uids) else table


def _unseen(rows: Reread, stopped: pa.Array) -> pa.Table:
    judged = _of(rows.judged.select(["uid", "sha256"]), stopped).sort_by("uid")
    decoded = _of(rows.decoded.select(["uid", "pixel_sha256"]), stopped).sort_by("uid")
    return judged.append_column("pixel_sha256", decoded["pixel_sha256"]).cast(UNSEEN)


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
            ("slim", SLIM), ("matches", MATCHES), ("grants", GRANTS),
            ("similarities", SIMILARITIES), ("unseen", UNSEEN),
        )
    }  # fmt: skip
    rows, honoured, config = tables["slim"], means.honoured, means.config
    edges = EDGES.empty_table() if edges is None else _seen(edges, rows, tables["unseen"])
    voted = votes(rows, [tables["similarities"]], edges, honoured, config.match, safe=safe)
    met = pa.concat_tables([tables["matches"], voted])
    decided = decide(rows, met, edges, honoured.claims, tables["grants"], config, safe=safe)
    return Decided(represent(decided, rows, edges, duplicate_similarity, config), voted)


def _seen(edges: pa.Table, rows: pa.Table, unseen: pa.Table) -> pa.Table:
    """Return EDGES as a build would find them that had not asked for some rows.

    An edge is written once for all rows of two contents, at one row of each: where that row is
    unseen, another of its content stands for it; an edge to a content without any falls away.
    rows: SLIM, in which what is unseen has no content. unseen: UNSEEN.
    """
    if not unseen.num_rows:
        return edges
    known = pl.DataFrame(rows.select(UNSEEN.names)).join(
        pl.DataFrame(unseen.select(["uid"])), on="uid", how="anti"
    )
    every = pl.concat([known, pl.DataFrame(unseen)]).with_columns(content=content_key())
    left = every.join(known.select("uid"), on="uid", how="semi")
    stand = left.group_by("content").agg(other=pl.col("uid").min())
    gone = every.join(known.select("uid"), on="uid", how="anti")
    instead = gone.join(stand, on="content", how="left").select("uid", "other")
    frame = pl.DataFrame(edges)
    for end in ("uid_a", "uid_b"):
        told = frame.join(instead.with_columns(hit=True), left_on=end, right_on="uid", how="left")
        hit = pl.col("hit").fill_null(value=False)
        frame = told.with_columns(pl.when(hit).then("other").otherwise(end).alias(end))
        frame = frame.drop("other", "hit").filter(pl.col(end).is_not_null())
    frame = frame.filter(pl.col("uid_a") != pl.col("uid_b"))
    first, second = pl.min_horizontal("uid_a", "uid_b"), pl.max_horizontal("uid_a", "uid_b")
    frame = frame.with_columns(uid_a=first, uid_b=second).unique(maintain_order=True)
    return frame.select(EDGES.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(EDGES)


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What becomes of the rows of a release, or of a part of it.

    decided: DECIDED of all of them. removed: DECIDED of rows that leave, by uid. terms: uid,
    license, attribution of all that stay. worded: as of `Found`, of rows that stay and are worded
    otherwise. clip: likewise. originals: ORIGINALS of every row that stays and says less than it
    was given.
    """

    decided: pa.Table
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
        decided=own,
        removed=own.filter(pc.invert(kept)).sort_by("uid"),
        terms=own.filter(kept).select(["uid", "license", "attribution"]),
        worded=[one.worded for one in staying if one.worded.num_rows],
        clip=pa.concat_tables([empty, *clips]),
        originals=[one.originals for one in staying if one.originals.num_rows],
    )


def changes_by_part(decided: pa.Table, parts: Mapping[str, Found]) -> dict[str, Changes]:
    """Return the changes to each part; together they take no longer than one look at all rows."""
    places = [pl.DataFrame(one.slim.select(["uid"])) for one in parts.values()]
    named = [p.with_columns(part=pl.lit(name)) for name, p in zip(parts, places, strict=True)]
    if not named:
        return {}
    own = pl.DataFrame(decided).join(pl.concat(named), on="uid").sort("uid")
    each = {str(name): rows for (name,), rows in own.partition_by("part", as_dict=True).items()}
    tables = {
        name: rows.drop("part").to_arrow(compat_level=pl.CompatLevel.oldest()).cast(DECIDED)
        for name, rows in each.items()
    }
    return {name: changes(tables[name], [one]) for name, one in parts.items()}


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
