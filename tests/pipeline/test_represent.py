"""One of each duplicate group stays: the best, by direct neighbourhood, never by chains."""

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.represent import represent
from schemas.config import BuildConfig, RelateConfig
from schemas.tables import DECIDED, EDGES, SLIM, from_rows

LINE = 0.95


def row(n: int, **values: Any) -> dict[str, Any]:
    base = {
        "uid": f"r{n}",
        "row": n,
        "sha256": f"s{n}",
        "original_width": 10,
        "original_height": 10,
    }
    return base | values


def edge(a: int, b: int, **values: Any) -> dict[str, Any]:
    return {"uid_a": f"r{a}", "uid_b": f"r{b}", "sha256": False, "pixel_sha256": False} | values


def represented(
    rows: list[dict[str, Any]],
    edges: list[dict[str, Any]],
    verdicts: dict[str, dict[str, Any]] | None = None,
    config: BuildConfig | None = None,
) -> pa.Table:
    said = [{"uid": r["uid"], "verdict": "keep"} | (verdicts or {}).get(r["uid"], {}) for r in rows]
    return represent(
        from_rows(said, DECIDED),
        from_rows(rows, SLIM),
        from_rows(edges, EDGES),
        LINE,
        config or BuildConfig(),
    )


def dup_of(table: pa.Table) -> dict[str, str | None]:
    return {r["uid"]: r["dup_of"] for r in table.to_pylist()}


NEAR = {"pdq_distance": 4, "similarity": 0.99}


def test_equal_bytes_leave_one() -> None:
    out = represented([row(0, sha256="x"), row(1, sha256="x"), row(2)], [])
    assert dup_of(out) == {"r0": None, "r1": "r0", "r2": None}
    fallen = out.to_pylist()[1]
    assert (fallen["verdict"], fallen["reason"], fallen["stage"], fallen["rule"]) == (
        "drop", "duplicate", "represent", "sha256"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"original_width": 11}, {}),
        ({"clip_similarity": 0.3}, {"clip_similarity": 0.2}),
        ({"clip_similarity": -0.5}, {"clip_similarity": None}),
        ({"row": 0}, {"row": 5}),
    ],
)
def test_the_better_row_stays(better: dict[str, Any], worse: dict[str, Any]) -> None:
    rows = [row(0, **{"row": 3} | worse), row(1, **{"row": 3} | better)]
    assert dup_of(represented(rows, [edge(0, 1, **NEAR)])) == {"r0": "r1", "r1": None}


def test_a_granted_row_stays_before_a_larger_one() -> None:
    rows = [row(0, original_width=500), row(1)]
    granted = {"r1": {"claim_id": "g", "license": "CC0-1.0"}}
    assert dup_of(represented(rows, [edge(0, 1, **NEAR)], granted))["r0"] == "r1"


@pytest.mark.parametrize(
    ("evidence", "rule"),
    [
        (NEAR, "pdq and similarity"),
        ({"pdq_distance": 31}, "pdq"),
        ({"similarity": 0.96}, "similarity"),
        ({"similarity": 0.94}, None),
    ],
)
def test_either_key_within_its_threshold_makes_a_duplicate(
    evidence: dict[str, Any], rule: str | None
) -> None:
    out = represented([row(0), row(1)], [edge(0, 1, **evidence)])
    assert out["rule"].to_pylist() == [None, rule]


def test_chains_merge_nothing() -> None:
    rows = [row(n, original_width=100 - n) for n in range(3)]
    out = dup_of(represented(rows, [edge(0, 1, **NEAR), edge(1, 2, **NEAR)]))
    assert out == {"r0": None, "r1": "r0", "r2": None}


def test_a_dropped_row_is_nobodys_representative() -> None:
    rows = [row(0, sha256="x", original_width=99), row(1, sha256="x"), row(2, sha256="x")]
    out = represented(rows, [], {"r0": {"verdict": "drop", "reason": "filter", "stage": "embed"}})
    assert dup_of(out) == {"r0": None, "r1": None, "r2": "r1"}
    assert out["reason"].to_pylist() == ["filter", None, "duplicate"]


def test_copies_of_a_near_copy_fall_with_it() -> None:
    rows = [row(0, original_width=99), row(1, sha256="x"), row(2, sha256="x")]
    out = represented(rows, [edge(0, 2, **NEAR)])
    assert dup_of(out) == {"r0": None, "r1": "r0", "r2": "r0"}
    assert out["similarity"].to_pylist()[1] == pytest.approx(0.99)


def test_without_dedup_nothing_changes() -> None:
    config = BuildConfig(relate=RelateConfig(dedup=False))
    out = represented([row(0, sha256="x"), row(1, sha256="x")], [], config=config)
    assert out["verdict"].to_pylist() == ["keep", "keep"]


numbers = st.integers(0, 9)
pairs = st.sets(st.tuples(numbers, numbers).filter(lambda p: p[0] < p[1]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(pairs, st.lists(st.integers(1, 4), min_size=10, max_size=10), st.integers(0, 99))
def test_every_duplicate_has_a_direct_neighbour_that_stays_and_no_two_neighbours_stay(
    near: set[tuple[int, int]], widths: list[int], seed: int
) -> None:
    rows = [row(n, original_width=widths[n]) for n in range(10)]
    edges = [edge(a, b, **NEAR) for a, b in sorted(near)]
    straight = represented(rows, edges)
    out = dup_of(straight)
    both = {(f"r{a}", f"r{b}") for a, b in near} | {(f"r{b}", f"r{a}") for a, b in near}
    for name, taker in out.items():
        if taker is None:
            assert not any(out[b] is None for a, b in both if a == name)
        else:
            assert (name, taker) in both
            assert out[taker] is None
            assert widths[int(taker[1:])] >= widths[int(name[1:])]
    shuffle = random.Random(seed).shuffle
    shuffle(rows)
    shuffle(edges)
    assert represented(rows, edges).equals(straight)
