"""pipeline.lists against a real server: batches, keys, faults; nobody is left without an answer."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from optout.signals.url_lists import of_reply, replay
from pipeline.lists import NO_KEY, NOT_ONE_LINE, SPAWNING, ListAnswer, SpawningList, UrlList
from pipeline.transport import AiohttpTransport
from schemas.config import FetchConfig
from schemas.errors import UsageError
from schemas.ports import Request
from schemas.verdict import Say
from tests.fakes import FixedClock, ScriptedTransport
from tests.servers import Answer, Asked, Server, serve

KEY = "s3cret-key"
URLS = [f"https://a.example/{i}.jpg" for i in range(5)]
OUT = {URLS[1], URLS[4]}
AT_US = 1_767_225_600_000_000


def registry(asked: Asked) -> Answer:
    """Answer as the list's client expects it."""
    if asked.method != "POST" or asked.headers.get("authorization") != f"API {KEY}":
        return Answer(401, b'{"detail": "no"}')
    entries = [{"url": url, "optOut": url in OUT} for url in asked.body.decode().splitlines()]
    return Answer(200, json.dumps({"urls": entries}).encode())


def ask(
    routes: Callable[[Asked], Answer],
    urls: Sequence[str] = URLS,
    *,
    key: str = KEY,
    batch_urls: int = 10_000,
    **fetch: Any,
) -> tuple[Mapping[str, ListAnswer], Server]:
    """Ask a list once, on a server and a transport of their own."""

    async def once(server: Server) -> Mapping[str, ListAnswer]:
        settings = {"timeout_s": 2.0, "backoff_s": 0.01, "retries": 2, **fetch}
        config = FetchConfig(allow_hosts=server.at("127.0.0.1"), **settings)
        async with AiohttpTransport(config) as transport:
            asked: UrlList = SpawningList(
                transport,
                FixedClock(AT_US),
                config,
                random.Random(1),
                key=key,
                url=server.url("/query"),
                batch_urls=batch_urls,
            )
            return await asked.ask(urls)

    with serve(routes) as server:
        return asyncio.run(once(server)), server


def says(found: Mapping[str, ListAnswer]) -> list[Say]:
    return [found[url].say for url in URLS]


ALL_ERROR = [Say.ERROR] * 5


def test_every_url_has_its_answer() -> None:
    found, server = ask(registry)
    assert says(found) == [Say.SILENT, Say.DENY, Say.SILENT, Say.SILENT, Say.DENY]
    assert {a.at_us for a in found.values()} == {AT_US}
    (asked,) = server.asked
    assert asked.method == "POST"
    assert asked.body == "\n".join(URLS).encode()
    assert asked.headers["content-type"] == "text/plain"


def test_batches_are_asked_one_after_another() -> None:
    found, server = ask(registry, batch_urls=2)
    assert [len(a.body.splitlines()) for a in server.asked] == [2, 2, 1]
    assert says(found) == [Say.SILENT, Say.DENY, Say.SILENT, Say.SILENT, Say.DENY]


def test_evidence_says_who_was_asked_when_and_what_came() -> None:
    found, _ = ask(registry)
    assert json.loads(found[URLS[1]].evidence) == {
        "kind": "list",
        "list": "spawning",
        "url": URLS[1],
        "status": 200,
        "answer": {"url": URLS[1], "optOut": True},
        "note": "",
        "asked_at": "2026-01-01T00:00:00.000000Z",
    }


@pytest.mark.parametrize("key", [KEY, "", "wrong"])
def test_evidence_is_enough_to_say_it_again(key: str) -> None:
    found, _ = ask(registry, key=key)
    for answer in found.values():
        assert {s.say for s in of_reply(replay(json.loads(answer.evidence)))} == (
            set() if answer.say is Say.SILENT else {answer.say}
        )


def test_without_a_key_nothing_is_asked_and_everything_held() -> None:
    found, server = ask(registry, key=" ")
    assert says(found) == ALL_ERROR
    assert {a.note for a in found.values()} == {NO_KEY}
    assert server.connected == 0


@pytest.mark.parametrize(
    ("answer", "note", "tries"),
    [
        (Answer(500), "status 500", 3),
        (Answer(401), "status 401", 1),
        (Answer(302, headers=[("Location", "https://elsewhere.example/")]), "status 302", 1),
        (Answer(200, b"<html>"), "malformed", 1),
        (Answer(200, b'{"urls": []}'), "not answered", 1),
        (Answer(fault="reset"), "no response", 3),
        (Answer(fault="garbage"), "no response", 1),
        (Answer(200, b'{"urls": []}' * 9, fault="truncate"), "no response", 3),
        (Answer(200, b"[" * 1_000_000), "no response", 1),
        (Answer(head_delay_s=3), "no response", 3),
        (Answer(429, headers=[("Retry-After", "0")]), "status 429", 3),
    ],
    ids=lambda value: f"{value.status}{value.fault}" if isinstance(value, Answer) else None,
)
def test_a_list_that_fails_holds_every_row(answer: Answer, note: str, tries: int) -> None:
    found, server = ask(lambda _: answer, timeout_s=1.0)
    assert says(found) == ALL_ERROR
    assert {a.note for a in found.values()} == {note}
    assert len(server.asked) == tries


def test_a_list_that_recovers_is_asked_again() -> None:
    answers = iter([Answer(503), Answer(fault="close")])
    found, server = ask(lambda asked: next(answers, None) or registry(asked))
    assert found[URLS[1]].say is Say.DENY
    assert len(server.asked) == 3


def test_one_batch_that_fails_leaves_the_others_their_answers() -> None:
    def second_fails(asked: Asked) -> Answer:
        return Answer(400) if URLS[2].encode() in asked.body else registry(asked)

    found, _ = ask(second_fails, batch_urls=2)
    assert says(found) == [Say.SILENT, Say.DENY, Say.ERROR, Say.ERROR, Say.DENY]


def test_a_url_of_two_lines_is_held_and_not_asked() -> None:
    bad = "https://a.example/\nhttps://b.example/"
    found, server = ask(registry, [bad, URLS[1]])
    assert (found[bad].say, found[bad].note) == (Say.ERROR, NOT_ONE_LINE)
    assert found[URLS[1]].say is Say.DENY
    assert server.asked[0].body == URLS[1].encode()


def test_no_urls_is_no_question() -> None:
    found, server = ask(registry, [])
    assert found == {}
    assert server.asked == []


def spawning(**more: Any) -> SpawningList:
    transport = ScriptedTransport(lambda _: (200, (), b""))
    settings = {"key": KEY, **more}
    return SpawningList(transport, FixedClock(), FetchConfig(), random.Random(1), **settings)


@pytest.mark.parametrize("key", ["a\r\nX: y", "kéy", "a b"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError) as error:
        spawning(key=key)
    assert key not in str(error.value)


@pytest.mark.parametrize("url", ["http://lists.example/", "ftp://lists.example/", "lists", ""])
def test_a_key_is_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError, match="spawning_url"):
        spawning(url=url)


def test_the_key_is_shown_nowhere() -> None:
    request = Request(SPAWNING, (("Authorization", f"API {KEY}"),), "POST", KEY.encode())
    assert KEY not in repr(request) + repr(spawning())
    found, _ = ask(lambda _: Answer(403))
    assert not any(KEY.encode() in a.evidence for a in found.values())
