"""ai.txt as Spawning's generator writes it: which kinds of media may train models.

It borrows robots.txt's lines, groups and longest match, and differs in four things. Any agent
that begins with `*` is everybody, since the generator writes `User-agent: */`. Extensions have no
case. Queries are not looked at. And what matters is the kind of the media: where a URL does not
end in an extension, or in another one than it is served as, it is judged by the served type too.
At least three other formats go by the same name: without a user-agent line and a rule below it a
file says nothing, and neither does a page of HTML sent in its place.
Source: the generator (no specification exists); facts section 5.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from optout.signals.patterns import Rule, RuleSet, decoded, literal, target
from optout.signals.profiles import Profile
from optout.signals.remembered import remembered
from optout.signals.robots import ALLOW, DISALLOW, Group, Record, parse
from optout.signals.signal import Signal, excerpt
from schemas.verdict import Channel, Purpose, Say

PURPOSES = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC)
"""What a rule speaks about: the file is for who downloads media to train models."""

EXTENSIONS: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "image/avif": (b".avif",),
        "image/bmp": (b".bmp",),
        "image/gif": (b".gif",),
        "image/heic": (b".heic", b".heif"),
        "image/heif": (b".heif", b".heic"),
        "image/jp2": (b".jp2",),
        "image/jpeg": (b".jpg", b".jpeg"),
        "image/jpg": (b".jpg", b".jpeg"),  # not registered, but served
        "image/jxl": (b".jxl",),
        "image/png": (b".png",),
        "image/svg+xml": (b".svg",),
        "image/tiff": (b".tif", b".tiff"),
        "image/vnd.adobe.photoshop": (b".psd",),
        "image/vnd.microsoft.icon": (b".ico",),
        "image/webp": (b".webp",),
        "image/x-icon": (b".ico",),
    }
)
"""Media types and the extensions by which a file may name them."""

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_BLANK = b" \t\r\n\x0b\x0c"
_EXTENSION = re.compile(rb"\.[A-Za-z0-9]+[*$]*\Z")


class _Found(NamedTuple):
    """A rule, and whether it matched by the served type alone."""

    rule: Rule[Record]
    by_type: bool

    @property
    def rank(self) -> tuple[int, bool]:
        """The longest wins; of equally long ones, by different names, one that disallows."""
        return len(self.rule.pattern), not self.rule.allow


class _Reading:
    """Rules in one reading of percent-encoding: as they stand, and with extensions lowered."""

    __slots__ = ("_exact", "_folded")

    def __init__(self, rules: Iterable[Rule[Record]]) -> None:
        exact = tuple(rules)
        folded = tuple(rule._replace(pattern=_folded(rule.pattern)) for rule in exact)
        self._exact = RuleSet(exact)
        self._folded = RuleSet(folded) if folded != exact else self._exact

    def match(self, path: bytes, added: tuple[bytes, ...]) -> _Found | None:
        """Return the rule that decides about a path, which goes by its own name and others.

        added: extensions that are put behind the path to make the others; empty for none.
        """
        names = {(self._exact, path): False, (self._folded, _folded(path)): False}
        names |= {(self._folded, path + extension): True for extension in added}
        best: _Found | None = None
        for (rules, name), by_type in names.items():
            rule = rules.match(name)
            if rule is not None and (best is None or _Found(rule, by_type).rank > best.rank):
                best = _Found(rule, by_type)
        return best


class _Rules:
    """The rules of some groups, in both readings of percent-encoding."""

    __slots__ = ("_decoded", "_literal")

    def __init__(self, groups: Iterable[Group]) -> None:
        rfc: list[Rule[Record]] = []
        as_is: list[Rule[Record]] = []
        for record in (record for group in groups for record in group.records):
            pattern = _pattern(record)
            if pattern:
                allow = record.name == ALLOW
                rfc.append(Rule(decoded(pattern, is_pattern=True), allow, record))
                as_is.append(Rule(literal(pattern), allow, record))
        self._decoded = _Reading(rfc)
        self._literal = _Reading(as_is) if as_is != rfc else self._decoded

    def matches(self, path: bytes, added: tuple[bytes, ...]) -> list[_Found]:
        """Return what decides about a path, in each reading in which anything does."""
        readings = {
            (self._decoded, decoded(path, is_pattern=False)): None,
            (self._literal, literal(path)): None,
        }
        both = (reading.match(name, added) for reading, name in readings)
        return [found for found in both if found is not None]


def of_file(  # noqa: PLR0917 - two documents, each with its type, and who reads them how
    body: bytes,
    path: bytes,
    content_type: str | None,
    media_type: str | None,
    profile: Profile,
    agent: str,
) -> tuple[Signal, ...]:
    """Return what an ai.txt says about a path: DENY or ALLOW of training, or nothing.

    path: octets as from `patterns.target`. content_type: of the ai.txt. media_type: of the media,
    as served; None where that is not known yet, and then what has no extension is not allowed.
    agent: our product token; a group that names it replaces those of everybody, except where the
    profile has `robots_star_too`. DENY if any reading denies.
    """
    if is_page(body, content_type):
        return ()
    plain = path.partition(b"?")[0]
    added = EXTENSIONS.get((media_type or "").partition(";")[0].strip().lower(), ())
    named = _EXTENSION.search(plain)
    ways: tuple[tuple[bytes, ...], ...] = (added,)
    if named and added and named[0].lower() not in added:
        ways = ((), added)  # its name and its type disagree: the stricter counts
    found = [
        one
        for rules in _rules(body, agent, star_too=profile.robots_star_too)
        for way in ways
        for one in rules.matches(plain, way)
    ]
    denies = [one for one in found if not one.rule.allow]
    if not found or not (denies or named or added):
        return ()
    counts = (denies or found)[0]
    say = Say.DENY if denies else Say.ALLOW
    record = counts.rule.source
    note = "served type" if counts.by_type else ""
    raw = excerpt(record.text.strip())
    return tuple(
        Signal(Channel.AI_TXT, purpose, say, raw, record.line, "", None, note)
        for purpose in PURPOSES
    )


def is_page(body: bytes, content_type: str | None) -> bool:
    """Say whether what came for a text file is a page of HTML, as sites send that lack the file."""
    declared = (content_type or "").partition(";")[0].strip().lower()
    return declared in _HTML or body.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)[:1] == b"<"


@remembered
def _rules(body: bytes, agent: str, *, star_too: bool) -> tuple[_Rules, ...]:
    """Return the sets of rules that bind an agent, none where the file is none of this kind."""
    groups = parse(body).groups
    own = [g for g in groups if any(_names(r.value, agent) for r in g.agents)]
    everybody = [g for g in groups if any(r.value.startswith(b"*") for r in g.agents)]
    chosen = [own, everybody] if star_too else [own or everybody]
    return tuple(_Rules(groups) for groups in chosen if groups)


def _names(value: bytes, agent: str) -> bool:
    own = agent.lower().encode("utf-8", "replace")
    return value.partition(b"/")[0].strip().lower() == own or value.lower() == own


def _pattern(record: Record) -> bytes:
    """Return a rule's pattern; empty for what is no rule, or matches nothing."""
    if record.name not in (ALLOW, DISALLOW):
        return b""
    pattern, query, _ = record.value.partition(b"?")
    if record.name == ALLOW and query:
        return b""  # permits some queries only, and queries are not looked at
    if not pattern or pattern[:1] in (b"/", b"*"):
        return pattern
    # `.jpg`, `images/` or a whole URL: no pattern of the generator's. It may deny, never permit.
    if record.name == ALLOW:
        return b""
    return target(pattern) if b"://" in pattern else b"*" + pattern


def _folded(octets: bytes) -> bytes:
    """Return octets with the extension that they end in, if any, in lower case."""
    match = _EXTENSION.search(octets)
    return octets[: match.start()] + match[0].lower() if match else octets
