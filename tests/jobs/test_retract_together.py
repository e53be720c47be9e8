"""Samples and the table beside them leave together, also where a run is cut off."""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.retract import Report, retract
from pipeline.retracted import Retracted
from schemas.errors import StorageError
from tests.jobs.retracting import (
    BODIES,
    COUNT,
    GONE,
    STAYS,
    anew,
    contents,
    members,
    require_once,
    said,
    table_of,
    write_members,
)
from tests.pipeline.samples import picture, sample


def test_one_name_in_two_folders_of_a_tar_is_two_samples(copy, retractions):
    other = [picture(50 + n) for n in range(COUNT)]
    files = [(f"a/{n}.jpg", body) for n, body in enumerate(BODIES)]
    files += [(f"b/{n}.jpg", body) for n, body in enumerate(other)]
    write_members(copy / "0.tar", files)
    keys = [name.removesuffix(".jpg") for name, _ in files]
    table_of(keys, copy / "0.parquet", caption=keys)
    require_once(copy, retractions)
    left = [key for key in keys if key not in {f"a/{n}" for n in GONE}]
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == left
    assert list(members(copy / "0.tar")) == [f"{key}.jpg" for key in left]


@pytest.mark.parametrize("told", ["samples", "table", "both"])
def test_where_a_table_leaves_out_folders_and_two_share_a_name_none_is_kept_by_chance(
    copy, retractions, told
):
    body, other = (BODIES[1], BODIES[0]) if told != "table" else (b"anew", b"other")
    write_members(copy / "0.tar", [("a/1.jpg", body), ("b/1.jpg", other), ("c/2.jpg", b"x")])
    digests = (
        [sample(1)["sha256"], sample(0)["sha256"], "0" * 64] if told != "samples" else [None] * 3
    )
    table_of(["1", "1", "2"], copy / "0.parquet", sha256=pa.array(digests, pa.string()))
    require_once(copy, retractions)
    assert list(members(copy / "0.tar")) == ["c/2.jpg"]
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == ["2"]


def shard(copy: Path, kind: str, told: str) -> None:
    """Write a shard of samples, a table and statistics; told: by what rows can be told."""
    images = BODIES if told == "samples" else [b"anew %d" % n for n in range(COUNT)]
    digests = [sample(n)["sha256"] if told == "table" else None for n in range(COUNT)]
    files = [(f"{n}.jpg", body) for n, body in enumerate(images)]
    if kind == "tar":
        write_members(copy / "0.tar", files)
    else:
        (copy / "0").mkdir()
        for name, body in files:
            (copy / "0" / name).write_bytes(body)
    keys = [str(n) for n in range(COUNT)]
    table_of(keys, copy / "0.parquet", sha256=pa.array(digests, pa.string()))
    (copy / "0_stats.json").write_text(json.dumps({"count": COUNT, "successes": COUNT}))


class CutOff(BaseException):
    """A run is killed: nothing catches it, and nothing is cleared away."""


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("layout", list(itertools.product(["tar", "folder"], ["samples", "table"])))
@pytest.mark.parametrize("how", ["failed", "killed", "killed after"])
def test_a_run_that_was_cut_off_anywhere_is_ended_by_the_next(copy, retracted, layout, step, how):
    kind, told = layout
    shard(copy, kind, told)
    left = [step]

    def cut(real: Callable[..., object]) -> Callable[..., object]:
        def maybe(self: Path, *given: object, **more: object) -> object:
            left[0] -= 1
            if left[0] == -1 and how == "killed after":
                real(self, *given, **more)
            if left[0] < 0:
                raise OSError("disk full") if how == "failed" else CutOff
            return real(self, *given, **more)

        return maybe

    with pytest.MonkeyPatch.context() as patched:
        for name in ("replace", "unlink"):
            patched.setattr(Path, name, cut(getattr(Path, name)))
        with contextlib.suppress(StorageError, CutOff, OSError):
            retract(copy, retracted, yes=True)
    before = retract(copy, retracted, yes=False)
    done = pq.read_metadata(copy / "0.parquet").num_rows == len(STAYS)
    assert done or before.rows
    retract(copy, retracted, yes=True)
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == [str(n) for n in STAYS]
    there = members(copy / "0.tar") if kind == "tar" else {p.name for p in (copy / "0").iterdir()}
    assert set(there) == {f"{n}.jpg" for n in STAYS}
    said = json.loads((copy / "0_stats.json").read_bytes())
    assert said == {"count": len(STAYS), "successes": len(STAYS)}
    assert not [name for name in contents(copy) if ".retract-" in name]
    assert retract(copy, retracted, yes=False) == Report()


@pytest.mark.parametrize("step", range(1, 5))
@pytest.mark.parametrize(("kind", "has_table"), [("tar", True), ("tar", False), ("folder", True)])
def test_statistics_count_what_two_runs_with_other_retractions_took(copy, kind, step, has_table):
    shard(copy, kind, "samples")
    if not has_table:
        (copy / "0.parquet").unlink()
    digests = [hashlib.sha256(body).hexdigest() for body in BODIES]
    first, both = (Retracted(frozenset(), frozenset(digests[:n])) for n in (2, 3))
    left = [step]
    replace = Path.replace

    def cut(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise CutOff
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patched, contextlib.suppress(CutOff):
        patched.setattr(Path, "replace", cut)
        retract(copy, first, yes=True)
    retract(copy, both, yes=True)
    said = json.loads((copy / "0_stats.json").read_bytes())
    assert said == {"count": COUNT - 3, "successes": COUNT - 3}


def test_a_saved_dataset_says_how_many_rows_are_left_after_a_run_that_was_cut_off(
    copy, retracted, monkeypatch
):
    datasets = pytest.importorskip("datasets")
    rows = {"uid": [sample(n)["uid"] for n in range(COUNT)]}
    table = datasets.Dataset.from_dict(rows, split="train")
    datasets.DatasetDict({"train": table}).save_to_disk(copy)
    place = copy / "train" / "dataset_info.json"
    info = json.loads(place.read_bytes()) | {"splits": {"train": {"num_examples": COUNT}}}
    place.write_text(json.dumps(info))
    replace, left = Path.replace, [2]

    def failing(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(StorageError, match="disk full"):
        retract(copy, retracted, yes=True)
    monkeypatch.undo()
    assert retract(copy, retracted, yes=True).rows == len(GONE)
    splits = json.loads(place.read_bytes())["splits"]
    assert splits["train"]["num_examples"] == len(STAYS)
    assert len(datasets.load_from_disk(str(copy))["train"]) == len(STAYS)


def cut_off(copy: Path, retracted: Retracted, after: int) -> None:
    """Break a run off after so many files were renamed or removed."""
    left = [after]

    def cut(real: Callable[..., object]) -> Callable[..., object]:
        def maybe(self: Path, *given: object, **more: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise CutOff
            return real(self, *given, **more)

        return maybe

    with pytest.MonkeyPatch.context() as patched, contextlib.suppress(CutOff):
        for name in ("replace", "unlink"):
            patched.setattr(Path, name, cut(getattr(Path, name)))
        retract(copy, retracted, yes=True)


@pytest.mark.parametrize("after", range(12))
def test_a_folder_that_was_emptied_before_the_run_broke_off_keeps_its_plan(copy, retracted, after):
    (copy / "0").mkdir()
    for n in GONE:
        (copy / "0" / f"{n}.jpg").write_bytes(anew(n))
        (copy / "0" / f"{n}.json").write_bytes(said(n))
    table_of([str(n) for n in GONE], copy / "0.parquet", sha256=["f" * 64] * 2)
    cut_off(copy, retracted, after)
    retract(copy, retracted, yes=True)
    assert list(contents(copy)) == ["0.parquet"]
    assert pq.read_metadata(copy / "0.parquet").num_rows == 0
    assert retract(copy, retracted, yes=False) == Report()


@pytest.mark.parametrize("kind", ["tar", "folder"])
@pytest.mark.parametrize("changed", ["samples", "table", "count"])
def test_a_plan_is_not_followed_in_files_that_came_later(copy, retracted, kind, changed):
    shard(copy, kind, "samples")
    cut_off(copy, retracted, 1)  # the plan is there, and nothing is done
    plan = next(copy.rglob(".retract-plan-*"))
    at = copy / "0.tar" if kind == "tar" else copy / "0"
    files = [(f"{n}.jpg", picture(50 + n, 30 if changed == "samples" else 24)) for n in range(6)]
    if changed != "samples":
        files = [(name, picture(50 + n)) for n, (name, _) in enumerate(files)]
    keys = [str(n + (changed == "table")) for n in range(6)]
    files, keys = (files[:5], keys[:5]) if changed == "count" else (files, keys)
    if kind == "tar":
        write_members(at, files)
    else:
        for n in range(COUNT):
            (at / f"{n}.jpg").unlink()
        for name, body in files:
            (at / name).write_bytes(body)
    table_of(keys, copy / "0.parquet", sha256=pa.array([None] * len(keys), pa.string()))
    report = retract(copy, retracted, yes=True)
    assert report.rows == 0
    assert [one.path for one in report.untold] == [plan]
    there = members(at) if kind == "tar" else {p.name for p in at.iterdir() if p != plan}
    assert set(there) == {name for name, _ in files}
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == keys


PLANS = ["", "{", "[1]", "{}", '{"samples": 5}', '{"rows": ["a"], "of": 6}', "[" * 100_000]


@pytest.mark.parametrize("body", PLANS)
def test_a_damaged_plan_is_named_and_keeps_nothing_from_being_done(copy, retracted, body):
    shard(copy, "tar", "samples")
    (copy / ".retract-plan-0.tar.json").write_text(body)
    (copy / ".retract-plan-1.tar.json").write_text(body)  # of a file that is not there
    report = retract(copy, retracted, yes=True)
    assert report.rows == 2 * len(GONE)
    assert {one.path.name for one in report.untold} == {
        ".retract-plan-0.tar.json", ".retract-plan-1.tar.json"
    }  # fmt: skip
    assert set(members(copy / "0.tar")) == {f"{n}.jpg" for n in STAYS}
    (copy / ".retract-plan-1.tar.json").unlink()
    assert retract(copy, retracted, yes=False) == Report()


def test_parts_that_a_run_has_left_are_named_until_they_are_removed(copy, retracted):
    part, own = copy / f".retract-part-{'0a' * 8}", copy / ".retract-part-of-mine"
    part.write_bytes(BODIES[0])
    own.write_bytes(b"PK")
    assert [one.path for one in retract(copy, retracted, yes=False).untold] == [part, own]
    assert [one.path for one in retract(copy, retracted, yes=True).untold] == [own]
    assert set(contents(copy)) == {own.name}
