"""The files of a release after a recall: rows out, captions cut, everything else byte for byte.

A samples file is changed in the form in which it was published, so that what does not change stays
what it was. A file that no change touches is not written again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.recall import Changes
from pipeline.release import File
from pipeline.reread import own_names
from pipeline.shard import IMAGE_COLUMN, write_parquet, write_vectors
from pipeline.tars import jsonable, keys, tar_files
from schemas.errors import SchemaError
from schemas.tables import RETRACTIONS, TEXT

RETRACTIONS_PATH = "retractions.parquet"


@dataclass(frozen=True, slots=True)
class Part:
    """A samples file as it was published. number: in its name. table: without images."""

    number: int
    table: pa.Table
    extra: Sequence[pa.Field]

    @property
    def name(self) -> str:
        return f"{self.number:05d}"


def edited(part: Part, changes: Changes) -> pa.Table:
    """Return the rows of a part that stay, as they are to be released; the same rows, if all are.

    part.table: with or without images; column types are as published.
    """
    table = part.table
    gone = pc.is_in(table["uid"], changes.removed["uid"].combine_chunks())
    kept = table.filter(pc.invert(gone)) if pc.any(gone).as_py() else table
    own = {theirs: name for name, theirs in own_names(table.column_names, part.extra).items()}
    for worded in changes.worded:
        for name in worded.column_names[1:]:
            kept = _laid_over(kept, own.get(name, name), worded["uid"], worded[name])
    kept = _laid_over(kept, "clip_similarity", changes.clip["uid"], changes.clip["clip_similarity"])
    for name in ("license", "attribution"):
        kept = _laid_over(kept, name, changes.terms["uid"], changes.terms[name])
    reworded = pa.concat_arrays(
        [pa.array([], TEXT), *(c for one in changes.originals for c in one["uid"].chunks)]
    )
    place = kept.column_names.index("caption_redacted")
    field = kept.schema.field(place)
    # What was taken out before stays out, also where nobody has the vault that says what it was.
    says_less = pc.or_(kept["caption_redacted"], pc.is_in(kept["uid"], reworded))
    return kept.set_column(place, field, says_less)


def _laid_over(
    table: pa.Table, name: str, uids: pa.ChunkedArray, values: pa.ChunkedArray
) -> pa.Table:
    """Return the table with other values in a column, of the rows that have one of the uids."""
    places = pc.index_in(table["uid"], uids.combine_chunks()).combine_chunks()
    if places.null_count == len(places):
        return table
    place = table.column_names.index(name)
    field = table.schema.field(place)
    if values.type != field.type:  # beside tars, where all is JSON
        values = pa.chunked_array([jsonable(values.combine_chunks())]).cast(field.type)
    own = pa.array(range(table.num_rows), pa.int64())
    at = pc.coalesce(pc.add(places.cast(pa.int64()), table.num_rows), own)
    both = pa.chunked_array([*table[name].chunks, *values.chunks], field.type)
    return table.set_column(place, field, both.take(at))


def parquet_file(part: Part, table: pa.Table) -> File:
    """Return a samples file. table: from `edited`, with images where the release has them."""
    return File(f"samples/{part.name}.parquet", write_parquet(table), table.num_rows)


def tar_shard(
    part: Part, table: pa.Table, bodies: Mapping[str, bytes], encode_format: str
) -> list[File]:
    """Return the three files of a tar shard, members numbered anew. bodies: by uid."""
    uids = table["uid"].to_pylist()
    lost = [uid for uid in uids if uid not in bodies]
    if lost:
        raise SchemaError(f"expected the image of {lost[0]} in samples/{part.name}.tar, found none")
    place = table.column_names.index("key")
    metadata = table.set_column(place, "key", keys(table.num_rows, part.number))
    images = pa.array([bodies[uid] for uid in uids], pa.binary())
    written = tar_files(metadata, images, encode_format)
    return [
        File(f"samples/{part.name}{suffix}", body, None if suffix.endswith("json") else len(uids))
        for suffix, body in written.items()
    ]


def vectors_file(part: Part, vectors: pa.Table, stay: pa.ChunkedArray) -> File:
    """Return the embeddings of the rows that stay."""
    kept = vectors.filter(pc.is_in(vectors["uid"], stay.combine_chunks()))
    return File(f"embeddings/{part.name}.parquet", write_vectors(kept), kept.num_rows)


def bodies_of(table: pa.Table) -> dict[str, bytes]:
    """Return the images of a samples file by uid. table: uid and image."""
    bodies = pc.struct_field(table[IMAGE_COLUMN], "bytes")
    return dict(zip(table["uid"].to_pylist(), bodies.to_pylist(), strict=True))


def both(old: pa.Table, new: pa.Table, order: str = "uid") -> pa.Table:
    """Return the rows of two tables in the form of the first; what the second lacks is null."""
    columns = [
        new[f.name].cast(f.type) if f.name in new.column_names else pa.nulls(new.num_rows, f.type)
        for f in old.schema
    ]
    return pa.concat_tables([old, pa.Table.from_arrays(columns, schema=old.schema)]).sort_by(order)


def retractions(
    removed: pa.Table, hashes: pa.Table, release: str, before: pa.Table | None
) -> pa.Table:
    """Return RETRACTIONS: what leaves a release, and what earlier recalls had taken out of it.

    removed: DECIDED. hashes: uid, sha256, stored_sha256 of the same rows. release: sha256 of its
    manifest.json. before: its own RETRACTIONS.
    """
    at = pc.index_in(removed["uid"], hashes["uid"].combine_chunks())
    columns = {
        "uid": removed["uid"],
        "sha256": hashes["sha256"].take(at),
        "stored_sha256": hashes["stored_sha256"].take(at),
        "release": pa.array([release] * removed.num_rows, TEXT),
        "reason": removed["reason"],
    }
    table = pa.table(columns, schema=RETRACTIONS)
    tables = [table] if before is None else [table, before.cast(RETRACTIONS)]
    return pa.concat_tables(tables).sort_by([("uid", "ascending"), ("release", "ascending")])
