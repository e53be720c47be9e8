"""Copies as people have them, of which every row that was taken back leaves."""

import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.retract import Report, retract
from pipeline.retracted import Retracted
from pipeline.shard import with_images, write_parquet
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
    ours,
    require_once,
    said,
    table_of,
    write_members,
)
from tests.pipeline.samples import bodies, sample

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

    def creating(path: Path, flags: int, mode: int = 0) -> int:
        modes.extend([mode] if flags & os.O_CREAT else [])
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", creating)
    monkeypatch.setattr(Path, "replace", seen)
    assert retract(copy, retracted, yes=True).rows == len(GONE)
    assert modes == [0o600, 0o600, 0o600, 0o640]  # what the next run has to know, and the file
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


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
    (copy / ".a.parquet.crc").write_bytes(b"crc\0")
    assert named(retract(copy, retracted, yes=False)) == []
    assert retract(copy, retracted, yes=True).rows == 1
    assert not (copy / ".a.parquet.crc").exists()


def test_the_digest_of_a_large_file_is_that_of_its_bytes(copy, retracted):
    body = os.urandom(3 << 20)
    (copy / "a.png").write_bytes(body)
    gone = Retracted(frozenset(), frozenset({hashlib.sha256(body).hexdigest()}))
    assert retract(copy, retracted, yes=True).rows == 0
    assert retract(copy, gone, yes=True).rows == 1
    assert not (copy / "a.png").exists()


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_sparse_file_that_stays_in_a_tar_stays_whole(copy, tmp_path, retracted, form):
    hole = tmp_path / "2.jpg"
    with hole.open("wb") as file:
        file.write(b"A" * 4096)
        file.seek(1 << 20)
        file.write(b"Z" * 4096)
    (tmp_path / "1.jpg").write_bytes(BODIES[1])
    subprocess.run(
        ["tar", "-S", f"--format={form}", "-cf", copy / "0.tar", "1.jpg", "2.jpg"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    assert members(copy / "0.tar")["2.jpg"] == hole.read_bytes()
    assert retract(copy, retracted, yes=True).rows == 1
    assert members(copy / "0.tar") == {"2.jpg": hole.read_bytes()}
    assert retract(copy, retracted, yes=True) == Report()


FOLDERS: list[tuple[dict[str, bytes], set[str]]] = [
    # What is there, and what goes.
    ({"coco.json": b'{"info": 1}', **{f"coco.{n:04}.jpg": b for n, b in enumerate(BODIES)}},
     {f"coco.{n:04}.jpg" for n in GONE}),
    ({"photo.jpg": BODIES[1], "photo.1.jpg": BODIES[2], "photo.1.txt": b"a", "photo.txt": b"b"},
     {"photo.jpg", "photo.txt"}),
    ({"1.jpg": anew(1), "1.json": said(1), "1.small.jpg": anew(9)},
     {"1.jpg", "1.json", "1.small.jpg"}),
    ({"1.jpg": anew(1), "1.json": said(1), "1.2.jpg": anew(2), "1.2.json": said(2)},
     {"1.jpg", "1.json"}),
    ({"b.zip": b"PK", "b.zip.jpg": BODIES[1], "b.zip.json": b"{}"}, {"b.zip.jpg", "b.zip.json"}),
    ({"LICENSE": b"x", "LICENSE.jpg": BODIES[1]}, {"LICENSE.jpg"}),
    ({"1.jpg": anew(1), "1.metadata": said(1), "2.jpg": anew(2)}, {"1.jpg", "1.metadata"}),
    ({"1.jpg": anew(1), "1.json.gz": gzip.compress(said(1)), "2.jpg": anew(2)},
     {"1.jpg", "1.json.gz"}),
    ({"1.jpg": anew(1), "1.json": b"\xef\xbb\xbf" + said(1)}, {"1.jpg", "1.json"}),
    ({"1.jpg": anew(1), "1.json": said(1).decode().encode("utf-16")}, {"1.jpg", "1.json"}),
    ({"1.jpg": BODIES[1], "1.json": json.dumps([{"uid": UIDS[1]}, {"uid": UIDS[2]}]).encode()},
     {"1.jpg", "1.json"}),
    ({"1.jpg": anew(1), "1.json": json.dumps([{"uid": UIDS[1]}, {"id": 2}]).encode()}, set()),
    ({f"{UIDS[n]}.jpg": anew(n) for n in range(COUNT)}, {f"{UIDS[n]}.jpg" for n in GONE}),
    ({f"{sample(n)['sha256']}.jpg": anew(n) for n in (1, 2)}, {f"{sample(1)['sha256']}.jpg"}),
    ({f"{UIDS[1]}.jpg": anew(1), f"{UIDS[1]}.json": json.dumps(
        {"uid": UIDS[2], "stored_sha256": "0" * 64}).encode()}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("files", "goes"), FOLDERS)
def test_only_what_belongs_to_an_image_goes_with_it(copy, retracted, files, goes):
    for name, body in files.items():
        (copy / name).write_bytes(body)
    retract(copy, retracted, yes=True)
    assert set(contents(copy)) == files.keys() - goes
    assert retract(copy, retracted, yes=False).rows == 0


UUIDS = [
    pa.array([uid.upper() for uid in UIDS]),
    pa.array([str(uuid.UUID(uid)) for uid in UIDS]),
    pa.ExtensionArray.from_storage(pa.uuid(), pa.array(map(bytes.fromhex, UIDS), pa.binary(16))),
]


@pytest.mark.parametrize("uids", UUIDS)
def test_uids_are_told_in_any_form(copy, retractions, uids):
    images = [anew(n) for n in range(COUNT)]
    pq.write_table(pa.table({"uid": uids, "jpg": images, "n": range(COUNT)}), copy / "a.parquet")
    require_once(copy, retractions)
    assert pq.read_table(copy / "a.parquet")["n"].to_pylist() == STAYS


TOLD = [{"commitment": ["c"] * COUNT}, {"release": ["r"] * COUNT, "reason": ["r"] * COUNT}]


@pytest.mark.parametrize("columns", TOLD)
def test_only_a_ledger_or_retractions_are_passed_over(copy, retractions, columns):
    rows = {"uid": UIDS, "jpg": BODIES, "n": range(COUNT)}
    pq.write_table(pa.table({**rows, **columns}), copy / "a.parquet")
    require_once(copy, retractions)
    assert pq.read_table(copy / "a.parquet")["n"].to_pylist() == STAYS


def test_what_stays_in_a_tar_is_as_it_was_to_the_byte(copy, retracted):
    def write(path: Path, count: int) -> None:
        with tarfile.open(
            path, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "all"}
        ) as tar:
            for n in range(count, COUNT):
                info = tarfile.TarInfo(f"{'é' * 60}/{n}.jpg")
                info.size, info.mtime, info.uname = len(BODIES[n]), 1.5, "ü"
                info.pax_headers = {"SCHILY.xattr.user.license": "CC0"}
                tar.addfile(info, io.BytesIO(BODIES[n]))

    write(copy / "0.tar", 4)
    assert retract(copy, retracted, yes=True).rows == 1
    write(copy.parent / "left.tar", 5)
    assert (copy / "0.tar").read_bytes() == (copy.parent / "left.tar").read_bytes()


def test_statistics_tell_rows_that_were_never_fetched_apart(copy, retracted):
    write_members(copy / "0.tar", [("0.jpg", BODIES[0]), ("4.jpg", BODIES[4])])
    states = ["success", "failed_to_download", "success"]
    table_of(["0", "1", "4"], copy / "0.parquet", uid=[UIDS[0], UIDS[1], UIDS[4]], status=states)
    stats = {"count": 3, "successes": 2, "status_dict": {"success": 2, "404": 1}}
    (copy / "0_stats.json").write_text(json.dumps(stats))
    assert retract(copy, retracted, yes=True).rows == 3
    assert json.loads((copy / "0_stats.json").read_bytes()) == {
        "count": 1, "successes": 1, "status_dict": {"success": 1, "404": 1}
    }  # fmt: skip


def test_statistics_count_no_failure_of_a_row_that_went(copy, retracted):
    write_members(copy / "0.tar", [("0.jpg", BODIES[0])])
    states = ["success", "failed_to_download", "failed_to_download", "failed_to_resize"]
    errors = [None, "404", "404", "no image"]
    keys = ["0", "1", "2", "4"]
    uids = [UIDS[int(key)] for key in keys]
    table_of(keys, copy / "0.parquet", uid=uids, status=states, error_message=errors)
    stats = {"count": 4, "successes": 1, "failed_to_download": 2, "failed_to_resize": 1,
             "status_dict": {"success": 1, "404": 2, "no image": 1}}  # fmt: skip
    (copy / "0_stats.json").write_text(json.dumps(stats))
    assert retract(copy, retracted, yes=True).rows == 2
    assert json.loads((copy / "0_stats.json").read_bytes()) == {
        "count": 2, "successes": 1, "failed_to_download": 1, "failed_to_resize": 0,
        "status_dict": {"success": 1, "404": 1, "no image": 0},
    }  # fmt: skip


def test_lists_keep_their_names_and_codecs_however_they_were_written(copy, retracted):
    table = pa.table({"uid": UIDS, "tags": [["a"]] * COUNT})
    kinds: list[dict[str, object]] = [
        {"compression": "gzip"},
        {"compression": {"uid": "gzip", "tags.list.element": "brotli"}},
        {"compression": {"uid": "gzip", "tags.list.item": "brotli"},
         "use_compliant_nested_type": False},
    ]  # fmt: skip
    for number, kind in enumerate(kinds):
        pq.write_table(table, copy / f"{number}.parquet", **kind)
    before = [layout_of(copy / f"{number}.parquet") for number in range(len(kinds))]
    assert retract(copy, retracted, yes=True).rows == len(GONE) * len(kinds)
    assert [layout_of(copy / f"{number}.parquet") for number in range(len(kinds))] == before


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("{}.uid", lambda n: UIDS[n].encode() + b"\n"),
        ("{}.SHA256", lambda n: sample(n)["sha256"].encode()),
        ("{}.stored_sha256", lambda n: hashlib.sha256(BODIES[n]).digest()),
        ("{}.json", lambda n: json.dumps(said(n).decode()).encode()),
    ],
)
def test_a_tar_is_told_by_what_loaders_are_told(copy, retractions, retracted, name, body):
    files = [(f"{n}.jpg", anew(n)) for n in range(COUNT)]
    files += [(name.format(n), body(n)) for n in range(COUNT)]
    write_members(copy / "0.tar", sorted(files))
    require_once(copy, retractions)
    assert {member.split(".")[0] for member in members(copy / "0.tar")} == set(map(str, STAYS))
    assert not retracted.keeps({"jpg": anew(1), name.lower()[3:]: body(1)})


def test_times_of_far_years_stay_as_they_were(copy, retracted):
    years = pa.array([datetime(n, 1, 1) for n in (1, 2020, 9999, 1600, 2020, 2300)])  # noqa: DTZ001 - INT96 has no zone
    table = pa.table({"uid": UIDS, "at": years})
    pq.write_table(table, copy / "a.parquet", use_deprecated_int96_timestamps=True)
    assert retract(copy, retracted, yes=True).rows == len(GONE)
    with pq.ParquetFile(copy / "a.parquet", coerce_int96_timestamp_unit="us") as file:
        assert file.schema.column(1).physical_type == "INT96"
        assert file.read() == table.take(STAYS)


def layout_of(path: Path) -> list[tuple[str, str]]:
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    return [(column.path_in_schema, column.compression) for column in columns]


def test_what_systems_leave_in_folders_holds_no_rows(copy, retracted):
    (copy / "1.jpg").write_bytes(BODIES[1])
    for name, body in {
        ".DS_Store": b"\0\0\0\1Bud1", "Thumbs.db": b"\xd0\xcf", "version.txt": b"1",
        "._1.jpg": b"\0\5\x16\7\0", ".1.jpg.crc": b"crc\0\0",
    }.items():  # fmt: skip
        (copy / name).write_bytes(body)
    report = retract(copy, retracted, yes=True)
    assert (report.rows, report.untold) == (1, [])
    assert retract(copy, retracted, yes=False) == Report()
