"""Rows that were taken back, out of tables, tars and their statistics: what stays, and how much.

Pure but for the files given. Rows are told by `pipeline.retracted`; in a tar shard also by the key
under which another file of the shard tells them.
"""

import io
import json
import posixpath
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.retracted import DIGESTS, Retracted, Told, bytes_in, is_image, told_of
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError

PASSED_OVER = ({"commitment"}, {"release", "reason"})
"""Columns of a ledger and of retractions, which name rows that are not inside."""
BATCH_ROWS = 1_000
BLOCK_BYTES = 1 << 20
STATISTICS = ("count", "successes")
_OWN = {"uid", "stored_sha256"}
"""Columns of a table that is ours."""
_MEMBER = re.compile(r"((?:.*/)?[^./]+)\.[^/]+")

Flags = npt.NDArray[np.bool_]


# --- tables


def telling(schema: pa.Schema) -> list[str]:
    """Return the columns of a table by which its rows are told; none where nobody can tell.

    A ledger and a file of retractions tell of rows that are not inside. Raises SchemaError where
    two columns have one name.
    """
    if len(set(schema.names)) < len(schema.names):
        raise SchemaError(f"expected a name of its own for each column, found {schema.names}")
    if is_about(schema):
        return []
    named = {"uid", *DIGESTS}
    by_name = [f.name for f in schema if f.name.lower() in named and _is_plain(f.type)]
    if set(by_name) >= _OWN:
        return by_name  # it is ours; the images need not be read
    return [*by_name, *(f.name for f in schema if f.name not in by_name and _holds_bytes(f.type))]


def is_about(schema: pa.Schema) -> bool:
    """Say whether a table tells of rows that are not inside."""
    return any(passed <= set(schema.names) for passed in PASSED_OVER)


def _is_plain(kind: pa.DataType) -> bool:
    inner = _inner(kind)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return _is_binary(inner) or any(is_text(inner) for is_text in texts)


def _is_binary(kind: pa.DataType) -> bool:
    of_any_length = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return bool(pa.types.is_fixed_size_binary(kind)) or any(test(kind) for test in of_any_length)


def _holds_bytes(kind: pa.DataType) -> bool:
    inner = _inner(kind)
    inside = [inner.field(n).type for n in range(inner.num_fields)]
    return _is_binary(inner) or any(map(_holds_bytes, inside))


def _inner(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _inner(kind.storage_type)
    return _inner(kind.value_type) if pa.types.is_dictionary(kind) else kind


@dataclass(frozen=True, slots=True)
class Judged:
    """Which rows stay: bool[n]. untold: how many tell nothing, and have an image all the same."""

    keep: Flags
    untold: int = 0

    @classmethod
    def joined(cls, parts: Iterable["Judged"]) -> "Judged":
        """Return what was judged of the parts of a table, in order."""
        every = list(parts)
        keep = np.concatenate([np.ones(0, bool), *(one.keep for one in every)])
        return cls(keep, sum(one.untold for one in every))


def judge(table: pa.Table, retracted: Retracted) -> Judged:
    """Return which rows stay. table: the columns `telling`, and any others."""
    names = telling(table.schema)
    keep = np.ones(table.num_rows, bool)
    if not names:
        return Judged(keep)
    is_own = set(names) >= _OWN
    at, untold = 0, 0
    for batch in table.select(names).to_batches(max_chunksize=BATCH_ROWS):
        for row in batch.to_pylist():
            found = {k: v for k, v in row.items() if v is not None}
            told, images = told_of(found), bytes_in(found)
            digests = () if told.is_ours else (sha256_hex(body) for _, body in images)
            keep[at] = retracted.stays(told, digests)
            untold += not told.tells and (is_own or (not images and _says_anything(found)))
            at += 1
    return Judged(keep, untold)


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


# --- tars


def groups(tar: tarfile.TarFile) -> Iterator[tuple[str, list[tuple[tarfile.TarInfo, bytes]]]]:
    """Yield key and members of each sample of a tar; what is no file belongs to none: key ""."""
    key, members = "", list[tuple[tarfile.TarInfo, bytes]]()
    for info in tar:
        own = key_of(info.name) if is_file(info) else ""
        if members and (own != key or not own):
            yield key, members
            members = []
        file = tar.extractfile(info) if is_file(info) else None
        key = own
        members.append((info, file.read() if file else b""))
    if members:
        yield key, members


def is_file(info: tarfile.TarInfo) -> bool:
    """Say whether a member holds bytes; one of a kind that nobody knows is unpacked like a file."""
    return info.isreg() or info.type not in tarfile.SUPPORTED_TYPES


def key_of(name: str) -> str:
    """Return the key of the sample that a member belongs to, as `webdataset` has it."""
    match = _MEMBER.fullmatch(name)
    return match[1] if match else name


@dataclass(frozen=True, slots=True)
class TarKeys:
    """The keys of a tar's samples, of those taken back, and of those that nobody can tell."""

    every: frozenset[str]
    gone: frozenset[str]
    untold: frozenset[str]


def tar_keys(file: IO[bytes], retracted: Retracted) -> TarKeys:
    """Return which samples of a tar were taken back. Raises SchemaError for bytes that are none."""
    every: set[str] = set()
    gone: set[str] = set()
    untold: set[str] = set()
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for key, members in groups(tar):
                if not key:
                    continue
                every.add(key)
                found = {info.name: body for info, body in members}
                told = told_beside(found)
                if not retracted.stays(told, map(sha256_hex, found.values())):
                    gone.add(key)
                elif not told.tells and not any(map(is_image, found)):
                    untold.add(key)
            _require_end(file, tar.offset)
    except tarfile.TarError as e:
        raise SchemaError(f"expected a tar: {e}") from e
    return TarKeys(frozenset(every), frozenset(gone), frozenset(untold - gone))


def _require_end(file: IO[bytes], at: int) -> None:
    """Raise SchemaError where something follows what a tar says is its end."""
    file.seek(at)
    while block := file.read(BLOCK_BYTES):
        if block.strip(b"\0"):
            raise SchemaError(f"expected nothing behind the end of a tar at byte {at:,}")


def told_beside(files: Mapping[str, bytes]) -> Told:
    """Return what the JSON among the files of a sample says; nothing where it is no JSON."""
    for name, body in sorted(files.items()):
        if name.lower().endswith(".json"):
            try:
                return told_of({"json": body})
            except SchemaError:  # then its other files tell
                continue
    return Told()


def write_tar_without(source: IO[bytes], target: IO[bytes], keys: AbstractSet[str]) -> int:
    """Write a tar without the samples of some keys; return how many were left out."""
    left = 0
    with (
        tarfile.open(fileobj=source, mode="r:") as old,
        tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        links = _links_to(old, keys)
        for key, members in groups(old):
            if key in keys:
                left += 1
                continue
            if not key and members[0][0].name in links:
                continue
            for info, body in members:
                new.addfile(info, io.BytesIO(body) if is_file(info) else None)
    return left


def _links_to(tar: tarfile.TarFile, keys: AbstractSet[str]) -> set[str]:
    """Return the names of links that belong, or lead, to samples of some keys."""
    left = {info.name: _target(info) for info in tar.getmembers() if info.linkname}
    found = {name for name in left if key_of(name) in keys}
    while more := {n for n, to in left.items() if key_of(to) in keys or to in found} - found:
        found |= more
    return found


def _target(link: tarfile.TarInfo) -> str:
    """Return the name of the member to which a link leads."""
    if link.islnk():
        return link.linkname
    return posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.linkname))


# --- samples and the table beside them


@dataclass(frozen=True, slots=True)
class Joined:
    """What goes out of samples and of the table beside them. rows: bool[n] of the table's."""

    samples: frozenset[str]
    rows: Flags


def join_by_key(
    every: AbstractSet[str], gone: AbstractSet[str], keys: pa.Array, out: Flags
) -> Joined:
    """Return what goes, where either side tells it.

    every, gone: keys of the samples, and of those taken back. keys: of the table's rows, null for
    none; out: bool[n], those taken back. Tables leave out folders, so a row is joined by the whole
    key, else by its last part. Where several share that, and samples and rows do not agree on how
    many of them go, nobody can say which stay: all of them go.
    """
    rows = keys.to_pylist()
    taken = [row for row, goes in zip(rows, out, strict=True) if goes]
    whole = every & set(rows)
    samples = set(gone) | (whole & set(taken))
    alike: dict[str, list[str]] = {}
    for key in every - whole:
        alike.setdefault(_last(key), []).append(key)
    of_rows, of_taken = Counter(rows), Counter(taken)
    row_goes = {key for key in whole if key in samples}
    for name, found in alike.items():
        lost = len(samples.intersection(found))
        if of_rows[name] and name not in whole and lost != of_taken[name]:
            samples.update(found)
            row_goes.add(name)
    return Joined(frozenset(samples), out | np.array([row in row_goes for row in rows], bool))


def _last(key: str) -> str:
    return key.rpartition("/")[2]


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
