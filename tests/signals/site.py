"""The corpus on one server, a host by name for each case, and one run through the real fetcher.

Stages and their order are those of jobs/build.py: lists and pages, then what is left of the images,
round after round while answers move to other hosts, then judging, then what the bytes say.
"""

import asyncio
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals import declarations
from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES
from optout.urls import canonical_url, host_of
from pipeline.embedded import embedded
from pipeline.fetch import Errand, fetch, next_round
from pipeline.fetchstore import PackWriter, read_bodies
from pipeline.judge import Facts, judge
from pipeline.lists import SpawningList, declared, listed_answers
from pipeline.requests import page_requests, requests
from pipeline.sift import sift
from pipeline.transport import AiohttpTransport
from schemas.config import FetchConfig
from schemas.tables import DOCUMENTS, LISTED, OBSERVED, ROWS, from_rows
from schemas.verdict import Channel
from tests.fakes import FixedClock, MemoryStore
from tests.servers import Answer, Asked, Server, certificate, serve
from tests.signals.served import ROBOTS, Served, Setting

TIMEOUT_S = 8.0
MAX_BYTES = 6_000_000
LISTS = "lists.localhost"
OTHER, HTTPS = "other", "https"
"""Where a route may be beside a case's own host: on its second one, or on its own under TLS."""
SECURE = ("secure.localhost", "closed.localhost")
"""Hosts with a certificate."""
NAMES = {
    # Each answer once, the last one for good: what leads outside at first leads inside later.
    "rebound.test": [["127.0.0.1"], ["169.254.169.254"]],
    "inside.test": [["10.0.0.1"]],
    "mixed.test": [["192.0.2.1", "10.0.0.1"]],
    "mapped.test": [["::ffff:169.254.169.254"]],
    "loopback.test": [["127.0.0.1"]],
}


def host(case: Served) -> str:
    """Return the name of a case's host."""
    if case.host:
        return case.host
    slug = re.sub(r"[^a-z0-9]+", "-", case.id.lower()).strip("-")[:48].strip("-")
    return f"{slug}-{_short(case.id)}.localhost"


def _short(text: str) -> str:
    """Return six digits that tell ids apart which are equal in their beginnings."""
    return f"{sum(ord(c) * 31**n for n, c in enumerate(text)) % 1_000_000:06}"


@dataclass
class Resolver:
    """Name servers of names that are no *.localhost."""

    asked: dict[str, int] = field(default_factory=dict)

    async def resolve(self, name: str, port: int) -> list[str]:
        """Return a name's next answer."""
        assert port
        answers = NAMES[name]
        at = self.asked.get(name, 0)
        self.asked[name] = at + 1
        return answers[min(at, len(answers) - 1)]


@dataclass(frozen=True)
class Result:
    """What became of a case. row: JUDGED. asked: paths of its hosts, as routes are named."""

    row: Mapping[str, Any]
    asked: tuple[str, ...]


def run(cases: Sequence[Served]) -> dict[str, Result]:
    """Return the result of every case by its id."""
    by_host = {host(case): case for case in cases}
    assert len(by_host) == len(cases), "two cases of one host"
    groups: dict[Setting, list[Served]] = {}
    for case in cases:
        groups.setdefault(case.setting, []).append(case)
    context, authority = certificate(*SECURE)
    asked: dict[str, list[str]] = {name: [] for name in by_host}
    with (
        serve(_site(by_host, HTTPS), tls=context) as secure,
        serve(_site(by_host, "", secure)) as server,
    ):
        runs = [_Run(server, secure, setting, group) for setting, group in groups.items()]
        facts = asyncio.run(_observed(runs, authority))
        for one in server.asked:
            name = one.host.removeprefix("other.")
            if name in asked:
                asked[name].append(one.path if name == one.host else f"{OTHER}{one.path}")
        for one in secure.asked:
            asked[one.host].append(f"{HTTPS}{one.path}")
    rows: dict[str, Mapping[str, Any]] = {}
    for one_run, observed in zip(runs, facts, strict=True):
        rows |= one_run.judged(observed)
    return {case.id: Result(rows[case.id], tuple(asked[name])) for name, case in by_host.items()}


async def _observed(runs: Sequence["_Run"], authority: str) -> list[Facts]:
    """Return the facts of each run; they are asked at once, since slow answers take their time."""
    return await asyncio.gather(*(one.observed(authority) for one in runs))


# --- what is served


def _site(by_host: Mapping[str, Served], place: str, secure: Server | None = None) -> Any:
    """Return what answers for all hosts. place: HTTPS for the server that speaks TLS."""

    def handle(asked: Asked) -> Answer:
        if asked.host == LISTS:
            return _list(by_host, asked)
        name = asked.host.removeprefix("other.")
        case = by_host.get(name)
        route = _route(case, asked, place) if case is not None else None
        found = route(asked) if callable(route) else route
        if found is None:
            return _closing(Answer(404, b"not here"))
        answer = Answer(body=found) if isinstance(found, bytes) else found
        port = asked.headers["host"].rpartition(":")[2]
        names = {"{here}": f"http://{name}:{port}", "{other}": f"http://other.{name}:{port}"}
        if secure is not None:
            names["{https}"] = f"https://{name}:{secure.port}"
        return _closing(_filled(answer, names))

    return handle


def _route(case: Served, asked: Asked, place: str) -> Any:
    place = OTHER if asked.host.startswith("other.") else place
    if place:
        return case.routes.get(f"{place}{asked.path}")
    if asked.path == case.path and asked.path != ROBOTS:
        return case.image
    return case.routes.get(asked.path)


def _list(by_host: Mapping[str, Served], asked: Asked) -> Answer:
    url = asked.body.decode().strip()
    case = by_host.get(host_of(url)) if url else None
    if asked.method != "POST" or case is None or case.listed is None:
        return _closing(Answer(404))
    found = case.listed(url)
    return _closing(Answer(body=found) if isinstance(found, bytes) else found)


def _filled(answer: Answer, names: Mapping[str, str]) -> Answer:
    body, headers = answer.body, []
    for name, value in names.items():
        body = body.replace(name.encode(), value.encode())
    for name, value in answer.headers:
        for mark, origin in names.items():
            value = value.replace(mark, origin)  # noqa: PLW2901 - one after the other
        headers.append((name, value))
    return replace(answer, body=body, headers=headers)


def _closing(answer: Answer) -> Answer:
    """Return the answer with its connection closed behind it, and text in headers as UTF-8.

    Hundreds of hosts would keep as many connections and threads.
    """
    headers = [(n, _octets(v)) for n, v in answer.headers]
    return replace(answer, headers=[*headers, ("Connection", "close")])


def _octets(value: str) -> str:
    """Return text whose Latin-1 is its UTF-8; octets that are none stay as they are."""
    if all(ord(c) < 0x80 or 0xF8 <= ord(c) <= 0xFF for c in value):
        return value
    return value.encode().decode("latin-1")


# --- how it is asked


@dataclass(frozen=True)
class _Run:
    """All cases of one setting."""

    server: Server
    secure: Server
    setting: Setting
    cases: Sequence[Served]
    clock: FixedClock = field(default_factory=FixedClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    resolver: Resolver = field(default_factory=Resolver)

    @property
    def policy(self) -> SignalPolicy:
        lists = frozenset({self.setting.list} if self.setting.list else ())
        profile = PROFILES[self.setting.profile]
        return SignalPolicy(self.setting.agent, self.setting.purpose, profile, lists=lists)

    @property
    def config(self) -> FetchConfig:
        agent = self.setting.agent if self.setting.agent.isalpha() else "ArtBot"
        return FetchConfig(
            agent=agent,
            contact="https://example.org/bot",
            allow_hosts=(
                *self.server.at("*.localhost", "rebound.test"),
                *self.secure.at("*.localhost"),
            ),
            connections=48,
            per_host=2,
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_BYTES,
            retries=0,
        )

    def url(self, case: Served, place: str) -> str:
        """Return the address of a path of a case, `other/path` of its second host."""
        second, _, path = place.partition("/")
        name = f"{second}.{host(case)}" if second else host(case)
        url = f"http://{name}:{self.server.port}/{path}"
        assert canonical_url(url) == url, url
        return url

    async def observed(self, authority: str) -> Facts:
        """Return all that was observed of the cases. authority: PEM of who signs certificates."""
        rows = self._rows_table()
        async with AiohttpTransport(
            self.config, resolver=self.resolver, extra_ca=authority
        ) as transport:
            listed = await self._listed(rows, transport)
            pages, documents = await self._journeys(
                transport, Errand.PAGE, page_requests(rows, 0), DOCUMENTS.empty_table()
            )
            facts = Facts(OBSERVED.empty_table(), documents, pages, listed)
            wanted = requests(sift(rows, facts, self.policy), 0)
            images, documents = await self._journeys(transport, Errand.IMAGE, wanted, documents)
        return Facts(images, documents, pages, listed)

    def judged(self, facts: Facts) -> dict[str, Mapping[str, Any]]:
        """Return the row of JUDGED of each case."""
        ids = {f"{number:032x}": case.id for number, case in enumerate(self.cases)}
        judged = judge(self._rows_table(), facts, self.policy)
        judged = embedded(judged, self._bodies(facts.observed), self.policy)
        return {ids[row["uid"]]: row for row in judged.table.to_pylist()}

    def _rows_table(self) -> pa.Table:
        rows = []
        for number, case in enumerate(self.cases):
            page_key = self.url(case, case.page) if case.page else None
            rows.append(
                {
                    "uid": f"{number:032x}",
                    "row": number,
                    "url_key": self.url(case, case.path),
                    "page_key": page_key,
                    "page_tags": case.page_tags,
                }
            )
        return from_rows(rows, ROWS)

    async def _journeys(
        self, transport: AiohttpTransport, errand: Errand, wanted: pa.Table, documents: pa.Table
    ) -> tuple[pa.Table, pa.Table]:
        """Return all rounds of an errand, and all documents known behind it."""
        rounds = [OBSERVED.empty_table()]
        while wanted.num_rows:
            fetched = await fetch(
                wanted,
                documents,
                self.policy,
                self.config,
                transport=transport,
                clock=self.clock,
                rng=random.Random(0),
                packs=PackWriter(self.store, f"packs/{errand}-{len(rounds)}"),
                errand=errand,
            )
            rounds.append(fetched.observed)
            documents = pa.concat_tables([documents, fetched.documents])
            wanted = next_round(fetched.observed)
        return pa.concat_tables(rounds), documents

    def _bodies(self, images: pa.Table) -> Mapping[str, bytes]:
        whole = images.filter(pc.is_valid(images["sha256"]))
        bodies = read_bodies(self.store, whole)
        return dict(zip(whole["sha256"].to_pylist(), bodies, strict=True))

    async def _listed(self, rows: pa.Table, transport: AiohttpTransport) -> pa.Table:
        if self.setting.list is Channel.SPAWNING:
            asking = SpawningList(
                transport,
                self.clock,
                self.config,
                random.Random(0),
                key="key",
                url=self.server.url("/api", LISTS),
                batch_urls=1,  # each case has an answer of its own
            )
            return listed_answers(await asking.ask(rows["url_key"].to_pylist()), Channel.SPAWNING)
        if self.setting.list is Channel.DECLARATIONS:
            lines = [
                json.dumps({"url": self.url(case, case.path), **(case.declared or {})})
                for case in self.cases
            ]
            file = declarations.parse("\n".join(lines).encode())
            return declared(rows["url_key"].to_pylist(), [file], self.clock.now_us())
        return LISTED.empty_table()
