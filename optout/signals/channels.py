"""The three hooks through which a build reads signals, behind one frozen policy.

    origin documents   origin_documents() says what to ask of an origin, of_documents() reads it
    response headers   of_headers()
    bytes              of_bytes(), before anything is decoded

Every hook answers for each of its channels, SILENT included: what is not in the answer was not
read. Facts in, signals out: no clock, no store, no network, so that the fetcher's gates (may_ask,
may_read), the judge and an auditor's replay come to the same end from the same facts.
A family that is added later fills these hooks; their signatures stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from optout.signals import robots, x_robots
from optout.signals.combine import binding, combine, verdict
from optout.signals.evidence import document_id
from optout.signals.patterns import target
from optout.signals.signal import Signal, excerpt
from schemas.canonical import sha256_hex
from schemas.config import BuildConfig
from schemas.verdict import Channel, Purpose, Say, Verdict

Headers = Iterable[tuple[str, str]]

ROBOTS = "robots"
"""The kind of document that robots.txt is."""

DOCUMENT_CHANNELS = (Channel.ROBOTS,)
HEADER_CHANNELS = (Channel.X_ROBOTS,)
BYTE_CHANNELS: tuple[Channel, ...] = ()  # no family reads bytes yet
CHANNELS = (*DOCUMENT_CHANNELS, *HEADER_CHANNELS, *BYTE_CHANNELS)

SIGNAL_HEADERS = frozenset({x_robots.HEADER})
"""Lower-case names of the headers that bear signals: what header evidence consists of."""


@dataclass(frozen=True, slots=True)
class Document:
    """An origin document as it was found, or as it was not: one row of DOCUMENTS.

    http_status: None where no response came; the last status where redirects did not end.
    body: what was kept of it; None where there is none.
    truncated: longer than what was kept, and cut at the end of a whole line.
    """

    document_id: str
    kind: str
    origin: str
    url: str
    http_status: int | None
    detail: str | None
    sha256: str | None
    body: bytes | None
    truncated: bool
    asked_at_us: int
    content_type: str | None


def found(
    kind: str,
    origin: str,
    url: str,
    *,
    http_status: int | None,
    asked_at_us: int,
    body: bytes | None = None,
    truncated: bool = False,
    content_type: str | None = None,
    detail: str | None = None,
) -> Document:
    """Return a Document with its digests computed; give no body where none was read whole."""
    sha256 = None if body is None else sha256_hex(body)
    return Document(
        document_id=document_id(kind, origin, http_status, sha256, asked_at_us),
        kind=kind,
        origin=origin,
        url=url,
        http_status=http_status,
        detail=detail,
        sha256=sha256,
        body=body,
        truncated=truncated,
        asked_at_us=asked_at_us,
        content_type=content_type,
    )


@dataclass(frozen=True, slots=True)
class SignalPolicy:
    """Who we are, what the build is for, and what is honoured beyond the undisputed."""

    agent: str  # product token
    purpose: Purpose = Purpose.TRAIN_GEN
    index_tokens: bool = True  # noindex, noimageindex and none deny too
    noml: bool = True  # so does noml
    accept_unchecked: frozenset[str] = frozenset()  # channels that may be unread

    @classmethod
    def from_config(cls, config: BuildConfig) -> "SignalPolicy":
        """Return the policy that a build's config asks for."""
        return cls(
            agent=config.fetch.agent,
            purpose=config.signals.purpose,
            index_tokens=config.signals.index_tokens,
            accept_unchecked=frozenset(config.signals.accept_unchecked),
        )

    def origin_documents(self, origin: str) -> tuple[tuple[str, str], ...]:
        """Return (kind, url) of each document to ask of an origin (scheme://host[:port])."""
        return ((ROBOTS, f"{origin}/robots.txt"),)

    def of_documents(self, url: str, documents: Mapping[str, Document]) -> tuple[Signal, ...]:
        """Return what the documents of a URL's origin, by kind, say about the URL.

        A kind that is missing is an ERROR: it was to be read and was not.
        """
        return (self._of_robots(url, documents.get(ROBOTS)),)

    def of_headers(self, headers: Headers) -> tuple[Signal, ...]:
        """Return what the headers of a final response say; their evidence is the caller's."""
        tokens = x_robots.deny_tokens(index_tokens=self.index_tokens, noml=self.noml)
        said = x_robots.read(headers, self.agent, tokens)
        if said:
            return said
        return (Signal(Channel.X_ROBOTS, self.purpose, Say.SILENT, place=x_robots.HEADER),)

    def of_bytes(self, body: bytes, media_type: str) -> tuple[Signal, ...]:  # noqa: ARG002 - the hook's final form; no family fills it yet
        """Return what a body's embedded metadata says, before anything is decoded."""
        return ()

    @property
    def reads_bytes(self) -> bool:
        """Whether any family looks into bodies; where none does, nobody need read them for it."""
        return bool(BYTE_CHANNELS)

    def may_ask(self, url: str, documents: Mapping[str, Document]) -> bool:
        """Say whether a URL may be asked: no document forbids it, and none is unreadable."""
        return self.verdict(self.of_documents(url, documents)) is Verdict.KEEP

    def may_read(self, url: str, headers: Headers) -> bool:  # noqa: ARG002 - page families will need the address
        """Say whether a body may be read, given its response headers.

        A header that cannot be read does not stop the body: the row is held, and held rows keep
        their bytes so that a decision needs no second request.
        """
        return self.verdict(self.of_headers(headers)) is not Verdict.DROP

    def crawl_delay_s(self, documents: Mapping[str, Document]) -> float | None:
        """Return the seconds between requests that an origin asks for, None where it does not."""
        document = documents.get(ROBOTS)
        if document is None or robots.standing(document.http_status) is not robots.Standing.READ:
            return None
        if document.body is None:
            return None
        return _rules(document, self.agent).crawl_delay_s

    def verdict(self, signals: Iterable[Signal]) -> Verdict:
        """Return what the signals make of a row of this build."""
        return verdict(combine(signals), self.purpose)

    def binds(self, signal: Signal) -> bool:
        """Say whether a signal about its purpose can keep a row out of this build."""
        return signal.purpose in binding(self.purpose)

    def _of_robots(self, url: str, document: Document | None) -> Signal:
        if document is None:
            return Signal(Channel.ROBOTS, Purpose.FETCH, Say.ERROR, note="no document")
        standing = robots.standing(document.http_status)
        if standing is robots.Standing.READ and document.body is None:
            standing = robots.Standing.ERROR  # an answer whose body did not come whole
        if standing is not robots.Standing.READ:
            status = document.http_status
            note = f"status {status}" if status is not None else "no response"
            return self._robots_signal(document, robots.SAYS[standing], note=note)
        answer = _rules(document, self.agent).answer(target(url))
        if answer.record is None:
            return self._robots_signal(document, answer.say)
        raw, line = excerpt(answer.record.text), answer.record.line
        return self._robots_signal(document, answer.say, raw=raw, line=line)

    def _robots_signal(
        self,
        document: Document,
        say: Say,
        *,
        raw: str = "",
        line: int | None = None,
        note: str = "",
    ) -> Signal:
        # Silence is silence about the build, so that a row's signals name the purpose it was for.
        purpose = self.purpose if say is Say.SILENT else Purpose.FETCH
        return Signal(
            Channel.ROBOTS, purpose, say, raw, line, document.url, document.document_id, note
        )


def _rules(document: Document, agent: str) -> robots.Rules:
    body = document.body or b""
    return robots.rules_of(robots.Body(document.sha256 or sha256_hex(body), body), agent)
