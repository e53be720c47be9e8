"""The model of a robots.txt file: lines, records, groups, and which group speaks to whom.

Lines end in CR, LF or CRLF. `#` begins a comment. A group is one or more `user-agent` lines with
the records after them; only a rule (allow, disallow) makes the next `user-agent` line begin a new
group, whatever else stands between. All groups that name our token are one group; where none
does, those of `*` apply; a named group replaces `*` wholly. Every record stays in the model with
its line, known or not, so that other families read theirs (Content-Usage, Content-Signal,
License) from the same groups.
Source: RFC 9309; Google's parser for typos, missing colons and what splits a group.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

LIMIT_BYTES = 500 * 1024
"""What is read of a file at least and at most (RFC 9309 section 2.5)."""

USER_AGENT, ALLOW, DISALLOW, CRAWL_DELAY = "user-agent", "allow", "disallow", "crawl-delay"

RULES = frozenset({ALLOW, DISALLOW})
"""The records after which a `user-agent` line begins a new group (RFC 9309 section 2.2)."""

_LETTER: Mapping[bytes, str] = MappingProxyType(
    {name.encode(): name for name in (USER_AGENT, ALLOW, DISALLOW, CRAWL_DELAY)}
)
_ALIASES: Mapping[bytes, str] = MappingProxyType(
    {
        **_LETTER,
        b"useragent": USER_AGENT,
        b"user agent": USER_AGENT,
        b"dissallow": DISALLOW,
        b"dissalow": DISALLOW,
        b"disalow": DISALLOW,
        b"diasllow": DISALLOW,
        b"disallaw": DISALLOW,
        b"crawl delay": CRAWL_DELAY,
        b"crawldelay": CRAWL_DELAY,
    }
)
_TOKEN = re.compile(rb"[A-Za-z_-]*")
_MISSING_COLON_WORDS = 2


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


@dataclass(frozen=True)
class Robots:
    """A file taken apart: its groups in order, and the records that stand in none."""

    groups: tuple[Group, ...]
    loose: tuple[Record, ...]

    def named(self, agent: str, *, lenient: bool = True) -> tuple[Group, ...]:
        """Return the groups with a user-agent line for a product token, or for `*`; no fallback.

        Compared is the RFC token (letters, '-' and '_' up to the first other character) and, where
        lenient, also the value as it stands or up to a slash, for names that are no RFC token
        (img2dataset, `Kangaroo Bot`).
        """
        wanted = agent.lower().encode("utf-8", "replace")
        tokens, names = self._index
        found = set(tokens.get(wanted, ()))
        if lenient and agent != "*":
            found.update(names.get(wanted, ()))
        return tuple(self.groups[at] for at in sorted(found))

    def records(self, agent: str, *, lenient: bool = True) -> tuple[Record, ...] | None:
        """Return the records that hold for an agent, in order; None where no group does."""
        chosen = self.named(agent, lenient=lenient) or self.named("*")
        return records_of(chosen) if chosen else None

    def regrouped(self, ending: frozenset[str]) -> "Robots":
        """Return the file with groups as they are if records of the names `ending` end agents."""
        every = [*self.loose]
        for group in self.groups:
            every += [*group.agents, *group.records]
        return _grouped(sorted(every), ending)

    @cached_property
    def _index(self) -> tuple[dict[bytes, list[int]], dict[bytes, list[int]]]:
        # Built once: a file may name thousands of agents, and be asked about dozens of tokens.
        tokens: dict[bytes, list[int]] = {}
        names: dict[bytes, list[int]] = {}
        for at, group in enumerate(self.groups):
            for agent in group.agents:
                value = agent.value.lower()
                if value[:1] == b"*" and (len(value) == 1 or value[1:2].isspace()):
                    tokens.setdefault(b"*", []).append(at)
                    continue
                found = _TOKEN.match(value)
                if found and found[0]:
                    tokens.setdefault(found[0], []).append(at)
                for name in {value, value.partition(b"/")[0].rstrip()} - {b""}:
                    names.setdefault(name, []).append(at)
        return tokens, names


def records_of(groups: Iterable[Group]) -> tuple[Record, ...]:
    """Return the records of several groups as those of one (RFC 9309 section 2.2.1)."""
    return tuple(record for group in groups for record in group.records)


def parse(body: bytes, *, lenient: bool = True) -> Robots:
    """Return a file's groups. Any bytes are a robots.txt; what makes no sense says nothing.

    lenient: read typos of the known names, and a known name without its colon.
    """
    return _grouped(_records(_kept(body), lenient=lenient), RULES)


def _grouped(records: Iterable[Record], ending: frozenset[str]) -> Robots:
    groups: list[Group] = []
    loose: list[Record] = []
    open_for_agents = False
    for record in records:
        if record.name == USER_AGENT:
            if not open_for_agents:
                groups.append(Group())
            groups[-1].agents.append(record)
            open_for_agents = True
        elif groups:
            groups[-1].records.append(record)
            if record.name in ending:
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


def _records(body: bytes, *, lenient: bool) -> Iterable[Record]:
    known = _ALIASES if lenient else _LETTER
    for number, text in enumerate(body.splitlines(), 1):  # bytes split at CR, LF, CRLF only
        line = text.partition(b"#")[0].strip()
        if not line:
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip().lower()
        if name not in known:
            words = line.split() if lenient else []
            # `Disallow /x` is accepted, as Google does, but no sentence that begins like a rule.
            if len(words) == _MISSING_COLON_WORDS and (not colon or words[0].lower() in known):
                name, value = words[0].lower(), words[1]
            elif not colon:
                continue
        yield Record(
            number, known.get(name) or name.decode("utf-8", "replace"), value.strip(), text
        )
