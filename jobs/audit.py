"""A release and its vault read back for an audit; what is decided stands in pipeline/replay.py."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from optout.signals.policy import SignalPolicy
from optout.signals.profiles import Profile
from pipeline.evidence import EVIDENCE_INDEX
from pipeline.identify import shard_of
from pipeline.judge import stale_before_us
from pipeline.manifest import read_manifest
from pipeline.replay import (
    BOUND,
    Claimed,
    Disagreement,
    Grounds,
    Private,
    library_of,
    replay,
    without_given,
)
from pipeline.shard import read_parquet
from pipeline.storage import open_store
from pipeline.vault import (
    CAPTIONS_FOLDER,
    EVIDENCE_ROWS,
    PRIVATE_EVIDENCE,
    ROWS_FOLDER,
    vault_digest,
    vault_of,
)
from schemas.canonical import sha256_hex
from schemas.config import BuildConfig
from schemas.errors import ProofError, SchemaError, StorageError
from schemas.manifest import FileEntry, Manifest
from schemas.ports import Store
from schemas.tables import EVIDENCED
from schemas.verdict import Reason

CLAIMS = ["uid", "signals"]
RELEASED = [*CLAIMS, *BOUND]


@dataclass
class ReplayReport:
    """What a replay found: rows by what became of them, and every disagreement."""

    rows: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    private: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not self.disagreements


def policy_of(manifest: Manifest) -> SignalPolicy:
    """Return the policy under which a release was made, by its own word.

    Raises SchemaError where the manifest's config or profile cannot be read.
    """
    try:
        config = BuildConfig.model_validate(manifest.config)
    except ValueError as e:
        raise SchemaError(f"expected the config of a build in the manifest: {e}") from e
    policy = SignalPolicy.from_config(config)
    return SignalPolicy(
        policy.agent,
        policy.purpose,
        Profile.from_json(manifest.signal_profile),
        policy.accept_unchecked,
        policy.lists,
    )


def replay_signals(
    release: str, vault: str = "", told: Callable[[int, int], None] = lambda _done, _all: None
) -> ReplayReport:
    """Return where the evidence of a release disagrees with what it says of its rows.

    vault: its folder, beside the release where empty. told: of shards done and shards in all.
    Raises StorageError where a file is absent, SchemaError where one is of another kind, ProofError
    where a file is not the one that the manifest names.
    """
    out = open_store(release)
    private = open_store(vault or vault_of(release), private=True)
    manifest = read_manifest(out)
    files = {f.path: f for f in manifest.files}
    check_vault(private, manifest)
    index = table_of(checked(out, files, EVIDENCE_INDEX))
    bodies = {
        path.removeprefix("evidence/"): checked(out, files, path)
        for path in files
        if path.startswith("evidence/") and path != EVIDENCE_INDEX
    }
    library, wrong = library_of(index, bodies)
    report = ReplayReport(documents=len(bodies), disagreements=list(wrong))
    policy, config = policy_of(manifest), BuildConfig.model_validate(manifest.config)
    created = datetime.fromisoformat(manifest.created)
    stale = stale_before_us(int(created.timestamp() * 1_000_000), config.signals.max_signal_age_h)
    named = None if config.source.uid_col else manifest.source.get("name")
    grounds = Grounds(library, policy, stale, named)
    paths = private.paths(EVIDENCE_ROWS)
    samples = samples_by_shard(out, files, len(paths))
    for number, path in enumerate(paths):
        traced = table_of(private.read(path))
        evidence = private_evidence(private, traced)
        report.private += evidence.num_rows
        before = captions(private, path.rsplit("/", 1)[-1])
        kept = [c for table in samples.get(number, ()) for c in released(table, before)]
        out_rows = list(
            withheld(table_of(private.read(f"{ROWS_FOLDER}/{path.rsplit('/', 1)[-1]}")))
        )
        report.rows["kept"] += len(kept)
        report.rows["not released"] += len(out_rows)
        report.disagreements += replay([*kept, *out_rows], traced, Private(evidence), grounds)
        told(number + 1, len(paths))
    report.disagreements = without_given(report.disagreements, report.rows["kept"])
    if sum(report.rows.values()) != manifest.rows_in:
        found = f"{sum(report.rows.values()):,}"
        report.disagreements.append(
            Disagreement("", "rows", f"{manifest.rows_in:,} rows in", f"{found} with a trace")
        )
    return report


def checked(store: Store, files: dict[str, FileEntry], path: str) -> bytes:
    """Return a file of a release. Raises ProofError for bytes other than the manifest names."""
    if path not in files:
        raise ProofError(f"expected {path} in the manifest, found no such file named")
    body = store.read(path)
    if (found := sha256_hex(body)) != files[path].sha256:
        raise ProofError(
            f"{store.root}/{path}: expected sha256 {files[path].sha256}, found {found}"
        )
    return body


def check_vault(vault: Store, manifest: Manifest) -> None:
    """Raise ProofError unless the vault is the one that the manifest pins."""
    if not vault.paths(EVIDENCE_ROWS):
        raise StorageError(
            f"expected the vault of the release in {vault.root} (--vault FOLDER), found none: "
            "which evidence speaks for which row stands there"
        )
    check_digest(vault, manifest)


def check_digest(vault: Store, manifest: Manifest) -> None:
    """Raise ProofError unless what lies in a vault is what the manifest pins."""
    entries = [
        FileEntry(path=p, sha256=sha256_hex(body), size_bytes=len(body))
        for p in vault.paths("")
        if p != "review.html"
        for body in (vault.read(p),)
    ]
    if (found := vault_digest(entries)) != manifest.vault_sha256:
        raise ProofError(
            f"{vault.root}: expected the vault with digest {manifest.vault_sha256}, found {found}"
        )


def table_of(body: bytes) -> pa.Table:
    """Return a Parquet file as a table. Raises SchemaError."""
    try:
        return pq.read_table(pa.BufferReader(body))
    except (pa.ArrowInvalid, OSError) as e:
        raise SchemaError(f"expected a Parquet file: {e}") from e


def samples_by_shard(
    store: Store, files: dict[str, FileEntry], shards: int
) -> dict[int, list[pa.Table]]:
    """Return the columns RELEASED, one table a file, by uid shard."""
    found: dict[int, list[pa.Table]] = {}
    for path in sorted(files):
        if not path.startswith("samples/") or not path.endswith(".parquet"):
            continue
        body = checked(store, files, path)
        table = read_parquet(body, RELEASED)
        if table.num_rows:
            (shard,) = shard_of(table["uid"][:1], shards).to_pylist()
            found.setdefault(shard, []).append(table)
    return found


def private_evidence(vault: Store, traced: pa.Table) -> pa.Table:
    """Return the EVIDENCED that the rows of a shard name."""
    names = [traced[n] for n in ("answer", "page", "embedded")]
    lists = pc.list_flatten(traced["lists"])
    chunks = [c for column in (*names, lists) for c in column.chunks]
    wanted = pc.unique(pa.chunked_array(chunks, pa.string()).drop_null())
    tables = [EVIDENCED.empty_table()]
    for path in vault.paths(PRIVATE_EVIDENCE):
        table = table_of(vault.read(path))
        tables.append(table.filter(pc.is_in(table["sha256"], wanted)).select(EVIDENCED.names))
    return pa.concat_tables([t.replace_schema_metadata(EVIDENCED.metadata) for t in tables])


def captions(vault: Store, name: str) -> dict[str, str]:
    """Return what released rows of a shard said before a name was taken out, by uid."""
    path = f"{CAPTIONS_FOLDER}/{name}"
    if not vault.exists(path):
        return {}
    table = table_of(vault.read(path))
    return dict(zip(*(table[n].to_pylist() for n in ("uid", "caption")), strict=True))


def released(samples: pa.Table, before: Mapping[str, str]) -> Iterator[Claimed]:
    """Yield what a release claims of its kept rows. before: captions that were redacted."""
    for row in samples.to_pylist():
        told = {name: row[name] for name in BOUND}
        told["caption"] = before.get(row["uid"], row["caption"])
        yield Claimed(row["uid"], row["signals"], None, told=told)


def withheld(vaulted: pa.Table) -> Iterator[Claimed]:
    """Yield what a vault claims of the rows that are not released."""
    for row in vaulted.select([*CLAIMS, "reason", "by_uid"]).to_pylist():
        yield Claimed(row["uid"], row["signals"], Reason(row["reason"]), own=row["by_uid"] is None)


def as_json(report: ReplayReport) -> str:
    """Return a replay as JSON for programs."""
    return json.dumps(
        {
            "agrees": report.agrees,
            "rows": dict(report.rows),
            "documents": report.documents,
            "private_documents": report.private,
            "disagreements": [
                {"uid": d.uid, "what": d.what, "claimed": d.claimed, "found": d.found}
                for d in report.disagreements
            ],
        },
        indent=2,
    )
