"""From the tables of one uid shard to the files of a release and of its vault.

Released rows go to samples/ and embeddings/, all others to ledger/ (public, a commitment) and to
the vault (what is known about them). File names are planned beforehand over all shards
(`plan_parts`), so that shards can be written in any order, anywhere, and give the same release.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import vault
from pipeline.redact import overlaid
from pipeline.shard import with_images, without_images, write_parquet, write_vectors
from pipeline.stored_likeness import shard_files
from pipeline.tars import KEY_DIGITS, write_tar
from schemas import SCHEMA_VERSION
from schemas.errors import SchemaError
from schemas.manifest import FileEntry
from schemas.tables import (
    DECIDED,
    DECODED,
    EXTRA,
    JUDGED,
    ORIGINALS,
    ROWS,
    SAMPLES,
    SIMILARITIES,
    STORED,
    VAULTED,
    require,
    with_metadata,
)
from schemas.verdict import Reason, Verdict

MAX_PART_ROWS = 10**KEY_DIGITS
"""Rows of one samples file at most: keys in tars have so many digits."""

MB = 1_000_000


@dataclass(frozen=True)
class File:
    """A file to publish, relative to the release or to its vault."""

    path: str
    body: bytes
    rows: int | None = None

    @property
    def entry(self) -> FileEntry:
        """How the manifest names it."""
        return vault.entry(self.path, self.body, self.rows)


@dataclass(frozen=True)
class Part:
    """One samples file: the released rows of a shard from first_uid to last_uid."""

    number: int
    shard: int
    first_uid: str
    last_uid: str
    rows: int
    size_bytes: int

    @property
    def name(self) -> str:
        return name_of(self.number)


@dataclass(frozen=True)
class ShardTables:
    """All that is known about the rows of one uid shard.

    rows: ROWS. judged, decoded: of the same uids. decided: DECIDED of exactly these uids.
    stored: STORED, of rows with an image. vectors: uid and named vectors, of rows that have them.
    rows hold captions as they are released; originals: ORIGINALS, what redacted rows said before.
    similarities: SIMILARITIES to styles, of the rows with a style vector.
    """

    rows: pa.Table
    judged: pa.Table
    decoded: pa.Table
    stored: pa.Table
    vectors: pa.Table
    decided: pa.Table
    originals: pa.Table
    similarities: pa.Table = field(default_factory=SIMILARITIES.empty_table)


@dataclass(frozen=True)
class Form:
    """In which form a release is written."""

    format: Literal["parquet", "webdataset", "urls"]
    encode_format: str
    secret: bytes  # of the release; gives the salts of the ledger


@dataclass(frozen=True)
class ShardFiles:
    """The files of one shard: public ones, and those of the vault."""

    public: list[File]
    private: list[File]


def name_of(number: int) -> str:
    """Return the name of a numbered file: 00000, 00001 and so on."""
    return f"{number:05d}"


def released_sizes(decided: pa.Table, shard: pa.Array, decoded: pa.Table) -> pa.Table:
    """Return what `plan_parts` takes: shard, uid and size_bytes of each released row.

    decided: DECIDED. shard: of each of its rows. decoded: uid and stored_size_bytes of all rows.
    """
    kept = _is_kept(decided).combine_chunks()
    uids = decided["uid"].filter(kept)
    places = pc.index_in(uids, decoded["uid"].combine_chunks())
    sizes = decoded["stored_size_bytes"].take(places)
    return pa.table({"shard": shard.filter(kept), "uid": uids, "size_bytes": sizes})


def plan_parts(released: pa.Table, shard_mb: int) -> list[Part]:
    """Return the samples files of a release, numbered through all shards.

    released: shard int, uid string, size_bytes int (of the image as stored; null counts as 0), one
    row for each released row, in any order. A shard's rows are cut, in order of uid, into the
    fewest parts of `shard_mb` and 10,000 rows at most, as even as they come.
    """
    ordered = released.sort_by([("shard", "ascending"), ("uid", "ascending")])
    shards, uids = ordered["shard"].to_pylist(), ordered["uid"].to_pylist()
    sizes = pc.fill_null(ordered["size_bytes"], 0).to_pylist()
    parts: list[Part] = []
    start = 0
    while start < len(shards):
        end = start
        while end < len(shards) and shards[end] == shards[start]:
            end += 1
        for first, last in _cuts(sizes[start:end], shard_mb * MB):
            a, b = start + first, start + last
            total = sum(sizes[a:b])
            parts.append(Part(len(parts), shards[a], uids[a], uids[b - 1], b - a, total))
        start = end
    return parts


def _cuts(sizes: Sequence[int], limit: int) -> Iterable[tuple[int, int]]:
    """Yield [first, last) of the parts of one shard."""
    count = len(sizes)
    pieces = max(-(-sum(sizes) // limit), -(-count // MAX_PART_ROWS))
    even = sum(sizes) / pieces
    start = cuts = before = 0
    for i, own in enumerate(sizes):
        # Cut before a row of which the greater half lies beyond its part's even share, and where
        # a part has as many rows as it may.
        beyond = cuts + 1 < pieces and before + own / 2 > even * (cuts + 1)
        if i > start and (beyond or i - start == MAX_PART_ROWS):
            yield start, i
            start, cuts = i, cuts + 1
        before += own
    yield start, count


def release_shard(tables: ShardTables, parts: Sequence[Part], shard: int, form: Form) -> ShardFiles:
    """Return the files of one uid shard.

    parts: the parts of this shard, from `plan_parts`. shard: its number, which names its ledger.
    Raises SchemaError where a table departs from its schema, tables speak of different rows, or a
    released row lacks its image.
    """
    _check(tables)
    kept = tables.decided.filter(_is_kept(tables.decided)).sort_by("uid")
    if sum(p.rows for p in parts) != kept.num_rows:
        planned = sum(p.rows for p in parts)
        raise SchemaError(f"expected {planned:,} released rows in shard {shard}, as planned, "
                          f"found {kept.num_rows:,}")  # fmt: skip
    public = [f for part in parts for f in _part_files(tables, kept, part, form)]
    out = tables.decided.filter(pc.invert(_is_kept(tables.decided))).sort_by("uid")
    vaulted = vault_rows(tables, out, form.secret)
    name = name_of(shard)
    ledger = vault.ledger(vaulted)
    public.append(File(f"ledger/{name}.parquet", write_parquet(ledger), ledger.num_rows))
    private = [
        File(f"{vault.ROWS_FOLDER}/{name}.parquet", write_parquet(vaulted), vaulted.num_rows)
    ]
    given = _matching(tables.originals, kept["uid"])
    if given.num_rows:
        path = f"{vault.CAPTIONS_FOLDER}/{name}.parquet"
        private.append(File(path, write_parquet(given), given.num_rows))
    held = vault.held_bodies(vaulted, tables.stored)
    if held.num_rows:
        path = f"{vault.HELD_FOLDER}/{name}.parquet"
        private.append(File(path, write_parquet(held), held.num_rows))
        private += whole_files(tables, held["uid"], name)
    if "sty" in tables.vectors.column_names:
        kept_likeness = shard_files(tables.similarities, tables.vectors, vaulted, shard)
        private += [File(*file) for file in kept_likeness]
    return ShardFiles(public, private)


def whole_files(tables: ShardTables, pictured: pa.ChunkedArray, name: str) -> list[File]:
    """Return the files of rows under review, whole, captions as given: what judges them again.

    pictured: uids of held rows whose images the vault may keep.
    """
    asked = tables.decided.filter(pc.equal(tables.decided["reason"], str(Reason.REVIEW)))
    uids = asked.filter(pc.is_in(asked["uid"], pictured.combine_chunks()))["uid"]
    if not len(uids):
        return []
    given = replace(tables, rows=overlaid(tables.rows, tables.originals))
    whole = {kind: _matching(getattr(given, kind), uids) for kind in vault.WHOLE}
    versioned = {k: with_metadata(t, schema_version=str(SCHEMA_VERSION)) for k, t in whole.items()}
    return [
        File(vault.whole_path(name, kind), write_parquet(table), table.num_rows)
        for kind, table in versioned.items()
    ]


def _check(tables: ShardTables) -> None:
    for table, schema in (
        (tables.rows, ROWS), (tables.judged, JUDGED), (tables.decoded, DECODED),
        (tables.stored, STORED), (tables.decided, DECIDED), (tables.originals, ORIGINALS),
        (tables.similarities, SIMILARITIES),
    ):  # fmt: skip
        require(table, schema)
    rows, decided = (t["uid"].combine_chunks().sort() for t in (tables.rows, tables.decided))
    if not rows.equals(decided):
        raise SchemaError(
            f"expected a verdict for each row, found {len(decided):,} for {len(rows):,} rows"
        )


def _is_kept(decided: pa.Table) -> pa.ChunkedArray:
    return pc.equal(decided["verdict"], str(Verdict.KEEP))


def _part_files(tables: ShardTables, kept: pa.Table, part: Part, form: Form) -> list[File]:
    inside = pc.and_(
        pc.greater_equal(kept["uid"], part.first_uid), pc.less_equal(kept["uid"], part.last_uid)
    )
    rows = kept.filter(inside)
    samples = sample_rows(tables, rows)
    files = []
    if form.format == "urls":
        body = write_parquet(without_images(samples))
        files.append(File(f"samples/{part.name}.parquet", body, rows.num_rows))
    else:
        bodies = _bodies(tables, rows)
        if form.format == "parquet":
            body = write_parquet(with_images(samples, bodies, form.encode_format))
            files.append(File(f"samples/{part.name}.parquet", body, rows.num_rows))
        else:
            written = write_tar(samples, bodies, form.encode_format, part.number)
            for suffix, body in written.items():
                counted = None if suffix.endswith(".json") else rows.num_rows
                files.append(File(f"samples/{part.name}{suffix}", body, counted))
    if tables.vectors.num_columns > 1:
        vectors = _matching(tables.vectors, rows["uid"])
        path = f"embeddings/{part.name}.parquet"
        files.append(File(path, write_vectors(vectors), vectors.num_rows))
    return files


def _bodies(tables: ShardTables, rows: pa.Table) -> pa.Array:
    places = pc.index_in(rows["uid"], tables.stored["uid"].combine_chunks()).combine_chunks()
    bodies = tables.stored["body"].take(places)
    if bodies.null_count:
        missing = rows["uid"].filter(bodies.is_null())
        raise SchemaError(f"expected the image of every released row, found none for {missing[0]}")
    return bodies.combine_chunks()


def _matching(table: pa.Table, uids: pa.ChunkedArray) -> pa.Table:
    """Return the rows of a table that have one of the uids, sorted by uid."""
    wanted = pc.is_in(table["uid"], uids.combine_chunks())
    return table.filter(wanted).sort_by("uid")


def sample_rows(tables: ShardTables, decided: pa.Table) -> pa.Table:
    """Return SAMPLES and `extra.` columns for rows of DECIDED, in their order."""
    samples = _gathered(tables, decided, SAMPLES)
    redacted = pc.is_in(samples["uid"], tables.originals["uid"].combine_chunks())
    place = SAMPLES.get_field_index("caption_redacted")
    return samples.set_column(place, SAMPLES.field(place), redacted)


def vault_rows(tables: ShardTables, decided: pa.Table, secret: bytes) -> pa.Table:
    """Return VAULTED, named vectors and `extra.` columns for rows of DECIDED, in their order.

    Captions stand there as given.
    """
    given = replace(tables, rows=overlaid(tables.rows, tables.originals))
    known = _gathered(given, decided, VAULTED)
    place = VAULTED.get_field_index("salt")
    salts = vault.salts(known["uid"].to_pylist(), secret)
    known = known.set_column(place, VAULTED.field(place), salts)
    at = pc.index_in(decided["uid"], tables.vectors["uid"].combine_chunks()).combine_chunks()
    for named in list(tables.vectors.schema)[1:]:
        column = tables.vectors[named.name].combine_chunks().take(at)
        known = known.append_column(named, column)
    return vault.redacted(known)


def _gathered(tables: ShardTables, decided: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of `schema` from whichever table has them, joined by uid."""
    columns: dict[str, pa.Array] = {}
    for table in (tables.decided, tables.decoded, tables.judged, tables.rows):
        names = [n for n in table.column_names if n in schema.names or n.startswith(EXTRA)]
        places = pc.index_in(decided["uid"], table["uid"].combine_chunks()).combine_chunks()
        taken = table.select(names).take(places)
        columns = {n: taken[n] for n in names} | columns
    extra = [n for n in tables.rows.column_names if n.startswith(EXTRA)]
    empty = {f.name: pa.nulls(decided.num_rows, f.type) for f in schema}
    fields = [*schema, *(tables.rows.schema.field(n) for n in extra)]
    arrays = [columns.get(f.name, empty.get(f.name)) for f in fields]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=schema.metadata))
