import asyncio
import random
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pipeline.web.politeness import (
    MAX_FAILURES,
    Politeness,
    back_off_s,
    is_silence,
    is_transient,
    retry_after_s,
)
from schemas.config import FetchConfig
from schemas.errors import FetchError
from schemas.verdict import Outcome

NOW_US = 1_767_225_600_000_000  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thursday, 01-Jan-26 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s([("Retry-After", value)], NOW_US) == seconds


def test_no_retry_after_is_none() -> None:
    assert retry_after_s([("X", "1")], NOW_US) is None


@settings(deadline=None)
@given(st.text())
def test_any_retry_after_gives_seconds_or_none(value: str) -> None:
    found = retry_after_s([("retry-after", value)], NOW_US)
    assert found is None or found >= 0


@settings(deadline=None)
@given(st.integers(0, 30), st.integers())
def test_back_off_doubles_with_jitter_and_is_bounded(attempt: int, seed: int) -> None:
    config = FetchConfig(backoff_s=1.0, max_retry_after_s=60.0)
    wait = back_off_s(attempt, config, random.Random(seed))
    assert wait == back_off_s(attempt, config, random.Random(seed))
    assert min(60.0, 2.0**attempt * 0.5) <= wait <= min(60.0, 2.0**attempt * 1.5)


def test_only_transient_failures_are_worth_another_try() -> None:
    assert all(is_transient(s) for s in (429, 500, 502, 503, 504))
    assert not any(is_transient(s) for s in (200, 301, 400, 401, 402, 403, 404, 410, 451, 501))
    assert is_transient(FetchError(Outcome.UNREACHABLE, ""))
    assert is_transient(FetchError(Outcome.TOO_SLOW, ""))
    assert not is_transient(FetchError(Outcome.UNREACHABLE, "", lasting=True))
    assert not is_transient(FetchError(Outcome.ADDRESS, ""))
    assert not is_transient(FetchError(Outcome.TOO_LARGE, ""))


async def crowd(politeness: Politeness, hosts: list[str], hold_s: float = 0.02) -> dict[str, int]:
    """Take a turn for each host named; return the most turns held at once, by host and in all."""
    now: dict[str, int] = {}
    most: dict[str, int] = {}

    async def one(host: str) -> None:
        async with politeness.host(host).turn():
            for key in (host, "all"):
                now[key] = now.get(key, 0) + 1
                most[key] = max(most.get(key, 0), now[key])
            await asyncio.sleep(hold_s)
            for key in (host, "all"):
                now[key] -= 1

    await asyncio.gather(*(one(host) for host in hosts))
    return most


def test_a_host_has_at_most_its_share_and_all_hosts_theirs() -> None:
    async def run() -> dict[str, int]:
        politeness = Politeness(FetchConfig(connections=5, per_host=3))
        return await crowd(politeness, ["a", "b", "c"] * 8)

    most = asyncio.run(run())
    assert most == {"a": 3, "b": 3, "c": 3, "all": 5} or most["all"] == 5
    assert max(most[h] for h in "abc") <= 3


def test_crawl_delay_spaces_starts_and_asks_one_by_one() -> None:
    async def run() -> tuple[float, dict[str, int]]:
        politeness = Politeness(FetchConfig(per_host=4))
        politeness.host("a").space(0.05)
        start = time.monotonic()
        most = await crowd(politeness, ["a"] * 5, hold_s=0.001)
        return time.monotonic() - start, most

    spent, most = asyncio.run(run())
    assert spent >= 0.2 - 0.005
    assert most["a"] == 1


def test_a_long_crawl_delay_is_kept_as_far_as_we_wait() -> None:
    async def run() -> float:
        politeness = Politeness(FetchConfig(max_retry_after_s=0.05))
        politeness.host("a").space(86_400)
        start = time.monotonic()
        await crowd(politeness, ["a"] * 3, hold_s=0)
        return time.monotonic() - start

    assert 0.09 <= asyncio.run(run()) < 5


def test_a_resting_host_waits_while_others_go_on() -> None:
    async def run() -> tuple[float, float]:
        politeness = Politeness(FetchConfig(connections=1))
        assert politeness.host("a").rest(1.0)
        start = time.monotonic()
        resting = asyncio.create_task(crowd(politeness, ["a"]))
        await crowd(politeness, ["b"] * 3, hold_s=0)
        others = time.monotonic() - start
        await resting
        return others, time.monotonic() - start

    others, resting = asyncio.run(run())
    assert others < 0.7
    assert resting >= 1.0 - 0.005


def test_a_host_that_asks_for_too_much_rest_is_ended() -> None:
    async def run() -> None:
        politeness = Politeness(FetchConfig(max_retry_after_s=60))
        assert not politeness.host("a").rest(3600)
        async with politeness.host("b").turn():
            pass
        async with politeness.host("a").turn():
            pass

    with pytest.raises(FetchError, match="asked for 3600 s of rest") as error:
        asyncio.run(run())
    assert error.value.lasting


def test_a_cancelled_turn_is_given_back() -> None:
    async def run() -> None:
        gate = Politeness(FetchConfig(connections=1, per_host=1)).host("a")

        async def hold() -> None:
            async with gate.turn():
                await asyncio.sleep(60)

        for _ in range(3):
            task = asyncio.create_task(hold())
            await asyncio.sleep(0.01)
            task.cancel()
        async with asyncio.timeout(1), gate.turn():
            pass

    asyncio.run(run())


def test_a_host_that_never_answers_is_ended_and_one_answer_starts_anew() -> None:
    async def run() -> None:
        gate = Politeness(FetchConfig()).host("a")
        for failed in [True] * (MAX_FAILURES - 1) + [False] + [True] * (MAX_FAILURES - 1):
            gate.note(failed=failed)
        async with gate.turn():
            pass
        gate.note(failed=True)
        async with gate.turn():
            pass

    with pytest.raises(FetchError, match="20 requests in a row"):
        asyncio.run(run())


def test_only_silence_ends_a_host() -> None:
    assert is_silence(429)
    assert is_silence(503)
    assert is_silence(FetchError(Outcome.TOO_SLOW, ""))
    assert not any(is_silence(status) for status in (200, 302, 404, 500, 502))
    assert not is_silence(FetchError(Outcome.UNREACHABLE, "", lasting=True))
    assert not is_silence(None)
