import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.release_diff import ABSENT, KEPT, PLACES, diff, places
from schemas.errors import SchemaError
from schemas.tables import LEDGER, from_rows
from schemas.verdict import Reason, Verdict

WHY = [str(Reason.OPTOUT_WORK), str(Reason.DUPLICATE), str(Reason.UNREACHABLE)]


def world(told: dict[str, str]) -> pl.DataFrame:
    """PLACES from uid to kept or a reason."""
    rows = [
        {"uid": uid, "verdict": KEPT if place == KEPT else "drop",
         "reason": None if place == KEPT else place,
         "claim_id": "c" * 32 if place == WHY[0] else None, "rule": None}
        for uid, place in told.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, PLACES)


WORLDS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.sampled_from([KEPT, *WHY]))


@given(WORLDS, WORLDS)
def test_totals_are_the_row_counts_of_both_releases(before, after):
    found = diff(world(before), world(after))
    kept_before = {uid for uid, place in before.items() if place == KEPT}
    kept_after = {uid for uid, place in after.items() if place == KEPT}
    assert (found.before, found.after) == (len(kept_before), len(kept_after))
    assert found.removed == len(kept_before - kept_after)
    assert found.added == len(kept_after - kept_before)
    assert found.kept == len(kept_before & kept_after)
    moved = {uid for uid in before.keys() | after.keys()
             if before.get(uid, ABSENT) != after.get(uid, ABSENT)}  # fmt: skip
    assert sum(move.rows for move in found.moves) == len(moved)


@given(WORLDS)
def test_a_release_differs_from_itself_in_nothing(told):
    assert diff(world(told), world(told)).moves == ()


def test_a_row_in_two_places_of_one_release_stops_it():
    rows = [{"uid": "a", "verdict": "drop", "reason": reason} for reason in ("review", "duplicate")]
    twice = pl.DataFrame(rows, schema=PLACES)
    with pytest.raises(SchemaError, match="found a in two"):
        diff(twice, twice)


def test_a_removed_row_names_the_claim_that_removed_it():
    (move,) = diff(world({"a": KEPT}), world({"a": WHY[0]})).moves
    assert (move.was, move.now, move.claim_id, move.rows) == (KEPT, WHY[0], "c" * 32, 1)
    (back,) = diff(world({"a": WHY[0]}), world({"a": KEPT})).moves
    assert back.claim_id == "c" * 32
    (gone,) = diff(world({"a": KEPT}), world({})).moves
    assert gone.now == ABSENT


def test_places_are_read_from_samples_ledger_and_vault():
    ledger = from_rows(
        [{"uid": "b", "stage": "match", "verdict": str(Verdict.DROP), "reason": WHY[0],
          "commitment": "0" * 64}], LEDGER
    )  # fmt: skip
    samples = [pa.table({"uid": ["a"]}), pa.table({"uid": pa.array([], pa.string())})]
    bare = places(samples, ledger)
    assert bare.rows() == [("a", KEPT, None, None, None), ("b", "drop", WHY[0], None, None)]
    vaulted = pa.table({"uid": ["b"], "claim_id": ["c"], "rule": ["copy"]})
    assert places(samples, ledger, vaulted).rows()[1][3:] == ("c", "copy")
