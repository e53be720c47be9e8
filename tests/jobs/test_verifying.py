"""`recuse audit verify` on releases that were really built: honest ones, and ones that lie.

Each lie is told by a builder who holds the key and makes all the rest fit (tests/independent/liar).
More of them stand in tests/pipeline/test_audit.py, function by function.
"""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from jobs.builder_key import builder_key_path
from jobs.cli import audit, optout
from jobs.list_files import read_signer
from pipeline.audit import EXIT_CODES, INCOMPLETE, Name
from pipeline.image.canonical import CanonicalHasher
from schemas.errors import ProofError, UsageError
from tests.e2e.builds import recuse, rows_in
from tests.independent.liar import Lie, vkey
from tests.jobs.auditing import OWN, RUNNER, changed, run, signed_copies, statuses, told

OTHER = bytes([8] * 32)
SAMPLES, LEDGER = "samples/00000.parquet", "ledger/00000.parquet"
EMBEDDINGS, VAULTED = "embeddings/00000.parquet", "vault/rows/00000.parquet"


@pytest.fixture
def copy(place, tmp_path) -> Path:
    """Both releases and their vaults, to be changed, signed by a key of the test's own."""
    signed_copies(place, tmp_path, ("one", "two"), "registry.db")
    shutil.copy(place / "Berthold" / "6.jpg", tmp_path / "6.jpg")
    return tmp_path


def whole(copy: Path) -> list[object]:
    return [copy / "one", "--key", vkey(OWN)[0], "--policy", copy / "policy",
            "--registry", copy / "registry.db", "--vault", copy / "one.vault"]  # fmt: skip


def test_an_honest_release_holds_in_everything_that_can_be_looked_at(copy):
    code, found = run(*whole(copy))
    assert code == 0
    assert statuses(found) == dict.fromkeys(map(str, Name), "verified") | {"vectors": "needs"}
    assert found["claims"] == {"active": 1, "replayed": 1, "erased_since": 0}
    assert run(*whole(copy), "--require-complete")[0] == INCOMPLETE


def test_what_the_builder_signed_is_verified_by_the_key_of_the_build(place):
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


def test_the_maps_of_a_second_implementation_are_those_of_the_release(copy):
    before = told(copy)
    changed(copy).seal()
    after = told(copy)
    assert after["roots"] == before["roots"]
    assert after["vault_sha256"] == before["vault_sha256"]
    assert after == before


# --- lies, on the release that has left out one row more


def no_list(lie: Lie) -> None:
    lie.said["lists"] = []
    lie.sign()


def stale(lie: Lie) -> None:
    lie.said["lists"][0]["age_days"] = 8.25
    lie.sign()


def told_as_fresh(lie: Lie) -> None:
    """The state of the first release, a month later."""
    lie.said |= {"lists": told(lie.place.parent)["lists"], "created": "2026-02-01T00:00:00Z"}
    lie.sign()


def never_was(lie: Lie) -> None:
    lie.said["lists"][0] |= {"root": "0" * 64, "checkpoint": None}
    lie.sign()


def other_claims(lie: Lie) -> None:
    """The list was used, but with other claims than the log has."""
    lie.said["lists"][0]["snapshot_sha256"] = "0" * 64
    lie.sign()


def newer_state(lie: Lie) -> None:
    """The list is said to have an entry of later than it has."""
    lie.said["lists"][0]["recorded_at"] = "2026-09-01T00:00:00Z"
    lie.sign()


def wrong_root(lie: Lie) -> None:
    lie.said["roots"]["rows"] = "0" * 64
    lie.sign()


def other_key(lie: Lie) -> None:
    lie.seed = OTHER
    lie.sign()


def unsigned(lie: Lie) -> None:
    (lie.place / "manifest.json.note").unlink()


def swapped(lie: Lie) -> None:
    lie.put(SAMPLES, lie.table(SAMPLES).slice(1))


def stray(lie: Lie) -> None:
    (lie.place / "samples" / "00009.parquet").write_bytes(b"PAR1")


def unfinished(lie: Lie) -> None:
    """What a build that was killed has left beside its shards."""
    (lie.place / "samples" / ".part-0123456789abcdef").write_bytes(b"PAR1")


def hidden(lie: Lie) -> None:
    """A row in the shards and the counts, and in no map."""
    before = dict(lie.said["roots"])
    row = lie.table(SAMPLES).slice(0, 1)
    lie.add(SAMPLES, row.set_column(0, "uid", pa.array(["f" * 32])))
    lie.seal()
    lie.said["roots"] = before
    lie.sign()


def lost(lie: Lie) -> None:
    """A row that is in no place at all."""
    rows_in = lie.said["rows_in"]
    lie.remove(LEDGER, left_out(lie))
    lie.seal()
    lie.said["rows_in"] = rows_in
    lie.sign()


def other_picture(lie: Lie) -> None:
    first, second = lie.table(SAMPLES)["uid"].to_pylist()[:2]
    images = dict(zip(*(lie.table(SAMPLES)[n].to_pylist() for n in ("uid", "image")), strict=True))
    lie.change(SAMPLES, first, image=images[second])
    lie.seal()


def left_out(lie: Lie) -> str:
    """The uid of the row that this release has left out and the one before has not."""
    before = Lie(lie.place.parent / "one", lie.place.parent / "one.vault", OWN)
    known = {row["uid"] for rows in before.rows("samples").values() for row in rows}
    (uid,) = known & set(lie.table(VAULTED)["uid"].to_pylist())
    return uid


def back(lie: Lie) -> str:
    """Put that row back as if nobody had ever asked."""
    uid = left_out(lie)
    before = Lie(lie.place.parent / "one", lie.place.parent / "one.vault", OWN)
    for path in (SAMPLES, EMBEDDINGS):
        table = before.table(path)
        lie.add(path, table.filter(pa.array([u == uid for u in table["uid"].to_pylist()])))
    for path in (LEDGER, VAULTED):
        lie.remove(path, uid)
    return uid


def row_back(lie: Lie) -> None:
    back(lie)
    lie.seal()


def near_copy(lie: Lie, **changes: object) -> str:
    """Put it back in another encoding, whose bytes and pixels nobody has listed."""
    uid = back(lie)
    (image,) = (r["image"]["bytes"] for r in lie.table(SAMPLES).to_pylist() if r["uid"] == uid)
    out = io.BytesIO()
    Image.open(io.BytesIO(image)).save(out, "JPEG", quality=75)
    body = out.getvalue()
    digest, code = hashlib.sha256(body).hexdigest(), CanonicalHasher().pdq(body)[0]
    given = {"image": {"bytes": body, "path": None}, "sha256": digest, "stored_sha256": digest,
             "pixel_sha256": digest[::-1], "pdq": code, "stored_pdq": code}  # fmt: skip
    lie.change(SAMPLES, uid, **{**given, **changes})
    return uid


def copy_back(lie: Lie) -> None:
    near_copy(lie)
    lie.seal()


def false_pdq(lie: Lie) -> None:
    """Of the bytes as fetched, which nobody can look at any more."""
    near_copy(lie, pdq=bytes(range(32)))
    lie.seal()


def false_codes(lie: Lie) -> None:
    near_copy(lie, pdq=bytes(range(32)), stored_pdq=bytes(range(32)))
    lie.seal()


def false_vectors(lie: Lie) -> None:
    uid = near_copy(lie)
    table = lie.table(EMBEDDINGS)
    (other, *_) = [r for r in table.to_pylist() if r["uid"] != uid]
    lie.change(EMBEDDINGS, uid, cpy=other["cpy"], sty=other["sty"], keypoints=other["keypoints"])
    lie.seal()


def short_vectors(lie: Lie) -> None:
    """A vector of another length is like nothing, and has the direction that it should have."""
    uid = near_copy(lie)
    (own,) = [r for r in lie.table(EMBEDDINGS).to_pylist() if r["uid"] == uid]
    lie.change(EMBEDDINGS, uid, **{n: [0.3 * v for v in own[n]] for n in ("cpy", "sty")})
    lie.seal()


def no_vectors(lie: Lie) -> None:
    near_copy(lie)
    lie.put(EMBEDDINGS, lie.table(EMBEDDINGS).drop_columns(["cpy", "keypoints"]))
    lie.seal()


def no_points(lie: Lie) -> None:
    lie.change(EMBEDDINGS, near_copy(lie), keypoints=b"")
    lie.seal()


def too_plain(lie: Lie) -> None:
    """As if its code said little."""
    near_copy(lie, pdq_quality=0)
    lie.seal()


def shadow(lie: Lie) -> None:
    """A tar beside the tables, which a loader might read instead."""
    path = lie.place / "samples" / "00000.tar"
    with tarfile.open(path, "w") as out:
        out.addfile(tarfile.TarInfo("000000000.jpg"))
    lie.said["files"].append({"path": "samples/00000.tar", "rows": None})
    lie.said["files"].sort(key=lambda f: f["path"])
    lie.seal()


def with_file(lie: Lie, path: str, body: bytes) -> None:
    """Put in a file where a release may have one, and let the manifest name it."""
    (lie.place / path).write_bytes(body)
    lie.said["files"].append({"path": path, "rows": None})
    lie.said["files"].sort(key=lambda f: f["path"])
    lie.seal()


def no_document(lie: Lie) -> None:
    body = b"a row that has left, as a document of some site"
    with_file(lie, f"evidence/{hashlib.sha256(body).hexdigest()}", body)


def misnamed_document(lie: Lie) -> None:
    with_file(lie, f"evidence/{'f' * 64}", b"a row that has left")


def told_ledger(lie: Lie) -> None:
    """The addresses of rows that were left out, for everybody to read."""
    bare = lie.rows("ledger")
    table = lie.table(LEDGER)
    lie.put(LEDGER, table.append_column("url", pa.array(["http://a.example"] * table.num_rows)))
    every, lie.rows = lie.rows, lambda folder: bare if folder == "ledger" else every(folder)
    lie.seal()


def pictured_vectors(lie: Lie) -> None:
    table = lie.table(EMBEDDINGS)
    lie.put(EMBEDDINGS, table.append_column("more", pa.array([b"JPEG"] * table.num_rows)))
    lie.seal()


def no_codes(lie: Lie) -> None:
    """A near copy that no map can show to be one."""
    near_copy(lie, pdq=None, stored_pdq=None, pdq_quality=None)
    lie.seal()


def other_host(lie: Lie) -> None:
    lie.change(SAMPLES, lie.table(SAMPLES)["uid"][0].as_py(), host="innocent.example")
    lie.seal()


def miscounted(lie: Lie) -> None:
    lie.said["captions_redacted"] = 5
    lie.sign()


def other_caption(lie: Lie) -> None:
    lie.change(SAMPLES, lie.table(SAMPLES)["uid"][0].as_py(), caption="nobody is named here")
    lie.seal()


def other_bytes(lie: Lie) -> None:
    lie.change(SAMPLES, lie.table(SAMPLES)["uid"][0].as_py(), sha256="0" * 64)
    lie.seal()


def borrowed(lie: Lie) -> None:
    """The evidence of another row."""
    first, second = lie.table(SAMPLES)["uid"].to_pylist()[:2]
    path = "vault/evidence/rows/00000.parquet"
    (other,) = [r for r in lie.table(path).to_pylist() if r["uid"] == second]
    lie.change(path, first, answer=other["answer"], embedded=other["embedded"])
    (of_other,) = [r for r in lie.table(SAMPLES).to_pylist() if r["uid"] == second]
    lie.change(SAMPLES, first, signals=of_other["signals"])
    lie.seal()


def other_reason(lie: Lie) -> None:
    """A row that a claim denies is told to have been too small."""
    uid = left_out(lie)
    lie.change(VAULTED, uid, stage="decode", reason="too_small", claim_id=None, rule=None,
               similarity=None, threshold=None, detail=None)  # fmt: skip
    lie.recommit(uid)
    lie.seal()


def unjoined(lie: Lie) -> None:
    """A released row has the pixels of one that was left out, and no edge tells."""
    listed = lie.table(VAULTED).to_pylist()
    (pixels,) = {r["pixel_sha256"] for r in listed if r["uid"] == left_out(lie)}
    lie.change(SAMPLES, lie.table(SAMPLES)["uid"][0].as_py(), pixel_sha256=pixels)
    lie.seal()


def begun_earlier(lie: Lie) -> None:
    """A release of today by the state of long ago, with a date to match."""
    table = lie.table(SAMPLES)
    at = table.schema.get_field_index("fetched_at")
    late = pa.array(
        [datetime(2026, 9, 1, tzinfo=UTC)] * table.num_rows, table.schema.field(at).type
    )
    lie.put(SAMPLES, table.set_column(at, table.schema.field(at), late))
    lie.seal()


def no_form(lie: Lie) -> None:
    """A column that every reader expects."""
    lie.put(LEDGER, lie.table(LEDGER).drop_columns(["commitment"]))
    lie.said["files"] = [
        f | {"sha256": hashlib.sha256((lie.place / f["path"]).read_bytes()).hexdigest(),
             "size_bytes": (lie.place / f["path"]).stat().st_size}
        for f in lie.said["files"]
    ]  # fmt: skip
    lie.sign()


def edited_ledger(lie: Lie) -> None:
    lie.change(LEDGER, left_out(lie), stage="dedup", reason="duplicate")
    lie.seal()


def edited_vault(lie: Lie) -> None:
    lie.change(VAULTED, left_out(lie), rule="copy")


def edited_both(lie: Lie) -> None:
    """A row that a claim denies is told to be a duplicate, in the vault too."""
    uid = left_out(lie)
    (stands_for, *_) = lie.table(SAMPLES)["uid"].to_pylist()
    lie.change(VAULTED, uid, stage="dedup", reason="duplicate", claim_id=None, rule=None,
               similarity=None, threshold=None, detail=None, dup_of=stands_for)  # fmt: skip
    lie.recommit(uid)
    lie.seal()


def looser(lie: Lie) -> None:
    """Thresholds that its own config does not have: more may stay than was said."""
    lie.said["thresholds"] |= {"claim_share": 1.0}
    lie.sign()


def unread(lie: Lie) -> None:
    """Rows that nobody could read, which its config does not let out."""
    lie.said["unchecked"] = {"robots": 1}
    lie.sign()


LIES: dict[str, tuple[Callable[[Lie], None], Name, set[str]]] = {
    # what is told, who notices, by what beside the release, the builder's key and a policy
    "list omitted": (no_list, Name.LISTS, set()),
    "stale list": (stale, Name.LISTS, set()),
    "stale list told as fresh": (told_as_fresh, Name.LOG, {"registry"}),
    "a state that never was": (never_was, Name.LOG, {"registry"}),
    "other claims": (other_claims, Name.CLAIMS, {"registry"}),
    "a later state": (newer_state, Name.CLAIMS, {"registry"}),
    "wrong root": (wrong_root, Name.MAPS, set()),
    "another key": (other_key, Name.SIGNATURE, set()),
    "no signature": (unsigned, Name.SIGNATURE, set()),
    "swapped shard": (swapped, Name.FILES, set()),
    "stray file": (stray, Name.FILES, set()),
    "a file half written": (unfinished, Name.FILES, set()),
    "a row that no map knows": (hidden, Name.MAPS, set()),
    "a row that is nowhere": (lost, Name.MANIFEST, set()),
    "thresholds of another config": (looser, Name.MANIFEST, set()),
    "rows that nobody could read": (unread, Name.MANIFEST, set()),
    "another picture": (other_picture, Name.BYTES, set()),
    "a row put back": (row_back, Name.CLAIMS, {"registry"}),
    "a near copy put back": (copy_back, Name.CLAIMS, {"registry"}),
    "and with a false code of what was fetched": (false_pdq, Name.CLAIMS, {"registry"}),
    "and with false codes": (false_codes, Name.BYTES, set()),
    "and with false vectors": (false_vectors, Name.VECTORS, {"model"}),
    "and with short vectors": (short_vectors, Name.VECTORS, set()),
    "and without vectors": (no_vectors, Name.VECTORS, set()),
    "and without key points": (no_points, Name.VECTORS, {"model"}),
    "and as if it were plain": (too_plain, Name.BYTES, set()),
    "a tar that no row is in": (shadow, Name.FILES, set()),
    "a document that no index names": (no_document, Name.FILES, set()),
    "a document under the name of another": (misnamed_document, Name.FILES, set()),
    "a ledger that tells more": (told_ledger, Name.FILES, set()),
    "pictures beside vectors": (pictured_vectors, Name.FILES, set()),
    "a row without codes": (no_codes, Name.ROWS, set()),
    "another host": (other_host, Name.ROWS, set()),
    "captions that nobody redacted": (miscounted, Name.ROWS, set()),
    "another caption": (other_caption, Name.SIGNALS, {"vault"}),
    "other bytes than were fetched": (other_bytes, Name.SIGNALS, {"vault"}),
    "the evidence of another row": (borrowed, Name.SIGNALS, {"vault"}),
    "begun before its rows were fetched": (begun_earlier, Name.LOG, {"registry"}),
    "a table without a column": (no_form, Name.ROWS, set()),
    "equal rows that no edge joins": (unjoined, Name.CLAIMS, {"registry", "vault"}),
    "another reason": (other_reason, Name.CLAIMS, {"registry", "vault"}),
    "edited ledger": (edited_ledger, Name.LEDGER, {"vault"}),
    "edited vault": (edited_vault, Name.VAULT, {"vault"}),
    "edited ledger and vault": (edited_both, Name.CLAIMS, {"registry", "vault"}),
}


def holding(copy: Path, have: set[str]) -> list[object]:
    """The options of an auditor who has the release, key and policy, and of the rest these."""
    demand = told(copy)["lists"][0]["origin"]
    words = [copy / "two", "--key", vkey(OWN)[0], "--policy", copy / "policy", "--demand", demand]
    words += ["--registry", copy / "registry.db"] if "registry" in have else []
    return [*words, *(["--vault", copy / "two.vault"] if "vault" in have else [])]


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_caught_by_its_own_check_and_by_what_it_takes(copy, lie):
    tell, name, needs = LIES[lie]
    tell(changed(copy, "two"))
    model = "builtin:lite" if "model" in needs else ""
    code, found = run(*holding(copy, needs), model=model)
    assert statuses(found)[name] == "failed"
    assert code == EXIT_CODES[name]
    code, found = run(*holding(copy, needs | {"registry", "vault"}), model=model)
    ends = statuses(found)
    assert ends[name] == "failed"
    assert code == EXIT_CODES[next(one for one in Name if ends.get(one) == "failed")]


def test_a_near_copy_is_inside_whatever_else_is_told_of_it(copy):
    """No absence is proved: by the artist's own picture, and the maps of the release that lies."""
    words = ["prove-absence", str(copy / "two"), "--image", str(copy / "6.jpg"),
             "--out", str(copy / "proof")]  # fmt: skip
    assert RUNNER.invoke(audit.app, words).exit_code == 0
    false_pdq(changed(copy, "two"))
    assert RUNNER.invoke(audit.app, words).exit_code == 1


def test_nothing_is_proved_of_a_release_with_a_row_that_has_no_code(copy):
    no_codes(changed(copy, "two"))
    words = ["prove-absence", str(copy / "two"), "--image", str(copy / "6.jpg"),
             "--out", str(copy / "proof")]  # fmt: skip
    done = RUNNER.invoke(audit.app, words)
    assert isinstance(done.exception, ProofError)
    assert not (copy / "proof").exists()


def test_a_denied_row_that_is_released_is_found_by_the_replay(copy, place, tmp_path):
    """The first release, held against the state of the second, keeps what a later claim denies."""
    lie = changed(copy)
    lie.said["lists"] = told(copy, "two")["lists"]
    lie.sign()
    code, found = run(*whole(copy)[:7])
    assert code == EXIT_CODES[Name.CLAIMS]
    (wrong,) = found["checks"][-1]["wrong"]
    assert "is released; claim" in wrong
    assert "optout_work by sha256" in wrong


def test_an_erased_claim_is_not_replayable_and_said_to_be(copy, place):
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-age-days", "nan"), "--max-age-days"),
        (("--max-age-days", "1e308"), "--max-age-days"),
        (("--max-age-days", "-1"), "--max-age-days"),
        (("--snapshot", "nowhere"), "--snapshot"),
        (("--vault", "nowhere"), "--vault"),
        (("--vault", "nosuch://place"), "can be opened"),
    ],
)
def test_a_release_is_not_blamed_for_what_the_auditor_has_not_got(copy, words, said):
    with pytest.raises(UsageError, match=said):
        run(copy / "one", *words)


def test_a_release_is_not_blamed_for_a_matcher_that_is_none(copy):
    with pytest.raises(UsageError, match="recuse cohort build"):
        run(copy / "one", model="nowhere")


# --- a recall without the vault of its parent


@pytest.fixture
def bare(copy) -> Path:
    """The first release, recalled by whoever has not its vault, and signed as the others."""
    (copy / "one.vault").rename(copy / "put-away")
    recuse("recall", copy / "one", "--registry", copy / "registry.db",
           "--trust-local", "--allow-unjudged", "--out", copy / "bare")  # fmt: skip
    changed(copy, "bare").sign()
    return copy


def of_bare(copy: Path) -> list[object]:
    builder = read_signer(builder_key_path()).verifier  # who signed what was retracted
    return [copy / "bare", "--key", vkey(OWN)[0], "--key", builder, "--policy", copy / "policy",
            "--registry", copy / "registry.db", "--vault", copy / "bare.vault"]  # fmt: skip


def test_a_recall_without_a_vault_needs_the_one_of_its_parent(bare):
    code, found = run(*of_bare(bare))
    assert code == 0
    said = statuses(found)
    assert said["vault"] == "verified"
    assert {name for name in ("ledger", "signals", "claims") if said[name] == "needs"} == {
        "ledger", "signals", "claims"}  # fmt: skip
    told_of = {c["name"]: c for c in found["checks"]}
    assert told_of["ledger"]["said"] == "1 of 3 commitments opened"
    assert told(bare, "bare")["parent"] in told_of["signals"]["needs"][0]


def test_its_vault_is_the_one_that_is_pinned_and_opens_what_it_took_out(bare):
    lie = changed(bare, "bare")
    (gone,) = lie.table("retractions.parquet")["uid"].to_pylist()
    lie.change(VAULTED, gone, rule="copy")
    assert run(*of_bare(bare))[0] == EXIT_CODES[Name.VAULT]
    lie.seal()
    assert run(*of_bare(bare))[0] == EXIT_CODES[Name.LEDGER]


# --- other layouts


@pytest.fixture
def layouts(other_layouts, copy) -> Path:
    for name in ("tars", "urls"):
        for suffix in ("", ".vault"):
            shutil.copytree(other_layouts / f"{name}{suffix}", copy / f"{name}{suffix}")
        changed(copy, name).sign()
    return copy


def of_layout(copy: Path, name: str) -> list[object]:
    return [copy / name, "--key", vkey(OWN)[0], "--policy", copy / "policy",
            "--registry", copy / "registry.db", "--vault", copy / f"{name}.vault"]  # fmt: skip


@pytest.mark.slow
def test_tars_are_audited_as_tables_are(layouts):
    code, found = run(*of_layout(layouts, "tars"), model="builtin:lite")
    assert code == 0
    assert statuses(found) == dict.fromkeys(map(str, Name), "verified")
    assert told(layouts, "tars")["roots"]["rows"] == told(layouts)["roots"]["rows"]
    lie = changed(layouts, "tars")
    lie.seal()
    assert run(*of_layout(layouts, "tars"))[0] == 0
    path = layouts / "tars" / "samples" / "00000.tar"
    with tarfile.open(path) as held:
        members = [(m, held.extractfile(m).read()) for m in held.getmembers()]
    pictures = [body for m, body in members if m.name.endswith(".jpg")]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as out:
        for member, body in members:
            other = pictures[0] if body == pictures[1] else body
            member.size = len(other)
            out.addfile(member, io.BytesIO(other))
    lie.seal()
    code, found = run(*of_layout(layouts, "tars"))
    assert (code, statuses(found)["bytes"]) == (EXIT_CODES[Name.BYTES], "failed")


@pytest.mark.slow
@pytest.mark.parametrize("end", [".tar", "_stats.json"])
def test_what_lies_with_a_tar_holds_no_more_than_its_rows(layouts, end):
    lie = changed(layouts, "tars")
    path = lie.place / "samples" / f"00000{end}"
    hidden = io.BytesIO()
    with tarfile.open(fileobj=hidden, mode="w") as out:
        out.addfile(tarfile.TarInfo("000000099.jpg"))
    more = hidden.getvalue() if end == ".tar" else b""
    path.write_bytes(path.read_bytes() + more if more else b'{"urls": ["http://a.example"]}')
    lie.seal()
    code, found = run(*of_layout(layouts, "tars"))
    assert (code, statuses(found)["rows"]) == (EXIT_CODES[Name.ROWS], "failed")


@pytest.mark.slow
def test_addresses_alone_are_judged_without_bytes(layouts):
    code, found = run(*of_layout(layouts, "urls"), model="builtin:lite")
    assert code == 0
    needed = {name for name, status in statuses(found).items() if status == "needs"}
    assert needed == {"bytes", "vectors"}
    assert run(*of_layout(layouts, "urls"), "--require-complete")[0] == INCOMPLETE
    lie = changed(layouts, "urls")
    lie.said["lists"] = told(layouts, "two")["lists"]  # by which one row more had to leave
    lie.seal()
    code, found = run(*of_layout(layouts, "urls")[:-2])
    assert code == EXIT_CODES[Name.CLAIMS]
