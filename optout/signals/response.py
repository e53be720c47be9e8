"""What the headers of an image's own response say; they speak about what was sent.

Every header line is read by itself and in order. A licence that a Link header names is asked for
after the response; its word stands in `documents`.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from optout.signals import content_signal, content_usage, link_header, tdmrep, x_robots
from optout.signals.document import Documents, Wanted, licence
from optout.signals.origin_files import MAX_LICENCES, Reader, of_licence
from optout.signals.profiles import Profile
from optout.signals.rsl import unobtainable
from optout.signals.signal import Signal
from optout.signals.training_tokens import tokens_for
from schemas.verdict import Channel, Purpose, Say

Headers = Iterable[tuple[str, str]]

LINK, CONTENT_TYPE = "link", "content-type"
NAMES = frozenset(
    {
        CONTENT_TYPE,  # by which ai.txt may speak about an address without an extension
        x_robots.HEADER,
        "tdm-reservation",
        "tdm-policy",
        "content-usage",
        "content-signal",
        LINK,
    }
)
"""Lower-case names of the headers that bear signals: what header evidence consists of."""

SPEAKING = NAMES - {CONTENT_TYPE}
"""Those that can forbid or permit by themselves."""

CHANNELS = (
    Channel.X_ROBOTS,
    Channel.TDM_HEADER,
    Channel.CONTENT_USAGE,
    Channel.CONTENT_SIGNAL,
    Channel.LINK_LICENSE,
)


def bears_signal(name: str, value: str) -> bool:
    """Say whether a header line is kept as evidence; of Link only the lines about licences are."""
    lower = name.strip().lower()
    return lower in NAMES and (lower != LINK or "license" in value.lower())


def media_type(headers: Headers) -> str | None:
    """Return the Content-Type of a response as sent, None without one."""
    return next((v for n, v in headers if n.strip().lower() == CONTENT_TYPE), None)


def of_headers(
    headers: Headers, url: str, documents: Documents, reader: Reader
) -> tuple[Signal, ...]:
    """Return what the headers of a final response say, each channel that is read at least once.

    url: of the response. documents: with the licences that its Link headers name.
    The evidence is the caller's.
    """
    profile = reader.profile
    pairs = list(headers)
    lines = _lines(pairs)
    said: list[Signal] = []
    if lines:
        tokens = x_robots.deny_tokens(index_tokens=profile.index_tokens, noml=profile.noml)
        proxies = tokens_for(profile.robots_tokens)
        said = [
            *x_robots.read(pairs, reader.agent, tokens, proxies),
            *_rights(lines, url, documents, profile),
        ]
        said = [s for s in said if profile.reads(s.channel)]
    spoken = {s.channel for s in said}
    quiet = [
        _silence(channel, reader.silent)
        for channel in CHANNELS
        if channel not in spoken and profile.reads(channel)
    ]
    return (*said, *quiet)


def wanted(headers: Headers, url: str, documents: Documents, profile: Profile) -> list[Wanted]:
    """Return the licences that a response names and that were not asked for yet."""
    if not profile.reads(Channel.LINK_LICENSE):
        return []
    named = list(dict.fromkeys(at for _, at in _licences(_lines(headers), url)))[:MAX_LICENCES]
    return [one for one in map(licence, named) if one.key not in documents]


_PLACE = {
    Channel.X_ROBOTS: x_robots.HEADER,
    Channel.TDM_HEADER: "tdm-reservation",
    Channel.CONTENT_USAGE: "content-usage",
    Channel.CONTENT_SIGNAL: "content-signal",
    Channel.LINK_LICENSE: LINK,
}
_Line = tuple[int, str, str]


@cache
def _silence(channel: Channel, purpose: Purpose) -> Signal:
    return Signal(channel, purpose, Say.SILENT, place=_PLACE[channel])


def _lines(headers: Headers) -> list[_Line]:
    """Return index, lower-case name and value of the lines that bear signals."""
    found = []
    for index, (name, value) in enumerate(headers):
        lower = name.strip().lower()
        if lower in NAMES:
            found.append((index, lower, value))
    return found


def _of(lines: Sequence[_Line], name: str) -> list[tuple[int, str]]:
    return [(index, value) for index, own, value in lines if own == name]


def _licences(lines: Sequence[_Line], url: str) -> tuple[tuple[int, str], ...]:
    return link_header.rsl_links(_of(lines, LINK), url)


def _rights(
    lines: Sequence[_Line], url: str, documents: Documents, profile: Profile
) -> list[Signal]:
    said: list[Signal] = []
    tdm = [line for line in lines if line[1].startswith("tdm-")]
    if tdm:
        said += tdmrep.of_header(tdm, profile)
    if usage := _of(lines, "content-usage"):
        said += content_usage.read_header(usage, profile)
    if signals := _of(lines, "content-signal"):
        said += content_signal.read_header(signals, profile)
    licences = _licences(lines, url)
    if len(licences) > MAX_LICENCES:
        said += unobtainable(Channel.LINK_LICENSE, f"{len(licences)} licences")
    else:
        for index, at in licences:
            said += [
                Signal(
                    s.channel, s.purpose, s.say, s.raw, index, s.place or LINK, s.evidence, s.note
                )
                for s in of_licence(at, url, documents, profile, Channel.LINK_LICENSE)
            ]
    return said
