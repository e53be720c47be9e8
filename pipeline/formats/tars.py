"""img2dataset's WebDataset output: tars of `{key}.jpg|png|webp`, `.txt`, `.json`.

Beside each tar img2dataset writes a Parquet file with one row for every URL, those that failed
among them: where it is there, it says which rows exist, and the tar gives the bytes.
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.formats import columns as cols
from pipeline.formats import footers
from pipeline.formats.files import File, open_file, read_ranges, reading
from pipeline.formats.jsonl import infer_extra, object_rows, parse_object
from pipeline.formats.pages import take_tags
from pipeline.formats.parts import UNCHECKED, Body, Columns, Part, Read, SourcePlan
from pipeline.formats.rows import Found
from pipeline.formats.status import reason_of
from schemas.config import SourceConfig
from schemas.errors import UsageError

IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp")
SAMPLE_MEMBERS = 3_000
"""Members of the first tar that are looked at for types where no Parquet tells them."""
SAMPLE_BYTES = 20_000
"""About what a sample of 256 pixels takes in a tar."""

LISTED_ROWS = 512
"""Rows of the Parquet beside a tar that are in memory with all they hold, stored pages too."""

Extent = tuple[int, int]


@dataclass(slots=True)
class Sample:
    """Where the files of one key stand in the tar."""

    image: Extent | None = None
    beside: dict[str, Extent] = field(default_factory=dict)


class Described(NamedTuple):
    """What is said about a sample: its values, what its stored page says, what is wrong."""

    value: dict[str, Any]
    tags: str | None
    fault: str | None


def inspect(
    tars: list[File], sidecars: dict[str, File], config: SourceConfig
) -> tuple[Columns, pa.Schema]:
    """Return the meaning of the columns and the further ones.

    sidecars: Parquet files by the relative path of their tar. Raises UsageError.
    """
    for tar in tars:
        next(_members(tar.path), None)
    if len(sidecars) == len(tars):
        found = footers.footers([sidecars[tar.relative] for tar in tars])
        return footers.inspect(found, config, needs_url=False)
    objects = _sample(tars[0].path)
    names = list(dict.fromkeys(name for value in objects for name in value))
    uid = cols.find_column(names, "uid")
    uids = [value.get(uid) for value in objects]
    columns = cols.recognise(names, config, tars[0].path, uids=uids, needs_url=False)
    columns = cols.with_page(columns, [(tars[0].path, names)], config)
    return columns, infer_extra(objects, columns)


def parts(tars: list[File], sidecars: dict[str, File]) -> list[Part]:
    """Return one part a tar."""
    return [
        Part(
            tar.path,
            tar.relative,
            number,
            sidecar=sidecars[tar.relative].path if tar.relative in sidecars else "",
        )
        for number, tar in enumerate(tars)
    ]


def estimate(parts: Sequence[Part], files: Sequence[File]) -> int:
    """Return about how many samples the tars hold: told by the Parquet beside, else by size."""
    by_path = {file.path: file for file in files}
    beside = [by_path[part.sidecar] for part in parts if part.sidecar]
    listed = sum(footer.rows for footer in footers.footers(beside)) if beside else 0
    alone = sum(by_path[part.path].size_bytes for part in parts if not part.sidecar)
    return listed + alone // SAMPLE_BYTES


def read(part: Part, plan: SourcePlan) -> Read:
    """Read one tar and its Parquet; bytes are read later, one sample at a time."""
    samples = _samples(part.path)
    listed = _listed(part.sidecar, plan.columns) if part.sidecar else {}
    found, objects = Found(), []
    for number, key in enumerate(dict.fromkeys([*listed, *samples])):
        sample = samples.get(key, Sample())
        value, tags, fault = listed.get(key) or _described(part, sample, plan)
        stopped = reason_of(value.get("status"), value.get("error_message"))
        member = key if sample.image else None
        found.add(number, fault=fault, member=member, stopped=stopped, tags=tags)
        objects.append(value)
    rows = object_rows(found, objects, part, plan)
    extents = {key: sample.image for key, sample in samples.items() if sample.image}
    return Read(rows, partial(_bodies, part, rows, found.member, extents))


def _bodies(
    part: Part, rows: pa.Table, members: list[str | None], extents: dict[str, Extent]
) -> Iterator[Body]:
    wanted = [
        (key, extents[member])
        for key, stop, member in zip(
            rows["url_key"].to_pylist(), rows["stop_reason"].to_pylist(), members, strict=True
        )
        if stop is None and member is not None
    ]
    bodies = read_ranges(part.path, [extent for _, extent in wanted])
    for (key, _), body in zip(wanted, bodies, strict=True):
        yield Body(key, body, UNCHECKED)


def _members(path: str) -> Iterator[tuple[str, Extent]]:
    """Yield (name, extent) of each file in a tar. Raises UsageError where it is cut or none."""
    with reading(path), open_file(path) as f:
        try:
            with tarfile.open(fileobj=f, mode="r:") as tar:
                for member in tar:
                    if member.isfile():
                        yield member.name, (member.offset_data, member.size)
        except (tarfile.TarError, EOFError) as e:
            raise UsageError(f"{path}: expected a whole tar, found {e}") from e


def _samples(path: str) -> dict[str, Sample]:
    samples: dict[str, Sample] = {}
    for name, extent in _members(path):
        key, suffix = _split(name)
        sample = samples.setdefault(key, Sample())
        if suffix in IMAGE_SUFFIXES:
            sample.image = sample.image or extent
        else:
            sample.beside[suffix] = extent
    return samples


def _split(name: str) -> tuple[str, str]:
    """Return key and suffix as webdataset does: at the first dot of the last path part."""
    folder, slash, last = name.rpartition("/")
    key, _, suffix = last.partition(".")
    return f"{folder}{slash}{key}", suffix.lower()


def _described(part: Part, sample: Sample, plan: SourcePlan) -> Described:
    """Return what .json and .txt say about a sample."""
    wanted = [suffix for suffix in ("json", "txt") if suffix in sample.beside]
    ranges = [sample.beside[suffix] for suffix in wanted]
    texts = dict(zip(wanted, read_ranges(part.path, ranges), strict=True))
    value, fault = parse_object(texts["json"]) if "json" in texts else ({}, None)
    caption = plan.columns.caption or "caption"
    if "txt" in texts:
        value[caption] = texts["txt"]  # as bytes: whether it is text is judged with the row
    return _described_by(value, plan.columns, fault)


def _described_by(value: dict[str, Any], columns: Columns, fault: str | None = None) -> Described:
    tags, tags_fault = take_tags(value, columns)
    return Described(value, tags, fault or tags_fault)


def _sample(path: str) -> list[dict[str, Any]]:
    extents = []
    for count, (name, extent) in enumerate(_members(path)):
        if _split(name)[1] == "json":
            extents.append(extent)
        if count >= SAMPLE_MEMBERS:
            break
    return [parse_object(body)[0] for body in read_ranges(path, extents)]


def _listed(path: str, columns: Columns) -> dict[str, Described]:
    """Return the rows of the Parquet beside a tar, by key."""
    with reading(path), open_file(path) as f:
        try:
            batches = pq.ParquetFile(f).iter_batches(LISTED_ROWS)
            rows = (row for batch in batches for row in batch.to_pylist())
            return {str(row["key"]): _described_by(row, columns) for row in rows}
        except (pa.ArrowException, KeyError, UnicodeDecodeError) as e:
            raise UsageError(f"{path}: expected img2dataset's rows with a key, found {e!r}") from e
