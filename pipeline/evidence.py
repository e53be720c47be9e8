"""What was read of signals, kept so that anybody can read it again.

Origin documents are public: an index with one row for each time that one was asked for (absent
ones too: the status and the time are the evidence), and each body once, under its digest. What
was said to us alone is private, since it may hold names, addresses and cookies: header lines,
tags of pages, answers of lists, packets inside files, each as one canonical JSON document whose
digest stands in the released row. Pure; whoever calls writes the files.
"""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from optout.signals.document import Document
from pipeline.columns import timestamps
from schemas.canonical import sha256_hex
from schemas.tables import DOCUMENTS, EVIDENCED, from_rows, require

EVIDENCE = pa.schema([f for f in DOCUMENTS if f.name != "body"], metadata=DOCUMENTS.metadata)
"""The public index: DOCUMENTS without bodies, sorted by document_id."""

EVIDENCE_INDEX = "evidence/index.parquet"
"""Where it stands in a release; a body stands beside it, named by its sha256."""


def public_evidence(documents: pa.Table) -> tuple[pa.Table, dict[str, bytes]]:
    """Return the index of origin documents and their bodies by sha256.

    documents: DOCUMENTS, in any order, repeated rows allowed.
    Returns EVIDENCE, one row for each document_id, sorted by it; and each body once, sorted.
    Raises SchemaError where the table departs from its schema.
    """
    require(documents, DOCUMENTS)
    index = once(documents, "document_id").select(EVIDENCE.names)
    bodies = dict(zip(documents["sha256"].to_pylist(), documents["body"].to_pylist(), strict=True))
    kept = {sha256: body for sha256, body in bodies.items() if sha256 and body is not None}
    return index.replace_schema_metadata(EVIDENCE.metadata), dict(sorted(kept.items()))


def evidence_bucket(evidence: pa.Table, count: int) -> pa.Array:
    """Return int32[n] in [0, count) for EVIDENCED: equal documents of all shards in one bucket."""
    numbers = [int(sha256[:8], 16) % count for sha256 in evidence["sha256"].to_pylist()]
    return pa.array(numbers, pa.int32())


def once(table: pa.Table, key: str) -> pa.Table:
    """Return the first row of each distinct key, sorted by it."""
    firsts: dict[str, int] = {}
    for index, value in enumerate(table[key].to_pylist()):
        firsts.setdefault(value, index)
    return table.take(pa.array(list(firsts.values()), pa.int64())).sort_by(key)


class Evidence:
    """Private documents while they come up: each is kept once, under its digest."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kinds: dict[str, tuple[str, bytes]] = {}

    def add(self, kind: str, body: bytes) -> str:
        """Keep a document and return its digest."""
        sha256 = sha256_hex(body)
        self._kinds.setdefault(sha256, (kind, body))
        return sha256

    def table(self) -> pa.Table:
        """Return EVIDENCED, sorted by digest."""
        rows = [
            {"sha256": sha256, "kind": kind, "body": body}
            for sha256, (kind, body) in sorted(self._kinds.items())
        ]
        return from_rows(rows, EVIDENCED)


class Library:
    """Origin documents by id."""

    def __init__(self, documents: pa.Table) -> None:
        """Take DOCUMENTS in any order."""
        asked_at = timestamps(documents["asked_at"])
        slim = documents.drop_columns(["asked_at"]).to_pylist()
        every = [
            Document(**row, asked_at_us=at or 0) for row, at in zip(slim, asked_at, strict=True)
        ]
        self._by_id = {document.document_id: document for document in every}

    def asked_at_us(self, document_id: str) -> int | None:
        """Return when a document was asked for; None for an unknown one."""
        document = self._by_id.get(document_id)
        return None if document is None else document.asked_at_us

    def named(self, ids: Iterable[str]) -> Mapping[str, Document]:
        """Return the documents that spoke for an address, by key; unknown ids are left out."""
        found = (self._by_id.get(document_id) for document_id in ids)
        return {document.key: document for document in found if document is not None}
