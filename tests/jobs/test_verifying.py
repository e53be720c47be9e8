"""`recuse audit verify` on releases that were really built: honest ones, and ones that lie.

Each lie is told by a builder who holds the key and makes the rest of the manifest fit. More of them
stand in tests/pipeline/test_audit.py, function by function.
"""

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from jobs.builder_key import builder_key_path
from jobs.cli import audit, optout
from jobs.list_files import read_signer
from pipeline.audit import EXIT_CODES, INCOMPLETE, Name
from tests.e2e.builds import rows_in
from tests.jobs.test_row_audit import place  # noqa: F401  # the fixture

RUNNER = CliRunner()
OWN, OTHER = bytes([9] * 32), bytes([8] * 32)
NAME = "builder.example"


def canonical(value: object) -> bytes:
    """JSON as RFC 8785 has it, for what stands in a manifest."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def vkey(seed: bytes) -> tuple[str, str]:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key = b"\x01" + public
    key_id = hashlib.sha256(f"{NAME}\n".encode() + key).digest()[:4].hex()
    return f"{NAME}+{key_id}+{base64.b64encode(key).decode()}", key_id


def signed(release: Path, said: dict, seed: bytes = OWN) -> None:
    """Write a manifest, signed, without a line of the code that is tested."""
    body = canonical(said)
    text = f"recuse-manifest/1\nsha256 {hashlib.sha256(body).hexdigest()}\n"
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode())
    line = base64.b64encode(bytes.fromhex(vkey(seed)[1]) + signature).decode()
    (release / "manifest.json").write_bytes(body)
    (release / "manifest.json.note").write_text(f"{text}\n\u2014 {NAME} {line}\n")


@pytest.fixture
def copy(place, tmp_path) -> Path:  # noqa: F811
    """A release and its vault, to be changed, signed by a key of the test's own."""
    for name in ("one", "one.vault"):
        shutil.copytree(place / name, tmp_path / name)
    for suffix in ("", ".keys", ".log-key"):
        shutil.copy(f"{place / 'registry.db'}{suffix}", f"{tmp_path / 'registry.db'}{suffix}")
    shutil.copy(place / "claimant" / "policy", tmp_path / "policy")
    signed(tmp_path / "one", told(tmp_path))
    return tmp_path


def told(copy: Path) -> dict:
    return json.loads((copy / "one" / "manifest.json").read_bytes())


def rewritten(copy: Path, path: str, table: pa.Table) -> None:
    """Put a table in place of a file, and name it in the manifest."""
    pq.write_table(table, copy / "one" / path)
    body = (copy / "one" / path).read_bytes()
    said = told(copy)
    entry = next(f for f in said["files"] if f["path"] == path)
    entry |= {"sha256": hashlib.sha256(body).hexdigest(), "size_bytes": len(body),
              "rows": table.num_rows}  # fmt: skip
    signed(copy / "one", said)


def read(copy: Path, folder: str) -> tuple[str, pa.Table]:
    (path,) = (copy / "one" / folder).glob("*.parquet")
    return f"{folder}/{path.name}", pq.read_table(path)


def with_first(table: pa.Table, column: str, value: object) -> pa.Table:
    place = table.schema.get_field_index(column)  # noqa: F811
    field = table.schema.field(place)
    return table.set_column(
        place, field, pa.array([value, *table[column].to_pylist()[1:]], field.type)
    )


def run(*args: object) -> tuple[int, dict]:
    words = ["verify", *map(str, args), "--matcher", "", "--json"]
    result = RUNNER.invoke(audit.app, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.output)


def whole(copy: Path) -> list[object]:
    return [copy / "one", "--key", vkey(OWN)[0], "--policy", copy / "policy",
            "--registry", copy / "registry.db", "--vault", copy / "one.vault"]  # fmt: skip


def statuses(found: dict) -> dict[str, str]:
    return {check["name"]: check["status"] for check in found["checks"]}


def test_an_honest_release_holds_in_everything_that_can_be_looked_at(copy):
    code, found = run(*whole(copy))
    assert code == 0
    assert statuses(found) == dict.fromkeys(map(str, Name), "verified") | {"vectors": "needs"}
    assert found["claims"] == {"active": 1, "replayed": 1, "erased_since": 0}
    assert run(*whole(copy), "--require-complete")[0] == INCOMPLETE


def test_what_the_builder_signed_is_verified_by_the_key_of_the_build(place):  # noqa: F811
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


def no_list(copy: Path) -> None:
    signed(copy / "one", told(copy) | {"lists": []})


def stale(copy: Path) -> None:
    said = told(copy)
    said["lists"][0]["age_days"] = 8.25
    signed(copy / "one", said)


def wrong_root(copy: Path) -> None:
    said = told(copy)
    said["roots"]["rows"] = "0" * 64
    signed(copy / "one", said)


def other_key(copy: Path) -> None:
    signed(copy / "one", told(copy), OTHER)


def unsigned(copy: Path) -> None:
    (copy / "one" / "manifest.json.note").unlink()


def swapped(copy: Path) -> None:
    path, table = read(copy, "samples")
    pq.write_table(table.slice(1), copy / "one" / path)


def stray(copy: Path) -> None:
    (copy / "one" / "samples" / "00009.parquet").write_bytes(b"PAR1")


def omitted(copy: Path) -> None:
    """A row more in the samples than the maps and the counts know."""
    path, table = read(copy, "samples")
    more = with_first(table.slice(0, 1), "uid", "f" * 32)
    rewritten(copy, path, pa.concat_tables([table, more]))
    said = told(copy)
    said["released"] += 1
    said["rows_in"] += 1
    signed(copy / "one", said)


def edited_ledger(copy: Path) -> None:
    path, table = read(copy, "ledger")
    rewritten(copy, path, with_first(table, "reason", "duplicate"))


def false_pdq(copy: Path) -> None:
    path, table = read(copy, "samples")
    rewritten(copy, path, with_first(table, "stored_pdq", bytes(32)))


def other_picture(copy: Path) -> None:
    path, table = read(copy, "samples")
    image = table["image"].to_pylist()
    rewritten(copy, path, with_first(table, "image", image[1]))


def older_state(copy: Path) -> None:
    said = told(copy)
    said["lists"][0] |= {"root": "0" * 64, "checkpoint": None}
    signed(copy / "one", said)


def edited_vault(copy: Path) -> None:
    (path,) = (copy / "one.vault" / "rows").glob("*.parquet")
    pq.write_table(with_first(pq.read_table(path), "rule", "copy"), path)


LIES: dict[str, tuple[Callable[[Path], None], Name]] = {
    "list omitted": (no_list, Name.LISTS),
    "stale list": (stale, Name.LISTS),
    "wrong root": (wrong_root, Name.MAPS),
    "another key": (other_key, Name.SIGNATURE),
    "no signature": (unsigned, Name.SIGNATURE),
    "swapped shard": (swapped, Name.FILES),
    "stray file": (stray, Name.FILES),
    "row that no map knows": (omitted, Name.MAPS),
    "edited ledger": (edited_ledger, Name.ROWS),
    "false pdq": (false_pdq, Name.MAPS),
    "another picture": (other_picture, Name.BYTES),
    "a state that never was": (older_state, Name.LOG),
    "edited vault": (edited_vault, Name.VAULT),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_caught_by_its_own_check(copy, lie):
    tell, name = LIES[lie]
    origin = told(copy)["lists"][0]["origin"]
    tell(copy)
    code, found = run(*whole(copy), "--demand", origin)
    assert code == EXIT_CODES[name]
    assert statuses(found)[name] == "failed"
    if name not in (Name.LOG, Name.VAULT):  # the release alone, its key and policy tell
        code, _ = run(*whole(copy)[:5], "--demand", origin)
        assert code == EXIT_CODES[name]


def test_a_later_claim_says_what_a_release_never_dropped(copy, place):  # noqa: F811
    """A release that left a claim out of its list's state is caught by the log's own snapshot."""
    said = told(copy)
    said["lists"][0]["snapshot_sha256"] = "0" * 64
    signed(copy / "one", said)
    code, found = run(*whole(copy))
    assert code == EXIT_CODES[Name.CLAIMS]
    assert "used other claims than the log has" in found["checks"][-1]["wrong"][0]


def test_a_denied_row_that_is_released_is_found_by_the_replay(copy, place, tmp_path):  # noqa: F811
    """The first release, held against the state of the second, keeps what a later claim denies."""
    later = json.loads((place / "two" / "manifest.json").read_bytes())["lists"]
    signed(copy / "one", told(copy) | {"lists": later})
    code, found = run(*whole(copy)[:7])
    assert code == EXIT_CODES[Name.CLAIMS]
    (wrong,) = found["checks"][-1]["wrong"]
    assert "is released; claim" in wrong
    assert "optout_work by sha256" in wrong


def test_an_erased_claim_is_not_replayable_and_said_to_be(copy, place):  # noqa: F811
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
