"""The files of a recalled release that are about rows, shard by shard, and those of its vault.

Parts in which nothing changes are taken over as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import checked
from jobs.recall import Judged
from optout.log.note import SignerKey
from pipeline.recall import measured_of
from pipeline.release import File, ShardTables, name_of, vault_rows, whole_files
from pipeline.release_maps import (
    entries,
    kinds,
    leaves,
    mapped,
)
from pipeline.report.gallery import RELEASED_SHOWN, WITHHELD_SHOWN, choose, pictures
from pipeline.report.tally import Tally, tally
from pipeline.reread import Reread, of_samples, of_vaulted, samples_of
from pipeline.rewrite import (
    Part,
    bodies_of,
    both,
    edited,
    parquet_file,
    tar_shard,
    vectors_file,
)
from pipeline.shard import IMAGE_COLUMN, read_parquet, write_parquet
from pipeline.storage import link
from pipeline.stored_likeness import shard_paths
from pipeline.tars import read_tar
from pipeline.vault import (
    HELD_FOLDER,
    HELD_UNTIL,
    ROWS_FOLDER,
    held_bodies,
    ledger,
    read_held_until,
)
from schemas.canonical import sha256_hex
from schemas.manifest import FileEntry
from schemas.ports import Store
from schemas.tables import (
    DECIDED,
    LEDGER,
    ORIGINALS,
    STORED,
    TEXT,
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a new release goes.

    link: files that stay as they are are hard links to the old ones. secret: of a release whose
    vault is not at hand; else the old one's.
    """

    out: Store
    vault: Store
    created: str
    key: SignerKey
    secret: bytes
    link: bool = False

    @property
    def created_us(self) -> int:
        return int(datetime.fromisoformat(self.created).timestamp() * 1_000_000)


@dataclass
class Written:
    """What was written so far. redacted: rows that stay and say less than they were given."""

    public: list[FileEntry] = field(default_factory=list)
    private: list[FileEntry] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    shown: list[pa.Table] = field(default_factory=list)
    entered: list[pa.Table] = field(default_factory=list)
    codes: list[pa.Table] = field(default_factory=list)
    leaves: list[pa.Table] = field(default_factory=list)
    hashes: list[pa.Table] = field(default_factory=list)
    redacted: int = 0


Leaving = ShardTables
"""Rows of a part that leave the release, whole."""


# --- shards


def chosen_pictures(judged: Judged) -> pa.Array:
    """Return the uids of rows whose pictures stand in the report or on the review page."""
    if judged.old.release.config.output.format == "urls":
        return pa.array([], TEXT)
    chunks = [c for one in judged.parts.values() for c in one.slim["uid"].chunks]
    uids = pa.chunked_array(chunks, TEXT)  # of a release with nothing inside there is none
    own = judged.decided.decided
    own = own.filter(pc.is_in(own["uid"], uids.combine_chunks()))
    return choose(own, own["uid"].combine_chunks(), RELEASED_SHOWN, WITHHELD_SHOWN)


def write_shard(judged: Judged, target: Target, shard: int, shown: pa.Array, done: Written) -> None:
    names = [name for name in judged.old.release.names if judged.shard[name] == shard]
    leaving = [_part(judged, target, name, shown, done) for name in names]
    gone = [one for one in leaving if one is not None]
    _ledger_and_rows(judged, target, shard, gone, done)


def _part(
    judged: Judged, target: Target, name: str, shown: pa.Array, done: Written
) -> Leaving | None:
    """Write a part, and return the rows that leave it; None where all stay."""
    old = judged.old
    published = old.release.plain(name)
    part, changes = Part(int(name), published, old.extra), judged.by_part[name]
    kept = edited(part, changes)
    own = [f"samples/{name}.parquet", f"samples/{name}.tar", f"samples/{name}_stats.json",
           f"embeddings/{name}.parquet"]  # fmt: skip
    stay = kept["uid"]
    left = pc.invert(pc.is_in(published["uid"], stay.combine_chunks()))
    is_shown = pc.any(pc.is_in(published["uid"], shown)).as_py()
    same = kept.equals(published)
    bodies = _bodies(judged, name) if is_shown or not same else {}
    if same:
        for path in own:
            if path in old.release.files:
                keep(judged, target, path, done)
    elif kept.num_rows:
        done.touched.append(name)
        for file in _files(judged, part, kept, bodies):
            publish(target.out, done.public, file)
    else:
        done.touched.append(name)
    done.redacted += pc.sum(kept["caption_redacted"]).as_py() or 0
    if kept.num_rows:
        told = mapped(kept)
        done.entered.append(entries(told, name))
        done.codes.append(kinds(told))
    samples = samples_of(kept, old.extra)
    vectors = old.vectors(name, published)
    rows = of_samples(samples, vectors, old.url_keys(judged.shard[name]), _sizes(samples, bodies))
    tables = _tables(rows, changes.decided, _joined(changes.originals), bodies, shown)
    done.tallies.append(tally(tables, str(old.release.config.signals.purpose)))
    done.shown.append(pictures(tables, shown))
    if not pc.any(left).as_py():
        return None
    gone = samples_of(published.filter(left), old.extra)
    done.hashes.append(gone.select(["uid", "sha256", "stored_sha256"]))
    rows = of_samples(gone, vectors, old.url_keys(judged.shard[name]), _sizes(gone, bodies))
    before = old.originals(judged.shard[name])
    leaving = _tables(rows, changes.decided, before, bodies, None)
    done.shown.append(pictures(leaving, shown))
    return leaving


def _files(judged: Judged, part: Part, kept: pa.Table, bodies: dict[str, bytes]) -> list[File]:
    old, name = judged.old, part.name
    files = []
    if f"samples/{name}.tar" in old.release.files:
        form = old.release.config.decode.encode_format
        files = tar_shard(part, kept, bodies, form)
    else:
        body = checked(old.release.store, old.release.files, f"samples/{name}.parquet")
        whole = Part(part.number, read_parquet(body), part.extra)
        files = [parquet_file(whole, edited(whole, judged.by_part[name]))]
    if f"embeddings/{name}.parquet" in old.release.files:
        files.append(vectors_file(part, old.vectors(name, kept), kept["uid"]))
    return files


def _bodies(judged: Judged, name: str) -> dict[str, bytes]:
    """Return the images of a part by uid; none of a URL-only release."""
    release = judged.old.release
    body = checked(release.store, release.files, f"samples/{name}.parquet")
    tar = f"samples/{name}.tar"
    if tar in release.files:
        keys = read_parquet(body, ["uid", "key"]).to_pylist()
        uid = {row["key"]: row["uid"] for row in keys}
        form = release.config.decode.encode_format
        samples = read_tar(checked(release.store, release.files, tar))
        return {uid[s["__key__"].decode()]: s[form] for s in samples}
    if release.config.output.format == "urls":
        return {}
    return bodies_of(read_parquet(body, ["uid", IMAGE_COLUMN]))


def _sizes(samples: pa.Table, bodies: dict[str, bytes]) -> pa.Array:
    sizes = [len(bodies[u]) if u in bodies else None for u in samples["uid"].to_pylist()]
    return pa.array(sizes, pa.int64())


def _joined(originals: Sequence[pa.Table]) -> pa.Table | None:
    return pa.concat_tables(originals) if originals else None


def _tables(
    rows: Reread,
    decided: pa.Table,
    originals: pa.Table | None,
    bodies: dict[str, bytes],
    shown: pa.Array | None,
) -> ShardTables:
    """Return rows as a release task has them; images only of those shown, or of all for None."""
    uids = rows.rows["uid"].combine_chunks()
    hashes = dict(
        zip(*(rows.decoded[n].to_pylist() for n in ("uid", "stored_sha256")), strict=True)
    )
    chosen = uids if shown is None else uids.filter(pc.is_in(uids, shown))
    pictured = [u for u in chosen.to_pylist() if u in bodies]
    images = [pictured, [hashes[u] for u in pictured], [bodies[u] for u in pictured]]
    stored = pa.table(
        [pa.array(c, f.type) for c, f in zip(images, STORED, strict=True)], schema=STORED
    )
    own = ORIGINALS.empty_table() if originals is None else originals
    return ShardTables(
        rows=rows.rows,
        judged=rows.judged,
        decoded=rows.decoded,
        stored=stored,
        vectors=rows.vectors.filter(pc.is_in(rows.vectors["uid"], uids)),
        decided=decided.filter(pc.is_in(decided["uid"], uids)),
        originals=own.filter(pc.is_in(own["uid"], uids)),
    )


def _ledger_and_rows(
    judged: Judged, target: Target, shard: int, leaving: Sequence[Leaving], done: Written
) -> None:
    old, name = judged.old, name_of(shard)
    path, rows_path = f"ledger/{name}.parquet", f"{ROWS_FOLDER}/{name}.parquet"
    known = read_parquet(checked(old.release.store, old.release.files, path), LEDGER.names)
    vaulted = [vault_rows(one, one.decided, target.secret) for one in leaving]
    before = old.vault.rows(shard) if old.vault else None
    for rows in vaulted:
        known = both(known, ledger(rows))
        before = rows if before is None else both(before, rows)
    _held(judged, target, shard, zip(leaving, vaulted, strict=True), done)
    if leaving:
        publish(target.out, done.public, File(path, write_parquet(known), known.num_rows))
    else:
        keep(judged, target, path, done)
    if before is not None:
        body = write_parquet(before.sort_by("uid"))
        publish(target.vault, done.private, File(rows_path, body, before.num_rows))
        out = of_vaulted(before)
        decided = _as_decided(before)
        own = _tables(out, decided, None, {}, None)
        done.tallies.append(tally(own, str(old.release.config.signals.purpose)))
    done.leaves.append(leaves(known.cast(LEDGER)))
    _likeness(judged, target, shard, vaulted, done)


def _as_decided(vaulted: pa.Table) -> pa.Table:
    columns = [
        vaulted[f.name] if f.name in vaulted.column_names else pa.nulls(len(vaulted), f.type)
        for f in DECIDED
    ]
    return pa.Table.from_arrays(columns, schema=DECIDED)


def _held(
    judged: Judged,
    target: Target,
    shard: int,
    leaving: Iterable[tuple[Leaving, pa.Table]],
    done: Written,
) -> None:
    """Keep the images of rows that are held now, beside those that were and still may be."""
    name = name_of(shard)
    found: dict[str, pa.Table] = {}
    for tables, rows in leaving:
        held = held_bodies(rows, tables.stored)
        if not held.num_rows:
            continue
        images = File(f"{HELD_FOLDER}/{name}.parquet", write_parquet(held))
        for file in [images, *whole_files(tables, held["uid"], name)]:
            table = read_parquet(file.body)
            found[file.path] = both(found[file.path], table) if file.path in found else table
    store = judged.old.vault.store if judged.old.vault else None
    for path, new in found.items():
        table = new
        if store is not None and is_held(store, target.created_us) and store.exists(path):
            table = both(read_parquet(store.read(path)), new)
        publish(target.vault, done.private, File(path, write_parquet(table), table.num_rows))


def _likeness(
    judged: Judged, target: Target, shard: int, vaulted: Sequence[pa.Table], done: Written
) -> None:
    """Write what was measured of a shard's rows, as the vault may keep it."""
    bare = [t["uid"].filter(t["sty"].is_null()) for t in vaulted if "sty" in t.column_names]
    chunks = [c for column in bare for c in column.chunks]
    uids = pa.concat_arrays([pa.array([], TEXT), *chunks])
    tables = measured_of(judged.found_of(shard), uids)
    for path, table in zip(shard_paths(shard), tables, strict=True):
        publish(target.vault, done.private, File(path, write_parquet(table), table.num_rows))


# --- files


def publish(store: Store, listed: list[FileEntry], file: File) -> None:
    store.publish(file.path, file.body)
    listed.append(file.entry)


def keep(judged: Judged, target: Target, path: str, done: Written) -> None:
    """Take over a file of the release as it is."""
    release = judged.old.release
    body = checked(release.store, release.files, path)
    same(release.store, target.out, path, body, share=target.link)
    done.public.append(release.files[path])


def carry(vault: Store, target: Target, path: str, done: Written) -> None:
    body = vault.read(path)
    same(vault, target.vault, path, body, share=target.link)
    done.private.append(FileEntry(path=path, sha256=sha256_hex(body), size_bytes=len(body)))


def same(source: Store, target: Store, path: str, body: bytes, *, share: bool) -> None:
    """Give the target a file that the source has. body: what it holds. share: as a hard link."""
    if share:
        link(source, target, path)
        if target.read(path) == body:
            return
        target.delete(path)  # it changed between check and link
    target.publish(path, body)


def is_held(vault: Store, now_us: int) -> bool:
    return vault.exists(HELD_UNTIL) and now_us < read_held_until(vault)
