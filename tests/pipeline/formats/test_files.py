import gzip
from pathlib import Path

import pytest

from pipeline.formats.files import (
    content_hint,
    find_files,
    open_unpacked,
    read_file,
    read_ranges,
    reading,
    source_name,
)
from schemas.errors import StorageError, UsageError


def test_files_are_found_below_a_folder_sorted_and_named_from_it(tmp_path: Path) -> None:
    for name in ("b.csv", "a/c.csv", ".hidden", "a/.git/x", "a/D.CSV.GZ"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    files = find_files(f"{tmp_path}/")
    assert [f.relative for f in files] == ["a/D.CSV.GZ", "a/c.csv", "b.csv"]
    assert files[0].suffix == ".csv"
    assert [f.relative for f in find_files(str(tmp_path / "b.csv"))] == ["b.csv"]
    assert [f.relative for f in find_files(str(tmp_path / "**" / "*.csv"))] == ["a/c.csv", "b.csv"]


def test_source_is_named_by_its_last_part() -> None:
    assert source_name("s3://bucket/lists/laion/") == "laion"
    assert source_name("/x/urls.parquet") == "urls.parquet"


def test_hint_sees_both_ends_and_all_of_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    hints = []
    for body in (
        b"0123456789" * 3,
        b"0123456789" * 2 + b"012345678x",
        b"x123456789" + b"0123456789" * 2,
    ):
        path.write_bytes(body)
        hints.append(content_hint(find_files(str(path))[0], 8))
    assert len(set(hints)) == 3


def test_gzip_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "plain.name"
    path.write_bytes(gzip.compress(b"hello"))
    with open_unpacked(str(path)) as f:
        assert f.read() == b"hello"


def test_absent_and_short_files_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found nothing"):
        read_file(str(tmp_path / "absent"))
    (tmp_path / "a").write_bytes(b"abc")
    assert list(read_ranges(str(tmp_path / "a"), [(1, 2), (0, 1)])) == [b"bc", b"a"]
    with pytest.raises(UsageError, match="expected 9 bytes at 1"):
        list(read_ranges(str(tmp_path / "a"), [(1, 9)]))


def test_failing_storage_may_be_tried_again() -> None:
    with pytest.raises(StorageError, match="s3://x"), reading("s3://x"):
        raise OSError("connection reset")
