"""Columns of Arrow as Python values, where rows are judged one by one."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from optout.signals.response import NAMES, bears_signal
from schemas.tables import TEXT

Places = npt.NDArray[np.int64]


def header_lines(headers: pa.ChunkedArray) -> list[tuple[tuple[str, str], ...]]:
    """Return, for each row, the header lines that bear signals, in order and as sent.

    headers: list<struct{name, value}>; a null list gives none.
    """
    lists = combined(headers)
    lines: list[list[tuple[str, str]]] = [[] for _ in range(len(lists))]
    flat = lists.flatten()
    if len(flat):
        name = flat.field("name")
        lower = pc.utf8_lower(pc.utf8_trim_whitespace(name))
        bears = pc.is_in(lower, pa.array(sorted(NAMES), TEXT))
        (found,) = np.nonzero(pc.fill_null(bears, fill_value=False).to_numpy(zero_copy_only=False))
        counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        rows = np.searchsorted(np.cumsum(counts), found, side="right")
        chosen = flat.take(pa.array(found))
        names, values = chosen.field("name").to_pylist(), chosen.field("value").to_pylist()
        for row, header, value in zip(rows.tolist(), names, values, strict=True):
            if bears_signal(header, value or ""):
                lines[row].append((header, value or ""))
    return [tuple(own) for own in lines]


def timestamps(column: pa.ChunkedArray) -> list[int | None]:
    """Return a timestamp column as microseconds since the epoch."""
    at: list[int | None] = column.cast(pa.int64()).to_pylist()
    return at


def combined(column: pa.ChunkedArray | pa.Array) -> Any:
    """Return a column as one array."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # pyarrow gives a chunked array back for no chunks
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    return array


def joined_lists(one: pa.ChunkedArray, other: pa.Array) -> pa.Array:
    """Return, for each row, the values of one list and then those of the other.

    one, other: list<T>, equally long; a null list counts as empty, unless both are null.
    """
    lists = combined(one), combined(other)
    counts = [
        pc.fill_null(pc.list_value_length(a), 0).to_numpy(zero_copy_only=False) for a in lists
    ]
    first, second = (c.astype(np.int64) for c in counts)
    offsets = np.concatenate([[0], np.cumsum(first + second)]).astype(np.int32)
    order = np.empty(int(offsets[-1]), np.int64)
    at = offsets[:-1].astype(np.int64)
    order[_spans(at, first)] = np.arange(int(first.sum()))
    order[_spans(at + first, second)] = int(first.sum()) + np.arange(int(second.sum()))
    values = pa.concat_arrays([a.flatten() for a in lists]).take(pa.array(order))
    neither = pc.and_(lists[0].is_null(), lists[1].is_null())
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=combined(neither))


def _spans(starts: Places, counts: Places) -> Places:
    """Return the indices start, start + 1, … of each span, one span after the other."""
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(total)
