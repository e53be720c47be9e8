"""Commands on a registry in PostgreSQL, of a user with a password that nobody else may see."""

import os
from pathlib import Path

import pytest

from jobs.cli import given, optout, registry
from jobs.registries import KEYS_VARIABLE
from jobs.summary import registries
from schemas.config import RegistryConfig
from schemas.errors import RegistryError, UsageError
from tests.databases import PASSWORD
from tests.e2e.builds import build, picture, recuse, url_list
from tests.jobs.commands import run
from tests.jobs.test_optout_cli import fill
from tests.servers import Answer, Asked, serve

QUOTED = "hunter2"  # what of the password is the same in every notation


@pytest.fixture
def place(tmp_path, guarded_database, monkeypatch):
    """A folder for all files; RECUSE_REGISTRY names the database."""
    assert QUOTED in PASSWORD
    monkeypatch.setenv("RECUSE_REGISTRY", guarded_database.where)
    monkeypatch.setenv(KEYS_VARIABLE, str(tmp_path / "claim.keys"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(given, "matcher_of", lambda _name: None)
    return tmp_path


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_from_submission_to_erasure(place):
    """Every command, and never the password: neither in what is said nor in a file."""
    said = [run(registry.app, "init", "example.org/optouts")]
    works = fill(place / "works", 2)
    said.append(
        run(optout.app, "submit", works, "--artist", "Ada Example", "--host", "ada.example")
    )
    (claim,) = (place / "data" / "recuse" / "claimant").glob("*.tlog-proof")
    claim_id = claim.name.partition(".")[0]
    receipt = claim.with_name(f"{claim_id}.receipt.json")
    commands = (
        (registry.app, "publish", "--to", place / "log"),
        (optout.app, "list"),
        (optout.app, "show", claim_id),
        (optout.app, "receipt", claim_id),
        (optout.app, "status", claim_id),
        (optout.app, "snapshot", "--out", place / "snapshot"),
        (registry.app, "rotate"),
        (registry.app, "review"),
        (registry.app, "publish", "--to", place / "log"),
        (optout.app, "verify-receipt", receipt, "--registry", given_registry()),
        (optout.app, "erase", claim_id, "--all", "--yes"),
        (registry.app, "publish", "--to", place / "log"),
    )
    said += [run(*words) for words in commands]
    assert "postgresql://guarded:***@/" in " ".join(said)
    for words in (
        (registry.app, "init", "example.org/optouts"),
        (registry.app, "init", "example.org/other"),
        (optout.app, "show", "0" * 32),
        (registry.app, "backup", place / "copy.db"),
        (optout.app, "verify-receipt", receipt, "--registry", given_registry("hunter3")),
    ):
        with pytest.raises((UsageError, RegistryError)) as raised:
            run(*words)
        said.append(" ".join([str(raised.value), *getattr(raised.value, "__notes__", [])]))
    assert "pg_dump" in " ".join(said)
    assert "hunter" not in " ".join(said)
    assert b"hunter" not in written(place)
    tree = (place / "log" / "checkpoint").read_text()
    assert "example.org/optouts" in tree


def given_registry(password: str = "") -> str:
    where = os.environ["RECUSE_REGISTRY"]
    return where.replace(QUOTED, password) if password else where


def test_a_dry_run_does_not_name_the_password():
    config = RegistryConfig(url="postgresql://ada:hunter2@host/db")
    assert registries(config) == [("registry", "postgresql://ada:***@host/db")]


@pytest.mark.slow
def test_a_release_and_its_work_folder_do_not_name_the_password(place):
    def answer(asked: Asked) -> Answer:
        number = asked.path.removeprefix("/").removesuffix(".jpg")
        return Answer(200, picture(int(number))) if number.isdigit() else Answer(404)

    (place / "works").mkdir()
    (place / "works" / "0.jpg").write_bytes(picture(0))
    where = given_registry()
    recuse("optout", "submit", place / "works", "--artist", "Ada Example", "--kind", "work")
    with serve(answer) as server:
        source = url_list(place / "urls.jsonl", [server.url(f"/{n}.jpg") for n in range(3)])
        words = (source, place / "out", "--allow-hosts", server.at("127.0.0.1")[0],
                 "--registry", where, "--workers", "0", "--no-dedup", "--keep-store")  # fmt: skip
        planned, done = build(*words, "--dry-run"), build(*words)
    assert done.returncode == 0, done.stderr
    assert "postgresql://guarded:***@" in planned.stdout
    assert "hunter" not in planned.stdout + planned.stderr
    said = recuse("audit", "verify", place / "out", "--registry", where)
    assert "hunter" not in done.stdout + done.stderr + said
    assert b"hunter" not in written(place)
    assert b"guarded" not in written(place / "out")
