"""Ask for each URL once, after its origin's documents, and write down what was observed.

fetch     REQUESTS → OBSERVED, the DOCUMENTS that were asked, and packs of bodies
next_round  OBSERVED → REQUESTS of what was redirected to another host

Facts only: the gates are consulted about asking and reading on, and what they said is not kept;
the judge comes to the same end from the same facts. Rules:
* registry and documents first, then the request, then its headers, then the body;
* a redirect on the same host is followed, each address after its own origin's documents; one to
  another host ends here as `moved` and is asked by the task that holds that host;
* the limit of redirects counts those of earlier rounds;
* only status 200 brings a body. No answer is sought again under another name or address.

What is fetched is an *errand*: images are kept, pages are read for what they say about rights and
forgotten (their tags stay), and a recheck wants response heads, or documents alone.
"""

import asyncio
import itertools
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals import page
from optout.signals.page_tags import READ_BYTES, PageTags
from optout.signals.response import bears_signal
from optout.urls import host_of
from pipeline.fetchstore import PackWriter
from pipeline.web.asking import Answer, Asker
from pipeline.web.gates import Gates
from pipeline.web.origin_documents import OriginDocuments, Spoken, plain
from pipeline.web.redirects import REDIRECT_STATUS, redirected_to
from pipeline.web.resolve import Target, target
from schemas.canonical import canonical_json
from schemas.config import FetchConfig
from schemas.errors import CurationError, FetchError, SchemaError
from schemas.ports import Clock, Request, Response, Transport
from schemas.tables import OBSERVED, REQUESTS, from_rows, require
from schemas.verdict import Outcome

OK_STATUS = 200
PAGE_ACCEPT = (("Accept", "text/html, application/xhtml+xml;q=0.9, */*;q=0.5"),)


class Errand(StrEnum):
    """What is wanted of a URL."""

    IMAGE = "image"  # its bytes
    PAGE = "page"  # what its head says about rights
    HEAD = "head"  # its response headers; the body stays unread
    ORIGIN = "origin"  # what its origin's documents say; it is not asked itself


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one call observed. `documents` holds only those that it asked itself."""

    observed: pa.Table
    documents: pa.Table


async def fetch(
    requests: pa.Table,
    known: pa.Table,
    gates: Gates,
    config: FetchConfig,
    *,
    transport: Transport,
    clock: Clock,
    rng: random.Random,
    packs: PackWriter,
    errand: Errand = Errand.IMAGE,
) -> Fetched:
    """Return OBSERVED, one row per request sorted by url_key, and the DOCUMENTS asked for it.

    requests: REQUESTS, n rows of whole hosts, url_key unique; n may be 0.
    known: DOCUMENTS asked by earlier tasks; those still young are not asked again.
    packs: takes the bodies; all are published when this returns.
    Raises SchemaError for tables that depart from their schemas, StorageError where a pack cannot
    be published. What goes wrong with a URL is an outcome in its row.
    """
    require(requests, REQUESTS)
    asker = Asker(config, transport, clock, rng)
    documents = OriginDocuments(known, gates, asker, clock, config.allow_hosts)
    rim = Rim(gates, config, asker, documents, Shelf(packs), errand)
    journeys = [Journey(row, rim) for row in requests_of(requests)]
    try:
        async with asyncio.TaskGroup() as group:
            for journey in journeys:
                group.create_task(journey.go())
    except BaseExceptionGroup as e:
        raise _first_of_ours(e) from e
    await asyncio.to_thread(packs.flush)
    rows = [journey.seen.row(packs) for journey in journeys]
    return Fetched(from_rows(rows, OBSERVED), documents.new())


def next_round(observed: pa.Table) -> pa.Table:
    """Return REQUESTS for the rows that were redirected to another host, in the order given.

    observed: OBSERVED. A row's url_key, shards and hops go on; the host is the new one.
    """
    require(observed, OBSERVED)
    moved = observed.filter(pc.equal(observed["outcome"], Outcome.MOVED))
    hosts = pa.array([host_of(url) for url in moved["final_url"].to_pylist()], pa.string())
    columns = [hosts, *(moved[name] for name in ("url_key", "final_url", "shards", "hops"))]
    return pa.table(columns, schema=REQUESTS)


def requests_of(requests: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of REQUESTS sorted by url_key. Raises SchemaError where one comes twice."""
    rows = sorted(requests.to_pylist(), key=lambda row: str(row["url_key"]))
    for one, other in itertools.pairwise(rows):
        if one["url_key"] == other["url_key"]:
            raise SchemaError(f"expected each url_key once, found {one['url_key']!r} twice")
    return rows


class Shelf:
    """Puts bodies into packs without holding up the event loop while one is published."""

    def __init__(self, packs: PackWriter) -> None:
        self._packs = packs
        self._lock = asyncio.Lock()

    async def put(self, body: bytes) -> str:
        """Return the sha256 of a body that will be published. Raises StorageError."""
        async with self._lock:
            if self._packs.is_full(len(body)):
                await asyncio.to_thread(self._packs.flush)
            return self._packs.add(body)


@dataclass(slots=True)
class Seen:
    """A row of OBSERVED while it comes about."""

    url_key: str
    shards: list[int]
    hops: list[dict[str, Any]]
    outcome: Outcome | None = None
    final_url: str | None = None
    answer: Answer | None = None
    sha256: str | None = None
    detail: str | None = None
    unchecked: list[str] = field(default_factory=list)
    keeps_headers: bool = True
    page_tags: str | None = None

    @classmethod
    def of(cls, request: dict[str, Any]) -> "Seen":
        """Return the beginning of a row: what earlier rounds saw."""
        return cls(request["url_key"], request["shards"] or [], list(request["hops"] or []))

    def hop(self, url: str, status: int | None, documents: list[str]) -> None:
        """Add an address on the way, with the ids of the documents that spoke for it."""
        self.hops.append({"url": url, "status": status, "documents": documents})
        self.final_url = url

    def end(self, outcome: str, detail: str = "") -> None:
        """Say how it ended."""
        self.outcome = Outcome(outcome)
        self.detail = plain(detail) if detail else None

    def row(self, packs: PackWriter) -> dict[str, Any]:
        """Return the row; every body must have been published."""
        answer = self.answer
        response = answer.response if answer else None
        place = packs.places.get(self.sha256) if self.sha256 else None
        return {
            "url_key": self.url_key,
            "shards": self.shards,
            "outcome": self.outcome,
            "hops": self.hops,
            "final_url": self.final_url,
            "http_status": response.status if response else None,
            "headers": header_rows(response) if self.keeps_headers else None,
            "asked_at": answer.asked_at_us if answer and answer.asked else None,
            "fetched_at": answer.fetched_at_us if answer and self.sha256 else None,
            "pack": place.pack if place else None,
            "offset": place.offset if place else None,
            "length": place.length if place else None,
            "sha256": self.sha256,
            "unchecked": self.unchecked,
            "detail": self.detail,
            "page_tags": self.page_tags,
        }


def header_rows(response: Response | None) -> list[dict[str, str]] | None:
    """Return header lines in order; null where no response was read, which differs from none."""
    if response is None:
        return None
    return [{"name": name, "value": value} for name, value in response.headers]


@dataclass(frozen=True, slots=True)
class Rim:
    """What all journeys of one call share."""

    gates: Gates
    config: FetchConfig
    asker: Asker
    documents: OriginDocuments
    shelf: Shelf
    errand: Errand


class Journey:
    """One URL from its request to its outcome."""

    def __init__(self, request: dict[str, Any], rim: Rim) -> None:
        self.seen = Seen.of(request)
        self._url: str = request["url"]
        self._gates = rim.gates
        self._config = rim.config
        self._asker = rim.asker
        self._documents = rim.documents
        self._shelf = rim.shelf
        self._errand = rim.errand

    async def go(self) -> None:
        """Ask address after address until there is an outcome."""
        url: str | None = self._url
        while url is not None:
            try:
                asked = target(url, self._config.allow_hosts)
            except FetchError as e:
                self.seen.hop(plain(url), None, [])
                self.seen.end(e.outcome, str(e))
                return
            url = await self._ask(asked)

    async def _ask(self, asked: Target) -> str | None:
        """Ask one address; return the next one on the same host, None at the end."""
        self.seen.answer = None  # headers and status are those of the final address alone
        spoken = await self._documents.of(asked.origin, asked.url)
        if not self._may_ask(asked, spoken):
            self.seen.hop(asked.url, None, spoken.ids)
            return None
        if self._errand is Errand.ORIGIN:
            self.seen.hop(asked.url, None, spoken.ids)
            self.seen.end(Outcome.UNREAD)
            return None
        accept = PAGE_ACCEPT if self._errand is Errand.PAGE else ()
        limit = partial(self._limit, spoken)
        answer = await self._asker.ask(asked.host, Request(asked.url, accept), limit)
        self.seen.answer = answer
        self.seen.hop(asked.url, answer.response.status if answer.response else None, spoken.ids)
        to = redirected_to(answer.response) if answer.response else None
        if to is not None:
            return self._follow(asked, to)
        await self._arrive(answer)
        await self._licences(asked, answer, spoken)
        return None

    def _may_ask(self, asked: Target, spoken: Spoken) -> bool:
        if spoken.error is not None:
            self.seen.end(spoken.error.outcome, str(spoken.error))
            return False
        if not self._gates.may_ask(asked.url, spoken.documents):
            self.seen.end(Outcome.GATED)
            return False
        delay_s = self._gates.crawl_delay_s(spoken.documents)
        self._asker.politeness.host(asked.host).space(delay_s)
        return True

    def _limit(self, spoken: Spoken, response: Response) -> int | Outcome:
        """Return how much of a body to read, or why none."""
        if response.status != OK_STATUS:
            return Outcome.STATUS
        if self._errand is Errand.PAGE:
            return READ_BYTES
        if not self._gates.may_read(response.url, response.headers, spoken.documents):
            return Outcome.STOPPED
        if self._errand is Errand.HEAD:
            return Outcome.UNREAD
        if declared_bytes(response) > self._config.max_bytes:
            return Outcome.TOO_LARGE
        return self._config.max_bytes

    def _follow(self, asked: Target, to: str) -> str | None:
        if redirects(self.seen.hops) > self._config.max_redirects:
            self.seen.final_url = plain(to)
            self.seen.end(Outcome.REDIRECTS, f"more than {self._config.max_redirects}")
            return None
        if not same_host(asked, to, self._config):
            self.seen.final_url = to
            self.seen.end(Outcome.MOVED)
            return None
        return to

    async def _arrive(self, answer: Answer) -> None:
        if self._errand is Errand.PAGE and (html := html_of(answer)) is not None:
            self.seen.page_tags = tags_of(answer, html)
            self.seen.end(Outcome.OK)
        elif answer.error is not None:
            self.seen.end(answer.error.outcome, str(answer.error))
        elif answer.body is None:
            self.seen.end(answer.unread or Outcome.STATUS)
        else:
            self.seen.sha256 = await self._shelf.put(answer.body)
            self.seen.end(Outcome.OK)

    async def _licences(self, asked: Target, answer: Answer, spoken: Spoken) -> None:
        """Ask for the licences that a response or a page names; they speak at its last hop."""
        response = answer.response
        if response is None or response.status != OK_STATUS:
            return
        if self._errand is Errand.PAGE:
            if self.seen.page_tags is None:  # its body broke off
                return
            tags = PageTags.from_json(json.loads(self.seen.page_tags))
            wanted = self._gates.wanted_page_licences(asked.url, tags, spoken.documents)
        else:
            wanted = self._gates.wanted_licences(asked.url, response.headers, spoken.documents)
        found = await self._documents.licences(wanted)
        self.seen.hops[-1]["documents"] += [document.document_id for document in found]


def html_of(answer: Answer) -> bytes | None:
    """Return the beginning of a page, whole or cut at the limit; None where nothing was read."""
    if answer.error is not None and answer.error.outcome == Outcome.TOO_LARGE:
        return answer.error.prefix
    return answer.body if answer.error is None else None


def tags_of(answer: Answer, html: bytes) -> str:
    """Return canonical JSON of what a page says in its head and in its own response headers."""
    headers = answer.response.headers if answer.response else ()
    kept = [(name, value) for name, value in headers if bears_signal(name, value)]
    return canonical_json(page.extract(html, headers=kept).as_json()).decode()


def same_host(asked: Target, to: str, config: FetchConfig) -> bool:
    """Say whether a redirect stays on the host; what may not be asked stays, to be refused here."""
    try:
        return target(to, config.allow_hosts).host == asked.host
    except FetchError:
        return True


def redirects(hops: list[dict[str, Any]]) -> int:
    """Return how many of the hops were redirects, earlier rounds included."""
    return sum(hop["status"] in REDIRECT_STATUS for hop in hops)


def declared_bytes(response: Response) -> int:
    """Return Content-Length, 0 where it is absent or unreadable (the body's own limit holds)."""
    values = [v for name, v in response.headers if name.lower() == "content-length"]
    readable = values and re.fullmatch(r"[0-9]{1,18}", values[0].strip())
    return int(values[0]) if readable else 0


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what to raise for a group of errors: one of ours before any other."""
    flat = list(_flat(group))
    return next((e for e in flat if isinstance(e, CurationError)), flat[0])


def _flat(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _flat(inner)
    else:
        yield error
