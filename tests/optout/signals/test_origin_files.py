"""optout.signals.origin_files: robots.txt first, then files of rights and licences, each placed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.document import Document, Kind, Wanted, found, licence, wanted_key
from optout.signals.origin_files import (
    MAX_LICENCES,
    Asked,
    Reader,
    licences,
    of_documents,
    of_licence,
    wanted,
)
from optout.signals.profiles import PROFILES
from optout.signals.signal import Signal
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.rsl_cases import content, prohibits
from tests.optout.signals.rsl_cases import licence as terms
from tests.optout.signals.sites import ABSENT, ORIGIN, Page, document

DEFAULT, STRICT = (
    Reader("ArtBot", PROFILES[name], Purpose.TRAIN_GEN) for name in ("default", "strict")
)
URL = f"{ORIGIN}/a.jpg"
OPEN = b"User-agent: *\nAllow: /\n"
RESERVED = b'[{"location": "/", "tdm-reservation": 1}]'
NO_TRAINING = b"datatrainingallowed=no\n"
RSL = (
    f'<rsl xmlns="https://rslstandard.org/rsl">{content(terms(prohibits("ai-all")))}</rsl>'.encode()
)
PATHS = {"robots": "/robots.txt", "tdmrep": "/.well-known/tdmrep.json", "ai": "/ai.txt",
         "trust": "/trust.txt", "trust-well-known": "/.well-known/trust.txt"}  # fmt: skip


def files(**pages: Page) -> dict[str, Document]:
    """Return documents by kind; robots, tdmrep and ai are absent where they are not given."""
    every = dict.fromkeys(("robots", "tdmrep", "ai"), ABSENT) | {
        name.replace("_", "-"): answer for name, answer in pages.items()
    }
    return {
        k: document(Wanted(k, ORIGIN, ORIGIN + PATHS[k]), answer) for k, answer in every.items()
    }


def said(
    documents: dict[str, Document], channel: Channel, reader: Reader = DEFAULT
) -> list[Signal]:
    return [s for s in of_documents(Asked(URL), documents, reader) if s.channel is channel]


def says(documents: dict[str, Document], channel: Channel, reader: Reader = DEFAULT) -> set[Say]:
    return {s.say for s in said(documents, channel, reader)}


@pytest.mark.parametrize(
    ("name", "channel", "body"),
    [
        ("robots", Channel.ROBOTS, b"User-agent: *\nDisallow: /\n"),
        ("tdmrep", Channel.TDMREP, RESERVED),
        ("ai", Channel.AI_TXT, b"User-agent: *\nDisallow: /\n"),
    ],
)
def test_what_a_file_says_carries_its_address_and_its_id(
    name: str, channel: Channel, body: bytes
) -> None:
    documents = files(**{name: Page(body)})
    signals = said(documents, channel)
    assert {s.say for s in signals} == {Say.DENY}
    assert {(s.place, s.evidence) for s in signals} == {
        (ORIGIN + PATHS[name], documents[name].document_id)
    }


def test_absence_is_silence_with_the_status_and_the_evidence() -> None:
    documents = files()
    for signal in of_documents(Asked(URL), documents, DEFAULT):
        assert (signal.say, signal.note) == (Say.SILENT, "status 404")
        assert signal.evidence in {d.document_id for d in documents.values()}


@pytest.mark.parametrize(
    ("status", "say", "note"),
    [(404, Say.SILENT, "status 404"), (403, Say.SILENT, "status 403"),
     (500, Say.ERROR, "status 500"), (429, Say.ERROR, "status 429"),
     (301, Say.ERROR, "status 301"), (None, Say.ERROR, "no response")],
)  # fmt: skip
def test_a_file_of_rights_that_is_not_there_is_silent_or_unreadable(
    status: int | None, say: Say, note: str
) -> None:
    documents = files(tdmrep=Page(status=status), ai=Page(status=status))
    for channel in (Channel.TDMREP, Channel.AI_TXT):
        assert [(s.say, s.note) for s in said(documents, channel)] == [(say, note)]


def test_a_file_whose_body_did_not_come_whole_is_an_error() -> None:
    where = ORIGIN + PATHS["tdmrep"]
    documents = files()
    documents["tdmrep"] = found("tdmrep", ORIGIN, where, http_status=200, asked_at_us=1)
    documents["ai"] = found("ai", ORIGIN, where, http_status=200, asked_at_us=1)
    assert says(documents, Channel.TDMREP) == says(documents, Channel.AI_TXT) == {Say.ERROR}


def test_a_rights_file_longer_than_is_read_is_an_error() -> None:
    documents = files()
    documents["tdmrep"] = found(
        "tdmrep", ORIGIN, "u", http_status=200, asked_at_us=1, body=b"[]", truncated=True
    )
    assert says(documents, Channel.TDMREP) == {Say.ERROR}


def test_a_page_that_a_site_sends_for_every_address_is_no_file() -> None:
    html = Page(b"<!doctype html><div id=app>", (("Content-Type", "text/html"),))
    documents = files(robots=html, tdmrep=html, ai=html, trust=html)
    signals = of_documents(Asked(URL), documents, STRICT)
    assert {s.say for s in signals} == {Say.SILENT}


def test_trust_is_looked_for_in_a_second_place() -> None:
    second = files(trust=ABSENT, trust_well_known=Page(NO_TRAINING))
    assert says(second, Channel.TRUST_TXT, STRICT) == {Say.DENY}
    both = files(trust=Page(b""), trust_well_known=Page(NO_TRAINING))
    assert says(both, Channel.TRUST_TXT, STRICT) == {Say.SILENT}
    assert says(files(trust=ABSENT), Channel.TRUST_TXT, STRICT) == {Say.ERROR}  # not asked
    neither = files(trust=ABSENT, trust_well_known=ABSENT)
    assert says(neither, Channel.TRUST_TXT, STRICT) == {Say.SILENT}


@pytest.mark.parametrize("status", [500, None])
def test_trust_that_cannot_be_read_is_not_looked_for_elsewhere(status: int | None) -> None:
    documents = files(trust=Page(status=status))
    assert wanted(ORIGIN, URL, documents, STRICT) == []
    assert says(documents, Channel.TRUST_TXT, STRICT) == {Say.ERROR}


def naming(*addresses: str, agent: str = "*") -> bytes:
    lines = [f"User-agent: {agent}", "Allow: /", *(f"License: {at}" for at in addresses)]
    return "\n".join(lines).encode()


def test_each_named_licence_is_wanted_once_and_at_most_eight() -> None:
    addresses = [f"https://l.example/{n}.xml" for n in range(3)]
    documents = files(robots=Page(naming(*addresses, *addresses)))
    assert [one.url for one in wanted(ORIGIN, URL, documents, DEFAULT)] == addresses
    many = [f"https://l.example/{n}.xml" for n in range(MAX_LICENCES + 1)]
    documents = files(robots=Page(naming(*many)))
    assert len(wanted(ORIGIN, URL, documents, DEFAULT)) == MAX_LICENCES
    for one in wanted(ORIGIN, URL, documents, DEFAULT):
        documents[one.key] = document(one, Page(RSL.replace(b"prohibits", b"permits")))
    assert says(documents, Channel.ROBOTS_LICENSE) == {Say.DENY}  # more than are read


def test_a_licence_for_another_robot_is_none_of_ours() -> None:
    robots = naming("https://l.example/", agent="OtherBot") + b"\nUser-agent: ArtBot\nAllow: /\n"
    documents = files(robots=Page(robots))
    assert licences(documents["robots"], DEFAULT) == ()
    assert says(documents, Channel.ROBOTS_LICENSE) == {Say.SILENT}


def test_no_licence_is_read_from_a_robots_file_that_was_not_sent() -> None:
    robots = found(
        "robots", ORIGIN, "u", http_status=503, asked_at_us=1, body=naming("https://l.example/")
    )
    assert licences(robots, DEFAULT) == ()


@pytest.mark.parametrize(
    ("answer", "note"),
    [(Page(status=404), "status 404"), (Page(status=None), "no response"),
     (Page(status=500), "status 500")],
)  # fmt: skip
def test_a_licence_that_cannot_be_had_denies_and_says_why(answer: Page, note: str) -> None:
    at = "https://l.example/rsl.xml"
    documents = {wanted_key(Kind.RSL, at): document(licence(at), answer)}
    signals = of_licence(at, URL, documents, DEFAULT.profile, Channel.LINK_LICENSE)
    assert {s.say for s in signals} == {Say.DENY}
    assert {(s.channel, s.note, s.place) for s in signals} == {(Channel.LINK_LICENSE, note, at)}
    missing = of_licence(at, URL, {}, DEFAULT.profile, Channel.LINK_LICENSE)
    assert {(s.say, s.note, s.evidence) for s in missing} == {(Say.DENY, "licence not asked", None)}


def test_a_licence_is_placed_where_it_stands_not_where_it_was_named() -> None:
    at = "https://l.example/rsl.xml"
    documents = files(robots=Page(naming(at)))
    documents[wanted_key(Kind.RSL, at)] = document(licence(at), Page(RSL))
    signals = said(documents, Channel.ROBOTS_LICENSE)
    assert {(s.say, s.place) for s in signals} == {(Say.DENY, at)}


STATUS = st.sampled_from([200, 200, 301, 403, 404, 429, 500, None])
ANSWER = st.builds(lambda body, status: Page(body, (), status), st.binary(max_size=60), STATUS)


@given(ANSWER, ANSWER, ANSWER, ANSWER, st.text(max_size=30), st.sampled_from(list(PROFILES)))
def test_any_files_are_answered(  # noqa: PLR0917 - the files of a site
    robots: Page, tdmrep: Page, ai: Page, trust: Page, url: str, name: str
) -> None:
    reader = Reader("ArtBot", PROFILES[name], Purpose.TRAIN_GEN)
    documents = files(robots=robots, tdmrep=tdmrep, ai=ai, trust=trust)
    wanted(ORIGIN, url, documents, reader)
    signals = of_documents(Asked(url), documents, reader)
    assert signals
    assert all(s.place and s.evidence for s in signals if s.note != "no document")
    assert all(len(s.raw.encode()) <= 512 for s in signals)


DENIALS: dict[str, Any] = {
    "tdmrep": Page(RESERVED),
    "ai": Page(b"User-agent: *\nDisallow: /\n"),
    "trust": Page(NO_TRAINING),
}


@given(st.sampled_from(sorted(DENIALS)), ANSWER, ANSWER)
def test_what_other_files_say_takes_no_denial_back(name: str, one: Page, other: Page) -> None:
    rest = [kind for kind in ("tdmrep", "ai", "trust") if kind != name]
    pages = {name: DENIALS[name], rest[0]: one, rest[1]: other}
    documents = files(robots=Page(OPEN), **pages)
    channel = {"tdmrep": Channel.TDMREP, "ai": Channel.AI_TXT, "trust": Channel.TRUST_TXT}[name]
    assert says(documents, channel, STRICT) == {Say.DENY}
