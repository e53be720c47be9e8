import asyncio
import random

import hypothesis.strategies as st
from hypothesis import given, settings

from optout.signals.document import Document, found
from optout.signals.policy import SignalPolicy
from pipeline.web.asking import Asker
from pipeline.web.origin_documents import (
    OriginDocuments,
    documents_of,
    documents_table,
    plain,
    whole_lines,
)
from schemas.config import FetchConfig
from schemas.ports import Request
from schemas.tables import DOCUMENTS
from tests.fakes import FixedClock, ScriptedTransport

ORIGIN = "http://a.localhost:8001"

documents = st.builds(
    found,
    st.just("robots"),
    st.just(ORIGIN),
    st.just(f"{ORIGIN}/robots.txt"),
    http_status=st.one_of(st.none(), st.integers(200, 599)),
    asked_at_us=st.integers(0, 2**52),
    body=st.one_of(st.none(), st.binary()),
    truncated=st.booleans(),
    content_type=st.one_of(st.none(), st.just("text/plain")),
    detail=st.one_of(st.none(), st.text(alphabet="abc")),
)


@settings(deadline=None)
@given(st.lists(documents, max_size=5))
def test_documents_survive_their_table(given_documents: list[Document]) -> None:
    table = documents_table(given_documents)
    assert table.schema.equals(DOCUMENTS, check_metadata=True)
    assert documents_of(table) == given_documents


@given(st.binary())
def test_whole_lines_is_a_prefix_that_ends_a_line(body: bytes) -> None:
    kept = whole_lines(body)
    assert body.startswith(kept)
    assert not kept or kept[-1:] in b"\r\n"
    assert not set(body[len(kept) :]) & set(b"\r\n")


@given(st.text())
def test_plain_text_can_stand_in_a_table(text: str) -> None:
    plain(text).encode()
    assert len(plain(text)) <= 500


def origins(transport: ScriptedTransport) -> OriginDocuments:
    config = FetchConfig(allow_hosts=("a.localhost:8001",), retries=0)
    clock = FixedClock()
    asker = Asker(config, transport, clock, random.Random(0))
    policy = SignalPolicy("RecuseBot")
    return OriginDocuments(DOCUMENTS.empty_table(), policy, asker, clock, config.allow_hosts)


def test_a_crowd_at_one_origin_asks_once() -> None:
    def answer(request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        assert request.headers[0][1].startswith("text/plain")
        return 200, [], b"User-agent: *"

    async def crowd() -> int:
        transport = ScriptedTransport(answer)
        all_of_them = origins(transport)
        urls = [f"{ORIGIN}/{i}.jpg" for i in range(50)]
        found_ones = await asyncio.gather(*(all_of_them.of(ORIGIN, url) for url in urls))
        assert len({tuple(one.ids) for one in found_ones}) == 1
        return len(transport.asked)

    assert asyncio.run(crowd()) == 3  # robots.txt, tdmrep.json, ai.txt


def test_a_cancelled_asker_leaves_the_question_open() -> None:
    class Slow(ScriptedTransport):
        async def open(self, request: Request) -> object:  # type: ignore[override]  # a fake
            await asyncio.sleep(0.05)
            return await super().open(request)

    async def run() -> int:
        transport = Slow(lambda _: (404, (), b""))
        all_of_them = origins(transport)
        first = asyncio.create_task(all_of_them.of(ORIGIN, f"{ORIGIN}/x"))
        await asyncio.sleep(0.01)
        first.cancel()
        origin = await all_of_them.of(ORIGIN, f"{ORIGIN}/x")
        assert origin.documents["robots"].http_status == 404
        return len(all_of_them.new())

    assert asyncio.run(run()) == 3
