import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.source import (
    UNCHECKED,
    Part,
    Placed,
    SourcePlan,
    given_observed,
    list_parts,
    read_part,
)
from schemas.config import SourceConfig
from schemas.errors import CurationError, UsageError
from schemas.tables import OBSERVED, SOURCED, require

UID = "0123456789abcdef0123456789ABCDEF"
CONFIG = SourceConfig()


def read_all(path: Path | str, **config: Any) -> tuple[SourcePlan, pa.Table]:
    plan = list_parts(str(path), SourceConfig(**config))
    plan = SourcePlan.from_json(json.loads(json.dumps(plan.as_json())))  # as it travels
    tables = [read_part(part, plan).rows for part in plan.parts]
    rows = pa.concat_tables(tables)
    require(rows, SOURCED)
    assert plan.rows is None or plan.rows == len(rows)
    assert len(set(rows["row"].to_pylist())) == len(rows)
    return plan, rows


def bodies(path: Path, **config: Any) -> list[tuple[str, bytes, tuple[str, ...]]]:
    plan = list_parts(str(path), SourceConfig(**config))
    found = [b for part in plan.parts for b in read_part(part, plan).bodies()]
    return [(b.url_key, b.body, b.unchecked) for b in found]


def reasons(rows: pa.Table) -> list[str | None]:
    return list(rows["stop_reason"].to_pylist())


def details(rows: pa.Table) -> list[str]:
    return [json.loads(d)["found"] if d else "" for d in rows["stop_detail"].to_pylist()]


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def write_parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return path


def refused(path: Path | str, **config: Any) -> str:
    with pytest.raises(UsageError) as caught:
        list_parts(str(path), SourceConfig(**config))
    return str(caught.value)


LIST = {"URL": ["http://a.example/1", "http://B.example/2"], "TEXT": ["one", None], "width": [1, 2]}


def as_csv(mark: str = ",") -> str:
    return f"URL{mark}TEXT{mark}width\nhttp://a.example/1{mark}one{mark}1\nhttp://B.example/2{mark}{mark}2\n"


def as_jsonl() -> str:
    return "".join(
        json.dumps(dict(zip(LIST, row, strict=True))) + "\n"
        for row in zip(*LIST.values(), strict=True)
    )


@pytest.mark.parametrize(
    "name", ["a.parquet", "a.csv", "a.tsv", "a.jsonl", "a.csv.gz", "a.jsonl.gz"]
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = {"csv": as_csv(), "tsv": as_csv("\t"), "jsonl": as_jsonl()}.get(name.split(".")[1], "")
    if name.endswith("parquet"):
        write_parquet(path, LIST)
    else:
        write(path, gzip.compress(text.encode()) if name.endswith("gz") else text)
    _, rows = read_all(path)
    assert rows["url"].to_pylist() == LIST["URL"]
    assert rows["url_key"].to_pylist() == ["http://a.example/1", "http://b.example/2"]
    assert rows["host"].to_pylist() == ["a.example", "b.example"]
    assert rows["caption"].to_pylist() == ["one", "" if "sv" in name else None]
    assert rows["extra.width"].to_pylist() == [1, 2]
    assert rows.schema.field("extra.width").type == pa.int64()
    assert rows["row"].to_pylist() == [0, 1]
    assert reasons(rows) == [None, None]


def test_folder_glob_and_file_url_are_sources(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "in" / f"part-{i}.csv", f"url,caption\nhttp://a.example/{i},c{i}\n")
    write(tmp_path / "in" / "README.md", "about")
    write(tmp_path / "in" / "_SUCCESS", "")
    write(tmp_path / "in" / ".hidden.csv", "x")
    plan, rows = read_all(tmp_path / "in")
    assert rows["caption"].to_pylist() == ["c0", "c1", "c2"]
    assert rows["row"].to_pylist() == [0, 1 << 40, 2 << 40]
    assert plan.name == "in"
    assert len(read_all(tmp_path / "in" / "part-[12].csv")[1]) == 2
    assert len(read_all(f"file://{tmp_path}/in")[1]) == 3


def test_other_file_systems_are_read(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/lists/a.csv", as_csv().encode())
    memory.pipe("/lists/b.csv.gz", gzip.compress(as_csv().encode()))
    try:
        _, rows = read_all("memory://lists")
        assert len(rows) == 4
    finally:
        memory.rm("/lists", recursive=True)


def test_datacomp_uid_is_taken_and_another_uid_is_not(tmp_path: Path) -> None:
    columns = {"uid": [UID, None], "url": ["http://a.example/"] * 2, "text": ["t", "u"]}
    _, rows = read_all(write_parquet(tmp_path / "a.parquet", columns))
    assert rows["given_uid"].to_pylist() == [UID.lower(), None]
    columns["uid"] = ["7", "8"]
    _, rows = read_all(write_parquet(tmp_path / "b.parquet", columns))
    assert rows["given_uid"].to_pylist() == [None, None]
    assert rows["extra.uid"].to_pylist() == ["7", "8"]


def test_bad_uid_in_a_chosen_column_is_malformed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", f"id,url,caption\n{UID},http://a.example/,a\n7,http://a.example/,b\n"
    )
    _, rows = read_all(path, uid_col="id")
    assert rows["given_uid"].to_pylist() == [UID.lower(), None]
    assert reasons(rows) == [None, "malformed"]


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "link,url,words\nhttp://a.example/,x,hello\n")
    _, rows = read_all(path, url_col="link", caption_col="words")
    assert rows["caption"].to_pylist() == ["hello"]
    assert rows["extra.url"].to_pylist() == ["x"]
    _, rows = read_all(path, url_col="link", caption_col="-")
    assert rows["caption"].to_pylist() == [None]
    assert rows["extra.words"].to_pylist() == ["hello"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_missing_column_names_expected_and_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.parquet":
        write_parquet(path, {"link": ["x"], "alt_text": ["y"]})
    else:
        write(
            path, "link,alt_text\nx,y\n" if name == "a.csv" else '{"link": "x", "alt_text": "y"}\n'
        )
    message = refused(path)
    assert all(
        part in message for part in (name, "image_url", "'link', 'alt_text'", "source.url_col")
    )
    assert "caption" in refused(path, url_col="link")
    assert "'nope'" in ascii(refused(path, url_col="nope")) or "nope" in refused(
        path, url_col="nope"
    )


def test_missing_column_in_a_later_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", as_csv())
    write(tmp_path / "b.csv", "address,TEXT\nx,y\n")
    assert "b.csv" in refused(tmp_path)
    write_parquet(tmp_path / "p" / "a.parquet", LIST)
    write_parquet(tmp_path / "p" / "b.parquet", {"URL": ["x"], "caption": ["y"]})
    assert "b.parquet" in refused(tmp_path / "p")


def test_two_columns_that_could_both_be_meant_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "url,URL,caption\na,b,c\n")
    assert "source.url_col" in refused(path)
    assert read_all(path, url_col="URL")[0].columns.url == "URL"


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_duplicate_column_names_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.csv":
        write(path, "url,caption,caption\nhttp://a.example/,x,y\n")
    else:
        table = pa.Table.from_arrays([pa.array(["x"])] * 3, names=["url", "caption", "caption"])
        pq.write_table(table, path)
    assert "caption" in refused(path)
    assert "more than once" in refused(path)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.tar"])
def test_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    message = refused(write(tmp_path / name, b""))
    assert name in message
    assert "empty file" in message


def test_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert "found none" in refused(write(tmp_path / "a.csv", "url,caption\n"))
    assert "empty" in refused(write(tmp_path / "a.jsonl", "\n\n"))
    assert "without any" in refused(
        write_parquet(tmp_path / "a.parquet", {"url": [], "caption": []})
    )


def test_truncated_parquet_is_refused_before_work(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", LIST)
    path.write_bytes(path.read_bytes()[:-20])
    assert "whole Parquet" in refused(path)
    assert "a.parquet" in refused(path)


def test_damaged_parquet_page_is_a_clear_error(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet",
        {"url": [f"http://a.example/{i}" for i in range(5000)], "caption": ["x"] * 5000},
        compression="zstd",
    )
    body = bytearray(path.read_bytes())
    body[40:400] = b"\xff" * 360
    path.write_bytes(body)
    with pytest.raises(CurationError, match=r"a\.parquet"):
        read_all(path)


def test_wrong_format_is_refused(tmp_path: Path) -> None:
    good = write_parquet(tmp_path / "good.parquet", LIST)
    assert "Parquet" in refused(write(tmp_path / "a.csv", good.read_bytes()))
    assert "Parquet" in refused(write(tmp_path / "a.parquet", as_csv()))
    assert "UTF-16" in refused(write(tmp_path / "b.csv", as_csv().encode("utf-16")))
    assert "JSON object" in refused(write(tmp_path / "a.jsonl", as_csv()))
    assert "JSON object" in refused(write(tmp_path / "a.json", "[\n{}]\n"))
    assert "binary" in refused(write(tmp_path / "c.csv", b"\x7fELF\x00\x00"))
    assert "tar" in refused(write(tmp_path / "a.tar", b"not a tar" * 100))


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in ("absent.csv", "empty", "*.csv"):
        assert "found nothing" in refused(tmp_path / source)
    assert "fsspec" in refused("nosuchprotocol://x/y.csv")
    write(tmp_path / "notes" / "a.txt", "x")
    assert "one format" in refused(tmp_path / "notes")


def test_mixed_formats_are_refused_until_one_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", as_csv())
    write(tmp_path / "b.jsonl", as_jsonl())
    assert "1 of csv, 1 of jsonl" in refused(tmp_path)
    assert len(read_all(tmp_path, input_format="csv")[1]) == 2
    assert "expected files of tsv" in refused(tmp_path, input_format="tsv")
    write_tar(tmp_path / "both" / "0.tar", {"0.jpg": b"x"})
    write_parquet(tmp_path / "both" / "list.parquet", LIST)
    assert "1 of img2dataset, 1 of parquet" in refused(tmp_path / "both")
    write(tmp_path / "pics" / "0.jpg", "x")
    write(tmp_path / "pics" / "0.jsonl", as_jsonl())
    assert "1 of images, 1 of jsonl" in refused(tmp_path / "pics")
    odd = write(tmp_path / "list.dat", as_csv())
    assert len(read_all(odd, input_format="csv")[1]) == 2


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_bad_rows_are_stopped_and_none_is_lost(tmp_path: Path, name: str) -> None:
    urls = [
        "",
        None,
        "ftp://a.example/",
        "http://a.example/\x01",
        "http://a.example/a b",
        "http://a.example/ok",
    ]
    columns = {"url": urls, "caption": ["c"] * 6}
    path = tmp_path / name
    if name == "a.parquet":
        write_parquet(path, columns)
    elif name == "a.csv":
        write(path, "url,caption\n" + "".join(f"{u or ''},c\n" for u in urls))
    else:
        write(path, "".join(json.dumps({"url": u, "caption": "c"}) + "\n" for u in urls))
    _, rows = read_all(path)
    assert reasons(rows) == ["malformed"] * 5 + [None]
    assert "found none" in details(rows)[0]
    assert "U+0001" in details(rows)[3]
    assert rows["url_key"].to_pylist() == [None] * 5 + ["http://a.example/ok"]
    assert set(rows["stop_stage"].to_pylist()[:5]) == {"source"}


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_ten_megabyte_caption_is_malformed_and_cut(tmp_path: Path, name: str) -> None:
    long = "é" * 5_000_000
    captions = [long, "short"]
    path = tmp_path / name
    if name == "a.parquet":
        write_parquet(path, {"url": ["http://a.example/"] * 2, "caption": captions})
    elif name == "a.csv":
        write(path, "url,caption\n" + "".join(f'http://a.example/,"{c}"\n' for c in captions))
    else:
        write(
            path,
            "".join(
                json.dumps({"url": "http://a.example/", "caption": c}) + "\n" for c in captions
            ),
        )
    _, rows = read_all(path, max_caption_bytes=1001)
    assert reasons(rows) == ["malformed", None]
    assert "found 10000000" in details(rows)[0]
    assert rows["caption"].to_pylist() == ["é" * 500, "short"]


def test_bytes_that_are_no_utf8_are_malformed_and_shown_escaped(tmp_path: Path) -> None:
    bad = b"Z\xfcrich"
    csv = write(
        tmp_path / "a.csv", b"url,caption\nhttp://a.example/," + bad + b"\nhttp://a.example/,ok\n"
    )
    jsonl = write(
        tmp_path / "a.jsonl",
        b'{"url":"http://a.example/","caption":"'
        + bad
        + b'"}\n{"url":"http://a.example/","caption":"ok"}\n',
    )
    table = pa.table(
        {
            "url": ["http://a.example/"] * 2,
            "caption": pa.array([bad, b"ok"], pa.binary()).view(pa.string()),
        }
    )
    parquet = tmp_path / "a.parquet"
    pq.write_table(table, parquet)
    for path in (csv, jsonl, parquet):
        _, rows = read_all(path)
        assert reasons(rows) == ["malformed", None], path
        assert rows["caption"].to_pylist() == ["Z\\xfcrich", "ok"], path
        assert "0xfc" in details(rows)[0], path
        rows.validate(full=True)


def test_further_column_that_is_no_utf8_stops_its_row(tmp_path: Path) -> None:
    note = pa.array([b"\xff", b"fine"], pa.binary()).view(pa.string())
    table = pa.table({"url": ["http://a.example/"] * 2, "caption": ["a", "b"], "note": note})
    pq.write_table(table, tmp_path / "a.parquet")
    _, rows = read_all(tmp_path / "a.parquet")
    rows.validate(full=True)
    assert reasons(rows) == ["malformed", None]
    assert rows["extra.note"].to_pylist() == [None, "fine"]


def test_binary_columns_that_hold_text_are_text(tmp_path: Path) -> None:
    table = pa.table({"url": [b"http://a.example/"], "caption": [b"\xc3\xa9"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_all(tmp_path / "a.parquet")[1]["caption"].to_pylist() == ["é"]


def test_column_of_numbers_is_no_url_column(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"url": [1], "caption": ["x"]})
    assert "int64" in refused(path)


def test_mixed_types_in_json_lines(tmp_path: Path) -> None:
    values = [
        {"url": "http://a.example/", "caption": "a", "n": 1, "m": 1, "boxes": [[0.5]]},
        {"url": 7, "caption": "b", "n": 2, "m": "x"},
        {"url": "http://a.example/", "caption": ["c"], "n": 2.5, "m": {"k": None}},
        {"url": "http://a.example/", "caption": "\ud800", "n": None},
    ]
    text = "".join(json.dumps(v) + "\n" for v in values)
    _, rows = read_all(write(tmp_path / "a.jsonl", text))
    assert reasons(rows) == [None, "malformed", "malformed", "malformed"]
    assert details(rows)[1:] == [
        "expected url to be text, found int",
        "expected caption to be text, found list",
        "expected caption in Unicode, found a lone surrogate",
    ]
    assert rows["extra.n"].to_pylist() == [1.0, 2.0, 2.5, None]
    assert rows["extra.m"].to_pylist() == ["1", "x", '{"k": null}', None]
    assert rows["extra.boxes"].to_pylist() == [[[0.5]], None, None, None]


def test_value_of_another_type_than_the_first_lines_showed_is_malformed(tmp_path: Path) -> None:
    line = '{"url": "http://a.example/", "caption": "c", "width": %s}\n'
    text = "".join(line % i for i in range(10_000)) + line % '"wide"' + line % 7
    _, rows = read_all(write(tmp_path / "a.jsonl", text))
    assert reasons(rows)[-2:] == ["malformed", None]
    assert "extra.width to be int64" in details(rows)[-2]
    csv = "url,caption,width\n" + "http://a.example/,c,1\n" * 10_000 + "http://a.example/,c,wide\n"
    _, rows = read_all(write(tmp_path / "a.csv", csv))
    assert reasons(rows)[-1] == "malformed"


def test_bad_lines_are_rows_with_their_line_number(tmp_path: Path) -> None:
    ok = '{"url": "http://a.example/", "caption": "c"}'
    path = write(tmp_path / "a.jsonl", f"{ok}\n\n{{broken\n[1]\n{'[' * 100_000}\n{ok}\n")
    _, rows = read_all(path)
    assert reasons(rows) == [None, "malformed", "malformed", "malformed", None]
    lines = [json.loads(d)["line"] for d in rows["stop_detail"].to_pylist() if d]
    assert lines == [3, 4, 5]
    path = write(
        tmp_path / "a.csv",
        "url,caption\nhttp://a.example/,a,b\nhttp://a.example/\nhttp://a.example/,c\n",
    )
    _, rows = read_all(path)
    assert reasons(rows) == ["malformed", "malformed", None]
    assert json.loads(rows["stop_detail"][0].as_py()) == {
        "found": "expected 2 fields, found 3",
        "line": 2,
    }


def test_quoted_fields_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        'url,caption\r\nhttp://a.example/,"a, ""b""\nc"\r\nhttp://a.example/,5" pipe\r\n',
    )
    _, rows = read_all(path)
    assert rows["caption"].to_pylist() == ['a, "b"\nc', '5" pipe']


def test_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        'url,caption\nhttp://a.example/1,"open\nhttp://a.example/2,b\nhttp://a.example/3,c',
    )
    _, rows = read_all(path)
    assert reasons(rows) == ["malformed", None, None]
    assert rows["caption"].to_pylist()[1:] == ["b", "c"]


def test_byte_order_mark_belongs_to_no_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbf" + as_csv().encode())
    assert read_all(path)[0].columns.url == "URL"
    path = write(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + as_jsonl().encode())
    assert reasons(read_all(path)[1]) == [None, None]


def test_cut_gzip_is_a_clear_error(tmp_path: Path) -> None:
    lines = "".join(f"http://a.example/{i * 7919 % 100_003},c{i}\n" for i in range(90_000))
    body = gzip.compress(f"url,caption\n{lines}".encode(), 1)
    path = write(tmp_path / "a.csv.gz", body[: len(body) - 2000])
    plan = list_parts(str(path), CONFIG)
    with pytest.raises(UsageError, match="whole gzip"):
        read_part(plan.parts[0], plan)


def test_parquet_is_cut_at_row_groups_and_big_groups_inside(tmp_path: Path) -> None:
    n = 1000
    columns = {"url": [f"http://a.example/{i}" for i in range(n)], "caption": ["x"] * n}
    for size, expected in ((100, 4), (1000, 4), (300, 4)):
        path = write_parquet(tmp_path / f"{size}.parquet", columns, row_group_size=size)
        plan, rows = read_all(path, rows_per_task=300)
        assert rows["url"].to_pylist() == columns["url"]
        assert rows["row"].to_pylist() == list(range(n))
        assert abs(len(plan.parts) - expected) <= 1
        assert max(p.stop - p.start for p in plan.parts) <= 600


def test_further_columns_are_unified_over_files(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", {**LIST, "width": pa.array([1, 2], pa.int32())})
    write_parquet(tmp_path / "b.parquet", {**LIST, "width": [1.5, None], "boxes": [[[1.0]], []]})
    plan, rows = read_all(tmp_path)
    assert plan.extra_schema == pa.schema(
        [("extra.width", pa.float64()), ("extra.boxes", pa.list_(pa.list_(pa.float64())))]
    )
    assert rows["extra.width"].to_pylist() == [1.0, 2.0, 1.5, None]
    assert rows["extra.boxes"].to_pylist() == [None, None, [[1.0]], []]
    write_parquet(tmp_path / "c.parquet", {**LIST, "width": [{"w": 1}, None]})
    assert "c.parquet" in refused(tmp_path)
    assert "width" in refused(tmp_path)


def test_dictionary_and_large_text_columns_ride_along_as_text(tmp_path: Path) -> None:
    columns = {
        "url": pa.array(["http://a.example/"] * 2).dictionary_encode(),
        "caption": pa.array(["a", "b"], pa.large_string()),
        "tag": pa.array(["x", None]).dictionary_encode(),
    }
    path = write_parquet(tmp_path / "a.parquet", columns)
    _, rows = read_all(path)
    assert rows["extra.tag"].to_pylist() == ["x", None]
    assert rows.schema.field("extra.tag").type == pa.string()
    assert reasons(rows) == [None, None]


def test_changed_source_has_another_fingerprint(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.csv", as_csv())
    before = list_parts(str(path.parent), CONFIG).fingerprint
    moved = write(tmp_path / "there" / "a.csv", as_csv())
    assert list_parts(str(moved.parent), CONFIG).fingerprint == before
    write(path, as_csv().replace("one", "two"))
    assert list_parts(str(path.parent), CONFIG).fingerprint != before
    write(path, as_csv())
    write(path.parent / "b.csv", as_csv())
    assert list_parts(str(path.parent), CONFIG).fingerprint != before


def img2dataset_rows() -> dict[str, list[Any]]:
    return {
        "url": [
            "http://a.example/0",
            "http://a.example/1",
            "http://b.example/2",
            "http://b.example/3",
        ],
        "caption": ["zero", "one", "two", None],
        "key": [f"00000000{i}" for i in range(4)],
        "status": ["success", "failed_to_download", "failed_to_resize", "success"],
        "error_message": [None, "HTTP Error 404: Not Found", "image too small", None],
        "width": [2, None, None, 3],
    }


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return path


def write_img2dataset(folder: Path, *, sidecar: bool = True) -> Path:
    columns = img2dataset_rows()
    members = {}
    for i in (0, 3):
        key = columns["key"][i]
        members[f"{key}.jpg"] = f"image {i}".encode()
        if columns["caption"][i]:
            members[f"{key}.txt"] = columns["caption"][i].encode()
        members[f"{key}.json"] = json.dumps({n: v[i] for n, v in columns.items()}).encode()
    write_tar(folder / "00000.tar", members)
    write(folder / "00000_stats.json", "{}")
    if sidecar:
        write_parquet(folder / "00000.parquet", columns)
    return folder


def test_img2dataset_tars_give_bytes_and_their_failures(tmp_path: Path) -> None:
    folder = write_img2dataset(tmp_path / "out")
    plan, rows = read_all(folder)
    assert plan.format == "img2dataset"
    assert rows["url"].to_pylist() == img2dataset_rows()["url"]
    assert rows["caption"].to_pylist() == ["zero", "one", "two", None]
    assert reasons(rows) == [None, "http_status", "too_small", None]
    assert rows["url_key"].to_pylist() == [
        "given:00000.tar#000000000",
        None,
        None,
        "given:00000.tar#000000003",
    ]
    assert rows["host"].to_pylist() == ["a.example", "a.example", "b.example", "b.example"]
    assert rows["extra.width"].to_pylist() == [2, None, None, 3]
    assert bodies(folder) == [
        ("given:00000.tar#000000000", b"image 0", UNCHECKED),
        ("given:00000.tar#000000003", b"image 3", UNCHECKED),
    ]


def test_tar_alone_says_what_its_members_say(tmp_path: Path) -> None:
    folder = write_img2dataset(tmp_path / "out", sidecar=False)
    _, rows = read_all(folder)
    assert rows["caption"].to_pylist() == ["zero", None]
    assert rows["extra.key"].to_pylist() == ["000000000", "000000003"]
    assert rows["extra.width"].to_pylist() == [2, 3]
    assert len(bodies(folder)) == 2


def test_row_whose_bytes_the_tar_lacks_is_malformed(tmp_path: Path) -> None:
    folder = write_img2dataset(tmp_path / "out")
    write_tar(folder / "00000.tar", {"000000000.jpg": b"x"})
    _, rows = read_all(folder)
    assert reasons(rows) == [None, "http_status", "too_small", "malformed"]
    assert details(rows)[3] == "expected image bytes, found none"


def test_cut_tar_is_a_clear_error(tmp_path: Path) -> None:
    folder = write_img2dataset(tmp_path / "out")
    body = (folder / "00000.tar").read_bytes()
    (folder / "00000.tar").write_bytes(body[:700])
    with pytest.raises(UsageError, match=r"00000\.tar: expected a whole tar"):
        read_all(folder)


def test_img2dataset_parquet_gives_bytes_and_its_failures(tmp_path: Path) -> None:
    columns = {**img2dataset_rows(), "jpg": [b"image 0", None, None, b"image 3"]}
    path = write_parquet(tmp_path / "out" / "00000.parquet", columns, row_group_size=3)
    _, rows = read_all(path.parent, rows_per_task=2)
    assert reasons(rows) == [None, "http_status", "too_small", None]
    assert "extra.jpg" not in rows.column_names
    assert bodies(path.parent, rows_per_task=1) == [
        ("given:00000.parquet#0", b"image 0", UNCHECKED),
        ("given:00000.parquet#3", b"image 3", UNCHECKED),
    ]


def test_hugging_face_image_structs_are_given_bytes(tmp_path: Path) -> None:
    images = [{"bytes": b"one", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}]
    path = write_parquet(tmp_path / "a.parquet", {"image": images, "text": ["a", "b"]})
    _, rows = read_all(path)
    assert reasons(rows) == [None, "malformed"]
    assert [body for _, body, _ in bodies(path)] == [b"one"]


def test_bytes_are_left_aside_where_the_builder_says_list(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {**LIST, "jpg": [b"x", b"y"]})
    plan, rows = read_all(path, input_format="parquet")
    assert plan.format == "parquet"
    assert rows.column_names == [*SOURCED.names, "extra.width"]
    assert rows["url_key"][0].as_py() == "http://a.example/1"
    assert "image bytes" in refused(
        write_parquet(tmp_path / "b.parquet", LIST), input_format="img2dataset"
    )


def test_folder_of_images_takes_captions_from_beside_or_the_name(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.JPG", b"A")
    write(tmp_path / "in" / "a.txt", "an apple\n")
    write(tmp_path / "in" / "sub" / "red_barn.png", b"B")
    write(tmp_path / "in" / "sub" / "c.webp", b"C")
    write(
        tmp_path / "in" / "sub" / "c.json",
        '{"caption": "a cat", "url": "http://a.example/c", "licence": "CC0"}',
    )
    write(tmp_path / "in" / "sub" / "bad.jpg", b"D")
    write(tmp_path / "in" / "sub" / "bad.txt", b"\xff")
    plan, rows = read_all(tmp_path / "in", rows_per_task=3)
    assert len(plan.parts) == 2
    assert rows["caption"].to_pylist() == ["an apple", "\\xff", "a cat", "red_barn"]
    assert reasons(rows) == [None, "malformed", None, None]
    assert rows["url"].to_pylist() == [None, None, "http://a.example/c", None]
    assert rows["host"].to_pylist() == [None, None, "a.example", None]
    assert rows["extra.licence"].to_pylist() == [None, None, "CC0", None]
    assert bodies(tmp_path / "in") == [
        ("given:#a.JPG", b"A", ()),
        ("given:#sub/c.webp", b"C", UNCHECKED),
        ("given:#sub/red_barn.png", b"B", ()),
    ]


def test_given_bytes_with_a_url_that_nobody_can_screen_are_malformed(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet", {"url": ["not a url"], "caption": ["x"], "jpg": [b"x"]}
    )
    assert reasons(read_all(path)[1]) == ["malformed"]


def test_given_bytes_become_observations(tmp_path: Path) -> None:
    table = given_observed([Placed("given:a#1", "packs/0", 7, 3, "ab", UNCHECKED, (2,))])
    require(table, OBSERVED)
    row = table.to_pylist()[0]
    assert (row["outcome"], row["offset"], row["shards"]) == ("given", 7, [2])
    assert row["unchecked"] == list(UNCHECKED)
    assert given_observed([]).schema == OBSERVED


def test_parts_are_small_and_travel_as_json(tmp_path: Path) -> None:
    plan = list_parts(str(write(tmp_path / "a.csv", as_csv())), CONFIG)
    assert Part.from_json(json.loads(json.dumps(plan.parts[0].as_json()))) == plan.parts[0]
    with pytest.raises(UsageError):
        Part.from_json({"path": "x"})
    with pytest.raises(UsageError):
        SourcePlan.from_json({"name": "x"})


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(["csv", "tsv", "jsonl", "parquet", "tar"]),
    st.booleans(),
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, kind: str, headed: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    head = {
        "csv": b"url,caption\nu,c\n",
        "tsv": b"url\tcaption\nu\tc\n",
        "jsonl": b'{"url":"u","caption":"c"}\n',
    }
    path = write(folder / f"a.{kind}", (head.get(kind, b"") if headed else b"") + body)
    try:
        _, rows = read_all(path)
    except UsageError:
        return
    rows.validate(full=True)
    assert all(np.array(rows["row"]) >= 0)
