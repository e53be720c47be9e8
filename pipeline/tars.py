"""Shards as tars in img2dataset's layout: members, metadata table, statistics; without a clock."""

import io
import json
import math
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from pipeline.shard import without_images, write_parquet
from schemas import SCHEMA_VERSION
from schemas.errors import SchemaError

KEY_DIGITS = 4
"""Digits of a member's number inside its shard, as for 10,000 samples a shard."""

MTIME = 0.0


def write_tar(
    samples: pa.Table, bodies: pa.Array, encode_format: str, number: int
) -> dict[str, bytes]:
    """Return the three files of one shard in img2dataset's layout, by suffix.

    samples: SAMPLES and `extra.` columns, at most 10,000 rows. number: of the shard; it leads
    every key, so that keys are unique across a release.
    Source: img2dataset 1.47 writer.WebDatasetSampleWriter, with a fixed time in the tar.
    """
    if samples.num_rows > 10**KEY_DIGITS:
        raise SchemaError(f"expected at most {10**KEY_DIGITS} rows a tar, found {samples.num_rows}")
    return tar_files(tar_metadata(samples, number), bodies, encode_format)


def tar_files(metadata: pa.Table, bodies: pa.Array, encode_format: str) -> dict[str, bytes]:
    """Return the files of a shard. metadata: as of `tar_metadata`; bodies in the same order."""
    return {
        ".tar": _tar(metadata, bodies, encode_format),
        ".parquet": write_parquet(metadata),
        "_stats.json": json.dumps(stats(metadata.num_rows), indent=4).encode(),
    }


def tar_metadata(samples: pa.Table, number: int) -> pa.Table:
    """Return the rows as img2dataset describes them: its own columns, ours before them.

    Hashes that are bytes become hex and times become text, because each row also is a JSON member.
    """
    plain = without_images(samples)
    count = plain.num_rows
    tail = ["width", "height", "original_width", "original_height", "sha256"]
    lead = [n for n in plain.column_names if n not in ("caption", "url", *tail)]
    columns = {name: jsonable(plain[name].combine_chunks()) for name in [*lead, "caption", "url"]}
    columns |= {
        "key": keys(count, number),
        "status": pa.array(["success"] * count, pa.string()),
        "error_message": pa.nulls(count, pa.string()),
    }
    columns |= {name: plain[name] for name in tail}
    return pa.table(columns).replace_schema_metadata({"schema_version": str(SCHEMA_VERSION)})


def keys(count: int, number: int) -> pa.Array:
    """Return the keys of the members of a shard, in order."""
    width = 5 + KEY_DIGITS
    first = number * 10**KEY_DIGITS
    return pa.array([f"{first + n:0{width}d}" for n in range(count)], pa.string())


def jsonable(column: pa.Array) -> pa.Array:
    """Return a column as a JSON member can say it: bytes in hex, times as text."""
    kind = column.type
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary(kind):
        return pa.array([None if v is None else v.hex() for v in column.to_pylist()], pa.string())
    if pa.types.is_timestamp(kind):
        return pa.array([_iso(v) for v in column.to_pylist()], pa.string())
    if pa.types.is_struct(kind):
        parts = [jsonable(column.field(i)) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, names=[f.name for f in kind])
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(
            column.offsets, jsonable(column.values), mask=column.is_null()
        )
    return column


def _iso(value: Any) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _tar(metadata: pa.Table, bodies: pa.Array, encode_format: str) -> bytes:
    from webdataset import TarWriter  # noqa: PLC0415  # imports torch; only this format needs it

    sink = io.BytesIO()
    with TarWriter(sink, mtime=MTIME, encoder=False) as writer:
        for row, body in zip(metadata.to_pylist(), bodies, strict=True):
            writer.write(
                {
                    "__key__": row["key"],
                    encode_format: body.as_py(),
                    "txt": (row["caption"] or "").encode(),
                    "json": json.dumps(told_beside(row), indent=4).encode(),
                }
            )
    return sink.getvalue()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def stats(count: int) -> dict[str, Any]:
    """Return img2dataset's shard statistics; times are of the run, and the run is not here."""
    return {
        "count": count,
        "successes": count,
        "failed_to_download": 0,
        "failed_to_resize": 0,
        "duration": 0.0,
        "start_time": 0.0,
        "end_time": 0.0,
        "status_dict": {"success": count},
    }


def members(body: bytes) -> list[tuple[str, bytes]]:
    """Return name and bytes of everything in a tar, in order, whatever it is called.

    Raises SchemaError for bytes that are no tar, for a member that is no plain file, and where
    anything stands behind the last one.
    """
    found, end = [], 0
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is None:
                    raise SchemaError(f"expected files alone in a tar, found {member.name!r:.80}")
                found.append((member.name, file.read()))
                end = member.offset_data + member.size
    except tarfile.TarError as e:
        raise SchemaError(f"expected a tar, found {len(body):,} bytes: {e}") from e
    if more := len(body[end:].rstrip(b"\0")):
        raise SchemaError(f"expected nothing behind the last file of a tar, found {more:,} bytes")
    return found


def told_beside(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a sample's JSON member says. row: of `tar_metadata`."""
    return {name: _finite(value) for name, value in row.items()}


def read_tar(body: bytes) -> Iterator[dict[str, bytes]]:
    """Yield each sample of a tar as {"__key__", extension: bytes}, in order.

    Raises SchemaError for bytes that are no tar.
    """
    sample: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                file = tar.extractfile(member)
                if file is None:
                    continue
                if sample and sample["__key__"] != key.encode():
                    yield sample
                    sample = {}
                sample |= {"__key__": key.encode(), extension: file.read()}
    except tarfile.TarError as e:
        raise SchemaError(f"expected a tar, found {len(body):,} bytes: {e}") from e
    if sample:
        yield sample
