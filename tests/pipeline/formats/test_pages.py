import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.signals import page, wat
from optout.signals.page import PageTags
from pipeline.formats.pages import stored_tags
from pipeline.formats.parts import UNCHECKED
from pipeline.source import SourcePlan, list_parts, read_part
from schemas.canonical import canonical_json
from schemas.config import SourceConfig
from schemas.errors import UsageError
from schemas.tables import SOURCED, require
from schemas.verdict import Family

HTML = (
    '<html><head>\n<meta name="robots" content="noai, ""x">\n<title>é</title></head>'
    "<body>a, b</body>"
)
SILENT = "<html><head><title>x</title></head></html>"
WAT = json.dumps(
    {
        "Envelope": {
            "Payload-Metadata": {
                "HTTP-Response-Metadata": {
                    "Headers": {"X-Robots-Tag": "noai", "Content-Type": "text/html"},
                    "HTML-Metadata": {
                        "Head": {"Metas": [{"name": "robots", "content": "noimageai"}]}
                    },
                }
            }
        }
    }
)
NO_RESPONSE = json.dumps({"Envelope": {"Payload-Metadata": {}}})

URLS = [f"http://a.example/{i}" for i in range(4)]
CELLS: dict[str, list[Any]] = {
    "page_url": ["https://P.example/x#top", None, "http://p.example/", "http://p.example/4"],
    "page_html": [HTML, None, None, SILENT],
    "page_wat": [None, WAT, None, WAT],
}
PAGES = ["https://p.example/x", None, "http://p.example/", "http://p.example/4"]
NAMED = {"html_col": "page_html", "wat_col": "page_wat"}
FORMATS = ["a.parquet", "a.csv", "a.tsv", "a.jsonl", "given.parquet", "images", "tars", "listed"]


def tags_json(tags: PageTags | None) -> str | None:
    return None if tags is None else canonical_json(tags.as_json()).decode()


def write_source(folder: Path, name: str, cells: dict[str, list[Any]]) -> Path:
    """Write a source of four rows with further columns; return what to read."""
    columns: dict[str, list[Any]] = {"url": URLS, "caption": ["a", "b", "c", "d"], **cells}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith("parquet"):
        given_bytes = {"jpg": [b"image"] * len(URLS)} if name == "given.parquet" else {}
        pq.write_table(pa.table({**columns, **given_bytes}), path)
    elif name.endswith("sv"):
        text = io.StringIO()
        writer = csv.writer(text, delimiter="," if name.endswith("csv") else "\t")
        writer.writerows([list(columns), *zip(*columns.values(), strict=True)])
        path.write_bytes(text.getvalue().encode())
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        write_members(path, rows, name)
    return path


def write_members(folder: Path, rows: list[dict[str, Any]], kind: str) -> None:
    folder.mkdir(parents=True)
    members = {}
    for i, row in enumerate(rows):
        members[f"{i}.jpg"] = b"image"
        if kind != "listed":
            members[f"{i}.json"] = json.dumps(row).encode()
    if kind == "images":
        for name, body in members.items():
            (folder / name).write_bytes(body)
        return
    with tarfile.open(folder / "0.tar", "w") as tar:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    if kind == "listed":
        keyed = [{"key": str(i), **row} for i, row in enumerate(rows)]
        pq.write_table(pa.Table.from_pylist(keyed), folder / "0.parquet")


def read_all(path: Path, **config: Any) -> pa.Table:
    plan = list_parts(str(path), SourceConfig(**config))
    plan = SourcePlan.from_json(json.loads(json.dumps(plan.as_json())))  # as it travels
    rows = pa.concat_tables([read_part(part, plan).rows for part in plan.parts])
    require(rows, SOURCED)
    return rows


def refused(path: Path, **config: Any) -> str:
    with pytest.raises(UsageError) as caught:
        list_parts(str(path), SourceConfig(**config))
    return str(caught.value)


def found(rows: pa.Table) -> list[str]:
    return [json.loads(d)["found"] if d else "" for d in rows["stop_detail"].to_pylist()]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_knows_the_page_of_each_row(tmp_path: Path, name: str) -> None:
    rows = read_all(write_source(tmp_path / "in", name, CELLS), **NAMED)
    assert rows["stop_reason"].to_pylist() == [None] * 4, found(rows)
    assert rows["page_key"].to_pylist() == PAGES
    crawled = wat.extract(WAT)
    assert crawled is not None
    assert rows["page_tags"].to_pylist() == [
        tags_json(page.extract(HTML)),
        tags_json(crawled),
        None,
        tags_json(page.extract(SILENT, headers=crawled.headers)),
    ]
    extras = [n for n in rows.column_names if n.startswith("extra.page")]
    assert extras == ["extra.page_url"]
    given_urls = ["" if url is None else url for url in CELLS["page_url"]]
    assert [u or "" for u in rows["extra.page_url"].to_pylist()] == given_urls


@pytest.mark.parametrize("name", FORMATS)
def test_stored_pages_that_nobody_named_ride_along_unread(tmp_path: Path, name: str) -> None:
    path = write_source(tmp_path / "in", name, {**CELLS, "page_wat": ["no JSON"] * 4})
    rows = read_all(path, page_col="-")
    assert rows["page_key"].null_count == rows["page_tags"].null_count == 4
    assert {"extra.page_url", "extra.page_html", "extra.page_wat"} <= set(rows.column_names)
    assert rows["stop_reason"].null_count == 4


@pytest.mark.parametrize("name", FORMATS)
def test_rows_whose_page_cannot_be_judged_are_malformed(tmp_path: Path, name: str) -> None:
    cells = {
        "page_url": ["ftp://p.example/", "http://p.example/a b", "http://p.example/", " "],
        "page_wat": ["", None, "{broken", NO_RESPONSE],
    }
    rows = read_all(write_source(tmp_path / "in", name, cells), wat_col="page_wat")
    assert rows["stop_reason"].to_pylist() == ["malformed"] * 3 + [None]
    assert rows["stop_stage"].to_pylist() == ["source"] * 3 + [None]
    assert all(what.startswith("expected a page URL that can be asked") for what in found(rows)[:2])
    assert rows["page_key"].to_pylist() == [None, None, "http://p.example/", None]
    assert rows["page_tags"].null_count == 4


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("meaning", ["page", "html", "wat"])
def test_named_column_that_is_missing_is_refused(tmp_path: Path, name: str, meaning: str) -> None:
    path = write_source(tmp_path / "in", name, {})
    message = refused(path, **{f"{meaning}_col": "nowhere"})
    assert all(part in message for part in ("nowhere", meaning, f"source.{meaning}_col"))


@pytest.mark.parametrize("name", ["parquet", "csv", "jsonl"])
def test_named_column_must_be_in_every_file_and_a_recognised_one_need_not(
    tmp_path: Path, name: str
) -> None:
    write_source(tmp_path / "in", f"a.{name}", {})
    write_source(tmp_path / "in", f"b.{name}", CELLS)
    for key in ("page_col", "html_col", "wat_col"):
        message = refused(tmp_path / "in", **{key: f"page_{key[:-4].replace('page', 'url')}"})
        assert f"a.{name}" in message
        assert f"source.{key}" in message
    rows = read_all(tmp_path / "in")
    assert rows["page_key"].to_pylist() == [*[None] * 4, *PAGES]
    assert rows["stop_reason"].null_count == 8


@pytest.mark.parametrize("name", ["parquet", "csv", "jsonl"])
def test_page_columns_that_are_spelt_differently_are_refused(tmp_path: Path, name: str) -> None:
    write_source(tmp_path / "in", f"a.{name}", {"page_url": [None, *PAGES[1:]]})
    write_source(tmp_path / "in", f"b.{name}", {"Page_URL": PAGES})
    assert f"b.{name}: expected the page column 'page_url'" in refused(tmp_path / "in")
    path = write_source(tmp_path / "in", f"c.{name}", {"page_url": PAGES, "Page_URL": PAGES})
    assert "source.page_col" in refused(path)
    assert read_all(path, page_col="Page_URL")["page_key"].to_pylist() == PAGES


def test_page_column_is_recognised_in_any_case(tmp_path: Path) -> None:
    path = write_source(tmp_path, "a.csv", {"PAGE_URL": PAGES})
    assert read_all(path)["page_key"].to_pylist() == PAGES


def test_stored_pages_need_columns_of_their_own(tmp_path: Path) -> None:
    path = write_source(tmp_path, "given.parquet", CELLS)
    for config in (
        {"html_col": "caption"},
        {"wat_col": "url"},
        {"html_col": "page_url"},
        {"html_col": "jpg"},
        {"html_col": "page_wat", "wat_col": "page_wat"},
    ):
        assert "columns of their own" in refused(path, **config)


def test_page_may_be_the_url_itself(tmp_path: Path) -> None:
    rows = read_all(write_source(tmp_path, "a.jsonl", {}), page_col="url")
    assert rows["page_key"].to_pylist() == URLS


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.large_string()])
def test_html_may_be_text_or_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    body = HTML if pa.types.is_large_string(kind) else HTML.encode()
    columns = {"url": URLS[:2], "caption": ["a", "b"], "h": pa.array([body, None], kind)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    rows = read_all(tmp_path / "a.parquet", html_col="h")
    assert rows["page_tags"].to_pylist() == [tags_json(page.extract(body)), None]
    pq.write_table(pa.table({**columns, "h": [1, 2]}), tmp_path / "a.parquet")
    assert "to be text, found int64" in refused(tmp_path / "a.parquet", html_col="h")


def test_one_page_that_is_no_utf8_changes_nothing_for_the_others(tmp_path: Path) -> None:
    bad = b"\xff" + HTML.encode()
    html = pa.array([bad, HTML.encode()], pa.binary()).view(pa.string())
    table = pa.table({"url": URLS[:2], "caption": ["a", "b"], "h": html})
    pq.write_table(table, tmp_path / "a.parquet")
    rows = read_all(tmp_path / "a.parquet", html_col="h")
    assert rows["stop_reason"].null_count == 2
    assert rows["page_tags"].to_pylist() == [
        tags_json(page.extract(bad)),
        tags_json(page.extract(HTML)),
    ]


def test_json_values_of_other_kinds_are_malformed_and_parsed_wat_records_are_not(
    tmp_path: Path,
) -> None:
    cells = {
        "page_url": [7, None, None, None],
        "page_html": [None, {"a": 1}, None, None],
        "page_wat": [None, None, 7, json.loads(WAT)],
    }
    rows = read_all(write_source(tmp_path, "a.jsonl", cells), **NAMED)
    assert found(rows) == [
        "expected the page URL to be text, found int",
        "expected the page's HTML, found dict",
        "expected a WAT record, found int",
        "",
    ]
    assert rows["page_tags"].to_pylist() == [None, None, None, tags_json(wat.extract(WAT))]


def test_first_finding_against_a_row_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = ['{"url": "bad", "caption": "c", "page_url": "bad"}', '{"url": ', "[]"]
    path.write_text("\n".join(lines))
    rows = read_all(path)
    assert found(rows)[0].startswith("expected a URL")
    assert all(what.startswith("expected a JSON object") for what in found(rows)[1:])


def test_pages_of_many_rows_are_read_in_batches(tmp_path: Path) -> None:
    n = 700
    columns = {
        "url": [f"http://a.example/{i}" for i in range(n)],
        "caption": ["c"] * n,
        "h": [f'<head><meta name="robots" content="noai, n{i}"></head>' for i in range(n)],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=300)
    rows = read_all(tmp_path / "a.parquet", html_col="h", rows_per_task=400)
    expected = [tags_json(page.extract(html)) for html in columns["h"]]
    assert rows["page_tags"].to_pylist() == expected


def test_types_are_told_from_more_lines_where_lines_hold_pages(tmp_path: Path) -> None:
    html = "x" * 120_000
    path = tmp_path / "a.csv"
    rows = [f"http://a.example/{i},c,{html},{i if i < 20 else 'wide'}" for i in range(22)]
    path.write_text("\n".join(["url,caption,h,width", *rows]))
    assert list(read_all(path, html_col="h")["extra.width"].to_pylist()[-2:]) == ["wide", "wide"]


def test_what_somebody_else_fetched_has_families_that_nobody_can_read() -> None:
    assert UNCHECKED == ("robots", "well-known", "headers", "embedded")
    assert all(type(Family(family)) is Family and type(family) is str for family in UNCHECKED)


cells = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.binary(max_size=60),
    st.sampled_from([HTML, SILENT, WAT, NO_RESPONSE, "\ud800", f'{WAT[:-1]}, "\\ud800": 1}}']),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Envelope",
                        "Payload-Metadata",
                        "HTTP-Response-Metadata",
                        "Headers",
                        "HTML-Metadata",
                        "Head",
                        "Metas",
                        "name",
                        "content",
                        "X-Robots-Tag",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    ),
)


@settings(max_examples=200, deadline=None)
@given(cells, cells)
def test_any_page_gives_tags_or_a_finding(html: Any, record: Any) -> None:
    tags, fault = stored_tags(html, record)
    assert tags is None or fault is None
    if tags is not None:
        assert tags_json(PageTags.from_json(json.loads(tags))) == tags


def test_lone_surrogate_is_a_finding_and_stops_nothing() -> None:
    record = json.loads(WAT)
    response = record["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]
    response["HTML-Metadata"]["Head"]["Metas"][0]["content"] = "noai \ud800"
    tags, fault = stored_tags(None, record)
    assert (tags is None) != (fault is None)
