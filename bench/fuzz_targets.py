"""What is fuzzed: one function for each parser of opt-out signals, any bytes in, no answer out.

A target raises where a parser breaks what it promises: an exception that its docstring does not
name, an answer of the wrong shape, a permission out of what cannot be read, a strict profile that
forgives what the default one does not, evidence that does not read back. bench/fuzz_signals.py
runs them; tests/optout/signals/test_fuzz.py asks each of them about each of its seeds.
Inputs of several fields are joined by SEPARATOR.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.parsers import expat

from optout.signals import (
    ai_txt,
    c2pa,
    c2pa_manifest,
    content_signal,
    content_usage,
    declarations,
    embedded,
    link_header,
    page,
    remembered,
    robots,
    robots_rights,
    rsl,
    tdmrep,
    trust_txt,
    url_lists,
    wat,
    x_robots,
    xmp,
    xmp_packets,
    xmp_statements,
)
from optout.signals.patterns import target
from optout.signals.profiles import PROFILES, Profile
from optout.signals.signal import RAW_BYTES, Signal
from optout.signals.training_tokens import TRAINING_TOKENS
from optout.urls import canonical_url
from pipeline.facts import ANSWER, Answer
from schemas.canonical import canonical_json, sha256_hex
from schemas.errors import SchemaError, SignalError, UsageError
from schemas.verdict import Channel, Purpose, Say

SEPARATOR = b"\x1e\x1f"
AGENT = "ArtBot"
URLS = ("https://a.example/1.jpg", "https://b.example/2.jpg?x=1")
PAGE_URL = "https://art.example/works/1"
AT = "2026-11-25T10:00:00.000000Z"

Ask = Callable[[bytes], None]
Signals = tuple[Signal, ...]


class BrokenPromiseError(Exception):
    """A parser answered what it must not answer."""


def promise(holds: object, what: str) -> None:
    """Raise unless something holds."""
    if not holds:
        raise BrokenPromiseError(what)


def check(said: Signals, *channels: Channel, may_allow: bool = True) -> None:
    """Hold signals against what every family promises; channels: those that may speak."""
    promise(isinstance(said, tuple), "a tuple")
    keys = [(signal.channel, signal.purpose) for signal in said]
    promise(len(keys) == len(set(keys)), f"one signal a purpose: {keys}")
    for signal in said:
        promise(signal.channel in channels, f"another channel: {signal}")
        promise(signal.say is not Say.SILENT, f"silence: {signal}")
        promise(may_allow or signal.say is not Say.ALLOW, f"a permission: {signal}")
        promise(len(signal.raw.encode()) <= RAW_BYTES, f"raw too long: {signal}")
        promise(len(signal.note.encode()) <= RAW_BYTES, f"note too long: {signal}")
        promise(signal.line is None or signal.line >= 0, f"line: {signal}")
        promise(signal.evidence is None, f"evidence: {signal}")


def by_profile(read: Callable[[Profile], Signals], *channels: Channel, **more: bool) -> None:
    """Check what is read in each profile, and that the strict one is the stricter."""
    found: dict[str, dict[tuple[Channel, Purpose], Say]] = {}
    for name, profile in PROFILES.items():
        said = read(profile)
        check(said, *channels, **more)
        found[name] = {(signal.channel, signal.purpose): signal.say for signal in said}
    for key, say in found["default"].items():
        strict = found["strict"].get(key)
        if say is Say.DENY:
            promise(strict is Say.DENY, f"default denies {key}, strict says {strict}")
        elif say is Say.ERROR:
            promise(strict in (Say.DENY, Say.ERROR), f"default errs on {key}, strict says {strict}")


def fields(octets: bytes, count: int) -> list[bytes]:
    """Return an input's fields, the last of which takes the rest."""
    found = octets.split(SEPARATOR, count - 1)
    return [*([b""] * (count - len(found))), *found]


def text(octets: bytes) -> str:
    """Return any text, lone surrogates too."""
    return octets.decode("utf-8", "surrogateescape")


def lines(octets: bytes) -> list[tuple[int, str]]:
    return [(i, text(line)) for i, line in enumerate(octets.split(b"\n"))]


def headers(octets: bytes) -> list[tuple[str, str]]:
    """Return (name, value) of `name: value` lines."""
    parted = (text(line).partition(":") for line in octets.split(b"\n"))
    return [(name, value) for name, _, value in parted]


def parsed_json(octets: bytes) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(octets)
    return None


def is_well_formed(xml: bytes | str) -> bool:
    """Ask expat itself, without namespaces: who is refused here is no XML at all."""
    try:
        expat.ParserCreate().Parse(xml, True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return True


# --- documents of an origin


def ask_robots(octets: bytes) -> None:
    asked, body = fields(octets, 2)
    path = target(asked)
    for lenient in (True, False):
        file = robots.parse(body, lenient=lenient)
        rules = robots.Rules(file, AGENT, lenient=lenient)
        delay = rules.crawl_delay_s
        promise(delay is None or delay >= 0, f"crawl delay: {delay}")
        promise(rules.answer(path).say is not Say.ERROR, "an error")
        promise(rules.answer(b"/robots.txt").say is not Say.DENY, "robots.txt itself is closed")
        for record in robots_rights.licenses(file, AGENT):
            promise(record.line > 0, "line of a licence")


def ask_rights(octets: bytes) -> None:
    asked, body = fields(octets, 2)
    path = target(asked)

    def read(profile: Profile) -> Signals:
        file = robots.parse(body, lenient=profile.robots_lenient)
        said = robots_rights.read(robots.Body(sha256_hex(body), body), AGENT, path, profile)
        rights = robots_rights.of_file(file, AGENT, path, profile)
        promise(rights == tuple(s for s in said if s.channel is not Channel.ROBOTS), "of_file")
        rules = robots.Rules(file, AGENT, lenient=profile.robots_lenient).answer(path).say
        fetch = [s.say for s in said if s.purpose is Purpose.FETCH]
        promise(rules is not Say.DENY or fetch == [Say.DENY], f"{rules}, and read says {fetch}")
        return said

    by_profile(
        read, Channel.ROBOTS, Channel.ROBOTS_CONTENT_USAGE, Channel.ROBOTS_CONTENT_SIGNAL
    )  # fmt: skip
    remembered.forget()  # hundreds of files are remembered, and none comes back


def ask_tdmrep(octets: bytes) -> None:
    asked, body = fields(octets, 2)
    may_allow = isinstance(parsed_json(body), list)
    path = target(asked)
    by_profile(
        lambda profile: tdmrep.of_file(body, path, profile), Channel.TDMREP, may_allow=may_allow
    )


def ask_ai_txt(octets: bytes) -> None:
    asked, content_type, media_type, body = fields(octets, 4)
    path, kind, media = target(asked), text(content_type) or None, text(media_type) or None
    may_allow = b"user" in body.replace(b"\0", b"").lower()  # in UTF-16 too
    by_profile(
        lambda profile: ai_txt.of_file(body, path, kind, media, profile, AGENT),
        Channel.AI_TXT,
        may_allow=may_allow,
    )


def ask_trust_txt(octets: bytes) -> None:
    content_type, body = fields(octets, 2)
    said = trust_txt.of_file(body, text(content_type) or None)
    check(said, Channel.TRUST_TXT, may_allow=b"yes" in body.lower())


def ask_rsl(octets: bytes) -> None:
    asked, body = fields(octets, 2)
    url = text(asked)
    may_allow = is_well_formed(body.lstrip(b" \t\r\n"))
    by_profile(
        lambda profile: rsl.of_document(body, url, profile, Channel.ROBOTS_LICENSE),
        Channel.ROBOTS_LICENSE,
        may_allow=may_allow,
    )
    by_profile(
        lambda profile: rsl.of_fragment(text(body), url, profile, Channel.PAGE_LICENSE),
        Channel.PAGE_LICENSE,
    )


# --- headers


def ask_content_usage(octets: bytes) -> None:
    by_profile(
        lambda profile: content_usage.read_header(lines(octets), profile),
        Channel.CONTENT_USAGE,
        may_allow=b"train-ai" in octets,
    )


def ask_content_signal(octets: bytes) -> None:
    by_profile(
        lambda profile: content_signal.read_header(lines(octets), profile),
        Channel.CONTENT_SIGNAL,
        may_allow=b"ai-train" in octets.lower() and b"yes" in octets.lower(),
    )


def ask_x_robots(octets: bytes) -> None:
    sent = [(x_robots.HEADER, value) for _, value in lines(octets)]

    def read(profile: Profile) -> Signals:
        tokens = x_robots.deny_tokens(index_tokens=profile.index_tokens, noml=profile.noml)
        alone = x_robots.read(sent, AGENT, tokens)
        said = x_robots.read(sent, AGENT, tokens, TRAINING_TOKENS)
        promise(not alone or said, "more robots, and less is denied")
        return alone

    by_profile(read, Channel.X_ROBOTS, may_allow=False)


def ask_tdm_header(octets: bytes) -> None:
    sent = [(i, name, value) for i, (name, value) in enumerate(headers(octets))]
    by_profile(lambda profile: tdmrep.of_header(sent, profile), Channel.TDM_HEADER)


def ask_link_header(octets: bytes) -> None:
    base, value = (text(field) for field in fields(octets, 2))
    links = link_header.parse(value)
    promise(len(links) <= link_header.MAX_LINKS, f"{len(links)} links")
    found = link_header.rsl_links([(0, value)], base)
    promise(all(url for _, url in found), "a licence without address")
    link_header.licences([(0, value)], base)


# --- pages


def ask_page(octets: bytes) -> None:
    sent, html = fields(octets, 2)
    for markup in (html, text(html)):
        _check_tags(page.extract(markup, headers=headers(sent)))


def ask_page_tags(octets: bytes) -> None:
    value = parsed_json(octets)
    try:
        tags = page.PageTags.from_json(value)
    except SignalError:
        return
    promise(tags.as_json() == value, "tags do not read back")
    _check_tags(tags, is_clean=False)


def ask_wat(octets: bytes) -> None:
    try:
        tags = wat.extract(octets)
    except SignalError:
        promise(not isinstance(parsed_json(octets), dict), "an object that is refused")
        return
    if tags is not None:
        _check_tags(tags)


def _check_tags(tags: page.PageTags, *, is_clean: bool = True) -> None:
    if is_clean:
        again = json.loads(json.dumps(tags.as_json(), ensure_ascii=False).encode())
        promise(page.PageTags.from_json(again) == tags, "tags do not read back")
    by_profile(lambda profile: page.of_page(tags, AGENT, profile, PAGE_URL), *page.CHANNELS)
    promise(all(page.rsl_links(tags, PAGE_URL)), "a licence without address")
    page.licences(tags, PAGE_URL)


# --- bytes of images


def ask_xmp(octets: bytes) -> None:
    found = xmp_packets.packets(octets)
    promise(len(found.packets) <= 16, f"{len(found.packets)} packets")
    may_allow = any(is_well_formed(xmp_statements.text_of(packet)) for packet in found.packets)
    by_profile(
        lambda profile: xmp.of_packets(found, profile, URLS[0]), Channel.XMP, may_allow=may_allow
    )
    origin = xmp.provenance(found)
    for value in (origin.digital_source_type or "", *(value for _, value in origin.rights)):
        promise(len(value.encode()) <= RAW_BYTES, f"provenance too long: {value:.80}")
    _check_embedded(embedded.EmbeddedFacts(sha256_hex(octets), found, None))


def ask_xmp_statements(octets: bytes) -> None:
    said = xmp_statements.read(octets)
    promise(said.broken or is_well_formed(xmp_statements.text_of(octets)), "no XML, and not broken")
    promise(len(said.rsl) <= xmp_statements.FRAGMENTS, "fragments")
    promise(len(said.rights) <= xmp_statements.RIGHTS, "rights")
    found = xmp_packets.Packets((octets,), (), "unknown")
    by_profile(
        lambda profile: xmp.of_packets(found, profile, URLS[0]),
        Channel.XMP,
        may_allow=not said.broken,
    )
    if any(said.data_mining) or said.broken:
        codes = {xmp.code_of(s.raw) for s in said.data_mining}
        denied = any(code.startswith(xmp.PROHIBITED) for code in codes)
        says = {s.say for s in xmp.of_packets(found, PROFILES["default"])}
        promise(not denied or Say.DENY in says, f"{codes}, and says {says}")


def ask_c2pa(octets: bytes) -> None:
    found = c2pa_manifest.read(octets)
    promise(found is None or c2pa_manifest.may_hold(octets), "a manifest that may not be there")
    sound = found is not None and found.state in c2pa_manifest.SOUND
    check(c2pa.of_facts(found), Channel.C2PA, may_allow=sound)
    if found is not None:
        again = c2pa_manifest.C2paFacts.from_json(json.loads(canonical_json(found.as_json())))
        promise(again == found, "facts do not read back")


def ask_embedded(octets: bytes) -> None:
    value = parsed_json(octets)
    if not isinstance(value, dict):
        return
    with contextlib.suppress(SignalError):
        c2pa_manifest.C2paFacts.from_json(value.get("c2pa"))
    try:
        facts = embedded.EmbeddedFacts.parse(value)
    except SchemaError:
        return
    _check_embedded(facts)


def _check_embedded(facts: embedded.EmbeddedFacts) -> None:
    for profile in PROFILES.values():
        said = embedded.of_facts(facts, profile, Purpose.TRAIN_GEN)
        promise({s.channel for s in said} == set(embedded.CHANNELS), "a channel without an answer")
        check(tuple(s for s in said if s.say is not Say.SILENT), *embedded.CHANNELS)
    try:
        document = facts.document()
    except SchemaError:  # lone surrogates, which JSON can escape
        return
    promise(embedded.EmbeddedFacts.parse(json.loads(document)) == facts, "facts do not read back")


# --- lists, and what was observed


def ask_declarations(octets: bytes) -> None:
    try:
        found = declarations.parse(octets)
    except SignalError:
        return
    named = [*found.urls, *(f"https://{host}/" for host in found.hosts)][:8]
    for url in (*URLS, *named):
        for sha256 in (None, *list(found.sha256s)[:2]):
            said = declarations.of_url(found, url, sha256, input_is_infer=True)
            check(said, Channel.DECLARATIONS)
            evidence = json.loads(declarations.document(found, url, sha256, AT))
            again = declarations.replay(evidence, input_is_infer=True)
            promise(
                [(s.purpose, s.say, s.note) for s in again]
                == [(s.purpose, s.say, s.note) for s in said],
                f"{said} replayed is {again}",
            )


def ask_url_lists(octets: bytes) -> None:
    found = url_lists.answers(URLS, 200, octets)
    promise(tuple(found) == URLS, f"answers about {list(found)}")
    for url, reply in found.items():
        check(url_lists.of_reply(reply), Channel.SPAWNING, may_allow=False)
        evidence = json.loads(url_lists.document("spawning", url, 200, reply, AT))
        promise(url_lists.replay(evidence) == reply, f"{reply} does not replay")
        if reply.say is Say.SILENT:
            entries = parsed_json(octets)["urls"]
            named = [e for e in entries if isinstance(e, dict) and _is_about(e.get("url"), url)]
            promise(named and all(e.get("optOut") is False for e in named), f"silent by {named}")


def _is_about(found: object, url: str) -> bool:
    if not isinstance(found, str):
        return False
    try:
        return url in (found, canonical_url(found))
    except UsageError:
        return False


def ask_answer(octets: bytes) -> None:
    value = parsed_json(octets)
    if not isinstance(value, dict):
        return
    try:
        answer = Answer.parse(value)
    except SchemaError:
        return
    try:
        document = answer.document(ANSWER)
    except SchemaError:  # lone surrogates, which JSON can escape
        return
    again = Answer.parse(json.loads(document))
    promise(again.document(ANSWER) == document, f"{again} was {answer}")


TARGETS: Mapping[str, Ask] = {
    name.removeprefix("ask_"): ask
    for name, ask in globals().copy().items()
    if name.startswith("ask_")
}
"""Targets by name."""
