"""robots.txt, read as RFC 9309 says and, where readings differ, as the stricter one says.

What a status stands for, and what the rules say about a path. The longest pattern wins, in
octets, and allow wins a tie. The file itself is taken apart in `robots_file`. Both readings of
percent-encoding are asked unless a profile wants the letter alone (`lenient` False).
Source: RFC 9309; Google's parser for the literal reading.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from optout.signals.patterns import Rule, RuleSet, decoded, literal, target
from optout.signals.remembered import remembered
from optout.signals.robots_file import (
    ALLOW,
    CRAWL_DELAY,
    DISALLOW,
    LIMIT_BYTES,
    USER_AGENT,
    Group,
    Record,
    Robots,
    parse,
)
from schemas.verdict import Say

__all__ = [
    "ALLOW",
    "CRAWL_DELAY",
    "DEFAULT_STATUS",
    "DISALLOW",
    "LIMIT_BYTES",
    "SAYS",
    "STATUS_POLICIES",
    "USER_AGENT",
    "Answer",
    "Body",
    "Group",
    "PathRules",
    "Readings",
    "Record",
    "Robots",
    "Rules",
    "Standing",
    "parse",
    "parsed",
    "readings",
    "rules_of",
    "standing",
    "target",
]


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

STATUS_POLICIES: Mapping[str, Mapping[int, Standing]] = MappingProxyType(
    {
        "refuses": DEFAULT_STATUS,
        # The letter. That endless redirects may be taken for absence is a MAY, and not taken.
        "allows": MappingProxyType(
            {2: Standing.READ, 3: Standing.ERROR, 4: Standing.NO_FILE, 5: Standing.ERROR}
        ),
    }
)
"""Status policies by name. Source: RFC 9309 section 2.3.1 for `allows`."""


def standing(http_status: int | None, policy: Mapping[int, Standing] = DEFAULT_STATUS) -> Standing:
    """Return what a status is taken for; None is a question that got no response."""
    if http_status is None:
        return Standing.ERROR
    return policy.get(http_status, policy.get(http_status // 100, Standing.ERROR))


class Readings(NamedTuple):
    """A path with its query in both readings of percent-encoding."""

    decoded: bytes
    literal: bytes
    is_robots: bool  # /robots.txt itself, which may always be asked


def readings(path: bytes) -> Readings:
    """Return both readings of a path, so that many rules are asked about it for one price."""
    is_robots = path.partition(b"?")[0] == b"/robots.txt"
    return Readings(decoded(path, is_pattern=False), literal(path), is_robots)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the rules say about one path: ALLOW or DENY with the rule's record, or SILENT.

    The record is None too where `/robots.txt` itself is allowed.
    """

    say: Say
    record: Record | None = None


_SILENT, _ALLOWED = Answer(Say.SILENT), Answer(Say.ALLOW)


class PathRules:
    """Records of two names, one that allows and one that disallows, matched against paths.

    lenient: ask both readings of percent-encoding, and mend patterns without a leading slash.
    """

    __slots__ = ("_decoded", "_lenient", "_literal")

    def __init__(
        self,
        records: Iterable[Record],
        *,
        lenient: bool = True,
        allow: str = ALLOW,
        disallow: str = DISALLOW,
    ) -> None:
        """Index the records of the two names; others are passed over."""
        rfc: list[Rule[Record]] = []
        as_is: list[Rule[Record]] = []
        differ = False
        for record in records:
            if record.name not in (allow, disallow):
                continue
            allows = record.name == allow
            pattern = _pattern(record.value, allow=allows, lenient=lenient)
            if pattern:
                one, other = decoded(pattern, is_pattern=True), literal(pattern)
                differ = differ or one != other
                rfc.append(Rule(one, allows, record))
                as_is.append(Rule(other, allows, record))
        self._lenient = lenient
        self._decoded = RuleSet(rfc)
        self._literal = RuleSet(as_is) if differ and lenient else self._decoded

    def answer(self, path: bytes) -> Answer:
        """Return what the rules say about a path with its query; DENY if either reading denies."""
        return self.at(readings(path))

    def at(self, path: Readings) -> Answer:
        """Return what `answer` does for a path whose readings are known."""
        if path.is_robots:
            return _ALLOWED
        rule = self._decoded.match(path.decoded)
        same = self._literal is self._decoded and path.decoded == path.literal
        if self._lenient and not same:
            other = self._literal.match(path.literal)
            if rule is None or (rule.allow and other is not None and not other.allow):
                rule = other
        if rule is None:
            return _SILENT
        return Answer(Say.ALLOW if rule.allow else Say.DENY, rule.source)


class Rules(PathRules):
    """The rules of one file for one agent."""

    __slots__ = ("crawl_delay_s", "records")

    def __init__(self, robots: Robots, agent: str, *, lenient: bool = True) -> None:
        """Index the records that hold for an agent.

        robots: as from `parse` with the same leniency, which there is about names of records.
        lenient: also take agent names that are no RFC token as they stand.
        """
        self.records = robots.records(agent, lenient=lenient) or ()
        self.crawl_delay_s = _crawl_delay_s(self.records)
        super().__init__(self.records, lenient=lenient)


def _pattern(value: bytes, *, allow: bool, lenient: bool) -> bytes:
    if not value or value[:1] in (b"/", b"*"):
        return value
    # Not in the grammar and ignored by other parsers. What it was meant to allow stays unallowed;
    # what it was meant to disallow (`private/`, `https://here/private/`) is disallowed.
    return target(value) if lenient and not allow else b""


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

    def __len__(self) -> int:
        """Return its size in bytes."""
        return len(self.octets)


@remembered
def parsed(body: Body, *, lenient: bool = True) -> Robots:
    """Return a file's groups; the last files are remembered."""
    return parse(body.octets, lenient=lenient)


@remembered
def rules_of(body: Body, agent: str, *, lenient: bool = True) -> Rules:
    """Return a file's rules for an agent, remembered like `parsed`."""
    return Rules(parsed(body, lenient=lenient), agent, lenient=lenient)
