"""What nobody can tell is named: a copy is clean only where all of it could be told."""

import errno
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.cli import retract as command
from jobs.copies import tables
from jobs.copies.samples import Shard
from jobs.retract import Report, retract
from pipeline.retracted import Retracted
from pipeline.shard import with_images, write_parquet
from schemas.errors import StorageError
from tests.jobs.retracting import (
    BODIES,
    COUNT,
    GONE,
    STAYS,
    UIDS,
    VERIFIER,
    contents,
    members,
    named,
    ours,
    require_once,
    table_of,
    write_members,
)
from tests.pipeline.samples import bodies, picture, sample


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.tar.gz", b"\x1f\x8b"),
        ("a.zip", b"PK"),
        ("a.jsonl", b'{"url": "x"}'),
        ("a.csv", b"url,caption\n"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        ("a.parquet", b"PAR1"),
        ("a.tar", b"\x1f\x8b and no tar"),
        ("a.txt", b"a caption that nothing is beside"),
        ("a.json", b'{"caption": "of an image elsewhere"}'),
        ("cache-1.arrow", b"\xff\xff\xff\xff"),
    ],
)
def test_what_no_rule_knows_is_named(copy, retracted, name, body):
    (copy / name).write_bytes(body)
    report = retract(copy, retracted, yes=True)
    assert (report.going, named(report)) == ([], [name])
    assert (copy / name).read_bytes() == body


@pytest.mark.parametrize(
    "columns",
    [
        {"uid": ["7", "8"], "picture": ["iVBOR", "iVBOR"]},  # a number of somebody else's
        {"sha256": ["none", "0a"], "n": [1, 2]},
        {"uid": [None, None], "stored_sha256": [None, None], "image": [b"1", b"2"]},
    ],
)
def test_what_no_release_has_written_tells_nothing(copy, retracted, columns):
    types = {"uid": pa.string(), "stored_sha256": pa.string(), "sha256": pa.string()}
    table = pa.table({name: pa.array(v, types.get(name)) for name, v in columns.items()})
    pq.write_table(table, copy / "a.parquet")
    assert named(retract(copy, retracted, yes=False)) == ["a.parquet"]


def test_columns_of_one_name_cannot_be_told(copy, retracted):
    arrays = [pa.array(["0" * 64]), pa.array([sample(1)["sha256"]])]
    pq.write_table(pa.Table.from_arrays(arrays, ["sha256", "sha256"]), copy / "a.parquet")
    assert named(retract(copy, retracted, yes=False)) == ["a.parquet"]
    pq.write_table(pa.Table.from_arrays(arrays, ["sha256", "SHA256"]), copy / "a.parquet")
    assert retract(copy, retracted, yes=False).rows == 1


def test_what_cannot_be_rewritten_keeps_no_other_file_from_it(copy, retracted, monkeypatch):
    for name in ("a", "b"):
        table_of(["a"], copy / f"{name}.parquet", uid=[sample(1)["uid"]])
    real = tables.filter_parquet

    def refused(path: Path, keep: np.ndarray) -> None:
        if path.name == "a.parquet":
            raise pa.ArrowNotImplementedError("no such kernel")
        real(path, keep)

    monkeypatch.setattr(tables, "filter_parquet", refused)
    report = retract(copy, retracted, yes=True)
    assert [one.path.name for one in report.going] == ["b.parquet"]
    assert len(report.failed) == 1
    assert "a.parquet: no such kernel" in report.failed[0]
    assert pq.read_metadata(copy / "b.parquet").num_rows == 0


def test_names_are_told_so_that_a_terminal_shows_them(copy, retractions):
    write_members(copy / "[red]\x1b[2J.tar", [("1.jpg", BODIES[1])])
    Path(os.fsdecode(os.fsencode(copy) + b"/[red]\xff.zip")).write_bytes(b"PK")
    done = CliRunner().invoke(
        command.app, ["check", str(copy), str(retractions), "--key", VERIFIER]
    )
    assert done.exit_code == 1, done.output
    assert "\x1b[2J" not in done.output
    assert done.output.count("/[red]\\x") == 2


def test_what_only_tells_of_other_files_is_not_named(copy, retracted):
    for name in ("README.md", "LICENSE", ".gitattributes", "dataset_dict.json"):
        (copy / name).write_text("x")
    (copy / "empty").write_bytes(b"")
    write_members(copy / "a.tar", [("1.jpg", picture(99))])
    (copy / "a_stats.json").write_text('{"count": 1, "successes": 1}')
    assert retract(copy, retracted, yes=False) == Report()


def test_tables_that_tell_nothing_are_named_also_beside_samples(copy, retracted):
    write_members(copy / "a.tar", [("1.jpg", picture(99)), ("2.txt", b"alone")])
    pq.write_table(pa.table({"caption": ["x"]}), copy / "a.parquet")
    pq.write_table(pa.table({"sha256": [[7]]}), copy / "lists.parquet")
    paths = pa.array(
        [{"bytes": None, "path": "1.jpg"}],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"image": paths}), copy / "elsewhere.parquet")
    assert named(retract(copy, retracted, yes=False)) == [
        "a.parquet", "a.tar", "elsewhere.parquet", "lists.parquet"
    ]  # fmt: skip


def test_what_lies_beside_a_saved_dataset_is_looked_at(copy, retracted):
    datasets = pytest.importorskip("datasets")
    rows = {"uid": [sample(n)["uid"] for n in range(COUNT)]}
    rows["image"] = [{"bytes": body, "path": None} for body in BODIES]
    datasets.Dataset.from_dict(rows).save_to_disk(copy)
    (copy / "cache-0.arrow").write_bytes((copy / "data-00000-of-00001.arrow").read_bytes())
    report = retract(copy, retracted, yes=True)
    assert report.rows == len(GONE)
    assert named(report) == ["cache-0.arrow"]
    datasets.Dataset.from_dict({"n": [1, 2]}).save_to_disk(copy / "untold")
    assert "untold" in named(retract(copy, retracted, yes=True))
    state = {"_data_files": [{"filename": "../../retractions.parquet"}]}
    (copy / "untold" / "state.json").write_text(json.dumps(state))
    assert "untold" in named(retract(copy, retracted, yes=True))


def test_bytes_behind_the_end_of_a_tar_are_not_passed_over(copy, retracted):
    path = copy / "a.tar"
    write_members(path, [("1.jpg", picture(99))])
    assert named(retract(copy, retracted, yes=False)) == []
    path.write_bytes(path.read_bytes() + path.read_bytes())
    assert named(retract(copy, retracted, yes=False)) == ["a.tar"]


def test_a_clone_keeps_its_history(copy, retractions):
    content = copy / ".git" / "lfs" / "objects" / "0a"
    content.mkdir(parents=True)
    (copy / ".git" / "index").write_bytes(b"DIRC")
    for path in (copy / "a.parquet", content / "0a1b"):
        path.write_bytes(write_parquet(with_images(ours(), bodies(COUNT), "jpg")))
    require_once(copy, retractions)
    assert pq.read_metadata(content / "0a1b").num_rows == len(STAYS)
    report = retract(copy, Retracted.read(retractions, [VERIFIER]), yes=False)
    assert [(one.path.name, "clone" in one.why) for one in report.untold] == [(".git", True)]


MANIFESTS = ["{}", "[]", "{", '{"format": "recuse-release/1", "files": 7}', "[" * 100_000]
MANIFESTS += ['{"format": "recuse-release/1", "files": [{"path": "evidence/0a"}]}']


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_only_what_a_release_lists_is_quiet_in_its_folders(copy, retracted, manifest):
    (copy / "manifest.json").write_text(manifest)
    for name in ("evidence/0a", "evidence/more.zip", "ledger/images.tar.gz"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(b"\x1f\x8b")
    hushed = {"0a"} if "0a" in manifest else set()
    assert set(named(retract(copy, retracted, yes=True))) == (
        {"0a", "more.zip", "images.tar.gz"} - hushed
    )


@pytest.mark.parametrize("name", ["0_stats.jsonl", "0_stats.json.bak", "_stats.json"])
def test_what_is_only_named_like_statistics_is_named(copy, retracted, name):
    write_members(copy / "0.tar", [("1.jpg", picture(99))])
    (copy / name).write_bytes(b"rows")
    assert named(retract(copy, retracted, yes=True)) == [name]


@pytest.mark.parametrize("body", [b'{"a": "\xff"}', b"{", b"[]", b"[" * 100_000])
def test_statistics_that_cannot_be_read_keep_no_row(copy, retracted, body):
    write_members(copy / "0.tar", [("1.jpg", BODIES[1])])
    (copy / "0_stats.json").write_bytes(body)
    report = retract(copy, retracted, yes=True)
    assert (report.rows, named(report)) == (1, ["0_stats.json"])
    assert (copy / "0_stats.json").read_bytes() == body


@pytest.mark.parametrize("place", ["9.json", "0.tar", "a.parquet", "state.json"])
def test_json_too_deep_to_be_read_keeps_no_other_file(copy, retracted, place):
    deep = b"[" * 100_000
    (copy / "b").mkdir()
    (copy / "b" / "1.jpg").write_bytes(BODIES[1])
    if place == "0.tar":
        write_members(copy / place, [("9.json", deep)])
    elif place == "a.parquet":
        pq.write_table(pa.table({"json": [deep.decode()]}), copy / place)
    else:
        (copy / place).write_bytes(deep)
        (copy / "dataset_info.json").write_bytes(b"{}")
    report = retract(copy, retracted, yes=True)
    assert report.rows == 1
    assert report.untold


@pytest.mark.parametrize("name", ["a.bin", "2.jpg", "2.json", "b.tar", "c.parquet"])
def test_a_file_that_cannot_be_read_keeps_no_other(copy, retracted, name, monkeypatch):
    (copy / name).write_bytes(b"x" * 1_000)
    (copy / "1.jpg").write_bytes(BODIES[1])
    opened = io.open

    def refused(path: object, *given: object, **more: object) -> object:
        if str(path).endswith(f"/{name}"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *given, **more)

    monkeypatch.setattr(io, "open", refused)
    report = retract(copy, retracted, yes=True)
    assert (report.rows, named(report)) == (1, [name])


def strings(*bodies: bytes) -> pa.Array:
    """Return strings that may be no UTF-8, as other writers leave them."""
    parts = pa.array(bodies, pa.binary()).buffers()
    return pa.Array.from_buffers(pa.string(), len(bodies), parts)


def with_bad_json(copy: Path) -> None:
    pq.write_table(pa.table({"json": strings(b'{"a": "\xff"}')}), copy / "a.parquet")


def with_a_bad_uid(copy: Path) -> None:
    pq.write_table(pa.table({"uid": strings(b"\xff")}), copy / "a.parquet")


def with_a_bad_key(copy: Path) -> None:
    write_members(copy / "a.tar", [("1.jpg", picture(99))])
    pq.write_table(pa.table({"key": strings(b"\xff")}), copy / "a.parquet")


def with_a_bad_name(copy: Path) -> None:
    rows = pa.StructArray.from_arrays([strings(b"\xe9"), pa.array(["0" * 32])], ["by", "uid"])
    pq.write_table(pa.table({"a": rows}), copy / "a.parquet")


def with_fields_of_one_name(copy: Path) -> None:
    uids = pa.array(["0" * 32])
    rows = pa.StructArray.from_arrays([uids, uids], ["uid", "uid"])
    pq.write_table(pa.table({"a": rows}), copy / "a.parquet")


def with_a_date_out_of_range(copy: Path) -> None:
    at = pa.array([2**62], pa.timestamp("us"))
    rows = pa.StructArray.from_arrays([pa.array(["0" * 32]), at], ["uid", "at"])
    pq.write_table(pa.table({"a": rows}), copy / "a.parquet")


def with_a_bad_header(copy: Path) -> None:
    with tarfile.open(copy / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("1.jpg")
        info.pax_headers = {"GNU.sparse.size": "x"}
        tar.addfile(info)


def with_a_bad_name_of_a_file(copy: Path) -> None:
    for name, body in (
        ("state", '{"_data_files": [{"filename": "\\ud800"}]}'),
        ("dataset_info", "{}"),
    ):
        (copy / "a").mkdir(exist_ok=True)
        (copy / "a" / f"{name}.json").write_text(body)


def with_offsets_that_lead_out_of_a_file(copy: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"uid": ["0" * 32] * 8, "n": range(8)}).save_to_disk(copy / "a")
    path = copy / "a" / "data-00000-of-00001.arrow"
    body = bytearray(path.read_bytes())
    offsets = b"".join((32 * n).to_bytes(4, "little") for n in range(9))
    at = body.index(offsets)
    body[at + 16 : at + 20] = (2**31 - 9).to_bytes(4, "little")
    path.write_bytes(body)


DAMAGED = [with_bad_json, with_a_bad_uid, with_a_bad_key, with_a_bad_name, with_fields_of_one_name]
DAMAGED += [with_a_date_out_of_range, with_a_bad_header, with_a_bad_name_of_a_file]
DAMAGED += [with_offsets_that_lead_out_of_a_file]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_keeps_no_other_and_is_named(copy, retracted, damage):
    damage(copy)
    before = contents(copy)
    (copy / "z").mkdir()
    (copy / "z" / "1.jpg").write_bytes(BODIES[1])
    report = retract(copy, retracted, yes=True)
    assert (report.rows, report.failed) == (1, [])
    assert [name.split(".")[0] for name in named(report)] == ["a"]
    assert contents(copy) == before


def test_a_damaged_description_of_a_dataset_is_named_before_its_rows_are_dropped(copy, retracted):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"uid": [sample(1)["uid"]]}).save_to_disk(copy)
    (copy / "dataset_info.json").write_text("[")
    assert named(retract(copy, retracted, yes=False)) == [copy.name]


@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_json_beside_an_image_that_cannot_be_read_is_named(copy, retracted, kind):
    files = [("1.jpg", picture(99)), ("1.json", b'{"uid": ')]
    if kind == "tar":
        write_members(copy / "0.tar", files)
    for name, body in files if kind == "folder" else []:
        (copy / name).write_bytes(body)
    report = retract(copy, retracted, yes=False)
    assert {"JSON that cannot be read" in one.why for one in report.untold} == {True}


def test_json_longer_than_is_read_is_named(copy, retracted):
    (copy / "1.jpg").write_bytes(picture(99))
    (copy / "1.json").write_bytes(b"[" + b" " * (16 << 20) + b"]")
    assert named(retract(copy, retracted, yes=False)) == ["1.json"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_file_that_cannot_be_written_keeps_only_a_full_disk_from_the_others(
    copy, retractions, monkeypatch, code
):
    for name in "abc":
        table_of(["a"], copy / f"{name}.parquet", uid=[sample(1)["uid"]])
    real = tables.filter_parquet

    def refused(path: Path, keep: np.ndarray) -> None:
        if path.name == "b.parquet":
            raise OSError(code, os.strerror(code))
        real(path, keep)

    arguments = ["apply", str(copy), str(retractions), "--key", VERIFIER, "--yes"]
    with monkeypatch.context() as patched:
        patched.setattr(tables, "filter_parquet", refused)
        done = CliRunner().invoke(command.app, arguments)
    assert isinstance(done.exception, StorageError)
    is_full = code == errno.ENOSPC
    assert f"{2 if is_full else 1} of the files" in str(done.exception)
    assert os.strerror(code) in str(done.exception)
    assert f"dropped: {1 if is_full else 2} rows" in done.output
    left = {name: pq.read_metadata(copy / f"{name}.parquet").num_rows for name in "abc"}
    assert left == {"a": 0, "b": 1, "c": int(is_full)}
    assert CliRunner().invoke(command.app, arguments).exit_code == 0
    assert pq.read_metadata(copy / "b.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("kind", "name"), [("table", "filter_parquet"), ("saved", "_filter_arrow")]
)
def test_two_runs_at_once_drop_no_row_that_stays(copy, retracted, monkeypatch, kind, name):
    if kind == "table":
        pq.write_table(pa.table({"uid": UIDS}), copy / "a.parquet")
    else:
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_dict({"uid": UIDS}).save_to_disk(copy / "a")
    real, once = getattr(tables, name), [None]

    def late(path: Path, keep: np.ndarray) -> None:
        if once:
            once.pop()
            with pytest.raises(StorageError, match="another run is at work"):
                retract(copy, retracted, yes=True)
            # Through another folder, there is no lock.
            retract(copy.parent, retracted, yes=True)
        real(path, keep)

    monkeypatch.setattr(tables, name, late)
    (failed,) = retract(copy, retracted, yes=True).failed
    assert "another run" in failed
    assert retract(copy, retracted, yes=True) == Report()
    if kind == "table":
        left = pq.read_table(copy / "a.parquet")
    else:
        left = datasets.load_from_disk(str(copy / "a")).data.table
    assert left["uid"].to_pylist() == [UIDS[n] for n in STAYS]


def test_a_dataset_that_picks_rows_by_their_places_is_named(copy, retracted):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"uid": UIDS}).save_to_disk(copy / "a")
    state = json.loads((copy / "a" / "state.json").read_bytes())
    state["_indices_data_files"] = [{"filename": "indices.arrow"}]
    (copy / "a" / "state.json").write_text(json.dumps(state))
    before = contents(copy)
    assert "a" in named(retract(copy, retracted, yes=True))
    assert contents(copy) == before


def test_a_plan_is_made_of_the_table_that_was_read(copy, retracted, monkeypatch):
    keys = [str(n) for n in range(COUNT)]
    write_members(copy / "0.tar", [(f"{n}.jpg", b"anew %d" % n) for n in range(COUNT)])
    table_of(keys, copy / "0.parquet", uid=UIDS)
    real, once = Shard.plan, [None]

    def late(self: Shard, found: object) -> object:
        if once:
            once.pop()
            retract(copy.parent, retracted, yes=True)
        return real(self, found)

    monkeypatch.setattr(Shard, "plan", late)
    assert retract(copy, retracted, yes=True).failed
    assert retract(copy, retracted, yes=True).failed == []
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == [str(n) for n in STAYS]
    assert [*members(copy / "0.tar")] == [f"{n}.jpg" for n in STAYS]
