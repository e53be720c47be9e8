"""The stage: rows in, rows out, nothing half done."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.decode import Decoded, Options, decode, decoded_batches, prepare, with_similarity
from pipeline.image.canonical import CanonicalHasher
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.safety import SafetyLists
from schemas.canonical import sha256_hex
from schemas.config import DecodeConfig, SafetyConfig
from schemas.errors import SchemaError
from schemas.tables import DECODED, JUDGED, STORED, from_rows, require
from tests.pipeline.pictures import picture, saved

BODIES = [saved(picture(400, 300, seed)) for seed in range(5)]
CONFIG = DecodeConfig()


def judged(bodies: list[bytes], **stops: Any) -> pa.Table:
    rows = [
        {"uid": f"{n:032x}", "sha256": sha256_hex(body), **stops} for n, body in enumerate(bodies)
    ]
    return from_rows(rows[::-1], JUDGED)


def by_sha(bodies: list[bytes]) -> dict[str, bytes]:
    return {sha256_hex(body): body for body in bodies}


def run(bodies: list[bytes], **options: Any) -> Decoded:
    found = decode(judged(bodies), by_sha(bodies), Options(**options))
    require(found.table, DECODED)
    require(found.stored, STORED)
    return found


def test_rows_come_by_uid_with_keys_and_stored_bytes() -> None:
    found = run(BODIES)
    assert found.table["uid"].to_pylist() == [f"{n:032x}" for n in range(5)]
    assert found.stored["uid"].to_pylist() == found.table["uid"].to_pylist()
    for row, stored, body in zip(
        found.table.to_pylist(), found.stored.to_pylist(), BODIES, strict=True
    ):
        keys = CanonicalHasher().keys(body)
        assert (row["pixel_sha256"], row["pdq"]) == (keys.pixel_sha256, keys.pdq)
        assert row["stored_sha256"] == stored["stored_sha256"] == sha256_hex(stored["body"])
        assert row["stored_pdq"] == CanonicalHasher().keys(stored["body"]).pdq
        assert row["stored_size_bytes"] == len(stored["body"])
        assert (row["width"], row["height"]) == (341, 256)
        assert (row["original_width"], row["original_height"]) == (400, 300)
        assert row["clip_similarity"] is row["stop_reason"] is None
        assert found.pixels[row["pixel_sha256"]].shape[2] == 3


def test_equal_bytes_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def counting(body: bytes, *args: Any, **options: Any) -> Any:
        decoded.append(body)
        return prepare(body, *args, **options)

    monkeypatch.setattr("pipeline.decode.prepare", counting)
    found = run([BODIES[0], BODIES[1]] * 4, batch_rows=3)
    assert len(decoded) == 2
    assert found.table.num_rows == found.stored.num_rows == 8
    assert len(found.pixels) == 2


def test_key_points_come_with_each_image_where_they_are_asked_for() -> None:
    asked, not_asked = (run(BODIES[:2], keypoints=wish) for wish in (True, False))
    assert asked.keypoints.keys() == asked.pixels.keys() == not_asked.keypoints.keys()
    for key, stored in asked.keypoints.items():
        assert stored == keypoints(asked.pixels[key], SAMPLE)
    assert any(asked.keypoints.values())
    assert not any(not_asked.keypoints.values())


def test_bad_images_are_stops() -> None:
    found = run([b"<html>", BODIES[0], BODIES[1][:2000]]).table.to_pylist()
    assert [r["stop_reason"] for r in found] == ["not_an_image", None, "not_an_image"]
    assert found[0]["stop_stage"] == "decode"
    assert "expected" in json.loads(found[0]["stop_detail"])["message"]
    assert found[0]["pixel_sha256"] is None


def test_rows_stopped_before_pass_through() -> None:
    stops = {"stop_stage": "judge", "stop_reason": "signal_robots", "stop_detail": "{}"}
    rows = judged(BODIES, **stops)
    found = decode(rows, {}, Options())
    assert found.stored.num_rows == 0
    assert not found.pixels
    for row in found.table.to_pylist():
        assert {k: row[k] for k in stops} == stops
        assert row["pixel_sha256"] is None


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch_rows", [1, 2, 256])
def test_threads_and_batches_leave_no_trace(threads: int, batch_rows: int) -> None:
    bodies = [*BODIES, b"junk", BODIES[2], *BODIES]
    expected, found = run(bodies), run(bodies, threads=threads, batch_rows=batch_rows)
    assert found.table.equals(expected.table)
    assert found.stored.equals(expected.stored)
    assert list(found.pixels) == list(expected.pixels) or set(found.pixels) == set(expected.pixels)


def test_batches_stream() -> None:
    parts = decoded_batches(judged(BODIES), by_sha(BODIES), Options(batch_rows=2))
    assert [p.table.num_rows for p in parts] == [2, 2, 1]


def test_no_rows_give_empty_tables() -> None:
    assert run([]).table.num_rows == 0


def test_a_missing_body_is_a_bad_shard() -> None:
    with pytest.raises(SchemaError, match="bytes for every row"):
        decode(judged(BODIES), {}, Options())


@pytest.mark.parametrize("key", ["sha256", "pdq"])
def test_what_a_safety_list_knows_leaves_nothing(key: str) -> None:
    known = CanonicalHasher().keys(BODIES[1])
    listed = sha256_hex(BODIES[1]) if key == "sha256" else known.pdq.hex()
    lists = SafetyLists.load(SafetyConfig(**{key: ("list",)}), lambda _: listed.encode())
    found = run(BODIES[:3], safety=lists)
    rows = found.table.to_pylist()
    assert [r["stop_reason"] for r in rows] == [None, "safety", None]
    kept = {k for k, v in rows[1].items() if v is not None}
    assert kept == {"uid", "stop_stage", "stop_reason", "stop_detail"}
    assert found.stored["uid"].to_pylist() == [rows[0]["uid"], rows[2]["uid"]]
    assert known.pixel_sha256 not in found.pixels


def test_large_models_get_larger_pixels_and_the_same_keys() -> None:
    body = saved(picture(1200, 900))
    small, large = prepare(body, CONFIG, 224), prepare(body, CONFIG, 384)
    assert small.keys == large.keys
    assert small.stored == large.stored
    assert min(small.pixels.shape[:2]) >= 256
    assert large.pixels.shape[:2] == (384, 512)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_no_config_changes_the_keys(form: str) -> None:
    body = saved(picture(1200, 900), form)
    configs = [
        CONFIG,
        DecodeConfig(image_size=512, resize_mode="center_crop", encode_quality=50),
        DecodeConfig(image_size=32, resize_mode="border", encode_format="webp"),
        DecodeConfig(resize_mode="no"),
    ]
    assert len({prepare(body, config).keys for config in configs}) == 1


def test_similarity_is_filled_by_uid() -> None:
    found = run(BODIES[:2])
    table = with_similarity(found.table, {f"{1:032x}": 0.25})
    assert table.schema.equals(found.table.schema)
    assert table["clip_similarity"].to_pylist() == [None, 0.25]


def test_stored_bytes_are_the_same_each_time() -> None:
    first, second = prepare(BODIES[0], CONFIG), prepare(BODIES[0], CONFIG)
    assert first.stored == second.stored
    assert np.array_equal(first.pixels, second.pixels)
