"""An audit for programs: JSON, and an in-toto statement of what was verified."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jobs.verifying import Report
from pipeline.audit import Status
from pipeline.manifest import MANIFEST_PATH


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
