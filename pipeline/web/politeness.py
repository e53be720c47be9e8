"""When a host may be asked again: connections, crawl-delay, Retry-After, back-off.

Rules:
* At most `per_host` requests to one host at a time; one where it asks for a crawl-delay.
* Crawl-delay is the time between the starts of two requests; asked for more than
  `max_retry_after_s`, we take that.
* A Retry-After holds for the host, not for the URL. One longer than `max_retry_after_s` ends the
  host for this task: what is left of it is unreachable, and nothing more is sent.
* A host that gave no answer, or 429 or 503, `MAX_FAILURES` times in a row is left alone for this
  task too: it may be down, and each try costs both sides a time-out.
* Only transient failures are tried again: no connection, no answer in time, 429, 500, 502, 503,
  504. A refusal (403, robots.txt, a header) never is.
* Whoever waits holds no connection, so a stuck host does not hold up others.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

from schemas.config import FetchConfig
from schemas.errors import FetchError
from schemas.verdict import Outcome

TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})
RETRY_AFTER_STATUS = frozenset({429, 503})  # RFC 9110 section 10.2.3, RFC 6585 section 4
MAX_FAILURES = 20
_TRANSIENT_OUTCOMES = frozenset({Outcome.UNREACHABLE, Outcome.TOO_SLOW})


def is_transient(failure: FetchError | int) -> bool:
    """Say whether asking again may help: for an error, or for a status."""
    if isinstance(failure, int):
        return failure in TRANSIENT_STATUS
    return not failure.lasting and failure.outcome in _TRANSIENT_OUTCOMES


def is_silence(failure: FetchError | int | None) -> bool:
    """Say whether a host did not answer: no response, or one that only says "not now"."""
    if isinstance(failure, int):
        return failure in RETRY_AFTER_STATUS
    return failure is not None and is_transient(failure)


def retry_after_s(headers: Iterable[tuple[str, str]], now_us: int) -> float | None:
    """Return the seconds that Retry-After asks for, None where it is absent or unreadable.

    Source: RFC 9110 section 10.2.3 (delay-seconds or HTTP-date).
    """
    value = next((v.strip() for name, v in headers if name.lower() == "retry-after"), "")
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
        return max(0.0, at.timestamp() - now_us / 1e6)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def back_off_s(attempt: int, config: FetchConfig, rng: random.Random) -> float:
    """Return the wait before try `attempt` + 1: doubling, half to one and a half times, bounded."""
    wait = config.backoff_s * 2.0**attempt * (0.5 + rng.random())
    return min(wait, config.max_retry_after_s)


class Politeness:
    """The gates of all hosts that one task asks, and the connections they share."""

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._connections = asyncio.Semaphore(config.connections)
        self._hosts: dict[str, HostGate] = {}

    def host(self, name: str) -> "HostGate":
        """Return a host's gate, always the same one. name: without port."""
        if name not in self._hosts:
            self._hosts[name] = HostGate(name, self._config, self._connections)
        return self._hosts[name]


class HostGate:
    """One host's turn-taking, on the event loop's clock."""

    def __init__(self, name: str, config: FetchConfig, connections: asyncio.Semaphore) -> None:
        self._name = name
        self._config = config
        self._connections = connections
        self._slots = asyncio.Semaphore(config.per_host)
        self._spacing = asyncio.Lock()
        self._delay_s = 0.0
        self._next_at = 0.0  # no request starts before
        self._failures = 0  # in a row
        self._ended = ""  # why, once it is

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the host may be asked, and hold a connection inside the block.

        Raises FetchError(UNREACHABLE) once the host is ended for this task.
        """
        async with self._slots:
            if self._delay_s:
                # Held through the request, so that a host with a crawl-delay is asked one by one.
                async with self._spacing:
                    await self._rest()
                    async with self._connections:
                        self._next_at = max(self._next_at, _now() + self._delay_s)
                        yield
            else:
                await self._rest()
                async with self._connections:
                    yield

    def space(self, delay_s: float | None) -> None:
        """Keep a crawl-delay from now on; a longer one of another origin stands."""
        wanted = min(delay_s or 0.0, self._config.max_retry_after_s)
        self._delay_s = max(self._delay_s, wanted)

    def rest(self, seconds: float) -> bool:
        """Ask nothing for so long. False where it is too long: the host is ended for this task."""
        longest_s = self._config.max_retry_after_s
        if seconds > longest_s:
            self._ended = (
                f"asked for {seconds:.0f} s of rest, at most {longest_s:.0f} s are waited for"
            )
            return False
        self._next_at = max(self._next_at, _now() + seconds)
        return True

    def note(self, *, failed: bool) -> None:
        """Take notice of how a request ended; failures in a row end the host for this task."""
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= MAX_FAILURES:
            self._ended = f"left alone after {self._failures} requests in a row without an answer"

    async def _rest(self) -> None:
        while True:
            if self._ended:
                message = f"{self._name}: {self._ended}"
                raise FetchError(Outcome.UNREACHABLE, message, lasting=True)
            # Read anew after each sleep: another answer may have asked for more.
            left = self._next_at - _now()
            if left <= 0:
                return
            await asyncio.sleep(left)


def _now() -> float:
    return asyncio.get_running_loop().time()
