"""What a build will do, as values: the plan that pins it, its tasks, their receipts.

Rules:
* A task is named by what it reads: stage, name and arguments (paths with their sha256, numbers).
  Its digest is part of its output paths, so that a second run finds what the first one finished.
* A task is done when its receipt is there. The receipt is published after the outputs.
* The identity of a plan is its config (without what leaves no trace in a release) and its source.
  A work folder holds one plan; another identity is refused, with the keys that differ.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas import SCHEMA_VERSION
from schemas.canonical import canonical_json, digest
from schemas.config import BuildConfig
from schemas.errors import PlanError, SchemaError

STAGE_VERSION = 8
"""Raised whenever a stage would give other bytes for the same arguments."""

VAULT_FORMAT = "vault"
"""Format of a source that is the vault of a release: rows that `recuse optout review` let in."""

TRACELESS = {
    "workers": None,
    "output": ("hold_days", "keep_store", "key"),
    "registry": ("url", "pin", "max_age_days"),
    "match": ("matcher",),  # a place; the fingerprint is what has to stay
    "fetch": (
        "connections",
        "per_host",
        "connect_timeout_s",
        "backoff_s",
        "max_retry_after_s",
        "retries",
    ),
}
"""Config that may change between two runs of one plan: it moves no byte of the release."""

GROUPS = {
    "source": "search",
    "identify": "search",
    "screen": "search",
    "lists": "network",
    "sift": "search",
    "requests": "search",
    "fetch": "network",
    "lookup": "search",
    "redirects": "search",
    "prepare": "model",
    "readmit": "search",  # instead of all before, where the source is a vault
    "evidence": "search",
    "relate": "search",
    "redact": "model",  # a caption that was cut is compared with its image again
    "match": "search",
    "decide": "search",
    "release": "search",
    "map": "search",
}
"""The group of workers that runs a stage."""


@dataclass(frozen=True)
class Ref:
    """A published file: where it is and what it holds."""

    path: str
    sha256: str
    rows: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "sha256": self.sha256, "rows": self.rows}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Ref":
        return Ref(str(value["path"]), str(value["sha256"]), int(value["rows"]))


@dataclass(frozen=True)
class Task:
    """One unit of work and resume. `args` is a JSON value; refs stand in it as Ref.as_json."""

    stage: str
    name: str
    args: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Hex digest over stage, version, name and arguments."""
        return digest([self.stage, STAGE_VERSION, self.name, dict(self.args)])

    @property
    def key(self) -> str:
        """A name that no other task of the build has."""
        return f"{self.stage}-{self.name}-{self.digest[:16]}"

    @property
    def receipt_path(self) -> str:
        return f"receipts/{self.stage}/{self.name}-{self.digest[:16]}.json"

    @property
    def group(self) -> str:
        """The group of workers that may run it."""
        return GROUPS[self.stage]

    def path(self, folder: str, suffix: str = ".parquet") -> str:
        """Return the path of an output in a folder."""
        return f"{folder}/{self.name}-{self.digest[:16]}{suffix}"

    def ref(self, name: str) -> Ref:
        """Return the ref of an argument that holds one."""
        return Ref.from_json(self.args[name])


@dataclass(frozen=True)
class Receipt:
    """What a finished task published, and what it counted."""

    stage: str
    name: str
    outputs: Mapping[str, Ref]
    counts: Mapping[str, int]
    seconds: float

    def to_bytes(self) -> bytes:
        return canonical_json(
            {
                "stage": self.stage,
                "name": self.name,
                "outputs": {k: v.as_json() for k, v in self.outputs.items()},
                "counts": dict(self.counts),
                "seconds": self.seconds,
            }
        )

    @staticmethod
    def parse(value: Mapping[str, Any]) -> "Receipt":
        """Read a receipt back. Raises SchemaError where a key is missing."""
        try:
            outputs = {k: Ref.from_json(v) for k, v in value["outputs"].items()}
            return Receipt(
                value["stage"], value["name"], outputs, value["counts"], value["seconds"]
            )
        except (KeyError, TypeError, AttributeError) as e:
            raise SchemaError(f"expected a task's receipt, found {value!r}") from e


class ModelChoice(BaseModel):
    """A model and how it runs, chosen once, in the plan."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str
    fingerprint: str
    weights_sha256: str
    precision: str
    device: str
    edge_px: int
    duplicate_threshold: float
    notice: str = ""


class Plan(BaseModel):
    """plan.json of a work folder: everything that is chosen once for a build."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    schema_version: int = SCHEMA_VERSION
    created: str  # RFC 3339; stands in the manifest
    tool_version: str
    config: dict[str, Any]
    source: dict[str, Any]  # pipeline.source.SourcePlan as JSON
    source_fingerprint: str
    rows_estimate: int
    shards: int
    host_buckets: int
    identity_buckets: int
    model: ModelChoice
    matcher: ModelChoice
    safety_sha256: str  # digest over the hash lists in force
    store_root: str = ""  # work folder whose fetch store answers instead of the web
    claims: dict[str, Any] | None = None  # Ref of the snapshots at the start; no part of identity

    def build_config(self) -> BuildConfig:
        """Return the config as values."""
        return BuildConfig.model_validate(self.config)

    @property
    def is_of_vault(self) -> bool:
        """Say whether rows come out of a vault, and nothing is asked."""
        return bool(self.source["format"] == VAULT_FORMAT)

    def duplicate_similarity(self) -> float:
        """Return the cosine that makes near-copies: the config's, else the model card's."""
        chosen: float = self.build_config().relate.similarity
        return chosen or self.model.duplicate_threshold

    def notices(self) -> list[str]:
        """Return what whoever uses the plan's models is told, each line once."""
        return list(dict.fromkeys(m.notice for m in (self.model, self.matcher) if m.notice))

    def identity(self) -> dict[str, Any]:
        """Return what two runs must share to be one build, as flat keys."""
        keys = {f"config.{k}": v for k, v in flat(lasting(self.config))}
        return {
            **keys,
            "source": self.source_fingerprint,
            "model": self.model.fingerprint,
            "matcher": self.matcher.fingerprint,
            "safety lists": self.safety_sha256,
        }

    def identity_digest(self) -> str:
        """Return the digest by which a manifest names the plan."""
        return digest(self.identity())


def lasting(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a config that leaves a trace in a release."""
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if key in TRACELESS:
            gone = TRACELESS[key]
            if gone is not None:
                kept[key] = {k: v for k, v in value.items() if k not in gone}
        else:
            kept[key] = value
    registry = kept.get("registry", {})
    if "lists" in registry:  # where a list lies may change, and names this machine
        places = [{k: v for k, v in one.items() if k != "location"} for one in registry["lists"]]
        kept["registry"] = registry | {"lists": places}
    return kept


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and their leaf values."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def require_same(old: Plan, new: Plan) -> None:
    """Raise PlanError, naming what differs, unless both plans are of one build."""
    before, after = old.identity(), new.identity()
    changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    if changed:
        lines = [f"  {k}: was {before.get(k)!r}, now {after.get(k)!r}" for k in changed]
        raise PlanError(
            "expected the config and source with which this work folder was begun, found\n"
            + "\n".join(lines)
            + "\nGive another --out and --work, or delete the work folder to begin anew."
        )


def units(rows: int, per_unit: int) -> int:
    """Return how many units hold `rows`, at least one."""
    return max(1, -(-rows // per_unit))
