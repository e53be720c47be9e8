"""Tars are img2dataset's own, save for the clock."""

import gc
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.shard import read_parquet
from pipeline.tars import read_tar, tar_metadata, write_tar
from schemas.errors import SchemaError
from tests.pipeline.samples import bodies, picture, samples


@pytest.mark.filterwarnings(  # webdataset leaves the closing of its file to the collector
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
def test_webdataset_loads_the_tar(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    path = tmp_path / "00007.tar"
    path.write_bytes(write_tar(samples(), bodies(), "jpg", 7)[".tar"])
    loaded = list(wds.WebDataset(str(path), shardshuffle=False, empty_check=False))
    gc.collect()
    assert [s["__key__"] for s in loaded] == ["000070000", "000070001", "000070002"]
    assert loaded[2]["jpg"] == picture(2)
    assert loaded[2]["txt"].decode() == "kött 2 <b>"
    assert json.loads(loaded[2]["json"])["pdq"] == "02" * 32


def test_a_tar_equals_what_img2dataset_itself_writes(tmp_path: Path) -> None:
    """Its own writer gets our rows: same members, same bytes, same columns and types."""
    writer_module = pytest.importorskip("img2dataset.writer")
    table, images = samples(), bodies()
    metadata = tar_metadata(table, 3)
    writer = writer_module.WebDatasetSampleWriter(
        3, str(tmp_path), True, 5, metadata.schema.remove_metadata(), "jpg"
    )
    for row, image in zip(metadata.to_pylist(), images.to_pylist(), strict=True):
        writer.write(image, row["key"], row["caption"], dict(row))
    writer.close()

    ours = write_tar(table, images, "jpg", 3)
    assert _members(ours[".tar"]) == _members((tmp_path / "00003.tar").read_bytes())
    theirs = pq.read_table(tmp_path / "00003.parquet")
    mine = read_parquet(ours[".parquet"])
    assert mine.equals(theirs)
    assert mine.schema.remove_metadata() == theirs.schema.remove_metadata()


def test_columns_of_img2dataset_have_its_order_and_types() -> None:
    schema = tar_metadata(samples(), 0).schema
    assert schema.names[-10:] == [
        "caption", "url", "key", "status", "error_message", "width", "height",
        "original_width", "original_height", "sha256",
    ]  # fmt: skip
    assert [schema.field(n).type for n in schema.names[-7:]] == [
        pa.string(), pa.string(), pa.int32(), pa.int32(), pa.int32(), pa.int32(), pa.string(),
    ][0:7]  # fmt: skip


def _members(body: bytes) -> list[tuple[str, bytes, int, str, str]]:
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return [
            (m.name, tar.extractfile(m).read(), m.mode, m.uname, m.gname)  # type: ignore[union-attr]  # all members are files
            for m in tar
        ]


def test_a_tar_holds_no_time_and_reads_back() -> None:
    one, two = (write_tar(samples(), bodies(), "jpg", 0) for _ in range(2))
    assert one == two
    with tarfile.open(fileobj=io.BytesIO(one[".tar"])) as tar:
        assert {m.mtime for m in tar} == {0}
    back = list(read_tar(one[".tar"]))
    assert [s["jpg"] for s in back] == bodies().to_pylist()
    stats = json.loads(one["_stats.json"])
    assert (stats["count"], stats["successes"], stats["status_dict"]) == (3, 3, {"success": 3})


def test_bytes_that_are_no_tar_are_refused() -> None:
    with pytest.raises(SchemaError, match="expected a tar"):
        list(read_tar(b"x" * 2000))
