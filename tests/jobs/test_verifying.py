"""`recuse audit verify` on releases that were really built: honest ones, and ones that lie.

Each lie is told by a builder who holds the key and makes all the rest fit (tests/independent/liar).
More of them stand in tests/pipeline/test_audit.py, function by function.
"""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from jobs.builder_key import builder_key_path
from jobs.cli import audit, optout
from jobs.list_files import read_signer
from pipeline.audit import EXIT_CODES, INCOMPLETE, Name
from schemas.errors import ProofError, UsageError
from tests.e2e.builds import recuse, rows_in
from tests.independent.liar import vkey
from tests.jobs.auditing import OWN, RUNNER, changed, run, signed_copies, statuses, told
from tests.jobs.lies import LIES, VAULTED, false_pdq, no_codes


@pytest.fixture
def copy(place, tmp_path) -> Path:
    """Both releases and their vaults, to be changed, signed by a key of the test's own."""
    signed_copies(place, tmp_path, ("one", "two"), "registry.db")
    shutil.copy(place / "Berthold" / "6.jpg", tmp_path / "6.jpg")
    return tmp_path


def whole(copy: Path) -> list[object]:
    return [copy / "one", "--key", vkey(OWN)[0], "--policy", copy / "policy",
            "--registry", copy / "registry.db", "--vault", copy / "one.vault"]  # fmt: skip


def test_an_honest_release_holds_in_everything_that_can_be_looked_at(copy):
    code, found = run(*whole(copy))
    assert code == 0
    assert statuses(found) == dict.fromkeys(map(str, Name), "verified") | {"vectors": "needs"}
    assert found["claims"] == {"active": 1, "replayed": 1, "erased_since": 0}
    assert run(*whole(copy), "--require-complete")[0] == INCOMPLETE


def test_what_the_builder_signed_is_verified_by_the_key_of_the_build(place):
    key = read_signer(builder_key_path()).verifier
    _, found = run(place / "one", "--key", key)
    assert statuses(found)["signature"] == "verified"


def test_an_outsider_learns_what_needs_nobodys_word(copy):
    code, found = run(copy / "one")
    assert code == 0
    said = statuses(found)
    outside = {"manifest", "files", "rows", "maps", "bytes"}
    assert {name for name, status in said.items() if status == "verified"} == outside
    assert {name for name, status in said.items() if status == "needs"} == said.keys() - outside


def test_the_maps_of_a_second_implementation_are_those_of_the_release(copy):
    before = told(copy)
    changed(copy).seal()
    after = told(copy)
    assert after["roots"] == before["roots"]
    assert after["vault_sha256"] == before["vault_sha256"]
    assert after == before


# --- lies, on the release that has left out one row more


def holding(copy: Path, have: set[str]) -> list[object]:
    """The options of an auditor who has the release, key and policy, and of the rest these."""
    demand = told(copy)["lists"][0]["origin"]
    words = [copy / "two", "--key", vkey(OWN)[0], "--policy", copy / "policy", "--demand", demand]
    words += ["--registry", copy / "registry.db"] if "registry" in have else []
    return [*words, *(["--vault", copy / "two.vault"] if "vault" in have else [])]


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_caught_by_its_own_check_and_by_what_it_takes(copy, lie):
    tell, name, needs = LIES[lie]
    tell(changed(copy, "two"))
    model = "builtin:lite" if "model" in needs else ""
    code, found = run(*holding(copy, needs), model=model)
    assert statuses(found)[name] == "failed"
    assert code == EXIT_CODES[name]
    code, found = run(*holding(copy, needs | {"registry", "vault"}), model=model)
    ends = statuses(found)
    assert ends[name] == "failed"
    assert code == EXIT_CODES[next(one for one in Name if ends.get(one) == "failed")]


def test_a_near_copy_is_inside_whatever_else_is_told_of_it(copy):
    """No absence is proved: by the artist's own picture, and the maps of the release that lies."""
    words = ["prove-absence", str(copy / "two"), "--image", str(copy / "6.jpg"),
             "--out", str(copy / "proof")]  # fmt: skip
    assert RUNNER.invoke(audit.app, words).exit_code == 0
    false_pdq(changed(copy, "two"))
    assert RUNNER.invoke(audit.app, words).exit_code == 1


def test_nothing_is_proved_of_a_release_with_a_row_that_has_no_code(copy):
    no_codes(changed(copy, "two"))
    words = ["prove-absence", str(copy / "two"), "--image", str(copy / "6.jpg"),
             "--out", str(copy / "proof")]  # fmt: skip
    done = RUNNER.invoke(audit.app, words)
    assert isinstance(done.exception, ProofError)
    assert not (copy / "proof").exists()


def test_a_denied_row_that_is_released_is_found_by_the_replay(copy, place, tmp_path):
    """The first release, held against the state of the second, keeps what a later claim denies."""
    lie = changed(copy)
    lie.said["lists"] = told(copy, "two")["lists"]
    lie.sign()
    code, found = run(*whole(copy)[:7])
    assert code == EXIT_CODES[Name.CLAIMS]
    (wrong,) = found["checks"][-1]["wrong"]
    assert "is released; claim" in wrong
    assert "optout_work by sha256" in wrong


def test_an_erased_claim_is_not_replayable_and_said_to_be(copy, place):
    claim = rows_in(copy / "one.vault" / "rows")[0]["claim_id"]
    words = ["erase", claim, "--all", "--yes", "--registry", str(copy / "registry.db"),
             "--key", str(place / "Adalind.key")]  # fmt: skip
    assert RUNNER.invoke(optout.app, words).exit_code == 0
    code, found = run(*whole(copy)[:7])
    assert code == 0
    assert found["claims"] == {"active": 1, "replayed": 0, "erased_since": 1}
    last = found["checks"][-1]
    assert last["status"] == "needs"
    assert "erased since" in " ".join(last["needs"])


def test_a_statement_says_only_what_was_verified(copy, tmp_path):
    path = tmp_path / "statement.json"
    code, found = run(copy / "one", "--statement", path)
    assert code == 0
    said = json.loads(path.read_text())
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    (subject,) = said["subject"]
    body = (copy / "one" / "manifest.json").read_bytes()
    assert subject["digest"]["sha256"] == hashlib.sha256(body).hexdigest()
    good = {f"RECUSE_{n.upper()}" for n, s in statuses(found).items() if s == "verified"}
    assert set(said["predicate"]["properties"]) == good


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-age-days", "nan"), "--max-age-days"),
        (("--max-age-days", "1e308"), "--max-age-days"),
        (("--max-age-days", "-1"), "--max-age-days"),
        (("--snapshot", "nowhere"), "--snapshot"),
        (("--vault", "nowhere"), "--vault"),
        (("--vault", "nosuch://place"), "can be opened"),
    ],
)
def test_a_release_is_not_blamed_for_what_the_auditor_has_not_got(copy, words, said):
    with pytest.raises(UsageError, match=said):
        run(copy / "one", *words)


def test_a_release_is_not_blamed_for_a_matcher_that_is_none(copy):
    with pytest.raises(UsageError, match="recuse cohort build"):
        run(copy / "one", model="nowhere")


# --- a recall without the vault of its parent


@pytest.fixture
def bare(copy) -> Path:
    """The first release, recalled by whoever has not its vault, and signed as the others."""
    (copy / "one.vault").rename(copy / "put-away")
    recuse("recall", copy / "one", "--registry", copy / "registry.db",
           "--trust-local", "--allow-unjudged", "--out", copy / "bare")  # fmt: skip
    changed(copy, "bare").sign()
    return copy


def of_bare(copy: Path) -> list[object]:
    builder = read_signer(builder_key_path()).verifier  # who signed what was retracted
    return [copy / "bare", "--key", vkey(OWN)[0], "--key", builder, "--policy", copy / "policy",
            "--registry", copy / "registry.db", "--vault", copy / "bare.vault"]  # fmt: skip


def test_a_recall_without_a_vault_needs_the_one_of_its_parent(bare):
    code, found = run(*of_bare(bare))
    assert code == 0
    said = statuses(found)
    assert said["vault"] == "verified"
    assert {name for name in ("ledger", "signals", "claims") if said[name] == "needs"} == {
        "ledger", "signals", "claims"}  # fmt: skip
    told_of = {c["name"]: c for c in found["checks"]}
    assert told_of["ledger"]["said"] == "1 of 3 commitments opened"
    assert told(bare, "bare")["parent"] in told_of["signals"]["needs"][0]


def test_its_vault_is_the_one_that_is_pinned_and_opens_what_it_took_out(bare):
    lie = changed(bare, "bare")
    (gone,) = lie.table("retractions.parquet")["uid"].to_pylist()
    lie.change(VAULTED, gone, rule="copy")
    assert run(*of_bare(bare))[0] == EXIT_CODES[Name.VAULT]
    lie.seal()
    assert run(*of_bare(bare))[0] == EXIT_CODES[Name.LEDGER]


# --- other layouts


@pytest.fixture
def layouts(other_layouts, copy) -> Path:
    for name in ("tars", "urls"):
        for suffix in ("", ".vault"):
            shutil.copytree(other_layouts / f"{name}{suffix}", copy / f"{name}{suffix}")
        changed(copy, name).sign()
    return copy


def of_layout(copy: Path, name: str) -> list[object]:
    return [copy / name, "--key", vkey(OWN)[0], "--policy", copy / "policy",
            "--registry", copy / "registry.db", "--vault", copy / f"{name}.vault"]  # fmt: skip


@pytest.mark.slow
def test_tars_are_audited_as_tables_are(layouts):
    code, found = run(*of_layout(layouts, "tars"), model="builtin:lite")
    assert code == 0
    assert statuses(found) == dict.fromkeys(map(str, Name), "verified")
    assert told(layouts, "tars")["roots"]["rows"] == told(layouts)["roots"]["rows"]
    lie = changed(layouts, "tars")
    lie.seal()
    assert run(*of_layout(layouts, "tars"))[0] == 0
    path = layouts / "tars" / "samples" / "00000.tar"
    with tarfile.open(path) as held:
        members = [(m, held.extractfile(m).read()) for m in held.getmembers()]
    pictures = [body for m, body in members if m.name.endswith(".jpg")]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as out:
        for member, body in members:
            other = pictures[0] if body == pictures[1] else body
            member.size = len(other)
            out.addfile(member, io.BytesIO(other))
    lie.seal()
    code, found = run(*of_layout(layouts, "tars"))
    assert (code, statuses(found)["bytes"]) == (EXIT_CODES[Name.BYTES], "failed")


@pytest.mark.slow
@pytest.mark.parametrize("end", [".tar", "_stats.json"])
def test_what_lies_with_a_tar_holds_no_more_than_its_rows(layouts, end):
    lie = changed(layouts, "tars")
    path = lie.place / "samples" / f"00000{end}"
    hidden = io.BytesIO()
    with tarfile.open(fileobj=hidden, mode="w") as out:
        out.addfile(tarfile.TarInfo("000000099.jpg"))
    more = hidden.getvalue() if end == ".tar" else b""
    path.write_bytes(path.read_bytes() + more if more else b'{"urls": ["http://a.example"]}')
    lie.seal()
    code, found = run(*of_layout(layouts, "tars"))
    assert (code, statuses(found)["rows"]) == (EXIT_CODES[Name.ROWS], "failed")


@pytest.mark.slow
def test_addresses_alone_are_judged_without_bytes(layouts):
    code, found = run(*of_layout(layouts, "urls"), model="builtin:lite")
    assert code == 0
    needed = {name for name, status in statuses(found).items() if status == "needs"}
    assert needed == {"bytes", "vectors"}
    assert run(*of_layout(layouts, "urls"), "--require-complete")[0] == INCOMPLETE
    lie = changed(layouts, "urls")
    lie.said["lists"] = told(layouts, "two")["lists"]  # by which one row more had to leave
    lie.seal()
    code, found = run(*of_layout(layouts, "urls")[:-2])
    assert code == EXIT_CODES[Name.CLAIMS]
