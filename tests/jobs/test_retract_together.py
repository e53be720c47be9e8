"""Samples and the table beside them leave together, also where a run is cut off."""

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.copies.files import plan_of
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
    replace, left = Path.replace, [3]

    def failing(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    failed = retract(copy, retracted, yes=True).failed
    assert len(failed) == 1
    assert "disk full" in failed[0]
    monkeypatch.undo()
    assert retract(copy, retracted, yes=True).rows == len(GONE)
    splits = json.loads(place.read_bytes())["splits"]
    assert splits["train"]["num_examples"] == len(STAYS)
    assert len(datasets.load_from_disk(str(copy))["train"]) == len(STAYS)


def cut_off(copy: Path, retracted: Retracted, after: int, *, late: bool = False) -> None:
    """Break a run off after so many files were renamed or removed; late: just after the next."""
    left = [after]

    def cut(real: Callable[..., object]) -> Callable[..., object]:
        def maybe(self: Path, *given: object, **more: object) -> object:
            left[0] -= 1
            if left[0] == -1 and late:
                real(self, *given, **more)
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
    cut_off(copy, retracted, 2)  # the plan is there, and nothing is done
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
    assert plan in [one.path for one in report.untold]
    there = members(at) if kind == "tar" else {p.name for p in at.iterdir() if p != plan}
    assert set(there) == {name for name, _ in files}
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == keys


PLANS = ["", "{", "[1]", "{}", '{"samples": 5}', '{"rows": ["a"], "of": 6}', "[" * 100_000]


@pytest.mark.parametrize("body", PLANS)
def test_a_damaged_plan_is_named_and_keeps_nothing_from_being_done(copy, retracted, body):
    shard(copy, "tar", "samples")
    plan, other = plan_of(copy / "0.tar"), plan_of(copy / "1.tar")  # of a file that is not there
    for path in (plan, other):
        path.write_text(body)
    report = retract(copy, retracted, yes=True)
    assert report.rows == 2 * len(GONE)
    assert {one.path for one in report.untold} == {plan, other}
    assert set(members(copy / "0.tar")) == {f"{n}.jpg" for n in STAYS}
    other.unlink()
    assert retract(copy, retracted, yes=False) == Report()


def test_parts_that_a_run_has_left_are_named_until_they_are_removed(copy, retracted):
    part, own = copy / f".retract-part-{'0a' * 8}", copy / ".retract-part-of-mine"
    part.write_bytes(BODIES[0])
    own.write_bytes(b"PK")
    assert [one.path for one in retract(copy, retracted, yes=False).untold] == [part, own]
    assert [one.path for one in retract(copy, retracted, yes=True).untold] == [own]
    assert set(contents(copy)) == {own.name}


@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_a_plan_is_not_followed_in_other_samples_of_the_same_keys(copy, retracted, kind):
    """All samples went before the run broke off; then others came, that are called as they were."""

    def write(images: list[bytes]) -> None:
        if kind == "tar":
            write_members(copy / "0.tar", ((f"{n}.jpg", body) for n, body in enumerate(images)))
        for n, body in enumerate(images if kind == "folder" else []):
            (copy / "0").mkdir(exist_ok=True)
            (copy / "0" / f"{n}.jpg").write_bytes(body)

    write([BODIES[1], BODIES[4]])
    table_of(["0", "1"], copy / "0.parquet", caption=["a", "b"])
    # What the run knew, the plan, then the tar, or two images by two names each that are one.
    cut_off(copy, retracted, 3 if kind == "tar" else 6)
    (plan,) = copy.rglob(".retract-plan-*")
    assert pq.read_metadata(copy / "0.parquet").num_rows == 2
    assert not (members(copy / "0.tar") if kind == "tar" else [*copy.rglob("*.jpg")])
    others = [picture(50), picture(51)]
    write(others)
    report = retract(copy, retracted, yes=True)
    assert report.rows == 0
    assert plan in [one.path for one in report.untold]
    left = members(copy / "0.tar") if kind == "tar" else contents(copy / "0")
    assert {left["0.jpg"], left["1.jpg"]} == set(others)
    assert pq.read_metadata(copy / "0.parquet").num_rows == 2


@pytest.mark.parametrize("name", ["a" * 250, os.fsdecode(b"\xff0"), "a b%2f"])
@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_a_plan_is_kept_for_any_name(copy, retracted, kind, name):
    if kind == "tar":
        path = copy / f"{name}.tar"
        write_members(path, [(f"{name}.jpg", BODIES[1]), ("0.jpg", BODIES[0])])
    else:
        path = copy
        for stem, body in ((name, BODIES[1]), ("0", BODIES[0])):
            (copy / f"{stem}.jpg").write_bytes(body)
    cut_off(copy, retracted, 2)
    assert retract(copy, retracted, yes=False).untold  # of the run that broke off
    assert retract(copy, retracted, yes=True).rows == 1
    assert retract(copy, retracted, yes=False) == Report()
    left = members(path) if kind == "tar" else contents(path)
    assert list(left) == ["0.jpg"]


def lists_and_pictures(copy: Path) -> None:
    """Rows without images, whose images lie elsewhere beside others of no origin."""
    (copy / "a").mkdir()
    for n in range(COUNT):
        (copy / "a" / f"{n}.jpg").write_bytes(BODIES[n])
    (copy / "a" / "cat.jpg").write_bytes(picture(99))
    uids = [sample(n)["uid"] for n in range(COUNT)]
    for name in ("a.parquet", "z.parquet"):
        pq.write_table(pa.table({"uid": uids}), copy / name)


def copies_of_an_image(copy: Path) -> None:
    """An image that one file alone tells, in several folders and a table."""
    for folder in "abc":
        (copy / folder).mkdir()
        (copy / folder / "1.jpg").write_bytes(anew(1))
        (copy / folder / f"{folder}.jpg").write_bytes(picture(99))
    (copy / "b" / "1.json").write_bytes(said(1))
    pq.write_table(pa.table({"jpg": [anew(1), picture(98)]}), copy / "c.parquet")


@pytest.mark.parametrize("layout", [lists_and_pictures, copies_of_an_image])
@pytest.mark.parametrize("late", [False, True])
def test_what_one_file_told_of_another_is_known_after_a_run_broke_off(
    copy, retracted, layout, late
):
    layout(copy)
    before = contents(copy)
    retract(copy, retracted, yes=True)
    done = contents(copy)
    assert retract(copy, retracted, yes=False) == Report()
    for after in range(30):
        for name in contents(copy):
            (copy / name).unlink()
        for name, body in before.items():
            (copy / name).write_bytes(body)
        cut_off(copy, retracted, after, late=late)
        named = retract(copy, retracted, yes=False).untold
        assert contents(copy) in (before, done) or any(
            ".retract-" in str(one.path) for one in named
        )
        retract(copy, retracted, yes=True)
        assert contents(copy) == done
        assert retract(copy, retracted, yes=False) == Report()


@pytest.mark.parametrize("body", ["", "{", "[1]", '{"met": [1]}', "[" * 100_000])
def test_what_a_run_knew_is_named_where_it_cannot_be_read(copy, retracted, body):
    shard(copy, "tar", "samples")
    (copy / ".retract-run.json").write_text(body)
    assert [one.path.name for one in retract(copy, retracted, yes=False).untold] == [
        ".retract-run.json"
    ]
    assert retract(copy, retracted, yes=True).rows == 2 * len(GONE)
    assert retract(copy, retracted, yes=False) == Report()
