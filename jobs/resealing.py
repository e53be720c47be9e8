"""The end of a recall: retractions, vault, report, and the manifest that makes files a release.

The order survives a crash: shards are there, retractions and vault follow, then the report, and the
manifest last. Until it is there nothing is released, and the same command goes on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import checked
from jobs.places import require_apart, require_no_strangers
from jobs.published import Published
from jobs.recall import Judged
from jobs.rewriting import (
    Target,
    Written,
    carry,
    chosen_pictures,
    is_held,
    keep,
    publish,
    write_shard,
)
from jobs.sealing import REPORT_PATH, REVIEW_PATH, forget_strays, sign_release, used
from optout.log.sparse import SparseMap, Subtree, joined
from optout.signed_file import SUFFIX, sign_file
from pipeline.identify import shard_of
from pipeline.layout import RELEASE, VAULT
from pipeline.likeness import measured_styles
from pipeline.manifest import MANIFEST_PATH, assemble, manifest_bytes, read_manifest
from pipeline.plan import units
from pipeline.recall import matches_of
from pipeline.release import File, name_of
from pipeline.release_maps import (
    ENTRIES,
    KINDS,
    band_pairs,
    bucket_of,
    depth_of,
    distinct_codes,
    ledger_root,
    roots_of,
    row_pairs,
)
from pipeline.report.gallery import PICTURES
from pipeline.report.pages import ReportFacts, render_report, render_review
from pipeline.report.tally import merge
from pipeline.retracted import KIND
from pipeline.rewrite import (
    RETRACTIONS_PATH,
    retractions,
)
from pipeline.shard import read_parquet, write_parquet
from pipeline.stored_likeness import SIMILARITIES_FOLDER, STYLES_PATH
from pipeline.vault import (
    CAPTIONS_FOLDER,
    CLAIMS_PATH,
    DECISIONS,
    EDGES_PATH,
    HELD_FOLDER,
    HELD_UNTIL,
    MATCHES_PATH,
    REVIEW_FOLDER,
    ROWS_FOLDER,
    SECRET_PATH,
    edges_file,
    held_until,
    list_of_claim,
    matches_file,
    stated_by,
    vault_digest,
)
from schemas.errors import PlanError
from schemas.manifest import Manifest, Recalled, Roots
from schemas.ports import Store
from schemas.tables import (
    EDGES,
    MATCHES,
    RETRACTIONS,
    STATED,
)
from schemas.verdict import Verdict
from schemas.version import installed_version

Told = Callable[[int, int], None]


def finished(judged: Judged, out: Store) -> Manifest | None:
    """Return the manifest of this very recall, if it is done. Raises PlanError for another one."""
    if not out.exists(MANIFEST_PATH):
        return None
    found = read_manifest(out)
    if found.plan != judged.plan:
        raise PlanError(
            f"{out.root} holds another release ({found.title or 'untitled'}, created"
            f" {found.created}), or one by other claims or means; give another --out"
        )
    return found


def require_place(old: Published, out: Store, vault: Store) -> None:
    """Raise unless a new release and its vault may be written there.

    Raises PlanError where either folder holds what is no file of a release or a vault, UsageError
    where either lies in the old release or its vault: what is there is theirs.
    """
    theirs = [old.release.store, *([old.vault.store] if old.vault else [])]
    require_apart((out, vault), theirs)
    require_no_strangers(out, RELEASE)
    require_no_strangers(vault, VAULT)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was written. touched: names of the parts that are not what they were."""

    manifest: Manifest
    touched: tuple[str, ...]


def rewrite(judged: Judged, target: Target, told: Told = lambda _done, _all: None) -> Rewritten:
    """Write the release without what the claims deny, and its vault.

    Raises StorageError where a file cannot be written: then there is no new release, and the same
    once more finishes it; others as `require_place`, before anything is written.
    """
    old, done = judged.old, Written()
    require_place(old, target.out, target.vault)
    shown = chosen_pictures(judged)
    for shard in range(old.shards):
        write_shard(judged, target, shard, shown, done)
        told(shard + 1, old.shards)
    _rest(judged, target, done)
    _retractions(judged, target, done)
    _vault(judged, target, done)
    draft = _draft(judged, target, done)
    stated = read_parquet(target.vault.read(CLAIMS_PATH))
    found = pa.concat_tables([PICTURES.empty_table(), *done.shown]).sort_by("uid")
    facts = ReportFacts(draft, merge(done.tallies), found, list_of_claim(stated))
    publish(target.out, done.public, File(REPORT_PATH, render_report(facts).encode()))
    target.vault.publish(REVIEW_PATH, render_review(facts).encode())
    manifest = assemble(draft, done.public)
    note = RETRACTIONS_PATH + SUFFIX
    forget_strays(target.out, {f.path for f in done.public} | {note})
    forget_strays(target.vault, {f.path for f in done.private} | {REVIEW_PATH})
    sign_release(target.out, manifest_bytes(manifest), target.key)
    return Rewritten(manifest, tuple(done.touched))


# --- the rest


def _rest(judged: Judged, target: Target, done: Written) -> None:
    """Take over what is about no row: evidence, and whatever else was published."""
    for path in judged.old.release.files:
        if path.split("/")[0] not in {"samples", "embeddings", "ledger"} and path not in {
            REPORT_PATH,
            RETRACTIONS_PATH,
        }:
            keep(judged, target, path, done)


def _retractions(judged: Judged, target: Target, done: Written) -> None:
    release = judged.old.release
    before = None
    if RETRACTIONS_PATH in release.files:
        before = read_parquet(checked(release.store, release.files, RETRACTIONS_PATH))
    empty = RETRACTIONS.empty_table().select(["uid", "sha256", "stored_sha256"])
    hashes = pa.concat_tables(
        [empty.replace_schema_metadata(None)]
        + [t.replace_schema_metadata(None) for t in done.hashes]
    )
    table = retractions(judged.changes.removed, hashes, judged.old.sha256, before)
    file = File(RETRACTIONS_PATH, write_parquet(table), table.num_rows)
    publish(target.out, done.public, file)
    note = sign_file(KIND, file.body, target.key, {"release": judged.old.sha256})
    target.out.publish(RETRACTIONS_PATH + SUFFIX, note)


def _vault(judged: Judged, target: Target, done: Written) -> None:
    """Write what the vault holds beside rows: what stays of the old one, and what is known now."""
    old = judged.old
    before, stated = MATCHES.empty_table(), STATED.empty_table()
    edges = EDGES.empty_table()
    created_us = target.created_us
    until = held_until(created_us, old.release.config.output.hold_days)
    if old.vault is not None:
        store = old.vault.store
        before, edges = old.vault.matches, old.vault.edges
        stated = read_parquet(store.read(CLAIMS_PATH))
        own = {e.path for e in done.private}
        for path in _lasting(store, created_us):
            if path not in own:
                carry(store, target, path, done)
        if any(e.path.startswith(f"{HELD_FOLDER}/") for e in done.private) and is_held(
            store, created_us
        ):
            until = store.read(HELD_UNTIL)  # promised when the first of them was kept
    found = [*judged.parts.values(), *judged.beside.values()]
    matches = matches_of(found, judged.decided.voted, before)
    lists = {m.snapshot.header.origin: m.name for m in judged.claims.members}
    now = stated_by(judged.honoured.claims, lists)
    earlier = stated.filter(
        pc.invert(pc.is_in(stated["claim_id"], now["claim_id"].combine_chunks()))
    )
    said = pa.concat_tables([now, earlier.cast(STATED)]).sort_by("claim_id")
    originals = [t for t in judged.changes.originals if t.num_rows]
    styles = measured_styles(
        judged.honoured, judged.claims.cohort, old.release.config.match.epsilon
    )
    for file in [
        File(EDGES_PATH, edges_file(edges), edges.num_rows),
        File(MATCHES_PATH, matches_file(matches), matches.num_rows),
        File(CLAIMS_PATH, write_parquet(said), said.num_rows),
        File(HELD_UNTIL, until),
        File(SECRET_PATH, target.secret),
        File(STYLES_PATH, write_parquet(styles), styles.num_rows),
        *_captions(judged, originals),
    ]:
        publish(target.vault, done.private, file)


def _captions(judged: Judged, originals: Sequence[pa.Table]) -> list[File]:
    """Return what redacted captions of released rows said before, by uid shard."""
    files: list[File] = []
    if not originals:
        return files
    table = pa.concat_tables(originals).sort_by("uid")
    shards = shard_of(table["uid"], judged.old.shards)
    for shard in range(judged.old.shards):
        own = table.filter(pc.equal(shards, shard))
        if own.num_rows:
            path = f"{CAPTIONS_FOLDER}/{name_of(shard)}.parquet"
            files.append(File(path, write_parquet(own), own.num_rows))
    return files


def _lasting(vault: Store, now_us: int) -> list[str]:
    """Return the files of the old vault that stay as they are: evidence, decisions, held images."""
    held = is_held(vault, now_us)
    anew = {EDGES_PATH, MATCHES_PATH, CLAIMS_PATH, HELD_UNTIL, SECRET_PATH, REVIEW_PATH}
    folders = (f"{ROWS_FOLDER}/", f"{CAPTIONS_FOLDER}/", f"{SIMILARITIES_FOLDER}/")
    return [
        path
        for path in vault.paths("")
        if path not in anew
        and not path.startswith(folders)
        and (held or not path.startswith(f"{HELD_FOLDER}/") or path == DECISIONS)
        and path != f"{REVIEW_FOLDER}/index.html"
    ]


def _draft(judged: Judged, target: Target, done: Written) -> Manifest:
    old, removed = judged.old.manifest, judged.changes.removed
    created = datetime.fromisoformat(target.created)
    honoured = [
        used(m, judged.old.matcher, (created, created), pinned=False) for m in judged.claims.members
    ]
    declined = [entry for entry in old.lists if not entry.used]
    released = old.released - removed.num_rows
    return old.model_copy(
        update={
            "created": target.created,
            "tool": {"name": "recuse", "version": installed_version()},
            "plan": judged.plan,
            "parent": judged.old.sha256,
            "recalled": Recalled(
                removed=removed.num_rows,
                held=judged.changes.held,
                reworded=judged.reworded,
                unjudged=len({one.claim_id for one in judged.unjudged}),
            ),
            "released": released,
            "captions_redacted": done.redacted,
            "dropped": _added(old.dropped, removed, Verdict.DROP),
            "held": _added(old.held, removed, Verdict.HOLD),
            # of which rows it was is not known; no more than are left
            "unchecked": {k: min(n, released) for k, n in old.unchecked.items() if released},
            "lists": [*honoured, *declined],
            "vault_sha256": vault_digest(done.private),
            "roots": _roots(judged, done),
            "files": [],
        }
    )


def _added(before: dict[str, int], removed: pa.Table, verdict: Verdict) -> dict[str, int]:
    counts = dict(before)
    own = removed.filter(pc.equal(removed["verdict"], str(verdict)))
    for reason in own["reason"].to_pylist():
        counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items()))


def _roots(judged: Judged, done: Written) -> Roots:
    """Return the roots of the maps over what is released now."""
    shards = units(judged.old.manifest.rows_in, judged.old.release.config.output.shard_rows)
    depth = depth_of(shards)
    entered = pa.concat_tables([ENTRIES.empty_table(), *done.entered])
    bucket = bucket_of(entered["key"], depth)
    pieces = [
        SparseMap(row_pairs(entered.filter(pc.equal(bucket, b)))).below(depth)
        for b in range(1 << depth)
    ]
    codes = distinct_codes([KINDS.empty_table(), *done.codes])
    bands = SparseMap(band_pairs(codes)).below(0)
    rows = sum(t.num_rows for t in done.leaves)
    return roots_of(joined(pieces), bands, Subtree(rows, ledger_root(done.leaves)))
