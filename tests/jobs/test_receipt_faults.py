"""What breaks off while a claim is submitted or proved: no claim stands without key or receipt."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import receipts
from jobs.cli import optout, registry
from optout.log import checkpoint, proof
from optout.registry import Registry
from schemas.errors import (
    ClaimError,
    RegistryError,
    RollbackError,
    StorageError,
    UsageError,
)
from tests.fakes import FixedClock
from tests.jobs.commands import run
from tests.jobs.publishing import BrokenOffError

KINDS = ["failed", "written"]


@pytest.fixture
def place(own_place) -> Path:
    run(registry.app, "init", "example.org/optouts")
    return own_place / "home"


SUBMIT = ("submit", "--artist", "Ada Example", "--host", "ada.example")


def claim_in(place: Path, number: int = 0) -> str:
    with Registry.open(str(place / "registry.db"), FixedClock()) as opened:
        return opened.claims()[number].claim_id


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", ["none", "older"])
def test_writing_a_proof_may_fail_and_leaves_a_good_one(place, before, kind):
    run(optout.app, *SUBMIT)
    claim = claim_in(place)
    files = receipts.files_at(place / "claimant" / f"{claim}.receipt.json")
    older = files.proof.read_bytes()
    if before == "none":
        files.proof.unlink()
    run(registry.app, "publish")
    write = receipts.replace_private

    def faulty(path: Path, body: bytes) -> None:
        if kind == "written":
            write(path, body)
        raise BrokenOffError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receipts, "replace_private", faulty)
        with pytest.raises(BrokenOffError):
            run(optout.app, "receipt", claim)
    if kind == "failed":
        assert not files.proof.exists() if before == "none" else files.proof.read_bytes() == older
    if files.proof.exists():
        run(optout.app, "verify-receipt", files.proof)
    run(optout.app, "receipt", claim)
    run(optout.app, "verify-receipt", files.proof)
    assert checkpoint.parse(proof.parse(files.proof.read_bytes()).checkpoint).size == 2


def test_a_disk_that_is_full_leaves_the_proof_that_is_there(place):
    run(optout.app, *SUBMIT)
    claim = claim_in(place)
    files = receipts.files_at(place / "claimant" / f"{claim}.receipt.json")
    older = files.proof.read_bytes()
    run(registry.app, "publish")

    def full(*_args) -> None:
        raise OSError(28, "No space left on device")

    for name in ("write_bytes", "replace"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, name, full)
            if name == "write_bytes":
                patch.setattr("os.fsync", full)
            with pytest.raises(UsageError, match="No space left"):
                run(optout.app, "receipt", claim)
        assert files.proof.read_bytes() == older
        assert not list(files.proof.parent.glob(".part*"))
    run(optout.app, "receipt", claim)
    assert files.proof.read_bytes() != older


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [1, 2])
def test_a_receipt_that_was_not_written_is_made_again(place, step, kind):
    """The claim stands in the log by then; submitted again, it would stand there twice."""
    write, done = receipts.write_private, []

    def faulty(path: Path, body: bytes) -> None:
        done.append(path)
        if len(done) == step and kind == "failed":
            raise StorageError("injected fault")
        write(path, body)
        if len(done) == step:
            raise StorageError("injected fault")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receipts, "write_private", faulty)
        with pytest.raises(StorageError) as caught:
            run(optout.app, *SUBMIT)
    claim = claim_in(place)
    (said,) = caught.value.__notes__
    assert f"recuse optout receipt {claim}" in said
    run(optout.app, "receipt", claim)
    run(optout.app, "verify-receipt", place / "claimant" / f"{claim}.tlog-proof")


def test_no_receipt_is_made_again_of_what_was_erased(place):
    run(optout.app, *SUBMIT)
    claim = claim_in(place)
    (place / "claimant" / f"{claim}.receipt.json").unlink()
    run(optout.app, "erase", claim, "--all", "--yes")
    with pytest.raises(ClaimError, match="found it erased"):
        run(optout.app, "receipt", claim)


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_of_a_claim_that_may_be_recorded_is_kept(place, kind):
    """Without it nobody could withdraw the claim."""
    append = Registry.append

    def faulty(registry_: Registry, *args):
        if kind == "written":
            append(registry_, *args)
        raise RegistryError("injected fault")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "append", faulty)
        with pytest.raises(RegistryError, match="injected") as caught:
            run(optout.app, *SUBMIT)
    keys = list((place / "claimant").glob("*.key"))
    if kind == "failed":
        assert not keys
        return
    claim = claim_in(place)
    assert [path.stem for path in keys] == [claim]
    assert claim in caught.value.__notes__[0]
    run(optout.app, "receipt", claim)
    run(optout.app, "withdraw", claim)


KILLED = """
import os, sys
from jobs import receipts, submit
from jobs.cli import app, given
from optout.registry import Registry

given.matcher_of = lambda _name: None
done = 0

def killed(act):
    def acted(*args):
        global done
        done += 1
        made = act(*args)
        if done == int(sys.argv[1]):
            os._exit(9)
        return made
    return acted

submit.write_private = killed(submit.write_private)
Registry.append = killed(Registry.append)
receipts.write_private = killed(receipts.write_private)
app(sys.argv[2:])
"""


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_submission_may_be_killed_and_no_recorded_claim_is_without_key_or_receipt(place, step):
    """After each step: the claim's key, the entry, the receipt, its proof."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(step), "optout", *SUBMIT], check=False)
    assert done.returncode == 9
    with Registry.open(str(place / "registry.db"), FixedClock()) as opened:
        claims = [row.claim_id for row in opened.claims()]
    assert len(claims) == (step > 1)
    for claim in claims:
        assert (place / "claimant" / f"{claim}.key").exists()
        run(optout.app, "receipt", claim)
        run(optout.app, "verify-receipt", place / "claimant" / f"{claim}.tlog-proof")
    run(registry.app, "publish")


def damaged(place: Path, what: str) -> Path:
    path = {
        "key": place / "registry.db.log-key",
        "policy": place / "claimant" / "policy",
        "receipt": place / "mine.receipt.json",
        "proof": place / "mine.tlog-proof",
    }[what]
    path.write_text("rubbish")
    return path


@pytest.mark.parametrize("what", ["key", "policy", "receipt", "proof"])
def test_nothing_is_recorded_where_the_receipt_could_not_be_written(place, what):
    path = damaged(place, what)
    with pytest.raises(UsageError, match=path.name):
        run(optout.app, *SUBMIT, "--receipt", place / "mine.receipt.json")
    with Registry.open(str(place / "registry.db"), FixedClock()) as opened:
        assert opened.head()[0] == 0
    assert path.read_text() == "rubbish"


def test_what_else_is_called_policy_beside_a_receipt_is_left_alone(place):
    folder = place / "insurance"
    folder.mkdir()
    (folder / "policy").write_text("Household contents, from January on.\n")
    run(optout.app, *SUBMIT, "--receipt", folder / "mine.receipt.json")
    run(optout.app, "receipt", claim_in(place), "--receipt", folder / "mine.receipt.json")
    assert (folder / "policy").read_text().startswith("Household")
    run(optout.app, "verify-receipt", folder / "mine.receipt.json")
    assert json.loads((folder / "mine.receipt.json").read_text())["claim"] == claim_in(place)


def test_a_copy_of_the_database_that_is_older_signs_nothing(place):
    """What came next would stand at the places of entries that others have seen signed."""
    run(optout.app, *SUBMIT)
    run(registry.app, "backup", place / "older.db")
    run(optout.app, *SUBMIT)
    state = (place / "registry.db.log-key.signed").read_bytes()
    run(registry.app, "backup", place / "newer.db")
    for path in place.glob("registry.db-*"):
        path.unlink()
    (place / "registry.db").write_bytes((place / "older.db").read_bytes())
    commands = [
        (optout.app, *SUBMIT),
        (registry.app, "publish"),
        (registry.app, "rotate"),
    ]
    for command in commands:
        with pytest.raises(RollbackError, match=r"signed .*log-key\.signed\), found 1 or others"):
            run(*command)
    with Registry.open(str(place / "registry.db"), FixedClock()) as opened:
        assert opened.head()[0] == 1
    run(optout.app, "receipt", claim_in(place))  # by what was signed then, which holds
    assert (place / "registry.db.log-key.signed").read_bytes() == state
    for path in place.glob("registry.db-*"):
        path.unlink()
    (place / "registry.db").write_bytes((place / "newer.db").read_bytes())
    run(registry.app, "publish")
    (place / "registry.db.log-key.signed").write_bytes(b"rubbish")
    with pytest.raises(StorageError, match="newest state that was signed"):
        run(registry.app, "publish")
