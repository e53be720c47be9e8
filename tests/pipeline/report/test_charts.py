"""Geometry: what is drawn is in proportion, and stays inside its frame."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report import charts

counts = st.lists(st.integers(1, 10**6), max_size=8)


@given(counts, st.integers(0, 10**6))
def test_the_stream_keeps_its_frame_and_its_branches_stand_in_order(
    leaving: list[int], released: int
) -> None:
    rows_in = sum(leaving) + released
    branches = [charts.Branch("web", f"Branch number {n}", r, "") for n, r in enumerate(leaving)]
    flow = charts.flow(rows_in, released, branches)
    if not rows_in:
        assert flow is None
        return
    assert flow is not None
    places = [d.label_x for d in flow.branches]
    assert places == sorted(places)
    assert all(0 < x < flow.width for x in places)
    for path in (flow.trunk, *(d.path for d in flow.branches)):
        ordinates = [float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", path)]
        assert all(-1 <= y <= flow.height for y in ordinates)
    assert all(len(d.lines) <= 2 for d in flow.branches)


def test_a_histogram_fills_gaps_and_marks_the_median() -> None:
    made = charts.even_histogram("t", "u", {"0.20": 1, "0.26": 1})
    assert [b.rows for b in made.bars] == [1, 0, 0, 1]
    assert made.bars[0].label == "0.20 to 0.22"
    assert made.rows == 2
    assert made.median_x == pytest.approx(charts.PLOT_WIDTH / 4)


def test_negative_similarities_have_bins_too() -> None:
    made = charts.even_histogram("t", "u", {"-0.04": 2, "0.00": 1})
    assert [b.label for b in made.bars] == ["-0.04 to -0.02", "-0.02 to 0.00", "0.00 to 0.02"]


def test_given_edges_are_cut_to_those_in_use_and_end_open() -> None:
    made = charts.edged_histogram("t", "u", {"8192": 3, "2048": 1}, charts.EDGE_LABELS)
    assert [b.label for b in made.bars] == [
        "2,048 to 3,072", "3,072 to 4,096", "4,096 to 8,192", "8,192 to ∞"
    ]  # fmt: skip
    assert made.most == 3


def test_nothing_gives_no_bars() -> None:
    assert not charts.even_histogram("t", "u", {}).bars
    assert not charts.edged_histogram("t", "u", {}, charts.SIZE_LABELS).bars


def test_hosts_are_ranked_by_what_the_page_is_about() -> None:
    hosts = {"a": {"keep": 5, "drop": 1}, "b": {"keep": 2, "drop": 9}, "c": {"keep": 1}}
    assert [s.label for s in charts.host_bars(hosts, 2)] == ["a", "b"]
    assert [s.label for s in charts.host_bars(hosts, 1, by_others=True)] == ["b"]
    widest = charts.host_bars(hosts, 3)[1]
    assert sum(p.width for p in widest.pieces) == pytest.approx(100, abs=0.01)
