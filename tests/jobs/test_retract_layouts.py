"""Copies laid out by chance lose what was taken back and nothing else, however a run breaks off."""

import contextlib
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.retract import retract
from pipeline.retracted import Retracted
from tests.jobs.retract_layouts import Layout, pieces_in
from tests.jobs.retracting import contents

pytestmark = pytest.mark.slow
SEEDS, PARTS = 600, 6


class CutOff(BaseException):
    """A run is killed: nothing catches it, and nothing is cleared away."""


@pytest.mark.parametrize("part", range(PARTS))
def test_copies_lose_what_was_taken_back_and_nothing_else(tmp_path, part):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bar()
    for seed in range(part, SEEDS, PARTS):
        top = tmp_path / str(seed)
        require(seed, Layout.of(seed, top / "copy"), top / "other")
        shutil.rmtree(top)


def require(seed: int, layout: Layout, other: Path) -> None:
    copy, retracted = layout.copy, layout.retracted
    shutil.copytree(copy, other, symlinks=True)
    before, pieces = contents(copy), pieces_in(copy)
    dry = retract(copy, retracted, yes=False)
    assert contents(copy) == before, seed
    done = retract(copy, retracted, yes=True)
    assert (dry.going, dry.untold) == (done.going, done.untold), seed
    assert not done.failed, seed
    going = layout.going()
    gone = Counter(piece for group in going for piece in group.pieces)
    assert +(pieces - pieces_in(copy)) == gone, seed
    for group in layout.groups:
        if group.taken and group not in going:
            assert any(is_near(one.path, group.place) for one in done.untold), seed
    again = retract(copy, retracted, yes=False)
    assert (again.going, again.untold) == ([], done.untold), seed
    after = contents(copy)
    assert retract(copy, retracted, yes=True).going == [], seed
    assert contents(copy) == after, seed
    for path in copy.rglob("*_stats.json"):
        require_counts(path)
    break_off(other, retracted, random.Random(seed))
    ended = retract(other, retracted, yes=True)
    assert without_state(contents(other)) == without_state(after), seed
    assert [one.why for one in ended.untold] == [one.why for one in done.untold], seed
    assert retract(other, retracted, yes=False).going == [], seed


def is_near(named: Path, place: Path) -> bool:
    """Say whether what was named is where a group is: a tar, say, or the table beside it."""
    inside = {named, *named.parents} & {place, place.with_suffix(".tar"), place.with_suffix("")}
    return bool(inside) or named in (place.with_suffix(".parquet"), *place.parents)


def require_counts(path: Path) -> None:
    """Statistics count the rows of the table that is joined to samples."""
    table = path.with_name(path.name.replace("_stats.json", ".parquet"))
    if "key" in pq.read_schema(table).names:
        assert json.loads(path.read_bytes())["count"] == pq.read_metadata(table).num_rows, path


def without_state(files: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out what tells states of a dataset apart."""
    return {name: body for name, body in files.items() if not name.endswith("state.json")}


def break_off(copy: Path, retracted: Retracted, chance: random.Random) -> None:
    """Kill some runs, anywhere."""
    steps: list[tuple[object, str]] = [(Path, "replace"), (Path, "unlink")]
    if chance.random() < 0.4:
        steps += [(os, "open"), (os, "fsync")]
    for _ in range(chance.randint(1, 3)):
        left, late = [chance.randint(0, 25)], chance.random() < 0.5
        with pytest.MonkeyPatch.context() as patched, contextlib.suppress(CutOff):
            for place, name in steps:
                patched.setattr(place, name, cut(getattr(place, name), left, late=late))
            retract(copy, retracted, yes=True)


def cut(real: Callable[..., object], left: list[int], *, late: bool) -> Callable[..., object]:
    def maybe(*given: object, **more: object) -> object:
        left[0] -= 1
        if left[0] == -1 and late:
            real(*given, **more)
        if left[0] < 0:
            raise CutOff
        return real(*given, **more)

    return maybe
