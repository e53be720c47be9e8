"""Which signals others read: each asked to take an image from a site that reserves it.

img2dataset and datadiligence ask a server on loopback with their own code; we go through the same
answers. A tool *reads* a signal if it answers rightly on every site of its row, and *partly* if it
refuses at least one of those that reserve the image.
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from optout.signals import declarations, url_lists, xmp
from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES
from schemas.verdict import Channel, Verdict
from tests.optout.signals.peer_cases import PROBES, UNRESERVED, Probe, Vector
from tests.optout.signals.peers import (
    datadiligence_lists,
    datadiligence_takes,
    img2dataset_takes,
)
from tests.optout.signals.sites import ORIGIN, Page, Site
from tests.servers import Answer, Route, Server, serve

DOCS = Path(__file__).parents[3] / "docs" / "signals.md"
READS, PARTLY, NO, RECORDED = "reads", "partly", "no", "recorded, not judged"
AT = "2026-01-01T00:00:00Z"
Taker = Callable[[Vector], bool]


def served(vector: Vector, take: Callable[[Server, str], bool]) -> bool:
    """Return what a tool does with the image of a site on loopback."""
    routes: dict[str, Route] = {path: answer(page) for path, page in vector.routes.items()}
    if vector.listed is not None:
        routes["/list"] = lambda asked: Answer(body=listing(asked.body.decode(), vector))
    with serve(routes) as server:
        return take(server, server.url("/a.jpg"))


def answer(page: Page) -> Answer:
    return Answer(page.status or 503, page.body, page.headers)


def listing(url: str, vector: Vector) -> bytes:
    assert vector.listed is not None
    return vector.listed(url)


def img2dataset(vector: Vector) -> bool:
    def take(_: Server, url: str) -> bool:
        return img2dataset_takes(url)

    return served(vector, take)


def datadiligence(vector: Vector) -> bool:
    def take(server: Server, url: str) -> bool:
        if vector.listed is not None and not datadiligence_lists(url, server.url("/list")):
            return False
        pages = [] if vector.page is None else [server.url(vector.page)]
        return all(datadiligence_takes(one) for one in (*pages, url))

    return served(vector, take)


def recuse(vector: Vector, profile: str) -> bool:
    policy = SignalPolicy("ArtBot", profile=PROFILES[profile])
    said = list(Site(vector.routes).signals(policy, "/a.jpg", vector.page))
    url = f"{ORIGIN}/a.jpg"
    if vector.listed is not None:
        reply = url_lists.answers([url], 200, vector.listed(url))[url]
        kept = url_lists.document(Channel.SPAWNING, url, 200, reply, AT)
        said += policy.of_listed(json.loads(kept))
    if vector.declared is not None:
        known = declarations.parse(vector.declared(url))
        said += policy.of_listed(json.loads(declarations.document(known, url, None, AT)))
    return policy.verdict(said) is Verdict.KEEP


def records(probe: Probe) -> bool:
    """Say whether the licence fields of every image are kept as provenance."""
    policy = SignalPolicy("ArtBot")
    bodies = [vector.routes["/a.jpg"].body for vector in probe.vectors]
    return all(xmp.provenance(policy.read_bytes(body).xmp).rights for body in bodies)


def grade(probe: Probe, take: Taker) -> str:
    taken = [(vector, take(vector)) for vector in probe.vectors]
    if all(took is not vector.reserved for vector, took in taken):
        return READS
    return PARTLY if any(vector.reserved and not took for vector, took in taken) else NO


@functools.cache
def grades(probe: Probe) -> tuple[str, str, str]:
    """Return what img2dataset, datadiligence and recuse make of a signal."""
    default, strict = (
        grade(probe, functools.partial(recuse, profile=name)) for name in ("default", "strict")
    )
    ours = default if default == strict else f"{default}; in `strict` {strict}"
    if probe.recorded and ours == NO and records(probe):
        ours = RECORDED
    return grade(probe, img2dataset), grade(probe, datadiligence), ours


def table() -> str:
    """Return the table of signals and who reads them as it stands in docs/signals.md."""
    lines = ["| signal | img2dataset 1.47 | datadiligence 0.1.7 | recuse |", "| --- " * 4 + "|"]
    lines += [f"| {probe.signal} | {' | '.join(grades(probe))} |" for probe in PROBES]
    return "\n".join(lines)


@pytest.mark.parametrize("take", [img2dataset, datadiligence], ids=lambda take: take.__name__)
def test_a_site_that_reserves_nothing_is_taken_by_everybody(take: Taker) -> None:
    assert take(UNRESERVED)
    assert all(recuse(UNRESERVED, name) for name in PROFILES)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.signal)
def test_we_read_what_the_others_read(probe: Probe) -> None:
    weight = {NO: 0, PARTLY: 1, READS: 2}
    first, second, ours = grades(probe)
    best = ours.rpartition("strict` ")[2]
    assert weight.get(best, 0) >= max(weight[first], weight[second])
    assert best in ((RECORDED,) if probe.recorded else (READS,))


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.signal)
def test_strict_refuses_whatever_default_refuses(probe: Probe) -> None:
    for vector in probe.vectors:
        assert recuse(vector, "default") or not recuse(vector, "strict")


def test_the_docs_hold_the_table_of_signals() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
