import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from optout.signals.document import Documents, Kind, Wanted
from optout.signals.policy import SignalPolicy
from pipeline.fetch import Fetched, fetch, next_round
from pipeline.fetchstore import PackWriter, read_bodies
from pipeline.transport import AiohttpTransport
from pipeline.web.origin_documents import documents_of, whole_lines
from schemas.config import FetchConfig
from schemas.errors import FetchError, SchemaError, StorageError, UsageError
from schemas.ports import Request
from schemas.tables import DOCUMENTS, OBSERVED, REQUESTS, from_rows, require
from schemas.verdict import Outcome
from tests.fakes import FixedClock, MemoryStore, ScriptedTransport
from tests.servers import Answer, Asked, Route, Server, redirect, serve

POLICY = SignalPolicy("RecuseBot")
A, B = "http://a.localhost:8001", "http://b.localhost:8001"
NOTHING = (404, (), b"")
Script = Mapping[str, tuple[int, Sequence[tuple[str, str]], bytes] | FetchError]


def asked_first(origin: str) -> list[str]:
    """Return what is asked of an origin before any of its images."""
    return [f"{origin}{path}" for path in ("/robots.txt", "/.well-known/tdmrep.json", "/ai.txt")]


def is_document(url: str) -> bool:
    return url.endswith(tuple(asked_first("")))


def requests(*urls: str, hops: Iterable[Mapping[str, Any]] = ()) -> pa.Table:
    rows = [
        {"host": url.split("/")[2].split(":")[0], "url_key": url, "url": url, "shards": [0],
         "hops": list(hops)}
        for url in urls
    ]  # fmt: skip
    return from_rows(rows, REQUESTS)


def config(**more: Any) -> FetchConfig:
    hosts = ("a.localhost:8001", "b.localhost:8001")
    return FetchConfig(**{"allow_hosts": hosts, "backoff_s": 0.001, "retries": 2, **more})


@dataclass
class Run:
    """One call of fetch with everything passed in."""

    transport: ScriptedTransport
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: FixedClock = field(default_factory=FixedClock)
    known: pa.Table = field(default_factory=DOCUMENTS.empty_table)

    def __call__(self, table: pa.Table, gates: Any = POLICY, **more: Any) -> Fetched:
        return asyncio.run(
            fetch(
                table,
                self.known,
                gates,
                config(**more),
                transport=self.transport,
                clock=self.clock,
                rng=random.Random(0),
                packs=PackWriter(self.store, "packs"),
            )
        )


def scripted(script: Script) -> Run:
    def handle(request: Request) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        found = script.get(request.url, NOTHING)
        if isinstance(found, FetchError):
            raise found
        return found

    return Run(ScriptedTransport(handle))


def one(fetched: Fetched) -> dict[str, Any]:
    require(fetched.observed, OBSERVED, extra=False)
    (row,) = fetched.observed.to_pylist()
    return row


def test_a_body_is_observed_with_headers_hops_times_and_place() -> None:
    run = scripted({f"{A}/x.jpg": (200, [("ETag", "1"), ("etag", "2")], b"image")})

    fetched = run(requests(f"{A}/x.jpg"))
    row = one(fetched)
    ai, document, tdmrep = documents_of(fetched.documents)

    assert row["outcome"] == Outcome.OK
    assert row["http_status"] == 200
    assert row["headers"] == [{"name": "ETag", "value": "1"}, {"name": "etag", "value": "2"}]
    assert row["final_url"] == f"{A}/x.jpg"
    ids = [d.document_id for d in (document, tdmrep, ai)]  # in the order asked
    assert row["hops"] == [{"url": f"{A}/x.jpg", "status": 200, "documents": ids}]
    assert row["asked_at"].timestamp() * 1e6 == run.clock.at_us
    assert row["fetched_at"] == row["asked_at"]
    assert row["unchecked"] == []
    assert read_bodies(run.store, fetched.observed) == [b"image"]
    assert (document.kind, document.origin, document.http_status) == ("robots", A, 404)


def test_documents_come_before_anything_else_and_once_an_origin() -> None:
    urls = [f"{host}/{i}.jpg" for host in (A, B) for i in range(20)]
    run = scripted(dict.fromkeys(urls, (200, (), b"x")))

    fetched = run(requests(*urls))

    asked = run.transport.asked
    for host in (A, B):
        assert next(url for url in asked if url.startswith(host)) == f"{host}/robots.txt"
    assert len(asked) == 46
    assert len(fetched.documents) == 6
    assert fetched.observed["outcome"].to_pylist() == ["ok"] * 40


def test_rows_are_sorted_and_repeatable_whatever_the_order_asked() -> None:
    urls = [f"{A}/{i:02}.jpg" for i in range(30)]
    script = {url: (200, (), url.encode()) for url in urls}

    one_way, other_way = (scripted(script)(requests(*u)) for u in (urls, urls[::-1]))

    assert one_way.observed.equals(other_way.observed)
    assert one_way.documents.equals(other_way.documents)
    assert one_way.observed["url_key"].to_pylist() == urls


def test_a_disallowed_url_is_not_asked() -> None:
    robots = b"User-agent: *\nDisallow: /private/"
    run = scripted({f"{A}/robots.txt": (200, (), robots), f"{A}/x.jpg": (200, (), b"x")})

    fetched = run(requests(f"{A}/private/x.jpg", f"{A}/x.jpg"))

    gated, fine = fetched.observed.to_pylist()
    assert gated["outcome"] == Outcome.GATED
    assert gated["asked_at"] is None
    assert gated["headers"] is None
    assert gated["hops"][0]["status"] is None
    (robots_only,) = gated["hops"][0]["documents"]
    assert robots_only == fine["hops"][0]["documents"][0]
    assert len(fine["hops"][0]["documents"]) == 3
    assert fine["outcome"] == Outcome.OK
    assert run.transport.asked == [*asked_first(A), f"{A}/x.jpg"]
    assert robots in [document.body for document in documents_of(fetched.documents)]


def test_an_origin_that_forbids_is_asked_for_nothing_but_robots() -> None:
    run = scripted({f"{A}/robots.txt": (200, (), b"User-agent: *\nDisallow: /")})
    fetched = run(requests(f"{A}/x.jpg", f"{A}/y.jpg"))
    assert fetched.observed["outcome"].to_pylist() == ["gated"] * 2
    assert run.transport.asked == [f"{A}/robots.txt"]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_robots_that_cannot_be_read_keep_the_host_unasked(status: int) -> None:
    run = scripted({f"{A}/robots.txt": (status, (), b"")})

    fetched = run(requests(f"{A}/x.jpg"))

    assert one(fetched)["outcome"] == Outcome.GATED
    assert f"{A}/x.jpg" not in run.transport.asked
    assert documents_of(fetched.documents)[0].http_status == status


def test_known_documents_are_not_asked_again_while_young() -> None:
    first = scripted({f"{A}/x.jpg": (200, (), b"x")})
    known = first(requests(f"{A}/x.jpg")).documents

    for age_hours, expected in ((23, 0), (25, 3)):
        run = scripted({f"{A}/x.jpg": (200, (), b"x")})
        run.known = known
        run.clock = FixedClock(first.clock.at_us + age_hours * 3_600_000_000)
        fetched = run(requests(f"{A}/x.jpg"))
        assert len(fetched.documents) == expected
        assert run.transport.asked == [*asked_first(A)[:expected], f"{A}/x.jpg"]
        assert one(fetched)["outcome"] == Outcome.OK


def test_a_document_that_failed_is_asked_again_after_an_hour() -> None:
    first = scripted({f"{A}/robots.txt": (503, (), b"")})
    known = first(requests(f"{A}/x.jpg")).documents

    for age_minutes, expected in ((59, Outcome.GATED), (61, Outcome.OK)):
        run = scripted({f"{A}/x.jpg": (200, (), b"x")})
        run.known = known
        run.clock = FixedClock(first.clock.at_us + age_minutes * 60_000_000)
        assert one(run(requests(f"{A}/x.jpg")))["outcome"] == expected


def test_a_header_that_forbids_stops_before_the_body() -> None:
    run = scripted({f"{A}/x.jpg": (200, [("X-Robots-Tag", "noai")], b"x")})

    row = one(run(requests(f"{A}/x.jpg")))

    assert row["outcome"] == Outcome.STOPPED
    assert row["headers"] == [{"name": "X-Robots-Tag", "value": "noai"}]
    assert row["http_status"] == 200
    assert row["sha256"] is None
    assert run.store.files == {}


@pytest.mark.parametrize("status", [204, 206, 300, 304, 400, 401, 402, 403, 404, 410, 451])
def test_other_statuses_are_kept_and_never_tried_again(status: int) -> None:
    run = scripted({f"{A}/x.jpg": (status, (), b"no")})

    row = one(run(requests(f"{A}/x.jpg")))

    assert row["outcome"] == Outcome.STATUS
    assert row["http_status"] == status
    assert row["pack"] is None
    assert run.transport.asked.count(f"{A}/x.jpg") == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_transient_statuses_are_tried_again_and_then_kept(status: int) -> None:
    run = scripted({f"{A}/x.jpg": (status, (), b"")})

    row = one(run(requests(f"{A}/x.jpg"), retries=2))

    assert (row["outcome"], row["http_status"]) == (Outcome.STATUS, status)
    assert run.transport.asked.count(f"{A}/x.jpg") == 3


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (FetchError(Outcome.UNREACHABLE, "reset"), 3),
        (FetchError(Outcome.TOO_SLOW, "slow"), 3),
        (FetchError(Outcome.UNREACHABLE, "no such name", lasting=True), 1),
        (FetchError(Outcome.ADDRESS, "inside", lasting=True), 1),
        (FetchError(Outcome.TOO_LARGE, "big", lasting=True), 1),
    ],
    ids=lambda value: getattr(value, "outcome", value),
)
def test_only_transient_errors_are_tried_again(error: FetchError, tries: int) -> None:
    run = scripted({f"{A}/x.jpg": error})

    row = one(run(requests(f"{A}/x.jpg")))

    assert row["outcome"] == error.outcome
    assert row["detail"] == str(error)
    assert row["http_status"] is None
    assert run.transport.asked.count(f"{A}/x.jpg") == tries


def test_retry_after_is_kept_for_the_host_and_then_it_works() -> None:
    answers = [(429, [("Retry-After", "0")], b""), (200, (), b"x")]
    run = scripted({})
    run.transport.handler = lambda request: NOTHING if is_document(request.url) else answers.pop(0)
    assert one(run(requests(f"{A}/x.jpg")))["outcome"] == Outcome.OK


def test_a_host_that_asks_for_too_much_rest_is_left_alone() -> None:
    busy = (503, [("Retry-After", "99999")], b"")
    urls = [f"{A}/{i}.jpg" for i in range(10)]
    run = scripted(dict.fromkeys(urls, busy) | {f"{B}/x.jpg": (200, (), b"x")})

    fetched = run(requests(*urls, f"{B}/x.jpg"), per_host=1)

    outcomes = fetched.observed["outcome"].to_pylist()
    assert outcomes == ["status"] + ["unreachable"] * 9 + ["ok"]
    assert len(run.transport.asked) == len(asked_first(A)) * 2 + 2
    assert "99999 s of rest" in fetched.observed["detail"][1].as_py()
    assert fetched.observed["asked_at"].is_valid().to_pylist() == [True] + [False] * 9 + [True]


def test_a_host_that_stopped_answering_costs_a_bounded_number_of_tries() -> None:
    urls = [f"{A}/{i:03}.jpg" for i in range(100)]
    run = scripted(dict.fromkeys(urls, FetchError(Outcome.TOO_SLOW, "slow")))

    fetched = run(requests(*urls), retries=2, per_host=4)

    assert set(fetched.observed["outcome"].to_pylist()) == {"too_slow", "unreachable"}
    assert len(run.transport.asked) <= len(asked_first(A)) + 20 + 4


def test_nothing_listening_is_unreachable_not_gated() -> None:
    run = scripted({f"{A}/robots.txt": FetchError(Outcome.UNREACHABLE, "refused")})

    fetched = run(requests(f"{A}/x.jpg", f"{A}/y.jpg"), retries=0)

    assert fetched.observed["outcome"].to_pylist() == ["unreachable"] * 2
    assert run.transport.asked == [f"{A}/robots.txt"]
    (document,) = documents_of(fetched.documents)
    assert document.http_status is None
    assert document.detail == "unreachable: refused"
    run.known = fetched.documents
    assert one(run(requests(f"{A}/z.jpg")))["outcome"] == Outcome.UNREACHABLE
    assert run.transport.asked == [f"{A}/robots.txt"]


def test_robots_too_slow_keeps_the_host_unasked() -> None:
    run = scripted({f"{A}/robots.txt": FetchError(Outcome.TOO_SLOW, "slow")})
    assert one(run(requests(f"{A}/x.jpg"), retries=0))["outcome"] == Outcome.GATED


def test_a_host_inside_is_refused_and_leaves_no_document() -> None:
    run = scripted({f"{A}/robots.txt": FetchError(Outcome.ADDRESS, "loopback", lasting=True)})

    fetched = run(requests(f"{A}/x.jpg"))

    assert one(fetched)["outcome"] == Outcome.ADDRESS
    assert len(fetched.documents) == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:22/x", "http://u:p@a.localhost:8001/x"])
def test_urls_that_are_not_ours_to_ask_are_refused_unasked(url: str) -> None:
    table = requests(f"{A}/x.jpg")
    table = table.set_column(2, REQUESTS.field("url"), pa.array([url]))
    run = scripted({})

    assert one(run(table))["outcome"] == Outcome.ADDRESS
    assert run.transport.asked == []


def test_redirects_on_the_host_are_followed_with_robots_at_each_hop() -> None:
    run = scripted(
        {
            f"{A}/a": (301, [("Location", "/b?x#y")], b""),
            f"{A}/b?x": (302, [("Location", f"{A}/c")], b""),
            f"{A}/c": (200, (), b"x"),
        }
    )
    row = one(run(requests(f"{A}/a")))

    assert row["outcome"] == Outcome.OK
    assert [(h["url"], h["status"]) for h in row["hops"]] == [
        (f"{A}/a", 301), (f"{A}/b?x", 302), (f"{A}/c", 200)
    ]  # fmt: skip
    documents = [h["documents"] for h in row["hops"]]
    assert documents == documents[:1] * 3
    assert len(documents[0]) == 3
    assert row["final_url"] == f"{A}/c"
    assert run.transport.asked.count(f"{A}/robots.txt") == 1


def test_a_redirect_to_a_disallowed_path_is_gated() -> None:
    run = scripted(
        {
            f"{A}/robots.txt": (200, (), b"User-agent: RecuseBot\nDisallow: /b"),
            f"{A}/a": (301, [("Location", "/b")], b""),
        }
    )
    row = one(run(requests(f"{A}/a")))

    assert row["outcome"] == Outcome.GATED
    assert row["http_status"] is None
    assert row["headers"] is None
    assert row["final_url"] == f"{A}/b"
    assert [h["status"] for h in row["hops"]] == [301, None]


def test_a_redirect_to_another_scheme_or_port_of_the_host_stays_but_has_its_own_robots() -> None:
    other = "https://a.localhost:8002"
    run = scripted(
        {f"{A}/a": (301, [("Location", f"{other}/a")], b""), f"{other}/a": (200, (), b"x")}
    )
    fetched = run(requests(f"{A}/a"), allow_hosts=("a.localhost:8001", "a.localhost:8002"))

    assert one(fetched)["outcome"] == Outcome.OK
    assert fetched.documents["origin"].to_pylist() == [A, other] * 3


def test_a_redirect_to_another_host_is_a_request_of_the_next_round() -> None:
    run = scripted({f"{A}/a": (302, [("Location", f"{B}/b")], b""), f"{B}/b": (200, (), b"x")})
    first = run(requests(f"{A}/a", f"{A}/none"))
    moved = first.observed.to_pylist()[0]

    assert moved["outcome"] == Outcome.MOVED
    assert moved["final_url"] == f"{B}/b"
    assert f"{B}/robots.txt" not in run.transport.asked

    table = next_round(first.observed)
    assert table.schema.equals(REQUESTS, check_metadata=True)
    assert table.to_pylist() == [
        {"host": "b.localhost", "url_key": f"{A}/a", "url": f"{B}/b", "shards": [0],
         "hops": moved["hops"]}
    ]  # fmt: skip
    row = one(run(table))
    assert row["outcome"] == Outcome.OK
    assert [h["url"] for h in row["hops"]] == [f"{A}/a", f"{B}/b"]
    assert row["url_key"] == f"{A}/a"


def test_nothing_moved_gives_no_requests() -> None:
    assert next_round(OBSERVED.empty_table()).equals(REQUESTS.empty_table(), check_metadata=True)


def test_endless_redirects_end_and_earlier_rounds_count() -> None:
    run = scripted({f"{A}/a": (302, [("Location", "/a")], b"")})
    row = one(run(requests(f"{A}/a"), max_redirects=5))
    assert row["outcome"] == Outcome.REDIRECTS
    assert run.transport.asked.count(f"{A}/a") == 6

    earlier = [{"url": f"{B}/{i}", "status": 301, "documents": []} for i in range(4)]
    run = scripted({f"{A}/a": (302, [("Location", "/a")], b"")})
    row = one(run(requests(f"{A}/a", hops=earlier), max_redirects=5))
    assert row["outcome"] == Outcome.REDIRECTS
    assert run.transport.asked.count(f"{A}/a") == 2


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://a.localhost/", "http://127.0.0.1:22/", "http://[::1",
     "//u@b.localhost:8001/", "javascript:alert(1)", "http://a.localhost:6379/"],
    ids=ascii,
)  # fmt: skip
def test_redirects_that_are_not_ours_to_follow_are_refused(location: str) -> None:
    run = scripted({f"{A}/a": (302, [("Location", location)], b"")})

    row = one(run(requests(f"{A}/a")))

    if (
        location == "\ud800"
    ):  # bytes that are no text are percent-encoded or refused, never asked raw
        assert row["outcome"] in {Outcome.ADDRESS, Outcome.STATUS}
    else:
        assert row["outcome"] == Outcome.ADDRESS
    assert run.transport.asked == [*asked_first(A), f"{A}/a"]


def test_a_redirect_without_a_place_is_a_status() -> None:
    run = scripted({f"{A}/a": (302, (), b"")})
    assert one(run(requests(f"{A}/a")))["outcome"] == Outcome.STATUS


def test_a_declared_size_beyond_the_limit_is_not_read() -> None:
    run = scripted({f"{A}/x": (200, [("Content-Length", "999")], b"x" * 999)})
    row = one(run(requests(f"{A}/x"), max_bytes=100))
    assert row["outcome"] == Outcome.TOO_LARGE
    assert row["http_status"] == 200


def test_an_undeclared_size_beyond_the_limit_is_kept_as_too_large() -> None:
    run = scripted({f"{A}/x": (200, [("ETag", "1")], b"x" * 999)})
    row = one(run(requests(f"{A}/x"), max_bytes=100))
    assert row["outcome"] == Outcome.TOO_LARGE
    assert row["headers"] == [{"name": "ETag", "value": "1"}]
    assert row["sha256"] is None


def test_robots_redirects_are_followed_across_hosts() -> None:
    run = scripted(
        {
            f"{A}/robots.txt": (301, [("Location", f"{B}/rules.txt")], b""),
            f"{B}/rules.txt": (
                200,
                [("Content-Type", "text/plain")],
                b"User-agent: *\nDisallow: /",
            ),
        }
    )
    fetched = run(requests(f"{A}/x.jpg"))
    (document,) = documents_of(fetched.documents)

    assert one(fetched)["outcome"] == Outcome.GATED
    assert (document.origin, document.url) == (A, f"{B}/rules.txt")
    assert document.content_type == "text/plain"


def test_endless_robots_redirects_are_no_permission() -> None:
    run = scripted({f"{A}/robots.txt": (301, [("Location", "/robots.txt")], b"")})

    fetched = run(requests(f"{A}/x.jpg"))
    (document,) = documents_of(fetched.documents)

    assert one(fetched)["outcome"] == Outcome.GATED
    assert document.http_status == 301
    assert document.detail == "more than 5 redirects"
    assert run.transport.asked == [f"{A}/robots.txt"] * 6


@pytest.mark.parametrize("to", ["file:///etc/passwd", "http://127.0.0.1:22/", "http://10.0.0.1/"])
def test_robots_redirected_inside_are_no_permission(to: str) -> None:
    run = scripted(
        {
            f"{A}/robots.txt": (301, [("Location", to)], b""),
            "http://10.0.0.1/": FetchError(Outcome.ADDRESS, "private", lasting=True),
        }
    )
    fetched = run(requests(f"{A}/x.jpg"))
    (document,) = documents_of(fetched.documents)

    assert one(fetched)["outcome"] == Outcome.GATED
    assert document.http_status is None
    assert (document.detail or "").startswith("address: ")


def test_whole_lines_drops_only_what_was_cut() -> None:
    assert whole_lines(b"a\nb\ncut") == b"a\nb\n"
    assert whole_lines(b"a\rcut") == b"a\r"
    assert whole_lines(b"a\r\ncut") == b"a\r\n"
    assert whole_lines(b"cut") == b""


def test_repeated_url_keys_and_foreign_tables_are_refused() -> None:
    with pytest.raises(SchemaError, match="twice"):
        scripted({})(requests(f"{A}/x", f"{A}/x"))
    with pytest.raises(SchemaError):
        scripted({})(OBSERVED.empty_table())


def test_no_requests_give_empty_tables() -> None:
    fetched = scripted({})(REQUESTS.empty_table())
    assert fetched.observed.equals(OBSERVED.empty_table(), check_metadata=True)
    assert fetched.documents.equals(DOCUMENTS.empty_table(), check_metadata=True)


def test_a_store_that_fails_fails_the_task_with_our_error() -> None:
    run = scripted({f"{A}/x": (200, (), b"x")})
    run.store.fail = lambda _: "failed"
    with pytest.raises(StorageError):
        run(requests(f"{A}/x"))


def test_crawl_delay_of_robots_is_kept() -> None:
    urls = [f"{A}/{i}" for i in range(4)]
    script = dict.fromkeys(urls, (200, (), b"x"))
    run = scripted(script | {f"{A}/robots.txt": (200, (), b"User-agent: *\nCrawl-delay: 0.05")})

    start = time.monotonic()
    fetched = run(requests(*urls))

    assert fetched.observed["outcome"].to_pylist() == ["ok"] * 4
    assert time.monotonic() - start >= 0.15 - 0.005


# the real client against a real server on loopback


@dataclass
class Gate:
    """Gates that allow everything, and remember."""

    asked: list[str] = field(default_factory=list)

    def wanted_documents(self, origin: str, url: str, known: Documents) -> list[Wanted]:
        assert url.startswith(origin)
        robots = Wanted(Kind.ROBOTS, origin, f"{origin}/robots.txt")
        return [] if robots.key in known else [robots]

    def wanted_licences(self, *_: Any) -> list[Wanted]:
        return []

    def may_ask(self, url: str, documents: Documents) -> bool:
        assert documents["robots"].origin == url[: url.index("/", 8)]
        self.asked.append(url)
        return True

    def may_read(self, url: str, headers: Iterable[tuple[str, str]], documents: Documents) -> bool:
        assert url
        assert documents
        return all(value != "no" for name, value in headers if name == "May-Read")

    def crawl_delay_s(self, documents: Documents) -> float | None:
        assert documents
        return None


def real(
    server: Server, table: pa.Table, gates: Any = POLICY, **more: Any
) -> tuple[Fetched, MemoryStore]:
    store = MemoryStore()
    settings = FetchConfig(
        **{"allow_hosts": (f"*.localhost:{server.port}",), "backoff_s": 0.01, "timeout_s": 1.0,
           "contact": "https://example.org/bot", **more}
    )  # fmt: skip

    async def run() -> Fetched:
        async with AiohttpTransport(settings) as transport:
            return await fetch(
                table,
                DOCUMENTS.empty_table(),
                gates,
                settings,
                transport=transport,
                clock=FixedClock(),
                rng=random.Random(0),
                packs=PackWriter(store, "packs"),
            )

    return asyncio.run(run()), store


def served(routes: Mapping[str, Route], *paths: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Fetch paths of a.localhost; return the row of each path."""
    with serve(routes) as server:
        urls = [server.url(path, "a.localhost") for path in paths]
        fetched, _ = real(server, requests(*urls), **more)
        rows = {row["url_key"]: row for row in fetched.observed.to_pylist()}
        return {path: rows[url] for path, url in zip(paths, urls, strict=True)}


def test_hostile_server_paths_have_their_outcomes() -> None:
    faults: dict[str, Route] = {
        "/ok": b"image",
        "/slow": Answer(body=b"x" * 1000, byte_delay_s=0.1),
        "/silent": Answer(head_delay_s=5),
        "/reset": Answer(fault="reset"),
        "/cut": Answer(body=b"x" * 1000, fault="truncate"),
        "/big": b"x" * 2_000_000,
        "/endless": Answer(body=b"x" * 50_000, fault="endless"),
        "/loop": redirect("/loop"),
        "/inside": redirect("http://127.0.0.1:22/"),
        "/metadata": redirect("http://169.254.169.254/latest/"),
        "/file": redirect("file:///etc/passwd"),
        "/forbidden": Answer(403),
        "/noai": Answer(body=b"x", headers=[("X-Robots-Tag", "noai")]),
    }
    rows = served(faults, *faults, retries=0, max_bytes=1_000_000)

    assert {path: row["outcome"] for path, row in rows.items()} == {
        "/ok": "ok",
        "/slow": "too_slow",
        "/silent": "too_slow",
        "/reset": "unreachable",
        "/cut": "unreachable",
        "/big": "too_large",
        "/endless": "too_large",
        "/loop": "redirects",
        "/inside": "address",
        "/metadata": "moved",  # to be refused by the task that holds that host
        "/file": "address",
        "/forbidden": "status",
        "/noai": "stopped",
    }


def test_a_moved_row_to_metadata_is_refused_in_its_round_before_a_byte_is_sent() -> None:
    with serve({"/m": redirect("http://169.254.169.254/latest/")}) as server:
        first, _ = real(server, requests(server.url("/m", "a.localhost")))
        second, _ = real(server, next_round(first.observed))
    assert one(second)["outcome"] == Outcome.ADDRESS
    assert len(second.documents) == 0


def test_429_with_retry_after_is_waited_for() -> None:
    answers = [Answer(429, headers=[("Retry-After", "1")]), Answer(body=b"image")]
    start = time.monotonic()
    rows = served({"/x": lambda _: answers.pop(0)}, "/x", max_retry_after_s=2)
    assert rows["/x"]["outcome"] == Outcome.OK
    assert time.monotonic() - start >= 1


def test_a_host_has_at_most_its_connections() -> None:
    with serve({f"/{i}": Answer(body=b"x", head_delay_s=0.02) for i in range(30)}) as server:
        urls = [server.url(f"/{i}", "a.localhost") for i in range(30)]
        fetched, _ = real(server, requests(*urls), per_host=3)
        assert server.most_open <= 3
        assert server.count("/robots.txt") == 1
    assert set(fetched.observed["outcome"].to_pylist()) == {"ok"}


def test_a_stuck_host_does_not_hold_up_another() -> None:
    ended: dict[str, float] = {}

    def answer(asked: Asked) -> Answer:
        if asked.host == "a.localhost":
            return Answer(head_delay_s=30)
        ended[asked.path] = time.monotonic()
        return Answer(404) if is_document(asked.path) else Answer(body=b"x")

    with serve(answer) as server:
        stuck = [server.url(f"/{i}", "a.localhost") for i in range(20)]
        quick = [server.url(f"/{i}", "b.localhost") for i in range(20)]
        start = time.monotonic()
        fetched, _ = real(
            server, requests(*stuck, *quick), per_host=2, connections=3, timeout_s=4.0, retries=0
        )
    outcomes = fetched.observed["outcome"].to_pylist()
    assert outcomes == ["gated"] * 20 + ["ok"] * 20
    assert max(ended.values()) - start < 3


def test_robots_beyond_the_limit_loses_its_cut_line_only() -> None:
    line = b"Disallow: /no/%05d/\n"
    robots = b"User-agent: *\n" + b"".join(line % i for i in range(30_000))
    with serve({"/robots.txt": robots, "/no/00001/x": b"x", "/no/29999/x": b"x"}) as server:
        urls = [server.url(f"/no/{i}/x", "a.localhost") for i in ("00001", "29999")]
        fetched, _ = real(server, requests(*urls))
    _, document, _ = documents_of(fetched.documents)

    assert document.truncated
    assert document.body is not None
    assert 511_900 < len(document.body) <= 512_000
    assert robots.startswith(document.body)
    assert document.body.endswith(b"/\n")
    assert fetched.observed["outcome"].to_pylist() == ["gated", "ok"]


def test_robots_whose_body_breaks_off_is_no_permission() -> None:
    robots = Answer(body=b"User-agent: *\nDisallow:\n" * 9, fault="truncate")
    rows = served({"/robots.txt": robots, "/x": b"x"}, "/x", retries=0)
    assert rows["/x"]["outcome"] == Outcome.GATED


def test_dead_links_cost_no_more_than_their_tries() -> None:
    with serve({}) as server:
        pass
    fetched, _ = real(server, requests(server.url("/x", "a.localhost")), retries=1)
    row = one(fetched)
    assert row["outcome"] == Outcome.UNREACHABLE
    assert row["hops"][0]["documents"] == fetched.documents["document_id"].to_pylist()


def test_the_gates_are_asked_in_order() -> None:
    gates = Gate()
    with serve({"/a": redirect("/b"), "/b": Answer(body=b"x", headers=[("May-Read", "no")])}) as s:
        fetched, _ = real(s, requests(s.url("/a", "a.localhost")), gates)
        assert gates.asked == [s.url("/a", "a.localhost"), s.url("/b", "a.localhost")]
    assert one(fetched)["outcome"] == Outcome.STOPPED


def test_cancelling_closes_everything() -> None:
    async def run(server: Server) -> None:
        settings = FetchConfig(allow_hosts=(f"*.localhost:{server.port}",))
        async with AiohttpTransport(settings) as transport:
            task = asyncio.create_task(
                fetch(
                    requests(*(server.url(f"/{i}", "a.localhost") for i in range(50))),
                    DOCUMENTS.empty_table(),
                    Gate(),
                    settings,
                    transport=transport,
                    clock=FixedClock(),
                    rng=random.Random(0),
                    packs=PackWriter(MemoryStore(), "packs"),
                )
            )
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(asyncio.all_tasks()) == 1

    def answer(asked: Asked) -> Answer:
        return Answer(404) if asked.path == "/robots.txt" else Answer(head_delay_s=20)

    with serve(answer) as server:
        asyncio.run(run(server))


def test_public_hosts_need_a_contact() -> None:
    with serve({}) as server, pytest.raises(UsageError, match=r"fetch\.contact"):
        real(server, requests("http://93.184.216.34/x.jpg"), contact="")
