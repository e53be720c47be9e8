"""robots.txt, read as RFC 9309 says and, where readings differ, as the stricter one says.

Lines end in CR, LF or CRLF. `#` begins a comment. A group is one or more `user-agent` lines with
the records after them; only a rule (allow, disallow) makes the next `user-agent` line begin a new
group, whatever else stands between. All groups that name our token are one group; where none
does, those of `*` apply; a named group replaces `*` wholly. The longest pattern wins, in octets,
and allow wins a tie. Every record stays in the model with its line, known or not, so that other
families read theirs (Content-Usage, Content-Signal, License) from the same groups.
Source: RFC 9309; Google's parser for typos, missing colons and what splits a group.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from optout.signals.patterns import Rule, RuleSet, decoded, literal, target
from schemas.verdict import Say

__all__ = [
    "Answer",
    "Body",
    "Robots",
    "Rules",
    "Standing",
    "parse",
    "rules_of",
    "standing",
    "target",
]

LIMIT_BYTES = 500 * 1024
"""What is read of a file at least and at most (RFC 9309 section 2.5)."""

USER_AGENT, ALLOW, DISALLOW, CRAWL_DELAY = "user-agent", "allow", "disallow", "crawl-delay"

_ALIASES: Mapping[bytes, str] = MappingProxyType(
    {
        b"user-agent": USER_AGENT,
        b"useragent": USER_AGENT,
        b"user agent": USER_AGENT,
        b"allow": ALLOW,
        b"disallow": DISALLOW,
        b"dissallow": DISALLOW,
        b"dissalow": DISALLOW,
        b"disalow": DISALLOW,
        b"diasllow": DISALLOW,
        b"disallaw": DISALLOW,
        b"crawl-delay": CRAWL_DELAY,
        b"crawl delay": CRAWL_DELAY,
        b"crawldelay": CRAWL_DELAY,
    }
)
_TOKEN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_")
_MISSING_COLON_WORDS = 2


class Standing(StrEnum):
    """What the answer to the question for robots.txt is taken for."""

    READ = "read"
    NO_FILE = "no file"
    REFUSED = "refused"  # the site does not let us see its rules: nothing is asked of it
    ERROR = "error"  # nobody knows what the rules are: held


SAYS: Mapping[Standing, Say] = MappingProxyType(
    {Standing.NO_FILE: Say.SILENT, Standing.REFUSED: Say.DENY, Standing.ERROR: Say.ERROR}
)

DEFAULT_STATUS: Mapping[int, Standing] = MappingProxyType(
    {
        2: Standing.READ,
        3: Standing.ERROR,  # more redirects than are followed, or one that leads nowhere
        4: Standing.REFUSED,
        5: Standing.ERROR,
        404: Standing.NO_FILE,
        410: Standing.NO_FILE,
        408: Standing.ERROR,  # the three of class 4 that ask for patience, not for absence
        425: Standing.ERROR,
        429: Standing.ERROR,
    }
)
"""Status, or class of status, to standing: stricter than RFC 9309, by which any 4xx allows all."""


def standing(http_status: int | None, policy: Mapping[int, Standing] = DEFAULT_STATUS) -> Standing:
    """Return what a status is taken for; None is a question that got no response."""
    if http_status is None:
        return Standing.ERROR
    return policy.get(http_status, policy.get(http_status // 100, Standing.ERROR))


class Record(NamedTuple):
    """One `name: value` line."""

    line: int  # from 1
    name: str  # lower case, aliases and typos resolved
    value: bytes  # without comment and surrounding space
    text: bytes  # the line as found


@dataclass(slots=True)
class Group:
    """Agents and the records that follow them."""

    agents: list[Record] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def names(self, agent: str) -> bool:
        """Say whether a user-agent line of the group names a product token, or `*` for `*`.

        Compared are the RFC token (letters, '-' and '_' up to the first other character) and the
        value as it stands, for names that are no RFC token (img2dataset).
        """
        return any(_is_named(record.value, agent) for record in self.agents)


@dataclass(frozen=True, slots=True)
class Robots:
    """A file taken apart: its groups in order, and the records that stand in none."""

    groups: tuple[Group, ...]
    loose: tuple[Record, ...]

    def records(self, agent: str) -> tuple[Record, ...] | None:
        """Return the records that hold for an agent, in order; None where no group does."""
        own = [g for g in self.groups if g.names(agent)]
        chosen = own or [g for g in self.groups if g.names("*")]
        if not chosen:
            return None
        return tuple(record for group in chosen for record in group.records)


def parse(body: bytes) -> Robots:
    """Return a file's groups. Any bytes are a robots.txt; what makes no sense says nothing."""
    groups: list[Group] = []
    loose: list[Record] = []
    open_for_agents = False
    for record in _records(_kept(body)):
        if record.name == USER_AGENT:
            if not open_for_agents:
                groups.append(Group())
            groups[-1].agents.append(record)
            open_for_agents = True
        elif groups:
            groups[-1].records.append(record)
            if record.name in (ALLOW, DISALLOW):
                open_for_agents = False
        else:
            loose.append(record)
    return Robots(tuple(groups), tuple(loose))


def _kept(body: bytes) -> bytes:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") and b"\0" in body[:64]:  # as some editors save
        body = body[: 2 * LIMIT_BYTES].decode("utf-16", "replace").encode("utf-8", "replace")
    body = body.removeprefix(b"\xef\xbb\xbf")
    if len(body) <= LIMIT_BYTES:
        return body
    if body[LIMIT_BYTES : LIMIT_BYTES + 1] in b"\r\n":
        return body[:LIMIT_BYTES]
    # The last line is cut: `Allow: /pub` could have become `Allow: /`.
    end = max(body.rfind(b"\n", 0, LIMIT_BYTES), body.rfind(b"\r", 0, LIMIT_BYTES))
    return body[: end + 1]


def _records(body: bytes) -> Iterable[Record]:
    for number, text in enumerate(body.splitlines(), 1):  # bytes split at CR, LF, CRLF only
        line = text.partition(b"#")[0].strip()
        if not line:
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip().lower()
        if name not in _ALIASES:
            words = line.split()
            # `Disallow /x` is accepted, as Google does, but no sentence that begins like a rule.
            if len(words) == _MISSING_COLON_WORDS and (not colon or words[0].lower() in _ALIASES):
                name, value = words[0].lower(), words[1]
            elif not colon:
                continue
        known = _ALIASES.get(name) or name.decode("utf-8", "replace")
        yield Record(number, known, value.strip(), text)


def _is_named(value: bytes, agent: str) -> bool:
    if agent == "*":
        return value[:1] == b"*" and (len(value) == 1 or value[1:2].isspace())
    wanted = agent.lower().encode("utf-8", "replace")
    if value.lower() == wanted:
        return True
    end = next((i for i, octet in enumerate(value) if octet not in _TOKEN), len(value))
    return value[:end].lower() == wanted


@dataclass(frozen=True, slots=True)
class Answer:
    """What the rules say about one path: ALLOW or DENY with the rule's record, or SILENT.

    The record is None too where `/robots.txt` itself is allowed.
    """

    say: Say
    record: Record | None = None


class Rules:
    """The rules of one file for one agent, in both readings of percent-encoding."""

    __slots__ = ("_decoded", "_literal", "crawl_delay_s", "records")

    def __init__(self, robots: Robots, agent: str) -> None:
        """Index the records that hold for an agent."""
        self.records = robots.records(agent) or ()
        self.crawl_delay_s = _crawl_delay_s(self.records)
        rfc: list[Rule[Record]] = []
        as_is: list[Rule[Record]] = []
        differ = False
        for record in self.records:
            if record.name not in (ALLOW, DISALLOW):
                continue
            allow = record.name == ALLOW
            pattern = _pattern(record.value, allow=allow)
            if pattern:
                one, other = decoded(pattern, is_pattern=True), literal(pattern)
                differ = differ or one != other
                rfc.append(Rule(one, allow, record))
                as_is.append(Rule(other, allow, record))
        self._decoded = RuleSet(rfc)
        self._literal = RuleSet(as_is) if differ else self._decoded

    def answer(self, path: bytes) -> Answer:
        """Return what the rules say about a path with its query; DENY if either reading denies."""
        if path.partition(b"?")[0] == b"/robots.txt":
            return Answer(Say.ALLOW)
        as_decoded, as_is = decoded(path, is_pattern=False), literal(path)
        rule = self._decoded.match(as_decoded)
        if self._literal is not self._decoded or as_decoded != as_is:
            other = self._literal.match(as_is)
            if rule is None or (rule.allow and other is not None and not other.allow):
                rule = other
        if rule is None:
            return Answer(Say.SILENT)
        return Answer(Say.ALLOW if rule.allow else Say.DENY, rule.source)


def _pattern(value: bytes, *, allow: bool) -> bytes:
    if not value or value[:1] in (b"/", b"*"):
        return value
    # Not in the grammar and ignored by other parsers. What it was meant to allow stays unallowed;
    # what it was meant to disallow (`private/`, `https://here/private/`) is disallowed.
    return b"" if allow else target(value)


def _crawl_delay_s(records: Iterable[Record]) -> float | None:
    delays = [_seconds(record.value) for record in records if record.name == CRAWL_DELAY]
    return max((delay for delay in delays if delay is not None), default=None)


def _seconds(value: bytes) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


@dataclass(frozen=True, slots=True)
class Body:
    """A file's bytes, equal and hashed by digest, so that a cache need not compare bytes."""

    sha256: str
    octets: bytes = field(compare=False, repr=False)


@lru_cache(maxsize=512)
def parsed(body: Body) -> Robots:
    """Return a file's groups; the last 512 files are remembered, nothing else depends on it."""
    return parse(body.octets)


@lru_cache(maxsize=512)
def rules_of(body: Body, agent: str) -> Rules:
    """Return a file's rules for an agent, remembered like `parsed`."""
    return Rules(parsed(body), agent)
