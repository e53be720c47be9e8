"""An audit of a release: everything that its files and what the auditor holds allow to check.

What is decided stands in pipeline/audit.py, optout/list_audit.py and, for claims, in
pipeline/recall.py: the replay runs the stages of a build again on what was stored.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs import audit as signals
from jobs.maps import found_roots, ledger_of, read_samples, require_roots
from jobs.releases import Release, open_release
from jobs.replaying import Replayed, Snapshots, replay_claims
from jobs.vaults import open_vault
from optout.list_audit import list_faults, log_fault
from optout.log.note import VerifierKey
from optout.log.policy import Policy
from optout.registry import Registry
from optout.signed_file import SUFFIX, open_note, require_same
from pipeline import audit
from pipeline.audit import ABOUT, Check, Name, Status, failed, judged, needs, verified
from pipeline.image.canonical import CanonicalHasher
from pipeline.manifest import MANIFEST_KIND, MANIFEST_PATH
from pipeline.release_maps import MAPPED, mapped
from pipeline.shard import read_parquet
from pipeline.storage import open_store
from pipeline.vault import ROWS_FOLDER, vault_of
from schemas.canonical import sha256_hex
from schemas.config import ResizeMode
from schemas.errors import CurationError, ProofError, SchemaError, StorageError
from schemas.ports import Embedder, Store
from schemas.tables import LEDGER, VAULTED

WHOLE_IMAGES = (ResizeMode.NO, ResizeMode.KEEP_RATIO, ResizeMode.KEEP_RATIO_LARGEST)

Told = Callable[[int, int], None]
Loaded = Callable[[], Embedder | None]


@dataclass(frozen=True)
class Held:
    """What whoever audits has beside the release.

    keys: of builders. policy: whose logs and witnesses count. registries: opened, of the lists that
    were used or should have been. snapshots: folders of lists or snapshots. vault: "" for none.
    embedder: gives the release's matcher, null where it is not at hand.
    """

    keys: tuple[VerifierKey, ...] = ()
    policy: Policy | None = None
    registries: tuple[Registry, ...] = ()
    snapshots: tuple[Store, ...] = ()
    vault: str = ""
    demanded: tuple[str, ...] = ()
    max_age_days: float = 7.0
    sample: int | None = audit.SAMPLED_ROWS  # null: every row
    seed: int = 0
    embedder: Loaded = lambda: None


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
    report.add(signature(store, body, held.keys))
    if report.add(files(release, told(Name.FILES))).status == Status.FAILED:
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
        try:
            report.add(check())
        except CurationError as e:
            report.add(failed(name, [str(e)]))
    try:
        found = replay_claims(release, Snapshots(held.registries, held.snapshots), held.vault)
        report.replayed = found
        report.add(claims(found))
    except CurationError as e:
        report.add(failed(Name.CLAIMS, [str(e)]))
    return report


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
    except ProofError as e:
        return failed(Name.SIGNATURE, [str(e)])
    return verified(Name.SIGNATURE, f"signed by {', '.join(k.short for k in note.keys)}")


def files(release: Release, told: Told) -> Check:
    """Check that every file is what the manifest names, and that there is no other."""
    wrong = []
    known = release.files
    own = {MANIFEST_PATH, f"{MANIFEST_PATH}{SUFFIX}", "retractions.parquet.note"}
    strays = sorted(set(release.store.paths("")) - known.keys() - own)
    wrong += [f"{path} is not named in the manifest" for path in strays]
    for number, path in enumerate(sorted(known), 1):
        try:
            signals.checked(release.store, known, path)
        except (ProofError, StorageError) as e:
            wrong.append(str(e))
        told(number, len(known))
    size = sum(entry.size_bytes for entry in known.values())
    return judged(Name.FILES, wrong, f"{len(known):,} files, {size / 1e6:,.1f} MB")


def rows(release: Release) -> Check:
    """Check that each input row is in one place."""
    manifest = release.manifest
    samples = (_uids(release, name) for name in release.names)
    wrong = audit.row_faults(manifest, samples, ledger(release))
    out = manifest.rows_in - manifest.released
    return judged(
        Name.ROWS,
        wrong,
        f"{manifest.rows_in:,} rows in = {manifest.released:,} released + {out:,} in the ledger",
    )


def _uids(release: Release, name: str) -> pa.Table:
    path = f"samples/{name}.parquet"
    return read_parquet(signals.checked(release.store, release.files, path), ["uid"])


def ledger(release: Release) -> pa.Table:
    """Return LEDGER of a release."""
    paths = sorted(p for p in release.files if p.startswith("ledger/"))
    bodies = (signals.checked(release.store, release.files, path) for path in paths)
    tables = [read_parquet(body, LEDGER.names) for body in bodies]
    return pa.concat_tables([LEDGER.empty_table(), *(t.cast(LEDGER) for t in tables)])


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
    uids = [uid for name in release.names for uid in _uids(release, name)["uid"].to_pylist()]
    count = len(uids) if held.sample is None else held.sample
    wanted = pa.array(audit.chosen(uids, count, held.seed), pa.string())
    for number, name in enumerate(release.names, 1):
        body = signals.checked(release.store, release.files, f"samples/{name}.parquet")
        table = mapped(read_parquet(body, MAPPED))
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
    if release.config.output.format == "urls":
        return needs(Name.VECTORS, "bytes: this release has addresses only")
    if not any(path.startswith("embeddings/") for path in release.files):
        return needs(Name.VECTORS, "vectors: this release has none")
    if release.config.decode.resize_mode not in WHOLE_IMAGES:
        return needs(Name.VECTORS, "bytes as fetched: stored images are cut or padded")
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


def _vector_faults(release: Release, some: Drawn, embedder: Embedder) -> tuple[list[str], int]:
    from pipeline.image.canonical import canonical_pixels  # noqa: PLC0415
    from pipeline.image.decoders import Decoder  # noqa: PLC0415
    from pipeline.image.header import read_header  # noqa: PLC0415

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
    names = sorted({"cpy", "sty"} & set(table.column_names) & again.keys())
    stored = {
        name: np.array(table[name].take(places).to_pylist(), np.float32).reshape(len(uids), -1)
        for name in names
    }
    return audit.vector_faults(uids, stored, {name: again[name] for name in names}), len(uids)


def lists(release: Release, held: Held) -> Check:
    """Check signatures and age of the lists that were used, and that none asked for is left out."""
    entries = release.manifest.lists
    wrong, unsigned = list_faults(entries, held.policy, held.demanded, held.max_age_days)
    if wrong:
        return failed(Name.LISTS, wrong)
    used = sum(entry.used for entry in entries)
    said = f"{used} used, {len(entries) - used} declined"
    if unsigned and held.policy is None:
        return needs(Name.LISTS, "the policy file that says whose keys count (--policy)", said)
    if unsigned:
        return needs(Name.LISTS, f"a signed checkpoint of {', '.join(unsigned)}", said)
    return verified(Name.LISTS, said)


def logs(release: Release, held: Held) -> Check:
    """Check that logs had the states at which they were used, and only grew since."""
    entries = [entry for entry in release.manifest.lists if entry.used]
    known = {registry.log_key()[0]: registry for registry in held.registries}
    missing = [entry.origin for entry in entries if entry.origin not in known]
    wrong = [
        fault
        for entry in entries
        if entry.origin in known and (fault := log_fault(entry, known[entry.origin].leaf_hashes()))
    ]
    if wrong:
        return failed(Name.LOG, wrong)
    if missing:
        return needs(Name.LOG, f"the log of {', '.join(missing)} (--registry)")
    return verified(Name.LOG, f"{len(entries)} logs had the states that were used")


def _private(
    release: Release, held: Held, told: Callable[[Name], Told]
) -> list[tuple[Name, Callable[[], Check]]]:
    """Return the checks that only the holder of the vault can make."""
    names = (Name.VAULT, Name.LEDGER, Name.SIGNALS)
    if not held.vault:
        return [(name, lambda name=name: needs(name, "the vault (--vault)")) for name in names]  # type: ignore[misc]
    return [
        (Name.VAULT, lambda: vault(release, held.vault)),
        (Name.LEDGER, lambda: ledger_opened(release, held.vault)),
        (Name.SIGNALS, lambda: replayed_signals(release, held.vault, told(Name.SIGNALS))),
    ]


def vault(release: Release, place: str) -> Check:
    """Check that the vault is the one that the manifest pins."""
    found = open_vault(place, release.manifest)
    return verified(Name.VAULT, f"{found.shards} shards, digest as pinned")


def ledger_opened(release: Release, place: str) -> Check:
    """Check that each row of the ledger commits to what the vault holds."""
    store = open_store(place, private=True)
    paths = store.paths(ROWS_FOLDER)
    tables = [read_parquet(store.read(path), VAULTED.names) for path in paths]
    held = pa.concat_tables([VAULTED.empty_table(), *(t.cast(VAULTED) for t in tables)])
    wrong = audit.ledger_faults(ledger(release), held)
    return judged(Name.LEDGER, wrong, f"{held.num_rows:,} commitments opened")


def replayed_signals(release: Release, place: str, told: Told) -> Check:
    """Check every verdict by signals against the evidence."""
    found = signals.replay_signals(release.store.root, place, told)
    wrong = [
        f"{d.uid or 'release'} {d.what}: claimed {d.claimed}, found {d.found}"
        for d in found.disagreements
    ]
    return judged(Name.SIGNALS, wrong, f"{sum(found.rows.values()):,} rows replayed")


def claims(found: Replayed) -> Check:
    """Check what the replay of claims says."""
    said = f"claims replayed {found.replayed} of {found.active}"
    if found.wrong:
        return failed(Name.CLAIMS, found.wrong)
    if found.needs:
        return Check(Name.CLAIMS, Status.NEEDS, said, needs=found.needs)
    return verified(Name.CLAIMS, f"{said}; {found.rows:,} rows judged again")


def report_of(release: str, place: str = "") -> str:
    """Return the vault of a release: as given, else beside it where there is one, else ""."""
    beside = vault_of(release)
    if place:
        return place
    store = open_store(beside, private=True)
    return beside if store.paths(ROWS_FOLDER) else ""


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
