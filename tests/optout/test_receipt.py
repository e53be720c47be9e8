import json

import pytest

from optout import receipt
from optout.log import checkpoint
from optout.log.checkpoint import Checkpoint
from optout.log.note import SignerKey
from optout.log.policy import Log, Policy
from optout.registry import Registry
from schemas.errors import ProofError
from tests.fakes import FixedClock
from tests.optout.claims import draft, random_bytes


@pytest.fixture
def registry(tmp_path):
    where = str(tmp_path / "registry.db")
    with Registry.open(where, FixedClock(), random=random_bytes(0), create=True) as found:
        yield found


def key_of(registry: Registry, seed: int = 1) -> SignerKey:
    return SignerKey(registry.log_key()[0], bytes([seed] * 32))


def signed(registry: Registry, seed: int = 1) -> bytes:
    size, root = registry.head()
    return checkpoint.sign(Checkpoint(registry.log_key()[0], size, root), key_of(registry, seed))


@pytest.fixture
def held(registry):
    """The receipt of the third of six claims, its proof, and the policy that it holds by."""
    for seed in range(1, 7):
        claim = draft(seed)
        recorded = registry.append(claim)
        if seed == 3:
            made = receipt.make(registry.log_key()[0], claim, recorded.entry, recorded.seq)
    shown = receipt.prove(made.seq, registry.leaf_hashes(), signed(registry))
    return made, shown, Policy(logs=(Log(key_of(registry).verifier),))


def test_a_receipt_survives_its_file_and_holds(held):
    made, shown, policy = held
    found = receipt.parse(made.to_bytes(), "file")
    assert found == made
    proved = receipt.verify(found, shown, policy).proved
    assert (proved.index, proved.checkpoint.size) == (2, 6)
    assert proved.quorum  # the policy asks for nobody
    assert policy.existed_by(proved.times) is None  # so nobody but the log says when


def test_a_receipt_holds_after_the_log_has_grown(registry, held):
    made, _, policy = held
    registry.append(draft(9))
    shown = receipt.prove(made.seq, registry.leaf_hashes(), signed(registry))
    assert receipt.verify(made, shown, policy).proved.checkpoint.size == 7


CHANGES = {
    "artist": lambda d: d["parts"]["identity"].update(artist="Somebody Else"),
    "name": lambda d: d["parts"]["match"].update(names=["x"]),
    "salt": lambda d: d["salts"].update(match="00" * 32),
    "short salt": lambda d: d["salts"].update(match="00"),
    "no hex": lambda d: d["salts"].update(match="zz"),
    "time": lambda d: d["entry"].update(recorded_at="2020-01-01T00:00:00.000000Z"),
    "signature": lambda d: d["entry"].update(signature="0" * 128),
    "claim": lambda d: d.update(claim="0" * 32),
    "seq": lambda d: d.update(seq=1),
    "origin": lambda d: d.update(origin="local/other"),
    "more": lambda d: d.update(size=9),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_receipt_is_refused(held, change):
    made, shown, policy = held
    document = json.loads(made.to_bytes())
    CHANGES[change](document)
    with pytest.raises(ProofError):
        receipt.verify(receipt.parse(json.dumps(document).encode(), "file"), shown, policy)


def test_a_proof_of_another_entry_log_or_key_is_refused(registry, held):
    made, shown, policy = held
    leaves = registry.leaf_hashes()
    for other in (
        receipt.prove(1, leaves, signed(registry)),
        receipt.prove(made.seq, leaves, signed(registry, seed=2)),
        receipt.LogProof(made.seq, shown.hashes[:-1], shown.checkpoint),
        receipt.LogProof(made.seq, shown.hashes[::-1], shown.checkpoint),
    ):
        with pytest.raises(ProofError):
            receipt.verify(made, other, policy)
    with pytest.raises(ProofError, match="log of the policy"):
        receipt.verify(made, shown, Policy())


def test_no_proof_is_made_by_a_checkpoint_of_another_log(registry, held):
    made, _, _ = held
    leaves = [bytes(32), *registry.leaf_hashes()[1:]]
    with pytest.raises(ProofError):
        receipt.prove(made.seq, leaves, signed(registry))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_receipt_is_refused(body):
    with pytest.raises(ProofError):
        receipt.parse(body, "file")
