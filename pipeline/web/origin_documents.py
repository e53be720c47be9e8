"""The documents of an origin (robots.txt and what later joins it), each asked once.

Rules (RFC 9309 section 2.3):
* Redirects are followed up to five times, to other hosts too; every address on the way is checked,
  and the document speaks for the origin that was asked first. A chain that does not end keeps its
  3xx status, which no policy reads as "no rules".
* At most 500 KiB are kept, cut at the end of the last whole line.
* What is known and young enough is not asked again: 24 hours, one hour where nothing answered.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa

from optout.signals.channels import Document, found
from pipeline.web.asking import Answer, Asker
from pipeline.web.gates import Gates
from pipeline.web.redirects import redirected_to
from pipeline.web.resolve import target
from schemas.errors import FetchError
from schemas.ports import Clock, Request, Response
from schemas.tables import DOCUMENTS, from_rows, require
from schemas.verdict import Outcome

MAX_DOCUMENT_BYTES = 512_000
MAX_DOCUMENT_REDIRECTS = 5
TTL_US = 24 * 3600 * 1_000_000
FAILED_TTL_US = 3600 * 1_000_000
ACCEPT = (("Accept", "text/plain, application/json;q=0.9, */*;q=0.5"),)
FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of an origin. `error`: nothing there can be asked, and why."""

    documents: Mapping[str, Document] = field(default_factory=lambda: MappingProxyType({}))
    error: FetchError | None = None

    def document_id(self, kind: str) -> str | None:
        """Return the id of one kind of document, None where there is none."""
        document = self.documents.get(kind)
        return None if document is None else document.document_id


class OriginDocuments:
    """The origins of one task; however many URLs wait, each document is asked once."""

    def __init__(
        self,
        known: pa.Table,
        gates: Gates,
        asker: Asker,
        clock: Clock,
        allow_hosts: tuple[str, ...],
    ) -> None:
        self._gates = gates
        self._asker = asker
        self._allow_hosts = allow_hosts
        self._known = _young(known, clock.now_us())
        self._origins: dict[str, Origin] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._new: list[Document] = []

    async def of(self, origin: str) -> Origin:
        """Return what an origin's documents are; asks for those that are missing."""
        async with self._locks.setdefault(origin, asyncio.Lock()):
            if origin not in self._origins:
                self._origins[origin] = await self._ask(origin)
            return self._origins[origin]

    def new(self) -> pa.Table:
        """Return DOCUMENTS asked by this task, sorted by kind, origin and id."""
        order = sorted(self._new, key=lambda d: (d.kind, d.origin, d.document_id))
        return documents_table(order)

    async def _ask(self, origin: str) -> Origin:
        documents: dict[str, Document] = {}
        for kind, url in self._gates.origin_documents(origin):
            document = self._known.get((kind, origin))
            if document is None:
                try:
                    document = await self._find(kind, origin, url)
                except FetchError as e:  # the origin itself may not be asked: there is no document
                    return Origin(documents, e)
                self._new.append(document)
            documents[kind] = document
            if _is_silence(document, url):
                error = FetchError(Outcome.UNREACHABLE, document.detail or "", lasting=True)
                return Origin(documents, error)
        return Origin(documents)

    async def _find(self, kind: str, origin: str, url: str) -> Document:
        """Ask for a document through its redirects. Raises FetchError(ADDRESS) at the first hop."""
        at, asked_at_us = url, None
        for _ in range(MAX_DOCUMENT_REDIRECTS + 1):
            try:
                host = target(at, self._allow_hosts).host
            except FetchError as e:
                if asked_at_us is None:
                    raise
                return _failed(kind, origin, at, asked_at_us, _said(e))
            answer = await self._asker.ask(host, Request(at, ACCEPT), _limit)
            if answer.error is not None and asked_at_us is None:
                _raise_if_refused(answer.error)
            asked_at_us = asked_at_us or answer.asked_at_us
            to = redirected_to(answer.response) if answer.response else None
            if to is None:
                return _document(kind, origin, at, asked_at_us, answer)
            at = to
        return _document(kind, origin, at, asked_at_us or 0, answer)


def documents_table(documents: list[Document]) -> pa.Table:
    """Return DOCUMENTS, one row each, same order."""
    rows = [
        {
            "document_id": d.document_id,
            "kind": d.kind,
            "origin": d.origin,
            "url": d.url,
            "http_status": d.http_status,
            "detail": d.detail,
            "asked_at": d.asked_at_us,
            "sha256": d.sha256,
            "body": d.body,
            "content_type": d.content_type,
            "truncated": d.truncated,
        }
        for d in documents
    ]
    return from_rows(rows, DOCUMENTS)


def documents_of(table: pa.Table) -> list[Document]:
    """Return the documents of a DOCUMENTS table, same order."""
    require(table, DOCUMENTS)
    at = table["asked_at"].cast(pa.int64())
    columns = table.drop_columns(["asked_at"]).append_column("asked_at_us", at)
    return [Document(**row) for row in columns.to_pylist()]


def whole_lines(prefix: bytes) -> bytes:
    """Return the bytes up to and with the last line end (LF or CR); a cut last line is dropped."""
    return prefix[: max(prefix.rfind(b"\n"), prefix.rfind(b"\r")) + 1]


def _young(known: pa.Table, now_us: int) -> dict[tuple[str, str], Document]:
    """Return the newest document of each kind and origin that need not be asked again."""
    documents = sorted(documents_of(known), key=lambda d: (d.asked_at_us, d.document_id))
    return {
        (d.kind, d.origin): d
        for d in documents
        if now_us - d.asked_at_us < (FAILED_TTL_US if _is_failed(d) else TTL_US)
    }


def _is_failed(document: Document) -> bool:
    status = document.http_status
    return status is None or status >= FIRST_SERVER_ERROR


def _is_silence(document: Document, url: str) -> bool:
    """Say whether nothing at all listens at an origin: its first document found no connection."""
    said = document.detail or ""
    silent = document.http_status is None and said.startswith(f"{Outcome.UNREACHABLE}: ")
    return silent and document.url == url


def _limit(response: Response) -> int | Outcome:
    readable = 200 <= response.status < 300  # noqa: PLR2004 - RFC 9309 section 2.3.1.1
    return MAX_DOCUMENT_BYTES if readable else Outcome.STATUS


def _raise_if_refused(error: FetchError) -> None:
    if error.outcome == Outcome.ADDRESS:
        raise error


def _failed(kind: str, origin: str, url: str, asked_at_us: int, why: str) -> Document:
    return found(kind, origin, url, http_status=None, asked_at_us=asked_at_us, detail=plain(why))


def _document(kind: str, origin: str, url: str, asked_at_us: int, answer: Answer) -> Document:
    error, response, body = answer.error, answer.response, answer.body
    if response is None:
        return _failed(kind, origin, url, asked_at_us, _said(error))
    cut = error is not None and error.outcome == Outcome.TOO_LARGE and bool(error.prefix)
    if error is not None and cut:
        body = whole_lines(error.prefix[:MAX_DOCUMENT_BYTES])
    elif error is not None:
        # A body that broke off is no answer: "200, no rules" must not come of it.
        why = f"status {response.status}, body not whole: {_said(error)}"
        return _failed(kind, origin, url, asked_at_us, why)
    types = [v for name, v in response.headers if name.lower() == "content-type"]
    endless = redirected_to(response) is not None
    return found(
        kind,
        origin,
        url,
        http_status=response.status,
        asked_at_us=asked_at_us,
        body=body,
        truncated=cut,
        content_type=types[0] if types else None,
        detail=f"more than {MAX_DOCUMENT_REDIRECTS} redirects" if endless else None,
    )


def _said(error: FetchError | None) -> str:
    return "no answer" if error is None else f"{error.outcome}: {error}"


def plain(text: str) -> str:
    """Return text for a `detail` column: no control characters or lone surrogates, 500 at most."""
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "?", text)[:500]
