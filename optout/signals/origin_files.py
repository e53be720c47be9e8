"""What the documents of an address say: robots.txt first, then the files of rights, then licences.

robots.txt decides whether anything more is asked: where it forbids the address, or nobody can read
it, its own word is all that is said. The files of rights (tdmrep.json, ai.txt, trust.txt) are asked
even where robots.txt closes their own path: like robots.txt they exist to be read by whoever comes.
A document that was to be read and is missing is an ERROR.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from optout.signals import ai_txt, robots, robots_rights, rsl, tdmrep, trust_txt
from optout.signals.document import (
    PATHS,
    SECOND_TRUST,
    Document,
    Documents,
    Kind,
    Wanted,
    licence,
    standing,
    wanted_key,
)
from optout.signals.patterns import target
from optout.signals.profiles import Profile
from optout.signals.robots import Standing
from optout.signals.signal import Signal
from schemas.canonical import sha256_hex
from schemas.verdict import Channel, Purpose, Say

ROBOTS_CHANNELS = (
    Channel.ROBOTS,
    Channel.ROBOTS_CONTENT_USAGE,
    Channel.ROBOTS_CONTENT_SIGNAL,
)
"""What robots.txt says by itself; the licences that it names stand in documents of their own."""
MAX_LICENCES = 8
"""Licences read for one address; a file that names more of them is not read further: denied."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, by which profile, and about which purpose silence is recorded."""

    agent: str
    profile: Profile
    silent: Purpose


@dataclass(frozen=True, slots=True)
class Asked:
    """An address, and of the response (where there is one already) its media type."""

    url: str
    media_type: str | None = None


def wanted(origin: str, url: str, documents: Documents, reader: Reader) -> list[Wanted]:
    """Return the documents that are still to be asked before an address, empty where none is."""
    first = Wanted(Kind.ROBOTS, origin, origin + PATHS[Kind.ROBOTS][1])
    if first.key not in documents:
        return [first]
    if not may_go_on(of_robots(url, documents[first.key], reader)):
        return []
    files = [
        Wanted(kind, origin, origin + path)
        for kind, (channel, path) in PATHS.items()
        if reader.profile.reads(channel)
    ]
    named = [licence(at) for at in licences(documents[first.key], reader)[:MAX_LICENCES]]
    trust = documents.get(Kind.TRUST)
    if trust is not None and standing(trust) is Standing.NO_FILE:
        files.append(Wanted(Kind.TRUST_WELL_KNOWN, origin, origin + SECOND_TRUST))
    return [one for one in (*files, *named) if one.key not in documents]


def of_documents(asked: Asked, documents: Documents, reader: Reader) -> tuple[Signal, ...]:
    """Return what the documents say about an address, each channel at least once."""
    url, profile = asked.url, reader.profile
    document = documents.get(Kind.ROBOTS)
    if document is None:
        return (Signal(Channel.ROBOTS, Purpose.FETCH, Say.ERROR, note="no document"),)
    said = of_robots(url, document, reader)
    if not may_go_on(said):
        return tuple(_placed(said, document))
    channels = [c for c in ROBOTS_CHANNELS if profile.reads(c)]
    signals = _answered(said, channels, document, reader.silent)
    for kind, (channel, _) in PATHS.items():
        if kind is not Kind.ROBOTS and profile.reads(channel):
            file = documents.get(kind)
            if kind is Kind.TRUST and file is not None and standing(file) is Standing.NO_FILE:
                file = documents.get(Kind.TRUST_WELL_KNOWN)
            signals += _of_file(kind, channel, asked, file, reader)
    if profile.reads(Channel.ROBOTS_LICENSE):
        signals += _of_licences(url, document, documents, reader)
    return tuple(signals)


def of_robots(url: str, document: Document, reader: Reader) -> tuple[Signal, ...]:
    """Return what robots.txt says about an address, without silence, place or evidence."""
    profile = reader.profile
    found = robots.standing(document.http_status, robots.STATUS_POLICIES[profile.robots_status])
    if found is Standing.READ and document.body is None:
        found = Standing.ERROR  # an answer whose body did not come whole
    if found is Standing.READ:
        said = robots_rights.read(_body(document), reader.agent, target(url), profile)
        return tuple(s for s in said if profile.reads(s.channel))
    if found is Standing.NO_FILE:
        return ()
    note = _status(document)
    return (Signal(Channel.ROBOTS, Purpose.FETCH, robots.SAYS[found], note=note),)


def may_go_on(said: Iterable[Signal]) -> bool:
    """Say whether robots.txt lets an address be asked."""
    return not any(
        s.channel is Channel.ROBOTS
        and s.purpose is Purpose.FETCH
        and s.say in (Say.DENY, Say.ERROR)
        for s in said
    )


def licences(document: Document, reader: Reader) -> tuple[str, ...]:
    """Return the addresses of the licences that robots.txt names for an agent, each once."""
    if document.body is None or not reader.profile.reads(Channel.ROBOTS_LICENSE):
        return ()
    if robots.standing(document.http_status) is not Standing.READ:
        return ()
    parsed = robots.parsed(_body(document), lenient=reader.profile.robots_lenient)
    records = robots_rights.licenses(parsed, reader.agent)
    return tuple(dict.fromkeys(r.value.decode("utf-8", "replace") for r in records))


def crawl_delay_s(document: Document | None, reader: Reader) -> float | None:
    """Return the seconds between requests that robots.txt asks for, None where it does not."""
    if document is None or document.body is None:
        return None
    if robots.standing(document.http_status) is not Standing.READ:
        return None
    lenient = reader.profile.robots_lenient
    return robots.rules_of(_body(document), reader.agent, lenient=lenient).crawl_delay_s


def of_licence(
    address: str, url: str, documents: Documents, profile: Profile, channel: Channel
) -> tuple[Signal, ...]:
    """Return what a licence that was named for an address says; one that nobody has is none."""
    document = documents.get(wanted_key(Kind.RSL, address))
    if document is None:
        return rsl.unobtainable(channel, "licence not asked")
    if standing(document) is not Standing.READ or document.body is None:
        said = rsl.unobtainable(channel, _status(document))
    else:
        said = rsl.of_document(document.body, url, profile, channel)
    return tuple(_placed(said, document))


def _of_licences(
    url: str, document: Document, documents: Documents, reader: Reader
) -> list[Signal]:
    named = licences(document, reader)
    channel, profile = Channel.ROBOTS_LICENSE, reader.profile
    if len(named) > MAX_LICENCES:
        return _placed(rsl.unobtainable(channel, f"{len(named)} licences"), document)
    signals = [s for at in named for s in of_licence(at, url, documents, profile, channel)]
    return signals or _answered((), (channel,), document, reader.silent)


def _of_file(
    kind: Kind, channel: Channel, asked: Asked, document: Document | None, reader: Reader
) -> list[Signal]:
    if document is None:
        return [Signal(channel, reader.silent, Say.ERROR, note="no document")]
    found = standing(document)
    if found is Standing.ERROR:
        note = _status(document)
        return _placed((Signal(channel, reader.silent, Say.ERROR, note=note),), document)
    said: tuple[Signal, ...] = ()
    if found is Standing.READ and document.body is not None:
        said = _read(kind, document, document.body, asked, reader)
    return _answered(said, (channel,), document, reader.silent)


def _read(
    kind: Kind, document: Document, body: bytes, asked: Asked, reader: Reader
) -> tuple[Signal, ...]:
    path, served_as = target(asked.url), document.content_type
    if kind is Kind.TDMREP:
        if ai_txt.is_page(body, served_as):
            return ()  # sites made of one page answer any address with it: there is no file
        if document.truncated:
            return (Signal(Channel.TDMREP, reader.silent, Say.ERROR, note="longer than is read"),)
        return tdmrep.of_file(body, path, reader.profile)
    if kind is Kind.AI:
        return ai_txt.of_file(body, path, served_as, asked.media_type, reader.profile, reader.agent)
    return trust_txt.of_file(body, served_as)


def _status(document: Document) -> str:
    status = document.http_status
    return f"status {status}" if status is not None else "no response"


def _answered(
    said: tuple[Signal, ...], channels: Iterable[Channel], document: Document, silent: Purpose
) -> list[Signal]:
    """Return what was said, and silence for each channel that said nothing."""
    spoken = {s.channel for s in said}
    status = document.http_status
    note = f"status {status}" if document.body is None and status is not None else ""
    place, evidence = document.url, document.document_id
    quiet = [
        Signal(c, silent, Say.SILENT, place=place, evidence=evidence, note=note)
        for c in channels
        if c not in spoken
    ]
    return [*_placed(said, document), *quiet]


def _placed(said: Iterable[Signal], document: Document) -> list[Signal]:
    return [
        Signal(
            s.channel, s.purpose, s.say, s.raw, s.line, document.url, document.document_id, s.note
        )
        for s in said
    ]


def _body(document: Document) -> robots.Body:
    body = document.body or b""
    return robots.Body(document.sha256 or sha256_hex(body), body)
