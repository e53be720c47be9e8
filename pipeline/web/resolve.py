"""From URL to checked addresses: what may be asked, and where the connection goes.

A name is resolved once; all its addresses are checked, and the connection goes to one of those,
so an answer that changes between check and use (DNS rebinding) changes nothing. One refused
address refuses the name: honest hosts do not mix public and private ones.

Ports: 80, 443 and everything from 1024 on, save ports on which other protocols listen
(`OTHER_PROTOCOLS`); a HOST:PORT of fetch.allow_hosts opens any.
"""

import asyncio
import functools
import socket
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from optout.urls import canonical_url, host_of, is_address
from pipeline.web.addresses import refused
from schemas.errors import FetchError, UsageError
from schemas.ports import Resolver
from schemas.verdict import Outcome

DEFAULT_PORTS = {"http": 80, "https": 443}
FIRST_FREE_PORT = 1024
LOOPBACK = "127.0.0.1"
RESOLVER_THREADS = 16  # getaddrinfo blocks; a dead name server must not hold up all hosts

OTHER_PROTOCOLS = frozenset(
    {
        # ports that the Fetch standard blocks (section 2.9), from 1024 on
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080),
        *range(6665, 6670),
        # databases, caches, brokers, control planes: what a request forged through us would reach
        *(1099, 1433, 1521, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5672, 5900, 5984),
        *(5985, 5986, 6379, 6443, 7001, 8500, 9042, 9092, 9200, 9300, 10250, 11211, 27017, 50070),
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked, taken apart. `url` is canonical, `host` has no brackets."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Return scheme://host[:port], the port only where it is not the scheme's own."""
        return self.url[: self.url.index("/", len(self.scheme) + 3)]


class SystemResolver:
    """The machine's own resolver, in threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a name in the system's order, each once."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, _lookup, host, port)
        except (socket.gaierror, UnicodeError) as e:
            again = isinstance(e, socket.gaierror) and e.errno == socket.EAI_AGAIN
            raise FetchError(
                Outcome.UNREACHABLE, f"{host}: no address ({e})", lasting=not again
            ) from e

    def close(self) -> None:
        """Let go of the threads; look-ups under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def target(url: str, allow_hosts: Collection[str] = ()) -> Target:
    """Return what a URL asks for. Raises FetchError(ADDRESS) where it is not ours to ask.

    allow_hosts: HOST:PORT pairs, HOST exact or `*.` and what it ends in.
    """
    return _target(url, tuple(allow_hosts))


@functools.lru_cache(maxsize=8_192)  # fetcher, transport and redirects all ask about one URL
def _target(url: str, allow_hosts: tuple[str, ...]) -> Target:
    try:
        canonical = canonical_url(url)
    except UsageError as e:
        raise FetchError(Outcome.ADDRESS, str(e), lasting=True) from e
    scheme = canonical.split(":", 1)[0]
    host = host_of(canonical)
    port = urlsplit(canonical).port or DEFAULT_PORTS[scheme]
    if not _port_passes(port) and not is_opened(host, port, allow_hosts):
        raise FetchError(
            Outcome.ADDRESS,
            f"{host}: expected port 80, 443 or one above {FIRST_FREE_PORT - 1} for the web, "
            f"found {port}",
            lasting=True,
        )
    return Target(canonical, scheme, host, port)


async def pinned(
    host: str, port: int, resolver: Resolver, allow_hosts: Collection[str] = ()
) -> list[str]:
    """Return the checked addresses to which a connection may go, in the resolver's order.

    host: a name or an IP literal without brackets. `localhost` and what ends in it is 127.0.0.1
    and never looked up (RFC 6761 section 6.3).
    Raises FetchError: ADDRESS where any address is refused, UNREACHABLE where there is none.
    """
    if is_address(host.partition("%")[0]):
        found = [host]
    elif host == "localhost" or host.endswith(".localhost"):
        found = [LOOPBACK]
    else:
        found = await resolver.resolve(host, port)
    if not found:
        raise FetchError(Outcome.UNREACHABLE, f"{host}: no address")
    opened = is_opened(host, port, allow_hosts)
    for address in found:
        if why := refused(address, opened=opened):
            raise FetchError(Outcome.ADDRESS, f"{host}:{port}: {why}", lasting=True)
    return found


def is_opened(host: str, port: int, allow_hosts: Collection[str]) -> bool:
    """Say whether the builder named this host and port."""
    return any(_names(entry, host, port) for entry in allow_hosts)


def check_allow_hosts(entries: Collection[str]) -> None:
    """Raise UsageError unless every entry is HOST:PORT."""
    for entry in entries:
        host, _, port = entry.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise UsageError(f"fetch.allow_hosts: expected HOST:PORT, found {entry!r}")


def _names(entry: str, host: str, port: int) -> bool:
    name, _, at = entry.lower().rpartition(":")
    if at != str(port):
        return False
    if name.startswith("*."):
        return host.endswith(name[1:])
    return name.strip("[]") == host


def _port_passes(port: int) -> bool:
    if port < FIRST_FREE_PORT:
        return port in DEFAULT_PORTS.values()
    return port not in OTHER_PROTOCOLS


def _lookup(host: str, port: int) -> list[str]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))
