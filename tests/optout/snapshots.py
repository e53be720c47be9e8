"""Builders of small registries' snapshots, without a database."""

from typing import Any

from optout import snapshot
from schemas.snapshot import Snapshot, SnapshotHeader
from schemas.tables import SNAPSHOT_CLAIMS, WORKS, from_rows
from tests.optout.claims import MATCHER, unit


def claim(number: int, **changes: Any) -> dict[str, Any]:
    given = {
        "claim_id": f"{number:032x}",
        "scope": "artist",
        "stance": "opt_out",
        "level": 0,
        "names": [],
        "hosts": [],
        "accounts": [],
        "captions": "drop",
        "urls": [],
        "license": "",
        "attribution": "",
        "style_state": "none",
        "seq": number,
        "commitment": f"{number:064x}",
    }
    return given | changes


def work(number: int, claim_number: int, **changes: Any) -> dict[str, Any]:
    given = {
        "claim_id": f"{claim_number:032x}",
        "work_id": f"{number:04d}",
        "sha256": f"{number:064x}",
        "pixel_sha256": f"{number + 1000:064x}",
        "pdq": [bytes([number]) * 32] * 8,
        "pdq_quality": 90,
        "matcher": MATCHER,
        "cpy": unit(number).astype("f2"),
        "sty": unit(number + 1).astype("f2"),
        "cohort_mean": 0.25,
    }
    return given | changes


def taken(
    claims: list[dict[str, Any]], works: list[dict[str, Any]] | None = None, **header: Any
) -> Snapshot:
    tables = from_rows(claims, SNAPSHOT_CLAIMS), from_rows(works or [], WORKS)
    given = {
        "origin": "local/a",
        "size": max(len(claims), 1),
        "root": "0" * 64,
        "recorded_at": "2026-01-01T00:00:00.000000Z",
        "matcher": MATCHER,
        "matcher_name": "fake",
        "trust_local": False,
        "tables_sha256": snapshot.tables_sha256(*tables),
    }
    return Snapshot(SnapshotHeader(**given | header), *tables)
