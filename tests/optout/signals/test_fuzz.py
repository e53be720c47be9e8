"""bench/fuzz_targets.py without a fuzzer: its promises hold for its seeds and for any bytes."""

import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz_seeds import seeds
from bench.fuzz_targets import SEPARATOR, TARGETS, BrokenPromiseError, check, promise
from optout.signals.signal import Signal
from schemas.verdict import Channel, Purpose, Say

COMMAND = Path(__file__).parents[3] / "bench" / "fuzz_signals.py"
SEEDS = {name: seeds(name) for name in TARGETS}
CHEAP = sorted(TARGETS.keys() - {"c2pa"})


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_keeps_its_promises(name):
    assert len(SEEDS[name]) > 2
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@settings(max_examples=200)
@given(st.sampled_from(CHEAP), st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_any_bytes_keep_their_promises(name, parts):
    TARGETS[name](SEPARATOR.join(parts))


@settings(max_examples=300)
@given(st.sampled_from(CHEAP), st.data())
def test_two_seeds_cut_and_joined_keep_their_promises(name, draw):
    known = st.sampled_from(SEEDS[name])
    one, other = draw.draw(known), draw.draw(known)
    cut, joined = (draw.draw(st.integers(0, len(seed))) for seed in (one, other))
    TARGETS[name](one[:cut] + other[joined:])


DENIED = Signal(Channel.XMP, Purpose.MINE, Say.DENY)


@pytest.mark.parametrize(
    "said",
    [
        (DENIED, DENIED),
        (Signal(Channel.C2PA, Purpose.MINE, Say.DENY),),
        (Signal(Channel.XMP, Purpose.MINE, Say.SILENT),),
        (Signal(Channel.XMP, Purpose.MINE, Say.ALLOW),),
        (Signal(Channel.XMP, Purpose.MINE, Say.DENY, "x" * 513),),
        (Signal(Channel.XMP, Purpose.MINE, Say.DENY, line=-1),),
        (DENIED.with_evidence("ab"),),
    ],
)
def test_a_broken_promise_is_noticed(said):
    check((DENIED,), Channel.XMP, may_allow=False)
    with pytest.raises(BrokenPromiseError):
        check(said, Channel.XMP, may_allow=False)
    with pytest.raises(BrokenPromiseError):
        promise((), "something")


def test_where_there_is_no_fuzzer_the_command_says_which_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(sys, "argv", ["fuzz_signals.py", "robots", "--seconds", "1"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit, match="pip install atheris"):
        runpy.run_path(str(COMMAND), run_name="__main__")
