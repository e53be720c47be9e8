import asyncio
import gzip
import random
import socket
import urllib.request
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from optout.signals.policy import SignalPolicy
from pipeline.fetch import Fetched, next_round
from pipeline.fetchstore import PackWriter, read_bodies
from pipeline.transport import AiohttpTransport
from pipeline.web.img2dataset_engine import fetch, import_downloader
from pipeline.web.img2dataset_patch import guarded
from schemas.config import FetchConfig
from schemas.errors import FetchError, StorageError, UsageError
from schemas.tables import DOCUMENTS, OBSERVED, REQUESTS, from_rows, require
from schemas.verdict import Outcome
from tests.fakes import FixedClock, MemoryStore
from tests.servers import Answer, Route, Server, certificate, redirect, serve

pytest.importorskip("img2dataset")


@pytest.fixture(scope="module")
def downloader() -> ModuleType:
    return import_downloader()


def requests(*urls: str) -> pa.Table:
    rows = [
        {"host": url.split("/")[2].split(":")[0], "url_key": url, "url": url, "shards": [0],
         "hops": []}
        for url in urls
    ]  # fmt: skip
    return from_rows(rows, REQUESTS)


def run(
    server: Server,
    table: pa.Table,
    store: MemoryStore | None = None,
    extra_ca: str = "",
    **more: Any,
) -> Fetched:
    config = FetchConfig(
        **{"allow_hosts": (f"*.localhost:{server.port}",), "timeout_s": 1.0, "backoff_s": 0.01,
           "contact": "https://example.org/bot", "retries": 0, **more}
    )  # fmt: skip

    async def go() -> Fetched:
        async with AiohttpTransport(config, extra_ca=extra_ca) as transport:
            return await fetch(
                table,
                DOCUMENTS.empty_table(),
                SignalPolicy("RecuseBot"),
                config,
                transport=transport,
                clock=FixedClock(),
                rng=random.Random(0),
                packs=PackWriter(store or MemoryStore(), "packs"),
                extra_ca=extra_ca,
            )

    fetched = asyncio.run(go())
    require(fetched.observed, OBSERVED, extra=False)
    return fetched


def rows_of(
    fetched: Fetched, server: Server, paths: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    rows = {row["url_key"]: row for row in fetched.observed.to_pylist()}
    return {path: rows[server.url(path, "a.localhost")] for path in paths}


ROUTES: dict[str, Route] = {
    "/ok.jpg": Answer(body=b"image", headers=[("Content-Type", "image/jpeg"), ("ETag", "1")]),
    "/same.jpg": b"image",
    "/query.jpg": b"query",
    "/gzip.jpg": Answer(body=gzip.compress(b"gz"), headers=[("Content-Encoding", "gzip")]),
    "/here.jpg": redirect("/ok.jpg"),
    "/away.jpg": redirect("http://b.localhost:8001/x.jpg"),
    "/loop.jpg": redirect("/loop.jpg"),
    "/inside.jpg": redirect("http://127.0.0.1:22/"),
    "/metadata.jpg": redirect("http://169.254.169.254/latest/"),
    "/file.jpg": redirect("file:///etc/passwd"),
    "/private/x.jpg": b"private",
    "/into-private.jpg": redirect("/private/x.jpg"),
    "/noai.jpg": Answer(body=b"x" * 999, headers=[("X-Robots-Tag", "noai"), ("ETag", "2")]),
    "/gone.jpg": Answer(404),
    "/forbidden.jpg": Answer(403),
    "/busy.jpg": Answer(503),
    "/big.jpg": b"x" * 200_000,
    "/bomb.jpg": Answer(
        body=gzip.compress(bytes(30_000_000)), headers=[("Content-Encoding", "gzip")]
    ),
    "/endless.jpg": Answer(body=b"x" * 50_000, fault="endless"),
    "/slow.jpg": Answer(body=b"x" * 2000, byte_delay_s=0.1),
    "/silent.jpg": Answer(head_delay_s=5),
    "/cut.jpg": Answer(body=b"x" * 1000, fault="truncate"),
    "/reset.jpg": Answer(fault="reset"),
    "/garbage.jpg": Answer(fault="garbage"),
}
EXPECTED = {
    "/ok.jpg": "ok", "/same.jpg": "ok", "/query.jpg": "ok", "/gzip.jpg": "ok", "/here.jpg": "ok",
    "/away.jpg": "moved", "/loop.jpg": "redirects", "/inside.jpg": "address",
    "/metadata.jpg": "moved", "/file.jpg": "address", "/private/x.jpg": "gated",
    "/into-private.jpg": "gated", "/noai.jpg": "stopped", "/gone.jpg": "status",
    "/forbidden.jpg": "status", "/busy.jpg": "status", "/big.jpg": "too_large",
    "/bomb.jpg": "too_large", "/endless.jpg": "too_large", "/slow.jpg": "too_slow",
    "/silent.jpg": "too_slow", "/cut.jpg": "unreachable", "/reset.jpg": "unreachable",
    "/garbage.jpg": "unreachable",
}  # fmt: skip


def test_img2dataset_asks_behind_our_gates_and_guard(
    downloader: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    assert downloader
    store = MemoryStore()
    robots: dict[str, Route] = {"/robots.txt": b"User-agent: *\nDisallow: /private/"}
    with serve(ROUTES | robots) as server:
        urls = [server.url(path, "a.localhost") for path in ROUTES]
        fetched = run(server, requests(*urls), store, max_bytes=100_000)
        rows = rows_of(fetched, server, ROUTES)
        again = run(server, next_round(fetched.observed), store)

    assert {path: row["outcome"] for path, row in rows.items()} == EXPECTED
    kept = fetched.observed.filter(pa.compute.equal(fetched.observed["outcome"], "ok"))
    bodies = dict(zip(kept["url_key"].to_pylist(), read_bodies(store, kept), strict=True))
    assert bodies[server.url("/ok.jpg", "a.localhost")] == b"image"
    assert bodies[server.url("/gzip.jpg", "a.localhost")] == b"gz"
    assert bodies[server.url("/here.jpg", "a.localhost")] == b"image"
    assert rows["/ok.jpg"]["offset"] == rows["/same.jpg"]["offset"]

    assert rows["/ok.jpg"]["unchecked"] == ["headers"]
    assert rows["/ok.jpg"]["headers"] is None
    assert rows["/ok.jpg"]["http_status"] == 200
    assert [hop["status"] for hop in rows["/here.jpg"]["hops"]] == [302, 200]
    assert rows["/here.jpg"]["final_url"] == server.url("/ok.jpg", "a.localhost")
    ids = {d["document_id"] for d in fetched.documents.to_pylist()}
    assert len(ids) == 3
    assert all(
        set(hop["documents"]) <= ids and hop["documents"]
        for row in rows.values() for hop in row["hops"] if "a.localhost" in hop["url"]
    )  # fmt: skip

    assert rows["/noai.jpg"]["headers"] == [{"name": "X-Robots-Tag", "value": "noai"}]
    assert rows["/noai.jpg"]["unchecked"] == []
    assert rows["/away.jpg"]["final_url"] == "http://b.localhost:8001/x.jpg"

    assert server.count("/robots.txt") == 1
    assert server.count("/private/x.jpg") == 0
    assert all(server.count(path) == 1 for path in ("/noai.jpg", "/forbidden.jpg", "/busy.jpg"))
    agents = {asked.headers["user-agent"] for asked in server.asked}
    assert len(agents) == 1
    assert agents.pop().startswith("RecuseBot/")
    assert set(again.observed["outcome"].to_pylist()) == {"address"}

    print("still here")  # noqa: T201 - the process's output must have survived
    assert "still here" in capfd.readouterr().out


def test_https_is_verified_with_the_one_context(downloader: ModuleType) -> None:
    assert downloader
    context, pem = certificate("a.localhost", "*.localhost")
    with serve({"/x.jpg": b"image"}, tls=context) as server:
        table = requests(server.url("/x.jpg", "a.localhost"))
        good = run(server, table, extra_ca=pem)
        bad = run(server, table)
    assert good.observed["outcome"].to_pylist() == ["ok"]
    assert bad.observed["outcome"].to_pylist() == ["unreachable"]


def test_a_host_has_at_most_its_connections(downloader: ModuleType) -> None:
    assert downloader
    routes: dict[str, Route] = {f"/{i}": Answer(body=b"x", head_delay_s=0.02) for i in range(20)}
    with serve(routes) as server:
        urls = [server.url(path, "a.localhost") for path in routes]
        fetched = run(server, requests(*urls), per_host=2)
        assert server.most_open <= 2
    assert set(fetched.observed["outcome"].to_pylist()) == {"ok"}


def test_redirects_of_earlier_rounds_count(downloader: ModuleType) -> None:
    assert downloader
    with serve({"/loop": redirect("/loop")}) as server:
        url = server.url("/loop", "a.localhost")
        hops = [{"url": f"http://c/{i}", "status": 301, "documents": []} for i in range(4)]
        row = {"host": "a.localhost", "url_key": url, "url": url, "shards": [0], "hops": hops}
        fetched = run(server, from_rows([row], REQUESTS))
        assert server.count("/loop") == 2
    assert fetched.observed["outcome"].to_pylist() == ["redirects"]


def test_a_store_that_fails_fails_the_task(downloader: ModuleType) -> None:
    assert downloader
    store = MemoryStore(fail=lambda _: "failed")
    with serve({"/x": b"x"}) as server, pytest.raises(StorageError):
        run(server, requests(server.url("/x", "a.localhost")), store)


def test_nothing_to_ask_needs_no_downloader_run() -> None:
    with serve({}) as server:
        fetched = run(server, REQUESTS.empty_table())
    assert len(fetched.observed) == 0


class Refusing:
    """A guard that clears nothing."""

    def __init__(self) -> None:
        self.calls = 0

    def urlopen(self, request: urllib.request.Request, **_: object) -> None:
        self.calls += 1
        raise FetchError(Outcome.ADDRESS, f"{request.full_url}: was not cleared")


def test_everything_is_put_back_afterwards(downloader: ModuleType) -> None:
    before = (downloader.urllib, downloader.ThreadPool, socket.socket.connect)
    with guarded(downloader, Refusing()):
        assert socket.socket.connect is not before[2]
    assert (downloader.urllib, downloader.ThreadPool, socket.socket.connect) == before
    assert "connect" not in vars(socket.socket)


def test_other_threads_connect_as_before(downloader: ModuleType) -> None:
    with guarded(downloader, Refusing()), socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname(), timeout=1).close()


def test_a_downloader_that_asks_past_the_guard_is_not_started(
    downloader: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloader, "download_image", lambda *_: (0, None, "other words"))
    with pytest.raises(UsageError, match="not started"), guarded(downloader, Refusing()):
        pytest.fail("started")


def test_another_version_is_not_started(
    downloader: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.web.img2dataset_patch.version", lambda _: "1.48.0")
    with (
        pytest.raises(UsageError, match=r"expected img2dataset 1\.47\.0"),
        guarded(downloader, Refusing()),
    ):
        pytest.fail("started")
