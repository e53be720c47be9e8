"""The documents that speak for addresses (robots.txt, files of rights, licences), each asked once.

Rules (RFC 9309 section 2.3):
* Redirects are followed up to five times, to other hosts too; every address on the way is checked,
  and the document speaks for the origin that was asked first. A chain that does not end keeps its
  3xx status, which no policy reads as "no rules".
* What is kept of a document has a limit by kind; robots.txt is cut at the end of a whole line.
* What is known and young enough is not asked again: 24 hours, one hour where nothing answered.
* A licence stands at an address that a stranger chose: https only, unless the host was opened.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import pyarrow as pa

from optout.signals.document import Document, Kind, Wanted, found
from pipeline.web.asking import Answer, Asker
from pipeline.web.gates import Gates
from pipeline.web.redirects import redirected_to
from pipeline.web.resolve import Target, is_opened, target
from schemas.errors import FetchError
from schemas.ports import Clock, Request, Response
from schemas.tables import DOCUMENTS, from_rows, require
from schemas.verdict import Outcome

MAX_BYTES: Mapping[str, int] = MappingProxyType(
    {
        Kind.ROBOTS: 512_000,  # RFC 9309 section 2.5
        Kind.TDMREP: 1 << 20,
        Kind.AI: 512_000,
        Kind.TRUST: 65_536,
        Kind.TRUST_WELL_KNOWN: 65_536,
        Kind.RSL: 262_144,
    }
)
"""How much of a document is kept, by kind."""
MAX_DOCUMENT_REDIRECTS = 5
TTL_US = 24 * 3600 * 1_000_000
FAILED_TTL_US = 3600 * 1_000_000
ACCEPT = (("Accept", "text/plain, application/json;q=0.9, */*;q=0.5"),)
FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Spoken:
    """The documents that speak for one address. `error`: nothing there can be asked, and why."""

    documents: Mapping[str, Document] = field(default_factory=lambda: MappingProxyType({}))
    error: FetchError | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of the documents, in the order in which they were asked."""
        return [document.document_id for document in self.documents.values()]


class OriginDocuments:
    """The documents of one task; however many URLs wait for one, it is asked once."""

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
        self._asked: dict[tuple[str, str], Document | FetchError] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._new: list[Document] = []

    async def of(self, origin: str, url: str) -> Spoken:
        """Return the documents for an address; asks for those that are missing.

        origin: scheme://host[:port] of url.
        """
        documents: dict[str, Document] = {}
        while wanted := self._gates.wanted_documents(origin, url, documents):
            answers = await asyncio.gather(*(self._one(one) for one in wanted))
            for one, answer in zip(wanted, answers, strict=True):
                if isinstance(answer, FetchError):  # the origin itself may not be asked
                    return Spoken(documents, answer)
                documents[one.key] = answer
                if one.kind == Kind.ROBOTS and _is_silence(answer, one.url):
                    error = FetchError(Outcome.UNREACHABLE, answer.detail or "", lasting=True)
                    return Spoken(documents, error)
        return Spoken(documents)

    async def licences(self, wanted: Sequence[Wanted]) -> list[Document]:
        """Return licences that a response or a page names; one that may not be asked says so."""
        answers = await asyncio.gather(*(self._one(one) for one in wanted))
        return [answer for answer in answers if isinstance(answer, Document)]

    def new(self) -> pa.Table:
        """Return DOCUMENTS asked by this task, sorted by kind, origin and id."""
        order = sorted(self._new, key=lambda d: (d.kind, d.origin, d.document_id))
        return documents_table(order)

    async def _one(self, wanted: Wanted) -> Document | FetchError:
        place = (wanted.kind, wanted.origin)
        known = self._asked.get(place)
        if known is not None:
            return known
        async with self._locks.setdefault(place, asyncio.Lock()):
            if place not in self._asked:
                self._asked[place] = await self._ask(wanted)
            return self._asked[place]

    async def _ask(self, wanted: Wanted) -> Document | FetchError:
        document = self._known.get((wanted.kind, wanted.origin))
        if document is not None:
            return document
        try:
            document = await self._find(wanted)
        except FetchError as e:
            if wanted.kind != Kind.RSL:
                return e
            return self._refused(wanted, e)
        self._new.append(document)
        return document

    def _refused(self, wanted: Wanted, error: FetchError) -> Document:
        """Return the finding that a licence may not be asked where it is said to be."""
        document = _failed(wanted, wanted.url, self._asker.now_us(), _said(error))
        self._new.append(document)
        return document

    async def _find(self, wanted: Wanted) -> Document:
        """Ask for a document through its redirects. Raises FetchError(ADDRESS) at the first hop."""
        at, asked_at_us = wanted.url, None
        limit = partial(_limit, MAX_BYTES[wanted.kind])
        for _ in range(MAX_DOCUMENT_REDIRECTS + 1):
            try:
                place = target(at, self._allow_hosts)
                self._require_https(wanted, place)
            except FetchError as e:
                if asked_at_us is None:
                    raise
                return _failed(wanted, at, asked_at_us, _said(e))
            answer = await self._asker.ask(place.host, Request(at, ACCEPT), limit)
            if answer.error is not None and asked_at_us is None:
                _raise_if_refused(answer.error)
            asked_at_us = asked_at_us or answer.asked_at_us
            to = redirected_to(answer.response) if answer.response else None
            if to is None:
                return _document(wanted, at, asked_at_us, answer)
            at = to
        return _document(wanted, at, asked_at_us or 0, answer)

    def _require_https(self, wanted: Wanted, place: Target) -> None:
        if wanted.kind != Kind.RSL or place.url.startswith("https://"):
            return
        if not is_opened(place.host, place.port, self._allow_hosts):
            raise FetchError(Outcome.ADDRESS, "expected a licence at an https address")


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


def _limit(limit_bytes: int, response: Response) -> int | Outcome:
    readable = 200 <= response.status < 300  # noqa: PLR2004 - RFC 9309 section 2.3.1.1
    return limit_bytes if readable else Outcome.STATUS


def _raise_if_refused(error: FetchError) -> None:
    if error.outcome == Outcome.ADDRESS:
        raise error


def _failed(wanted: Wanted, url: str, asked_at_us: int, why: str) -> Document:
    kind, origin = wanted.kind, wanted.origin
    return found(kind, origin, url, http_status=None, asked_at_us=asked_at_us, detail=plain(why))


def _document(wanted: Wanted, url: str, asked_at_us: int, answer: Answer) -> Document:
    error, response, body = answer.error, answer.response, answer.body
    if response is None:
        return _failed(wanted, url, asked_at_us, _said(error))
    cut = error is not None and error.outcome == Outcome.TOO_LARGE and bool(error.prefix)
    if error is not None and cut:
        body = whole_lines(error.prefix[: MAX_BYTES[wanted.kind]])
    elif error is not None:
        # A body that broke off is no answer: "200, no rules" must not come of it.
        why = f"status {response.status}, body not whole: {_said(error)}"
        return _failed(wanted, url, asked_at_us, why)
    types = [v for name, v in response.headers if name.lower() == "content-type"]
    endless = redirected_to(response) is not None
    return found(
        wanted.kind,
        wanted.origin,
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
