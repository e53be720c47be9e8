"""What is public and what is not: shards, ledger and vault of one small release."""

import hashlib
import hmac
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from optout.mentions import form_in
from pipeline import vault
from pipeline.redact import Redacted, redact
from pipeline.release import (
    MAX_PART_ROWS,
    MB,
    File,
    Form,
    Part,
    ShardFiles,
    ShardTables,
    plan_parts,
    release_shard,
)
from pipeline.shard import read_parquet
from pipeline.tars import read_tar
from schemas.errors import SchemaError
from schemas.tables import (
    CLAIMS,
    DECIDED,
    DECODED,
    JUDGED,
    LEDGER,
    ORIGINALS,
    ROWS,
    SIMILARITIES,
    STORED,
    VAULTED,
    from_rows,
    vector,
)

SECRET = b"s" * 32
CLAIM = "claim-of-ada"


def image(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def uid(n: int) -> str:
    return f"{n:032x}"


VERDICTS: list[dict[str, Any]] = [
    {"verdict": "keep"},
    {"verdict": "keep", "claim_id": "g", "license": "CC0-1.0", "attribution": "Ada"},
    {
        "verdict": "drop", "reason": "optout_style", "stage": "match", "claim_id": CLAIM,
        "rule": "style", "similarity": 0.8125, "threshold": 0.75,
    },
    {"verdict": "hold", "reason": "review", "stage": "match", "claim_id": CLAIM, "rule": "style"},
    {"verdict": "drop", "reason": "signal_embedded", "stage": "judge"},
    {"verdict": "drop", "reason": "safety", "stage": "decode"},
    {"verdict": "hold", "reason": "signal_error", "stage": "judge"},
    {"verdict": "drop", "reason": "duplicate", "stage": "represent", "dup_of": uid(0)},
]  # fmt: skip
MINING = [{"channel": "robots", "purpose": "mine", "verdict": "DENY"}]


def tables() -> ShardTables:
    count = len(VERDICTS)
    uids = [uid(n) for n in range(count)]
    rows = [
        {"uid": u, "row": n, "url": f"http://h.example/secret-{n}.png", "host": f"h{n}.example",
         "url_key": f"http://h.example/{n}.png", "caption": f"caption {n}"}
        for n, u in enumerate(uids)
    ]  # fmt: skip
    table = from_rows(rows, ROWS).append_column("extra.lang", pa.array(["sv"] * count))
    judged = [
        {"uid": u, "sha256": f"{n:064x}", "http_status": 200, "final_url": f"http://f/{n}",
         "fetched_at": datetime(2026, 1, 1, tzinfo=UTC), "signals": MINING if n == 6 else []}
        for n, u in enumerate(uids)
    ]  # fmt: skip
    decoded = [
        {"uid": u, "width": 16, "height": 16, "original_width": 32, "original_height": 32,
         "pixel_sha256": f"{n + 99:064x}", "pdq": bytes([n]) * 32, "pdq_quality": 80,
         "stored_sha256": f"{n + 999:064x}", "stored_pdq": bytes([n]) * 32,
         "clip_similarity": 0.25, "stored_size_bytes": 700}
        for n, u in enumerate(uids)
    ]  # fmt: skip
    stored = [
        {"uid": u, "stored_sha256": f"{n + 999:064x}", "body": image(n)} for n, u in enumerate(uids)
    ]
    sem = np.arange(count * 4, dtype=np.float16).reshape(count, 4) / 64
    vectors = pa.table(
        {"uid": uids, "sem": pa.FixedSizeListArray.from_arrays(sem.ravel(), type=vector(4))}
    ).replace_schema_metadata({"model": "m" * 8})
    decided = [{"uid": u} | v for u, v in zip(uids, VERDICTS, strict=True)]
    return ShardTables(
        table,
        from_rows(judged, JUDGED),
        from_rows(decoded, DECODED),
        from_rows(stored, STORED),
        vectors,
        from_rows(decided, DECIDED),
        ORIGINALS.empty_table(),
    )


PARTS = [Part(5, 3, uid(0), uid(0), 1, 700), Part(6, 3, uid(1), uid(1), 1, 700)]


def released(form: str = "parquet", given: ShardTables | None = None) -> ShardFiles:
    options = Form(form, "png", SECRET)  # type: ignore[arg-type]  # tests name formats as text
    return release_shard(given or tables(), PARTS, 3, options)


def named(files: list[File]) -> dict[str, bytes]:
    return {f.path: f.body for f in files}


def test_each_shard_gives_its_parts_its_ledger_and_its_vault() -> None:
    files = released()
    assert sorted(named(files.public)) == [
        "embeddings/00005.parquet", "embeddings/00006.parquet", "ledger/00003.parquet",
        "samples/00005.parquet", "samples/00006.parquet",
    ]  # fmt: skip
    kinds = ("decoded", "judged", "rows", "vectors")  # of the row under review, whole
    assert sorted(named(files.private)) == [
        "held/00003.parquet", *(f"held/review/00003.{k}.parquet" for k in kinds),
        "rows/00003.parquet",
    ]  # fmt: skip
    assert [f.rows for f in files.public] == [1, 1, 1, 1, 6]


def test_released_rows_carry_everything_a_trainer_reads() -> None:
    row = read_parquet(named(released().public)["samples/00006.parquet"]).to_pylist()[0]
    assert row["uid"] == uid(1)
    assert row["image"] == {"bytes": image(1), "path": f"{uid(1)}.png"}
    assert (row["license"], row["attribution"], row["lang"]) == ("CC0-1.0", "Ada", "sv")
    assert list(row)[-1] == "image"
    assert "claim_id" not in row


def test_embeddings_hold_released_rows_only_with_the_fingerprint() -> None:
    table = read_parquet(named(released().public)["embeddings/00005.parquet"])
    assert table["uid"].to_pylist() == [uid(0)]
    assert table.schema.metadata[b"model"] == b"m" * 8


def test_the_ledger_names_reason_and_commitment_and_nothing_else() -> None:
    ledger = read_parquet(named(released().public)["ledger/00003.parquet"])
    assert ledger.schema.equals(LEDGER)
    assert ledger["reason"].to_pylist() == [v["reason"] for v in VERDICTS[2:]]


def test_no_public_file_holds_anything_of_a_row_that_is_not_released() -> None:
    """Neither bytes nor vectors, hashes, addresses, captions, similarities nor claims."""
    given = tables()
    files = named(released(given=given).public)
    public = b"".join(files.values())
    public += b"".join(repr(read_parquet(body).to_pylist()).encode() for body in files.values())
    assert b"secret-1.png" in public  # what is released is found like this
    assert CLAIM.encode() not in public
    for n in range(2, len(VERDICTS)):
        for secret in (
            image(n), f"secret-{n}.png".encode(), f"h{n}.example".encode(),
            f"caption {n}".encode(), f"{n + 99:064x}".encode(), bytes([n]) * 32,
        ):  # fmt: skip
            assert secret not in public
    for f in released(given=given).public:
        if f.path.endswith(".parquet") and f.path.startswith("ledger"):
            columns = read_parquet(f.body).column_names
            assert not {"similarity", "threshold", "claim_id", "host", "sem"} & set(columns)


def test_a_commitment_opens_with_the_vault_row_and_with_no_other() -> None:
    files = released()
    ledger = read_parquet(named(files.public)["ledger/00003.parquet"]).to_pylist()
    rows = read_parquet(named(files.private)["rows/00003.parquet"]).to_pylist()
    for public, private in zip(ledger, rows, strict=True):
        assert vault.commitment(private) == public["commitment"]
        for name, value in (("reason", "filter"), ("similarity", 0.5), ("claim_id", "x")):
            assert vault.commitment(private | {name: value}) != public["commitment"]
    # By the rule of docs/release.md, written out once more:
    row = rows[0]
    assert (
        row["salt"]
        == hmac.digest(SECRET, b"recuse ledger salt\0" + uid(2).encode(), "sha256").hex()
    )
    names = "uid stage verdict reason claim_id rule similarity threshold by_uid dup_of detail"
    told = json.dumps({n: row[n] for n in sorted(names.split())}, separators=(",", ":"))
    document = bytes.fromhex(row["salt"]) + told.encode()
    assert hashlib.sha256(document).hexdigest() == ledger[0]["commitment"]


def test_the_vault_keeps_what_recall_and_explain_need() -> None:
    rows = read_parquet(named(released().private)["rows/00003.parquet"])
    assert rows.column_names[: len(VAULTED)] == VAULTED.names
    assert rows.column_names[len(VAULTED) :] == ["extra.lang", "sem"]
    style = rows.to_pylist()[0]
    assert (style["similarity"], style["threshold"], style["claim_id"]) == (0.8125, 0.75, CLAIM)
    assert style["sem"] is not None


def test_only_the_sha256_is_kept_of_bytes_that_forbid_mining_and_of_safety_rows() -> None:
    rows = read_parquet(named(released().private)["rows/00003.parquet"]).to_pylist()
    bare = {r["reason"] for r in rows if r["pdq"] is None}
    assert bare == {"signal_embedded", "safety", "signal_error"}
    for row in rows:
        assert row["sha256"] is not None
        kept = [row[n] is not None for n in ("pixel_sha256", "stored_sha256", "pdq", "sem")]
        assert set(kept) == {row["reason"] not in bare}


def test_the_vault_keeps_similarities_of_all_rows_but_those() -> None:
    known = tables()
    uids = known.vectors["uid"].to_pylist()
    given = {"uid": uids, "claim_id": [CLAIM] * len(uids), "similarity": [2.5] * len(uids)}
    similar = pa.Table.from_pydict(given, schema=SIMILARITIES)
    vectors = known.vectors.append_column("sty", known.vectors["sem"])
    private = named(released(given=replace(known, vectors=vectors, similarities=similar)).private)
    rows = read_parquet(private["similarities/00003.rows.parquet"])["uid"].to_pylist()
    assert rows == [uid(n) for n in (0, 1, 2, 3, 7)]  # not embedded, safety, mine
    assert read_parquet(private["similarities/00003.parquet"])["uid"].to_pylist() == rows


def test_held_bytes_wait_in_the_vault_unless_they_forbid_mining() -> None:
    held = read_parquet(named(released().private)["held/00003.parquet"])
    assert held["uid"].to_pylist() == [uid(3)]
    assert held["body"].to_pylist() == [image(3)]


def test_the_same_tables_give_the_same_bytes_in_whatever_order_rows_come() -> None:
    one = released()
    given = tables()
    turned = ShardTables(*(t.take(pa.array(range(t.num_rows)[::-1], pa.int64())) for t in (
        given.rows, given.judged, given.decoded, given.stored, given.vectors, given.decided,
        given.originals,
    )))  # fmt: skip
    two = released(given=turned)
    assert named(one.public) == named(two.public)
    assert named(one.private) == named(two.private)


def redacted(*places: int) -> ShardTables:
    """The small release, with other captions in some of its rows, and what they said before."""
    given = tables()
    originals = from_rows(
        [
            {"uid": uid(n), "claim_id": CLAIM, "detail": "[]", "caption": f"by Ada {n}"}
            for n in places
        ],
        ORIGINALS,
    ).append_column("extra.lang", pa.array(["Ada's"] * len(places), pa.string()))
    return replace(given, originals=originals)


def test_every_released_row_says_whether_its_caption_was_redacted() -> None:
    files = named(released(given=redacted(1)).public)
    rows = [read_parquet(files[f"samples/0000{n}.parquet"]).to_pylist()[0] for n in (5, 6)]
    assert [row["caption_redacted"] for row in rows] == [False, True]
    assert [row["caption"] for row in rows] == ["caption 0", "caption 1"]
    plain = named(released().public)["samples/00006.parquet"]
    assert read_parquet(plain)["caption_redacted"].to_pylist() == [False]


@pytest.mark.parametrize("form", ["parquet", "webdataset", "urls"])
def test_what_a_caption_said_before_stands_in_the_vault_alone(form: str) -> None:
    files = released(form, redacted(1, 2))
    (kept,) = read_parquet(named(files.private)["captions/00003.parquet"]).to_pylist()
    assert (kept["uid"], kept["caption"], kept["claim_id"]) == (uid(1), "by Ada 1", CLAIM)
    assert kept["extra.lang"] == "Ada's"
    dropped = read_parquet(named(files.private)["rows/00003.parquet"]).to_pylist()[0]
    assert (dropped["uid"], dropped["caption"]) == (uid(2), "by Ada 2")
    assert dropped["extra.lang"] == "Ada's"
    for body in named(files.public).values():
        assert b"Ada 1" not in body
        assert CLAIM.encode() not in body


phrases = st.lists(
    st.sampled_from(
        ["a castle", "by", "Mira Venn", "@miravenn", "and", ",", "Мира", "Венн", "oil"]
    ),
    max_size=6,
).map(" ".join)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(phrases, min_size=8, max_size=8), st.sampled_from(["parquet", "webdataset", "urls"])
)
def test_what_is_released_names_nobody_and_what_was_said_can_be_found(
    captions: list[str], form: str
) -> None:
    given = tables()
    place = given.rows.schema.get_field_index("caption")
    named = given.rows.set_column(place, "caption", pa.array(captions, pa.string()))
    claim = {"claim_id": CLAIM, "scope": "artist", "stance": "opt_out", "level": 2,
             "names": ["Mira Venn"], "captions": "redact"}  # fmt: skip
    found = redact(named, from_rows([claim], CLAIMS))
    files = released(form, replace(given, rows=found.rows, originals=found.originals))
    read = {f.path: read_parquet(f.body) for f in (*files.public, *files.private)
            if f.path.endswith(".parquet")}  # fmt: skip
    samples = [row for n in (5, 6) for row in read[f"samples/0000{n}.parquet"].to_pylist()]
    assert not any(form_in(row["caption"], "Mira Venn") for row in samples if not_spent(found, row))
    kept = read.get("captions/00003.parquet", ORIGINALS.empty_table()).to_pylist()
    said = {row["uid"]: row["caption"] for row in samples}
    said |= {row["uid"]: row["caption"] for row in (*kept, *read["rows/00003.parquet"].to_pylist())}
    assert [said[uid(n)] for n in range(8)] == captions
    assert [row["caption_redacted"] for row in samples] == [
        row["uid"] in {k["uid"] for k in kept} for row in samples
    ]


def not_spent(found: Redacted, row: dict[str, Any]) -> bool:
    """Say whether screening let a row through; the verdicts of this release are made up."""
    stops = dict(zip(*(found.rows[n].to_pylist() for n in ("uid", "stop_reason")), strict=True))
    return stops[row["uid"]] is None


def test_without_redactions_the_vault_has_no_captions_of_released_rows() -> None:
    assert "captions/00003.parquet" not in named(released().private)


def test_url_only_releases_hold_no_image() -> None:
    files = named(released("urls").public)
    assert "image" not in read_parquet(files["samples/00005.parquet"]).column_names


def test_tars_have_their_three_files_and_unique_keys() -> None:
    files = named(released("webdataset").public)
    assert {p for p in files if p.startswith("samples/")} == {
        f"samples/0000{n}{suffix}" for n in (5, 6) for suffix in (".tar", ".parquet", "_stats.json")
    }
    keys = [s["__key__"] for n in (5, 6) for s in read_tar(files[f"samples/0000{n}.tar"])]
    assert keys == [b"000050000", b"000060000"]


def test_a_released_row_without_its_image_is_refused() -> None:
    given = tables()
    broken = replace(given, stored=given.stored.slice(1))
    with pytest.raises(SchemaError, match=f"found none for {uid(0)}"):
        released(given=broken)


def test_a_row_without_a_verdict_is_refused() -> None:
    given = tables()
    broken = replace(given, decided=given.decided.slice(1))
    with pytest.raises(SchemaError, match="expected a verdict for each row"):
        released(given=broken)


def test_parts_that_were_planned_for_other_rows_are_refused() -> None:
    with pytest.raises(SchemaError, match="expected 1 released rows in shard 3, as planned"):
        release_shard(tables(), PARTS[:1], 3, Form("parquet", "png", SECRET))


# --- the plan of parts

shard_sizes = st.lists(
    st.lists(st.integers(0, 3 * MB), min_size=1, max_size=30), min_size=1, max_size=5
)


def planned(sizes: list[list[int]], shard_mb: int) -> list[Part]:
    rows = [
        {"shard": s, "uid": uid(100 * s + n), "size_bytes": size}
        for s, own in enumerate(sizes)
        for n, size in enumerate(own)
    ]
    return plan_parts(pa.Table.from_pylist(rows[::-1]), shard_mb)


@settings(max_examples=60, deadline=None)
@given(shard_sizes, st.integers(1, 10))
def test_parts_cover_every_row_once_in_order_and_near_their_size(
    sizes: list[list[int]], shard_mb: int
) -> None:
    parts = planned(sizes, shard_mb)
    assert [p.name for p in parts] == [f"{n:05d}" for n in range(len(parts))]
    assert sum(p.rows for p in parts) == sum(len(s) for s in sizes)
    assert sum(p.size_bytes for p in parts) == sum(sum(s) for s in sizes)
    assert parts == sorted(parts, key=lambda p: (p.shard, p.first_uid))
    assert all(p.first_uid <= p.last_uid for p in parts)
    assert all(a.last_uid < b.first_uid for a, b in pairwise(parts) if a.shard == b.shard)
    for p in parts:
        assert p.size_bytes <= shard_mb * MB + max(sizes[p.shard])
    for s, own in enumerate(sizes):
        assert sum(p.shard == s for p in parts) <= max(1, -(-sum(own) // (shard_mb * MB)))


def test_no_part_has_more_rows_than_a_tar_has_keys() -> None:
    rows = 2 * MAX_PART_ROWS + 5
    table = pa.table(
        {"shard": [0] * rows, "uid": [uid(n) for n in range(rows)], "size_bytes": [0] * rows}
    )
    assert [p.rows for p in plan_parts(table, 100)] == [MAX_PART_ROWS, MAX_PART_ROWS, 5]


def test_no_released_row_gives_no_part() -> None:
    empty = pa.table({"shard": pa.array([], pa.int32()), "uid": pa.array([], pa.string()),
                      "size_bytes": pa.array([], pa.int64())})  # fmt: skip
    assert plan_parts(empty, 100) == []
