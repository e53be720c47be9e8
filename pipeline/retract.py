"""Rows that were taken back, out of tables, tars and their statistics: what stays, and how much.

Pure but for the files given. Rows are told by `pipeline.retracted`; in a tar shard also by the key
under which another file of the shard tells them.
"""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.retracted import DIGESTS, IMAGES, Retracted
from schemas.errors import SchemaError

KEY = "key"
PASSED_OVER = ({"commitment"}, {"release", "reason"})
"""Columns of a ledger and of retractions, which name rows that are not inside."""
BATCH_ROWS = 1_000
STATISTICS = ("count", "successes")
_MEMBER = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")

Flags = npt.NDArray[np.bool_]


# --- tables


def telling(schema: pa.Schema) -> list[str]:
    """Return the columns of a table by which its rows are told; none where nobody can tell.

    A ledger and a file of retractions tell of rows that are not inside.
    """
    names = set(schema.names)
    if any(passed <= names for passed in PASSED_OVER):
        return []
    images = [f.name for f in schema if _holds_image(f)]
    by_name = [n for n in ("uid", *DIGESTS) if n in names]
    if {"uid", "stored_sha256"} <= names:
        return by_name  # it is ours; the images need not be read
    return [*by_name, *images]


def _holds_image(field: pa.Field) -> bool:
    kind = field.type
    if pa.types.is_struct(kind):
        return {"bytes", "path"} <= {inner.name for inner in kind}
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(binary and field.name.lower() in IMAGES)


def stays(table: pa.Table, retracted: Retracted) -> Flags:
    """Return bool[n]: which rows stay. table: the columns `telling`, and any others."""
    names = telling(table.schema)
    found = np.ones(table.num_rows, bool)
    if not names:
        return found
    at = 0
    for batch in table.select(names).to_batches(max_chunksize=BATCH_ROWS):
        for row in batch.to_pylist():
            found[at] = keeps({k: v for k, v in row.items() if v is not None}, retracted)
            at += 1
    return found


def keeps(row: dict[str, Any], retracted: Retracted) -> bool:
    try:
        return retracted.keeps(row)
    except SchemaError:  # nothing of it is there: a download that failed
        return True


def keys_of(table: pa.Table, out: Flags) -> set[str]:
    """Return the keys of the rows flagged, in a table beside a tar."""
    if KEY not in table.column_names:
        return set()
    return set(table[KEY].filter(pa.array(out)).to_pylist()) - {None}


def without_keys(table: pa.Table, keep: Flags, keys: AbstractSet[str]) -> Flags:
    """Return which rows stay once those with one of the keys are gone as well."""
    if KEY not in table.column_names or not keys:
        return keep
    hit = pc.fill_null(pc.is_in(table[KEY], pa.array(sorted(keys), pa.string())), fill_value=False)
    return np.asarray(keep & ~hit.to_numpy(), dtype=bool)


# --- tars


def groups(tar: tarfile.TarFile) -> Iterator[tuple[str, list[tuple[tarfile.TarInfo, bytes]]]]:
    """Yield key and members of each sample of a tar; what belongs to none has no key."""
    key, members = "", list[tuple[tarfile.TarInfo, bytes]]()
    for info in tar:
        match = _MEMBER.fullmatch(info.name) if info.isfile() else None
        own = match[1] if match else ""
        if members and (own != key or not own):
            yield key, members
            members = []
        file = tar.extractfile(info) if info.isfile() else None
        key = own
        members.append((info, file.read() if file else b""))
    if members:
        yield key, members


def sample_of(members: list[tuple[tarfile.TarInfo, bytes]]) -> dict[str, Any]:
    """Return the members of a key as `webdataset` would give them."""
    told = ((_MEMBER.fullmatch(info.name), body) for info, body in members)
    return {match[2].lower(): body for match, body in told if match}


@dataclass(frozen=True, slots=True)
class TarKeys:
    """The keys of a tar's samples, and of those that were taken back."""

    every: frozenset[str]
    gone: frozenset[str]


def tar_keys(file: IO[bytes], retracted: Retracted) -> TarKeys:
    """Return which samples of a tar were taken back. Raises SchemaError for bytes that are none."""
    every: set[str] = set()
    gone: set[str] = set()
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for key, members in groups(tar):
                if key:
                    every.add(key)
                    if not keeps(sample_of(members), retracted):
                        gone.add(key)
    except tarfile.TarError as e:
        raise SchemaError(f"expected a tar: {e}") from e
    return TarKeys(frozenset(every), frozenset(gone))


def write_tar_without(source: IO[bytes], target: IO[bytes], keys: AbstractSet[str]) -> int:
    """Write a tar without the samples of some keys; return how many were left out."""
    left = 0
    with (
        tarfile.open(fileobj=source, mode="r:") as old,
        tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        for key, members in groups(old):
            if key in keys:
                left += 1
                continue
            for info, body in members:
                new.addfile(info, io.BytesIO(body) if info.isfile() else None)
    return left


# --- what img2dataset and `datasets` say of their files


def statistics_without(body: bytes, rows: int) -> bytes:
    """Return img2dataset's statistics of a shard with fewer successes. Raises SchemaError."""
    stats = _object(body, "statistics of a shard")
    for name in STATISTICS:
        if isinstance(stats.get(name), int):
            stats[name] = max(stats[name] - rows, 0)
    status = stats.get("status_dict")
    if isinstance(status, dict) and isinstance(status.get("success"), int):
        status["success"] = max(status["success"] - rows, 0)
    return json.dumps(stats, indent=4).encode()


def info_without(body: bytes, rows: dict[str, int]) -> bytes:
    """Return dataset_info.json with the rows that are left. rows: by split. Raises SchemaError."""
    info = _object(body, "dataset_info.json")
    splits = info.get("splits")
    for name, split in (splits if isinstance(splits, dict) else {}).items():
        if name in rows and isinstance(split, dict):
            split["num_examples"] = rows[name]
    return json.dumps(info, indent=2).encode()


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as e:
        raise SchemaError(f"expected JSON of {what}: {e}") from e
    if not isinstance(value, dict):
        raise SchemaError(f"expected an object of {what}, found {value!r:.80}")
    return value
