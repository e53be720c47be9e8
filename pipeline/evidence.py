"""What was read of signals, kept so that anybody can read it again: documents and header lines.

Origin documents are public: an index with one row for each time that one was asked for (absent
ones too: the status and the time are the evidence), and each body once, under its digest. Header
lines are private, since they may hold names, addresses and cookies: one canonical JSON document
for each answer, whose digest stands in the released row. Pure; whoever calls writes the files.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.signals.channels import ROBOTS, SIGNAL_HEADERS, Document, SignalPolicy
from optout.signals.evidence import header_document
from schemas.canonical import sha256_hex
from schemas.tables import DOCUMENTS, OBSERVED, TEXT, require
from schemas.verdict import Outcome

EVIDENCE = pa.schema([f for f in DOCUMENTS if f.name != "body"], metadata=DOCUMENTS.metadata)
"""The public index: DOCUMENTS without bodies, sorted by document_id."""

HEADER_EVIDENCE = pa.schema(
    [
        pa.field("sha256", TEXT),  # of the body: what `signals.evidence` names
        pa.field("url_key", TEXT),
        pa.field("body", pa.binary()),  # canonical JSON, optout.signals.evidence.header_document
    ],
    metadata=DOCUMENTS.metadata,
)

HeaderLines = list[tuple[str, str]]


def public_evidence(documents: pa.Table) -> tuple[pa.Table, dict[str, bytes]]:
    """Return the index of origin documents and their bodies by sha256.

    documents: DOCUMENTS, in any order, repeated rows allowed.
    Returns EVIDENCE, one row for each document_id, sorted by it; and each body once, sorted.
    Raises SchemaError where the table departs from its schema.
    """
    require(documents, DOCUMENTS)
    first = _first_of_each(documents["document_id"])
    index = documents.take(first).select(EVIDENCE.names).sort_by("document_id")
    bodies = dict(zip(documents["sha256"].to_pylist(), documents["body"].to_pylist(), strict=True))
    kept = {sha256: body for sha256, body in bodies.items() if sha256 and body is not None}
    return index.replace_schema_metadata(EVIDENCE.metadata), dict(sorted(kept.items()))


def private_evidence(observed: pa.Table) -> pa.Table:
    """Return the header evidence of every answer whose headers speak about an image.

    observed: OBSERVED, in any order. Returns HEADER_EVIDENCE, each row once, sorted by sha256 and
    url_key. Raises SchemaError where the table departs from its schema.
    """
    require(observed, OBSERVED)
    read = observed.filter(have_headers(observed))
    bodies = header_documents(read)
    table = pa.Table.from_arrays(
        [
            pa.array([sha256_hex(body) for body in bodies], TEXT),
            read["url_key"],
            pa.array(bodies, pa.binary()),
        ],
        schema=HEADER_EVIDENCE,
    )
    both = pc.binary_join_element_wise(table["sha256"], table["url_key"], " ")
    table = table.take(_first_of_each(both))
    return table.sort_by([("sha256", "ascending"), ("url_key", "ascending")])


def have_headers(observed: pa.Table) -> pa.ChunkedArray:
    """Say of each answer whether it has headers that speak about an image.

    Those of a failure speak about an error page; a source that gives bytes may give none.
    """
    status = observed["http_status"]
    fine = pc.and_(pc.greater_equal(status, 200), pc.less(status, 300))
    given = pc.and_(
        pc.equal(observed["outcome"], Outcome.GIVEN.value),
        pc.greater(pc.list_value_length(observed["headers"]), 0),
    )
    read = pc.and_(pc.is_valid(observed["headers"]), pc.fill_null(fine, fill_value=False))
    return pc.or_(read, pc.fill_null(given, fill_value=False))


def header_documents(observed: pa.Table) -> list[bytes]:
    """Return the canonical evidence document of each row's headers, in row order."""
    columns = zip(
        observed["final_url"].to_pylist(),
        observed["http_status"].to_pylist(),
        signal_headers(observed["headers"]),
        microseconds(observed["asked_at"]),
        microseconds(observed["fetched_at"]),
        strict=True,
    )
    return [header_document(*values) for values in columns]


def signal_headers(headers: pa.ChunkedArray) -> list[HeaderLines]:
    """Return, for each row, the header lines that bear signals, in order and as sent.

    headers: list<struct{name, value}>; a null list gives none.
    """
    lists = _combined(headers)
    lines: list[HeaderLines] = [[] for _ in range(len(lists))]
    flat = lists.flatten()
    if not len(flat):
        return lines
    name = flat.field("name")
    bears = pc.is_in(
        pc.utf8_lower(pc.utf8_trim_whitespace(name)), pa.array(sorted(SIGNAL_HEADERS), TEXT)
    )
    (found,) = np.nonzero(pc.fill_null(bears, fill_value=False).to_numpy(zero_copy_only=False))
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    rows = np.searchsorted(np.cumsum(counts), found, side="right")
    chosen = flat.take(pa.array(found))
    names, values = chosen.field("name").to_pylist(), chosen.field("value").to_pylist()
    for row, header, value in zip(rows.tolist(), names, values, strict=True):
        lines[row].append((header, value or ""))
    return lines


def microseconds(column: pa.ChunkedArray) -> list[int | None]:
    """Return a timestamp column as microseconds since the epoch."""
    at: list[int | None] = column.cast(pa.int64()).to_pylist()
    return at


def _combined(column: pa.ChunkedArray) -> Any:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # pyarrow gives a chunked array back for no chunks
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    return array


def _first_of_each(column: pa.ChunkedArray) -> pa.Array:
    """Return the index of the first row of each distinct value, in row order."""
    firsts: dict[str, int] = {}
    for index, value in enumerate(column.to_pylist()):
        firsts.setdefault(value, index)
    return pa.array(list(firsts.values()), pa.int64())


class Library:
    """Origin documents by id, and the newest of each kind and origin."""

    def __init__(self, documents: pa.Table) -> None:
        """Take DOCUMENTS in any order."""
        asked_at = microseconds(documents["asked_at"])
        slim = documents.drop_columns(["asked_at"]).to_pylist()
        every = [
            Document(**row, asked_at_us=at or 0) for row, at in zip(slim, asked_at, strict=True)
        ]
        every.sort(key=lambda document: (document.asked_at_us, document.document_id))
        self._by_id = {document.document_id: document for document in every}
        self._newest = {(document.kind, document.origin): document for document in every}

    def of_hop(self, hop: Mapping[str, Any], policy: SignalPolicy) -> dict[str, Document]:
        """Return the documents that speak for an address that was, or was to be, asked."""
        origin = _origin(hop["url"])
        chosen = {}
        for kind, _ in policy.origin_documents(origin):
            document = self._newest.get((kind, origin))
            if kind == ROBOTS and hop["robots"] is not None:
                document = self._by_id.get(hop["robots"])
            if document is not None:
                chosen[kind] = document
        return chosen


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{authority.rpartition('@')[2]}"
