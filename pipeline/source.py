"""Where the rows come from: a source is looked at once, cut into parts, and read part by part.

`list_parts` checks everything that can be known before work starts and raises UsageError with
what was expected, what was found and where. `read_part` never loses a row: what is wrong with
one becomes its stop, and as many rows come out as lie in the part.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from pipeline.formats import delimited, footers, images, jsonl, parquet, tars
from pipeline.formats.files import File, content_hint, find_files, source_name
from pipeline.formats.lines import estimate_lines
from pipeline.formats.parts import UNCHECKED, Body, Columns, Part, Read, SourcePlan
from schemas.canonical import digest
from schemas.config import SourceConfig
from schemas.errors import UsageError
from schemas.tables import OBSERVED, from_rows
from schemas.verdict import Outcome

__all__ = [
    "UNCHECKED",
    "Body",
    "Columns",
    "Part",
    "Placed",
    "Read",
    "SourcePlan",
    "given_observed",
    "list_parts",
    "read_part",
]

EDGE_BYTES = 1 << 20
IMAGE_EDGE_BYTES = 1 << 14
READERS = 16
FORMATS = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",  # a list by itself, a description beside images and tars
    ".tar": "img2dataset",
    **dict.fromkeys(images.SUFFIXES, "images"),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """Given bytes that have been put into a pack."""

    url_key: str
    pack: str | None  # null where a safety list forbids to keep them
    offset: int | None
    length: int | None
    sha256: str
    unchecked: tuple[str, ...]
    shards: tuple[int, ...] = ()


def list_parts(source: str, config: SourceConfig) -> SourcePlan:
    """Return how a source will be read.

    source: a file, folder or glob; local, or a URL that fsspec opens. Raises UsageError where
    there is nothing, where the format is another, or where columns are missing or do not agree.
    """
    files = find_files(source)
    kind, chosen = _format(files, config, source)
    for file in chosen:
        if not file.size_bytes and kind != "images":
            raise UsageError(f"{file.path}: expected {kind}, found an empty file")
    looked = _look(kind, chosen, files, config)
    kept = looked.marked
    edge = IMAGE_EDGE_BYTES if kind == "images" else EDGE_BYTES
    with ThreadPoolExecutor(READERS) as pool:
        hints = list(pool.map(partial(content_hint, edge_bytes=edge), kept))
    marks = [[file.relative, file.size_bytes, hint] for file, hint in zip(kept, hints, strict=True)]
    return SourcePlan(
        name=config.name or source_name(source),
        format=looked.kind,
        parts=tuple(looked.parts),
        columns=looked.columns,
        extra_schema=looked.extra,
        rows=looked.rows,
        fingerprint=digest([looked.kind, marks]),
        max_caption_bytes=config.max_caption_bytes,
        size_bytes=sum(file.size_bytes for file in kept),
        rows_estimate=_estimate(looked),
    )


def read_part(part: Part, plan: SourcePlan) -> Read:
    """Return the rows of a part as SOURCED with the plan's `extra.` columns, and given bodies.

    Raises UsageError where the file has changed into something unreadable, StorageError where
    it could not be read this time.
    """
    readers: dict[str, Callable[[Part, SourcePlan], Read]] = {
        "parquet": parquet.read,
        "csv": delimited.read,
        "tsv": delimited.read,
        "jsonl": jsonl.read,
        "images": images.read,
        "img2dataset": tars.read if part.path.endswith(".tar") else parquet.read,
    }
    return readers[plan.format](part, plan)


def given_observed(placed: Iterable[Placed]) -> pa.Table:
    """Return OBSERVED for bytes that came with the source: nothing was asked, outcome `given`."""
    rows = [
        {
            "url_key": p.url_key,
            "shards": list(p.shards),
            "outcome": str(Outcome.GIVEN),
            "hops": [],
            "headers": [],
            "pack": p.pack,
            "offset": p.offset,
            "length": p.length,
            "sha256": p.sha256,
            "unchecked": list(p.unchecked),
        }
        for p in placed
    ]
    return from_rows(rows, OBSERVED)


def _estimate(looked: "_Looked") -> int:
    """Return about how many rows there are, at least one; exactly where the format tells."""
    if looked.rows is not None:
        return max(1, looked.rows)
    if looked.kind == "img2dataset":
        return max(1, tars.estimate(looked.parts, looked.marked))
    return max(1, estimate_lines(looked.marked))


@dataclass(frozen=True, slots=True)
class _Looked:
    kind: str
    columns: Columns
    extra: pa.Schema
    parts: Sequence[Part]
    marked: Sequence[File]  # files of which a change is a change of the source
    rows: int | None = None


def _format(files: Sequence[File], config: SourceConfig, source: str) -> tuple[str, list[File]]:
    """Return the format, and the files that are of it."""
    by_kind = _by_kind(files)
    if config.input_format != "auto":
        return _forced(config.input_format, by_kind, files, source)
    if len(by_kind) != 1:
        expected = "one format (.parquet, .csv, .tsv, .jsonl, .tar, or images)"
        found = ", ".join(f"{len(v)} of {k}" for k, v in sorted(by_kind.items()))
        raise UsageError(
            f"{source}: expected {expected}, found {found or ascii(files[0].relative)}; "
            "say which in source.input_format"
        )
    return next(iter(by_kind.items()))


def _by_kind(files: Sequence[File]) -> dict[str, list[File]]:
    """Return the files of each format, without statistics and what lies beside images and tars."""
    found: dict[str, list[File]] = {}
    for file in files:
        name = file.relative.rpartition("/")[2]
        kind = FORMATS.get(file.suffix)
        if kind and (kind == "images" or not name.startswith("_")) and "_stats" not in name:
            found.setdefault(kind, []).append(file)
    described = found.pop("json", [])
    if described and not found.keys() & {"images", "img2dataset"}:
        found["jsonl"] = sorted([*found.get("jsonl", ()), *described], key=lambda f: f.relative)
    stems = {tar.relative.removesuffix(".tar") for tar in found.get("img2dataset", ())}
    lists = [f for f in found.pop("parquet", ()) if f.relative.rpartition(".")[0] not in stems]
    if lists:
        found["parquet"] = lists
    return found


def _forced(
    kind: str, by_kind: dict[str, list[File]], files: Sequence[File], source: str
) -> tuple[str, list[File]]:
    chosen = by_kind.get(kind, [])
    if kind == "img2dataset":
        chosen = chosen or by_kind.get("parquet", [])
    if not chosen and kind != "images" and len(files) == 1:
        chosen = list(files)  # one file under any name is taken at the builder's word
    if not chosen:
        names = [file.relative for file in files[:5]]
        raise UsageError(f"{source}: expected files of {kind}, found {names}")
    return kind, chosen


def _look(kind: str, chosen: list[File], files: list[File], config: SourceConfig) -> _Looked:
    if kind in delimited.DELIMITERS:
        columns, extra = delimited.inspect(chosen, config, kind)
        return _Looked(kind, columns, extra, delimited.parts(chosen), chosen)
    if kind == "jsonl":
        columns, extra = jsonl.inspect(chosen, config)
        return _Looked(kind, columns, extra, jsonl.parts(chosen), chosen)
    if kind == "images":
        columns, extra = images.inspect(files, config)
        beside = [f for f in files if f.suffix in {".txt", ".json"}]
        marked = sorted([*chosen, *beside], key=lambda f: f.relative)
        return _Looked(
            kind, columns, extra, images.parts(files, config.rows_per_task), marked, len(chosen)
        )
    if chosen[0].suffix == ".tar":
        sidecars = _sidecars(chosen, files)
        columns, extra = tars.inspect(chosen, sidecars, config)
        marked = sorted([*chosen, *sidecars.values()], key=lambda f: f.relative)
        return _Looked(kind, columns, extra, tars.parts(chosen, sidecars), marked)
    return _look_parquet(kind, chosen, config)


def _sidecars(chosen: list[File], files: list[File]) -> dict[str, File]:
    """Return the Parquet file beside each tar that has one, by the tar's relative path."""
    by_path = {file.relative: file for file in files}
    names = {tar.relative: f"{tar.relative.removesuffix('.tar')}.parquet" for tar in chosen}
    return {tar: by_path[name] for tar, name in names.items() if name in by_path}


def _look_parquet(kind: str, chosen: list[File], config: SourceConfig) -> _Looked:
    found = footers.footers(chosen)
    rows = sum(footer.rows for footer in found)
    if not rows:
        raise UsageError(f"{chosen[0].path}: expected rows, found a Parquet file without any")
    image = footers.holds_images(found[0].schema)
    if kind == "img2dataset" and not image:
        raise UsageError(
            f"{chosen[0].path}: expected tars, or Parquet with image bytes in a column "
            f"jpg, png, webp or image, found columns {found[0].schema.names[:30]}"
        )
    given = bool(image) and (kind == "img2dataset" or config.input_format == "auto")
    if image and not given:  # a list of URLs by the builder's word: its bytes are left aside
        found = [footers.without(footer, image) for footer in found]
    image = image if given else ""
    columns, extra = footers.inspect(found, config, image=image, needs_url=not given)
    cut = footers.parts(found, config.rows_per_task)
    return _Looked("img2dataset" if given else "parquet", columns, extra, cut, chosen, rows)
