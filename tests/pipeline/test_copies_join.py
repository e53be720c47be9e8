"""Samples and the rows of the table beside them: what one side tells is told of the other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.copies.keys import together
from pipeline.copies.samples import File, Samples, join
from pipeline.copies.tables import Judged
from pipeline.retracted import Retracted, Told
from schemas.canonical import sha256_hex

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
        samples.add(key, told, [File(sha256_hex(key.encode()), is_picture=True)], RETRACTED)
    keep = np.array([n not in taken for n in range(len(keys))], bool)
    hits = {n: frozenset({HIT}) for n in taken}
    rows = replace(Judged.nothing(len(keys)), keep=keep, hits=hits)
    return join(samples, keys, rows, planned)


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
        alike = {k: common(k, key) for k in every - set(keys)}
        # No other agrees with a row that stays by a longer end.
        nearer = {k: max(common(k, other) for other in keys if other) for k in alike}
        best = max(alike.values(), default=0)
        if best:
            assert {k for k in alike if alike[k] == best == nearer[k]} <= found.samples


def common(one: str, other: str) -> int:
    """Return how many parts at their ends two keys have in common."""
    ends = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    pairs = [a == b for a, b in ends]
    return pairs.index(False) if False in pairs else len(pairs)


@pytest.mark.parametrize(
    ("every", "keys", "groups"),
    [
        (["a/1", "b/1"], ["./a/1", "./b/1"], [(["a/1"], [0]), (["b/1"], [1])]),
        (["a/1", "b/1"], ["x/a/1", "x/b/1"], [(["a/1"], [0]), (["b/1"], [1])]),
        (["0001", "0002"], ["1", "2"], [(["0001"], [0]), (["0002"], [1])]),
        (["1", "2"], ["1.jpg", "2.JPG"], [(["1"], [0]), (["2"], [1])]),
        (["a/1", "b/1"], ["1", "1"], [(["a/1", "b/1"], [0, 1])]),
        (["1", "a/1"], ["1", "1"], [(["1", "a/1"], [0, 1])]),
        (["1", "01"], ["1"], [(["1"], [0]), (["01"], [])]),
        (["1", "01"], ["001"], [(["01", "1"], [0])]),
        (["a/1"], ["b/1"], [(["a/1"], [0])]),
        (["\0LICENSE", "LICENSE"], ["LICENSE", "\0LICENSE"],
         [(["\0LICENSE"], []), (["LICENSE"], [0]), ([], [1])]),
        (["1"], [None, "2"], [([], [0]), (["1"], []), ([], [1])]),
    ],
)  # fmt: skip
def test_rows_mean_the_samples_with_which_they_share_the_longest_end(every, keys, groups):
    found = sorted(together(set(every), keys))
    assert found == sorted(groups)


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
    assert found.evidence.mute == len(found.evidence.stay) == len(every)


@given(shards())
def test_what_was_planned_goes(shard):
    every, _, keys, taken = shard
    found = joined(every, set(), keys, set(), (frozenset(every), [*taken, 99]))
    assert found.samples == every
    assert taken <= set(np.flatnonzero(found.rows).tolist())
    assert not found.evidence.alone
