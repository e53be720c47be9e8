"""The document that makes files a release: counts that add up, and every file by its digest."""

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from optout.log.merkle import EMPTY_ROOT
from optout.log.sparse import EMPTY
from pipeline.release_maps import BAND_SPEC, LEDGER_SPEC, MAP_SPEC, ROW_SPEC
from schemas import SCHEMA_VERSION
from schemas.canonical import canonical_json
from schemas.config import BuildConfig
from schemas.errors import SchemaError
from schemas.manifest import FileEntry, Manifest
from schemas.ports import Store
from schemas.verdict import Verdict

MANIFEST_PATH = "manifest.json"
MANIFEST_KIND = "recuse-manifest/1"
"""What its note says it vouches for (optout.signed_file)."""
SPECS = (MAP_SPEC, ROW_SPEC, BAND_SPEC, LEDGER_SPEC)
_ROOT = re.compile("[0-9a-f]{64}")


def counts(decided: pa.Table) -> dict[str, dict[str, int]]:
    """Return rows by verdict and reason: {"keep": {"": n}, "drop": {reason: n}, "hold": …}."""
    grouped = decided.group_by(["verdict", "reason"]).aggregate([([], "count_all")])
    said: dict[str, dict[str, int]] = {str(v): {} for v in Verdict}
    for row in grouped.sort_by([("verdict", "ascending"), ("reason", "ascending")]).to_pylist():
        said[row["verdict"]][row["reason"] or ""] = row["count_all"]
    return said


def thresholds_of(config: BuildConfig) -> dict[str, float]:
    """Return the thresholds of a manifest that follow from the config of its build."""
    chosen = config.relate.similarity  # 0: the model's own, which the config does not have
    return ({"duplicate_similarity": chosen} if chosen else {}) | {
        "pdq_radius": float(config.relate.pdq_radius),
        "match_epsilon": config.match.epsilon,
        "style_budget": config.match.style_budget,
        "share_cap": config.match.share_cap,
        "claim_share": config.match.claim_share,
    }


def assemble(draft: Manifest, files: Iterable[FileEntry]) -> Manifest:
    """Return the finished manifest: files sorted by path, and the balance of rows checked.

    draft: all but the files. Raises SchemaError where rows in are not released, dropped or held,
    each exactly once; where the files' rows contradict the counts; or where a path occurs twice.
    """
    entries = sorted(files, key=lambda f: f.path)
    finished = draft.model_copy(update={"files": entries})
    check_balance(finished)
    check_roots(finished)
    check_files(finished)
    return finished


def check_balance(manifest: Manifest) -> None:
    """Raise SchemaError unless every input row ended in exactly one place."""
    told = [manifest.released, *manifest.dropped.values(), *manifest.held.values()]
    if min(told) < 0:
        raise SchemaError(f"expected no count below 0, found {min(told)}")
    if not manifest.balanced():
        dropped, held = sum(manifest.dropped.values()), sum(manifest.held.values())
        raise SchemaError(
            f"expected {manifest.rows_in:,} rows in = released + dropped + held, found "
            f"{manifest.released:,} + {dropped:,} + {held:,}"
        )


def check_files(manifest: Manifest) -> None:
    """Raise SchemaError where a path occurs twice, or rows of files contradict the counts."""
    paths = sorted(f.path for f in manifest.files)
    if len(set(paths)) != len(paths):
        raise SchemaError(f"expected each file once, found {_twice(paths)} more than once")
    out = sum(manifest.dropped.values()) + sum(manifest.held.values())
    for folder, expected in (("samples/", manifest.released), ("ledger/", out)):
        own = [f for f in manifest.files if f.path.startswith(folder)]
        rows = sum(f.rows or 0 for f in own if f.path.endswith(".parquet"))
        if rows != expected:
            raise SchemaError(f"expected {expected:,} rows in {folder}, found {rows:,}")


def check_roots(manifest: Manifest) -> None:
    """Raise SchemaError where the roots cannot be those of a release with these counts.

    Whether they are its own only the samples tell.
    """
    roots = manifest.roots
    specs = (roots.map_spec, roots.row_spec, roots.band_spec, roots.ledger_spec)
    if specs != SPECS:
        raise SchemaError(f"expected maps made by {', '.join(SPECS)}, found {', '.join(specs)}")
    for name in ("rows", "bands", "ledger"):
        if not _ROOT.fullmatch(root := getattr(roots, name)):
            raise SchemaError(f"expected 64 hex digits as root of {name}, found {root!r:.80}")
    out = sum(manifest.dropped.values()) + sum(manifest.held.values())
    if roots.ledger_rows != out:
        found = f"{roots.ledger_rows:,}"
        raise SchemaError(f"expected {out:,} rows under the ledger root, found {found}")
    if roots.row_keys < manifest.released:
        raise SchemaError(
            f"expected {manifest.released:,} uids or more under the row root, "
            f"found {roots.row_keys:,} keys"
        )
    for name, keys, empty in (
        ("rows", roots.row_keys, EMPTY),
        ("bands", roots.band_keys, EMPTY),
        ("ledger", roots.ledger_rows, EMPTY_ROOT),
    ):
        if (keys == 0) != (getattr(roots, name) == empty.hex()):
            raise SchemaError(f"expected the empty root of {name} with no key and with no other")


def _check_said(manifest: Manifest) -> None:
    """Raise SchemaError unless times have a zone, and roots of lists are hex."""
    try:
        begun = datetime.fromisoformat(manifest.created)
    except ValueError as e:
        raise SchemaError(f"expected the time of creation, found {manifest.created!r:.80}") from e
    if begun.tzinfo is None:
        raise SchemaError(f"expected a time of creation with its zone, found {manifest.created}")
    for entry in manifest.lists:
        if entry.used and (entry.size is None or not _ROOT.fullmatch(entry.root or "")):
            raise SchemaError(f"expected size and root of the list {entry.origin}, found others")


def _twice(paths: list[str]) -> str:
    return next(a for a, b in pairwise(paths) if a == b)


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as canonical JSON (RFC 8785)."""
    return canonical_json(manifest.model_dump(mode="json"))


def parse_manifest(body: bytes) -> Manifest:
    """Return the manifest in JSON bytes.

    Raises SchemaError for bytes that are no manifest, one of a schema_version that we do not know,
    one whose rows do not add up, or one that is not canonical (its digest would not be its own).
    """
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(str(p) for p in first["loc"]) or "document"
        raise SchemaError(f"expected a manifest, found {place}: {first['msg']}") from e
    if manifest.schema_version != SCHEMA_VERSION:
        raise SchemaError(
            f"expected schema_version {SCHEMA_VERSION}, found {manifest.schema_version}"
        )
    check_balance(manifest)
    check_roots(manifest)
    check_files(manifest)
    _check_said(manifest)
    if manifest_bytes(manifest) != body:
        raise SchemaError("expected a manifest as canonical JSON (RFC 8785), found other bytes")
    return manifest


def read_manifest(store: Store) -> Manifest:
    """Return the manifest of the release in a store.

    Raises SchemaError as `parse_manifest`, naming the file; StorageError where there is none.
    """
    body = store.read(MANIFEST_PATH)
    try:
        return parse_manifest(body)
    except SchemaError as e:
        raise SchemaError(f"{store.root}/{MANIFEST_PATH}: {e}") from e


def row_counts(decided: pa.Table) -> tuple[int, dict[str, int], dict[str, int]]:
    """Return released, dropped by reason, held by reason."""
    said = counts(decided)
    kept = pc.sum(pc.equal(decided["verdict"], str(Verdict.KEEP))).as_py() or 0
    return int(kept), said[str(Verdict.DROP)], said[str(Verdict.HOLD)]
