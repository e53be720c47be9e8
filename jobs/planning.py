"""The plan of a build: made once, kept in the work folder, compared on every later run."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.claims import newest, pin, require_comparable, require_usable
from jobs.context import PLAN_PATH, SECRET_PATH
from jobs.places import require_no_strangers
from jobs.readmission import is_vault, let_in
from optout.signals.declarations import parse as parse_declarations
from optout.storage import shown
from pipeline.clock import clock_from_environment
from pipeline.filters import check
from pipeline.image.resize import require_encodable
from pipeline.layout import VAULT
from pipeline.manifest import MANIFEST_PATH, read_manifest
from pipeline.plan import ModelChoice, Plan, require_same, units
from pipeline.slim import sample_names
from pipeline.source import SourcePlan, list_parts
from pipeline.storage import open_store, read_anywhere
from pipeline.web.resolve import check_allow_hosts
from schemas.canonical import canonical_json, digest, sha256_hex
from schemas.config import BuildConfig
from schemas.errors import PlanError, UsageError
from schemas.manifest import Manifest
from schemas.ports import Embedder, Store
from schemas.safe import parse_safe
from schemas.verdict import Stance
from schemas.version import installed_version

LOGS = "logs"
ROWS_PER_IDENTITY_BUCKET = 1_000_000


@dataclass(frozen=True)
class Job:
    """What the command line asks for."""

    source: str
    out: str
    work: str
    from_store: str
    config: BuildConfig

    def log_path(self) -> Path | None:
        """Return where the run's log goes; a remote work folder keeps none."""
        if "://" in self.work:
            return None
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return Path(self.work) / LOGS / f"build-{stamp}.jsonl"

    @property
    def vault(self) -> str:
        """The folder beside the release that is never published."""
        return f"{self.out}.vault"


def finished_release(job: Job) -> Manifest | None:
    """Return the manifest of a release that this very build has finished.

    Raises PlanError where the output folder holds something else.
    """
    out, work = open_store(job.out), open_store(job.work)
    kept = kept_plan(work)
    if not out.exists(MANIFEST_PATH):
        if kept is None and out.paths(""):
            raise PlanError(
                f"expected {job.out} to be empty or begun by this build, found other files; "
                "give another --out"
            )
        require_no_strangers(open_store(job.vault, private=True), VAULT)
        return None
    manifest = read_manifest(out)
    if kept is None or manifest.plan != kept.identity_digest():
        raise PlanError(
            f"{job.out} holds the release of another build ({manifest.title or 'untitled'}, "
            f"created {manifest.created}); give another --out"
        )
    require_same(kept, make_plan(job, kept, kept.created))
    return manifest


def kept_plan(work: Store) -> Plan | None:
    """Return the plan of a work folder. Raises PlanError where it cannot be read."""
    if not work.exists(PLAN_PATH):
        return None
    try:
        return Plan.model_validate(json.loads(work.read(PLAN_PATH)))
    except ValueError as e:
        raise PlanError(f"expected a plan of this version in {work.root}/{PLAN_PATH}: {e}") from e


def plan_of(job: Job, work: Store, *, keep: bool) -> Plan:
    """Return the plan of the work folder, made now where there is none.

    A new plan pins the claims as they are now; a list that cannot be read or verified stops here,
    before anything is written. keep: publish it. Raises PlanError where the folder holds the plan
    of another build, RegistryError as `jobs.claims.newest`.
    """
    registry = job.config.registry
    require_usable(registry)
    require_grants(job.config)
    old = kept_plan(work)
    if old is not None:
        require_same(old, make_plan(job, old, old.created))
        return old
    created = created_now()
    members = newest(registry, created, signs=keep)  # before models are loaded
    new = make_plan(job, None, created)
    require_comparable(members, new.matcher.fingerprint)
    if keep:
        claims = pin(members, new.matcher.fingerprint, work).ref
        new = new.model_copy(update={"claims": claims.as_json()})
        work.publish(PLAN_PATH, canonical_json(new.model_dump(mode="json")))
    return new


def make_plan(job: Job, old: Plan | None, created: str) -> Plan:
    """Return the plan that the job asks for; models are loaded only where `old` has no answer."""
    config = job.config
    source = source_of(job, old)
    if job.from_store and not open_store(job.from_store).exists(SECRET_PATH):
        raise UsageError(
            f"expected the work folder of a build that kept its fetch store in {job.from_store} "
            "(output.keep_store), found none"
        )
    rows = source.rows_estimate
    check(config.filters, sample_names(source.extra_schema.names))
    require_encodable(config.decode)
    check_allow_hosts(config.fetch.allow_hosts)
    asked = config.as_json()
    asked["registry"]["url"] = shown(config.registry.url)  # a file is no place for its password
    if old is not None and _models(old.config) == _models(asked):
        model, matcher = old.model, old.matcher
    else:
        model, matcher = chosen_models(config)
    return Plan(
        created=created,
        tool_version=installed_version(),
        config=asked,
        source=source.as_json(),
        source_fingerprint=source.fingerprint,
        rows_estimate=rows,
        shards=units(rows, config.output.shard_rows),
        host_buckets=units(rows, config.fetch.urls_per_task),
        identity_buckets=units(rows, ROWS_PER_IDENTITY_BUCKET),
        model=model,
        matcher=matcher,
        safety_sha256=lists_digest(config),
        store_root=job.from_store,
    )


def source_of(job: Job, old: Plan | None) -> SourcePlan:
    """Return how the source will be read: a list, images, or the rows that a vault lets in."""
    if not is_vault(job.source):
        return list_parts(job.source, job.config.source)
    if job.from_store:
        raise UsageError("expected a vault or --from-store, found both: a vault needs no store")
    return let_in(job.source, public_config(job.config), job.config.match.safe, old)


def _models(config: dict[str, Any]) -> tuple[Any, Any]:
    return config["model"], config["match"]["matcher"]


def require_grants(config: BuildConfig) -> None:
    """Raise UsageError for a build that keeps what is granted, and asks nobody who could grant."""
    registry = config.registry
    if config.mode == Stance.OPT_IN and not (registry.url or registry.subscribed):
        raise UsageError(
            "mode opt_in expects registry.url or registry.lists: without claims nothing is granted"
        )


def lists_digest(config: BuildConfig) -> str:
    """Return the digest over the content of safety lists, declarations and safe lists in force.

    Raises SignalError where a file of declarations cannot be read, UsageError for a safe list: the
    run stops before it begins.
    """
    for path in config.lists.declarations:
        parse_declarations(read_anywhere(path))
    for path in config.match.safe:
        parse_safe(read_anywhere(path), path)
    lists = {
        kind: sorted(sha256_hex(read_anywhere(path)) for path in paths)
        for kind, paths in (
            ("sha256", config.safety.sha256),
            ("pdq", config.safety.pdq),
            ("declarations", config.lists.declarations),
            ("safe", config.match.safe),
        )
    }
    return digest(lists)


def chosen_models(config: BuildConfig) -> tuple[ModelChoice, ModelChoice]:
    """Load the model and the matcher once, and return how they will run."""
    from pipeline.models.architecture import choose_precision  # noqa: PLC0415  # torch
    from pipeline.models.loading import (  # noqa: PLC0415
        MATCHER_PRECISION,
        load_embedder,
        load_matcher,
    )

    wanted = config.model
    precision, device = choose_precision(wanted.name, wanted.precision, wanted.device)
    size = wanted.batch_size
    model = load_embedder(wanted.name, precision=precision, device=device, batch_size=size)
    matcher = load_matcher(config.match.matcher, device=device, batch_size=size)
    return (
        model_choice(model, wanted.name, precision, device),
        model_choice(matcher, matcher.card.name, MATCHER_PRECISION, device),
    )


def model_choice(model: Embedder, name: str, precision: str, device: str) -> ModelChoice:
    """Return what the plan keeps of a loaded model."""
    card = model.card
    return ModelChoice(
        name=name,
        fingerprint=card.fingerprint,
        weights_sha256=card.weights_sha256,
        precision=precision,
        device=device,
        edge_px=model.edge_px,
        duplicate_threshold=card.duplicate_threshold,
        notice=card.notice,
    )


def created_now() -> str:
    """Return the time that the manifest will carry."""
    seconds = clock_from_environment().now_us() // 1_000_000
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def public_config(config: BuildConfig) -> dict[str, Any]:
    """Return the part of a config that a manifest shows: nothing that names this machine."""
    from pipeline.plan import lasting  # noqa: PLC0415

    public = lasting(config.as_json())
    public["safety"] = {"pdq_radius": config.safety.pdq_radius}
    for section, key, paths in (
        ("lists", "declarations", config.lists.declarations),
        ("match", "safe", config.match.safe),
    ):
        named = [f"sha256:{sha256_hex(read_anywhere(p))}" for p in paths]
        public[section] = {**public[section], key: named}
    return public
