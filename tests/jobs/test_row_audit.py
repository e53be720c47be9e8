"""`recuse audit` explain, delta, verify-delta and diff on releases that were really built."""

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from jobs import row_audit
from jobs.cli import audit, optout, registry
from schemas.errors import ProofError, RegistryError, UsageError
from tests.e2e.builds import rows_in
from tests.e2e.generated_site import picture
from tests.jobs import commands
from tests.jobs.conftest import COUNT


def run(*args: object, code: int = 0) -> str:
    return commands.run(audit.app, *args, code=code)


def left_out(place: Path) -> list[dict]:
    return [row for row in rows_in(place / "one.vault" / "rows") if row["claim_id"]]


def test_a_released_row_is_told_from_source_to_shard(place):
    row = rows_in(place / "one" / "samples")[0]
    vault = ("--vault", place / "one.vault")
    for what in (row["uid"], row["url"]):
        said = run("explain", place / "one", what, *vault)
        for word in (row["uid"], row["caption"], row["sha256"], "none came near", "samples/00000"):
            assert word in said
    said = run("explain", place / "one", row["uid"])
    assert "needs the vault: which claims came near" in said


def test_a_row_that_was_left_out_names_claim_rule_and_evidence(place):
    row = left_out(place)[0]
    said = run("explain", place / "one", row["uid"], "--vault", place / "one.vault")
    for word in (row["claim_id"], row["rule"], row["reason"], row["url"], "ledger commits", "hop"):
        assert word in said
    public = run("explain", place / "one", row["uid"])
    assert row["reason"] in public
    assert "needs the vault: all else" in public
    for secret in (row["claim_id"], row["url"], row["sha256"]):
        assert secret not in public
    with pytest.raises(UsageError, match="uid alone"):
        run("explain", place / "one", row["url"])


def test_a_row_is_found_by_the_file_of_its_image(place):
    inside, out = place / "0.jpg", place / "5.jpg"
    inside.write_bytes(picture(0))
    out.write_bytes(picture(5))
    assert "released, in samples/00000" in run("explain", place / "one", inside)
    vault = ("--vault", place / "one.vault")
    assert "drop: optout_work" in run("explain", place / "one", out, *vault)
    (found,) = json.loads(run("explain", place / "one", out, *vault, "--json"))
    assert found["row"]["claim_id"] == left_out(place)[0]["claim_id"]
    with pytest.raises(UsageError, match="found none"):
        run("explain", place / "one", out)


def test_rows_are_sought_by_address_where_a_shard_is_empty_too():
    canonical = "http://a.example/1.jpg"
    wanted = row_audit._wanted("HTTP://A.example:80/1.jpg")
    assert wanted == {"url": canonical, "final_url": canonical}
    rows = [
        {"uid": "given", "url": canonical, "final_url": "http://b.example/"},
        {"uid": "led", "url": "http://c.example/", "final_url": "http://a.example:80/1.jpg"},
        {"uid": "neither", "url": None, "final_url": None},
    ]
    table = pa.Table.from_pylist(rows)
    assert row_audit._hits(table, wanted)["uid"].to_pylist() == ["given", "led"]
    assert row_audit._hits(table.slice(0, 0), wanted).num_rows == 0


def test_an_artist_sees_what_was_left_out_and_can_prove_it(place, tmp_path):
    proof = tmp_path / "adalind.delta.json"
    receipt = ("--receipt", place / "Adalind.tlog-proof")
    vault = ("--vault", place / "one.vault")
    said = run("delta", place / "one", *receipt, *vault, "--out", proof)
    assert "which has the claim" in said
    assert "no released row has the bytes or the pixels" in said
    assert "2 The image is a listed work" in said
    manifest = ("--manifest", place / "one" / "manifest.json")
    assert "verified: 2 rows" in run("verify-delta", proof, *receipt, *manifest)
    assert left_out(place)[0]["url"] not in proof.read_text()
    with pytest.raises(ProofError):
        run("verify-delta", proof, "--receipt", place / "Berthold.tlog-proof", *manifest)
    with pytest.raises(ProofError):
        run("verify-delta", proof, *receipt, "--manifest", place / "two" / "manifest.json")


def test_a_release_older_than_the_claim_says_so_and_what_is_inside(place):
    receipt = ("--receipt", place / "Berthold.tlog-proof")
    said = run("delta", place / "one", *receipt, code=1)
    assert "before the claim was there" in said
    assert "INSIDE: 1 listed works" in said
    assert "needs the vault" in said
    assert "INSIDE" not in run("delta", place / "two", *receipt)
    with pytest.raises(UsageError, match="--vault for --out"):
        run("delta", place / "two", *receipt, "--out", place / "x.json")


def test_what_changed_adds_up_and_names_the_claim(place):
    said = run("diff", place / "one", place / "two")
    assert "5 released before = 4 kept + 1 removed" in said
    assert "4 released now = 4 kept + 0 added" in said
    vaults = ("--vault-before", place / "one.vault", "--vault-after", place / "two.vault")
    found = json.loads(run("diff", place / "one", place / "two", *vaults, "--json"))
    (move,) = found["moves"]
    assert (move["was"], move["now"], move["rows"]) == ("keep", "optout_work", 1)
    receipt = json.loads((place / "Berthold.receipt.json").read_text())
    assert move["claim_id"] == receipt["claim"]
    with pytest.raises(ProofError, match="expected the vault with digest"):
        run("diff", place / "two", place / "one", *vaults, "--json")  # each other's
    vaults = ("--vault-before", place / "two.vault", "--vault-after", place / "one.vault")
    back = json.loads(run("diff", place / "two", place / "one", *vaults, "--json"))
    assert (back["added"], back["removed"]) == (1, 0)


def test_nothing_is_said_to_have_stayed_away_that_is_inside(place):
    vault = ("--vault", place / "one.vault")
    said = run("delta", place / "one", "--receipt", place / "Berthold.tlog-proof", *vault, code=1)
    assert "INSIDE: 1 listed works" in said
    assert said.endswith("no row is told to be left out for this claim")


@pytest.mark.slow
def test_rows_that_stand_under_another_claim_are_not_hidden_from_an_artist(emptied):
    """Cordula lists every picture after two others have listed some."""
    words = [f"{emptied / 'no'}", "--vault", emptied / "no.vault", "--receipt"]
    said = {
        name: run("delta", *words, emptied / f"{name}.tlog-proof")
        for name in ("Adalind", "Berthold", "Everyone")
    }
    under = {name: int(re.findall(r"(\d+) +The image is a listed", text)[0])
             for name, text in said.items() if "listed work, or" in text}  # fmt: skip
    assert sum(under.values()) == COUNT
    for name, wanted in (("Adalind", 2), ("Berthold", 1), ("Everyone", COUNT)):
        more = re.findall(r"(\d+) more rows that match it", said[name])
        assert under.get(name, 0) + sum(map(int, more)) == wanted


RECEIPT_LIES = {
    "a work less": lambda said: said["parts"]["match"]["works"].clear(),
    "no works at all": lambda said: said["parts"]["match"].update(works=None),
    "another code": lambda said: said["parts"]["match"]["works"][0].update(pdq=["0" * 64]),
    "a later entry": lambda said: said.update(seq=10**6),
    "another log": lambda said: said.update(origin="other.example"),
}


@pytest.mark.parametrize("lie", RECEIPT_LIES)
def test_a_receipt_that_was_changed_is_not_taken_for_the_claim(place, tmp_path, lie):
    """With a work less, a release that has the work inside would be said to have none."""
    said = json.loads((place / "Berthold.receipt.json").read_text())
    RECEIPT_LIES[lie](said)
    shutil.copy(place / "Berthold.tlog-proof", tmp_path / "b.tlog-proof")
    (tmp_path / "b.receipt.json").write_text(json.dumps(said))
    receipt = ("--receipt", tmp_path / "b.tlog-proof")
    with pytest.raises(ProofError):
        run("delta", place / "one", *receipt)
    with pytest.raises(ProofError):
        run("verify-delta", place / "urls.jsonl", *receipt,
            "--manifest", place / "one" / "manifest.json")  # fmt: skip


def test_an_announced_release_shows_in_the_status_of_its_claims(place, tmp_path):
    where = tmp_path / "registry.db"
    for suffix in ("", ".keys", ".log-key"):
        shutil.copy(f"{place / 'registry.db'}{suffix}", f"{where}{suffix}")
    claims = [
        json.loads((place / f"{name}.receipt.json").read_text())["claim"]
        for name in ("Adalind", "Berthold")
    ]
    for name in ("one", "two"):
        said = keep("announce", place / name, "--registry", where)
        assert "it says it was made by this registry at" in said
    first, second = (ask("status", claim, "--registry", where) for claim in claims)
    assert first.count("the claim in it") == 2
    assert second.count("the claim in it") == 1
    assert second.count("before the claim was there") == 1
    assert "by their builders" not in first
    assert "who signed them was not checked" in first
    assert "recuse audit verify RELEASE --key VKEY checks the signature" in first
    other = tmp_path / "other.db"
    keep("init", "--registry", other)
    assert "made without this registry" in keep("announce", place / "one", "--registry", other)


def test_a_release_that_names_a_state_that_never_was_is_not_announced(place, tmp_path):
    copy = tmp_path / "release"
    copy.mkdir()
    body = (place / "one" / "manifest.json").read_bytes()
    (entry,) = json.loads(body)["lists"]
    changed = body.replace(entry["root"].encode(), b"0" * 64)
    (copy / "manifest.json").write_bytes(changed)
    with pytest.raises(RegistryError, match="never had"):
        keep("announce", copy, "--registry", place / "registry.db")


def keep(*args: object) -> str:
    return commands.run(registry.app, *args)


def ask(*args: object) -> str:
    return commands.run(optout.app, *args)
