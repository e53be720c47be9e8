"""Is a release what its manifest says: signature, files, rows, maps."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.audit import checked
from jobs.checks.held import Told
from jobs.maps import found_roots, ledger_of, read_samples, require_roots
from jobs.releases import Release
from optout.log.note import VerifierKey
from optout.signed_file import SUFFIX, open_note, require_same
from pipeline import audit
from pipeline.audit import Check, Name, failed, judged, needs, verified
from pipeline.evidence import EVIDENCE_INDEX
from pipeline.manifest import MANIFEST_KIND, MANIFEST_PATH
from pipeline.retracted import KIND as RETRACTIONS_KIND
from pipeline.rewrite import RETRACTIONS_PATH
from pipeline.shard import read_parquet
from pipeline.storage import unfinished
from pipeline.tars import members
from schemas.errors import ProofError, StorageError
from schemas.ports import Store
from schemas.tables import TEXT

UIDS = pa.schema([("uid", TEXT)])
EVIDENCE = "evidence/"


def signature(store: Store, body: bytes, keys: Sequence[VerifierKey]) -> Check:
    """Check that one of the keys has signed the manifest."""
    path = f"{MANIFEST_PATH}{SUFFIX}"
    if not store.exists(path):
        return failed(Name.SIGNATURE, [f"expected {path}, found no signature"])
    if not keys:
        return needs(Name.SIGNATURE, "the builder's verifier key (--key)")
    try:
        note = open_note(store.read(path), MANIFEST_KIND, keys)
        require_same(note, body, MANIFEST_PATH)
        if store.exists(RETRACTIONS_PATH):
            beside = open_note(store.read(f"{RETRACTIONS_PATH}{SUFFIX}"), RETRACTIONS_KIND, keys)
            require_same(beside, store.read(RETRACTIONS_PATH), RETRACTIONS_PATH)
    except ProofError as e:
        return failed(Name.SIGNATURE, [str(e)])
    return verified(Name.SIGNATURE, f"signed by {', '.join(k.short for k in note.keys)}")


def files(release: Release, told: Told) -> Check:
    """Check that every file is what the manifest names, and that there is no other."""
    wrong = []
    known, form = release.files, release.config.output.format
    own = {MANIFEST_PATH, f"{MANIFEST_PATH}{SUFFIX}", f"{RETRACTIONS_PATH}{SUFFIX}"}
    there = {*release.store.paths(""), *unfinished(release.store)}
    strays = sorted(there - known.keys() - own)
    wrong += [f"{path} is not named in the manifest" for path in strays]
    for number, path in enumerate(sorted(known), 1):
        try:
            body = checked(release.store, known, path)
        except (ProofError, StorageError) as e:
            wrong.append(str(e))
            continue
        if len(body) != known[path].size_bytes:
            wrong.append(f"{path}: expected {known[path].size_bytes:,} bytes, found {len(body):,}")
        if path.endswith(".parquet"):
            schema = pq.read_schema(pa.BufferReader(body))
            wrong += audit.column_faults(path, schema, form)
        told(number, len(known))
    wrong += audit.layout_faults(known, form)
    wrong += _evidence_faults(release)
    size = sum(entry.size_bytes for entry in known.values())
    return judged(Name.FILES, wrong, f"{len(known):,} files, {size / 1e6:,.1f} MB")


def _evidence_faults(release: Release) -> list[str]:
    bodies = {
        path.removeprefix(EVIDENCE): entry.sha256
        for path, entry in release.files.items()
        if path.startswith(EVIDENCE) and path != EVIDENCE_INDEX
    }
    if not bodies:
        return []
    index = read_parquet(checked(release.store, release.files, EVIDENCE_INDEX), ["sha256"])
    return audit.evidence_faults(bodies, index["sha256"].to_pylist())


def rows(release: Release) -> Check:
    """Check that each input row is in one place, and that files say the same of it."""
    manifest = release.manifest
    uids = [UIDS.empty_table()]
    wrong: list[str] = []
    redacted = 0
    for name in release.names:
        plain = release.plain(name)
        uids.append(plain.select(UIDS.names).cast(UIDS))
        redacted += pc.sum(plain["caption_redacted"]).as_py() or 0
        wrong += audit.host_faults(plain.select(["uid", "url", "host"]))
        wrong += audit.key_faults(plain.select(["uid", *audit.KEYS]))
        wrong += _tar_faults(release, name, plain)
    released = pa.concat_tables(uids)
    wrong = [
        *audit.row_faults(manifest, [released], release.ledger()),
        *wrong,
        *audit.redaction_faults(manifest, redacted),
        *audit.retraction_faults(manifest, released["uid"], release.retractions()),
    ]
    out = manifest.rows_in - manifest.released
    return judged(
        Name.ROWS,
        wrong,
        f"{manifest.rows_in:,} rows in = {manifest.released:,} released + {out:,} in the ledger",
    )


def _tar_faults(release: Release, name: str, plain: pa.Table) -> Iterator[str]:
    if release.config.output.format != "webdataset":
        return
    form = release.config.decode.encode_format
    tar = checked(release.store, release.files, f"samples/{name}.tar")
    found = audit.tar_faults(plain.to_pylist(), members(tar), form)
    yield from (f"samples/{name}.tar: {fault}" for fault in found)
    told = checked(release.store, release.files, f"samples/{name}_stats.json")
    found = audit.stats_faults(plain.num_rows, told)
    yield from (f"samples/{name}_stats.json: {fault}" for fault in found)


def maps(release: Release, told: Told) -> Check:
    """Check that the roots are those of maps and ledger as they are made again."""
    found = found_roots(read_samples(release, told).maps(), ledger_of(release))
    try:
        require_roots(release, found)
    except ProofError as e:
        return failed(Name.MAPS, [str(e)])
    return verified(
        Name.MAPS, f"{found.row_keys:,} keys, {found.band_keys:,} buckets of codes, made again"
    )
