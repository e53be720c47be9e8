"""What was left out for one claim, with proof that needs nobody's word."""

import hashlib
import json
import random

import pyarrow as pa
import pytest

from pipeline import delta, vault
from pipeline.delta import make, parse, verify
from pipeline.near.hamming import as_words
from pipeline.release_maps import leaves, ledger_root
from schemas.canonical import sha256_hex
from schemas.errors import ProofError
from schemas.manifest import ListEntry
from schemas.tables import VAULTED, from_rows
from schemas.verdict import Reason
from tests.pipeline.test_manifest import draft as made_manifest

CLAIM, OTHER = "a" * 32, "b" * 32
ROWS = 23
KINDS = ("salt", "reason", "rule", "uid", "index", "proof", "commitment", "twice")


def vaulted() -> pa.Table:
    rows = [
        {
            "uid": hashlib.sha256(bytes([n])).hexdigest()[:32],
            "row": n,
            "stage": "match",
            "verdict": "drop",
            "reason": str(Reason.OPTOUT_WORK),
            "claim_id": CLAIM if n % 3 else OTHER,
            "rule": "copy" if n % 2 else "sha256",
            "similarity": float("inf") if n == 4 else n / 7,
            "threshold": 0.5,
            "salt": hashlib.sha256(bytes([n, 1])).hexdigest(),
        }
        for n in range(ROWS)
    ]
    return from_rows(rows, VAULTED).sort_by("uid")


@pytest.fixture
def world():
    """A ledger, the rows of one claim, a manifest with its root, and its bytes."""
    held = vaulted()
    ledger = vault.ledger(held)
    own = held.filter(pa.compute.equal(held["claim_id"], CLAIM))
    manifest = made_manifest()
    roots = manifest.roots.model_copy(
        update={"ledger": ledger_root([leaves(ledger)]).hex(), "ledger_rows": ROWS}
    )
    return ledger, own, manifest.model_copy(update={"roots": roots}), b"the manifest"


def test_every_row_of_a_claim_is_opened_and_proved(world):
    ledger, own, manifest, body = world
    found = parse(make(CLAIM, body, ledger, own).to_bytes(), "file")
    verify(found, CLAIM, manifest, body)
    assert len(found.rows) == own.num_rows
    assert {one.row["claim_id"] for one in found.rows} == {CLAIM}
    assert sum(delta.by_rule(found.rows).values()) == own.num_rows
    assert found.manifest_sha256 == sha256_hex(body)


def test_a_delta_of_another_claim_release_or_ledger_is_refused(world):
    ledger, own, manifest, body = world
    found = make(CLAIM, body, ledger, own)
    other = manifest.roots.model_copy(update={"ledger": "0" * 64})
    for wrong in (
        (OTHER, manifest, body),
        (CLAIM, manifest, b"another manifest"),
        (CLAIM, manifest.model_copy(update={"roots": other}), body),
    ):
        with pytest.raises(ProofError):
            verify(found, *wrong)


def test_rows_of_others_cannot_be_passed_off(world):
    ledger, _, manifest, body = world
    held = vaulted()
    strangers = held.filter(pa.compute.equal(held["claim_id"], OTHER))
    with pytest.raises(ProofError, match="denied"):
        verify(make(CLAIM, body, ledger, strangers), CLAIM, manifest, body)


def test_a_vault_that_says_something_else_than_the_ledger_proves_nothing(world):
    ledger, own, _, body = world
    place = own.schema.get_field_index("reason")
    column = pa.array([str(Reason.OPTOUT_STYLE)] * own.num_rows)
    with pytest.raises(ProofError, match="open its ledger row"):
        make(CLAIM, body, ledger, own.set_column(place, own.schema.field(place), column))


def test_no_changed_delta_is_accepted(world):
    ledger, own, manifest, body = world
    good = json.loads(make(CLAIM, body, ledger, own).to_bytes())
    rng = random.Random(7)
    for _ in range(400):
        document = json.loads(json.dumps(good))
        row = rng.choice(document["rows"])
        kind = rng.choice(
            ["salt", "reason", "rule", "uid", "index", "proof", "commitment", "twice"]
        )
        if kind == "index":
            row["index"] = (row["index"] + rng.randrange(1, ROWS)) % ROWS
        elif kind == "proof":
            row["proof"][rng.randrange(len(row["proof"]))] = rng.randbytes(32).hex()
        elif kind == "commitment":
            row["commitment"] = rng.randbytes(32).hex()
        elif kind == "twice":
            document["rows"].append(row)
        else:
            row["row"][kind] = rng.randbytes(16).hex()
        with pytest.raises(ProofError):
            verify(parse(json.dumps(document).encode(), "x"), CLAIM, manifest, body)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_delta_is_refused(body):
    with pytest.raises(ProofError):
        parse(body, "file")


def test_a_release_says_by_which_state_it_was_made():
    lists = [
        ListEntry(origin="a", used=True, size=7, root="0" * 64),
        ListEntry(origin="b", used=False),
    ]
    manifest = made_manifest().model_copy(update={"lists": lists})
    assert delta.applied(manifest, "a", 6).has_claim
    assert not delta.applied(manifest, "a", 7).has_claim
    assert delta.applied(manifest, "b", 0).size is None
    assert delta.applied(manifest, "c", 0).size is None


def test_distances_are_the_least_over_variants_and_images():
    codes = as_words([bytes(32), bytes([255]) * 32])
    near = bytes([1] + [0] * 31).hex()
    far = bytes([0xAA] * 32).hex()
    assert delta.least_distances([[far, near], [far]], codes) == [1, 128]
    assert delta.least_distances([[near]], codes[:0]) == [256]


@pytest.mark.parametrize("salt", [None, 7, [], {}])
def test_a_salt_that_is_no_text_is_refused(world, salt):
    ledger, own, manifest, body = world
    document = json.loads(make(CLAIM, body, ledger, own).to_bytes())
    document["rows"][0]["row"]["salt"] = salt
    with pytest.raises(ProofError, match="the opening of row"):
        verify(parse(json.dumps(document).encode(), "x"), CLAIM, manifest, body)
