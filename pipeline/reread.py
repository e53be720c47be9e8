"""A release and its vault read back as the tables of a build's stages, to be judged again.

What a release does not say is null: when a row was stopped, where its bytes lay. Of released rows
the place in the source is not known; they come before all others, in the order of their uids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from optout.urls import GIVEN, canonical_url
from pipeline.led import with_told_hops
from pipeline.shard import IMAGE_COLUMN, plain_names, read_parquet
from schemas.errors import SchemaError, UsageError
from schemas.tables import (
    DECODED,
    EXTRA,
    JUDGED,
    ROWS,
    SAMPLES,
    STOP,
    TEXT,
    VAULTED,
    F,
    of_pixels,
    require,
)
from schemas.verdict import Outcome, Reason

BESIDE_TARS = {"key", "status", "error_message"}
"""Columns of img2dataset's layout that are none of ours."""

BY_CLAIMS = frozenset(
    {
        Reason.OPTOUT_URL,
        Reason.OPTOUT_HOST,
        Reason.OPTOUT_ACCOUNT,
        Reason.OPTOUT_NAME,
        Reason.OPTOUT_WORK,
        Reason.OPTOUT_STYLE,
        Reason.OPTOUT_COPY,
        Reason.OPTOUT_SAME_URL,
        Reason.NOT_GRANTED,
        Reason.REVIEW,
    }
)
"""Reasons that other claims may change; what else a row was left out for stays so."""


@dataclass(frozen=True, slots=True, eq=False)
class Reread:
    """Rows as `prepare` gave them. rows: ROWS and `extra.` columns, captions as given.

    judged: JUDGED. decoded: DECODED. vectors: uid, named vectors and key points, of rows that have
    any; all of the same uids.
    """

    rows: pa.Table
    judged: pa.Table
    decoded: pa.Table
    vectors: pa.Table


# --- released rows


def read_rows(body: bytes) -> pa.Table:
    """Return a samples file without images. Raises SchemaError."""
    try:
        names = pq.read_schema(pa.BufferReader(body)).names
    except (pa.ArrowInvalid, OSError) as e:
        raise SchemaError(f"expected a Parquet file, found {len(body):,} bytes: {e}") from e
    return read_parquet(body, [n for n in names if n != IMAGE_COLUMN])


def extra_fields(vaulted: pa.Schema) -> list[pa.Field]:
    """Return the columns of the source that recuse does not know, as a vault's rows name them."""
    return [field for field in vaulted if field.name.startswith(EXTRA)]


def own_names(names: Sequence[str], extra: Sequence[pa.Field]) -> dict[str, str]:
    """Return published name -> `extra.` column, of a samples file's further columns.

    extra: of the vault, if it is there; a column that it lacks is called by its published name.
    """
    told = [*SAMPLES.names, *(field.name for field in extra)]
    known = dict(zip(plain_names(told), told, strict=True))
    further = [n for n in names if n not in {*SAMPLES.names, *BESIDE_TARS, IMAGE_COLUMN}]
    return {name: known.get(name, EXTRA + name) for name in further}


def samples_of(table: pa.Table, extra: Sequence[pa.Field] = ()) -> pa.Table:
    """Return SAMPLES and `extra.` columns of a published table, also of one beside a tar.

    table: as `read_rows` gives it. There hashes stand in hex and times as text.
    """
    missing = [n for n in SAMPLES.names if n not in table.column_names]
    if missing:
        raise SchemaError(f"expected columns {SAMPLES.names} of samples, found none of {missing}")
    types = {field.name: field for field in extra}
    fields, columns = list(SAMPLES), [_typed(table[f.name], f.type) for f in SAMPLES]
    for name, own in own_names(table.column_names, extra).items():
        field = types.get(own, F(own, table.schema.field(name).type))
        fields.append(field)
        columns.append(_typed(table[name], field.type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=SAMPLES.metadata))


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    try:
        return pa.chunked_array([pa.array([_value(v, kind) for v in column.to_pylist()], kind)])
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, AttributeError) as e:
        raise SchemaError(f"expected {kind} in samples, found {column.type}: {e}") from e


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary(kind):
        return bytes.fromhex(value) if isinstance(value, str) else value
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    if pa.types.is_struct(kind):
        return {field.name: _value(value.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind):
        return [_value(one, kind.value_type) for one in value]
    return value


def of_samples(
    samples: pa.Table, vectors: pa.Table, url_keys: Mapping[str, str], sizes: pa.Array | None = None
) -> Reread:
    """Return released rows as a build had them; captions stand there as released.

    samples: SAMPLES and `extra.` columns. vectors: of the same rows. url_keys: by uid, from the
    vault; made of the address where it is silent. sizes: int64[n], of the images as stored.
    """
    require(samples, SAMPLES)
    uids, urls = samples["uid"].to_pylist(), samples["url"].to_pylist()
    keys = [url_keys.get(uid) or _key(url, uid) for uid, url in zip(uids, urls, strict=True)]
    given = [str(Outcome.GIVEN if key.startswith(GIVEN) else Outcome.OK) for key in keys]
    count = samples.num_rows
    more = {
        "url_key": pa.array(keys, TEXT),
        "outcome": pa.array(given, TEXT),
        "unchecked": pa.array([[]] * count, pa.list_(TEXT)),
        "stored_size_bytes": pa.nulls(count, pa.int64()) if sizes is None else sizes,
    }
    return _reread(samples, vectors, more)


def _key(url: str | None, uid: str) -> str:
    """Return the canonical address, or a name of its own where the bytes came with the source."""
    try:
        return canonical_url(url) if url else f"{GIVEN}{uid}"
    except UsageError:
        return f"{GIVEN}{uid}"


# --- rows of the vault


def of_vaulted(vaulted: pa.Table) -> Reread:
    """Return the rows of a vault as a build had them, with the stops that no claim lifts.

    vaulted: VAULTED, `extra.` columns, named vectors and key points. A row that claims alone kept
    out, and duplicates, have no stop, if they have vectors: then nothing else spoke against them. A
    stop that came from another row must not spread on, so that such a row is as if not observed.
    """
    require(vaulted.select(VAULTED.names), VAULTED)
    names = of_pixels(vaulted.schema)
    vectors = vaulted.select(["uid", *names])
    seen = pc.and_(_any_valid(vectors, names), pc.is_valid(vaulted["pixel_sha256"]))
    rows = vaulted.select([n for n in vaulted.column_names if n not in names])
    stops = [
        _stop(*told)
        for told in zip(
            *(rows[n].to_pylist() for n in ("stage", "reason", "by_uid", "detail")),
            seen.to_pylist(),
            strict=True,
        )
    ]
    early = [stop if stop and stop[0] == SOURCE else None for stop in stops]
    late = [None if stop and stop[0] == SOURCE else stop for stop in stops]
    outcome = pa.array([str(Outcome.OK)] * rows.num_rows, TEXT)
    found = _reread(rows, vectors.filter(seen), {"outcome": outcome})
    judged = with_told_hops(found.judged, rows["detail"])
    return Reread(_stopped(found.rows, early), _stopped(judged, late), found.decoded, found.vectors)


SOURCE = "source"
Stop = tuple[str, str, str | None]


def _stop(
    stage: str, reason: str, by_uid: str | None, detail: str | None, seen: bool
) -> Stop | None:
    if reason == Reason.DUPLICATE or reason in BY_CLAIMS:
        return None if seen else ("judge", str(Reason.NOT_OBSERVED), None)
    if by_uid is not None:
        return ("judge", str(Reason.NOT_OBSERVED), None)
    return stage, reason, detail


def _any_valid(vectors: pa.Table, names: Sequence[str]) -> pa.Array:
    """Return bool[n]: whether a row has any of the columns; where there are none, all have."""
    found = pa.array([not names] * vectors.num_rows, pa.bool_())
    for name in names:
        found = pc.or_(found, pc.is_valid(vectors[name].combine_chunks()))
    return found


def _stopped(table: pa.Table, stops: Sequence[Stop | None]) -> pa.Table:
    for name, at in (("stop_stage", 0), ("stop_reason", 1), ("stop_detail", 2)):
        place = table.schema.get_field_index(name)
        column = pa.array([stop and stop[at] for stop in stops], TEXT)
        table = table.set_column(place, table.schema.field(place), column)
    return table


def _reread(known: pa.Table, vectors: pa.Table, more: Mapping[str, pa.Array]) -> Reread:
    extra = [f for f in known.schema if f.name.startswith(EXTRA)]
    rows = _filled(known, more, pa.schema([*ROWS, *extra], metadata=ROWS.metadata))
    judged, decoded = (_filled(known, more, schema) for schema in (JUDGED, DECODED))
    return Reread(rows, judged, decoded, vectors)


def _filled(known: pa.Table, more: Mapping[str, pa.Array], schema: pa.Schema) -> pa.Table:
    stops = {field.name for field in STOP}
    columns = {name: known[name] for name in known.column_names if name not in stops} | dict(more)
    arrays = [columns.get(f.name, pa.nulls(known.num_rows, f.type)) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
