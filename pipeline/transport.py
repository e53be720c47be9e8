"""The only module that speaks HTTP: one request at a time, on a pinned connection, within limits.

No redirect is followed, no cookie kept, no proxy or password taken from the environment. Bodies
are decoded here and not by aiohttp, because the limit counts decoded bytes: a gzip bomb costs what
an honest body of the limit's size costs. One TLS context serves a process; making one for each
request costs 25 ms of CPU.
"""

import asyncio
import functools
import socket
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from optout.urls import is_address
from pipeline.web.content_encoding import decoder
from pipeline.web.resolve import (
    SystemResolver,
    Target,
    check_allow_hosts,
    is_opened,
    pinned,
    target,
)
from schemas.config import FetchConfig
from schemas.errors import FetchError, UsageError
from schemas.ports import Exchange, Request, Resolver, Response
from schemas.verdict import Outcome
from schemas.version import installed_version

ACCEPT = "image/avif,image/webp,image/apng,image/*;q=0.9,*/*;q=0.5"
MAX_HEADER_BYTES = 65_536  # of all header lines of one response together
MAX_FIELD_BYTES = 32_768
MAX_HEADER_LINES = 256
KEEP_ALIVE_S = 15.0
DNS_TTL_S = 60


def user_agent(config: FetchConfig) -> str:
    """Return the User-Agent: product token, version, and how a site reaches whoever runs this.

    Raises UsageError where the contact cannot stand in a header.
    """
    contact = config.contact.strip()
    if not contact.isascii() or not contact.isprintable() or set(contact) & set("()<>\\"):
        raise UsageError(
            f"fetch.contact: expected a URL or mail address of printable ASCII, found {contact!r}"
        )
    product = f"{config.agent}/{installed_version()}"
    return f"{product} (+{contact})" if contact else product


@functools.lru_cache(maxsize=4)
def tls_context(extra_ca: str = "") -> ssl.SSLContext:
    """Return the process's TLS context: the system's authorities, and PEM text of further ones."""
    context = ssl.create_default_context()
    if extra_ca:
        context.load_verify_locations(cadata=extra_ca)
    return context


class AiohttpTransport:
    """A Transport (schemas.ports) on aiohttp; an async context manager, one for each event loop.

    extra_ca: PEM text of authorities trusted beside the system's.
    Raises UsageError where config.contact or config.allow_hosts cannot be used.
    """

    def __init__(
        self, config: FetchConfig, *, resolver: Resolver | None = None, extra_ca: str = ""
    ) -> None:
        check_allow_hosts(config.allow_hosts)
        self._config = config
        self._own_resolver = SystemResolver()  # starts no thread before it is asked
        self._resolver: Resolver = resolver or self._own_resolver
        self._tls = tls_context(extra_ca)
        self._headers = (("User-Agent", user_agent(config)), ("Accept", ACCEPT))
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=_Pinning(self._resolver, self._config),
            ttl_dns_cache=DNS_TTL_S,  # of addresses that passed; what is refused is never kept
            ssl=self._tls,
            limit=0,  # politeness counts connections; two counters would deadlock
            keepalive_timeout=KEEP_ALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_PeerResponse,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._config.connect_timeout_s, ceil_threshold=1e9
            ),
            auto_decompress=False,
            trust_env=False,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEADER_LINES,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._own_resolver.close()

    async def open(self, request: Request) -> "AiohttpExchange":
        """Send a request; the whole answer has config.timeout_s from here on."""
        asked = target(request.url, self._config.allow_hosts)
        opened = is_opened(asked.host, asked.port, self._config.allow_hosts)
        if not self._config.contact and not opened:
            raise UsageError(
                f"fetch.contact: expected a URL or mail address by which {asked.host} can reach "
                "you, found none"
            )
        # aiohttp does not ask its resolver about IP literals; `pinned` refuses them here.
        if is_address(asked.host):
            await pinned(asked.host, asked.port, self._resolver, self._config.allow_hosts)
        deadline = asyncio.get_running_loop().time() + self._config.timeout_s
        response = await self._answer(asked, request, deadline)
        try:
            head = _head(asked, response)
        except FetchError:
            response.close()
            raise
        return AiohttpExchange(response, head, deadline)

    async def release(self, exchange: Exchange) -> None:
        """Give the connection back where the body was read, else close it."""
        if isinstance(exchange, AiohttpExchange):
            exchange.close()

    async def _answer(self, asked: Target, request: Request, deadline: float) -> "_PeerResponse":
        if self._session is None:
            raise UsageError("expected AiohttpTransport to be entered with `async with`")
        headers = {**dict(self._headers), "Accept-Encoding": "gzip", **dict(request.headers)}
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._session.request(
                    request.method,
                    URL(asked.url, encoded=True),
                    headers=headers,
                    data=request.body or None,
                    allow_redirects=False,
                )
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as e:
            raise _translated(asked.host, e) from e
        if not isinstance(response, _PeerResponse):  # the session was told which class to use
            raise TypeError(type(response))
        return response


class AiohttpExchange:
    """A request under way (schemas.ports.Exchange)."""

    def __init__(self, answer: aiohttp.ClientResponse, response: Response, deadline: float) -> None:
        self.response = response
        self._answer = answer
        self._deadline = deadline

    async def body(self, limit_bytes: int) -> bytes:
        """Return the decoded body.

        Raises FetchError: TOO_LARGE (with what was read), TOO_SLOW past the answer's deadline,
        UNREACHABLE where the body breaks off or its encoding was not asked for.
        """
        decode = decoder(self.response.headers)
        parts: list[bytes] = []
        left = limit_bytes
        try:
            async with asyncio.timeout_at(self._deadline):
                while chunk := await self._answer.content.readany():
                    part = decode.feed(chunk, left + 1)
                    parts.append(part[:left])
                    left -= len(part)
                    if left < 0:
                        raise FetchError(
                            Outcome.TOO_LARGE,
                            f"body of more than {limit_bytes} bytes",
                            lasting=True,
                            prefix=b"".join(parts),
                        )
        except (TimeoutError, aiohttp.ClientError, OSError) as e:
            raise _translated(self.response.url, e) from e
        decode.check_whole()
        return b"".join(parts)

    def close(self) -> None:
        """Close the connection unless the body was read to its end."""
        self._answer.close()  # does nothing once the connection went back at the body's end


class _PeerResponse(aiohttp.ClientResponse):
    """A response that remembers which address gave it."""

    peer = ""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if connection.transport is not None:
            name = connection.transport.get_extra_info("peername")
            self.peer = str(name[0]) if name else ""
        return await super().start(connection)


class _Pinning(AbstractResolver):
    """aiohttp's question for addresses, answered with checked ones."""

    def __init__(self, resolver: Resolver, config: FetchConfig) -> None:
        self._resolver = resolver
        self._config = config

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's signature
    ) -> list[ResolveResult]:
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                found = await pinned(host, port, self._resolver, self._config.allow_hosts)
        except TimeoutError as e:
            raise FetchError(Outcome.UNREACHABLE, f"{host}: no address in time") from e
        return [_result(host, port, address) for address in found]

    async def close(self) -> None:
        pass


def _result(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _head(asked: Target, answer: _PeerResponse) -> Response:
    raw = answer.raw_headers
    if (size := sum(len(name) + len(value) for name, value in raw)) > MAX_HEADER_BYTES:
        raise FetchError(
            Outcome.UNREACHABLE,
            f"{asked.host}: expected at most {MAX_HEADER_BYTES} bytes of headers, found {size}",
            lasting=True,
        )
    headers = tuple((_text(name), _text(value)) for name, value in raw)
    return Response(asked.url, answer.status, headers, answer.peer)


def _text(raw: bytes) -> str:
    """Return header bytes as text: UTF-8 where they are, else Latin-1. Source: RFC 9110, 5.5."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _translated(where: str, error: Exception) -> FetchError:
    said = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return FetchError(Outcome.UNREACHABLE, f"{where}: no connection in time")
    if isinstance(error, TimeoutError):
        return FetchError(Outcome.TOO_SLOW, f"{where}: no whole answer in time")
    if isinstance(error, aiohttp.InvalidURL):
        return FetchError(Outcome.ADDRESS, f"{where}: {said}", lasting=True)
    refusals: Sequence[type[Exception]] = (
        aiohttp.ClientConnectorSSLError,
        aiohttp.ClientConnectorCertificateError,
        aiohttp.ClientResponseError,  # not HTTP, or a header beyond the limits
    )
    lasting = isinstance(error, tuple(refusals))
    return FetchError(Outcome.UNREACHABLE, f"{where}: {said}", lasting=lasting)
