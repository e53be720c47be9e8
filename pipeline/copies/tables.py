"""Tables of a copy: which of their rows were taken back, and what is left without these."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.retracted import (
    DIGESTS,
    Retracted,
    Told,
    bytes_in,
    is_json,
    is_picture,
    told_of,
)
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError
from schemas.tables import LEDGER, RETRACTIONS

PASSED_OVER = (set(LEDGER.names), set(RETRACTIONS.names))
"""Columns of a ledger and of retractions, which name rows that are not inside."""
STATUS, FAILED = "status", "failed"
"""Column of img2dataset's tables, and how what it says of rows without image begins."""
BATCH_ROWS = 1_000
_OWN = {"uid", "stored_sha256"}
"""Columns of a table that is ours."""
NAMED = {"uid", *DIGESTS}
"""Columns, and endings of files, that hold a uid or a digest."""
SAID, MARK_BYTES = 2, 8
"""How many digests of a row are kept, and how much of each."""

Flags = npt.NDArray[np.bool_]
Marks = npt.NDArray[np.uint64]


# --- columns


def telling(schema: pa.Schema) -> list[str]:
    """Return the columns of a table by which its rows are told; none where nobody can tell.

    A ledger and a file of retractions tell of rows that are not inside. Raises SchemaError where
    two columns have one name.
    """
    if len(set(schema.names)) < len(schema.names):
        raise SchemaError(f"expected a name of its own for each column, found {schema.names}")
    if is_about(schema):
        return []
    return [f.name for f in schema if _names(f.name, f.type) or _holds(f.type, _is_binary)]


def is_about(schema: pa.Schema) -> bool:
    """Say whether a table tells of rows that are not inside: a ledger, say, and nothing more."""
    return any(passed == set(schema.names) for passed in PASSED_OVER)


def is_ours(schema: pa.Schema) -> bool:
    """Say whether a release has written the rows of a table: then their uids tell them."""
    return {f.name.lower() for f in schema if _is_plain(f.type)} >= _OWN


def _names(name: str, kind: pa.DataType) -> bool:
    """Say whether a column has uids, digests or JSON, by its name or by those inside."""
    inner = _inner(kind)
    if pa.types.is_map(inner):
        return True
    if name.lower() in NAMED or is_json(name):
        return _holds(kind, _is_plain)
    inside = [inner.field(n) for n in range(inner.num_fields)]
    return any(_names(f.name, f.type) for f in inside)


def _holds(kind: pa.DataType, wanted: Callable[[pa.DataType], bool]) -> bool:
    inner = _inner(kind)
    inside = [inner.field(n).type for n in range(inner.num_fields)]
    return wanted(inner) or any(_holds(one, wanted) for one in inside)


def _is_plain(kind: pa.DataType) -> bool:
    inner = _inner(kind)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return _is_binary(inner) or any(is_text(inner) for is_text in texts)


def _is_binary(kind: pa.DataType) -> bool:
    of_any_length = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return bool(pa.types.is_fixed_size_binary(kind)) or any(test(kind) for test in of_any_length)


def _inner(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _inner(kind.storage_type)
    return _inner(kind.value_type) if pa.types.is_dictionary(kind) else kind


# --- rows


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of the rows of a table, each bool[n] but for three.

    keep: not taken back. named: told by a uid. pictured: with the bytes of an image. lacking:
    without, though one may be elsewhere. tells: anything. said: uint64[n, 2], marks of digests that
    it tells, 0 for none. hits: uids and digests of the rows that were taken back. images: digests
    of the images in a row, but for those of a row of ours that stays. untold: how many tell
    nothing, and have something all the same.
    """

    keep: Flags
    named: Flags
    pictured: Flags
    lacking: Flags
    tells: Flags
    said: Marks
    hits: Mapping[int, frozenset[str]] = field(default_factory=dict)
    images: Mapping[int, Sequence[str]] = field(default_factory=dict)
    untold: int = 0

    @classmethod
    def joined(cls, parts: Iterable["Judged"]) -> "Judged":
        """Return what was judged of the parts of a table, in order."""
        every = [cls.nothing(0), *parts]
        starts = np.cumsum([0, *(len(one.keep) for one in every)]).tolist()
        hits: dict[int, frozenset[str]] = {}
        images: dict[int, Sequence[str]] = {}
        for start, one in zip(starts, every, strict=False):
            hits.update((start + row, found) for row, found in one.hits.items())
            images.update((start + row, found) for row, found in one.images.items())
        keep, named, pictured, lacking, tells, said = (
            np.concatenate([getattr(one, name) for one in every])
            for name in ("keep", "named", "pictured", "lacking", "tells", "said")
        )
        untold = sum(one.untold for one in every)
        return cls(keep, named, pictured, lacking, tells, said, hits, images, untold)

    @classmethod
    def nothing(cls, rows: int, failed: Sequence[bool] = ()) -> "Judged":
        """Return that nothing is known of so many rows, which stay. failed: to be fetched."""
        none = np.zeros(rows, bool)
        lacking = ~np.array(failed, bool) if failed else ~none
        return cls(~none, none, none, lacking, none, np.zeros((rows, SAID), np.uint64))

    def is_named(self, row: int, images: Iterable[str]) -> bool:
        """Say whether a row is told by more than the digests of some images."""
        return bool(self.named[row]) or tells_beyond(self.said[row].tolist(), images)


def mark(digest: str) -> int:
    """Return the first 8 bytes of a digest."""
    return int(digest[: 2 * MARK_BYTES], 16)


def tells_beyond(said: Iterable[int], images: Iterable[str]) -> bool:
    """Say whether any digest is of something else than some images. said: marks, 0 for none."""
    return not set(said) <= {0, *map(mark, images)}


def judge(table: pa.Table, retracted: Retracted, schema: pa.Schema) -> Judged:
    """Return which rows stay. table: at least the columns `telling` of one with this schema."""
    names = telling(schema)
    if not names:
        failed = map(is_failed, table[STATUS].to_pylist() if STATUS in table.column_names else ())
        return Judged.nothing(table.num_rows, [*failed])
    own = is_ours(schema)
    keep, named, pictured, lacking, tells = np.zeros((5, table.num_rows), bool)
    said = np.zeros((table.num_rows, SAID), np.uint64)
    hits: dict[int, frozenset[str]] = {}
    images: dict[int, Sequence[str]] = {}
    at, untold = 0, 0
    read = [*names, *({STATUS} & set(table.schema.names) - set(names))]
    for batch in table.select(read).to_batches(max_chunksize=BATCH_ROWS):
        for row in batch.to_pylist():
            status = row.get(STATUS)
            found = {k: v for k, v in row.items() if v is not None and k in names}
            told, inside = told_of(found), bytes_in(found)
            taken, digests = _judged(told, inside, retracted, own=own)
            if taken:
                hits[at] = taken
            keep[at] = not taken
            named[at] = bool(told.uids)
            # A digest may begin with any bytes.
            shown = [is_picture(*one) and one[0].lower() not in NAMED for one in inside]
            pictured[at] = any(shown)
            lacking[at] = not pictured[at] and not is_failed(status)
            tells[at] = told.tells
            marks = sorted(set(map(mark, told.digests)))[:SAID]
            said[at, : len(marks)] = marks
            if pictured[at] and digests:
                images[at] = list(compress(digests, shown))
            untold += not told.tells and (own or (not pictured[at] and _says_anything(found)))
            at += 1
    return Judged(keep, named, pictured, lacking, tells, said, hits, images, untold)


def _judged(
    told: Told, inside: Iterable[tuple[str, bytes]], retracted: Retracted, *, own: bool
) -> tuple[frozenset[str], list[str]]:
    """Return by what a row was taken back, and the digests of its bytes.

    A row of a table of ours is told by its uid: where it stays, its bytes are not hashed.
    """
    if own and told.uids and not retracted.hits(told):
        return frozenset(), []
    digests = [sha256_hex(body) for _, body in inside]
    return retracted.hits(told, [] if own else digests), digests


def is_failed(status: object) -> bool:
    """Say whether img2dataset has no image of a row, by its status."""
    return isinstance(status, str) and status.startswith(FAILED)


def _says_anything(value: object) -> bool:
    """Say whether a row has something in the columns that tell; one without an image has not."""
    if isinstance(value, Mapping):
        return any(map(_says_anything, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_says_anything, value))
    return value not in (None, "")


def filtered(table: pa.Table, keep: Flags) -> pa.Table:
    """Return the rows that stay, whatever the types of the columns."""
    try:
        return table.filter(pa.array(keep))
    except pa.ArrowNotImplementedError:  # no kernel picks rows of views; slices need none
        edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]))).reshape(-1, 2)
        return pa.concat_tables(
            [table.slice(0, 0), *(table.slice(start, end - start) for start, end in edges.tolist())]
        )
