"""What a source is cut into, and what comes out of one part: values that travel between tasks."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas.errors import SchemaError
from schemas.verdict import Family

ROW_BITS = 40
"""SOURCED.row is file number << ROW_BITS | row number in the file."""

UNCHECKED = (
    Family.ROBOTS.value,
    Family.WELL_KNOWN.value,
    Family.HEADERS.value,
    Family.EMBEDDED.value,
)
"""Families that nobody can read for bytes that somebody else fetched and re-encoded."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of the source mean what; empty where there is none.

    page, html, wat: URL, HTML and WAT record of the page around the image. A file may lack the
    page column where it was recognised by its name.
    """

    url: str = ""
    caption: str = ""
    uid: str = ""
    image: str = ""
    page: str = ""
    html: str = ""
    wat: str = ""

    def named(self) -> dict[str, str]:
        """Return meaning -> column, of those that exist."""
        pairs = ((meaning, getattr(self, meaning)) for meaning in self.__slots__)
        return {meaning: column for meaning, column in pairs if column}


@dataclass(frozen=True, slots=True)
class Part:
    """What one task reads. `file` is the file's number in the source, paths sorted."""

    path: str
    relative: str
    file: int
    start: int = 0  # first row of the file that belongs to the part
    stop: int = -1  # first row that no longer does; -1: to the end
    sidecar: str = ""  # Parquet beside a tar, with the rows that failed
    members: tuple[tuple[str, str], ...] = ()  # images: name, and suffixes of the files beside it

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value; `from_json` reads it back."""
        value: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {**value, "members": [list(m) for m in self.members]}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Part":
        """Read a part back. Raises SchemaError."""
        try:
            members = tuple((str(name), str(beside)) for name, beside in value["members"])
            return Part(**{**value, "members": members})
        except (KeyError, TypeError, ValueError) as e:
            raise SchemaError(f"expected a part of a source, found {value!r:.200}") from e


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """A source, looked at once: how it is read, and what marks it.

    extra_schema: the further columns of all rows, already under the prefix `extra.`.
    rows: null where only reading tells; rows_estimate is about right then. fingerprint: changes
    when the source does.
    """

    name: str
    format: str
    parts: tuple[Part, ...]
    columns: Columns
    extra_schema: pa.Schema
    rows: int | None
    fingerprint: str
    max_caption_bytes: int
    size_bytes: int
    rows_estimate: int

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value; `from_json` reads it back."""
        schema = self.extra_schema.serialize().to_pybytes()
        return {
            "name": self.name,
            "format": self.format,
            "parts": [part.as_json() for part in self.parts],
            "columns": self.columns.named(),
            "extra_schema": base64.b64encode(schema).decode(),
            "rows": self.rows,
            "fingerprint": self.fingerprint,
            "max_caption_bytes": self.max_caption_bytes,
            "size_bytes": self.size_bytes,
            "rows_estimate": self.rows_estimate,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "SourcePlan":
        """Read a plan back. Raises SchemaError."""
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value["extra_schema"])))
            parts = tuple(Part.from_json(part) for part in value["parts"])
            columns = Columns(**value["columns"])
            rest = {**value, "extra_schema": schema, "parts": parts, "columns": columns}
            return SourcePlan(**rest)
        except (KeyError, TypeError, ValueError, pa.ArrowException) as e:
            raise SchemaError(f"expected the plan of a source, found {value!r:.200}") from e


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes that came with the source, and the families that nobody can read for them."""

    url_key: str
    body: bytes
    unchecked: tuple[str, ...]


def _nothing() -> Iterator[Body]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Read:
    """One part, read: SOURCED rows with `extra.` columns, and the bodies of those not stopped.

    `bodies` gives a new iterator each time; it opens the source again and reads as it goes.
    """

    rows: pa.Table
    bodies: Callable[[], Iterator[Body]] = field(default=_nothing)
