"""Which rows of a release count as the same image as one that was held."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.held import copies, stopped
from pipeline.relate import relate
from pipeline.represent import represent
from schemas.config import BuildConfig, RelateConfig
from schemas.tables import DECIDED, EDGES, JUDGED, SLIM, from_rows


def edge(a: str, b: str, **values: Any) -> dict[str, Any]:
    a, b = sorted((a, b))
    return {"uid_a": a, "uid_b": b, "sha256": False, "pixel_sha256": False} | values


def others(edges: list[dict[str, Any]], *uids: str) -> set[tuple[str, str]]:
    return set(copies(uids, from_rows(edges, EDGES), 0.95).iter_rows())


def test_equal_content_and_near_content_are_found_through_the_first_of_each_group():
    edges = [
        edge("a", "c", sha256=True),  # a star around the smallest uid
        edge("a", "d", pixel_sha256=True),
        edge("a", "m", pdq_distance=8, similarity=0.9),  # between the first of two groups
        edge("m", "n", sha256=True),
        edge("n", "z", similarity=0.99),  # not of m's content: another hop
        edge("d", "q", similarity=0.8),
    ]
    assert others(edges, "d") == {("d", other) for other in "acmn"}
    assert others(edges, "n") == {("n", other) for other in "mzacd"}
    assert others(edges, "x") == set()


CONTENTS = st.lists(st.integers(0, 5), min_size=3, max_size=8)


@settings(max_examples=40, deadline=None)
@given(CONTENTS, st.integers(0, 2**16))
def test_what_represent_drops_for_a_released_row_is_found(contents, seed):
    """Edges as `relate` writes them: a held row and a released one of equal bytes."""
    uids = [f"{(n * 7919 + seed) % 97:02d}{n}" for n in range(len(contents))]
    keys = [
        {"uid": u, "sha256": f"s{c}", "pixel_sha256": f"p{c}"}
        for u, c in zip(uids, contents, strict=True)
    ]
    slim = from_rows([{**k, "row": n} for n, k in enumerate(keys)], SLIM)
    table = pa.table(
        {
            **{name: [k[name] for k in keys] for name in ("uid", "sha256", "pixel_sha256")},
            "pdq": pa.nulls(len(keys), pa.binary(32)),
            "pdq_quality": pa.nulls(len(keys), pa.int16()),
            "stored_pdq": pa.nulls(len(keys), pa.binary(32)),
        }
    )
    edges = relate(table, None, config=RelateConfig(), threshold=0.95, seed=0)
    held = uids[0]
    decided = from_rows(
        [{"uid": u, "verdict": "keep", "claim_id": None if u == held else "x"} for u in uids],
        DECIDED,
    )
    out = represent(decided, slim, edges, 0.95, BuildConfig()).to_pylist()
    taken = {r["uid"] for r in out if r["dup_of"]}
    assert (held in taken) == bool(others(edges.to_pylist(), held))


def test_a_stop_is_added_and_one_that_stands_stays():
    rows = [{"uid": "a"}, {"uid": "b", "stop_stage": "s", "stop_reason": "too_small"}, {"uid": "c"}]
    stops = {"a": ("readmit", "duplicate", "{}"), "b": ("readmit", "duplicate", None)}
    table = stopped(from_rows(rows, JUDGED), stops)
    assert table.schema.equals(JUDGED, check_metadata=True)
    found = [(r["stop_stage"], r["stop_reason"], r["stop_detail"]) for r in table.to_pylist()]
    assert found == [("readmit", "duplicate", "{}"), ("s", "too_small", None), (None, None, None)]


@pytest.mark.parametrize("uids", [(), ("a",)])
def test_without_edges_there_is_no_copy(uids):
    assert others([], *uids) == set()
