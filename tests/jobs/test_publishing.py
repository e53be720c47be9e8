"""A registry that publishes: receipts by witnesses, tiles in a store, keys that change, faults."""

from pathlib import Path

import pytest

from jobs import receipts
from jobs.cli import optout, registry
from jobs.publishing import best_checkpoint, publish
from jobs.receipts import read_policy
from optout.log import checkpoint
from optout.log.note import COSIGNATURE, SignerKey, parse_verifier_key
from optout.log.policy import Log, Policy
from optout.log.policy import Witness as Trusted
from optout.log.witness import CALL
from optout.registry import Registry
from schemas.errors import ProofError, RegistryError, RollbackError, StorageError, UsageError
from tests.fakes import FixedClock, MemoryStore
from tests.independent import c2sp_check
from tests.jobs.commands import run
from tests.jobs.publishing import WITNESS, key_of, policy_with, submitted
from tests.optout.claims import draft, random_bytes
from tests.servers import Answer as Served
from tests.servers import serve

DAY_US = 86_400_000_000


@pytest.fixture(autouse=True)
def place(own_place) -> Path:
    return own_place


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
    assert "no new epoch" in said  # nothing was recorded in between
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


@pytest.mark.parametrize("trouble", [500, 404, "http://[::1", "http://127.0.0.1:1"])
def test_trouble_of_one_witness_is_told_and_the_others_cosign(place, witness, trouble):
    url, logs = witness
    found, key = opened(place)
    logs.append(key.verifier)
    answers = {f"/{CALL}": Served(trouble if isinstance(trouble, int) else 200, b"no")}
    with serve(answers) as server, found:
        bad = server.url("") if isinstance(trouble, int) else trouble
        first = Trusted("bad", SignerKey("bad.example", bytes(32), COSIGNATURE).verifier, bad)
        both = (first, Trusted("w", WITNESS.verifier, url))
        store = MemoryStore()
        found.append(draft(1))
        done = publish(found, key, Policy((Log(key.verifier),), both, (), "w"), store)
    assert [bool(one.at) for one in done.cosigned] == [False, True]
    assert done.cosigned[0].problem
    assert b"witness.example" in store.files["checkpoint"]


def test_where_a_witness_knows_a_longer_log_nothing_is_shown_and_others_lines_stay(place, witness):
    url, logs = witness
    found, key = opened(place)
    logs.append(key.verifier)
    longer = Served(409, b"99\n", [("Content-Type", "text/x.tlog.size")])
    with serve({f"/{CALL}": longer}) as server, found:
        first = Trusted(
            "ahead", SignerKey("a.example", bytes(32), COSIGNATURE).verifier, server.url("")
        )
        both = (first, Trusted("w", WITNESS.verifier, url))
        store = MemoryStore()
        found.append(draft(1))
        with pytest.raises(RollbackError, match="99 log entries"):
            publish(found, key, Policy((Log(key.verifier),), both, (), "w"), store)
        assert not store.files
        ((_, kept),) = found.checkpoints()
        assert b"witness.example" in kept


def test_a_policy_without_the_log_publishes_nothing(place):
    run(registry.app, "init", "example.org/optouts")
    submitted()
    path = place / "policy"
    path.write_bytes(Policy().to_bytes())
    with pytest.raises(UsageError, match=r"log example\.org/optouts\+"):
        run(registry.app, "publish", "--policy", path, "--to", place / "log")
    assert not (place / "log").exists()


def test_a_rotated_log_goes_on_by_the_policy_beside_the_registry(place, witness):
    run(registry.app, "init", "example.org/optouts")
    claim = submitted()
    home = place / "home" / "claimant"
    own = home / "policy"
    before = b"# mine\n" + own.read_bytes()
    own.write_bytes(before)
    run(registry.app, "publish", "--to", place / "log")
    receipt = home / f"{claim}.receipt.json"
    run(optout.app, "verify-receipt", receipt)
    assert "stands in" in run(registry.app, "rotate")
    assert own.read_bytes() == f"log {key_of(place)}\n".encode() + before
    run(optout.app, "verify-receipt", receipt)  # what the old key has signed still counts
    submitted("Bea Example")
    run(registry.app, "publish", "--to", place / "log")
    run(optout.app, "receipt", claim)
    run(optout.app, "verify-receipt", receipt)
    assert "recorded" in run(optout.app, "status", claim, "--proof", place / "now.json")
    # Whoever trusts the new key alone gets proofs by what that one has signed.
    new = place / "new"
    new.write_bytes(Policy((Log(parse_verifier_key(key_of(place))),)).to_bytes())
    said = run(optout.app, "status", claim, "--proof", place / "new.json", "--policy", new)
    assert "recorded" in said
    run(optout.app, "verify-status", place / "new.json", "--policy", new)


@pytest.mark.parametrize("made_by", ["init", "submit"])
def test_two_registries_in_one_folder_share_a_policy(place, made_by):
    home = place / "home"
    claims = {}
    for name in ("one", "two"):
        db = home / f"{name}.db"
        if made_by == "init":
            run(registry.app, "init", f"example.org/{name}", "--registry", db)
        claims[name] = submitted("Ada Example", db)
        run(registry.app, "publish", "--registry", db, "--to", place / name)
    for name, claim in claims.items():
        db, receipt = home / f"{name}.db", home / "claimant" / f"{claim}.receipt.json"
        run(optout.app, "receipt", claim, "--registry", db)
        policy = home / "claimant" / "policy"
        run(optout.app, "verify-receipt", receipt, "--registry", db, "--policy", policy)
        run(registry.app, "rotate", "--registry", db)
    for name, claim in claims.items():
        db, receipt = home / f"{name}.db", home / "claimant" / f"{claim}.receipt.json"
        run(registry.app, "publish", "--registry", db, "--to", place / name)
        run(optout.app, "receipt", claim, "--registry", db)
        run(optout.app, "verify-receipt", receipt, "--registry", db)
        with Registry.open(str(db), FixedClock()) as found:
            c2sp_check.tiles(place / name, c2sp_check.vkey(found.log_key()[1], 1))
    assert len(read_policy(home / "claimant" / "policy").logs) == 4  # each has two keys by now


def test_two_registries_in_one_folder_have_two_names(place):
    home = place / "home"
    run(registry.app, "init", "example.org/optouts", "--registry", home / "one.db")
    with pytest.raises(UsageError, match=r"name that is new to .*policy"):
        run(registry.app, "init", "example.org/optouts", "--registry", home / "two.db")
    assert not (home / "two.db").exists()
    run(registry.app, "init", "example.org/others", "--registry", home / "two.db")


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
    for name in ("registry.db", "registry.db.keys", "registry.db.log-key.signed"):
        (place / name).unlink()
    found, key = opened(place)
    with found:
        found.append(draft(7))
        with pytest.raises(RollbackError, match="older than what it has published"):
            publish(found, key, Policy(), store)
        assert not found.checkpoints()  # nor is anything signed, that would prove two histories
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
        best = best_checkpoint(found, 0, trusted)
        assert best is not None
        assert checkpoint.parse(best).size == 2
        newer = best_checkpoint(found, 2, trusted)
        assert newer is not None
        assert checkpoint.parse(newer).size == 4
        assert best_checkpoint(found, 4, trusted) is None


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


@pytest.fixture
def clock(monkeypatch) -> FixedClock:
    """The clock of registries that commands open."""
    found = FixedClock()
    monkeypatch.setattr("pipeline.clock.clock_from_environment", lambda: found)
    return found


def test_a_quiet_registry_shows_a_later_date_once_a_day_has_passed(place, clock):
    run(registry.app, "init", "example.org/optouts")
    clock.at_us += 1  # the log begins before its first claim
    claim = submitted()
    said = run(registry.app, "publish")
    assert "epoch 0: 1 recorded" in said
    at = ("--at", "2026-01-01T12:00")
    said = run(optout.app, "status", claim, *at, code=1)
    assert "not shown: the state at 2026-01-01 12:00 UTC itself" in said
    assert "an epoch after that date shows it: recuse registry publish makes them" in said
    clock.at_us += DAY_US - 1
    assert "no new epoch" in run(registry.app, "publish")
    run(optout.app, "status", claim, *at, code=1)
    clock.at_us += 1
    assert "epoch 1: 1 recorded" in run(registry.app, "publish")
    assert "no new epoch" in run(registry.app, "publish")  # no more than one a day
    proof = place / "then.status.json"
    said = run(optout.app, "status", claim, *at, "--proof", proof)
    assert "nothing was said of it until 2026-01-02" in said
    policy = receipts.policy_beside(str(place / "home" / "registry.db"))
    assert "not shown" not in run(optout.app, "verify-status", proof, "--policy", policy, *at)
    with pytest.raises(RegistryError, match="by 2025-12-31T00:00:00"):
        run(optout.app, "status", claim, "--at", "2025-12-31")


def test_a_log_without_entries_has_no_epoch(place, clock):
    run(registry.app, "init", "example.org/optouts")
    assert "epoch" not in run(registry.app, "publish")
