"""Receipts: verified offline, by whose policy, and renewed only by better ones."""

import json
import sqlite3
from pathlib import Path

import pytest

from jobs.cli import optout, registry
from optout.log import note
from optout.log.note import parse_verifier_key
from optout.log.policy import Log, Policy
from schemas.errors import ProofError, UsageError
from tests.independent import c2sp_check
from tests.jobs.commands import run
from tests.jobs.publishing import key_of, policy_with, submitted


@pytest.fixture(autouse=True)
def place(own_place) -> Path:
    return own_place


def test_an_artists_receipt_is_verified_offline_by_a_policy_file_alone(place, witness):
    run(registry.app, "init", "example.org/optouts")
    claim = submitted()
    home = place / "home" / "claimant"
    proof, opened = home / f"{claim}.tlog-proof", home / f"{claim}.receipt.json"
    said = run(optout.app, "verify-receipt", proof)  # by the registry's key, no witness yet
    assert "of example.org/optouts" in said
    assert "by the registry's clock" in said
    assert "nobody else says so" in said
    policy = policy_with(place, witness)
    said = run(optout.app, "verify-receipt", opened, "--policy", policy)
    assert "by the registry's clock" in said
    run(registry.app, "publish", "--policy", policy)
    run(optout.app, "receipt", claim)
    away = place / "away"
    away.mkdir()
    for file in (proof, opened, policy):
        (away / file.name).write_bytes(file.read_bytes())
    (place / "home" / "registry.db").unlink()
    receipt = away / opened.name
    said = run(optout.app, "verify-receipt", receipt, "--policy", away / "policy")
    assert "it was there by 2026-01-01 00:00:00 UTC, as the witnesses say" in said
    assert "needs --registry" in said
    # a second implementation, which shares no code, agrees on the proof
    leaf = json.dumps(
        json.loads(receipt.read_text())["entry"], sort_keys=True, separators=(",", ":")
    ).encode()
    c2sp_check.proof((away / proof.name).read_bytes(), leaf, policy.read_bytes())


def given_away(place: Path) -> tuple[Path, str]:
    """Return a receipt by a log of its own, under the name of one that is known here."""
    run(registry.app, "init", "example.org/optouts", "--registry", place / "evil" / "r.db")
    said = run(optout.app, "submit", "--artist", "Eve Stranger", "--host", "e.example",
               "--registry", place / "evil" / "r.db")  # fmt: skip
    (claim,) = [w for w in said.split() if len(w) == 32 and set(w) <= set("0123456789abcdef")]
    return place / "evil" / "claimant" / f"{claim}.receipt.json", claim


def test_a_policy_that_came_with_a_receipt_is_said_to_and_leaves_nothing_behind(place):
    receipt, _ = given_away(place)
    (place / "link").symlink_to(receipt.with_name("policy"))
    for named in ([], ["--policy", receipt.with_name("policy")], ["--policy", place / "link"]):
        said = run(optout.app, "verify-receipt", receipt, *named)
        assert "came along with the receipt" in said
        assert not list((place / "data").rglob("*.json"))
    kept = place / "kept"
    kept.write_bytes(receipt.with_name("policy").read_bytes())
    assert "came along" not in run(optout.app, "verify-receipt", receipt, "--policy", kept)
    (state,) = (place / "data").rglob("*.json")
    state.unlink()
    run(registry.app, "init", "example.org/optouts")
    mine = submitted()
    with pytest.raises(ProofError):  # the log is known here, by another key
        run(optout.app, "verify-receipt", receipt)
    own = place / "home" / "claimant" / f"{mine}.receipt.json"
    for named in ([], ["--policy", own.with_name("policy")]):
        assert "came along" not in run(optout.app, "verify-receipt", own, *named)


def test_a_state_by_a_strangers_key_is_not_held_against_a_log(place):
    receipt, _ = given_away(place)
    kept = place / "kept"
    kept.write_bytes(receipt.with_name("policy").read_bytes())
    run(optout.app, "verify-receipt", receipt, "--policy", kept)
    run(registry.app, "init", "example.org/optouts")
    own = place / "home" / "claimant" / f"{submitted()}.receipt.json"
    run(optout.app, "verify-receipt", own)  # of the same size, with another root
    assert not list((place / "data").rglob("forks"))


def test_a_receipt_is_renewed_only_by_a_proof_of_its_own_entry(place, witness):
    run(registry.app, "init", "example.org/optouts")
    policy = policy_with(place, witness)
    first, second = submitted(), submitted("Bea Example")
    home = place / "home" / "claimant"
    proof, opened_ = home / f"{first}.tlog-proof", home / f"{first}.receipt.json"
    with pytest.raises(UsageError, match=f"expected the receipt of claim {second}"):
        run(optout.app, "receipt", second, "--receipt", proof)
    run(registry.app, "publish", "--policy", policy)
    run(optout.app, "receipt", first)
    body = proof.read_bytes()
    assert b"witness.example" in body
    # Nothing that has fewer cosignatures takes its place.
    with sqlite3.connect(place / "home" / "registry.db") as found:
        found.execute("DELETE FROM checkpoints")
    said = run(optout.app, "receipt", first)
    assert "has more signatures, and stays" in said
    assert proof.read_bytes() == body
    # What is no proof of this entry is replaced.
    run(registry.app, "publish", "--policy", policy)
    proof.write_bytes((home / f"{second}.tlog-proof").read_bytes())
    run(optout.app, "receipt", first)
    assert proof.read_bytes() == body
    changed = json.loads(opened_.read_text())
    changed["entry"]["recorded_at"] = "2020-01-01T00:00:00.000000Z"
    opened_.write_text(json.dumps(changed))
    with pytest.raises(ProofError):
        run(optout.app, "receipt", first)
    assert proof.read_bytes() == body


def padded(proof: Path, lines: int) -> bytes:
    """Add signatures to a proof that nobody can verify."""
    junk = "".join(note.Signature(f"junk{n}", "00" * 4, bytes(64)).line() for n in range(lines))
    proof.write_bytes(proof.read_bytes() + junk.encode())
    return proof.read_bytes()


def test_lines_that_nobody_can_verify_do_not_keep_a_proof_from_being_renewed(place, witness):
    run(registry.app, "init", "example.org/optouts")
    policy = policy_with(place, witness)
    claim = submitted()
    proof = place / "home" / "claimant" / f"{claim}.tlog-proof"
    run(registry.app, "publish", "--policy", policy)
    body = padded(proof, 5)
    # By a policy that knows neither the witness nor the rest they are alike: the old one stays.
    assert f"{proof.parent / 'policy'} (--policy FILE" in run(optout.app, "receipt", claim)
    assert proof.read_bytes() == body
    assert "stays" not in run(optout.app, "receipt", claim, "--policy", policy)
    assert b"junk" not in proof.read_bytes()
    assert b"witness.example" in proof.read_bytes()
    # Nor do lines that bear a witness's name and do not verify.
    good = proof.read_bytes()
    proof.write_bytes(good.replace(good.split()[-1], good.split()[-1][:8] + b"A" * 92 + b"AA=="))
    assert proof.read_bytes() != good
    run(optout.app, "receipt", claim, "--policy", policy)
    assert proof.read_bytes() == good
    # What has the witness's line stays, however many others another one has.
    with sqlite3.connect(place / "home" / "registry.db") as found:
        found.execute("DELETE FROM checkpoints")
    assert "stays" in run(optout.app, "receipt", claim, "--policy", policy)
    assert proof.read_bytes() == good


def test_a_proof_by_a_key_that_counts_no_more_is_renewed(place, witness):
    run(registry.app, "init", "example.org/optouts")
    policy = policy_with(place, witness)
    claim = submitted()
    proof = place / "home" / "claimant" / f"{claim}.tlog-proof"
    run(registry.app, "publish", "--policy", policy)
    run(optout.app, "receipt", claim)
    assert b"witness.example" in proof.read_bytes()
    run(registry.app, "rotate")
    new = parse_verifier_key(key_of(place))
    policy.write_bytes(Policy((Log(new),)).to_bytes())  # by which the one before is refused
    run(registry.app, "publish", "--policy", policy)
    run(optout.app, "receipt", claim, "--policy", policy)
    run(optout.app, "verify-receipt", proof, "--policy", policy)


def test_a_receipt_beside_that_of_another_registry_adds_to_its_policy(place):
    both = place / "both"
    both.mkdir()
    for name in ("one", "two"):
        receipt = both / f"{name}.receipt.json"
        submitted("Ada Example", place / name / "r.db", "--receipt", receipt)
    (place / "one" / "claimant" / "policy").unlink()
    for name in ("one", "two"):
        said = run(optout.app, "verify-receipt", both / f"{name}.receipt.json")
        assert "came along" in said
