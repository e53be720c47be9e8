"""Caches with several revisions, and files that several samples share."""

import hashlib
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.retract import Report, retract
from tests.jobs.retracting import (
    BODIES,
    COUNT,
    GONE,
    STAYS,
    UIDS,
    anew,
    contents,
    members,
    named,
    require_once,
    said,
    table_of,
    write_members,
)


def cached(copy: Path, **revisions: dict[str, bytes]) -> None:
    """Lay out files as the hub's library does: by revision, links to blobs, each kept once."""
    (copy / "blobs").mkdir()
    for revision, files in revisions.items():
        for name, body in files.items():
            blob = copy / "blobs" / hashlib.sha256(body).hexdigest()
            blob.write_bytes(body)
            place = copy / "snapshots" / revision / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(os.path.relpath(blob, place.parent))


def body_of(path: Path) -> bytes:
    body = path.read_bytes()
    path.unlink()
    return body


def tar_of(copy: Path, count: int = COUNT) -> bytes:
    write_members(copy / "x", ((f"{n}.jpg", anew(n)) for n in range(count)))
    return body_of(copy / "x")


def rows_of(copy: Path, **columns: object) -> bytes:
    table_of([str(n) for n in range(COUNT)], copy / "x", uid=UIDS, **columns)
    return body_of(copy / "x")


def test_an_image_goes_from_every_revision_where_one_of_them_tells_it(copy, retractions):
    one = {"1.jpg": anew(1), "1.txt": b"one", "2.jpg": anew(2), "2.txt": b"two"}
    cached(copy, a=one, b=one | {"1.json": said(1), "2.json": said(2)})
    require_once(copy, retractions)
    left = {path.split("/", 1)[1] for path in contents(copy) if "blobs" not in path}
    assert left == {"a/2.jpg", "a/2.txt", "b/2.jpg", "b/2.txt", "b/2.json"}
    assert len(list((copy / "blobs").iterdir())) == 3


def test_a_shard_is_joined_to_its_table_whichever_revision_has_it(copy, retractions):
    tar, table = tar_of(copy), rows_of(copy)
    cached(copy, a={"0.tar": tar}, b={"0.tar": tar, "0.parquet": table}, c={"0.parquet": table})
    require_once(copy, retractions)
    assert set(members(copy / "snapshots" / "a" / "0.tar")) == {f"{n}.jpg" for n in STAYS}
    assert pq.read_table(copy / "snapshots" / "c" / "0.parquet").num_rows == len(STAYS)


def test_revisions_alike_lose_the_same_once(copy, retractions):
    stats = b'{"count": 6, "successes": 6}'
    files = {"0.tar": tar_of(copy), "0.parquet": rows_of(copy), "0_stats.json": stats}
    cached(copy, a=files, b=files | {"README.md": b"more"})
    require_once(copy, retractions)
    assert b'"successes": 4' in (copy / "snapshots" / "b" / "0_stats.json").read_bytes()


@pytest.mark.parametrize("shared", ["tar", "table"])
def test_what_two_revisions_join_to_different_files_is_named(copy, retracted, shared):
    tars = [tar_of(copy), tar_of(copy) if shared == "tar" else tar_of(copy, COUNT - 1)]
    tables = [rows_of(copy), rows_of(copy, n=[0] * COUNT) if shared == "tar" else rows_of(copy)]
    a, b = ({"0.tar": tar, "0.parquet": rows} for tar, rows in zip(tars, tables, strict=True))
    cached(copy, a=a, b=b)
    before = contents(copy)
    report = retract(copy, retracted, yes=True)
    assert report.going == []
    assert set(named(report)) == {"0.tar", "0.parquet"}
    assert "links followed" in report.untold[0].why
    assert contents(copy) == before


def test_a_label_of_many_samples_goes_from_those_that_leave_alone(copy, retractions):
    files = {f"{n}.jpg": body for n, body in enumerate(BODIES)}
    cached(copy, a=files | {f"{n}.cls": b"3" for n in range(COUNT)})
    require_once(copy, retractions)
    left = {path.removeprefix("snapshots/a/") for path in contents(copy) if "blobs" not in path}
    assert left == {f"{n}.{e}" for n in STAYS for e in ("jpg", "cls")}


def test_a_label_of_samples_that_all_leave_goes_with_the_last(copy, retracted):
    cached(copy, a={f"{n}.{e}": b for n in GONE for e, b in (("jpg", BODIES[n]), ("cls", b"3"))})
    retract(copy, retracted, yes=True)
    assert contents(copy) == {}


def test_an_image_of_two_samples_goes_from_both(copy, retractions):
    """Whoever took the one back did not mean that its image stays under another name."""
    files = {"1.jpg": anew(1), "1.json": said(1), "2.jpg": anew(1), "2.json": said(2)}
    cached(copy, a=files | {"3.jpg": anew(3)})
    require_once(copy, retractions)
    assert {path for path in contents(copy) if "blobs" not in path} == {"snapshots/a/3.jpg"}


def test_saved_datasets_in_a_cache_may_share_what_they_say(copy, retracted, tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {"train": UIDS, "test": UIDS[::-1]}
    made = {name: datasets.Dataset.from_dict({"uid": uids}) for name, uids in rows.items()}
    datasets.DatasetDict(made).save_to_disk(tmp_path / "made")
    files = contents(tmp_path / "made")
    cached(copy, a=files, b=files | {"README.md": b"more"})
    assert retract(copy, retracted, yes=True).rows == 2 * len(GONE)
    for name, uids in rows.items():
        loaded = datasets.load_from_disk(str(copy / "snapshots" / "b"))[name]
        assert loaded["uid"][:] == [uid for uid in uids if uid in {UIDS[n] for n in STAYS}]
    assert retract(copy, retracted, yes=False) == Report()


@pytest.mark.parametrize("kind", ["linked hard", "copied"])
def test_an_image_goes_wherever_else_it_is(copy, retractions, kind):
    for folder in "ab":
        (copy / folder).mkdir()
    (copy / "a" / "1.jpg").write_bytes(anew(1))
    (copy / "a" / "1.json").write_bytes(said(1))
    (copy / "b" / "other.jpg").write_bytes(anew(2))
    if kind == "copied":
        (copy / "b" / "same.jpg").write_bytes(anew(1))
    else:
        (copy / "b" / "same.jpg").hardlink_to(copy / "a" / "1.jpg")
    pq.write_table(pa.table({"jpg": [anew(1), anew(2)], "n": [1, 2]}), copy / "t.parquet")
    require_once(copy, retractions)
    assert set(contents(copy)) == {"b/other.jpg", "t.parquet"}
    assert pq.read_table(copy / "t.parquet")["n"].to_pylist() == [2]


def test_what_several_images_of_a_sample_share_with_others_takes_these_not_along(copy, retractions):
    pairs = [[b"\xff\xd8\xff logo", body] for body in BODIES]
    pq.write_table(pa.table({"images": pairs, "n": range(COUNT)}), copy / "a.parquet")
    require_once(copy, retractions)
    assert pq.read_table(copy / "a.parquet")["n"].to_pylist() == STAYS


@pytest.mark.parametrize("is_relative", [True, False])
def test_a_text_that_others_link_to_stays_for_them(copy, retracted, is_relative, monkeypatch):
    (copy / "1.jpg").write_bytes(BODIES[1])
    (copy / "1.txt").write_text("a tree")
    for n in (2, 3):
        (copy / f"{n}.jpg").write_bytes(BODIES[n])
        (copy / f"{n}.txt").symlink_to("1.txt")
    monkeypatch.chdir(copy.parent)
    place = Path(copy.name) if is_relative else copy
    assert retract(place, retracted, yes=True).rows == 1
    assert set(contents(copy)) == {"2.jpg", "2.txt", "3.jpg", "3.txt"}
    assert (copy / "3.txt").read_text() == "a tree"
    assert retract(place, retracted, yes=False) == Report()


@pytest.mark.parametrize("tells", ["a", "b", "ab"])
def test_revisions_with_tables_of_their_own_lose_the_rows_of_images_that_they_share(
    copy, retractions, tells
):
    images = {f"0/{n}.jpg": anew(n) for n in range(COUNT)}
    keys = [str(n) for n in range(COUNT)]
    revisions = {}
    for name in "ab":
        uids = pa.array(UIDS if name in tells else [None] * COUNT, pa.string())
        table_of(keys, copy / "x", uid=uids, revision=[name] * COUNT)
        stats = json.dumps({"count": COUNT, "successes": COUNT, "revision": name}).encode()
        revisions[name] = images | {"0.parquet": body_of(copy / "x"), "0_stats.json": stats}
    cached(copy, **revisions)
    require_once(copy, retractions)
    for name in "ab":
        place = copy / "snapshots" / name
        assert {path.name for path in (place / "0").iterdir()} == {f"{n}.jpg" for n in STAYS}
        assert pq.read_table(place / "0.parquet")["key"].to_pylist() == [str(n) for n in STAYS]
        assert json.loads((place / "0_stats.json").read_bytes())["count"] == len(STAYS)


def test_statistics_that_revisions_do_not_share_are_named_with_their_tar(copy, retracted):
    tar = tar_of(copy)
    cached(copy, a={"0.tar": tar, "0_stats.json": b"{}"}, b={"0.tar": tar, "0_stats.json": b"{ }"})
    assert named(retract(copy, retracted, yes=True)) == ["0.tar", "0.tar"]


def test_one_bad_link_keeps_no_other_file(copy, retracted):
    (copy / "x").symlink_to("a" * 300)
    (copy / "1.jpg").write_bytes(BODIES[1])
    report = retract(copy, retracted, yes=True)
    assert (report.rows, named(report)) == (1, ["x"])
