"""A registry that publishes: receipts by witnesses, tiles in a store, keys that change, faults."""

import json
import threading
from pathlib import Path

import pytest

from jobs.cli import given, optout, registry
from jobs.publishing import newest_checkpoint, publish
from jobs.witness import HeadFile, Witness, WitnessServer
from optout.log import checkpoint
from optout.log.note import COSIGNATURE, SignerKey, parse_verifier_key
from optout.log.policy import Log, Policy
from optout.log.policy import Witness as Trusted
from optout.registry import Registry
from schemas.errors import ProofError, RegistryError, RollbackError, StorageError, UsageError
from tests.fakes import FixedClock, MemoryStore
from tests.independent import c2sp_check
from tests.jobs.commands import run
from tests.optout.claims import draft, random_bytes

WITNESS = SignerKey("witness.example", bytes([7] * 32), COSIGNATURE)
AT = 1_767_225_600


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "home" / "registry.db"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(given, "matcher_of", lambda _name: None)
    return tmp_path


@pytest.fixture
def witness(place):
    """A witness that knows any log whose key is put into `logs`."""
    logs = []
    heads = HeadFile(place / "witness" / "heads.db", WITNESS.verifier)
    clock = FixedClock(AT * 1_000_000)
    server = WitnessServer(Witness(WITNESS, logs, heads, clock, lambda _: None), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.url, logs
    server.shutdown()
    server.server_close()
    thread.join()


def submitted(name: str = "Ada Example") -> str:
    said = run(optout.app, "submit", "--artist", name, "--host", "ada.example")
    (new,) = [w for w in said.split() if len(w) == 32 and set(w) <= set("0123456789abcdef")]
    return new


def key_of(place: Path) -> str:
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as found:
        return found.log_key()[1]


def policy_with(place: Path, witness) -> Path:
    url, logs = witness
    key = parse_verifier_key(key_of(place))
    logs.append(key)
    path = place / "policy"
    trusted = Trusted("w", WITNESS.verifier, url)
    path.write_bytes(Policy((Log(key),), (trusted,), (), "w").to_bytes())
    return path


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


def test_a_published_log_is_read_by_others(place, witness):
    run(registry.app, "init", "example.org/optouts")
    policy = policy_with(place, witness)
    for number in range(3):
        submitted(f"Ada Example {'abc'[number] * 4}")
        run(registry.app, "publish", "--policy", policy, "--to", place / "log")
    c2sp_check.tiles(place / "log", c2sp_check.vkey(key_of(place), 1))
    body = (place / "log" / "checkpoint").read_bytes()
    assert checkpoint.parse(body).size == 6  # three claims, an epoch after each
    said = run(registry.app, "publish", "--policy", policy, "--to", place / "log")
    assert "epoch" not in said  # nothing was recorded in between
    assert (place / "log" / "checkpoint").read_bytes() == body


def test_a_witness_that_does_not_answer_is_told_of(place, witness):
    run(registry.app, "init")
    submitted()
    key = parse_verifier_key(key_of(place))
    dead = Trusted("w", WITNESS.verifier, "http://127.0.0.1:1")
    path = place / "policy"
    path.write_bytes(Policy((Log(key),), (dead,), (), "w").to_bytes())
    said = run(registry.app, "publish", "--policy", path, "--to", place / "log", code=1)
    assert "not cosigned by witness.example" in said
    assert "run it again later" in said
    policy_with(place, witness)
    said = run(registry.app, "publish", "--policy", place / "policy", "--to", place / "log")
    assert "cosigned 2026-01-01" in said
    assert "witness.example" in (place / "log" / "checkpoint").read_text()


def test_the_key_of_a_log_is_made_once_and_handed_over_by_an_entry(place):
    run(registry.app, "init", "example.org/optouts")
    with pytest.raises(UsageError, match="rotate"):
        run(registry.app, "init", "example.org/optouts")
    claim = submitted()
    home = place / "home" / "claimant"
    old = (home / "policy").read_bytes()
    before = key_of(place)
    run(registry.app, "rotate")
    after = key_of(place)
    assert after != before
    (place / "new").write_bytes(Policy((Log(parse_verifier_key(after)),)).to_bytes())
    run(registry.app, "publish", "--policy", place / "new")
    run(optout.app, "receipt", claim)
    run(optout.app, "verify-receipt", home / f"{claim}.receipt.json", "--policy", place / "new")
    (place / "old").write_bytes(old)
    with pytest.raises(ProofError):  # who trusts the old key alone refuses what the new one signs
        run(optout.app, "verify-receipt", home / f"{claim}.receipt.json", "--policy", place / "old")


def test_only_the_key_before_hands_over(place):
    where = str(place / "registry.db")
    with Registry.open(where, FixedClock(), random=random_bytes(0), create=True) as found:
        origin, _ = found.log_key()
        keys = [SignerKey(origin, bytes([n] * 32)) for n in range(3)]
        found.set_log_key(keys[0].verifier)
        with pytest.raises(RegistryError, match="hand over"):
            found.set_log_key(keys[1].verifier, "0" * 128)
        with pytest.raises(RegistryError, match="named"):
            found.set_log_key(SignerKey("other", bytes(32)).verifier)
        with pytest.raises(RegistryError, match="key that signs"):
            publish(found, keys[2], Policy())
        assert found.log_key()[1] == str(keys[0].verifier)


def opened(place: Path) -> tuple[Registry, SignerKey]:
    where = str(place / "registry.db")
    found = Registry.open(where, FixedClock(), random=random_bytes(0), create=True)
    key = SignerKey(found.log_key()[0], bytes(32))
    found.set_log_key(key.verifier)
    return found, key


@pytest.mark.parametrize("kind", ["failed", "written"])
def test_every_step_of_publishing_may_fail_and_is_done_again(place, kind):
    found, key = opened(place)
    with found:
        for seed in range(1, 4):
            found.append(draft(seed))
        steps = MemoryStore()
        publish(found, key, Policy(), steps)
        for seed in range(4, 6):
            found.append(draft(seed))
        whole = MemoryStore(files=dict(steps.files))
        publish(found, key, Policy(), whole)
        for path in sorted(whole.files.keys() - steps.files.keys() | {"checkpoint"}):
            store = MemoryStore(files=dict(steps.files))
            store.fail = lambda p, path=path: kind if p == path else None
            with pytest.raises(StorageError):
                publish(found, key, Policy(), store)
            held = checkpoint.parse(store.files["checkpoint"]).size
            assert held == 4 or (path == "checkpoint" and kind == "written")
            store.fail = lambda _path: None
            publish(found, key, Policy(), store)
            assert store.files == whole.files


def test_an_older_database_does_not_overwrite_what_was_published(place):
    store = MemoryStore()
    found, key = opened(place)
    with found:
        for seed in range(1, 4):
            found.append(draft(seed))
        publish(found, key, Policy(), store)
    before = dict(store.files)
    for name in ("registry.db", "registry.db.keys"):
        (place / name).unlink()
    found, key = opened(place)
    with found:
        found.append(draft(7))
        with pytest.raises(RollbackError, match="older than what it has published"):
            publish(found, key, Policy(), store)
        for seed in range(8, 14):
            found.append(draft(seed))
        with pytest.raises(RollbackError, match="found another one"):
            publish(found, key, Policy(), store)
    assert store.files == before


def test_another_log_is_not_written_over(place):
    store = MemoryStore()
    found, key = opened(place)
    with found:
        found.append(draft())
        store.files["checkpoint"] = b"rubbish"
        with pytest.raises(StorageError, match="expected a checkpoint"):
            publish(found, key, Policy(), store)
        other = SignerKey("other", bytes(32))
        store.files["checkpoint"] = checkpoint.sign(
            checkpoint.Checkpoint("other", 0, checkpoint.EMPTY_ROOT), other
        )
        with pytest.raises(UsageError, match="expected the log"):
            publish(found, key, Policy(), store)


def test_the_checkpoint_with_most_cosignatures_proves(place, witness):
    url, logs = witness
    found, key = opened(place)
    logs.append(key.verifier)
    trusted = Policy((Log(key.verifier),), (Trusted("w", WITNESS.verifier, url),), (), "w")
    with found:
        found.append(draft(1))
        publish(found, key, trusted)
        found.append(draft(2))
        publish(found, key, Policy())
        best = newest_checkpoint(found, 0)
        assert best is not None
        assert checkpoint.parse(best).size == 2
        newer = newest_checkpoint(found, 2)
        assert newer is not None
        assert checkpoint.parse(newer).size == 4
        assert newest_checkpoint(found, 4) is None


def test_a_past_status_is_proved_and_verified_elsewhere(place, witness):
    run(registry.app, "init", "example.org/optouts")
    policy = policy_with(place, witness)
    claim = submitted()
    run(registry.app, "publish", "--policy", policy)
    said = run(optout.app, "status", claim)
    assert "recorded: it stands in the log" in said
    assert "no release was announced" in said
    proof = place / "then.status.json"
    said = run(optout.app, "status", claim, "--proof", proof, "--policy", policy)
    assert "as witnesses say" in said
    said = run(optout.app, "verify-status", proof, "--policy", policy, "--at", "2026-06-01", code=1)
    assert "not shown: the state at 2026-06-01" in said
    proof.write_text(proof.read_text().replace('"recorded"', '"active"'))
    with pytest.raises(ProofError):
        run(optout.app, "verify-status", proof, "--policy", policy)
    with pytest.raises(UsageError, match="expected a date"):
        run(optout.app, "status", claim, "--at", "yesterday")
