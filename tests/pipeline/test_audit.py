"""What an audit compares, one function a check: what is false is said, what is true is not."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from optout.list_audit import OfLists, look_at_lists
from optout.log import checkpoint, cosignature, merkle
from optout.log.checkpoint import Checkpoint
from optout.log.note import COSIGNATURE, SignerKey
from optout.log.policy import Log, Policy, Witness
from pipeline import audit, vault
from pipeline.audit import ABOUT, EXIT_CODES, INCOMPLETE, Name, exit_code, failed, needs, verified
from schemas.errors import ImageError
from schemas.manifest import ListEntry
from schemas.tables import LEDGER, VAULTED, from_rows
from schemas.verdict import Reason
from tests.pipeline.test_manifest import draft as made_manifest

KEY = SignerKey("example.org/optouts", bytes(32))
WITNESS = SignerKey("witness.example", bytes([3] * 32), COSIGNATURE)
NOW = datetime(2026, 1, 9, tzinfo=UTC)
LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(9)]


def ledger(*told: tuple[str, str, str]) -> pa.Table:
    rows = [
        {"uid": uid, "stage": "match", "verdict": verdict, "reason": reason, "commitment": "0" * 64}
        for uid, verdict, reason in told
    ]
    return from_rows(rows, LEDGER)


OUT = (("e", "drop", "optout_work"), ("f", "drop", "optout_work"), ("g", "hold", "unchecked"))


def released(*uids: str) -> list[pa.Table]:
    return [pa.table({"uid": list(uids)})]


def test_rows_that_add_up_are_no_fault():
    assert audit.row_faults(made_manifest(), released(*"abcd"), ledger(*OUT)) == []


@pytest.mark.parametrize(
    ("uids", "out", "says"),
    [
        ("abc", OUT, "expected 4 released rows, found 3"),
        ("abca", OUT, "one twice"),
        ("abce", OUT, "row e is released and stands in the ledger"),
        ("abcd", OUT[1:], "expected 2 ledger rows of optout_work, found 1"),
        ("abcd", (*OUT[1:], ("e", "drop", "duplicate")), "expected 0 ledger rows of duplicate"),
        ("abcd", (OUT[0], OUT[0], OUT[2]), "each uid once in the ledger"),
    ],
)
def test_rows_that_do_not_add_up_are_told(uids, out, says):
    wrong = audit.row_faults(made_manifest(), released(*uids), ledger(*out))
    assert any(says in one for one in wrong), wrong


def held(count: int = 5) -> pa.Table:
    rows = [
        {"uid": f"{n}", "stage": "match", "verdict": "drop", "reason": str(Reason.OPTOUT_WORK),
         "claim_id": "c", "rule": "copy", "salt": hashlib.sha256(bytes([n])).hexdigest()}
        for n in range(count)
    ]  # fmt: skip
    return from_rows(rows, VAULTED)


def changed(table: pa.Table, column: str, value: str) -> pa.Table:
    place = table.schema.get_field_index(column)
    values = [value, *table[column].to_pylist()[1:]]
    return table.set_column(place, table.schema.field(place), pa.array(values, pa.string()))


def test_a_ledger_commits_to_what_the_vault_holds():
    public = vault.ledger(held())
    assert audit.ledger_faults(public, held()) == []
    for column, value in (("claim_id", "d"), ("rule", "style"), ("salt", "00" * 32)):
        (wrong, *_) = audit.ledger_faults(public, changed(held(), column, value))
        assert "commits to something else" in wrong
    edited = changed(public, "reason", str(Reason.DUPLICATE))
    assert "expected reason optout_work, found duplicate" in audit.ledger_faults(edited, held())[0]
    assert "is not in the vault" in audit.ledger_faults(public, held().slice(1))[0]
    assert "is not in the ledger" in audit.ledger_faults(public.slice(1), held())[0]


def code(body: bytes) -> tuple[bytes, int]:
    if body == b"rubbish":
        raise ImageError(str(Reason.NOT_AN_IMAGE), "no image")
    return hashlib.sha256(b"pdq" + body).digest(), 100


def test_stored_images_are_held_against_their_rows():
    bodies = {f"{n}": bytes([n]) for n in range(4)} | {"4": b"rubbish"}
    rows = pa.table(
        {
            "uid": list(bodies),
            "stored_sha256": [hashlib.sha256(b).hexdigest() for b in bodies.values()],
            "stored_pdq": [hashlib.sha256(b"pdq" + b).digest() for b in bodies.values()],
        }
    )
    good = rows.slice(0, 4)
    assert audit.byte_faults(good, bodies, code) == []
    assert "found no image" in audit.byte_faults(rows, bodies, code)[0]
    assert "no stored image" in audit.byte_faults(good, {}, code)[0]
    swapped = bodies | {"0": b"other"}
    assert "expected stored_sha256" in audit.byte_faults(good, swapped, code)[0]
    lies = good.set_column(2, "stored_pdq", [[bytes(32)] * 4])
    assert len(audit.byte_faults(lies, bodies, code)) == 4


def test_vectors_of_other_images_are_told():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((6, 64)).astype(np.float32)
    near = rows + rng.standard_normal(rows.shape).astype(np.float32) * 0.1
    uids = list("abcdef")
    assert audit.vector_faults(uids, {"cpy": rows}, {"cpy": near}) == []
    moved = near[[1, 0, 2, 3, 4, 5]]
    assert len(audit.vector_faults(uids, {"cpy": moved}, {"cpy": rows})) == 2
    nan = rows.copy()
    nan[3] = np.nan
    (wrong,) = audit.vector_faults(uids, {"cpy": nan}, {"cpy": rows})
    assert "row d" in wrong


def test_a_sample_finds_one_false_row_in_a_thousand():
    """0.1 % of 100,000 rows: in at least 99 of 100 samples (expected: 99.99)."""
    uids = [f"{n:06d}" for n in range(100_000)]
    false = set(uids[::1000])
    found = sum(
        bool(false & set(audit.chosen(uids, audit.SAMPLED_ROWS, seed))) for seed in range(100)
    )
    assert found >= 99
    assert audit.chosen(uids[:9], 20, 1) == uids[:9]


def entry(size: int = 5, **changes: object) -> ListEntry:
    root = merkle.root(LEAVES[:size])
    body = checkpoint.sign(Checkpoint(KEY.name, size, root), KEY).decode()
    given = {"origin": KEY.name, "used": True, "size": size, "root": root.hex(), "age_days": 1.0}
    return ListEntry(**{**given, "checkpoint": body, **changes})


def test_lists_are_signed_fresh_and_all_there():
    trusted = Policy((Log(KEY.verifier),))
    assert look_at_lists([entry()], trusted, [KEY.name], NOW) == OfLists()
    assert look_at_lists([entry()], None, [], NOW) == OfLists(unsigned=[KEY.name])
    bare = [entry(checkpoint=None)]
    assert look_at_lists(bare, trusted, [], NOW) == OfLists(unsigned=[KEY.name])
    stranger = Policy((Log(SignerKey(KEY.name, bytes([1] * 32)).verifier),))
    for faulty, policy, demanded, says in (
        ([], trusted, [KEY.name], "not named at all"),
        ([entry(used=False, reason="too wide")], trusted, [KEY.name], "declined: too wide"),
        ([entry(age_days=7.5)], trusted, [], "at most 7 days old"),
        ([entry(age_days=-0.5)], trusted, [], "at most 7 days old"),
        ([entry()], stranger, [], "signed by"),
        ([entry(checkpoint=entry(4).checkpoint)], trusted, [], "found one of example.org/optouts"),
        ([entry(checkpoint="rubbish")], None, [], "checkpoint of"),
    ):
        wrong, *_ = look_at_lists(faulty, policy, demanded, NOW).wrong
        assert says in wrong


def test_what_witnesses_have_not_seen_lately_is_the_builders_word():
    watched = Policy((Log(KEY.verifier),), (Witness("w", WITNESS.verifier),), (), "w")
    found = look_at_lists([entry()], watched, [], NOW)
    assert found.wrong == []
    assert "cosignatures of" in found.unseen[0]
    for days, unseen in ((1, 0), (6.9, 0), (7.1, 1)):
        at = int(NOW.timestamp() - days * 86_400)
        body = entry().checkpoint.encode()
        line = cosignature.cosign(checkpoint.parse(body).to_text(), WITNESS, at)
        seen = cosignature.with_signatures(body, [line]).decode()
        found = look_at_lists([entry(checkpoint=seen)], watched, [], NOW)
        assert (found.wrong, found.unsigned, len(found.unseen)) == ([], [], unseen)
        assert bool(found.seen) != bool(unseen)


def test_exit_codes_name_the_first_check_that_failed():
    fine = verified(Name.FILES, "x")
    open_ = needs(Name.CLAIMS, "the snapshot")
    assert exit_code([fine, open_], complete=False) == 0
    assert exit_code([fine, open_], complete=True) == INCOMPLETE
    both = [failed(Name.MAPS, ["a"]), failed(Name.LISTS, ["b"]), open_]
    assert exit_code(both, complete=True) == EXIT_CODES[Name.MAPS]
    assert len(set(EXIT_CODES.values()) | {0, 1, 2, INCOMPLETE}) == len(Name) + 4


def test_the_page_has_every_check_with_its_exit_code():
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line[:3] == "| `"]
    told = {cells[0].strip("`"): (cells[1], cells[3]) for cells in lines if len(cells) == 4}
    for name, about in ABOUT.items():
        assert told[name] == (about, str(EXIT_CODES[name]))
