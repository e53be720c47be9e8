"""Pixels and captions to the vectors that a release stores, and to clip_similarity.

Vectors are rounded to half floats here, once, and everything that is decided later reads them as
stored: clip_similarity too. A row whose vectors are not finite gets none, so that it is held as
not judged instead of passing every comparison. One image is embedded once, however many rows show
it, and not at all where its vectors are known under the same fingerprints.
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import SchemaError
from schemas.ports import Embedder, Pixels, Vectors
from schemas.tables import DECODED, require, vector
from schemas.verdict import Reason

Halves = npt.NDArray[np.float16]
Known = Mapping[str, Mapping[str, Halves]]
"""Vectors as stored, by pixel_sha256 and by name."""
Pass = tuple[Embedder, dict[str, int]]
"""A model with the names and widths of the vectors that are kept of it."""

STAGE = "embed"
LEAST_LENGTH = 0.5  # of a vector that says anything: unit rows have 1, what failed has 0 or NaN


def embed(
    uids: pa.Array,
    pixels: Sequence[Pixels],
    captions: Sequence[str | None],
    embedder: Embedder | None,
    matcher: Embedder | None,
    *,
    keys: Sequence[str] | None = None,
    known: Known | None = None,
) -> tuple[pa.Table, pa.Array]:
    """Return uid with one column a named vector, and clip_similarity; n rows, same order.

    embedder gives `sem`, matcher `cpy` and `sty`; one forward pass where they are one model.

    pixels: as decoded, any size; n may be 0. captions: None gives a null clip_similarity.
    keys: pixel_sha256 of each image; equal keys are embedded once. known: vectors as stored that
    an earlier call gave under the same fingerprints, by key (`by_key` makes it).
    Returns a table of `uid` and fixed_size_list<halffloat> columns, null where a vector is not
    finite, and clip_similarity as a float32 array.
    Raises SchemaError where the lengths differ.
    """
    lengths = {len(uids), len(pixels), len(captions), len(uids if keys is None else keys)}
    if len(lengths) != 1:
        raise SchemaError(f"expected one image, caption and key a uid, found {sorted(lengths)}")
    keys = [str(i) for i in range(len(uids))] if keys is None else keys
    vectors = _stored(pixels, passes(embedder, matcher), keys, known or {})
    columns = {name: column(rows) for name, rows in vectors.items()}
    table = pa.table({"uid": uids.cast(pa.string()), **columns})
    if embedder is None:
        return table, pa.nulls(len(uids), pa.float32())
    return table, similarity(vectors["sem"], captions, embedder)


def recaptioned(
    decoded: pa.Table, vectors: pa.Table, captions: Mapping[str, str], embedder: Embedder
) -> pa.Table:
    """Return DECODED with the clip_similarity of rows whose caption is another one now.

    vectors: uid and `sem` as stored. captions: by uid; rows that it lacks keep what they have.
    """
    require(decoded, DECODED)
    uids = [uid for uid in vectors["uid"].to_pylist() if uid in captions]
    places = pc.index_in(pa.array(uids, pa.string()), vectors["uid"].combine_chunks())
    sem = halves(vectors["sem"].take(places))
    again = similarity(sem, [captions[uid] for uid in uids], embedder)
    new = dict(zip(uids, again.to_pylist(), strict=True))
    known = zip(decoded["uid"].to_pylist(), decoded["clip_similarity"].to_pylist(), strict=True)
    column = pa.array([new.get(uid, old) for uid, old in known], pa.float32())
    place = decoded.schema.get_field_index("clip_similarity")
    return decoded.set_column(place, decoded.schema.field(place), column)


def hold_unsound(decoded: pa.Table, vectors: pa.Table) -> pa.Table:
    """Return DECODED with a stop for each row that lacks one of its vectors: held, never passed.

    vectors: as `embed` gave them, of rows of `decoded` that nothing stopped.
    """
    require(decoded, DECODED)
    lacking = functools.reduce(pc.or_, (vectors[n].is_null() for n in vectors.column_names[1:]))
    bad = pc.is_in(decoded["uid"], vectors["uid"].filter(lacking).combine_chunks())
    for name, value in (("stop_stage", STAGE), ("stop_reason", str(Reason.NOT_JUDGED))):
        place = decoded.schema.get_field_index(name)
        column = pc.if_else(bad, pa.scalar(value, pa.string()), decoded[name])
        decoded = decoded.set_column(place, decoded.schema.field(place), column)
    return decoded


def passes(embedder: Embedder | None, matcher: Embedder | None) -> list[Pass]:
    """Return each model to run with the vectors that are kept of it; one pass if they are one.

    cpy and sty come from the matcher alone, so that vectors of a model that no registry named
    never meet a claim, nor those of the same model in another precision, which is not part of a
    fingerprint: one model means one that was loaded once.
    """
    if embedder and matcher and embedder is matcher:
        both = _dims(embedder, "sem", "cpy", "sty")
        if both.keys() >= _dims(matcher, "cpy", "sty").keys():
            return [(embedder, both)]
    found: list[Pass] = []
    if embedder:
        found.append((embedder, _dims(embedder, "sem")))
    if matcher:
        found.append((matcher, _dims(matcher, "cpy", "sty")))
    return found


def similarity(sem: Halves, captions: Sequence[str | None], embedder: Embedder) -> pa.Array:
    """Return float32[n]: cosine of image as stored and caption, null without either."""
    texts = list(dict.fromkeys(caption for caption in captions if caption is not None))
    place = {text: i for i, text in enumerate(texts)}
    sound = _sound(sem)
    rows = np.flatnonzero(sound & np.array([c is not None for c in captions], bool)).tolist()
    cosines = np.zeros(len(captions), np.float32)
    if len(rows):
        vectors = embedder.texts(texts)
        wanted = vectors[[place[captions[i] or ""] for i in rows]]
        cosines[rows] = _row_sums(unit_rows(sem[rows]) * wanted)
    null = np.ones(len(captions), bool)
    null[rows] = ~np.isfinite(cosines[rows])
    return pa.array(cosines, pa.float32(), mask=null)


def by_key(table: pa.Table, keys: Sequence[str]) -> dict[str, dict[str, Halves]]:
    """Return what `embed` takes as `known`, of a table that it gave; rows without vectors left out.

    keys: pixel_sha256 of each row. Key points, which may stand beside the vectors, are passed over.
    """
    names = [f.name for f in table.schema if pa.types.is_fixed_size_list(f.type)]
    rows = {name: halves(table[name]) for name in names}
    return {
        key: {name: rows[name][i] for name in names}
        for i, key in enumerate(keys)
        if all(np.isfinite(rows[name][i]).all() for name in names)
    }


def column(rows: Halves) -> pa.Array:
    """Return a fixed_size_list<halffloat> array of float16[n, d]; a row that fails is null."""
    failed = ~_sound(rows)
    values = pa.array(np.ascontiguousarray(rows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(
        values, type=vector(rows.shape[1]), mask=pa.array(failed)
    )


def halves(column: pa.ChunkedArray | pa.Array) -> Halves:
    """Return float16[n, d] of a stored vector column; null rows are NaN."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    dim = array.type.list_size
    flat = array.values.slice(array.offset * dim, len(array) * dim)
    rows: Halves = flat.to_numpy(zero_copy_only=False).reshape(len(array), dim).copy()
    rows[array.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return rows


def unit_rows(rows: Halves) -> Vectors:
    """Return stored vectors as float32[n, d] of unit length; rows that are not finite stay so."""
    wide = rows.astype(np.float32)
    return np.asarray(wide / np.sqrt(_row_sums(wide * wide))[:, None], np.float32)


def _stored(
    pixels: Sequence[Pixels], models: Sequence[Pass], keys: Sequence[str], known: Known
) -> dict[str, Halves]:
    """Return float16[n, d] by name: known vectors, and one embedding a new key."""
    dims = {name: dim for _, kept in models for name, dim in kept.items()}
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    new = [key for key in first if not dims.keys() <= known.get(key, {}).keys()]
    new.sort(key=first.__getitem__)
    fresh: dict[str, Halves] = {}
    for model, kept in models:
        found = model.images([pixels[first[key]] for key in new])
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows fails below
            fresh |= {name: found[name].astype(np.float16) for name in kept}
    place = {key: i for i, key in enumerate(new)}
    rows = {name: np.empty((len(keys), dim), np.float16) for name, dim in dims.items()}
    for name, values in rows.items():
        for i, key in enumerate(keys):
            values[i] = fresh[name][place[key]] if key in place else known[key][name]
    return rows


def _row_sums(products: Vectors) -> Vectors:
    """Return float32[n], each row summed by itself.

    A matrix product, and even a sum along an axis, round a row otherwise when others come with it.
    """
    return np.array([row.sum() for row in products], np.float32)


def _sound(rows: Halves) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(rows.astype(np.float32), axis=1)
    sound: npt.NDArray[np.bool_] = np.isfinite(lengths) & (lengths > LEAST_LENGTH)
    return sound


def _dims(model: Embedder, *names: str) -> dict[str, int]:
    return {spec.name: spec.dim for spec in model.card.vectors if spec.name in names}
