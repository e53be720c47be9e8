"""Path patterns with `*` and `$`, matched in octets, in time linear in the path for each pattern.

Used by robots.txt and by every family that borrows its patterns. Nothing here backtracks: a
pattern is a row of literals that are searched one after another, leftmost first, which for `*`
is as good as any other placement.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Runs as a whole: a hostile file of half a megabyte may have no other octets.
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}|[\x00-\x20\x7f-\xff]+")


def target(url: str | bytes) -> bytes:
    """Return path and query of an absolute URL as octets, `/` where it has none; no fragment."""
    octets = url.encode("utf-8", "surrogatepass") if isinstance(url, str) else url
    rest = octets.partition(b"#")[0]
    _, scheme, after = rest.partition(b"://")
    if scheme:
        starts = [i for i in (after.find(b"/"), after.find(b"?")) if i >= 0]
        rest = after[min(starts) :] if starts else b""
    return rest if rest.startswith(b"/") else b"/" + rest


def literal(octets: bytes) -> bytes:
    """Return the literal reading: bytes outside ASCII escaped, escapes upper case, none decoded.

    Source: Google's parser, whose test ID_Encoding asserts that `/%62%61%7A` is not `/baz`.
    """
    return _ESCAPE.sub(_escaped, octets)


def decoded(octets: bytes, *, is_pattern: bool) -> bytes:
    """Return the RFC reading: escapes of unreserved characters decoded, all else escaped.

    `*` and `$` that stand for themselves are escaped, so that `%2A` in a pattern equals `*` in a
    path. Source: RFC 9309 sections 2.2.2 and 2.2.3.
    """
    octets = _ESCAPE.sub(_unescaped, octets)
    if not is_pattern:
        return octets.replace(b"*", b"%2A").replace(b"$", b"%24")
    if b"$" not in octets[:-1]:
        return octets
    return octets[:-1].replace(b"$", b"%24") + octets[-1:]


def _escaped(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if found.startswith(b"%"):
        return found.upper()
    return b"%" + found.hex("%").upper().encode()


def _unescaped(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if not found.startswith(b"%"):
        return _escaped(match)
    octet = int(found[1:], 16)
    return bytes((octet,)) if octet in _UNRESERVED else found.upper()


@dataclass(frozen=True, slots=True)
class Wild:
    """A pattern with a wildcard or an end anchor, taken apart once."""

    head: bytes
    middle: tuple[bytes, ...]
    tail: bytes | None  # None where the pattern has no `*`
    anchored: bool

    @classmethod
    def of(cls, pattern: bytes) -> "Wild":
        """Take a pattern apart. Runs of `*` count as one."""
        anchored = pattern.endswith(b"$")
        parts = (pattern[:-1] if anchored else pattern).split(b"*")
        if len(parts) == 1:
            return cls(parts[0], (), None, anchored)
        return cls(parts[0], tuple(p for p in parts[1:-1] if p), parts[-1], anchored)

    def matches(self, path: bytes) -> bool:
        """Say whether the pattern matches a path."""
        if not path.startswith(self.head):
            return False
        at = len(self.head)
        if self.tail is None:
            return not self.anchored or at == len(path)
        for part in self.middle:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        if self.anchored:
            return len(path) - len(self.tail) >= at and path.endswith(self.tail)
        return path.find(self.tail, at) >= 0


class Rule(NamedTuple, Generic[T]):
    """A pattern, whether it allows, and the line it came from."""

    pattern: bytes
    allow: bool
    source: T

    @property
    def rank(self) -> tuple[int, bool]:
        """The longest pattern wins; of equally long ones one that allows."""
        return len(self.pattern), self.allow


class RuleSet(Generic[T]):
    """Rules of one reading, indexed: plain prefixes by their octets, the rest by length."""

    __slots__ = ("_lengths", "_plain", "_wild")

    def __init__(self, rules: Iterable[Rule[T]]) -> None:
        """Index rules; the first of equally ranked ones is the one that is reported."""
        plain: dict[bytes, Rule[T]] = {}
        wild: dict[bytes, Rule[T]] = {}
        for rule in rules:
            special = b"*" in rule.pattern or rule.pattern.endswith(b"$")
            index = wild if special else plain
            known = index.setdefault(rule.pattern, rule)
            if rule.allow > known.allow:
                index[rule.pattern] = rule
        self._plain = plain
        self._lengths = sorted({len(p) for p in plain}, reverse=True)
        ordered = sorted(wild.values(), key=lambda rule: rule.rank, reverse=True)
        self._wild = [(rule.rank, Wild.of(rule.pattern), rule) for rule in ordered]

    def match(self, path: bytes) -> Rule[T] | None:
        """Return the rule that decides about a path, None where none matches."""
        best: Rule[T] | None = None
        for length in self._lengths:
            if length <= len(path):
                best = self._plain.get(path[:length])
                if best is not None:
                    break
        rank = best.rank if best is not None else (-1, False)
        for wild_rank, wild, rule in self._wild:
            if wild_rank <= rank:
                break
            if wild.matches(path):
                return rule
        return best
