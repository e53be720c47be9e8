"""A row that tells of an image encoded anew leaves with that image, or stays and is named."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.cli import retract as command
from jobs.retract import Report, retract
from tests.jobs.retracting import (
    BODIES,
    COUNT,
    GONE,
    STAYS,
    UIDS,
    VERIFIER,
    anew,
    contents,
    members,
    named,
    require_once,
    said,
    table_of,
    write_members,
)
from tests.pipeline.samples import picture, sample

DIGESTS = [sample(n)["sha256"] for n in range(COUNT)]
ANEW = [(f"{n:04}.jpg", anew(n)) for n in range(COUNT)]


# --- it leaves with its image


@pytest.mark.parametrize("key", ["0/{:04}", "{:04}", "a/b/{:04}"])
def test_keys_with_folders_that_samples_lack_are_joined_by_their_last_part(copy, retractions, key):
    write_members(copy / "0.tar", ANEW)
    table_of([key.format(n) for n in range(COUNT)], copy / "0.parquet", uid=UIDS)
    require_once(copy, retractions)
    assert set(members(copy / "0.tar")) == {f"{n:04}.jpg" for n in STAYS}
    assert pq.read_table(copy / "0.parquet")["uid"].to_pylist() == [UIDS[n] for n in STAYS]


def test_keys_may_be_numbers(copy, retractions):
    write_members(copy / "0.tar", ((f"{n}.jpg", anew(n)) for n in range(COUNT)))
    pq.write_table(pa.table({"key": range(COUNT), "uid": UIDS}), copy / "0.parquet")
    require_once(copy, retractions)
    assert set(members(copy / "0.tar")) == {f"{n}.jpg" for n in STAYS}


def test_all_of_one_name_go_also_where_as_many_rows_as_samples_do(copy, retractions):
    files = [("a/1.jpg", anew(0)), ("a/1.json", said(1)), ("b/1.jpg", anew(2)), ("c/2.jpg", b"x")]
    write_members(copy / "0.tar", files)
    table_of(["1", "1", "2"], copy / "0.parquet", sha256=["a" * 64, DIGESTS[4], "b" * 64])
    require_once(copy, retractions)
    assert list(members(copy / "0.tar")) == ["c/2.jpg"]
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == ["2"]


SAYS: list[dict[str, bytes]] = [
    {"1.a.json": b'{"w": 1}', "1.json": said(1)},
    {"1.json": b"[1]", "1.meta.json": said(1)},
    {"1.json": json.dumps({"meta": {"uid": UIDS[1]}}).encode()},
    {"1.json": json.dumps([{"image": [{"uid": UIDS[1]}]}]).encode()},
    {"1.json": json.dumps({"meta": said(1).decode()}).encode()},
    {"1.jpg.json": said(1)},
    {"1.orig.jpg": anew(9), "1.json": said(1)},
]


@pytest.mark.parametrize("files", SAYS)
@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_any_json_of_a_sample_tells_it(copy, retractions, kind, files):
    every = {"1.jpg": anew(1), **files, "2.jpg": anew(2)}
    if kind == "tar":
        write_members(copy / "0.tar", sorted(every.items()))
    else:
        for name, body in every.items():
            (copy / name).write_bytes(body)
    require_once(copy, retractions)
    left = members(copy / "0.tar") if kind == "tar" else contents(copy)
    assert set(left) == {"2.jpg"}


COLUMNS: dict[str, Callable[[], pa.Array]] = {
    "json": lambda: pa.array([said(n).decode() for n in range(COUNT)]),
    "a.json": lambda: pa.array([said(n) for n in range(COUNT)]),
    "meta": lambda: pa.array([{"id": {"uid": u}} for u in UIDS]),
    "metadata": lambda: pa.array([json.dumps({"uid": u}) for u in UIDS]),
    "known": lambda: pa.array([[{"sha256": d}] for d in DIGESTS]),
    "pairs": lambda: pa.array([[("uid", u)] for u in UIDS], pa.map_(pa.string(), pa.string())),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_any_column_tells_a_row_that_has_its_image_encoded_anew(copy, retractions, name):
    images = pa.array([anew(n) for n in range(COUNT)])
    table = pa.table({"jpg": images, name: COLUMNS[name](), "n": range(COUNT)})
    pq.write_table(table, copy / "a.parquet")
    require_once(copy, retractions)
    assert pq.read_table(copy / "a.parquet")["n"].to_pylist() == STAYS


# --- or it stays, and is named


def without_key(copy: Path) -> None:
    write_members(copy / "0.tar", ANEW)
    pq.write_table(pa.table({"uid": UIDS}), copy / "0.parquet")


def with_other_keys(copy: Path) -> None:
    write_members(copy / "0.tar", ANEW)
    pq.write_table(pa.table({"key": range(50, 50 + COUNT), "uid": UIDS}), copy / "0.parquet")


def in_another_folder(copy: Path) -> None:
    for folder in ("images", "meta"):
        (copy / folder).mkdir()
    for n in range(COUNT):
        (copy / "images" / f"{n}.jpg").write_bytes(anew(n))
        (copy / "meta" / f"{n}.json").write_bytes(said(n))


def in_another_tar(copy: Path) -> None:
    write_members(copy / "0.tar", ANEW)
    write_members(copy / "1.tar", ((f"{n:04}.json", said(n)) for n in range(COUNT)))


def in_a_table_elsewhere(copy: Path) -> None:
    pq.write_table(pa.table({"jpg": [body for _, body in ANEW]}), copy / "a.parquet")
    pq.write_table(pa.table({"uid": UIDS, "url": ["u"] * COUNT}), copy / "b.parquet")


def in_a_saved_dataset(copy: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"uid": UIDS}).save_to_disk(copy / "rows")
    (copy / "1.jpg").write_bytes(anew(1))


def with_the_digest_of_what_is_there(copy: Path) -> None:
    """A digest of the image as it is tells no more than the image."""
    in_a_table_elsewhere(copy)
    images = pq.read_table(copy / "a.parquet")["jpg"].to_pylist()
    digests = [hashlib.sha256(body).hexdigest() for body in images]
    pq.write_table(pa.table({"jpg": images, "sha256": digests}), copy / "a.parquet")


def digest_of(n: int) -> str:
    return hashlib.sha256(anew(n)).hexdigest()


def apart(copy: Path) -> None:
    """Write rows that were taken back, and some others, without their images."""
    pq.write_table(pa.table({"uid": UIDS}), copy / "rows.parquet")


def with_that_digest_in_the_table_beside(copy: Path) -> None:
    apart(copy)
    write_members(copy / "0.tar", ANEW)
    keys = [f"{n:04}" for n in range(COUNT)]
    table_of(keys, copy / "0.parquet", sha256=[digest_of(n) for n in range(COUNT)])


def with_that_digest_in_json_elsewhere_in_the_tar(copy: Path) -> None:
    apart(copy)
    texts = [json.dumps({"sha256": digest_of(n)}).encode() for n in range(COUNT)]
    files = [*ANEW, *((f"{n:04}.json", text) for n, text in enumerate(texts))]
    write_members(copy / "0.tar", files)


def with_columns_that_only_point_at_images(column: pa.Array) -> Callable[[Path], None]:
    def layout(copy: Path) -> None:
        rows = {"uid": UIDS, "stored_sha256": DIGESTS, "image": column}
        pq.write_table(pa.table(rows), copy / "meta.parquet")
        (copy / "images").mkdir()
        for name, body in ANEW:
            (copy / "images" / name).write_bytes(body)

    return layout


PATHS = [f"images/{name}" for name, _ in ANEW]
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
POINTING = [
    pa.array([None] * COUNT, pa.binary()),
    pa.array([b""] * COUNT),
    pa.array([path.encode() for path in PATHS]),
    pa.array([{"bytes": None, "path": path} for path in PATHS], STRUCT),
]


def of_which_one_alone_is_told(copy: Path) -> None:
    """Of two samples that share the name of a row, what is told of one is not told of the other."""
    apart(copy)
    write_members(
        copy / "0.tar", [("a/1.jpg", anew(0)), ("a/1.json", said(0)), ("b/1.jpg", anew(1))]
    )
    table_of(["1", "1"], copy / "0.parquet", caption=["a", "b"])


def with_folders_inside(copy: Path) -> None:
    """The key of the row does not say of which folder it is."""
    (copy / "0" / "a").mkdir(parents=True)
    (copy / "0" / "1.jpg").write_bytes(anew(3))
    (copy / "0" / "a" / "1.jpg").write_bytes(anew(1))
    table_of(["a/1", "a/4"], copy / "0.parquet", uid=[UIDS[1], UIDS[4]])


def of_which_another_was_never_fetched(copy: Path) -> None:
    """A failed row has no image that could be there, but its uid is that of one that has."""
    apart(copy)
    write_members(copy / "0.tar", [("0.jpg", anew(0))])
    states = ["success", "failed_to_download"]
    table_of(["0", "1"], copy / "0.parquet", uid=[UIDS[0], UIDS[1]], status=states)
    (copy / "cat.jpg").write_bytes(picture(99))


ELSEWHERE = [
    *(without_key, with_other_keys, in_another_folder, in_another_tar, in_a_table_elsewhere),
    *(in_a_saved_dataset, with_the_digest_of_what_is_there),
    *(with_that_digest_in_the_table_beside, with_that_digest_in_json_elsewhere_in_the_tar),
    *map(with_columns_that_only_point_at_images, POINTING),
    *(of_which_one_alone_is_told, with_folders_inside, of_which_another_was_never_fetched),
]


@pytest.mark.parametrize("layout", ELSEWHERE)
def test_a_row_stays_while_an_image_that_it_may_mean_does(copy, retracted, retractions, layout):
    layout(copy)
    before = contents(copy)
    for yes in (False, True, False):
        report = retract(copy, retracted, yes=yes)
        assert report.rows == 0
        assert ["2 rows" in one.why for one in report.untold] == [True]
    assert contents(copy) == before
    # Whoever has looked may drop them.
    trusted = [str(copy), str(retractions), "--key", VERIFIER]
    done = CliRunner().invoke(command.app, ["apply", *trusted, "--yes", "--without-images"])
    assert (done.exit_code, "dropped: " in done.output) == (0, True), done.output
    assert CliRunner().invoke(command.app, ["check", *trusted]).exit_code == 0


def in_a_zip(copy: Path) -> None:
    (copy / "images.zip").write_bytes(b"PK")


def as_arrays(copy: Path) -> None:
    (copy / "1.npy").write_bytes(b"\x93NUMPY")


def in_a_damaged_tar(copy: Path) -> None:
    write_members(copy / "0.tar", ANEW)
    body = (copy / "0.tar").read_bytes()
    (copy / "0.tar").write_bytes(body + b"more")


def in_a_tar_that_was_unpacked_beside_itself(copy: Path) -> None:
    write_members(copy / "0.tar", ANEW)
    (copy / "0").mkdir()
    for name, body in ANEW:
        (copy / "0" / name).write_bytes(body)
    table_of([f"{n:04}" for n in range(COUNT)], copy / "0.parquet", uid=UIDS)


def in_texts_that_nothing_tells(copy: Path) -> None:
    pq.write_table(pa.table({"picture": ["iVBORw0KGgo="]}), copy / "texts.parquet")


UNSEEN = [in_a_zip, as_arrays, in_a_damaged_tar, in_a_tar_that_was_unpacked_beside_itself]
UNSEEN += [in_texts_that_nothing_tells]


@pytest.mark.parametrize("layout", UNSEEN)
def test_a_row_stays_while_images_may_be_where_nobody_looks(copy, retracted, layout):
    layout(copy)
    apart(copy)
    report = retract(copy, retracted, yes=True)
    assert report.rows == 0
    assert "rows.parquet" in named(report)
    assert len(report.untold) > 1
    assert retract(copy, retracted, yes=True, alone=True).rows == len(GONE)


def test_a_row_of_two_stays_where_the_image_of_one_goes(copy, retracted):
    (copy / "1.jpg").write_bytes(BODIES[1])
    (copy / "4.jpg").write_bytes(anew(4))
    pairs = pa.array([[UIDS[1], UIDS[4]]])
    pq.write_table(pa.table({"uid": pairs}), copy / "pairs.parquet")
    report = retract(copy, retracted, yes=True)
    assert [(one.path.name, one.rows) for one in report.going] == [("copy", 1)]
    assert named(report) == ["pairs.parquet"]


def test_a_row_goes_where_its_image_does_or_none_is_there_that_it_may_mean(copy, retracted):
    rows = pa.table({"uid": UIDS, "url": ["u"] * COUNT})
    pq.write_table(rows, copy / "urls.parquet")
    assert retract(copy, retracted, yes=False).rows == len(GONE)
    write_members(copy / "0.tar", [(f"{n}.{e}", b) for n in range(COUNT) for e, b in (
        ("jpg", anew(n)), ("json", said(n)))])  # fmt: skip
    assert retract(copy, retracted, yes=False).rows == 2 * len(GONE)  # every image is told
    for n, body in enumerate(BODIES):  # of these the digest tells the rows of the others
        (copy / f"{n}.jpg").write_bytes(body)
    assert retract(copy, retracted, yes=True).rows == 3 * len(GONE)
    assert pq.read_metadata(copy / "urls.parquet").num_rows == len(STAYS)
    assert retract(copy, retracted, yes=False) == Report()


def test_a_row_whose_image_was_never_fetched_goes(copy, retracted):
    write_members(copy / "0.tar", [("0.jpg", anew(0)), ("2.jpg", anew(2))])
    states = ["success", "failed_to_download", "success", "failed_to_resize"]
    rows = {"uid": [UIDS[0], UIDS[1], UIDS[2], UIDS[4]], "status": states}
    table_of(["0", "1", "2", "4"], copy / "0.parquet", **rows)
    assert retract(copy, retracted, yes=True).rows == len(GONE)
    assert pq.read_table(copy / "0.parquet")["key"].to_pylist() == ["0", "2"]
    assert retract(copy, retracted, yes=False) == Report()


@pytest.mark.parametrize("name", ["jpg", "picture"])
def test_rows_of_ours_go_with_the_images_in_them(copy, retracted, name):
    rows = pa.table({"uid": UIDS, "stored_sha256": DIGESTS, name: [anew(n) for n in range(COUNT)]})
    pq.write_table(rows, copy / "a.parquet")
    pq.write_table(rows.select(["uid"]), copy / "embeddings.parquet")
    (copy / "logo.png").write_bytes(picture(99))
    assert retract(copy, retracted, yes=True).rows == 2 * len(GONE)
    assert retract(copy, retracted, yes=False) == Report()


@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_a_file_that_tells_of_several_rows_is_no_sample_of_any(copy, retracted, kind):
    every = json.dumps([{"uid": uid} for uid in UIDS]).encode()
    if kind == "tar":
        write_members(copy / "0.tar", [("all.json", every), ("9.jpg", picture(99))])
    else:
        (copy / "all.json").write_bytes(every)
    before = contents(copy)
    report = retract(copy, retracted, yes=True)
    assert (report.rows, len(report.untold)) == (0, 1)
    assert "several rows" in report.untold[0].why
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["phash", "URL", "TEXT"])
def test_bytes_that_are_no_image_tell_nothing(copy, retracted, name):
    column = pa.array([b"http://a.example/1"] * 2)
    pq.write_table(pa.table({name: column, "url": ["a", "b"]}), copy / "a.parquet")
    assert named(retract(copy, retracted, yes=False)) == ["a.parquet"]
