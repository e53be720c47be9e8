import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.filters import FILTERED, check, meets, parse, refused
from schemas.errors import UsageError

TABLE = pa.table(
    {
        "uid": ["b", "a", "c"],
        "width": pa.array([100, 300, None], pa.int32()),
        "height": pa.array([300, 300, 300], pa.int32()),
        "original_width": pa.array([100, 900, None], pa.int32()),
        "original_height": pa.array([300, 300, 300], pa.int32()),
        "clip_similarity": pa.array([0.1, 0.3, math.nan], pa.float32()),
        "caption": ["día", "a long caption", None],
        "nsfw": [True, False, None],
        "lang-id": ["en", "de", None],
        "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
    }
)


def met(text: str) -> list[bool]:
    return list(meets(TABLE, [text])[0].to_pylist())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clip_similarity >= 0.2", [False, True, False]),
        ("clip_similarity < 2", [True, True, False]),
        ("not clip_similarity >= 0.2", [True, False, False]),
        ("clip_similarity is null", [False, False, True]),
        ("width >= 256 and height >= 256", [False, True, False]),
        ("width >= 256 or height >= 256", [True, True, True]),
        ("width == 100 or width == 300 and height == 7", [True, False, False]),
        ("(width == 100 or width == 300) and height == 7", [False, False, False]),
        ("aspect_ratio < 3", [False, False, False]),
        ("aspect_ratio <= 3", [True, True, False]),
        ("len(caption) > 3", [False, True, False]),
        ("len(caption) == 3", [True, False, False]),
        ('caption == "día"', [True, False, False]),
        ("caption != 'día'", [False, True, False]),
        ("`lang-id` in ['en', \"fr\"]", [True, False, False]),
        ("`lang-id` not in ['en']", [False, True, False]),
        ("width is not null", [True, True, False]),
        ("nsfw", [True, False, False]),
        ("not nsfw", [False, True, False]),
        ("nsfw == false", [False, True, False]),
        ("50 < width <= 100", [True, False, False]),
        ("width > -1e3", [True, True, False]),
        ("width < height", [True, False, False]),
        ("not (width > 1 and height > 1)", [False, False, False]),
        ("1 < 2", [True, True, True]),
    ],
)
def test_filter_means_what_it_says(text: str, expected: list[bool]) -> None:
    assert met(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column, number or string at 0, found the end"),
        ("width >", "at 7, found the end"),
        ("width >> 2", "at 7, found '>'"),
        ("width = 2", "at 6, found '='"),
        ("width", "which is number"),
        ("len(caption)", "expected a comparison"),
        ("width > 1 height", "'and', 'or' or the end"),
        ("(width > 1", "expected '\\)'"),
        ("width in (1)", "expected '\\['"),
        ("width in [height]", "numbers or strings in a list"),
        ("width in [1 2]", "',' or '\\]'"),
        ("width not 3", "'in' after 'not'"),
        ("width is 3", "'null'"),
        ("width > 'x'", "numbers with numbers"),
        ("width in [1, 'x']", "numbers with numbers"),
        ("at > 3", "datetime|Datetime"),
        ("len(width) > 3", "len\\(\\) of a text column"),
        ("len(len(caption)) > 3", "len\\(column\\)"),
        ("nope > 3", "expected one of the columns .*aspect_ratio.*found 'nope'"),
        ("__import__('os').system('x')", "expected"),
        ("width > 3abc", "expected"),
        ("caption == 'open", "expected"),
        ("not " * 200 + "nsfw", "levels"),
        ("x" * 3000, "at most 2000"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        meets(TABLE, [text])


def test_first_filter_that_is_not_met_is_named() -> None:
    fine, failed = meets(TABLE, ["height == 300", "width > 1", "width > 200"])
    assert fine.to_pylist() == [False, True, False]
    assert failed.to_pylist() == [2, None, 1]
    assert failed.type == pa.int32()


def test_no_filter_is_met_by_all() -> None:
    assert meets(TABLE, [])[0].to_pylist() == [True] * 3


def test_refused_rows_carry_their_stop() -> None:
    found = refused(TABLE, ["width > 200"])
    assert found.schema == FILTERED
    assert found["uid"].to_pylist() == ["b", "c"]
    assert set(found["stop_reason"].to_pylist()) == {"filter"}
    assert json.loads(found["stop_detail"][0].as_py()) == {"filter": "width > 200"}
    assert refused(TABLE, []).equals(FILTERED.empty_table())
    assert refused(TABLE.slice(0, 0), ["width > 1"]).equals(FILTERED.empty_table())


def test_unknown_columns_are_found_before_work() -> None:
    check(["aspect_ratio < 3", "`a b` > 1"], ["a b"])
    with pytest.raises(UsageError, match="found 'width'"):
        check(["width > 1"], ["height"])
    with pytest.raises(UsageError, match="found 'nope'"):
        refused(TABLE.slice(0, 0), ["nope > 1"])


def test_aspect_ratio_of_the_table_itself_is_taken_first() -> None:
    table = pa.table({"uid": ["a"], "aspect_ratio": [9.0]})
    assert meets(table, ["aspect_ratio > 8"])[0].to_pylist() == [True]
    with pytest.raises(UsageError, match="original_width"):
        meets(pa.table({"uid": ["a"]}), ["aspect_ratio > 8"])


numbers = st.integers(-3, 3)
tests_of_width = st.recursive(
    st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), numbers),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=6,
)


def written(test: tuple[Any, ...]) -> str:
    if test[0] == "not":
        return f"not ({written(test[1])})"
    if test[0] in {"and", "or"}:
        return f"({written(test[1])}) {test[0]} ({written(test[2])})"
    return f"width {test[0]} {test[1]}"


@given(tests_of_width, st.lists(numbers, min_size=1, max_size=5))
def test_filter_agrees_with_python_where_nothing_is_null(
    test: tuple[Any, ...], widths: list[int]
) -> None:
    text = written(test)
    got = meets(pa.table({"width": widths}), [text])[0].to_pylist()
    expected = [eval(text, {"width": width}) for width in widths]  # noqa: S307 - the oracle, on our own text
    assert got == expected


@given(tests_of_width, st.lists(st.one_of(st.none(), numbers), min_size=1, max_size=5))
def test_null_is_never_met(test: tuple[Any, ...], widths: list[int | None]) -> None:
    table = pa.table({"width": pa.array(widths, pa.int64())})
    got = meets(table, [f"width == width and ({written(test)})"])[0].to_pylist()
    assert not any(fine for fine, width in zip(got, widths, strict=True) if width is None)


@given(st.text(alphabet="ab1.'\"`()[],<>=! andornotinisnull", max_size=40))
def test_any_text_is_a_filter_or_a_usage_error(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    assert parse(found.text) == found
