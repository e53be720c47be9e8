"""A replay finds rows in the wrong place, and no fault in what hangs on what nobody has."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.misplaced import COMES_AGAIN, Absent, misplaced, unjoined
from pipeline.unjudged import without_styles
from schemas.tables import EDGES, SLIM, from_rows
from tests.pipeline.recalls import POOL, Again, Built, build, honoured, judge_again, world

STYLES = {"style", "broad"}
NAMES = st.sets(st.sampled_from(sorted(POOL)))
WORLDS = {"seed": st.integers(0, 10_000), "count": st.integers(0, 45)}


def found(again: Again, absent: Absent, vaulted: pa.Table | None = None) -> list[str]:
    held = again.vaulted if vaulted is None else vaulted
    return misplaced("t", [again.released], [held], again.decided, absent)


@settings(max_examples=12, deadline=None)
@given(names=NAMES, **WORLDS)
def test_an_honest_release_has_all_rows_in_place(seed, count, names):
    again = judge_again(build(world(seed, count), honoured(names)), honoured(names))
    assert found(again, Absent()) == []


@settings(max_examples=15, deadline=None)
@given(names=NAMES, gone=NAMES, **WORLDS)
def test_what_an_erased_claim_did_is_no_fault(seed, count, names, gone):
    left = names - gone
    again = judge_again(build(world(seed, count), honoured(names)), honoured(left))
    assert found(again, Absent(claims=frozenset(names & gone))) == []


@settings(max_examples=15, deadline=None)
@given(names=NAMES, **WORLDS)
def test_what_a_safe_list_cleared_is_no_fault(seed, count, names):
    """A build whose safe lists clear all that styles reach is one in which no style acts."""
    cleared = build(world(seed, count), without_styles(honoured(names)))
    again = judge_again(cleared, honoured(names))
    assert found(again, Absent(safe=True)) == []
    if not names & STYLES:
        assert found(again, Absent()) == []


@settings(max_examples=15, deadline=None)
@given(names=NAMES, **WORLDS)
def test_what_styles_did_is_no_fault_where_no_cohort_is_at_hand(seed, count, names):
    built = build(world(seed, count), honoured(names))
    again = judge_again(built, without_styles(honoured(names)))
    assert found(again, Absent(styles=True)) == []


def released_after_all(old: Built, uid: str) -> Built:
    decided = old.tables.decided
    place = decided.schema.get_field_index("verdict")
    said = pc.if_else(pc.equal(decided["uid"], uid), "keep", decided["verdict"])
    lie = decided.set_column(place, decided.schema.field(place), said)
    return Built(replace(old.tables, decided=lie), old.edges)


@settings(max_examples=12, deadline=None)
@given(names=NAMES, lie=st.data(), **WORLDS)
def test_a_row_that_a_claim_denies_is_named_also_where_another_was_erased(seed, count, names, lie):
    honest = build(world(seed, count), honoured(names))
    seen = pc.is_in(honest.tables.decided["uid"], honest.tables.decoded["uid"].combine_chunks())
    by_work = pc.equal(honest.tables.decided["reason"], "optout_work")
    denied = honest.tables.decided.filter(pc.and_(seen, by_work))["uid"].to_pylist()
    if not denied:
        return
    uid = lie.draw(st.sampled_from(denied))
    again = judge_again(released_after_all(honest, uid), honoured(names))
    for absent in (Absent(), Absent(safe=True), Absent(claims=frozenset({"another"}))):
        told = found(again, absent)
        assert any(uid in line and "is released; claim" in line for line in told)


def test_a_row_left_out_for_another_reason_than_its_claims_is_named():
    names = ("work", "host")
    again = judge_again(build(world(5, 40), honoured(names)), honoured(names))
    rows = again.vaulted.to_pylist()
    (at, *_) = [n for n, row in enumerate(rows) if row["reason"] == "optout_work"]
    reasons = [row["reason"] for row in rows]
    for other in sorted(set(COMES_AGAIN) - {"optout_work"}):
        reasons[at] = other
        place = again.vaulted.schema.get_field_index("reason")
        lie = again.vaulted.set_column(place, "reason", pa.array(reasons, pa.string()))
        (told,) = found(again, Absent(), lie)
        assert told == (
            f"row {rows[at]['uid']} was left out as {other}; the replay says optout_work"
        )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(0, 30))
def test_rows_of_one_picture_must_be_joined(pictures, left_out):
    """Stars join each picture's rows; any edge less leaves one apart."""
    uids = [f"{n:032x}" for n in range(len(pictures))]
    slim = from_rows(
        [{"uid": u, "sha256": f"s{n}", "pixel_sha256": f"p{k}"}
         for n, (u, k) in enumerate(zip(uids, pictures, strict=True))],
        SLIM,
    )  # fmt: skip
    first = {k: uids[pictures.index(k)] for k in pictures}
    stars = [
        {"uid_a": first[k], "uid_b": u, "sha256": False, "pixel_sha256": True}
        for u, k in zip(uids, pictures, strict=True)
        if u != first[k]
    ]
    assert unjoined(slim, from_rows(stars, EDGES)) == []
    less = [edge for n, edge in enumerate(stars) if n != left_out]
    found = unjoined(slim, from_rows(less, EDGES))
    assert len(found) == len(stars) - len(less)
    unseen = slim.set_column(
        slim.column_names.index("pixel_sha256"), "pixel_sha256", pa.nulls(len(uids), pa.string())
    )
    assert unjoined(unseen, EDGES.empty_table()) == []
