"""Ask the lists of others about URLs, in batches, and keep what each answered.

A list that is configured is honoured: where it cannot be asked (no key), does not answer or
answers about something else, its answer is ERROR, which holds rows, and never silence. What an
answer means stands in optout.signals.url_lists; here are the turn-taking, the tries and the clock.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals import declarations, url_lists
from optout.signals.declarations import Declarations
from optout.signals.evidence import rfc3339
from optout.signals.url_lists import Reply
from optout.urls import GIVEN
from pipeline.web.asking import Answer, Asker
from pipeline.web.resolve import Target, is_opened, target
from schemas.config import FetchConfig
from schemas.errors import FetchError, UsageError
from schemas.ports import Clock, Request, Response, Transport
from schemas.tables import LISTED, from_rows
from schemas.verdict import Channel, Outcome, Say

SPAWNING = "https://opts-api.spawningaiapi.com/api/v2/query/urls/"
_OK = 200
_KEY = re.compile(r"[\x21-\x7e]+")
NO_KEY = "no key"
NOT_ONE_LINE = "not one line"


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """What a list said about one URL, and when.

    raw: the entry that answered, empty where none did. note: why there is none.
    evidence: canonical JSON of list, url, status, answer, note and asked_at.
    """

    say: Say
    raw: str
    at_us: int
    evidence: bytes
    note: str = ""


class UrlList(Protocol):
    """A registry of others that is asked by URL."""

    @property
    def name(self) -> str:
        """The channel under which its answers are recorded."""

    async def ask(self, urls: Sequence[str]) -> Mapping[str, ListAnswer]:
        """Return an answer for every URL; what went wrong is an answer too."""


class SpawningList:
    """A list in the manner of Spawning's (optout.signals.url_lists), asked over a Transport.

    key: what the environment holds; without one nothing is asked and every answer is ERROR.
    config: time-outs, tries and back-off are those of any host.
    Raises UsageError for a key that cannot stand in a header, and for an address that would send
    it in the clear.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        config: FetchConfig,
        rng: random.Random,
        *,
        key: str,
        url: str = SPAWNING,
        batch_urls: int = url_lists.MAX_BATCH_URLS,
    ) -> None:
        key = key.strip()
        if key and not _KEY.fullmatch(key):  # not echoed
            raise UsageError("expected a list's key of printable ASCII, found other characters")
        self._asked = _checked(url, config)
        self._key = key
        self._clock = clock
        self._asker = Asker(config, transport, clock, rng)
        self._batch_urls = batch_urls

    @property
    def name(self) -> str:
        """The channel under which its answers are recorded."""
        return str(Channel.SPAWNING)

    async def ask(self, urls: Sequence[str]) -> Mapping[str, ListAnswer]:
        """Return an answer for every URL, asking batch after batch."""
        found: dict[str, ListAnswer] = {}
        if not self._key:
            self._keep(found, self._clock.now_us(), None, _all(urls, NO_KEY))
            return found
        for batch in url_lists.batches(urls, self._batch_urls):
            answer = await self._once(batch)
            status = answer.response.status if answer.response else None
            # A body that broke off is no answer, one that nobody read is told by its status.
            body = b"" if answer.unread else answer.body
            replies = url_lists.answers(batch, status, body)
            self._keep(found, answer.asked_at_us, status, replies)
        refused = [url for url in urls if url not in found]
        self._keep(found, self._clock.now_us(), None, _all(refused, NOT_ONE_LINE))
        return found

    async def _once(self, batch: Sequence[str]) -> Answer:
        headers = (
            ("Authorization", f"API {self._key}"),
            ("Content-Type", url_lists.MEDIA_TYPE),
            ("Accept", "application/json"),
        )
        request = Request(self._asked.url, headers, "POST", url_lists.question(batch))
        longest = url_lists.answer_limit_bytes(batch)

        def limit(response: Response) -> int | Outcome:
            return longest if response.status == _OK else Outcome.STATUS

        return await self._asker.ask(self._asked.host, request, limit)

    def _keep(
        self,
        found: dict[str, ListAnswer],
        at_us: int,
        status: int | None,
        replies: Mapping[str, Reply],
    ) -> None:
        asked_at = rfc3339(at_us) or ""
        for url, reply in replies.items():
            evidence = url_lists.document(self.name, url, status, reply, asked_at)
            found[url] = ListAnswer(reply.say, reply.answer, at_us, evidence, reply.note)


def _all(urls: Sequence[str], note: str) -> dict[str, Reply]:
    return dict.fromkeys(urls, Reply(Say.ERROR, note=note))


def _checked(url: str, config: FetchConfig) -> Target:
    """Return where a list is asked: over TLS, save on hosts that the builder opened."""
    try:
        asked = target(url, config.allow_hosts)
    except FetchError as e:
        raise UsageError(f"lists.spawning_url: {e}") from e
    if asked.scheme != "https" and not is_opened(asked.host, asked.port, config.allow_hosts):
        raise UsageError("lists.spawning_url: expected https://, since the key goes with it")
    return asked


def asked_about(rows: pa.Table) -> list[str]:
    """Return the URLs of ROWS that nothing stops, each once; bytes given with a row have none."""
    live = rows["url_key"].filter(pc.is_null(rows["stop_reason"]))
    return [url for url in pc.unique(live.drop_null()).to_pylist() if not url.startswith(GIVEN)]


def listed_answers(found: Mapping[str, ListAnswer], channel: Channel) -> pa.Table:
    """Return LISTED of a list's answers, sorted by URL."""
    return from_rows(
        [
            {"url_key": url, "channel": str(channel), "at": answer.at_us, "body": answer.evidence}
            for url, answer in sorted(found.items())
        ],
        LISTED,
    )


def declared(urls: Iterable[str], files: Sequence[Declarations], read_at_us: int) -> pa.Table:
    """Return LISTED of what files of declarations say about addresses, absence included."""
    return _declared([(url, None) for url in sorted(urls)], files, read_at_us)


def declared_contents(
    observed: pa.Table, files: Sequence[Declarations], read_at_us: int
) -> pa.Table:
    """Return LISTED of what files of declarations say about bytes that were fetched or given.

    observed: OBSERVED. Absence is told of given bytes alone, whose address nobody asked about.
    """
    names = zip(*(observed[n].to_pylist() for n in ("url_key", "sha256")), strict=True)
    known = [
        (url, sha256)
        for url, sha256 in names
        if sha256 and (url.startswith(GIVEN) or any(sha256 in file.sha256s for file in files))
    ]
    return _declared(sorted(set(known)), files, read_at_us)


def _declared(
    names: Sequence[tuple[str, str | None]], files: Sequence[Declarations], read_at_us: int
) -> pa.Table:
    read_at = rfc3339(read_at_us) or ""
    return from_rows(
        [
            {
                "url_key": url,
                "channel": str(Channel.DECLARATIONS),
                "at": read_at_us,
                "body": declarations.document(file, url, sha256, read_at),
            }
            for url, sha256 in names
            for file in files
        ],
        LISTED,
    )
