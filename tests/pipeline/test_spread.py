"""Denials reach copies by one hop, over equal content or two keys; addresses reach addresses."""

import json
from typing import Any

import polars as pl
import pytest

from pipeline.decide import FINDING
from pipeline.spread import between_contents, content_key, spread
from schemas.tables import EDGES, SLIM, from_rows
from schemas.verdict import Reason


def slim(*rows: dict[str, Any]) -> pl.DataFrame:
    base = [
        {"row": n, "url_key": f"u{n}", "uid": f"r{n}", "sha256": f"s{n}"} for n in range(len(rows))
    ]
    frame = pl.from_arrow(from_rows([b | r for b, r in zip(base, rows, strict=True)], SLIM))
    assert isinstance(frame, pl.DataFrame)
    return frame


def found(reason: Reason, uid: str = "r0", claim: str | None = "c") -> dict[str, Any]:
    return {"uid": uid, "reason": str(reason), "stage": "match", "claim_id": claim, "rule": "copy"}


def edges(*pairs: tuple[str, str, dict[str, Any]]) -> pl.DataFrame:
    rows = [
        {"uid_a": a, "uid_b": b, "sha256": False, "pixel_sha256": False} | v for a, b, v in pairs
    ]
    frame = pl.from_arrow(from_rows(rows, EDGES))
    assert isinstance(frame, pl.DataFrame)
    return frame


def reached(
    rows: pl.DataFrame, findings: list[dict[str, Any]], between: pl.DataFrame | None = None
) -> list[dict[str, Any]]:
    against = pl.DataFrame([dict.fromkeys(FINDING) | f for f in findings], schema=FINDING)
    told = spread(rows, against, edges() if between is None else between)
    return told.sort("uid", "reason").to_dicts()


BOTH = {"pdq_distance": 20, "similarity": 0.96}


@pytest.mark.parametrize(
    ("reason", "becomes"),
    [
        (Reason.OPTOUT_WORK, "optout_copy"),
        (Reason.OPTOUT_STYLE, "optout_copy"),
        (Reason.SIGNAL_EMBEDDED, "signal_copy"),
        (Reason.REVIEW, "review"),
    ],
)
def test_what_rests_on_content_reaches_equal_bytes_elsewhere(reason: Reason, becomes: str) -> None:
    (told,) = reached(slim({"sha256": "x"}, {"sha256": "x"}, {}), [found(reason)])
    assert (told["uid"], told["reason"], told["by_uid"], told["claim_id"]) == (
        "r1", becomes, "r0", "c"
    )  # fmt: skip
    assert json.loads(told["detail"]) == {"edge": "sha256"}


def test_equal_pixels_are_equal_content_though_bytes_differ() -> None:
    rows = slim({"pixel_sha256": "p"}, {"pixel_sha256": "p"})
    (told,) = reached(rows, [found(Reason.OPTOUT_WORK)])
    assert json.loads(told["detail"]) == {"edge": "pixel_sha256"}


def test_two_keys_that_agree_are_the_evidence() -> None:
    (told,) = reached(slim({}, {}), [found(Reason.OPTOUT_WORK)], edges(("r0", "r1", BOTH)))
    assert told["reason"] == "optout_copy"
    assert json.loads(told["detail"]) == {
        "edge": "pdq and similarity", "pdq_distance": 20, "similarity": 0.96
    }  # fmt: skip


@pytest.mark.parametrize("alone", [{"pdq_distance": 0}, {"similarity": 1.0}])
def test_one_near_key_alone_never_spreads(alone: dict[str, Any]) -> None:
    assert not reached(slim({}, {}), [found(Reason.OPTOUT_WORK)], edges(("r0", "r1", alone)))


def test_there_is_one_hop_only() -> None:
    chain = edges(("r0", "r1", BOTH), ("r1", "r2", BOTH))
    told = reached(slim({}, {}, {}), [found(Reason.OPTOUT_WORK)], chain)
    assert [t["uid"] for t in told] == ["r1"]


def test_an_edge_speaks_for_all_rows_of_equal_content() -> None:
    """Relate emits stars around the smallest uid; the hop is between contents."""
    rows = slim({"sha256": "x"}, {"sha256": "x"}, {"sha256": "y"}, {"sha256": "y"})
    told = reached(rows, [found(Reason.OPTOUT_WORK, "r1")], edges(("r0", "r2", BOTH)))
    assert {t["uid"]: t["by_uid"] for t in told} == {"r0": "r1", "r2": "r1", "r3": "r1"}


@pytest.mark.parametrize(
    ("reason", "becomes"),
    [
        (Reason.OPTOUT_NAME, "optout_same_url"),
        (Reason.OPTOUT_HOST, "optout_same_url"),
        (Reason.OPTOUT_URL, "optout_same_url"),
        (Reason.SIGNAL_ROBOTS, "signal_robots"),
        (Reason.SIGNAL_HEADER, "signal_header"),
    ],
)
def test_what_was_denied_before_its_bytes_were_read_reaches_the_same_url_only(
    reason: Reason, becomes: str
) -> None:
    rows = slim({"url_key": "u", "sha256": "x"}, {"url_key": "u"}, {"sha256": "x"}, {})
    told = reached(rows, [found(reason)], edges(("r0", "r3", BOTH)))
    assert [(t["uid"], t["reason"]) for t in told] == [("r1", becomes)]


@pytest.mark.parametrize("reason", [Reason.FILTER, Reason.UNREACHABLE, Reason.SIGNAL_ERROR])
def test_what_is_no_denial_spreads_nowhere(reason: Reason) -> None:
    rows = slim({"sha256": "x", "url_key": "u"}, {"sha256": "x", "url_key": "u"})
    assert not reached(rows, [found(reason)])


def test_rows_that_were_never_read_share_no_content() -> None:
    rows = slim({"sha256": None}, {"sha256": None})
    assert not reached(rows, [found(Reason.OPTOUT_WORK)])
    assert rows.select(content_key())["pixel_sha256"].n_unique() == 2


def test_the_closest_denied_copy_is_the_evidence() -> None:
    near = edges(("r0", "r2", BOTH), ("r1", "r2", BOTH | {"pdq_distance": 4}))
    told = reached(
        slim({}, {}, {}), [found(Reason.OPTOUT_WORK), found(Reason.OPTOUT_WORK, "r1")], near
    )
    assert [(t["uid"], t["by_uid"]) for t in told] == [("r2", "r1")]


def test_edges_to_rows_that_are_not_there_are_left_out() -> None:
    rows = slim({}).select("uid", content="uid")
    assert between_contents(edges(("r0", "r9", BOTH)), rows).height == 0
