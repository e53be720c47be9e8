import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.transport import AiohttpTransport, tls_context, user_agent
from pipeline.web.content_encoding import decoder
from schemas.config import FetchConfig
from schemas.errors import FetchError, UsageError
from schemas.ports import Request, Response
from schemas.verdict import Outcome
from tests.servers import Answer, Asked, Route, Server, certificate, redirect, serve

BODY = bytes(range(256)) * 400


def config(server: Server, **more: Any) -> FetchConfig:
    hosts = server.at("127.0.0.1", "a.localhost", "b.localhost")
    return FetchConfig(allow_hosts=hosts, **{"timeout_s": 5.0, **more})


def get(
    server: Server, path: str = "/", limit_bytes: int = 1_000_000, **more: Any
) -> tuple[Response, bytes]:
    """Ask one path once, on a transport of its own."""

    async def once() -> tuple[Response, bytes]:
        extra_ca = more.pop("extra_ca", "")
        headers = more.pop("headers", ())
        async with AiohttpTransport(config(server, **more), extra_ca=extra_ca) as transport:
            request = Request(server.url(path, "a.localhost"), headers)
            exchange = await transport.open(request)
            try:
                return exchange.response, await exchange.body(limit_bytes)
            finally:
                await transport.release(exchange)

    return asyncio.run(once())


def failure(routes: dict[str, Route] | Callable[[Asked], Answer], **more: Any) -> FetchError:
    with serve(routes) as server, pytest.raises(FetchError) as error:
        get(server, **more)
    return error.value


def test_a_response_keeps_status_headers_in_order_with_case_and_the_address() -> None:
    headers = [("X-Robots-Tag", "a"), ("x-robots-TAG", "b"), ("Content-Type", "image/jpeg")]
    with serve({"/": Answer(200, BODY, headers)}) as server:
        response, body = get(server)

    assert body == BODY
    assert response.status == 200
    assert [h for h in response.headers if h[0] != "Content-Length"] == headers
    assert response.address == "127.0.0.1"
    assert response.url == server.url("/", "a.localhost")


def test_we_say_who_we_are_and_take_nothing_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with serve({"/": BODY}) as server:
        get(server, contact="https://example.org/bot")

    asked = server.asked[0]
    assert asked.headers["user-agent"].startswith("RecuseBot/")
    assert asked.headers["user-agent"].endswith(" (+https://example.org/bot)")
    assert asked.headers["accept"].startswith("image/")
    assert asked.headers["accept-encoding"] == "gzip"
    assert asked.host == "a.localhost"
    assert not {"cookie", "authorization", "referer"} & asked.headers.keys()


def test_a_request_may_replace_headers() -> None:
    with serve({"/": BODY}) as server:
        get(server, headers=(("Accept", "text/plain"),))
    assert server.asked[0].headers["accept"] == "text/plain"


@pytest.mark.parametrize("contact", ["a\nb", "ü@example.org", "a)b"])
def test_a_contact_that_cannot_stand_in_a_header_is_refused(contact: str) -> None:
    with pytest.raises(UsageError, match=r"fetch\.contact"):
        user_agent(FetchConfig(contact=contact))


def test_public_hosts_are_not_asked_without_a_contact() -> None:
    async def ask() -> None:
        async with AiohttpTransport(FetchConfig()) as transport:
            await transport.open(Request("http://93.184.216.34/"))

    with pytest.raises(UsageError, match=r"fetch\.contact"):
        asyncio.run(ask())


def test_no_redirect_is_followed_and_no_cookie_kept() -> None:
    async def twice(server: Server) -> list[int]:
        async with AiohttpTransport(config(server)) as transport:
            found = []
            for _ in range(2):
                exchange = await transport.open(Request(server.url("/")))
                found.append(exchange.response.status)
                await transport.release(exchange)
            return found

    cookie = Answer(302, b"", [("Location", "/other"), ("Set-Cookie", "a=b")])
    with serve({"/": cookie}) as server:
        assert asyncio.run(twice(server)) == [302, 302]
    assert [a.path for a in server.asked] == ["/", "/"]
    assert all("cookie" not in a.headers for a in server.asked)


def test_a_connection_is_kept_only_when_its_body_was_read() -> None:
    async def ask(server: Server, *, read: bool) -> None:
        async with AiohttpTransport(config(server)) as transport:
            for _ in range(3):
                exchange = await transport.open(Request(server.url("/")))
                if read:
                    await exchange.body(10_000_000)
                await transport.release(exchange)
                await asyncio.sleep(0.01)

    for read, expected in ((True, 1), (False, 3)):
        with serve({"/": BODY * 50}) as server:
            asyncio.run(ask(server, read=read))
        assert server.connected == expected


def test_gzip_is_undone() -> None:
    answer = Answer(200, gzip.compress(BODY), [("Content-Encoding", "gzip")])
    with serve({"/": answer}) as server:
        assert get(server)[1] == BODY


def test_chunked_bodies_are_read() -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (BODY[:100], BODY[100:], b""))
    answer = Answer(200, chunks, [("Transfer-Encoding", "chunked")])
    with serve({"/": answer}) as server:
        assert get(server)[1] == BODY


def test_a_gzip_bomb_costs_no_more_than_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    error = failure({"/": Answer(200, bomb, [("Content-Encoding", "gzip")])}, limit_bytes=100_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.outcome == Outcome.TOO_LARGE
    assert error.prefix == bytes(100_000)
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize("size", [99_999, 100_000, 100_001])
def test_the_limit_is_exact_and_what_was_read_is_kept(size: int) -> None:
    with serve({"/": b"x" * size}) as server:
        if size <= 100_000:
            assert len(get(server, limit_bytes=100_000)[1]) == size
        else:
            with pytest.raises(FetchError) as error:
                get(server, limit_bytes=100_000)
            assert error.value.outcome == Outcome.TOO_LARGE
            assert error.value.prefix == b"x" * 100_000


def test_an_endless_body_ends_at_the_limit() -> None:
    error = failure({"/": Answer(200, b"x" * 10_000, fault="endless")}, limit_bytes=100_000)
    assert error.outcome == Outcome.TOO_LARGE


@pytest.mark.parametrize(
    ("answer", "outcome", "lasting"),
    [
        (Answer(fault="reset"), Outcome.UNREACHABLE, False),
        (Answer(fault="close"), Outcome.UNREACHABLE, False),
        (Answer(fault="garbage"), Outcome.UNREACHABLE, True),
        (Answer(body=BODY, fault="truncate"), Outcome.UNREACHABLE, False),
        (Answer(body=BODY, headers=[("Content-Length", "999999")], fault="truncate"),
         Outcome.UNREACHABLE, False),
        (Answer(body=BODY, headers=[("Content-Encoding", "br")]), Outcome.UNREACHABLE, True),
        (Answer(body=BODY, headers=[("Content-Encoding", "gzip, gzip")]),
         Outcome.UNREACHABLE, True),
        (Answer(body=BODY, headers=[("Content-Encoding", "gzip")]), Outcome.UNREACHABLE, True),
        (Answer(body=gzip.compress(BODY)[:50], headers=[("Content-Encoding", "gzip")]),
         Outcome.UNREACHABLE, False),
        (Answer(body=gzip.compress(BODY) + b"tail", headers=[("Content-Encoding", "gzip")]),
         Outcome.UNREACHABLE, True),
        (Answer(headers=[("X-Long", "x" * 40_000)]), Outcome.UNREACHABLE, True),
        (Answer(headers=[(f"X-{i}", "x" * 1000) for i in range(80)]), Outcome.UNREACHABLE, True),
        (Answer(headers=[(f"X-{i}", "x") for i in range(1000)]), Outcome.UNREACHABLE, True),
        (Answer(head_delay_s=3), Outcome.TOO_SLOW, False),
        (Answer(body=BODY, byte_delay_s=0.05), Outcome.TOO_SLOW, False),
    ],
    ids=["reset", "close", "garbage", "truncated", "short", "br", "double", "no gzip", "cut gzip",
         "two members", "long header", "many bytes", "many headers", "slow head", "slow body"],
)  # fmt: skip
def test_fault_has_its_outcome(answer: Answer, outcome: Outcome, lasting: bool) -> None:
    error = failure({"/": answer}, timeout_s=0.4)
    assert (error.outcome, error.lasting) == (outcome, lasting), str(error)


def test_nobody_listening_is_unreachable() -> None:
    with serve({}) as server:
        pass
    with pytest.raises(FetchError) as error:
        get(server)
    assert error.value.outcome == Outcome.UNREACHABLE
    assert not error.value.lasting


def test_header_bytes_that_are_no_utf8_are_latin1() -> None:
    with serve({"/": Answer(200, b"", [("X-Who", "K\xf6ln")])}) as server:
        response, _ = get(server)
    assert ("X-Who", "Köln") in response.headers


def test_tls_is_verified_and_an_extra_authority_is_trusted() -> None:
    context, pem = certificate("a.localhost")
    with serve({"/": BODY}, tls=context) as server:
        assert get(server, extra_ca=pem)[1] == BODY
        with pytest.raises(FetchError) as error:
            get(server)
    assert error.value.outcome == Outcome.UNREACHABLE
    assert error.value.lasting


def test_a_certificate_for_another_name_is_refused() -> None:
    context, pem = certificate("b.localhost")
    with serve({"/": BODY}, tls=context) as server, pytest.raises(FetchError, match="certificate"):
        get(server, extra_ca=pem)


def test_one_tls_context_serves_the_process() -> None:
    assert tls_context() is tls_context()


class Rebinding:
    """A resolver whose answer changes at each question."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int) -> list[str]:
        assert host
        assert port
        self.asked += 1
        return [self.answers[min(self.asked, len(self.answers)) - 1]]


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    resolver = Rebinding("127.0.0.1", "169.254.169.254")

    async def ask(server: Server) -> str:
        allowed = FetchConfig(allow_hosts=server.at("rebound.test"))
        async with AiohttpTransport(allowed, resolver=resolver) as transport:
            exchange = await transport.open(Request(server.url("/", "rebound.test")))
            await exchange.body(1_000_000)
            await transport.release(exchange)
            return exchange.response.address

    with serve({"/": BODY}) as server:
        assert asyncio.run(ask(server)) == "127.0.0.1"
    assert resolver.asked == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1"])
def test_names_that_lead_inside_are_refused_before_a_byte_is_sent(address: str) -> None:
    async def ask(server: Server) -> None:
        settings = FetchConfig(contact="a@example.org")
        resolver = Rebinding(address)
        async with AiohttpTransport(settings, resolver=resolver) as transport:
            await transport.open(Request(server.url("/", "inside.test")))

    with serve({"/": BODY}) as server, pytest.raises(FetchError) as error:
        asyncio.run(ask(server))
    assert error.value.outcome == Outcome.ADDRESS
    assert server.asked == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "http://[::1]:{}/", "http://b.localhost:{}/"]
)
def test_loopback_that_was_not_opened_is_refused(url: str) -> None:
    async def ask(server: Server) -> None:
        allowed = FetchConfig(allow_hosts=server.at("a.localhost"), contact="a@example.org")
        async with AiohttpTransport(allowed) as transport:
            await transport.open(Request(url.format(server.port)))

    with serve({"/": redirect("/")}) as server, pytest.raises(FetchError) as error:
        asyncio.run(ask(server))
    assert error.value.outcome == Outcome.ADDRESS
    assert server.asked == []


def test_deflate_comes_in_two_forms() -> None:
    raw = zlib.compressobj(wbits=-15)
    for coded in (zlib.compress(BODY), raw.compress(BODY) + raw.flush()):
        decode = decoder([("Content-Encoding", "deflate")])
        assert decode.feed(coded, 1_000_000) == BODY
        decode.check_whole()


def test_a_cancelled_request_leaves_no_connection() -> None:
    async def ask(server: Server) -> None:
        async with AiohttpTransport(config(server)) as transport:
            task = asyncio.create_task(transport.open(Request(server.url("/"))))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with serve({"/": Answer(head_delay_s=5)}) as server:
        asyncio.run(ask(server))
