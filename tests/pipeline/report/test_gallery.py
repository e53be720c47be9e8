"""Which rows are shown, and of which no picture is ever made."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.release import ShardTables
from pipeline.report.gallery import (
    PICTURES,
    RELEASED_SHOWN,
    THUMB_PX,
    WITHHELD_SHOWN,
    choose,
    pictures,
    shard_pictures,
    thin,
    thumbnail,
)
from schemas.tables import DECIDED, DECODED, JUDGED, ORIGINALS, ROWS, STORED, from_rows


def body(edge: int = 300, mode: str = "RGB", form: str = "PNG") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (edge, edge * 2, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(sink, form)
    return sink.getvalue()


def decided(*rows: dict[str, Any]) -> pa.Table:
    return from_rows([{"uid": f"{n:04d}"} | r for n, r in enumerate(rows)], DECIDED)


def shard(table: pa.Table, mining: tuple[int, ...] = ()) -> ShardTables:
    uids = table["uid"].to_pylist()
    deny = [{"channel": "robots", "purpose": "mine", "verdict": "DENY"}]
    return ShardTables(
        from_rows([{"uid": u, "caption": f"c{u}", "host": "h"} for u in uids], ROWS),
        from_rows(
            [{"uid": u, "signals": deny if n in mining else []} for n, u in enumerate(uids)], JUDGED
        ),
        from_rows([{"uid": u, "original_width": 5} for u in uids], DECODED),
        from_rows([{"uid": u, "body": body(20)} for u in uids], STORED),
        pa.table({"uid": pa.array([], pa.string())}),
        table,
        ORIGINALS.empty_table(),
    )


def test_each_group_shows_a_bounded_evenly_spaced_number() -> None:
    rows = [{"verdict": "keep"}] * 200
    rows += [{"verdict": "drop", "reason": "optout_work", "claim_id": c} for c in "ab"] * 50
    table = decided(*rows)
    chosen = choose(table, table["uid"].combine_chunks(), 60, 24).to_pylist()
    assert len(chosen) == RELEASED_SHOWN + 2 * WITHHELD_SHOWN
    assert chosen == sorted(chosen)
    assert chosen[0] == "0000"
    assert chosen[1] == "0003"


def test_rows_without_an_image_are_not_chosen() -> None:
    table = decided({"verdict": "keep"}, {"verdict": "keep"})
    assert choose(table, pa.array(["0001"]), 60, 24).to_pylist() == ["0001"]


@pytest.mark.parametrize("reason", ["safety", "signal_embedded", "signal_copy"])
def test_no_picture_is_made_of_safety_rows_and_of_bytes_that_reserve_rights(reason: str) -> None:
    table = decided({"verdict": "drop", "reason": reason}, {"verdict": "keep"})
    every = table["uid"].combine_chunks()
    assert choose(table, every, 60, 24).to_pylist() == ["0001"]
    assert pictures(shard(table), every)["uid"].to_pylist() == ["0001"]  # even if asked to


def test_no_picture_is_made_of_a_withheld_row_that_forbids_mining() -> None:
    table = decided(
        {"verdict": "hold", "reason": "review"}, {"verdict": "drop", "reason": "filter"}
    )
    made = pictures(shard(table, mining=(0,)), table["uid"].combine_chunks())
    assert made["uid"].to_pylist() == ["0001"]


def test_pictures_know_what_the_page_says_about_them() -> None:
    table = decided({"verdict": "keep", "license": "CC0-1.0"})
    made = pictures(shard(table), table["uid"].combine_chunks())
    assert made.schema.equals(PICTURES)
    row = made.to_pylist()[0]
    assert (row["caption"], row["license"], row["original_width"]) == ("c0000", "CC0-1.0", 5)
    assert (row["thumb_width"], row["thumb_height"]) == (40, 20)


@pytest.mark.parametrize(("mode", "form"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("L", "WEBP")])
def test_thumbnails_are_small_jpegs_whatever_is_stored(mode: str, form: str) -> None:
    made = thumbnail(body(mode=mode, form=form))
    assert made is not None
    thumb, width, height = made
    assert (width, height) == (THUMB_PX, THUMB_PX // 2)
    with Image.open(io.BytesIO(thumb)) as image:
        assert image.format == "JPEG"
        assert not image.info.get("exif")
    assert made == thumbnail(body(mode=mode, form=form))


def test_bytes_that_cannot_be_read_have_no_thumbnail() -> None:
    assert thumbnail(b"not an image") is None


def test_shards_give_a_little_more_than_their_share_and_the_page_takes_its_own() -> None:
    parts = []
    for n in range(4):
        rows: list[dict[str, Any]] = [{"verdict": "keep"}] * 70
        rows += [{"verdict": "drop", "reason": "filter"}] * 20
        table = from_rows([{"uid": f"{n}{i:03d}"} | r for i, r in enumerate(rows)], DECIDED)
        parts.append(shard_pictures(shard(table), n, 4))
        assert parts[-1].num_rows == 30 + 12
    shown = thin(pa.concat_tables(parts))
    verdicts = shown["verdict"].to_pylist()
    assert (verdicts.count("keep"), verdicts.count("drop")) == (RELEASED_SHOWN, WITHHELD_SHOWN)
    assert thin(pa.concat_tables(parts[::-1])).equals(shown)


def test_a_thousand_shards_do_not_make_a_thousand_times_the_pictures() -> None:
    table = decided({"verdict": "keep"})
    made = [shard_pictures(shard(table), n, 1000).num_rows for n in range(0, 1000, 25)]
    assert sum(made) < 10
