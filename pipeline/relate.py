"""Stage relate: which samples are copies of each other, and by which independent keys.

Equal bytes and equal pixels make groups whose members are all copies of each other. A group is
written as a star around its smallest uid, and a perceptual or embedding edge is written once
between the smallest uids of two groups: either means the whole group (`spread.content_key` reads
it so). Every edge carries all evidence that holds for its two rows, however it was found.
Neighbours of a picture that thousands resemble are bounded: see `relate_scan`.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.near.cells import Join, near_pairs
from pipeline.near.groups import Groups, expanded, groups_of, identical_rows
from pipeline.near.hamming import Hashes, as_words, distance, pairs_within
from pipeline.near.scan import UNITS, Indices, Pairs, Stored, least_units, similarity_units
from schemas.config import RelateConfig
from schemas.errors import SchemaError
from schemas.tables import EDGES, KEY32, TEXT

KEYS = pa.schema(
    [
        pa.field("uid", TEXT),
        pa.field("sha256", TEXT),
        pa.field("pixel_sha256", TEXT),
        pa.field("pdq", KEY32),
        pa.field("pdq_quality", pa.int16()),
    ]
)
PAIRS_AT_A_TIME = 1 << 18
CONFIRMING = 0.70
"""Cosine from which a vector confirms a near PDQ hash, as in the copy rule of a claim's works."""

Column: TypeAlias = Any  # an Array or a ChunkedArray: pyarrow ships no types
Flags = npt.NDArray[np.bool_]


def relate(
    keys: pa.Table,
    vectors: Stored | Column | None,
    *,
    config: RelateConfig,
    threshold: float,
    seed: int,
) -> pa.Table:
    """Return EDGES between rows, by (uid_a, uid_b); the order of the rows does not matter.

    keys: KEYS (further columns are ignored), unique uids; null keys take part in nothing.
    vectors: `sem` of the same rows in the same order, as stored; null (or not finite) rows take
    part in no comparison; None where there is no model.
    threshold: cosine, used unless `config.similarity` gives one.
    Raises SchemaError where the tables depart from this.
    """
    rows = _read(keys, vectors, config)
    limit = config.similarity or threshold
    contents = rows.contents
    found = [_stars(contents), _stars(rows.bodies), *_alike(rows, config)]
    if rows.vectors is not None:
        join = Join(limit, seed, config.cells_per_vector, config.exact_limit)
        found.append(_near(rows, join))
    i, j = _unique(found, len(rows.uids))
    return _edges(rows, i, j, config.pdq_radius, limit)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Columns by uid, as arrays."""

    uids: pa.Array
    contents: Groups  # equal bytes or pixels
    bodies: Groups  # equal bytes
    sha256: Indices  # equal numbers are equal hashes; -1 is null
    pixel_sha256: Indices
    pdq: Hashes
    hashed: Flags  # has a PDQ hash of enough quality
    vectors: Stored | None
    embedded: Flags


def _read(keys: pa.Table, vectors: Stored | Column | None, config: RelateConfig) -> _Rows:
    missing = [f.name for f in KEYS if f.name not in keys.column_names]
    if missing:
        raise SchemaError(f"expected columns {KEYS.names}, found none of {missing}")
    try:
        keys = keys.select(KEYS.names).cast(KEYS)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise SchemaError(f"expected {KEYS}, found {keys.schema}") from e
    order = pc.sort_indices(keys["uid"])
    keys = keys.take(order).combine_chunks()
    if len(pc.unique(keys["uid"])) != len(keys) or keys["uid"].null_count:
        raise SchemaError("expected a uid of its own in each row, found equal ones or nulls")
    sha, pixel = _numbered(keys["sha256"]), _numbered(keys["pixel_sha256"])
    quality = keys["pdq_quality"].fill_null(-1).to_numpy()
    hashes = as_words([h or bytes(32) for h in keys["pdq"].to_pylist()])
    stored, embedded = _stored(vectors, order.to_numpy(), len(keys))
    return _Rows(
        keys["uid"].combine_chunks(),
        groups_of(_content(sha, pixel)),
        groups_of(_own_where_null(sha, sha.max(initial=0) + 1)),
        sha,
        pixel,
        hashes,
        (quality >= config.pdq_min_quality) & keys["pdq"].is_valid().to_numpy(),
        stored,
        embedded,
    )


def _stored(
    vectors: Stored | Column | None, order: Indices, rows: int
) -> tuple[Stored | None, Flags]:
    """Return vectors by uid and which of them are there."""
    if vectors is None:
        return None, np.zeros(rows, bool)
    there = np.ones(len(vectors), bool)
    if isinstance(vectors, pa.ChunkedArray):
        vectors = vectors.combine_chunks()
    if isinstance(vectors, pa.Array):
        there = vectors.is_valid().to_numpy(zero_copy_only=False)
        width = vectors.type.list_size
        start = vectors.offset * width
        flat = vectors.values.to_numpy(zero_copy_only=False)
        vectors = flat[start : start + len(vectors) * width].reshape(-1, width)
    if len(vectors) != rows:
        raise SchemaError(f"expected one vector a row, found {len(vectors)} for {rows} rows")
    vectors = vectors[order]
    # A NaN or infinity anywhere makes the sum of squares one, too.
    squares = np.concatenate(
        [np.zeros(0), *(np.square(b.astype(np.float32)).sum(axis=1) for b in _blocks(vectors))]
    )
    return vectors, there[order] & np.isfinite(squares)


def _blocks(vectors: Stored) -> list[Stored]:
    return [vectors[at : at + 8192] for at in range(0, len(vectors), 8192)]


def _numbered(column: Column) -> Indices:
    """Return a number for each distinct value, -1 for null."""
    codes = column.combine_chunks().dictionary_encode()
    indices = codes.indices if isinstance(codes, pa.DictionaryArray) else codes
    numbers: Indices = indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _content(sha: Indices, pixel: Indices) -> Indices:
    """Return a number for each content: equal pixels, or equal bytes where pixels are unknown."""
    known = np.full(sha.max(initial=-1) + 2, -1, np.int64)  # the last place is for null
    np.maximum.at(known, sha[pixel >= 0], pixel[pixel >= 0])
    known[-1] = -1
    content = np.where(pixel >= 0, pixel, known[sha])
    above = pixel.max(initial=-1) + 1
    content = np.where((content < 0) & (sha >= 0), above + sha, content)
    return _own_where_null(content, above + sha.max(initial=-1) + 1)


def _own_where_null(numbers: Indices, free: int) -> Indices:
    return np.where(numbers < 0, free + np.arange(len(numbers)), numbers)


def _stars(groups: Groups) -> Pairs:
    """Return pairs of each group's first row with each other row of it."""
    first = groups.first_of_row
    others = np.flatnonzero(first != np.arange(len(first)))
    return first[others], others


def _alike(rows: _Rows, config: RelateConfig) -> list[Pairs]:
    """Return pairs of contents whose PDQ hashes are near."""
    places = rows.contents.firsts[rows.hashed[rows.contents.firsts]]
    same = groups_of(identical_rows(rows.pdq[places]))
    a, b, _ = pairs_within(rows.pdq[places[same.firsts]], config.pdq_radius)
    return [_at(places, expanded(same, (a, b)))]


def _near(rows: _Rows, join: Join) -> Pairs:
    """Return pairs of contents whose vectors are near."""
    places = rows.contents.firsts[rows.embedded[rows.contents.firsts]]
    vectors = _required(rows.vectors)[places]
    same = groups_of(identical_rows(vectors))
    if len(same.firsts) < len(places):
        vectors = vectors[same.firsts]
    uids = rows.uids.take(pa.array(places[same.firsts])).to_pylist()
    return _at(places, expanded(same, near_pairs(vectors, uids, join)))


def _at(places: Indices, pairs: Pairs) -> Pairs:
    return places[pairs[0]], places[pairs[1]]


def _unique(found: list[Pairs], rows: int) -> Pairs:
    keys = np.unique(np.concatenate([i * rows + j for i, j in found]))
    i, j = np.divmod(keys, max(1, rows))
    return i, j


def _required(vectors: Stored | None) -> Stored:
    assert vectors is not None  # noqa: S101  # only called where there are vectors
    return vectors


def _edges(rows: _Rows, i: Indices, j: Indices, radius: int, threshold: float) -> pa.Table:
    """Return EDGES of pairs with all evidence; pairs for which none holds are left out."""
    parts = [EDGES.empty_table()]
    for at in range(0, len(i), PAIRS_AT_A_TIME):
        part = slice(at, at + PAIRS_AT_A_TIME)
        parts.append(_evidence(rows, i[part], j[part], radius, threshold))
    return pa.concat_tables(parts).combine_chunks()


def _evidence(rows: _Rows, i: Indices, j: Indices, radius: int, threshold: float) -> pa.Table:
    sha = (rows.sha256[i] == rows.sha256[j]) & (rows.sha256[i] >= 0)
    pixel = (rows.pixel_sha256[i] == rows.pixel_sha256[j]) & (rows.pixel_sha256[i] >= 0)
    bits = distance(rows.pdq[i], rows.pdq[j])
    alike = rows.hashed[i] & rows.hashed[j] & (bits <= radius)
    near = rows.embedded[i] & rows.embedded[j]
    units = np.zeros(len(i), np.int32)
    if rows.vectors is not None:
        units[near] = similarity_units(rows.vectors, i[near], j[near])
    # Beside a near PDQ hash the vector is a second key, not the only one: less of it will do.
    beside = least_units(min(CONFIRMING, threshold))
    near &= units >= np.where(alike, beside, least_units(threshold))
    held = sha | pixel | alike | near
    table = pa.table(
        {
            "uid_a": rows.uids.take(pa.array(i)),
            "uid_b": rows.uids.take(pa.array(j)),
            "sha256": sha,
            "pixel_sha256": pixel,
            "pdq_distance": pa.array(bits, pa.int16(), mask=~alike),
            "similarity": pa.array((units / UNITS).astype(np.float32), mask=~near),
        },
        schema=EDGES,
    )
    return table.filter(pa.array(held))
