import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.formats.delimited import records
from pipeline.source import list_parts, read_part
from schemas.config import SourceConfig

cells = st.text(alphabet='ab",\t\n é', max_size=6)


def read_back(folder: Path, text: str, delimiter: str) -> list[tuple[str | None, str | None]]:
    path = folder / f"a.{'csv' if delimiter == ',' else 'tsv'}"
    path.write_bytes(text.encode())
    plan = list_parts(str(path), SourceConfig())
    rows = read_part(plan.parts[0], plan).rows
    return list(zip(rows["url"].to_pylist(), rows["caption"].to_pylist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.sampled_from([",", "\t"]))
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("url", "caption"), *rows])
    assert read_back(tmp_path_factory.mktemp("csv"), out.getvalue(), delimiter) == rows


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=8))
def test_no_line_is_lost_whatever_the_quotes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    lines = [line.rstrip(b"\r").replace(b"\0", b"0") for line in lines]
    path = tmp_path_factory.mktemp("lines") / "a.csv"
    path.write_bytes(b"\n".join([b"url,caption", *lines]))
    found = b"\n".join(record for _, record in records(str(path), ",")).split(b"\n")
    assert [line for line in found[1:] if line.strip()] == [li for li in lines if li.strip()]


def test_record_is_numbered_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('url,caption\nx,"a\nb"\ny,"never\nz,c\n')
    assert [(n, r) for n, r in records(str(path), ",")] == [
        (1, b"url,caption"),
        (2, b'x,"a\nb"'),
        (4, b'y,"never'),
        (5, b"z,c"),
    ]
