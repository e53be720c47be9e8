"""A folder of images: caption from the `.txt` of the same name, or `.json`, or the file's name.

img2dataset's `files` layout is such a folder too; its `.json` then names the URL, and what
somebody else fetched and re-encoded has channels that nobody can read.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from pipeline.formats import columns as cols
from pipeline.formats.files import File, read_file
from pipeline.formats.jsonl import infer_extra, object_rows, parse_object
from pipeline.formats.pages import take_tags
from pipeline.formats.parts import UNCHECKED, Body, Columns, Part, Read, SourcePlan
from pipeline.formats.rows import Found
from pipeline.formats.status import reason_of
from schemas.config import SourceConfig

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jxl"}
)
ROWS_PER_TASK = 1_000
SAMPLE_FILES = 200
BESIDE = ("txt", "json")


def inspect(files: list[File], config: SourceConfig) -> tuple[Columns, pa.Schema]:
    """Return the meaning of the keys of `.json` files, and the further ones."""
    sample = [file for file in files if file.relative.lower().endswith(".json")][:SAMPLE_FILES]
    objects = [parse_object(read_file(file.path))[0] for file in sample]
    names = list(dict.fromkeys(name for value in objects for name in value))
    uid = cols.find_column(names, "uid")
    uids = [value.get(uid) for value in objects]
    path = "the .json files"
    columns = cols.recognise(names, config, path, uids=uids, needs_url=False)
    named = replace(columns, caption=columns.caption or "caption")
    named = cols.with_page(named, [(path, names)], config)
    return named, infer_extra(objects, named)


def parts(files: list[File], rows_per_task: int) -> list[Part]:
    """Return parts of a bounded number of images, in the order of their paths."""
    images = [file for file in files if file.suffix in SUFFIXES]
    beside: dict[str, list[str]] = {}
    for file in files:
        stem, _, suffix = file.relative.rpartition(".")
        if suffix.lower() in BESIDE:
            beside.setdefault(stem, []).append(suffix)
    step = min(rows_per_task, ROWS_PER_TASK)
    return [
        Part(
            images[0].path.removesuffix(images[0].relative),
            "",
            0,
            start,
            min(start + step, len(images)),
            members=tuple(
                (image.relative, " ".join(beside.get(image.relative.rpartition(".")[0], ())))
                for image in images[start : start + step]
            ),
        )
        for start in range(0, len(images), step)
    ]


def read(part: Part, plan: SourcePlan) -> Read:
    """Read what stands beside the images; their bytes are read later, one at a time."""
    found, objects = Found(), []
    for number, (name, beside) in enumerate(part.members, part.start):
        value, fault = _described(part.path, name, beside, plan)
        stopped = reason_of(value.get("status"), value.get("error_message"))
        tags, tags_fault = take_tags(value, plan.columns)
        fault = fault or tags_fault
        found.add(number, fault=fault, member=name, stopped=stopped, tags=tags)
        objects.append(value)
    rows = object_rows(found, objects, part, plan)
    return Read(rows, partial(_bodies, part, rows))


def _described(
    root: str, name: str, beside: str, plan: SourcePlan
) -> tuple[dict[str, Any], str | None]:
    stem = name.rpartition(".")[0]
    value: dict[str, Any] = {}
    fault = None
    caption = plan.columns.caption
    for suffix in beside.split():
        body = read_file(f"{root}{stem}.{suffix}")
        if suffix.lower() == "json":
            described, fault = parse_object(body)
            value = {**described, **value}
        else:
            value[caption] = body.rstrip(b"\r\n")
    if value.get(caption) is None:
        value[caption] = posixpath.basename(stem)
    return value, fault


def _bodies(part: Part, rows: pa.Table) -> Iterator[Body]:
    stops, keys, urls = (rows[name].to_pylist() for name in ("stop_reason", "url_key", "url"))
    for (name, _), stop, key, url in zip(part.members, stops, keys, urls, strict=True):
        if stop is None:
            yield Body(key, read_file(f"{part.path}{name}"), UNCHECKED if url else ())
