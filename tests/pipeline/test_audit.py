"""What an audit compares, one function a check: what is false is said, what is true is not."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import cv2
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
from pipeline.evidence import EVIDENCE
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.tars import tar_metadata, told_beside
from schemas.errors import ImageError
from schemas.manifest import ListEntry, Recalled
from schemas.tables import KEYPOINTS, LEDGER, RETRACTIONS, SAMPLES, VAULTED, from_rows, vector
from schemas.verdict import Reason
from tests.pipeline.samples import samples
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
        ("abcd", (*OUT[1:], ("e", "drop", "[b]mood")), "a reason that is known, found '[b]mood'"),
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
            "pdq": [bytes(32)] * 5,
            "pdq_quality": [100] * 5,
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
    for quality, wrong, unclear in ((50, 0, 0), (49, 4, 0), (None, 4, 4)):
        told = good.set_column(4, "pdq_quality", pa.array([quality] * 4, pa.int16()))
        assert len(audit.byte_faults(told, bodies, code)) == wrong
        assert len(audit.byte_faults(told, bodies, lambda b: (code(b)[0], 54))) == unclear
    nothing = good.set_column(3, "pdq", pa.nulls(4, pa.binary()))
    assert len(audit.byte_faults(nothing, bodies, code)) == 4


def test_vectors_are_one_of_each_name_for_each_row_and_of_unit_length():
    unit = np.eye(4, dtype=np.float32)[:3]

    def table(uids: list[str], cpy: np.ndarray, **more: object) -> pa.Table:
        return pa.table(
            {"uid": uids, "cpy": cpy.tolist(), "sty": unit.tolist()[: len(uids)], **more}
        )

    def faults(held: pa.Table) -> list[str]:
        return audit.vector_form_faults(list("abc"), held, ["cpy", "sty"])

    assert faults(table(list("cab"), unit)) == []
    assert "found 2 of others" in faults(table(list("ab"), unit[:2]))[0]
    assert "once each" in faults(table(list("aab"), unit))[0]
    assert "a vector sty of every row" in faults(table(list("abc"), unit).drop_columns("sty"))[0]
    null = table(list("abc"), unit).set_column(1, "cpy", [[[1.0], None, [1.0]]])
    assert "a vector cpy of every row" in faults(null)[0]
    for factor in (0.3, 1.02, float("nan")):
        scaled = unit * np.array([[1], [factor], [1]], np.float32)
        (wrong,) = faults(table(list("abc"), scaled))
        assert "row b: expected the vector cpy of length 1" in wrong


def test_samples_are_files_of_their_layout_and_no_others():
    parquet = ["samples/00000.parquet", "samples/00001.parquet", "report.html"]
    assert audit.layout_faults(parquet, "parquet") == audit.layout_faults(parquet, "urls") == []
    for more in ("samples/00000.tar", "samples/note.txt", "samples/00002.tar"):
        (wrong,) = audit.layout_faults([*parquet, more], "parquet")
        assert more in wrong
    tars = [f"samples/00000{end}" for end in (".tar", ".parquet", "_stats.json")]
    assert audit.layout_faults(tars, "webdataset") == []
    (wrong,) = audit.layout_faults(tars[1:], "webdataset")
    assert wrong == "expected samples/00000.tar, found none"


def test_a_release_has_files_in_known_places_and_in_no_others():
    beside = [
        "embeddings/00000.parquet",
        "ledger/00000.parquet",
        "evidence/index.parquet",
        f"evidence/{'0f' * 32}",
        "retractions.parquet",
        "report.html",
    ]
    assert audit.layout_faults(["samples/00000.parquet", *beside], "parquet") == []
    for more in ("embeddings/00001.parquet", "more/00000.parquet", "evidence/x.parquet", "a.tar"):
        (wrong,) = audit.layout_faults(["samples/00000.parquet", *beside, more], "parquet")
        assert wrong == f"{more} is no file that a release has"
    assert audit.layout_faults(beside, "parquet")  # vectors of no samples


def test_tables_have_the_columns_of_their_place_and_no_others():
    vectors = [pa.field("uid", pa.string()), pa.field("cpy", vector(4)), KEYPOINTS]
    good = {
        "ledger/00000.parquet": LEDGER,
        "retractions.parquet": RETRACTIONS,
        "evidence/index.parquet": EVIDENCE,
        "embeddings/00000.parquet": pa.schema(vectors),
    }
    for path, schema in good.items():
        assert audit.column_faults(path, schema, "urls") == []
        (wrong,) = audit.column_faults(path, schema.append(pa.field("x", pa.binary())), "urls")
        assert wrong == f"{path}: expected columns {', '.join(schema.names)}, found x"
    more = SAMPLES.append(pa.field("of_the_source", pa.string()))
    assert audit.column_faults("samples/00000.parquet", more, "urls") == []
    assert audit.column_faults("samples/00000.parquet", more, "parquet")


def test_documents_are_called_by_their_digest_and_named():
    one, other = "1" * 64, "2" * 64
    assert audit.evidence_faults({one: one}, [one, None, other]) == []
    (wrong,) = audit.evidence_faults({one: one, other: other}, [one])
    assert wrong == f"evidence/{other} is not in evidence/index.parquet"
    (wrong,) = audit.evidence_faults({one: other}, [one, other])
    assert "expected a document of that sha256" in wrong


def test_a_row_has_all_by_which_it_is_found():
    rows = pa.table({"uid": ["a"]} | {name: ["x"] for name in audit.KEYS})
    assert audit.key_faults(rows) == []
    (wrong,) = audit.key_faults(rows.set_column(1, "sha256", pa.nulls(1, pa.string())))
    assert wrong == "row a: expected its sha256, found none"


def test_a_tar_holds_its_rows_and_nothing_else():
    rows = tar_metadata(samples(2), 0).to_pylist()
    good = [
        (f"{row['key']}.{end}", body)
        for row in rows
        for end, body in (
            ("jpg", b"image"),
            ("txt", row["caption"].encode()),
            ("json", json.dumps(told_beside(row)).encode()),
        )
    ]
    assert audit.tar_faults(rows, good, "jpg") == []
    for lie in (
        [*good, ("000000099.jpg", b"hidden")],
        [*good, (good[0][0], b"hidden")],
        [*good, (good[0][0].replace("jpg", "png"), b"hidden")],
        good[1:],
        [good[0], (good[1][0], b"by Ada Example"), *good[2:]],
        [*good[:2], (good[2][0], b"{}"), *good[3:]],
    ):
        assert len(audit.tar_faults(rows, lie, "jpg")) == 1


def test_a_row_names_the_host_of_its_address():
    def faults(url: str | None, host: str | None) -> list[str]:
        return audit.host_faults(pa.table({"uid": ["a"], "url": [url], "host": [host]}))

    assert faults("http://A.example:80/x.jpg", "a.example") == []
    assert faults(None, None) == faults("no address", None) == []
    assert faults("http://" + "a" * 9000, "x") == []  # cut, as kept
    (wrong,) = faults("http://denied.example/x.jpg", "innocent.example")
    assert "expected the host denied.example" in wrong


def test_what_was_retracted_is_not_inside_and_as_many_as_is_said():
    manifest = made_manifest().model_copy(
        update={"parent": "p", "recalled": Recalled(removed=1, held=0, reworded=0, unjudged=0)}
    )
    rows = [{"uid": u, "release": r, "reason": "optout_work"} for u, r in (("a", "p"), ("b", "o"))]
    gone = from_rows(rows, RETRACTIONS)
    inside = pa.chunked_array([["c", "d"]])
    assert audit.retraction_faults(manifest, inside, gone) == []
    (wrong,) = audit.retraction_faults(manifest, pa.chunked_array([["b"]]), gone)
    assert "row b is released and said to be retracted" in wrong
    (wrong,) = audit.retraction_faults(manifest, inside, gone.slice(1))
    assert "expected 1 rows retracted from the parent, found 0" in wrong
    assert audit.retraction_faults(made_manifest(), inside, RETRACTIONS.empty_table()) == []


def test_key_points_are_those_of_the_image():
    rng = np.random.default_rng(3)
    pictures = [
        cv2.resize(rng.integers(0, 255, (24, 32, 3), np.uint8), (320, 240)) for _ in range(2)
    ]
    one, other = (keypoints(p, SAMPLE) for p in pictures)
    assert audit.point_faults(["a", "b"], [one, other], [one, other]) == []
    for stored in (other, b"", None):
        (wrong,) = audit.point_faults(["a"], [stored], [one])
        assert "row a: expected the key points of its image" in wrong
    assert audit.point_faults(["a"], [b""], [b""]) == []  # a plain one has none


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
