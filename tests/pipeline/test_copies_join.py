"""Samples and the rows of the table beside them: what one side tells is told of the other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.copies.samples import Samples, join
from pipeline.copies.tables import Judged
from pipeline.retracted import Retracted, Told

NAMES = st.sampled_from(["1", "2", "a/1", "b/1", "a/2", "c/a/1"])
HIT = "0" * 32
RETRACTED = Retracted(frozenset({HIT}), frozenset())


@st.composite
def shards(draw):
    """Draw keys of samples, of them those taken back; keys of rows, and the rows taken back."""
    every = draw(st.sets(NAMES))
    gone = draw(st.sets(st.sampled_from(sorted(every)))) if every else set()
    keys = draw(st.lists(NAMES | st.none(), max_size=6))
    taken = draw(st.sets(st.integers(0, len(keys) - 1))) if keys else set()
    return every, gone, keys, taken


def joined(every, gone, keys, taken, planned=(frozenset(), ())):
    samples = Samples()
    for key in every:
        told = Told((HIT,)) if key in gone else Told()
        samples.add(key, told, [], RETRACTED, is_pictured=True)
    keep = np.array([n not in taken for n in range(len(keys))], bool)
    none = np.zeros(len(keys), bool)
    hits = {n: frozenset({HIT}) for n in taken}
    return join(samples, keys, Judged(keep, none, none, ~none, hits), planned)


@given(shards())
def test_whatever_either_side_tells_goes_from_both(shard):
    every, gone, keys, taken = shard
    found = joined(*shard)
    assert gone <= found.samples <= every
    assert taken <= set(np.flatnonzero(found.rows).tolist())
    for number, key in enumerate(keys):
        if key in every:
            assert (key in found.samples) == bool(found.rows[number])


@given(shards())
def test_of_samples_that_no_row_names_in_full_those_alike_go_with_a_row_that_finds_none(shard):
    every, _, keys, taken = shard
    found = joined(*shard)
    for key in {keys[n] for n in taken if keys[n] is not None} - every:
        assert {k for k in every - set(keys) if last(k) == last(key)} <= found.samples


def last(key: str) -> str:
    return key.rpartition("/")[2]


@given(shards())
def test_what_has_gone_once_is_not_gone_again(shard):
    every, _, keys, _ = shard
    found = joined(*shard)
    left = [key for key, goes in zip(keys, found.rows, strict=True) if not goes]
    again = joined(every - found.samples, set(), left, set())
    assert not again.samples
    assert not again.rows.any()


@given(shards())
def test_nothing_goes_where_nothing_was_taken_back(shard):
    every, _, keys, _ = shard
    found = joined(every, set(), keys, set())
    assert not found.samples
    assert not found.rows.any()
    assert len({last(key) for key in every}) <= found.evidence.mute <= len(every)


@given(shards())
def test_what_was_planned_goes(shard):
    every, _, keys, taken = shard
    found = joined(every, set(), keys, set(), (frozenset(every), [*taken, 99]))
    assert found.samples == every
    assert taken <= set(np.flatnonzero(found.rows).tolist())
    assert not found.evidence.alone
