from itertools import permutations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.union import join
from schemas.errors import RegistryError
from schemas.tables import CLAIMS, WORKS, require
from tests.optout.claims import MATCHER
from tests.optout.snapshots import claim, taken, work


def said(*snapshots, matcher=MATCHER):
    """Return level, origin and trust of each claim, by its number."""
    rows = join(snapshots, matcher).claims.to_pylist()
    return {int(r["claim_id"], 16): (r["level"], r["origin"], r["trusted"]) for r in rows}


def test_claims_of_all_registries_stand_side_by_side_with_their_origin():
    own = taken([claim(3), claim(5)], [work(1, 3)], origin="local/own", trust_local=True)
    other = taken([claim(4, level=2)], [work(2, 4)], origin="example.org/b")
    joined = join([own, other], MATCHER)
    require(joined.claims, CLAIMS, extra=False)
    require(joined.works, WORKS, extra=False)
    assert said(own, other) == {
        3: (0, "local/own", True),
        4: (2, "example.org/b", False),
        5: (0, "local/own", True),
    }
    assert joined.claims["claim_id"].to_pylist() == sorted(joined.claims["claim_id"].to_pylist())
    assert joined.works["work_id"].to_pylist() == ["0001", "0002"]


def test_no_registry_gives_no_claims():
    joined = join([], MATCHER)
    assert joined.claims.equals(CLAIMS.empty_table())
    assert joined.works.equals(WORKS.empty_table())


def test_a_claim_that_two_lists_hold_stands_once_as_the_one_that_trusts_it_most_states_it():
    low = taken([claim(1, level=1, seq=7)], [work(1, 1)], origin="a")
    high = taken([claim(1, level=2, seq=9)], [work(1, 1)], origin="b")
    own = taken([claim(1, level=0)], [work(1, 1)], origin="own", trust_local=True)
    assert said(low, high) == said(high, low) == {1: (2, "b", False)}
    assert said(low, own, high) == {1: (0, "own", True)}
    assert said(low, taken([claim(1, level=1)], [work(1, 1)], origin="c")) == {1: (1, "a", False)}
    assert join([low, high, own], MATCHER).works.num_rows == 1


@pytest.mark.parametrize(
    ("claims", "works"),
    [
        ([claim(1, commitment="f" * 64)], [work(1, 1)]),
        ([claim(1, hosts=["ada.example"])], [work(1, 1)]),  # whatever commitment it shows
        ([claim(1, stance="opt_in")], [work(1, 1)]),
        ([claim(1)], []),
        ([claim(1)], [work(1, 1, sha256="e" * 64)]),
    ],
)
def test_two_claims_of_one_id_are_refused(claims, works):
    a, b = taken([claim(1)], [work(1, 1)], origin="a"), taken(claims, works, origin="b")
    with pytest.raises(RegistryError, match="same in a and in b"):
        join([a, b], MATCHER)


def test_a_style_of_another_matcher_waits_and_its_other_keys_stay():
    style = {"scope": "style", "style_state": "active", "hosts": ["ada.example"]}
    other = taken([claim(1, **style), claim(2)], [work(1, 1)], matcher="o" * 64)
    joined = join([other], MATCHER)
    assert joined.claims["style_state"].to_pylist() == ["not judged", "none"]
    assert joined.claims["hosts"].to_pylist() == [["ada.example"], []]
    assert join([other], "o" * 64).claims["style_state"].to_pylist() == ["active", "none"]


def test_a_style_acts_where_one_registry_has_let_it_and_control_is_proved():
    """What a moderator accepted is stated, as a level is; it is no other claim."""
    style = {"scope": "style", "style_tail": [2.0, 0.02, 0.1, 0.5, 1e-3, 0.1, 0.05]}
    waits = taken(
        [claim(1, level=3, style_state="needs review", **style)], [work(1, 1)], origin="a"
    )
    acts = taken([claim(1, level=2, style_state="active", **style)], [work(1, 1)], origin="b")
    unproved = taken([claim(1, level=1, style_state="active", **style)], [work(1, 1)], origin="c")
    for order in permutations([waits, acts, unproved]):
        assert said(*order) == {1: (2, "b", False)}
    assert said(unproved, waits) == {1: (3, "a", False)}


LISTS = st.lists(
    st.dictionaries(st.integers(1, 6), st.integers(0, 3), max_size=4), min_size=1, max_size=3
)


@given(LISTS)
def test_one_more_list_takes_no_claim_away_and_lowers_no_level(levels):
    lists = [
        taken([claim(n, level=level) for n, level in sorted(given.items())], origin=f"l{i}")
        for i, given in enumerate(levels)
    ]
    fewer, more = said(*lists[:-1]), said(*lists)
    assert all(more[n][0] >= level for n, (level, _, _) in fewer.items())
    assert more.keys() == {n for given in levels for n in given}


@given(LISTS)
def test_order_of_lists_moves_no_level(levels):
    lists = [
        taken([claim(n, level=level) for n, level in sorted(given.items())], origin=f"l{i}")
        for i, given in enumerate(levels)
    ]
    found = [{n: s[0] for n, s in said(*order).items()} for order in permutations(lists)]
    assert all(one == found[0] for one in found)


def test_joining_moves_no_row_of_a_single_list():
    one = taken([claim(1), claim(2)], [work(1, 1), work(2, 2)])
    joined = join([one], MATCHER)
    assert joined.claims.select(one.claims.column_names).equals(one.claims)
    assert joined.works.equals(pa.concat_tables([one.works]))
