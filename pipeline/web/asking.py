"""One address asked until there is an answer to keep: turn-taking, tries, limits."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.web.politeness import (
    RETRY_AFTER_STATUS,
    HostGate,
    Politeness,
    back_off_s,
    is_silence,
    is_transient,
    retry_after_s,
)
from schemas.config import FetchConfig
from schemas.errors import FetchError
from schemas.ports import Clock, Exchange, Request, Response, Transport
from schemas.verdict import Outcome

Limit = Callable[[Response], int | Outcome]
"""From a response head: how many bytes of its body to read, or why none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one address.

    asked: whether anything was sent; a host that is ended is not asked.
    response: None where none came; then `error` says why.
    body: None where it was not read (`unread` says why) or not whole (`error` says why).
    """

    asked_at_us: int
    response: Response | None = None
    unread: Outcome | None = None
    body: bytes | None = None
    fetched_at_us: int | None = None
    error: FetchError | None = None
    asked: bool = True

    @property
    def is_transient(self) -> bool:
        """Say whether asking again may give another answer."""
        if self.error is not None:
            return is_transient(self.error)
        return self.response is not None and is_transient(self.response.status)

    @property
    def is_silence(self) -> bool:
        """Say whether the host gave no answer that says anything about the address."""
        if self.error is not None:
            return is_silence(self.error)
        return self.response is not None and is_silence(self.response.status)


class Asker:
    """Asks addresses, politely. Holds what all requests of one task share."""

    def __init__(
        self, config: FetchConfig, transport: Transport, clock: Clock, rng: random.Random
    ) -> None:
        self.politeness = Politeness(config)
        self._config = config
        self._transport = transport
        self._clock = clock
        self._rng = rng

    def now_us(self) -> int:
        """Return the time as it is written down."""
        return self._clock.now_us()

    async def ask(self, host: str, request: Request, limit: Limit) -> Answer:
        """Return the last answer after at most config.retries further tries; raises nothing.

        host: name without port, whose turn it is.
        """
        gate = self.politeness.host(host)
        answer = await self._once(gate, request, limit)
        for attempt in range(self._config.retries):
            gate.note(failed=answer.is_silence)
            asked_to_rest, goes_on = self._rest(gate, answer)
            if not answer.is_transient or not goes_on:
                return answer
            if not asked_to_rest:
                await asyncio.sleep(back_off_s(attempt, self._config, self._rng))
            again = await self._once(gate, request, limit)
            if not again.asked:  # the host was ended meanwhile: what it said last stands
                return answer
            answer = again
        gate.note(failed=answer.is_silence)
        self._rest(gate, answer)
        return answer

    def _rest(self, gate: HostGate, answer: Answer) -> tuple[bool, bool]:
        """Let the host rest where it asks to: whether it did, and whether it may be asked again."""
        response = answer.response
        if response is None or response.status not in RETRY_AFTER_STATUS:
            return False, True
        seconds = retry_after_s(response.headers, self._clock.now_us())
        return (False, True) if seconds is None else (True, gate.rest(seconds))

    async def _once(self, gate: HostGate, request: Request, limit: Limit) -> Answer:
        asked_at_us, asked = self._clock.now_us(), False
        try:
            async with gate.turn():
                asked_at_us, asked = self._clock.now_us(), True
                exchange = await self._transport.open(request)
                try:
                    return await self._read(exchange, limit, asked_at_us)
                finally:
                    await self._transport.release(exchange)
        except FetchError as e:
            return Answer(asked_at_us, error=e, asked=asked)

    async def _read(self, exchange: Exchange, limit: Limit, asked_at_us: int) -> Answer:
        response = exchange.response
        wanted = limit(response)
        if isinstance(wanted, Outcome):
            return Answer(asked_at_us, response, unread=wanted)
        try:
            body = await exchange.body(wanted)
        except FetchError as e:
            return Answer(asked_at_us, response, error=e)
        return Answer(asked_at_us, response, body=body, fetched_at_us=self._clock.now_us())
