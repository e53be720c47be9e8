"""What a task finds in its process: the store, the plan, models loaded once, and how to publish.

Nothing here crosses the scheduler: a task names a work folder, and each process opens it by itself.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.claims import honoured_at
from optout.cohort import Cohort
from optout.signals.declarations import Declarations
from optout.signals.declarations import parse as parse_declarations
from optout.signals.policy import SignalPolicy
from pipeline.buckets import gather_bucket, write_bucketed
from pipeline.clock import clock_from_environment
from pipeline.fetchstore import PackWriter
from pipeline.judge import Facts, stale_before_us
from pipeline.lists import declared_contents
from pipeline.plan import ModelChoice, Plan, Ref, Task
from pipeline.safety import SafetyLists
from pipeline.screen import denier
from pipeline.storage import open_store, read_anywhere
from pipeline.web.claimed import ClaimedGates
from pipeline.web.gates import Gates
from schemas.canonical import canonical_json, sha256_hex
from schemas.config import BuildConfig
from schemas.errors import StorageError
from schemas.ports import Clock, Embedder, Store
from schemas.safe import parse_safe, safe_table
from schemas.snapshot import Honoured
from schemas.tables import DOCUMENTS, LISTED, OBSERVED

PLAN_PATH = "plan.json"
SECRET_PATH = "fetch/secret"  # noqa: S105  # a file name


@dataclass
class Context:
    """The surroundings of a task in one process."""

    work: Store
    plan: Plan
    clock: Clock = field(default_factory=clock_from_environment)

    @cached_property
    def config(self) -> BuildConfig:
        return self.plan.build_config()

    @cached_property
    def policy(self) -> SignalPolicy:
        return SignalPolicy.from_config(self.config)

    @cached_property
    def image_gates(self) -> Gates:
        """What may be asked of images, wherever redirects lead: nothing that claims deny already.

        The claims are those at the start; a finished run may have forgotten them.
        """
        ref = Ref.from_json(self.plan.claims) if self.plan.claims else None
        if ref is None or not self.work.exists(ref.path):
            return self.policy
        return ClaimedGates(self.policy, denier(self.honoured(ref).claims))

    @cached_property
    def created_us(self) -> int:
        """Return the time that the manifest will carry."""
        return int(datetime.fromisoformat(self.plan.created).timestamp() * 1_000_000)

    @cached_property
    def stale_before_us(self) -> int | None:
        """Return the time before which signals are too old to release on; None without a limit."""
        return stale_before_us(self.created_us, self.config.signals.max_signal_age_h)

    @cached_property
    def declarations(self) -> list[Declarations]:
        """The files of declarations of the config. Raises SignalError for an unreadable one."""
        return [parse_declarations(read_anywhere(p)) for p in self.config.lists.declarations]

    @cached_property
    def safe(self) -> pa.Table:
        """SAFE of the config's safe lists. Raises UsageError for an unreadable one."""
        lines = [one for p in self.config.match.safe for one in parse_safe(read_anywhere(p), p)]
        return safe_table(lines)

    @cached_property
    def bodies(self) -> Store:
        """The store whose packs hold the fetched bytes."""
        return open_store(self.plan.store_root) if self.plan.store_root else self.work

    def secret(self) -> bytes:
        """Return the 32 bytes from which the ledger's salts come, drawn once for a fetch store."""
        if self.plan.store_root:
            return self.bodies.read(SECRET_PATH)
        self.work.publish_once(SECRET_PATH, secrets.token_bytes(32))
        return self.work.read(SECRET_PATH)

    @cached_property
    def safety(self) -> SafetyLists:
        """The safety lists of the config."""
        return SafetyLists.load(self.config.safety, read_anywhere)

    def packs(self, folder: str) -> PackWriter:
        """Return a writer of packs that stores nothing that a safety list names."""
        return PackWriter(self.work, folder, never=self.safety.names)

    def embedder(self) -> Embedder:
        """Return the model of `sem`, loaded once a process and checked against the plan."""
        return load_pinned(self.plan.model, self.config.model.batch_size)

    def matcher(self) -> Embedder:
        """Return the registry's matcher, likewise."""
        place = self.config.match.matcher
        return load_pinned(self.plan.matcher, self.config.model.batch_size, matcher=place)

    def honoured(self, ref: Ref) -> Honoured:
        """Return the claims that a build honours, read and checked once a process."""
        return honoured_at(self.work.root, ref.path)

    def cohort(self) -> Cohort:
        """Return the matcher's cohort."""
        from pipeline.models.matcher_files import load_cohort  # noqa: PLC0415  # megabytes, few tasks

        return load_cohort(self.config.match.matcher)

    def publish(self, path: str, body: bytes, rows: int = 0) -> Ref:
        """Publish bytes and return their reference."""
        self.work.publish(path, body)
        return Ref(path, sha256_hex(body), rows)

    def publish_table(self, path: str, table: pa.Table) -> Ref:
        """Publish a table as Parquet."""
        return self.publish(path, parquet_bytes(table), table.num_rows)

    def publish_buckets(self, path: str, table: pa.Table, bucket: pa.Array) -> Ref:
        """Publish a table with one row group per bucket."""
        return self.publish(path, write_bucketed(table, bucket), table.num_rows)

    def table(self, ref: Ref) -> pa.Table:
        """Read a published table, refusing bytes other than those that were published."""
        body = self.work.read(ref.path)
        if sha256_hex(body) != ref.sha256:
            raise StorageError(f"expected sha256 {ref.sha256} of {ref.path}, found other bytes")
        return pq.read_table(pa.BufferReader(body))

    def refs(self, task: Task, name: str) -> list[Ref]:
        """Return the refs of an argument that names a published list of them.

        Every task of a stage may read what every task of another wrote: the list is a file, so that
        tasks stay small however many there are.
        """
        listed = json.loads(self.work.read(task.ref(name).path))
        return [Ref.from_json(r) for r in listed]

    def publish_refs(self, refs: Sequence[Ref]) -> Ref:
        """Publish a list of references under its own digest."""
        body = canonical_json([r.as_json() for r in refs])
        return self.publish(f"lists/{sha256_hex(body)}.json", body, len(refs))

    def facts(self, task: Task, shard: int) -> Facts:
        """Return what is known of a shard's URLs: arguments documents, pages, listed, observed.

        An argument that a task does not have is nothing observed yet.
        """
        observed = self._observed(task, "observed", shard)
        listed = self.bucket(self.refs(task, "listed"), shard, LISTED)
        if self.config.lists.declarations:
            more = declared_contents(observed, self.declarations, self.created_us)
            listed = pa.concat_tables([listed, more])
        return Facts(
            observed=observed,
            documents=self.bucket(self.refs(task, "documents"), shard, DOCUMENTS),
            pages=self._observed(task, "pages", shard),
            listed=listed,
        )

    def _observed(self, task: Task, name: str, shard: int) -> pa.Table:
        refs = self.refs(task, name) if name in task.args else []
        return self.bucket(refs, shard, OBSERVED)

    def foreign_table(self, store: Store, path: str) -> pa.Table:
        """Read a table of another build's work folder, which has no references here."""
        return pq.read_table(pa.BufferReader(store.read(path)))

    def bucket(self, refs: Sequence[Ref], bucket: int, schema: pa.Schema) -> pa.Table:
        """Read one bucket out of several published files, in the order of `refs`."""
        return gather_bucket(self.work, [r.path for r in refs], bucket, schema).combine_chunks()


@lru_cache(maxsize=4)
def context_at(root: str) -> Context:
    """Return the context of a work folder, opened once a process."""
    work = open_store(root)
    return Context(work, Plan.model_validate(json.loads(work.read(PLAN_PATH))))


def load_pinned(choice: ModelChoice, batch_size: int, *, matcher: str = "") -> Embedder:
    """Load a model as the plan chose it. matcher: name or folder of one; "" for any other model.

    Raises ModelMismatchError where the weights found here are not those that were planned.
    """
    from pipeline.models.loading import load_embedder, load_matcher  # noqa: PLC0415  # torch
    from schemas.errors import ModelMismatchError  # noqa: PLC0415

    load = load_matcher if matcher else load_embedder
    model = load(
        matcher or choice.name,
        precision=choice.precision,
        device=choice.device,
        batch_size=batch_size,
    )
    if model.card.fingerprint != choice.fingerprint:
        raise ModelMismatchError(
            f"expected {choice.name} with fingerprint {choice.fingerprint[:16]}, "
            f"found {model.card.fingerprint[:16]} on this machine"
        )
    return model


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as Parquet, the same bytes for the same table."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_statistics=False)
    body: bytes = sink.getvalue().to_pybytes()
    return body
