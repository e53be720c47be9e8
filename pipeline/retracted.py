"""Rows that were taken back, for whoever has a copy: a loader skips them on the fly.

    retracted = Retracted.read("retractions.parquet", ["builder/…+…"])
    webdataset.WebDataset(…).select(retracted.keeps)
    datasets.load_from_disk(…).filter(retracted.keeps)

A row of a copy that is ours (it has `uid` and `stored_sha256`) is told by its uid. Any other is
told by a uid, by a digest that it carries, or by that of any bytes in it, whichever is met. A
sample that has neither these nor an image's bytes cannot be told and is refused, not let through.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
UID_CHARS, SHA256_CHARS = 32, 64
_HEX = re.compile("[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Retracted:
    """Uids and digests of rows that were taken back. release: of which release they are, sha256."""

    uids: frozenset[str]
    digests: frozenset[str]
    release: str = ""

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
        said = (as_hex(d, SHA256_CHARS) for name in DIGESTS for d in table[name].to_pylist())
        uids = (as_hex(uid, UID_CHARS) for uid in table["uid"].to_pylist())
        return cls(frozenset(filter(None, uids)), frozenset(filter(None, said)), release)

    def keeps(self, sample: Mapping[str, Any]) -> bool:
        """Say whether a sample may stay: a row of a table, or what a tar holds under one key.

        Raises SchemaError for a sample by which nobody can tell.
        """
        told = told_of(sample)
        found = bytes_in(sample)
        if not told.tells and not any(is_image(name) for name, _ in found):
            raise SchemaError(
                f"expected uid, {', '.join(DIGESTS)} or the bytes of an image in a sample, found"
                f" {', '.join(map(str, sample))[:200]}: decode images after this filter"
            )
        if told.is_ours:
            return self.stays(told)
        return self.stays(told, (hashlib.sha256(body).hexdigest() for _, body in found))

    def stays(self, told: "Told", digests: Iterable[str] = ()) -> bool:
        """Say whether a row may stay. digests: of the bytes in it, hex; not asked for of ours."""
        if told.uid in self.uids:
            return False
        return told.is_ours or self.digests.isdisjoint([*told.digests, *digests])


@dataclass(frozen=True, slots=True)
class Told:
    """What a row says of itself. is_ours: its uid is one that a release has given."""

    uid: str = ""
    digests: tuple[str, ...] = ()
    is_ours: bool = False

    @property
    def tells(self) -> bool:
        return bool(self.uid or self.digests)


def told_of(sample: Mapping[str, Any]) -> Told:
    """Return uid and digests of a sample, from itself or its JSON. Raises SchemaError for none."""
    inner = sample.get("json")
    if isinstance(inner, bytes | str):
        try:
            inner = json.loads(inner)
        except ValueError as e:
            raise SchemaError(f"expected JSON in a sample, found {inner!r:.80}") from e
    both = [*sample.items(), *(inner.items() if isinstance(inner, Mapping) else ())]
    said = [(str(name).lower(), value) for name, value in both]
    uids = [uid for name, value in said if name == "uid" and (uid := as_hex(value, UID_CHARS))]
    digests = [d for name, value in said if name in DIGESTS and (d := as_hex(value, SHA256_CHARS))]
    is_ours = bool(uids) and any(name == "stored_sha256" for name, _ in said)
    return Told(uids[0] if uids else "", tuple(digests), is_ours)


def as_hex(value: object, chars: int) -> str:
    """Return a uid or digest as releases write it: hex, small letters; "" for anything else.

    chars: how many it has. A number of somebody else's tells nothing, so it must not count as told.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        body = bytes(value)
        value = body.hex() if 2 * len(body) == chars else body.decode("ascii", "replace")
    text = value.strip().lower() if isinstance(value, str) else ""
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
