"""Everything that a build asks of signals, behind one frozen policy.

    documents    wanted_documents() says what to ask next, of_documents() reads it
    headers      wanted_licences(), of_headers()
    page         of_page()
    bytes        read_bytes() takes out what is embedded, of_embedded() reads it
    lists        of_listed()

Each answers for every one of its channels that the profile reads, SILENT included: what is not in
the answer was not read. Facts in, signals out: no clock, no store, no network, so that the
fetcher's gates (may_ask, may_read), the judge and an auditor's replay come to the same end from
the same facts. Who adds a family fills these hooks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optout.signals import (
    declarations,
    embedded,
    origin_files,
    page,
    response,
    tdmrep,
    url_lists,
)
from optout.signals.combine import binding, combine, strictest, verdict
from optout.signals.document import Documents, Kind, Wanted, licence
from optout.signals.embedded import EmbeddedFacts
from optout.signals.page_tags import PageTags
from optout.signals.profiles import PROFILES, Mode, Profile, Tokens
from optout.signals.response import Headers
from optout.signals.signal import Signal
from schemas.config import BuildConfig
from schemas.errors import SignalError
from schemas.verdict import Channel, Family, Purpose, Say, Verdict


def list_channel(answer: Mapping[str, Any]) -> Channel:
    """Return the channel of a list's answer. Raises SignalError for any other JSON value."""
    name = answer.get("list")
    if name not in (Channel.SPAWNING, Channel.DECLARATIONS):
        raise SignalError(f"expected evidence of a list's answer, found {answer!r:.200}")
    return Channel(name)


@dataclass(frozen=True, slots=True)
class SignalPolicy:
    """Who we are, what the build is for, how signals are read, and what may be unread."""

    agent: str  # product token
    purpose: Purpose = Purpose.TRAIN_GEN
    profile: Profile = field(default_factory=lambda: PROFILES["default"])
    accept_unchecked: frozenset[Family] = frozenset()
    lists: frozenset[Channel] = frozenset()  # lists of others that are asked

    @classmethod
    def from_config(cls, config: BuildConfig) -> "SignalPolicy":
        """Return the policy that a build's config asks for."""
        signals = config.signals
        profile = PROFILES[signals.profile]
        if signals.robots_tokens:
            profile = replace(profile, robots_tokens=Tokens(signals.robots_tokens))
        if signals.index_tokens is not None:
            profile = replace(profile, index_tokens=signals.index_tokens)
        if signals.rsl_attribution is not None:
            profile = replace(profile, rsl_attribution=signals.rsl_attribution)
        return cls(
            agent=config.fetch.agent,
            purpose=signals.purpose,
            profile=profile,
            accept_unchecked=frozenset(signals.accept_unchecked),
            lists=frozenset(
                channel
                for channel, named in (
                    (Channel.SPAWNING, config.lists.spawning_url),
                    (Channel.DECLARATIONS, config.lists.declarations),
                )
                if named
            ),
        )

    @property
    def _reader(self) -> origin_files.Reader:
        return origin_files.Reader(self.agent, self.profile, self.purpose)

    # --- documents

    def wanted_documents(self, origin: str, url: str, known: Documents) -> Sequence[Wanted]:
        """Return the documents to ask for next before an address may be asked; empty at the end.

        origin: scheme://host[:port] of url. known: what has been asked so far, by key.
        """
        return origin_files.wanted(origin, url, known, self._reader)

    def of_documents(
        self, url: str, documents: Documents, headers: Headers = ()
    ) -> tuple[Signal, ...]:
        """Return what the documents that were asked for an address say about it.

        headers: of its response, where there is one; ai.txt speaks about types of media too.
        One document that is missing is an ERROR: it was to be read and was not.
        """
        asked = origin_files.Asked(url, response.media_type(headers))
        return origin_files.of_documents(asked, documents, self._reader)

    def may_ask(self, url: str, documents: Documents) -> bool:
        """Say whether a URL may be asked: no document forbids it, and none is unreadable.

        What a response header may lift (tdm-reservation, where the profile says so) does not keep
        the header from being read.
        """
        said = self.of_documents(url, documents)
        if self.profile.tdm_header_lifts:
            said = tuple(
                s for s in said if s.channel is not Channel.TDMREP or s.say is not Say.DENY
            )
        return self.verdict(said) is Verdict.KEEP

    def crawl_delay_s(self, documents: Documents) -> float | None:
        """Return the seconds between requests that an origin asks for, None where it does not."""
        return origin_files.crawl_delay_s(documents.get(Kind.ROBOTS), self._reader)

    # --- response headers

    def wanted_licences(self, url: str, headers: Headers, known: Documents) -> Sequence[Wanted]:
        """Return the licences that a response names and that were not asked for yet."""
        return response.wanted(headers, url, known, self.profile)

    def of_headers(self, url: str, headers: Headers, documents: Documents) -> tuple[Signal, ...]:
        """Return what the headers of a final response say; their evidence is the caller's."""
        return response.of_headers(headers, url, documents, self._reader)

    def may_read(self, url: str, headers: Headers, documents: Documents) -> bool:
        """Say whether the body of an address that may be asked may be read, by headers, documents.

        A header that cannot be read does not stop the body: the row is held, and held rows keep
        their bytes so that a decision needs no second request. A licence that a header names is
        asked for after the body, and is no reason to wait here.
        """
        pairs = list(headers)
        if not self._may_speak(pairs, documents):
            return True
        said = [
            s
            for s in self.of_headers(url, pairs, documents)
            if s.channel is not Channel.LINK_LICENSE or s.evidence is not None
        ]
        held = self.in_force(self.of_documents(url, documents, pairs), said)
        return self.verdict([*held, *said]) is not Verdict.DROP

    def _may_speak(self, headers: Sequence[tuple[str, str]], documents: Documents) -> bool:
        """Say whether anything can forbid a body that may be asked: most responses say nothing.

        Of the documents only those that a header can change, and that are there, speak again.
        """
        there = (documents.get(kind) for kind in (Kind.TDMREP, Kind.AI))
        return any(document is not None and document.body for document in there) or any(
            name.strip().lower() in response.SPEAKING for name, _ in headers
        )

    def in_force(
        self, documents: Sequence[Signal], headers: Sequence[Signal]
    ) -> tuple[Signal, ...]:
        """Return what the documents of a final address still say, now that its headers are known.

        Source: TDMRep, section on precedence: a header supersedes the file.
        """
        files = tuple(s for s in documents if s.channel is Channel.TDMREP)
        spoken = tuple(s for s in headers if s.channel is Channel.TDM_HEADER)
        if not files or all(s.say is Say.SILENT for s in spoken):
            return tuple(documents)
        standing = tdmrep.in_force(files, spoken, self.profile)
        if not standing:  # the file was read, and the header speaks in its place
            first = files[0]
            standing = (
                replace(
                    first, purpose=self.purpose, say=Say.SILENT, raw="", line=None,
                    note="superseded",
                ),
            )  # fmt: skip
        return (*(s for s in documents if s.channel is not Channel.TDMREP), *standing)

    # --- the page around the image

    def of_page(self, url: str, tags: PageTags | None, documents: Documents) -> tuple[Signal, ...]:
        """Return what a page says; one that could not be read is an ERROR in every channel.

        url: of the page. documents: with the licences that it links to.
        """
        channels = [c for c in page.CHANNELS if self.profile.reads(c)]
        if tags is None:
            return tuple(Signal(c, Purpose.TRAIN_GEN, Say.ERROR, place=url) for c in channels)
        said = [*page.of_page(tags, self.agent, self.profile, url)]
        for at in page.rsl_links(tags, url):
            said += origin_files.of_licence(at, url, documents, self.profile, Channel.PAGE_LICENSE)
        said = [s for s in said if self.profile.reads(s.channel)]
        spoken = {s.channel for s in said}
        quiet = [Signal(c, self.purpose, Say.SILENT) for c in channels if c not in spoken]
        return tuple(s if s.place else replace(s, place=url) for s in (*said, *quiet))

    def wanted_page_licences(self, url: str, tags: PageTags, known: Documents) -> Sequence[Wanted]:
        """Return the licences that a page links to and that were not asked for yet."""
        if not self.profile.reads(Channel.PAGE_LICENSE):
            return ()
        named = dict.fromkeys(page.rsl_links(tags, url))
        wanted = [licence(at) for at in list(named)[: origin_files.MAX_LICENCES]]
        return [one for one in wanted if one.key not in known]

    # --- the bytes

    def read_bytes(self, body: bytes) -> EmbeddedFacts:
        """Return what is embedded in an image's bytes, of the channels that the profile reads."""
        return embedded.read(body, self.profile)

    def of_embedded(self, facts: EmbeddedFacts) -> tuple[Signal, ...]:
        """Return what is embedded says; its evidence is the caller's."""
        return embedded.of_facts(facts, self.profile, self.purpose)

    # --- lists of others

    def of_listed(self, answer: Mapping[str, Any]) -> tuple[Signal, ...]:
        """Return what a list of others says about an address, from the evidence of its answer.

        Raises SignalError for JSON that is no such evidence.
        """
        channel = list_channel(answer)
        if not self.profile.reads(channel):
            return ()
        if channel is Channel.SPAWNING:
            said = url_lists.of_reply(url_lists.replay(answer), channel)
        else:
            input_is_infer = self.profile.signal_input_is_infer
            said = declarations.replay(answer, input_is_infer=input_is_infer)
        said = said or (Signal(channel, self.purpose, Say.SILENT),)
        return tuple(replace(s, place=str(channel)) for s in said)

    # --- what follows

    def verdict(self, signals: Iterable[Signal]) -> Verdict:
        """Return what the signals make of a row of this build.

        An unreadable channel holds the row whatever purpose it was read for; where the profile
        ignores the channel's errors it says nothing.
        """
        said = list(signals)
        if not any(s.say is Say.DENY or s.say is Say.ERROR for s in said):
            return Verdict.KEEP  # the common case, at once
        says = combine(s for s in said if s.say is not Say.ERROR)
        if any(s.say is Say.ERROR and self.binds(s) for s in said):
            says[self.purpose] = strictest((says[self.purpose], Say.ERROR))
        return verdict(says, self.purpose)

    def binds(self, signal: Signal) -> bool:
        """Say whether a signal can keep a row out of this build."""
        if signal.say is Say.ERROR:
            return self.profile.channels[signal.channel] is Mode.HOLD
        return signal.purpose in binding(self.purpose)
