"""What answers img2dataset's downloader when it asks the web: our manners, in its threads.

img2dataset 1.47 asks in one place, `urllib.request.urlopen` in its downloader; `guarded()` puts a
Guard there. The Guard asks only URLs that were cleared, from a pinned and checked address, with our
User-Agent, turn-taking, limits and the process's one TLS context.
"""

import asyncio
import http.client
import socket
import ssl
import time
import urllib.request
from collections.abc import Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Self, TypeVar
from urllib.parse import urlsplit

from pipeline.transport import ACCEPT, user_agent
from pipeline.web.content_encoding import decoder
from pipeline.web.gates import Gates
from pipeline.web.img2dataset_patch import may_connect
from pipeline.web.origin_documents import Spoken, plain
from pipeline.web.politeness import (
    RETRY_AFTER_STATUS,
    HostGate,
    Politeness,
    is_silence,
    retry_after_s,
)
from pipeline.web.redirects import REDIRECT_STATUS, redirected_to
from pipeline.web.resolve import Target, pinned, target
from schemas.config import FetchConfig
from schemas.errors import FetchError
from schemas.ports import Clock, Resolver, Response
from schemas.verdict import Outcome

OK_STATUS = 200
PIECE_BYTES = 65_536
T = TypeVar("T")


@dataclass(slots=True)
class Visit:
    """One cleared URL, and what the Guard saw when img2dataset asked it."""

    asked: Target
    spoken: Spoken
    redirects: int = 0  # of earlier rounds
    hops: list[tuple[str, int | None]] = field(default_factory=list)
    response: Response | None = None
    asked_at_us: int | None = None
    fetched_at_us: int | None = None
    moved_to: str | None = None
    error: FetchError | None = None

    def hop(self, url: str, status: int | None) -> None:
        """Add an address on the way; what the one before it said is no longer the answer."""
        self.hops.append((url, status))
        self.response = None


@dataclass(frozen=True, slots=True)
class Means:
    """What a Guard needs of the task that runs it. `loop` runs in another thread."""

    config: FetchConfig
    gates: Gates
    politeness: Politeness
    resolver: Resolver
    clock: Clock
    tls: ssl.SSLContext
    loop: asyncio.AbstractEventLoop


class Guard:
    """Answers img2dataset's calls of urlopen, from its threads."""

    def __init__(self, means: Means, visits: Mapping[str, Visit]) -> None:
        self._means = means
        self._visits = visits
        self._agent = user_agent(means.config)
        self.calls = 0  # for the probe

    def urlopen(self, request: urllib.request.Request, **_: object) -> "GuardedAnswer":
        """Return the answer of status 200, open for reading.

        Raises FetchError, which img2dataset takes as a failed download; the visit keeps it.
        """
        self.calls += 1
        visit = self._visits.get(request.full_url)
        if visit is None:
            raise FetchError(Outcome.ADDRESS, f"{request.full_url}: was not cleared", lasting=True)
        try:
            return self._follow(visit)
        except FetchError as e:
            visit.error = e
            raise

    def _follow(self, visit: Visit) -> "GuardedAnswer":
        config, asked = self._means.config, visit.asked
        while True:
            answer = self._ask(visit, asked)
            to = redirected_to(answer.response)
            if to is None and answer.response.status == OK_STATUS:
                return answer
            answer.close()
            if to is None:
                raise FetchError(Outcome.STATUS, "")
            seen = visit.redirects + sum(status in REDIRECT_STATUS for _, status in visit.hops)
            if seen > config.max_redirects:
                raise FetchError(Outcome.REDIRECTS, f"more than {config.max_redirects}")
            asked = self._next(visit, to)

    def _next(self, visit: Visit, to: str) -> Target:
        """Return where a redirect leads, if that lies under documents that were read."""
        try:
            asked = target(to, self._means.config.allow_hosts)
        except FetchError:
            visit.hop(plain(to), None)
            raise
        if asked.origin != visit.asked.origin:
            visit.moved_to = asked.url
            raise FetchError(Outcome.MOVED, "")
        if not self._means.gates.may_ask(asked.url, visit.spoken.documents):
            visit.hop(asked.url, None)
            raise FetchError(Outcome.GATED, "")
        return asked

    def _ask(self, visit: Visit, asked: Target) -> "GuardedAnswer":
        gate = self._means.politeness.host(asked.host)
        line = Line(self._means, asked, gate)
        try:
            line.take_turn()
            visit.asked_at_us = self._means.clock.now_us()
            response, answer = line.ask(self._agent)
        except BaseException as e:
            line.close()
            visit.hop(asked.url, None)
            self._note(gate, e if isinstance(e, FetchError) else None)
            raise
        visit.hop(asked.url, response.status)
        visit.response = response
        self._note(gate, response.status)
        if response.status in RETRY_AFTER_STATUS:
            rest_s = retry_after_s(response.headers, self._means.clock.now_us())
            if rest_s is not None:
                self._means.loop.call_soon_threadsafe(gate.rest, rest_s)
        return GuardedAnswer(visit, line, response, answer)

    def _note(self, gate: HostGate, ended: FetchError | int | None) -> None:
        note = partial(gate.note, failed=is_silence(ended))
        self._means.loop.call_soon_threadsafe(note)


class Line:
    """One connection to one pinned address, from its turn to its end."""

    def __init__(self, means: Means, asked: Target, gate: HostGate) -> None:
        self.means = means
        self.asked = asked
        self._turn: AbstractAsyncContextManager[None] = gate.turn()
        self._has_turn = False
        self._deadline = 0.0
        self._socket: socket.socket | None = None

    def take_turn(self) -> None:
        """Wait until the host may be asked; the answer's time begins then."""
        self._wait(self._turn.__aenter__())
        self._has_turn = True
        self._deadline = time.monotonic() + self.means.config.timeout_s

    def ask(self, agent: str) -> tuple[Response, http.client.HTTPResponse]:
        """Send the request and return the response head. Raises FetchError."""
        asked = self.asked
        connection = http.client.HTTPConnection(asked.host, asked.port)
        connection.sock = self._socket = self._connected()
        # A socket's own time-out begins anew with each byte; this one does not.
        self.means.loop.call_soon_threadsafe(self._cut_later, self._socket)
        parts = urlsplit(asked.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        host = parts.netloc
        try:
            connection.putrequest("GET", path, skip_host=True)
            lines = {"Host": host, "User-Agent": agent, "Accept": ACCEPT, "Connection": "close"}
            for name, value in lines.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as e:
            raise self.translated(e) from e
        return Response(asked.url, answer.status, tuple(answer.headers.items())), answer

    def close(self) -> None:
        """Close the connection and let the next one have its turn; twice is fine."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._has_turn:
            self._has_turn = False
            self._wait(self._turn.__aexit__(None, None, None))

    def translated(self, error: Exception) -> FetchError:
        """Return our error for one of the socket's or http.client's."""
        if isinstance(error, TimeoutError) or time.monotonic() >= self._deadline:
            return FetchError(Outcome.TOO_SLOW, f"{self.asked.host}: no whole answer in time")
        said = str(error) or type(error).__name__
        return FetchError(Outcome.UNREACHABLE, f"{self.asked.host}: {said}")

    def _connected(self) -> socket.socket:
        asked, config = self.asked, self.means.config
        allowed = config.allow_hosts
        addresses = self._wait(pinned(asked.host, asked.port, self.means.resolver, allowed))
        said = ""
        for address in addresses:
            try:
                with may_connect(address):
                    found = socket.create_connection(
                        (address, asked.port), timeout=config.connect_timeout_s
                    )
                if asked.scheme == "https":
                    found = self.means.tls.wrap_socket(found, server_hostname=asked.host)
            except OSError as e:  # a certificate that does not fit is one too
                said = str(e)
                continue
            found.settimeout(config.timeout_s)
            return found
        raise FetchError(Outcome.UNREACHABLE, f"{asked.host}: {said}")

    def _cut_later(self, used: socket.socket) -> None:
        left = max(0.0, self._deadline - time.monotonic())
        self.means.loop.call_later(left, _cut, used)

    def _wait(self, coroutine: Awaitable[T]) -> T:
        async def run() -> T:
            return await coroutine

        return asyncio.run_coroutine_threadsafe(run(), self.means.loop).result()


class GuardedAnswer:
    """What img2dataset gets from urlopen: headers, then read() within our limits."""

    def __init__(
        self, visit: Visit, line: Line, response: Response, answer: http.client.HTTPResponse
    ) -> None:
        self.headers = answer.headers
        self.response = response
        self._visit, self._line, self._answer = visit, line, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and give up its turn."""
        self._answer.close()
        self._line.close()

    def read(self) -> bytes:
        """Return the whole decoded body. Raises FetchError as the aiohttp transport does."""
        try:
            body = self._read(self._line.means.config.max_bytes)
        except FetchError as e:
            self._visit.error = e
            raise
        except (OSError, http.client.HTTPException) as e:
            self._visit.error = self._line.translated(e)
            raise self._visit.error from e
        self._visit.fetched_at_us = self._line.means.clock.now_us()
        return body

    def _read(self, limit_bytes: int) -> bytes:
        decode = decoder(self.response.headers)
        parts: list[bytes] = []
        size = 0
        while chunk := self._answer.read1(PIECE_BYTES):
            part = decode.feed(chunk, limit_bytes + 1 - size)
            size += len(part)
            if size > limit_bytes:
                raise FetchError(Outcome.TOO_LARGE, f"body of more than {limit_bytes} bytes")
            parts.append(part)
        if self._answer.length:
            raise http.client.IncompleteRead(b"", self._answer.length)
        decode.check_whole()
        return b"".join(parts)


def _cut(used: socket.socket) -> None:
    with suppress(OSError):  # closed long ago, as nearly always
        socket.socket.shutdown(used, socket.SHUT_RDWR)
