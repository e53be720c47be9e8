"""Rows that were taken back, for whoever has a copy: a loader skips them on the fly.

    retracted = Retracted.read("retractions.parquet", ["builder/…+…"])
    webdataset.WebDataset(…).select(retracted.keeps)
    datasets.load_from_disk(…).filter(retracted.keeps)

A row of a copy that is ours (it has `uid` and `stored_sha256`) is told by its uid. Any other is
told by a uid, by a digest that it carries, or by that of its image's bytes, whichever is met. A
sample that has none of them cannot be told and is refused, not let through.
"""

import hashlib
import io
import json
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
IMAGES = ("image", "jpg", "jpeg", "png", "webp", "gif", "bytes")
"""Under these names samples hold the bytes of their image."""


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
        digests = (d for name in DIGESTS for d in table[name].to_pylist())
        return cls(frozenset(table["uid"].to_pylist()), frozenset(d for d in digests if d), release)

    def keeps(self, sample: Mapping[str, Any]) -> bool:
        """Say whether a sample may stay: a row of a table, or what a tar holds under one key.

        Raises SchemaError for a sample by which nobody can tell.
        """
        told = _told(sample)
        uid = told.get("uid")
        if uid is not None and "stored_sha256" in told:
            return uid not in self.uids
        digests = [told[name] for name in DIGESTS if told.get(name)]
        digests += [hashlib.sha256(body).hexdigest() for body in images(sample)]
        if uid is None and not digests:
            raise SchemaError(
                f"expected uid, {', '.join(DIGESTS)} or the bytes of an image in a sample, found"
                f" {', '.join(map(str, sample))[:200]}: decode images after this filter"
            )
        return uid not in self.uids and self.digests.isdisjoint(digests)


def images(sample: Mapping[str, Any]) -> list[bytes]:
    """Return the bytes of the images that a sample holds."""
    found = []
    for name, value in sample.items():
        inside = value.get("bytes") if isinstance(value, Mapping) else value
        named = name.lower() in IMAGES or isinstance(value, Mapping)
        if named and isinstance(inside, bytes) and name != "json":
            found.append(inside)
    return found


def _told(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return where uid and digests stand: in the sample, or in its JSON."""
    inner = sample.get("json")
    if isinstance(inner, bytes | str):
        try:
            inner = json.loads(inner)
        except ValueError as e:
            raise SchemaError(f"expected JSON in a sample, found {inner!r:.80}") from e
    return {**inner, **sample} if isinstance(inner, Mapping) else sample


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
