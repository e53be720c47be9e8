"""Audits as tests run them, and releases that a builder has changed by hand."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from typer.testing import CliRunner

from jobs.cli import audit
from tests.independent.liar import Lie

RUNNER = CliRunner()
OWN = bytes([9] * 32)
"""The key of the builder who lies."""


def changed(folder: Path, name: str = "one", seed: bytes = OWN) -> Lie:
    return Lie(folder / name, folder / f"{name}.vault", seed)


def signed_copies(source: Path, target: Path, names: Iterable[str], registry: str) -> Path:
    """Copy releases with their vaults and registry, to be changed; signed by OWN."""
    for name in names:
        for suffix in ("", ".vault"):
            shutil.copytree(source / f"{name}{suffix}", target / f"{name}{suffix}")
        changed(target, name).sign()
    for suffix in ("", ".keys", ".log-key"):
        shutil.copy(f"{source / registry}{suffix}", f"{target / registry}{suffix}")
    shutil.copy(source / "claimant" / "policy", target / "policy")
    return target


def told(copy: Path, name: str = "one") -> dict:
    return json.loads((copy / name / "manifest.json").read_bytes())


def run(*args: object, model: str = "") -> tuple[int, dict]:
    words = ["verify", *map(str, args), "--matcher", model, "--json"]
    result = RUNNER.invoke(audit.app, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def statuses(found: dict) -> dict[str, str]:
    return {check["name"]: check["status"] for check in found["checks"]}
