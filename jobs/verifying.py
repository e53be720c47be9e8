"""An audit of a release: everything that its files and what the auditor holds allow to check.

What is decided stands in pipeline/audit.py, optout/list_audit.py and, for claims, in
pipeline/recall.py: the replay runs the stages of a build again on what was stored.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from jobs import audit as signals
from jobs.maps import found_roots, ledger_of, read_samples, require_roots
from jobs.published import Published
from jobs.releases import Release, open_release
from jobs.replaying import Replayed, Snapshots, loaded, replay_claims
from jobs.vaults import Vault, open_vault
from optout import log_audit
from optout.cohort import Cohort
from optout.list_audit import look_at_lists
from optout.log.fork import Fork
from optout.log.note import VerifierKey
from optout.log.policy import Policy
from optout.log_audit import HeldLog
from optout.registry import Registry
from optout.signed_file import SUFFIX, open_note, require_same
from pipeline import audit
from pipeline.audit import ABOUT, Check, Name, Status, failed, judged, needs, verified
from pipeline.image.canonical import CanonicalHasher, canonical_pixels
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.manifest import MANIFEST_KIND, MANIFEST_PATH
from pipeline.release_maps import MAPPED, mapped
from pipeline.retracted import KIND as RETRACTIONS_KIND
from pipeline.rewrite import RETRACTIONS_PATH
from pipeline.shard import read_parquet
from pipeline.storage import open_store
from pipeline.tars import members
from schemas.canonical import sha256_hex
from schemas.config import MAX_LIST_AGE_DAYS, ResizeMode
from schemas.errors import CurationError, ProofError, SchemaError, StorageError
from schemas.manifest import ListEntry
from schemas.ports import Embedder, Store
from schemas.tables import KEYPOINTS, TEXT

UIDS = pa.schema([("uid", TEXT)])
LEAST_EDGE_PX, LEAST_QUALITY = 256, 90
"""Of stored images, for which audit.LEAST_AGREEMENT was measured; below, honest vectors differ."""
WHOLE_IMAGES = (ResizeMode.NO, ResizeMode.KEEP_RATIO, ResizeMode.KEEP_RATIO_LARGEST)

MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    pa.ArrowException,
    pl.exceptions.PolarsError,
)
"""What reading tables and JSON of somebody else's making may raise, whatever they hold."""

Told = Callable[[int, int], None]
Loaded = Callable[[], Embedder | None]


@dataclass(frozen=True)
class Held:
    """What whoever audits has beside the release.

    keys: of builders. policy: whose logs and witnesses count. registries: opened, of the lists that
    were used or should have been. logs: open those of registries, at hand or as published.
    snapshots: folders of lists or snapshots. vault: "" for none.
    embedder: gives the release's matcher, null where it is not at hand; cohort: that of a matcher
    by its fingerprint, likewise. keep_fork: puts the proof that a log shows two histories where it
    is found again, and says where.
    """

    keys: tuple[VerifierKey, ...] = ()
    policy: Policy | None = None
    registries: tuple[Registry, ...] = ()
    logs: tuple[Callable[[], HeldLog], ...] = ()
    snapshots: tuple[Store, ...] = ()
    vault: str = ""
    demanded: tuple[str, ...] = ()
    max_age_days: float = MAX_LIST_AGE_DAYS
    sample: int | None = audit.SAMPLED_ROWS  # null: every row
    seed: int = 0
    embedder: Loaded = lambda: None
    cohort: Callable[[str], Cohort | None] = lambda _matcher: None
    keep_fork: Callable[[Fork, str], str] = lambda _fork, _origin: ""


@dataclass
class Report:
    """The checks of one audit, in order. claims: replayed, in all, and erased since."""

    release: str
    manifest_sha256: str = ""
    checks: list[Check] = field(default_factory=list)
    replayed: Replayed | None = None

    def add(self, check: Check) -> Check:
        self.checks.append(check)
        return check


def verify(
    place: str, held: Held, told: Callable[[Name], Told] = lambda _name: lambda _done, _all: None
) -> Report:
    """Return what an audit of a release finds. told: of the parts of a check as they are done.

    Raises StorageError where there is no release at all.
    """
    store = open_store(place)
    body = store.read(MANIFEST_PATH)
    report = Report(place, sha256_hex(body))
    try:
        release = open_release(store)
        _ = release.config
    except SchemaError as e:
        report.add(failed(Name.MANIFEST, [str(e)]))
        return report
    report.add(verified(Name.MANIFEST, ABOUT[Name.MANIFEST]))
    report.add(_ended(Name.SIGNATURE, lambda: signature(store, body, held.keys)))
    whole = report.add(_ended(Name.FILES, lambda: files(release, told(Name.FILES))))
    if whole.status == Status.FAILED:
        return report  # nothing of it is what the manifest speaks of
    for name, check in (
        (Name.ROWS, lambda: rows(release)),
        (Name.MAPS, lambda: maps(release, told(Name.MAPS))),
        (Name.BYTES, lambda: stored_bytes(release, held, told(Name.BYTES))),
        (Name.VECTORS, lambda: vectors(release, held, told(Name.VECTORS))),
        (Name.LISTS, lambda: lists(release, held)),
        (Name.LOG, lambda: logs(release, held)),
        *_private(release, held, told),
    ):
        report.add(_ended(name, check))

    def last() -> Check:
        report.replayed = replayed(release, held)
        return claims(report.replayed)

    report.add(_ended(Name.CLAIMS, last))
    return report


def _ended(name: Name, check: Callable[[], Check]) -> Check:
    """Return how a check ends; what cannot be read as what it should be fails it."""
    try:
        return check()
    except CurationError as e:
        return failed(name, [str(e)])
    except MALFORMED as e:
        return failed(name, [f"expected files of their form, found {type(e).__name__}: {e!s:.300}"])


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
    known = release.files
    own = {MANIFEST_PATH, f"{MANIFEST_PATH}{SUFFIX}", f"{RETRACTIONS_PATH}{SUFFIX}"}
    strays = sorted(set(release.store.paths("")) - known.keys() - own)
    wrong += [f"{path} is not named in the manifest" for path in strays]
    for number, path in enumerate(sorted(known), 1):
        try:
            body = signals.checked(release.store, known, path)
        except (ProofError, StorageError) as e:
            wrong.append(str(e))
            continue
        if len(body) != known[path].size_bytes:
            wrong.append(f"{path}: expected {known[path].size_bytes:,} bytes, found {len(body):,}")
        told(number, len(known))
    form = release.config.output.format
    wrong += audit.layout_faults(known, form)
    for name in release.names if not wrong else ():
        if release.has_images(name) != (form == "parquet"):
            wrong.append(f"samples/{name}.parquet: expected images in it or none, as {form} has")
    size = sum(entry.size_bytes for entry in known.values())
    return judged(Name.FILES, wrong, f"{len(known):,} files, {size / 1e6:,.1f} MB")


def rows(release: Release) -> Check:
    """Check that each input row is in one place."""
    manifest = release.manifest
    samples = pa.concat_tables([UIDS.empty_table(), *map(release.uids, release.names)])
    wrong = audit.row_faults(manifest, [samples], release.ledger())
    redacted = 0
    for name in release.names:
        plain = release.plain(name)
        wrong += audit.host_faults(plain.select(["uid", "url", "host"]))
        redacted += pc.sum(plain["caption_redacted"]).as_py() or 0
    if redacted != manifest.captions_redacted:
        said = f"{manifest.captions_redacted:,}"
        wrong.append(f"expected {said} released rows with a redacted caption, found {redacted:,}")
    wrong += audit.retraction_faults(manifest, samples["uid"], release.retractions())
    if release.config.output.format == "webdataset":
        wrong += _tar_faults(release)
    out = manifest.rows_in - manifest.released
    return judged(
        Name.ROWS,
        wrong,
        f"{manifest.rows_in:,} rows in = {manifest.released:,} released + {out:,} in the ledger",
    )


def _tar_faults(release: Release) -> Iterator[str]:
    form = release.config.decode.encode_format
    for name in release.names:
        rows = release.plain(name).to_pylist()
        tar = signals.checked(release.store, release.files, f"samples/{name}.tar")
        yield from (f"samples/{name}.tar: {f}" for f in audit.tar_faults(rows, members(tar), form))


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


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some rows of a part, and their stored images."""

    name: str
    rows: pa.Table
    pictures: dict[str, bytes]


def drawn(release: Release, held: Held, told: Told) -> Iterator[Drawn]:
    """Yield the rows that are looked at one by one: a sample, or all."""
    uids = [uid for name in release.names for uid in release.uids(name)["uid"].to_pylist()]
    count = len(uids) if held.sample is None else held.sample
    wanted = pa.array(audit.chosen(uids, count, held.seed), pa.string())
    for number, name in enumerate(release.names, 1):
        body = signals.checked(release.store, release.files, f"samples/{name}.parquet")
        table = read_parquet(body, [*MAPPED, "pdq_quality"])
        table = mapped(table).append_column("pdq_quality", table["pdq_quality"])
        own = table.filter(pc.is_in(table["uid"], wanted))
        if own.num_rows:
            yield Drawn(name, own, release.pictures(name, set(own["uid"].to_pylist())))
        told(number, len(release.names))


def stored_bytes(release: Release, held: Held, told: Told) -> Check:
    """Check digests and perceptual codes of stored images."""
    if release.config.output.format == "urls":
        return needs(Name.BYTES, "bytes: this release has addresses only")
    wrong: list[str] = []
    count = 0
    hasher = CanonicalHasher()
    for some in drawn(release, held, told):
        wrong += audit.byte_faults(some.rows, some.pictures, hasher.pdq)
        count += some.rows.num_rows
    return judged(Name.BYTES, wrong, f"{count:,} of {release.manifest.released:,} rows looked at")


def vectors(release: Release, held: Held, told: Told) -> Check:
    """Check stored vectors against those of the stored images, embedded again."""
    if not any(path.startswith("embeddings/") for path in release.files):
        return needs(Name.VECTORS, "vectors: this release has none")
    if unfit := list(_unfit_vectors(release)):
        return failed(Name.VECTORS, unfit)
    if lacking := _lacking(release):
        return needs(Name.VECTORS, lacking)
    embedder = held.embedder()
    if embedder is None:
        return needs(Name.VECTORS, "the model that gave them")
    wrong: list[str] = []
    count = 0
    for some in drawn(release, held, told):
        faults, seen = _vector_faults(release, some, embedder)
        wrong += faults
        count += seen
    return judged(
        Name.VECTORS, wrong, f"{count:,} of {release.manifest.released:,} images embedded again"
    )


def _lacking(release: Release) -> str:
    """Return what is lacking to embed stored images again as they were; "" for nothing."""
    decode = release.config.decode
    if release.config.output.format == "urls":
        return "bytes: this release has addresses only"
    if decode.resize_mode not in WHOLE_IMAGES:
        return "bytes as fetched: stored images are cut or padded"
    lossy = decode.encode_format != "png" and decode.encode_quality < LEAST_QUALITY
    if lossy or decode.image_size < LEAST_EDGE_PX:
        return "bytes as fetched: stored images are too small or too coarse"
    return ""


def _unfit_vectors(release: Release) -> Iterator[str]:
    names = audit.LEAST_AGREEMENT if release.matcher else ()
    for name in release.names:
        path = f"embeddings/{name}.parquet"
        table = read_parquet(signals.checked(release.store, release.files, path))
        uids = release.uids(name)["uid"].to_pylist()
        yield from (f"{path}: {f}" for f in audit.vector_form_faults(uids, table, names))


def _vector_faults(release: Release, some: Drawn, embedder: Embedder) -> tuple[list[str], int]:
    path = f"embeddings/{some.name}.parquet"
    table = read_parquet(signals.checked(release.store, release.files, path))
    uids = [uid for uid in some.rows["uid"].to_pylist() if uid in some.pictures]
    places = pc.index_in(pa.array(uids, pa.string()), table["uid"].combine_chunks())
    if places.null_count:
        missing = uids[places.to_pylist().index(None)]
        return [f"row {missing}: expected vectors, found none"], 0
    bodies = [some.pictures[uid] for uid in uids]
    pixels = [canonical_pixels(Decoder(body, read_header(body))) for body in bodies]
    again = embedder.images(pixels)
    names = sorted(audit.LEAST_AGREEMENT.keys() & set(table.column_names) & again.keys())
    stored = {
        name: np.array(table[name].take(places).to_pylist(), np.float32).reshape(len(uids), -1)
        for name in names
    }
    points = [keypoints(p, SAMPLE) for p in pixels]
    told = table[KEYPOINTS.name].take(places).to_pylist()
    wrong = audit.vector_faults(uids, stored, {name: again[name] for name in names})
    return [*wrong, *audit.point_faults(uids, told, points)], len(uids)


def lists(release: Release, held: Held) -> Check:
    """Check signatures and age of the lists that were used, and that none asked for is left out."""
    entries = release.manifest.lists
    created = datetime.fromisoformat(release.manifest.created)
    found = look_at_lists(entries, held.policy, held.demanded, created, held.max_age_days)
    if found.wrong:
        return failed(Name.LISTS, found.wrong)
    used = sum(entry.used for entry in entries)
    said = f"{used} used, {len(entries) - used} declined"
    if used:
        whose = "witnesses' clocks" if len(found.seen) == used else "the builder's clock"
        said += f"; how fresh they were, by {whose}"
    missing = list(found.unseen)
    if found.unsigned and held.policy is None:
        missing.append("the policy file that says whose keys count (--policy)")
    elif found.unsigned:
        missing.append(f"a signed checkpoint of {', '.join(found.unsigned)}")
    if missing:
        return Check(Name.LISTS, Status.NEEDS, said, needs=tuple(missing))
    return verified(Name.LISTS, said)


def logs(release: Release, held: Held) -> Check:
    """Check that logs had the states at which they were used, only grew, and are dated truly."""
    entries = [entry for entry in release.manifest.lists if entry.used]
    begun = datetime.fromisoformat(release.manifest.created)
    newest = release.newest_fetch() or begun
    try:
        known = [opened() for opened in held.logs]
    except StorageError as e:
        return needs(Name.LOG, f"a log that can be read: {e}")
    wrong = list(_forks(known, held))
    if newest - begun > timedelta(days=held.max_age_days):
        wrong.append(f"rows were fetched up to {newest}; the build is said to have begun {begun}")
    missing = []
    for entry in entries:
        own = [log for log in known if log.origin == entry.origin]
        if not own:
            missing.append(entry.origin)
        for log in own:
            used_at = begun if entry.pinned else max(begun, newest)
            wrong += _log_faults(entry, log, held, used_at)
    if wrong:
        return failed(Name.LOG, wrong)
    if missing:
        what = f"the log of {', '.join(missing)} (--registry, or --log as published)"
        return needs(Name.LOG, what)
    said = ", ".join(entry.origin for entry in entries) or "none was used"
    return verified(Name.LOG, f"had the states that were used: {said}")


def _log_faults(entry: ListEntry, log: HeldLog, held: Held, created: datetime) -> Iterator[str]:
    if fault := log_audit.state_fault(entry, log):
        yield fault  # of another history, nothing else can be asked
        return
    if fault := log_audit.stale_fault(entry, log, created, held.max_age_days):
        yield fault
    signed = [entry.checkpoint.encode()] if entry.checkpoint else []
    signed += [body for _, body in log.signed]
    states = log_audit.seen(signed, held.policy) if held.policy else ()
    leaves = log.leaves()
    yield from log_audit.signed_faults(log)
    yield from log_audit.entry_faults(leaves, log.where)
    yield from log_audit.time_faults(leaves, states, log.where)
    taken = loaded(held.snapshots, entry)
    if taken is not None and entry.size is not None:
        yield from log_audit.snapshot_faults(leaves[: entry.size], taken, log.where)


def _forks(logs: Sequence[HeldLog], held: Held) -> Iterator[str]:
    """Give how logs contradict each other, two copies of one at a time."""
    for one, other in combinations(logs, 2):
        if one.origin != other.origin:
            continue
        said, proof = log_audit.fork((one, other), held.policy or Policy())
        if said:
            where = held.keep_fork(proof, one.origin) if proof else ""
            kept = f"; {where} proves it to anybody (recuse audit verify-fork)" if where else ""
            yield f"{said}{kept}"


def _private(
    release: Release, held: Held, told: Callable[[Name], Told]
) -> list[tuple[Name, Callable[[], Check]]]:
    """Return the checks that only the holder of the vault can make."""
    names = (Name.VAULT, Name.LEDGER, Name.SIGNALS)
    if not held.vault:
        return [(name, partial(needs, name, "the vault (--vault)")) for name in names]
    return [
        (Name.VAULT, lambda: vault(release, held.vault)),
        (Name.LEDGER, lambda: ledger_opened(release, held.vault)),
        (Name.SIGNALS, lambda: replayed_signals(release, held.vault, told(Name.SIGNALS))),
    ]


def vault(release: Release, place: str) -> Check:
    """Check that the vault is the one that the manifest pins."""
    found = open_vault(place, release.manifest)
    return verified(Name.VAULT, f"digest as pinned, shards: {found.shards}")


def ledger_opened(release: Release, place: str) -> Check:
    """Check that each row of the ledger commits to what the vault holds."""
    held = Vault(open_store(place, private=True)).vaulted()
    wrong = audit.ledger_faults(release.ledger(), held)
    return judged(Name.LEDGER, wrong, f"{held.num_rows:,} commitments opened")


def replayed_signals(release: Release, place: str, told: Told) -> Check:
    """Check every verdict by signals against the evidence."""
    found = signals.replay_signals(release.store.root, place, told)
    wrong = [
        f"{d.uid or 'release'} {d.what}: claimed {d.claimed}, found {d.found}"
        for d in found.disagreements
    ]
    return judged(Name.SIGNALS, wrong, f"{sum(found.rows.values()):,} rows replayed")


def replayed(release: Release, held: Held) -> Replayed:
    """Return what comes out where the claims judge a release again."""
    vault = open_vault(held.vault, release.manifest) if held.vault else None
    old = Published(release, vault)
    return replay_claims(old, Snapshots(held.registries, held.snapshots), held.cohort(old.matcher))


def claims(found: Replayed) -> Check:
    """Check what the replay of claims says."""
    said = f"claims replayed {found.replayed} of {found.active}"
    if found.wrong:
        return failed(Name.CLAIMS, found.wrong)
    if found.needs:
        return Check(Name.CLAIMS, Status.NEEDS, said, needs=found.needs)
    return verified(Name.CLAIMS, f"{said}; {found.rows:,} rows judged again")


# --- for programs


def as_json(report: Report) -> dict[str, Any]:
    """Return an audit as a JSON value."""
    replayed = report.replayed
    return {
        "release": report.release,
        "manifest_sha256": report.manifest_sha256,
        "checks": [
            {
                "name": str(check.name),
                "status": str(check.status),
                "said": check.said,
                "wrong": list(check.wrong),
                "needs": list(check.needs),
            }
            for check in report.checks
        ],
        "claims": None
        if replayed is None
        else {
            "active": replayed.active,
            "replayed": replayed.replayed,
            "erased_since": replayed.erased,
        },
    }


def statement(report: Report, version: str, at: datetime) -> dict[str, Any]:
    """Return an audit as an in-toto statement with a simple verification result.

    Source: in-toto Statement v1; predicate svr/v0.2. Only what was verified is a property.
    """
    held: Mapping[str, str] = {str(check.name): str(check.status) for check in report.checks}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": MANIFEST_PATH, "digest": {"sha256": report.manifest_sha256}}],
        "predicateType": "https://in-toto.io/attestation/svr/v0.2",
        "predicate": {
            "verifier": {"id": f"recuse audit verify {version}"},
            "timeCreated": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "properties": [
                f"RECUSE_{name.upper()}"
                for name, status in held.items()
                if status == Status.VERIFIED
            ],
        },
    }


def to_text(value: Any) -> str:
    """Return a JSON value as text for a file or a terminal."""
    return json.dumps(value, indent=2)
