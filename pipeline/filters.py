"""The builder's filters: small expressions over columns that every released row must meet.

    clip_similarity >= 0.2
    width >= 256 and height >= 256 and aspect_ratio < 3
    len(caption) > 4 and not (language in ["xx", "yy"]) or licence is null

The language stands in pipeline.filter_grammar. A comparison with null or NaN is neither true nor
false, and what is not true is not met. `len` counts characters. `aspect_ratio` is the longer by
the shorter edge of the original.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl
import polars.selectors as cs
import pyarrow as pa

from pipeline.filter_grammar import (
    Among,
    Compared,
    Filter,
    Joined,
    Not,
    Null,
    Test,
    Value,
    parse,
)
from schemas.errors import UsageError
from schemas.tables import STOP, TEXT
from schemas.verdict import Reason

__all__ = ["DERIVED", "FILTERED", "Filter", "check", "meets", "parse", "refused"]

STAGE = "filter"

FILTERED = pa.schema([pa.field("uid", TEXT), *STOP])
"""Rows that a filter refuses, with their stop; sorted by uid."""

DERIVED = {"aspect_ratio": ("original_width", "original_height")}
"""Columns made of others, where a table does not have them itself."""

_COMPARE: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "==": pl.Expr.eq,
    "!=": pl.Expr.ne,
    "<": pl.Expr.lt,
    "<=": pl.Expr.le,
    ">": pl.Expr.gt,
    ">=": pl.Expr.ge,
}


def check(filters: Iterable[str], known: Iterable[str]) -> None:
    """Raise UsageError unless every filter can be parsed and speaks about known columns."""
    names = {*known, *DERIVED}
    for text in filters:
        for column in parse(text).columns():
            if column not in names:
                raise UsageError(
                    f"filter {text!r}: expected one of the columns {', '.join(sorted(names))}, "
                    f"found {column!r}"
                )


def meets(table: pa.Table, filters: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """Return bool[n], whether a row meets all filters, and int32[n], the first that it does not.

    Raises UsageError for a filter that cannot be parsed, names an unknown column or compares
    unlike types.
    """
    check(filters, table.column_names)
    frame = _with_derived(pl.DataFrame(pl.from_arrow(table)), filters)
    failed = pl.lit(None, pl.Int32)
    for place in reversed(range(len(filters))):
        test = _expr(parse(filters[place]), frame.schema).fill_null(value=False)
        failed = pl.when(test).then(failed).otherwise(pl.lit(place, pl.Int32))
    first = frame.select(failed.alias("failed"), pl.int_range(pl.len())).to_series(0)
    return first.is_null().to_arrow(), first.to_arrow()


def refused(table: pa.Table, filters: Sequence[str]) -> pa.Table:
    """Return FILTERED: the rows that do not meet all filters, with the first one as detail.

    table: the columns that filters may name, uid among them. Raises as `meets`.
    """
    if not filters or not len(table):
        check(filters, table.column_names)
        return FILTERED.empty_table()
    met, failed = meets(table, filters)
    details = [json.dumps({"filter": text}, ensure_ascii=False) for text in filters]
    rows = [
        {
            "uid": uid,
            "stop_stage": STAGE,
            "stop_reason": str(Reason.FILTER),
            "stop_detail": details[place],
        }
        for uid, fine, place in zip(
            table["uid"].to_pylist(), met.to_pylist(), failed.to_pylist(), strict=True
        )
        if not fine
    ]
    return pa.Table.from_pylist(rows, FILTERED).sort_by("uid")


def _expr(one: Filter, schema: pl.Schema) -> pl.Expr:
    try:
        return _test_expr(one.test, schema)
    except UsageError as e:
        raise UsageError(f"filter {one.text!r}: {e}") from e


def _test_expr(test: Test, schema: pl.Schema) -> pl.Expr:
    if isinstance(test, Joined):
        parts = [_test_expr(part, schema) for part in test.parts]
        return pl.all_horizontal(parts) if test.word == "and" else pl.any_horizontal(parts)
    if isinstance(test, Not):
        return _test_expr(test.inner, schema).not_()
    if isinstance(test, Null):
        return _value_expr(test.value).is_null()
    if isinstance(test, Compared):
        _require_alike((test.left, test.right), schema)
        return _COMPARE[test.mark](_value_expr(test.left), _value_expr(test.right))
    if isinstance(test, Among):
        _require_alike((test.value, *test.among), schema)
        return pl.any_horizontal(
            [_value_expr(test.value) == _value_expr(one) for one in test.among]
        )
    kind = _value_kind(test.value, schema)
    if kind != "truth":
        raise UsageError(f"expected a comparison of {test.value.column}, which is {kind}")
    return _value_expr(test.value)


def _value_kind(value: Value, schema: pl.Schema) -> str:
    """Return number, text, truth or another type's name."""
    if not value.column:
        return _kind_of(value.literal)
    found = _kind(schema[value.column])
    if not value.is_length:
        return found
    if found != "text":
        raise UsageError(f"expected len() of a text column, found {value.column} of {found}")
    return "number"


def _value_expr(value: Value) -> pl.Expr:
    if not value.column:
        return pl.lit(value.literal)
    return pl.col(value.column).str.len_chars() if value.is_length else pl.col(value.column)


def _require_alike(values: Sequence[Value], schema: pl.Schema) -> None:
    kinds = [_value_kind(value, schema) for value in values]
    if len(set(kinds)) > 1 or kinds[0] not in {"number", "text", "truth"}:
        named = [v.column or repr(v.literal) for v in values]
        found = ", ".join(f"{n} is {k}" for n, k in zip(named, kinds, strict=True))
        raise UsageError(f"expected numbers with numbers or text with text, found {found}")


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return "number"
    if dtype == pl.String:
        return "text"
    return "truth" if dtype == pl.Boolean else str(dtype)


def _kind_of(literal: Any) -> str:
    if isinstance(literal, bool):
        return "truth"
    return "text" if isinstance(literal, str) else "number"


def _with_derived(frame: pl.DataFrame, filters: Sequence[str]) -> pl.DataFrame:
    """Return the columns that filters name, derived ones made, NaN as null."""
    wanted = {column for text in filters for column in parse(text).columns()}
    made = []
    for name, edges in DERIVED.items():
        if name in wanted and name not in frame.columns:
            missing = [edge for edge in edges if edge not in frame.columns]
            if missing:
                raise UsageError(f"expected columns {missing}, of which {name} is made")
            a, b = map(pl.col, edges)
            made.append(pl.when(a > b).then(a / b).otherwise(b / a).alias(name))
    # Polars orders NaN above all numbers; a similarity that is none must not pass for a high one.
    return frame.with_columns(made).with_columns(cs.float().fill_nan(None))
