"""The fetch store's bytes: packs of raw bodies, and reading them back.

A pack is bodies one behind the other, nothing else; OBSERVED says where each lies. It is published
under the sha256 of its content, so a second run of a task finds its packs there. Equal bodies given
to one writer are stored once. Inside a pack bodies are sorted by sha256: the order in which answers
came in leaves no trace as long as they fit into one pack.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa

from schemas.canonical import sha256_hex
from schemas.errors import SchemaError, StorageError
from schemas.ports import Store

MAX_PACK_BYTES = 128_000_000
FLUSH_BYTES = 64_000_000
GAP_BYTES = 65_536  # reading on over a gap is cheaper than a second request to an object store
RANGE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a body lies."""

    pack: str
    offset: int
    length: int


class PackWriter:
    """Collects bodies and publishes them as packs below `folder`.

    flush_bytes: a pack is published before it would grow beyond this; one body may be larger.
    never: says of a sha256 and a body that it must not be stored (safety lists); such a body has
    no place, and nothing of it is written.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        flush_bytes: int = FLUSH_BYTES,
        *,
        never: Callable[[str, bytes], bool] = lambda _sha256, _body: False,
    ) -> None:
        self._store = store
        self._folder = folder
        self._flush_bytes = min(flush_bytes, MAX_PACK_BYTES)
        self._never = never
        self._refused: set[str] = set()
        self._waiting: dict[str, bytes] = {}
        self._waiting_bytes = 0
        self._places: dict[str, Place] = {}

    @property
    def places(self) -> Mapping[str, Place]:
        """Where each body published so far lies, by sha256; after `flush` all that may be kept."""
        return self._places

    def is_full(self, more_bytes: int) -> bool:
        """Say whether adding so many bytes publishes a pack first (and takes its time)."""
        return bool(self._waiting) and self._waiting_bytes + more_bytes > self._flush_bytes

    def add(self, body: bytes) -> str:
        """Take a body and return its sha256. Raises StorageError where a pack cannot be published.

        Not for several threads at once.
        """
        sha256 = sha256_hex(body)
        known = sha256 in self._places or sha256 in self._waiting or sha256 in self._refused
        if not known and self._never(sha256, body):
            self._refused.add(sha256)
        elif not known:
            if self.is_full(len(body)):
                self.flush()
            self._waiting[sha256] = body
            self._waiting_bytes += len(body)
        return sha256

    def flush(self) -> None:
        """Publish what waits; after an error it still waits. Raises StorageError."""
        if not self._waiting:
            return
        bodies = sorted(self._waiting.items())
        pack = b"".join(body for _, body in bodies)
        path = f"{self._folder}/{sha256_hex(pack)}.pack"
        self._store.publish_once(path, pack)
        offset = 0
        for sha256, body in bodies:
            self._places[sha256] = Place(path, offset, len(body))
            offset += len(body)
        self._waiting.clear()
        self._waiting_bytes = 0


def read_bodies(store: Store, places: pa.Table) -> list[bytes]:
    """Return the body of each row, same order, each checked against its sha256.

    places: columns pack, offset, length and sha256 (OBSERVED, JUDGED), n rows without nulls.
    Near ranges of a pack are read together. Raises SchemaError for a row without a body,
    StorageError for a body that is absent or other than it was.
    """
    rows = list(_rows(places))
    order = sorted(range(len(rows)), key=lambda i: (rows[i].pack, rows[i].offset))
    bodies: list[bytes] = [b""] * len(rows)
    for pack, group in groupby(order, key=lambda i: rows[i].pack):
        _read_pack(store, pack, {i: rows[i] for i in group}, bodies)
    return bodies


@dataclass(frozen=True, slots=True)
class _Row:
    pack: str
    offset: int
    length: int
    sha256: str


def _rows(places: pa.Table) -> Iterator[_Row]:
    names = ("pack", "offset", "length", "sha256")
    for name in names:
        if places[name].null_count:
            raise SchemaError(f"expected rows with bodies, found {name} null")
    for values in zip(*(places[name].to_pylist() for name in names), strict=True):
        yield _Row(*values)


def _read_pack(store: Store, pack: str, wanted: dict[int, _Row], bodies: list[bytes]) -> None:
    spans = _spans(list(wanted.values()))
    parts = store.read_ranges(pack, spans)
    span = 0
    for i, row in wanted.items():  # by offset, as are the spans
        while row.offset + row.length > sum(spans[span]):
            span += 1
        start = row.offset - spans[span][0]
        body = parts[span][start : start + row.length]
        if (found := sha256_hex(body)) != row.sha256:
            raise StorageError(
                f"{pack}: expected sha256 {row.sha256} in {row.length} bytes at {row.offset}, "
                f"found {found} in {len(body)}"
            )
        bodies[i] = body


def _spans(rows: list[_Row]) -> list[tuple[int, int]]:
    """Merge rows sorted by offset into (offset, length) ranges to read."""
    spans: list[tuple[int, int]] = []
    for row in rows:
        end = row.offset + row.length
        if spans:
            start, length = spans[-1]
            near = row.offset <= start + length + GAP_BYTES
            if near and max(end, start + length) - start <= RANGE_BYTES:
                spans[-1] = (start, max(length, end - start))
                continue
        spans.append((row.offset, row.length))
    return spans
