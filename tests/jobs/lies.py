"""Lies that a builder tells of a release, each told so that all the rest fits.

The builder holds the key (tests/independent/liar); who notices, and by what, stands in LIES.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
from PIL import Image

from pipeline.audit import Name
from pipeline.image.canonical import CanonicalHasher
from tests.independent.liar import Lie
from tests.jobs.auditing import OWN, told

OTHER = bytes([8] * 32)
SAMPLES, LEDGER = "samples/00000.parquet", "ledger/00000.parquet"
EMBEDDINGS, VAULTED = "embeddings/00000.parquet", "vault/rows/00000.parquet"


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
