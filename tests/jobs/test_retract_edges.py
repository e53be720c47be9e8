"""Copies as people have them: what cannot be told is named, and no run leaves half of a sample."""

import contextlib
import hashlib
import io
import itertools
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.cli import retract as command
from jobs.copies import tables
from jobs.retract import Report, retract
from pipeline.retracted import Retracted
from pipeline.shard import with_images, write_parquet
from schemas.errors import StorageError
from tests.jobs.retracting import (
    COUNT,
    GONE,
    VERIFIER,
    contents,
    members,
    ours,
    require_once,
    taken_back,
    write_members,
)
from tests.pipeline.samples import bodies, picture, sample

BODIES = bodies(COUNT).to_pylist()
STAYS = [n for n in range(COUNT) if n not in GONE]


@pytest.fixture
def retractions(tmp_path) -> Path:
    return taken_back(tmp_path)


@pytest.fixture
def retracted(retractions) -> Retracted:
    return Retracted.read(retractions, [VERIFIER])


@pytest.fixture
def copy(tmp_path) -> Path:
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


def named(report: Report) -> list[str]:
    return [one.path.name for one in report.untold]


# --- what people have


def test_pictures_leave_folders_with_the_texts_beside_them(copy, retractions):
    for n, body in enumerate(BODIES):
        place = copy / ("deep/er" if n % 2 else "")
        place.mkdir(parents=True, exist_ok=True)
        # Both begin alike: in a folder of pictures that does not make them one sample.
        (place / f"IMG.2020.{n}.JPG").write_bytes(body)
        (place / f"IMG.2020.{n}.txt").write_text("a caption")
    (copy / "README.md").write_text("pictures")
    require_once(copy, retractions)
    left = {name.rsplit(".", 1)[0][-1] for name in contents(copy) if "IMG" in name}
    assert left == {str(n) for n in STAYS}
    assert len(contents(copy)) == 2 * len(STAYS) + 1


@pytest.mark.parametrize("name", ["{}.avif", "{}.input.jpg", "{}.bin", "x/{}", "{}.JPEG"])
def test_bytes_are_told_under_any_name_in_a_tar(copy, retractions, name):
    write_members(copy / "a.TAR", ((name.format(n), body) for n, body in enumerate(BODIES)))
    require_once(copy, retractions)
    assert set(members(copy / "a.TAR")) == {name.format(n) for n in STAYS}


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b"{}", b'{"uid": 7}', b"\xff"])
def test_a_sample_whose_json_says_nothing_is_told_by_its_image(copy, retractions, said):
    pairs = [(("jpg", body), ("json", said)) for body in BODIES]
    files = [(f"{n}.{kind}", body) for n, pair in enumerate(pairs) for kind, body in pair]
    write_members(copy / "a.tar", files)
    for name, body in files:
        (copy / name).write_bytes(body)
    require_once(copy, retractions)
    left = {str(n) for n in STAYS}
    assert {name.split(".")[0] for name in members(copy / "a.tar")} == left
    assert {p.stem for p in copy.glob("*.jpg")} == left


DIGESTS: list[Callable[[str], object]] = [str.upper, bytes.fromhex, str.encode, lambda d: f" {d}\n"]


@pytest.mark.parametrize("form", DIGESTS)
@pytest.mark.parametrize("name", ["sha256", "SHA256", "uid"])
def test_digests_are_told_in_any_form(copy, retractions, form, name):
    values = [form(sample(n)[name.lower()]) for n in range(COUNT)]
    pq.write_table(pa.table({name: values, "n": range(COUNT)}), copy / "a.parquet")
    require_once(copy, retractions)
    assert pq.read_table(copy / "a.parquet")["n"].to_pylist() == STAYS


def test_images_are_told_under_any_name_in_a_table(copy, retractions):
    several = [[{"bytes": b"other", "path": "x"}, {"bytes": body, "path": None}] for body in BODIES]
    drawn = pa.array(BODIES).dictionary_encode()
    maps = pa.array([[("a", body)] for body in BODIES], pa.map_(pa.string(), pa.binary()))
    columns = {
        "view": pa.array(BODIES, pa.binary_view()),
        "views": pa.array([[body] for body in BODIES], pa.list_view(pa.binary())),
        "map": maps,
        "deep": pa.array([{"image": {"bytes": body, "path": "x"}} for body in BODIES]),
        "drawn": drawn,
        "content": pa.array(BODIES, pa.large_binary()),
        "pair": pa.array(several),
        "picture": pa.array([{"bytes": body, "path": "x.jpg"} for body in BODIES]),
    }
    for name, column in columns.items():
        pq.write_table(pa.table({name: column, "n": range(COUNT)}), copy / f"{name}.parquet")
    require_once(copy, retractions)
    for name in columns:
        assert pq.read_table(copy / f"{name}.parquet")["n"].to_pylist() == STAYS


def test_a_table_beside_a_folder_of_its_name_hides_no_tables_in_it(copy, retractions):
    whole = with_images(ours(), bodies(COUNT), "jpg")
    (copy / "train").mkdir()
    for path in (copy / "train.parquet", copy / "train" / "0.parquet"):
        path.write_bytes(write_parquet(whole))
    require_once(copy, retractions)
    for path in (copy / "train.parquet", copy / "train" / "0.parquet"):
        assert pq.read_metadata(path).num_rows == len(STAYS)


def test_files_that_share_a_name_but_for_its_ending_are_all_looked_at(copy, retractions):
    (copy / "a").mkdir()
    body = write_parquet(with_images(ours(), bodies(COUNT), "jpg"))
    for name in ("a.parquet", "a.PARQUET", "a.bin", "b", "a/0.bin"):
        (copy / name).write_bytes(body)
    for n, image in enumerate(BODIES):
        (copy / "a" / f"{n}.jpg").write_bytes(image)
    for name in ("a.tar", "a.TAR"):
        write_members(copy / name, ((f"{n}.jpg", image) for n, image in enumerate(BODIES)))
    require_once(copy, retractions)
    tables = [name for name in contents(copy) if not name.endswith(("jpg", "tar", "TAR"))]
    assert len(tables) == 5
    assert {pq.read_metadata(copy / name).num_rows for name in tables} == {len(STAYS)}
    assert {len(members(copy / name)) for name in ("a.tar", "a.TAR")} == {len(STAYS)}
    assert len(list((copy / "a").glob("*.jpg"))) == len(STAYS)


# --- links


def test_a_cache_of_blobs_loses_the_rows_and_not_only_the_links(copy, retractions):
    """As the hub's library lays out what it has fetched: snapshots are links to blobs."""
    blobs, snapshot = copy / "blobs", copy / "snapshots" / "0a1b"
    for folder in (blobs, snapshot / "pictures", copy / "refs"):
        folder.mkdir(parents=True)
    (copy / "refs" / "main").write_text("0a1b")
    body = write_parquet(with_images(ours(), bodies(COUNT), "jpg"))
    (blobs / "aaaa").write_bytes(body)
    (snapshot / "data.parquet").symlink_to("../../blobs/aaaa")
    for n, image in enumerate(BODIES):
        (blobs / f"b{n}").write_bytes(image)
        (snapshot / "pictures" / f"{n}.jpg").symlink_to(f"../../../blobs/b{n}")
    require_once(copy, retractions)
    assert (snapshot / "data.parquet").is_symlink()
    assert pq.read_metadata(blobs / "aaaa").num_rows == len(STAYS)
    assert {p.name for p in blobs.iterdir()} == {"aaaa", *(f"b{n}" for n in STAYS)}
    assert {p.stem for p in (snapshot / "pictures").iterdir()} == set(map(str, STAYS))


def test_folders_behind_links_are_looked_into_once(copy, tmp_path, retractions):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_members(elsewhere / "a.tar", ((f"{n}.jpg", body) for n, body in enumerate(BODIES)))
    for name in ("one", "two"):
        (copy / name).symlink_to(elsewhere)
    (elsewhere / "round").symlink_to(copy)
    require_once(copy, retractions)
    assert {name[0] for name in members(elsewhere / "a.tar")} == {str(n) for n in STAYS}


def test_a_file_is_as_open_to_others_as_it_was(copy, retracted, monkeypatch):
    path = copy / "a.parquet"
    path.write_bytes(write_parquet(with_images(ours(), bodies(COUNT), "jpg")))
    path.chmod(0o640)
    modes = []
    replace = Path.replace

    def seen(self: Path, target: Path) -> Path:
        modes.append(stat.S_IMODE(self.stat().st_mode))
        return replace(self, target)

    opened = os.open
    monkeypatch.setattr(
        os, "open", lambda p, flags, mode: modes.append(mode) or opened(p, flags, mode)
    )
    monkeypatch.setattr(Path, "replace", seen)
    assert retract(copy, retracted, yes=True).rows == len(GONE)
    assert modes == [0o600, 0o640]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# --- what nobody can tell


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


@pytest.mark.parametrize(
    "path", ["README", "refs/1.jpg", "1_stats.json", "evidence/00", "ledger/a", "manifest.json"]
)
def test_no_name_hides_a_picture(copy, retracted, path):
    for folder in ("refs", "snapshots", "1", "evidence", "ledger"):
        (copy / folder).mkdir()
    (copy / "manifest.json").write_text("{}")
    (copy / path).write_bytes(BODIES[1])
    assert retract(copy, retracted, yes=True).rows == 1
    assert not (copy / path).exists()


def test_links_in_a_tar_go_with_what_they_lead_to(copy, retracted):
    with tarfile.open(copy / "a.tar", "w") as tar:
        for name, body in (("x/1.jpg", BODIES[1]), ("0.jpg", BODIES[0])):
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
        hard, soft = tarfile.LNKTYPE, tarfile.SYMTYPE
        kinds = [(hard, "hard", "x/1.jpg"), (soft, "x/soft", "1.jpg")]
        kinds += [(soft, "far", "x/soft"), (hard, "stays", "0.jpg")]
        for kind, name, to in kinds:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, to
            tar.addfile(info)
        strange = tarfile.TarInfo("4.jpg")
        strange.type, strange.size = b"Z", len(BODIES[4])  # unpacked like a file
        tar.addfile(strange, io.BytesIO(BODIES[4]))
    assert retract(copy, retracted, yes=True).rows == 2
    with tarfile.open(copy / "a.tar") as tar:
        assert tar.getnames() == ["0.jpg", "stays"]


def test_links_to_nothing_and_round_in_circles_are_nothing(copy, retracted):
    (copy / "loop").symlink_to("loop")
    (copy / "gone.jpg").symlink_to("/nowhere")
    os.mkfifo(copy / "pipe.jpg")
    assert retract(copy, retracted, yes=True) == Report()


def test_a_checksum_of_what_was_there_goes_with_it(copy, retracted):
    table_of(["a"], copy / "a.parquet", uid=[sample(1)["uid"]])
    (copy / ".a.parquet.crc").write_bytes(b"crc")
    assert named(retract(copy, retracted, yes=False)) == []
    assert retract(copy, retracted, yes=True).rows == 1
    assert not (copy / ".a.parquet.crc").exists()


def test_what_cannot_be_rewritten_keeps_no_other_file_from_it(copy, retracted, monkeypatch):
    for name in ("a", "b"):
        table_of(["a"], copy / f"{name}.parquet", uid=[sample(1)["uid"]])
    real = tables.filter_parquet

    def refused(path: Path, keep: np.ndarray) -> None:
        if path.name == "a.parquet":
            raise pa.ArrowNotImplementedError("no such kernel")
        real(path, keep)

    monkeypatch.setattr(tables, "filter_parquet", refused)
    with pytest.raises(StorageError, match=r"1 files.*a\.parquet: no such kernel"):
        retract(copy, retracted, yes=True)
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
    pq.write_table(pa.table({"sha256": [["0" * 64]]}), copy / "lists.parquet")
    paths = pa.array(
        [{"bytes": None, "path": "1.jpg"}],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"image": paths}), copy / "elsewhere.parquet")
    assert named(retract(copy, retracted, yes=False)) == [
        "lists.parquet", "a.tar", "a.parquet", "elsewhere.parquet"
    ]  # fmt: skip


def test_what_lies_beside_a_saved_dataset_is_looked_at(copy, retracted):
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict({"uid": [sample(n)["uid"] for n in range(COUNT)]})
    table.save_to_disk(copy)
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


# --- samples and the table beside them


def table_of(keys: list[str], path: Path, **columns: object) -> None:
    pq.write_table(pa.table({"key": keys, **columns}), path)


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
    both = told == "both"  # then samples and rows agree on how many go
    assert list(members(copy / "0.tar")) == (["b/1.jpg"] if both else []) + ["c/2.jpg"]
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == (["1"] if both else []) + ["2"]


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


def test_the_digest_of_a_large_file_is_that_of_its_bytes(copy, retracted):
    body = os.urandom(3 << 20)
    (copy / "a.png").write_bytes(body)
    gone = Retracted(frozenset(), frozenset({hashlib.sha256(body).hexdigest()}))
    assert retract(copy, retracted, yes=True).rows == 0
    assert retract(copy, gone, yes=True).rows == 1
    assert not (copy / "a.png").exists()
