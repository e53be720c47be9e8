"""Counts behind a report add up over shards, in whatever order they come."""

from dataclasses import fields, replace
from typing import Any

import pyarrow as pa

from pipeline.release import ShardTables
from pipeline.report.tally import Tally, merge, tally
from schemas.canonical import canonical_json
from schemas.tables import DECIDED, DECODED, JUDGED, ORIGINALS, ROWS, STORED, from_rows

DECISIONS: list[dict[str, Any]] = [
    {"verdict": "keep"},
    {"verdict": "keep", "claim_id": "g", "license": "CC0-1.0"},
    {"verdict": "drop", "reason": "optout_work", "claim_id": "c"},
    {"verdict": "hold", "reason": "signal_error"},
]


def signal(channel: str, purpose: str, verdict: str) -> dict[str, str]:
    return {"channel": channel, "purpose": purpose, "verdict": verdict}


def tables(prefix: str = "") -> ShardTables:
    uids = [f"{prefix}{n}" for n in range(4)]
    allows = signal("robots", "train-gen", "ALLOW")
    said = [
        [allows, signal("robots", "train-gen", "SILENT"), signal("robots", "train-disc", "DENY")],
        [allows],
        [allows, signal("robots", "train-gen", "DENY")],
        [signal("robots", "train-gen", "ERROR")],
    ]
    rows = [{"uid": u, "host": f"h{n % 2}", "caption": "x" * 20} for n, u in enumerate(uids)]
    judged = [
        {"uid": u, "signals": s, "unchecked": ["x-robots-tag"] if n in (0, 3) else []}
        for n, (u, s) in enumerate(zip(uids, said, strict=True))
    ]
    decoded = [
        {"uid": u, "original_width": 300, "original_height": 200, "stored_size_bytes": 9000,
         "clip_similarity": 0.25}
        for u in uids
    ]  # fmt: skip
    decided = [{"uid": u} | d for u, d in zip(uids, DECISIONS, strict=True)]
    return ShardTables(
        from_rows(rows, ROWS),
        from_rows(judged, JUDGED),
        from_rows(decoded, DECODED),
        STORED.empty_table(),
        pa.table({"uid": pa.array([], pa.string())}),
        from_rows(decided, DECIDED),
        ORIGINALS.empty_table(),
    )


def test_a_row_counts_once_a_channel_by_the_strictest_said_for_the_purpose() -> None:
    assert tally(tables(), "train-gen").signals == {"robots": {"ALLOW": 2, "DENY": 1, "ERROR": 1}}


def test_rows_are_counted_by_host_claim_licence_and_size() -> None:
    found = tally(tables(), "train-gen")
    assert found.hosts == {"h0": {"drop": 1, "keep": 1}, "h1": {"hold": 1, "keep": 1}}
    assert found.claims == {"c": {"optout_work": 1}}
    assert found.licenses == {"CC0-1.0": 1}
    assert found.unchecked == {"x-robots-tag": 1}
    assert found.histograms == {
        "clip_similarity": {"0.24": 2}, "edge_px": {"128": 2}, "size_kb": {"8": 2},
        "caption": {"20": 2},
    }  # fmt: skip
    assert found.withheld["edge_px"] == {"128": 2}


def test_released_rows_that_lost_a_name_are_counted() -> None:
    given = tables()
    kept = [row["uid"] for row in given.decided.to_pylist() if row["verdict"] == "keep"]
    others = [row["uid"] for row in given.decided.to_pylist() if row["verdict"] != "keep"]
    changed = from_rows([{"uid": uid} for uid in [kept[0], *others]], ORIGINALS)
    assert tally(replace(given, originals=changed), "train-gen").captions == {"redacted": 1}
    assert tally(given, "train-gen").captions == {}


def test_sums_do_not_depend_on_the_order_of_shards() -> None:
    one, two = tally(tables("a"), "train-gen"), tally(tables("b"), "train-gen")
    summed = merge([one, two])
    assert canonical_json(summed.as_json()) == canonical_json(merge([two, one]).as_json())
    assert summed.hosts["h0"] == {"drop": 2, "keep": 2}
    assert Tally.from_json(summed.as_json()) == summed
    assert merge([]) == Tally()


def test_an_empty_shard_counts_nothing() -> None:
    empty = ShardTables(*(t.slice(0, 0) for t in vars_of(tables())))
    assert merge([tally(empty, "train-gen")]).hosts == {}


def vars_of(given: ShardTables) -> list[pa.Table]:
    return [getattr(given, field.name) for field in fields(given)]
