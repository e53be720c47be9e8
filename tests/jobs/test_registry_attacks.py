"""What whoever runs a registry may try, and who notices: audits, receipts, witnesses, readers."""

import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.cli import audit, optout
from jobs.cli import registry as keeping
from jobs.list_files import log_key_path
from jobs.witness import HeadFile, Witness, WitnessServer
from optout import snapshot
from optout.log.note import COSIGNATURE, SignerKey, parse_verifier_key
from optout.log.policy import Log, Policy
from optout.log.policy import Witness as Trusted
from optout.registry import Registry
from pipeline.audit import EXIT_CODES, Name
from schemas.errors import RegistryError, RollbackError
from tests.fakes import FixedClock
from tests.independent import forger
from tests.jobs.commands import RUNNER, run

WITNESS = SignerKey("witness.example", bytes([7] * 32), COSIGNATURE)


class Kept:
    """A registry that has published its log, two releases made by it, and a witness.

    told: what the witness says.
    """

    def __init__(self, folder: Path, url: str, logs: list, told: list[str], clock: FixedClock):
        self.folder, self.told, self.clock = folder, told, clock
        self.db, self.published = folder / "registry.db", folder / "published"
        with Registry.open(str(self.db), FixedClock()) as found:
            self.origin, key = found.log_key()
        self.key = log_key_path(str(self.db), self.origin)
        self.verifier = parse_verifier_key(key)
        logs.append(self.verifier)
        trusted = Trusted("w", WITNESS.verifier, url)
        self.policy = folder / "policy"
        self.policy.write_bytes(Policy((Log(self.verifier),), (trusted,), (), "w").to_bytes())
        self.unwitnessed = folder / "unwitnessed"
        self.unwitnessed.write_bytes(Policy((Log(self.verifier),)).to_bytes())
        run(keeping.app, "announce", folder / "one", "--registry", self.db)
        self.publish()

    def forget(self) -> None:
        """Forget what was signed, as a registry that lies would."""
        self.key.with_name(f"{self.key.name}.signed").unlink()

    def publish(self, policy: Path | None = None, to: Path | None = None) -> str:
        return run(keeping.app, "publish", "--registry", self.db, "--policy",
                   policy or self.policy, "--to", to or self.published)  # fmt: skip

    def log_check(self, release: str, *more: object) -> tuple[int, dict]:
        """Exit code, and what the audit says of the log."""
        words = ["verify", self.folder / release, "--matcher", "", "--json", "--policy",
                 self.policy, *more]  # fmt: skip
        result = RUNNER.invoke(audit.app, list(map(str, words)))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        checks = {check["name"]: check for check in json.loads(result.output)["checks"]}
        return result.exit_code, checks["log"]

    def wrong(self, release: str, *more: object) -> str:
        """What is wrong with the log; fails unless something is."""
        code, found = self.log_check(release, *more)
        assert (code, found["status"]) == (EXIT_CODES[Name.LOG], "failed")
        return "\n".join(found["wrong"])


@pytest.fixture
def kept(place, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("one", "two"):
        shutil.copytree(place / name, tmp_path / name)
    for suffix in ("", ".keys", ".log-key"):
        shutil.copy(f"{place / 'registry.db'}{suffix}", f"{tmp_path / 'registry.db'}{suffix}")
    for suffix in (".tlog-proof", ".receipt.json"):
        shutil.copy(place / f"Berthold{suffix}", tmp_path)
    logs, told, clock = [], [], FixedClock(int(datetime.now(UTC).timestamp()) * 1_000_000)
    heads = HeadFile(tmp_path / "witness" / "heads.db", WITNESS.verifier)
    server = WitnessServer(Witness(WITNESS, logs, heads, clock, told.append), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Kept(tmp_path, server.url, logs, told, clock)
    server.shutdown()
    server.server_close()
    thread.join()


def entries(kept: Kept) -> list[dict]:
    return [json.loads(leaf) for leaf in forger.leaves(kept.db)]


def another(kept: Kept) -> dict:
    """An entry that any log may have, and this one has not."""
    return next(s for s in entries(kept) if s["type"] == "release") | {"title": "another"}


def last_claim(kept: Kept) -> int:
    return max(seq for seq, said in enumerate(entries(kept)) if said["type"] == "submit")


def test_an_honest_log_is_verified_from_its_database_and_from_what_is_published(kept):
    for where in (("--registry", kept.db), ("--log", kept.published)):
        for release in ("one", "two"):
            code, found = kept.log_check(release, *where)
            assert (code, found["status"]) == (0, "verified")
    _, found = kept.log_check("two")
    assert "--registry, or --log" in found["needs"][0]


def test_an_entry_that_was_dropped_is_missed_by_everybody(kept):
    """The registry takes a claim out, moves its head along and signs it."""
    receipt = kept.folder / "Berthold.tlog-proof"
    verify = ("verify-receipt", receipt, "--policy", kept.policy, "--registry", kept.db)
    assert "still has that log" in run(optout.app, *verify)
    instead = another(kept)
    forger.drop_from(kept.db, last_claim(kept))
    forger.append(kept.db, instead)
    forger.sign(kept.db, kept.key)
    with pytest.raises(RollbackError, match="has signed"):  # whoever means no harm is stopped
        kept.publish()
    kept.forget()
    # who has a release that was made by the claim
    assert "there are two histories" in kept.wrong("two", "--registry", kept.db)
    # who has what was published before, with proof for everybody
    said = kept.wrong("one", "--registry", kept.db, "--log", kept.published)
    assert "expected one history of" in said
    (proof,) = (kept.folder / "data" / "recuse" / "seen" / "forks").iterdir()
    assert str(proof) in said
    proved = run(audit.app, "verify-fork", proof, "--policy", kept.policy)
    assert f"proved: the log {kept.origin} shows two histories" in proved
    # the claimant, the witness, and whoever reads the store
    with pytest.raises(RollbackError, match="found another one"):
        run(optout.app, *verify)
    with pytest.raises(RollbackError, match=r"as witness .* saw"):
        kept.publish(to=kept.folder / "elsewhere")
    with pytest.raises(RollbackError, match="older than what it has published"):
        kept.publish(kept.unwitnessed)
    assert not [line for line in kept.told if line.startswith("cosigned")][1:]


def test_two_heads_of_one_size_are_proved_by_the_witness_and_the_audit(kept):
    size = len(entries(kept))
    forger.change(kept.db, size - 1, recorded_at="2027-01-01T00:00:00.000000Z")
    forger.sign(kept.db, kept.key)
    kept.forget()
    assert "expected one history" in kept.wrong("one", "--registry", kept.db,
                                                "--log", kept.published)  # fmt: skip
    with pytest.raises(RollbackError, match="found another one"):
        kept.publish()
    with pytest.raises(RollbackError):
        kept.publish(to=kept.folder / "elsewhere")
    (refused,) = [line for line in kept.told if "shows two histories; the proof" in line]
    proof = kept.folder / "witnessed.fork"
    proof.write_text(refused.partition("the proof:\n")[2])
    assert "two histories" in run(audit.app, "verify-fork", proof, "--policy", kept.policy)


def test_a_claim_that_is_dated_back_is_told_by_its_place(kept):
    later = next(said for said in entries(kept) if said["type"] == "submit")
    seq = forger.append(kept.db, later | {"recorded_at": "2020-01-01T00:00:00.000000Z"})
    said = kept.wrong("one", "--registry", kept.db)
    assert f"entry {seq} of {kept.db} is dated 2020-01-01" in said
    assert "before the one ahead of it" in said


def test_a_claim_that_is_dated_back_to_its_neighbour_is_told_by_witnesses(kept):
    """The date follows that of the entry ahead: only who looked meanwhile knows better."""
    kept.clock.at_us += int(timedelta(days=2).total_seconds()) * 1_000_000
    kept.publish()  # so much is honest: the witness looks at it again, two days later
    newest = entries(kept)[-1]["recorded_at"]
    seq = forger.append(kept.db, another(kept) | {"recorded_at": newest})
    said = kept.wrong("one", "--registry", kept.db)
    assert f"entry {seq} of" in said
    assert "witnesses saw the log without it at" in said


def test_a_tile_that_was_rewritten_is_named(kept):
    (bundle,) = (kept.published / "tile" / "entries").rglob("*.p/*")
    body = bundle.read_bytes()
    bundle.write_bytes(body.replace(b'"submit"', b'"delete"'))
    said = kept.wrong("one", "--log", kept.published)
    assert "expected leaf hash" in said
    assert "tile/entries/000.p/" in said
    bundle.write_bytes(body)
    (tile,) = (kept.published / "tile" / "0").rglob("*.p/*")
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert "rewritten, damaged, or of another log" in kept.wrong("one", "--log", kept.published)


def test_a_log_that_was_rolled_back_is_refused_by_who_has_seen_it(kept):
    before = shutil.copytree(kept.published, kept.folder / "before")
    run(keeping.app, "announce", kept.folder / "two", "--registry", kept.db)
    kept.publish()
    assert kept.log_check("one", "--log", kept.published)[0] == 0
    assert "as this machine has seen" in kept.wrong("one", "--log", before)


def test_a_log_that_does_not_continue_what_was_seen_is_refused(kept):
    """Another history, longer than the one that was seen, published to somebody else's eyes."""
    assert kept.log_check("one", "--log", kept.published)[0] == 0
    size = len(entries(kept))
    forger.change(kept.db, size - 1, recorded_at="2027-01-01T00:00:00.000000Z")
    kept.forget()
    run(keeping.app, "announce", kept.folder / "two", "--registry", kept.db)
    kept.publish(kept.unwitnessed, kept.folder / "elsewhere")
    assert "shows two histories" in kept.wrong("one", "--log", kept.folder / "elsewhere")


def test_a_withdrawal_that_the_claimant_has_not_signed_is_refused(kept):
    claim = entries(kept)[last_claim(kept)]
    newest = forger.leaf_hash(forger.leaves(kept.db)[last_claim(kept)]).hex()
    forged = claim | {"type": "withdraw", "previous": newest, "match": "", "identity": "",
                      "recorded_at": entries(kept)[-1]["recorded_at"]}  # fmt: skip
    seq = forger.append(kept.db, forged)
    forger.sign(kept.db, kept.key)
    assert f"entry {seq} of" in kept.wrong("one", "--registry", kept.db)
    with (
        Registry.open(str(kept.db), FixedClock()) as found,
        pytest.raises(RegistryError, match=f"entry {seq} of .* should not be there"),
    ):
        snapshot.take(found, trust_local=False)
    with pytest.raises(RegistryError, match="should not be there"):
        kept.publish()
