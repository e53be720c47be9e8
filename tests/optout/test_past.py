"""Where a claim stood at a past date: what is shown, by whose word, and what is not."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from optout import past, receipt, status
from optout.entry import draft_move
from optout.lifecycle import Event
from optout.log import checkpoint, cosignature, proof
from optout.log.checkpoint import Checkpoint
from optout.log.note import COSIGNATURE, SignerKey
from optout.log.policy import Log, Policy, Witness
from optout.registry import Registry
from optout.replay import replay
from schemas.errors import ProofError, RegistryError
from tests.fakes import FixedClock
from tests.optout.claims import draft, random_bytes, signing_key

WITNESS = SignerKey("witness.example", bytes([7] * 32), COSIGNATURE)
DAY = 86_400
START = 1_767_225_600  # 2026-01-01


def day(number: float) -> datetime:
    return datetime.fromtimestamp(START, UTC) + timedelta(days=number)


class Kept:
    """A registry that publishes an epoch a day, which a witness cosigns at noon."""

    def __init__(self, where: str) -> None:
        clock = FixedClock(step_us=1)
        self.registry = Registry.open(where, clock, random=random_bytes(0), create=True)
        self.origin = self.registry.log_key()[0]
        self.key = SignerKey(self.origin, bytes([1] * 32))
        self.policy = Policy((Log(self.key.verifier),), (Witness("w", WITNESS.verifier),), (), "w")

    def publish(self, number: int) -> None:
        view = self.registry.view()
        self.registry.note(lambda at: status.epoch(view.leaves, "0" * 64, at, "x"))
        size, root = self.registry.head()
        body = checkpoint.sign(Checkpoint(self.origin, size, root), self.key)
        line = cosignature.cosign(Checkpoint(self.origin, size, root).to_text(), WITNESS,
                                  START + number * DAY + DAY // 2)  # fmt: skip
        self.registry.keep_checkpoint(size, cosignature.with_signatures(body, [line]))

    def proof(self, claim: str, at: datetime | None = None) -> past.StatusProof:
        signed = self.registry.checkpoints()
        return past.make(claim, self.registry.view(), signed, self.policy, at)

    def stood(self, claim: str, at: datetime | None = None) -> past.Stood:
        found = self.proof(claim, at)
        return past.verified(past.parse(found.to_bytes(), "file"), self.policy)


@pytest.fixture
def kept(tmp_path):
    found = Kept(str(tmp_path / "registry.db"))
    yield found
    found.registry.close()


def submit(kept: Kept, seed: int = 1) -> str:
    return kept.registry.append(draft(seed)).entry.claim


def withdraw(kept: Kept, claim: str, seed: int = 1) -> None:
    at = kept.registry.standing(claim).entry_hash
    kept.registry.append(draft_move(Event.WITHDRAW, claim, at, signing_key(seed)))


def test_a_state_between_two_epochs_is_shown_by_witnesses(kept):
    kept.publish(0)
    claim = submit(kept)
    kept.publish(1)
    submit(kept, 2)
    kept.publish(2)
    withdraw(kept, claim)
    kept.publish(3)
    shown = kept.stood(claim, day(2))
    assert (shown.state, shown.changed, shown.quorum) == ("recorded", False, True)
    assert (shown.since.at, shown.since.proved) == (day(1.5), True)
    assert shown.until is not None
    assert shown.holds_at(day(2))
    assert not shown.holds_at(day(1))


def test_what_changed_before_the_next_epoch_is_not_claimed(kept):
    claim = submit(kept)
    kept.publish(1)
    withdraw(kept, claim)
    kept.publish(2)
    shown = kept.stood(claim, day(2))
    assert (shown.state, shown.changed, shown.until) == ("recorded", True, None)
    assert not shown.holds_at(day(2))
    newest = kept.stood(claim)
    assert (newest.state, newest.until) == ("withdrawn", None)


def test_that_there_was_no_claim_is_shown_too(kept):
    submit(kept)
    kept.publish(1)
    claim = submit(kept, 2)
    kept.publish(2)
    shown = kept.stood(claim, day(1.6))
    assert (shown.state, shown.changed) == ("", True)
    assert kept.stood("0" * 32).state == ""


def test_before_the_first_epoch_nothing_is_proved(kept):
    claim = submit(kept)
    kept.publish(1)
    with pytest.raises(RegistryError, match="recuse registry publish"):
        kept.proof(claim, day(1))


def test_without_the_witness_the_time_is_the_registrys_word(kept):
    claim = submit(kept)
    kept.publish(1)
    alone = Policy(kept.policy.logs)
    shown = past.verified(kept.proof(claim), alone)
    assert not shown.since.proved
    stranger = Policy(kept.policy.logs, (Witness("v", SignerKey("v", bytes([8] * 32), COSIGNATURE)
                                                 .verifier),), (), "v")  # fmt: skip
    shown = past.verified(kept.proof(claim), stranger)
    assert not shown.since.proved
    assert not shown.quorum


CHANGES = {
    "state": lambda p: p["before"]["standing"].update(state="active"),
    "level": lambda p: p["before"]["standing"].update(level=3),
    "none": lambda p: p["before"].update(standing=None),
    "claim": lambda p: p.update(claim="0" * 32),
    "both": lambda p: (p.update(claim="0" * 32), p["before"]["standing"].update(claim="0" * 32)),
    "root": lambda p: p["before"]["epoch"].update(map_root="0" * 64),
    "time": lambda p: p["before"]["epoch"].update(recorded_at="2020-01-01T00:00:00.000000Z"),
    "origin": lambda p: p.update(origin="other"),
    "after": lambda p: p.update(after=p["before"], before=p["after"]),
    "map": lambda p: p["before"]["map_proof"].update(hashes=""),
    "log": lambda p: p["before"].update(log_proof=p["after"]["log_proof"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_proof_is_refused(kept, change):
    claim = submit(kept)
    kept.publish(1)
    for seed in range(2, 5):
        submit(kept, seed)
    kept.publish(2)
    document = json.loads(kept.proof(claim, day(1.6)).to_bytes())
    past.verified(past.parse(json.dumps(document).encode(), "file"), kept.policy)
    CHANGES[change](document)
    with pytest.raises(ProofError):
        past.verified(past.parse(json.dumps(document).encode(), "file"), kept.policy)


def test_whoever_has_the_entries_makes_the_same_map(kept):
    for seed in range(1, 9):
        submit(kept, seed)
    kept.publish(1)
    leaves = kept.registry.view().leaves
    ((seq, epoch),) = status.epochs(leaves, "x")
    again = status.status_map(replay(leaves[: epoch.size], "x"))
    assert again.root().hex() == epoch.map_root
    assert epoch.claims == {"recorded": 8}
    assert seq == epoch.size


def test_one_epoch_shows_nothing_of_the_time_after_it(kept):
    """The same epoch under a later checkpoint would hide what came between."""
    claim = submit(kept)
    kept.publish(1)
    withdraw(kept, claim)
    kept.publish(2)
    found = kept.proof(claim, day(1.6))
    twice = found.model_copy(update={"after": found.before})
    with pytest.raises(ProofError, match="expected an epoch after"):
        past.verified(twice, kept.policy)


def test_an_epoch_under_a_longer_log_says_nothing_of_when_it_was_the_newest(kept):
    """Else a state would be shown for the days up to whenever anybody cosigned again."""
    claim = submit(kept)
    kept.publish(1)
    submit(kept, 2)
    kept.publish(2)
    withdraw(kept, claim)
    kept.publish(5)
    honest = kept.stood(claim, day(1.6))
    assert (honest.until.at, honest.until.proved) == (day(2.5), True)
    found = kept.proof(claim, day(1.6))
    hashes = kept.registry.leaf_hashes()
    _, newest = kept.registry.checkpoints()[-1]
    seq = status.epochs(kept.registry.view().leaves, "x")[1][0]
    later = proof.render(receipt.prove(seq, hashes, newest)).decode()
    forged = found.model_copy(update={"after": found.after.model_copy(update={"log_proof": later})})
    stood = past.verified(forged, kept.policy)
    assert not stood.until.proved
    assert not stood.holds_at(day(4))


def test_checkpoints_that_the_policy_does_not_take_are_passed_over(kept):
    """As those by the key before a rotation."""
    claim = submit(kept)
    kept.publish(1)
    before, kept.key = kept.key, SignerKey(kept.origin, bytes([2] * 32))
    submit(kept, 2)
    kept.publish(2)
    old, new = kept.policy, Policy((Log(kept.key.verifier),), *_rest(kept.policy))
    both = Policy((Log(before.verifier), Log(kept.key.verifier)), *_rest(kept.policy))
    for policy, since in ((old, 1.5), (new, 2.5), (both, 2.5)):
        kept.policy = policy
        assert kept.stood(claim).since.at == day(since)
    kept.policy = Policy()
    with pytest.raises(RegistryError, match="signed"):
        kept.proof(claim)


def _rest(policy: Policy) -> tuple:
    return policy.witnesses, policy.groups, policy.quorum
