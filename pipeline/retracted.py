"""Rows that were taken back, for whoever has a copy: a loader skips them on the fly.

    retracted = Retracted.read("retractions.parquet", ["builder/…+…"])
    webdataset.WebDataset(…).select(retracted.keeps)
    datasets.load_from_disk(…).filter(retracted.keeps)

A row of a copy that is ours (it has `uid` and `stored_sha256`) is told by its uid. Any other is
told by a uid, by a digest that it carries, or by that of any bytes in it, whichever is met: at any
depth, and in any JSON. A sample that has neither these nor an image's bytes cannot be told and is
refused, not let through.
"""

import hashlib
import io
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from optout.log.note import VerifierKey, parse_verifier_key
from optout.signed_file import SUFFIX, open_note, require_same
from pipeline.storage import read_anywhere
from schemas import SCHEMA_VERSION
from schemas.errors import ProofError, SchemaError
from schemas.tables import RETRACTIONS, require

KIND = "recuse-retractions/1"
DIGESTS = ("sha256", "stored_sha256")
IMAGES = {"image", "bytes", "jpg", "jpeg", "jpe", "png", "webp", "gif", "avif", "bmp"}
IMAGES |= {"tif", "tiff", "heic", "heif", "jxl", "jp2", "j2k"}
"""Names of columns, and endings of names, under which samples hold the bytes of their image."""
TEXTS = {"json", "meta", "metadata"}
"""Names of columns, and endings of names, under which samples hold JSON as text."""
UID_CHARS, SHA256_CHARS = 32, 64
KEY = "__key__"
"""Under which `webdataset` gives the key of a sample."""
JSON_BYTES = 16 << 20
"""How long JSON may be, unpacked; longer is not read."""
HEAD_BYTES = 512
_GZIP, _GZIP_WINDOW = b"\x1f\x8b", 31
_MARK = "\ufeff"
_UNREAD = object()
_MAGIC = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*", b"\xff\x0a"),
    *(b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
)
_BOXES = (b"ftyp", b"WEBP")
"""How images begin, and what some have as bytes 4 to 8 (HEIF and AVIF) or 8 to 12 (WebP)."""
_HEX = re.compile("[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Retracted:
    """Uids and digests of rows that were taken back.

    release: of which release they are, sha256. rows: what is known of each, uid and digests.
    """

    uids: frozenset[str]
    digests: frozenset[str]
    release: str = ""
    rows: tuple[frozenset[str], ...] = ()

    @classmethod
    def read(
        cls,
        source: str | Path | bytes,
        keys: Iterable[str | VerifierKey],
        note: bytes | None = None,
    ) -> "Retracted":
        """Return what a file of retractions says, once one of the keys has vouched for it.

        source: its path or URL, with its note beside it, or its bytes. keys: of those whom you
        trust, NAME+ID+BASE64; never from the file itself. Raises ProofError where none has signed,
        or the file is another one; SchemaError for a file that is none; StorageError.
        """
        if isinstance(source, bytes):
            body, signed = source, note
        else:
            body, signed = read_anywhere(str(source)), note or read_anywhere(f"{source}{SUFFIX}")
        if signed is None:
            raise ProofError("expected the note that vouches for the retractions, found none")
        trusted = [parse_verifier_key(key) if isinstance(key, str) else key for key in keys]
        found = open_note(signed, KIND, trusted)
        require_same(found, body, "retractions")
        return cls.of(_table(body), found.said.get("release", ""))

    @classmethod
    def of(cls, table: pa.Table, release: str = "") -> "Retracted":
        """Return what a table RETRACTIONS says."""
        uids = [as_hex(uid, UID_CHARS) for uid in table["uid"].to_pylist()]
        digests = [[as_hex(d, SHA256_CHARS) for d in table[n].to_pylist()] for n in DIGESTS]
        rows = tuple(frozenset(filter(None, row)) for row in zip(uids, *digests, strict=True))
        said = frozenset(d for each in digests for d in each if d)
        return cls(frozenset(filter(None, uids)), said, release, rows)

    def keeps(self, sample: Mapping[str, Any]) -> bool:
        """Say whether a sample may stay: a row of a table, or what a tar holds under one key.

        Raises SchemaError for a sample by which nobody can tell.
        """
        told, found = told_of(sample), bytes_in(sample)
        if not told.tells and not any(is_picture(name, body) for name, body in found):
            raise SchemaError(
                f"expected uid, {', '.join(DIGESTS)} or the bytes of an image in a sample, found"
                f" {', '.join(map(str, sample))[:200]}: decode images after this filter"
            )
        if told.is_ours:
            return not self.hits(told)
        if self.called(str(sample.get(KEY, ""))):
            return False
        return not self.hits(told, (hashlib.sha256(body).hexdigest() for _, body in found))

    def hits(self, told: "Told", digests: Iterable[str] = ()) -> frozenset[str]:
        """Return the uids and digests by which a row was taken back; none where it may stay.

        digests: of the bytes in it, hex; not asked for of a row of ours.
        """
        by_uid = self.uids.intersection(told.uids)
        if told.is_ours:
            return by_uid
        return by_uid | self.digests.intersection([*told.digests, *digests])

    def called(self, key: str) -> frozenset[str]:
        """Return the uid or digest of a row that was taken back, where a sample is called so.

        key: of the sample, perhaps with folders. Names that are no such uid tell nothing.
        """
        name = key.rpartition("/")[2]
        known = {as_hex(name, chars) for chars in (UID_CHARS, SHA256_CHARS)}
        return self.uids.intersection(known) | self.digests.intersection(known)

    def along(self, known: AbstractSet[str]) -> frozenset[str]:
        """Return uids and digests, with all others of the same rows."""
        return frozenset(known).union(*(row for row in self.rows if not row.isdisjoint(known)))

    def without(self, known: AbstractSet[str]) -> "Retracted":
        """Return what was taken back but for some uids and digests."""
        return replace(self, uids=self.uids - known, digests=self.digests - known)

    def also(self, digests: AbstractSet[str]) -> "Retracted":
        """Return what was taken back, and images of these digests."""
        return replace(self, digests=self.digests | digests)


@dataclass(frozen=True, slots=True)
class Told:
    """What a row says of itself.

    is_ours: its uid is one that a release has given. is_list: it tells of several rows. is_unread:
    there is JSON that cannot be read.
    """

    uids: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    is_ours: bool = False
    is_list: bool = False
    is_unread: bool = False

    @property
    def tells(self) -> bool:
        return bool(self.uids or self.digests)

    def tells_beyond(self, digests: Collection[str]) -> bool:
        """Say whether it tells more than the digests of its own bytes."""
        return bool(self.uids) or any(d not in digests for d in self.digests)


def told_of(sample: Mapping[str, Any]) -> Told:
    """Return uids and digests of a sample, at any depth, also out of its JSON.

    JSON that cannot be read says nothing: then the rest of the sample has to tell.
    """
    texts: list[object] = []
    said = list(_said(sample, texts))
    uids = [uid for name, value in said if name == "uid" and (uid := as_hex(value, UID_CHARS))]
    digests = [d for name, value in said if name in DIGESTS and (d := as_hex(value, SHA256_CHARS))]
    is_ours = bool(uids) and any(name == "stored_sha256" for name, _ in said)
    is_list = len(set(uids)) > 1 or len(set(digests)) > len(DIGESTS) or any(map(_is_list, texts))
    is_unread = any(parsed is _UNREAD for parsed in texts)
    return Told(tuple(uids), tuple(digests), is_ours, is_list, is_unread)


def _said(sample: Mapping[str, Any], texts: list[object]) -> Iterator[tuple[str, object]]:
    """Yield the leaves of a sample, by their names in small letters. texts: takes its JSON."""
    left: list[tuple[str, object]] = [("", sample)]
    while left:
        name, value = left.pop()
        if is_json(name) and isinstance(value, bytes | bytearray | memoryview | str):
            value = _parsed(value)
            if isinstance(value, str) and (inner := _parsed(value)) is not _UNREAD:
                value = inner  # it was written as JSON twice
            texts.append(value)
        if isinstance(value, Mapping):
            left += [(str(key).lower(), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            left += [_entry(item) or (name, item) for item in value]
        else:
            yield name, value


def _entry(item: object) -> tuple[str, object] | None:
    """Return name and value of an entry of a map, which Arrow gives as a pair."""
    match item:
        case (str() as name, value) if isinstance(item, tuple):
            return name.lower(), value
    return None


def _is_list(value: object) -> bool:
    return isinstance(value, list) and sum(isinstance(one, Mapping) for one in value) > 1


def is_json(name: str) -> bool:
    """Say whether a column, or a file, of this name may hold JSON as text, also packed (.gz)."""
    return name.lower().removesuffix(".gz").rpartition(".")[2] in TEXTS


def _parsed(text: bytes | bytearray | memoryview | str) -> object:
    """Return what JSON says, nothing where it is empty, _UNREAD for what is none."""
    if not text:
        return None
    try:
        if not isinstance(text, str):
            return json.loads(_unpacked(bytes(text)))
        return json.loads(text.removeprefix(_MARK))
    except (ValueError, RecursionError, zlib.error):
        return _UNREAD


def _unpacked(text: bytes) -> bytes:
    """Return text as it was before it was packed. Raises ValueError where it is too long."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW) if text.startswith(_GZIP) else None
    body = unpacker.decompress(text, JSON_BYTES + 1) if unpacker else text
    if len(body) > JSON_BYTES or (unpacker and not unpacker.eof):
        raise ValueError(f"expected whole JSON of at most {JSON_BYTES:,} bytes")
    return body


def as_hex(value: object, chars: int) -> str:
    """Return a uid or digest as releases write it: hex, small letters; "" for anything else.

    chars: how many it has. A number of somebody else's tells nothing, so it must not count as told.
    Who keeps uids as UUIDs may write them with hyphens.
    """
    if isinstance(value, UUID):
        value = value.hex
    if isinstance(value, bytes | bytearray | memoryview):
        body = bytes(value)
        value = body.hex() if 2 * len(body) == chars else body.decode("ascii", "replace")
    text = value.strip().lower().replace("-", "") if isinstance(value, str) else ""
    return text if len(text) == chars and _HEX.fullmatch(text) else ""


def bytes_in(sample: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Return name and content of all bytes that a sample holds, however deep."""
    found: list[tuple[str, bytes]] = []
    left: list[tuple[str, object]] = [(str(name), value) for name, value in sample.items()]
    while left:
        name, value = left.pop()
        if isinstance(value, bytes | bytearray | memoryview):
            found.append((name, bytes(value)))
        elif isinstance(value, Mapping):
            left += [("image" if key == "bytes" else name, inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            left += [(name, inner) for inner in value]
    return found


def is_image(name: str) -> bool:
    """Say whether a column, or a file, of this name holds an image."""
    return name.rpartition(".")[2].lower() in IMAGES


def is_picture(name: str, body: bytes) -> bool:
    """Say whether bytes are an image, by their name or by how they begin.

    Nothing is an image that is empty, or says where one is: a path, a pointer of Git LFS.
    """
    return begins_as_image(body) or (is_image(name) and not _is_reference(body[:HEAD_BYTES]))


def _is_reference(head: bytes) -> bool:
    try:
        text = head.decode().strip()
    except UnicodeDecodeError:
        return False
    if any(not (letter.isprintable() or letter.isspace()) for letter in text):
        return False
    return not text or "/" in text or ("." in text and is_image(text))


def begins_as_image(body: bytes) -> bool:
    """Say whether bytes begin as those of an image do."""
    return body.startswith(_MAGIC) or body[4:8] in _BOXES or body[8:12] in _BOXES


def _table(body: bytes) -> pa.Table:
    try:
        table = pq.ParquetFile(io.BytesIO(body)).read()
    except (pa.ArrowInvalid, OSError) as e:
        raise SchemaError(f"expected retractions as Parquet: {e}") from e
    require(table, RETRACTIONS, extra=False)
    version = (table.schema.metadata or {}).get(b"schema_version", b"none").decode()
    if version != str(SCHEMA_VERSION):
        raise SchemaError(f"expected schema_version {SCHEMA_VERSION}, found {version}")
    return table
