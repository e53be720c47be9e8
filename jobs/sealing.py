"""The end of a build: evidence, vault, report, and the manifest that makes files a release.

The order survives a crash: shards are there, evidence and vault follow, then the report, and the
manifest last. Until it is there nothing is released, and the same command goes on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from jobs.builder_key import builder_key
from jobs.claims import Member, Pinned
from jobs.context import PLAN_PATH, Context
from jobs.lock import LOCK_PATH
from jobs.planning import LOGS, Job, public_config
from jobs.readmission import parent_of
from optout.log.note import SignerKey
from optout.log.sparse import Subtree, joined
from optout.signed_file import SUFFIX, sign_file
from optout.signed_list import ListNote
from optout.tail import FLOOR_SHARE
from pipeline.evidence import EVIDENCE_INDEX, public_evidence
from pipeline.likeness import measured_styles
from pipeline.manifest import (
    MANIFEST_KIND,
    MANIFEST_PATH,
    assemble,
    manifest_bytes,
    row_counts,
    thresholds_of,
)
from pipeline.match import unjudged
from pipeline.plan import ModelChoice, Receipt
from pipeline.release import File
from pipeline.release_maps import roots_of
from pipeline.report.gallery import PICTURES, thin
from pipeline.report.pages import ReportFacts, render_report, render_review
from pipeline.report.tally import Tally, merge
from pipeline.shard import write_parquet
from pipeline.storage import open_store, unfinished
from pipeline.stored_likeness import STYLES_PATH
from pipeline.vault import (
    CLAIMS_PATH,
    EDGES_PATH,
    HELD_UNTIL,
    MATCHES_PATH,
    SECRET_PATH,
    edges_file,
    held_until,
    list_of_claim,
    matches_file,
    stated_by,
    vault_digest,
)
from schemas.manifest import FileEntry, ListEntry, Manifest, ModelEntry, Roots
from schemas.ports import Store
from schemas.tables import DECIDED, DOCUMENTS

REPORT_PATH = "report.html"
REVIEW_PATH = "review.html"

LASTING = (PLAN_PATH, LOCK_PATH, LOGS)
"""What stays of a work folder once a release is published: no row, byte or vector."""


@dataclass(frozen=True)
class Finished:
    """What the stages of a build gave."""

    context: Context
    receipts: Mapping[str, list[Receipt]]
    claims: Pinned

    def tables(self, stage: str, output: str, schema: pa.Schema) -> pa.Table:
        """Return one output of all tasks of a stage as one table."""
        refs = [r.outputs[output] for r in self.receipts[stage] if output in r.outputs]
        found = [t for t in map(self.context.table, refs) if t.num_rows]
        return pa.concat_tables(found) if found else schema.empty_table()


def seal(job: Job, finished: Finished) -> Manifest:
    """Publish evidence, vault, report and manifest; then forget what was not released."""
    out, vault = open_store(job.out), open_store(job.vault, private=True)
    listed = shard_files(finished)
    decided = finished.tables("decided", "decided", DECIDED)
    private = [*listed.private, *publish(vault, vault_files(job, finished))]
    evidence = publish(out, evidence_files(finished))
    draft = draft_manifest(job, finished, decided, listed.tally, vault_digest(private))
    facts = ReportFacts(
        draft,
        listed.tally,
        thin(finished.tables("released", "pictures", PICTURES)),
        list_of_claim(stated(finished)),
    )
    report = publish(out, [File(REPORT_PATH, render_report(facts).encode())])
    publish(vault, [File(REVIEW_PATH, render_review(facts).encode())])
    files = [*listed.public, *evidence, *report]
    manifest = assemble(draft, files)
    forget_strays(out, {f.path for f in files})
    forget_strays(vault, {f.path for f in private} | {REVIEW_PATH})
    sign_release(out, manifest_bytes(manifest), builder_key(job.config.output.key))
    if not job.config.output.keep_store:
        forget(finished.context.work)
    return manifest


@dataclass(frozen=True)
class Listed:
    """The files that release tasks have published, and their tally."""

    public: list[FileEntry]
    private: list[FileEntry]
    tally: Tally


def shard_files(finished: Finished) -> Listed:
    """Read back what the release tasks published."""
    work = finished.context.work
    receipts = [*finished.receipts["released"], *finished.receipts["evidence"]]
    documents = [json.loads(work.read(r.outputs["files"].path)) for r in receipts]
    return Listed(
        [FileEntry(**f) for d in documents for f in d["public"]],
        [FileEntry(**f) for d in documents for f in d["private"]],
        merge(Tally.from_json(d["tally"]) for d in documents if "tally" in d),
    )


def publish(store: Store, files: list[File]) -> list[FileEntry]:
    """Publish files and return how a manifest names them."""
    for file in files:
        store.publish(file.path, file.body)
    return [f.entry for f in files]


def evidence_files(finished: Finished) -> list[File]:
    """Return the origin documents that were read for any row, and their index."""
    documents = finished.tables("answers", "documents", DOCUMENTS)
    index, bodies = public_evidence(documents)
    files = [File(f"evidence/{sha256}", body) for sha256, body in sorted(bodies.items())]
    return [*files, File(EVIDENCE_INDEX, write_parquet(index), index.num_rows)]


def vault_files(job: Job, finished: Finished) -> list[File]:
    """Return what the vault holds beside rows and evidence: edges, matches, secret, time limit."""
    plan = finished.context.plan
    edges = finished.context.table(finished.receipts["related"][0].outputs["edges"])
    matches = pa.concat_tables(
        [
            finished.context.table(r.outputs[output])
            for stage, output in (("matched", "matches"), ("decided", "votes"))
            for r in finished.receipts[stage]
        ]
    )
    created_us = int(datetime.fromisoformat(plan.created).timestamp() * 1_000_000)
    return [
        File(EDGES_PATH, edges_file(edges), edges.num_rows),
        File(MATCHES_PATH, matches_file(matches), matches.num_rows),
        File(CLAIMS_PATH, write_parquet(claims := stated(finished)), claims.num_rows),
        File(HELD_UNTIL, held_until(created_us, job.config.output.hold_days)),
        File(SECRET_PATH, finished.context.secret()),
        styles_file(job, finished.context, finished.claims),
    ]


def stated(finished: Finished) -> pa.Table:
    """Return STATED: which registry or list vouches for each claim."""
    honoured = finished.context.honoured(finished.claims.ref).claims
    lists = {one.snapshot.header.origin: one.name for one in finished.claims.members}
    return stated_by(honoured, lists)


def styles_file(job: Job, context: Context, claims: Pinned) -> File:
    """Return the styles that rows were measured against, for the vault."""
    honoured, epsilon = context.honoured(claims.ref), job.config.match.epsilon
    styles = measured_styles(honoured, context.cohort(), epsilon)
    return File(STYLES_PATH, write_parquet(styles), styles.num_rows)


def draft_manifest(
    job: Job, finished: Finished, decided: pa.Table, said: Tally, vault_sha256: str
) -> Manifest:
    """Return the manifest without its files."""
    plan = finished.context.plan
    released, dropped, held = row_counts(decided)
    config = job.config
    return Manifest(
        title=config.output.title or plan.source["name"],
        created=plan.created,
        tool={"name": "recuse", "version": plan.tool_version},
        plan=plan.identity_digest(),
        config=public_config(config),
        source={
            "name": plan.source["name"],
            "format": plan.source["format"],
            "fingerprint": plan.source_fingerprint,
        },
        parent=parent_of(job.source) if plan.is_of_vault else None,
        rows_in=decided.num_rows,
        released=released,
        captions_redacted=said.captions.get("redacted", 0),
        dropped=dropped,
        held=held,
        unchecked=dict(said.unchecked),
        signals={channel: dict(counts) for channel, counts in said.signals.items()},
        signal_profile=finished.context.policy.profile.as_json(),
        models=[model_entry("sem", plan.model), model_entry("matcher", plan.matcher)],
        lists=lists(job, finished),
        thresholds={
            "duplicate_similarity": plan.duplicate_similarity(),
            "style_floor": FLOOR_SHARE,
            **thresholds_of(config),
        },
        vault_sha256=vault_sha256,
        roots=roots(finished),
    )


def roots(finished: Finished) -> Roots:
    """Return the roots of the maps that the tasks have made: pieces of rows, bands, ledger."""
    work = finished.context.work
    told = [json.loads(work.read(r.outputs["subtree"].path)) for r in finished.receipts["maps"]]
    *pieces, bands, ledger = (Subtree(one["keys"], bytes.fromhex(one["hash"])) for one in told)
    return roots_of(joined(pieces), bands, ledger)


def model_entry(role: str, model: ModelChoice) -> ModelEntry:
    """Return what a manifest says about a model."""
    return ModelEntry(
        role=role,
        name=model.name,
        fingerprint=model.fingerprint,
        weights_sha256=model.weights_sha256,
        precision=model.precision,
        device=model.device,
    )


def lists(job: Job, finished: Finished) -> list[ListEntry]:
    """Return the registries that were honoured, at which checkpoint, and those declined."""
    registry, matcher = job.config.registry, finished.context.plan.matcher.fingerprint
    created = datetime.fromisoformat(finished.context.plan.created)
    now = datetime.fromtimestamp(finished.context.clock.now_us() / 1_000_000, UTC)
    times = created, now
    honoured = [used(m, matcher, times, pinned=registry.pin) for m in finished.claims.members]
    declined = [
        ListEntry(name=one.name, origin=one.origin, used=False, reason=one.reason)
        for one in registry.lists
        if not one.subscribe
    ]
    return [*honoured, *declined]


def used(
    member: Member, matcher: str, times: tuple[datetime, datetime], *, pinned: bool
) -> ListEntry:
    """Return what a manifest says about a registry whose claims were honoured.

    times: when the build began, and now.
    """
    header, signed = member.snapshot.header, member.signed
    return ListEntry(
        name=member.name,
        origin=header.origin,
        used=True,
        size=header.size,
        root=header.root,
        recorded_at=header.recorded_at,
        exported_at=signed.note.exported_at if signed else None,
        age_days=_age_days(signed.note, *times) if signed else None,
        checkpoint=member.snapshot.checkpoint.decode() or None,
        epoch=header.epoch,
        key=signed.key.short if signed else None,
        snapshot_sha256=member.sha256,
        trust_local=header.trust_local,
        pinned=pinned,
        claims_active=member.snapshot.claims.num_rows,
        claims_not_judged_by_similarity=unjudged(member.snapshot.works, matcher),
    )


def _age_days(note: ListNote, created: datetime, now: datetime) -> float:
    """Return how old an export was when the build began; 0 for one made while it ran.

    Below zero is left what is yet to come: no honest list is, and audits fail it.
    """
    age = note.age_days(created)
    return round(max(age, 0.0) if note.age_days(now) >= 0 else age, 3)


def sign_release(out: Store, body: bytes, key: SignerKey) -> None:
    """Publish a manifest and, before it, the note by which its builder stands for it.

    The manifest comes last: without it there is no release.
    """
    out.publish(f"{MANIFEST_PATH}{SUFFIX}", sign_file(MANIFEST_KIND, body, key, {}))
    out.publish(MANIFEST_PATH, body)


def forget_strays(store: Store, known: set[str]) -> None:
    """Delete files of an earlier, unfinished decision, so that no release holds what it dropped.

    Halves of files too, which a process that was killed has left.
    """
    for path in [*store.paths(""), *unfinished(store)]:
        if path not in known:
            store.delete(path)


def forget(work: Store) -> None:
    """Delete rows, bytes and vectors, released or not; plan and logs stay."""
    for name in {path.split("/", 1)[0] for path in work.paths("")} - set(LASTING):
        work.delete(name)
