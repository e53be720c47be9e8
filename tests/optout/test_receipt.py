import json

import pytest

from optout import receipt
from optout.registry import Registry
from schemas.errors import ProofError
from tests.fakes import FixedClock
from tests.optout.claims import draft, random_bytes


@pytest.fixture
def held(tmp_path):
    where = str(tmp_path / "registry.db")
    with Registry.open(where, FixedClock(), random=random_bytes(0), create=True) as registry:
        for seed in range(1, 7):
            claim = draft(seed)
            recorded = registry.append(claim)
        yield receipt.make(registry.view().origin, claim, recorded, registry.leaf_hashes())


def test_a_receipt_survives_its_file(held):
    found = receipt.parse(held.to_bytes(), "file")
    assert found == held
    receipt.check(found)


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
    "size": lambda d: d.update(size=9),
    "root": lambda d: d.update(root="0" * 64),
    "proof": lambda d: d.update(proof=d["proof"][:-1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_receipt_is_refused(held, change):
    document = json.loads(held.to_bytes())
    CHANGES[change](document)
    with pytest.raises(ProofError):
        receipt.check(receipt.parse(json.dumps(document).encode(), "file"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_receipt_is_refused(body):
    with pytest.raises(ProofError):
        receipt.parse(body, "file")
