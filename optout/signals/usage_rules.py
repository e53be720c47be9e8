"""Content-Usage rules of one group of robots.txt: preferences that hold below a path.

A value that begins with `/` is a path up to the first space or tab, then the preferences; any other
is preferences for all paths, like one below `/`. The longest path that matches counts, and of equal
ones the strictest, for here a permission wins no tie.
Source: draft-ietf-aipref-attach-05 section 3.
"""

import re
from collections.abc import Iterable, Iterator

from optout.signals.content_usage import preferences
from optout.signals.patterns import Wild, decoded, literal
from optout.signals.preference import Said, add, of_record
from optout.signals.profiles import Profile
from optout.signals.robots import Readings
from optout.signals.robots_file import Record
from optout.signals.signal import Signal
from schemas.verdict import Channel, Say

NAME = "content-usage"
"""The record, as `robots_file` names it."""

_SPACE = re.compile(rb"[ \t]")
_RESERVES = frozenset({Say.DENY, Say.ERROR})


class UsageRules:
    """The rules of one group, with their preferences read once.

    Both readings of percent-encoding are asked where the profile is lenient; either may reserve.
    """

    __slots__ = ("_all_paths", "_decoded", "_literal")

    def __init__(self, records: Iterable[Record], profile: Profile) -> None:
        """Index the Content-Usage records; others are passed over."""
        self._decoded = _Patterns()
        self._literal = _Patterns()
        self._all_paths = profile.aipref_all_paths
        for record in records:
            if record.name != NAME:
                continue
            path, value = _split(record.value)
            text = value.decode("utf-8", "replace")
            said = of_record(
                preferences(text, profile), Channel.ROBOTS_CONTENT_USAGE, record.line, record.text
            )
            self._decoded.add(decoded(path, is_pattern=True), said)
            if profile.robots_lenient:
                self._literal.add(literal(path), said)

    def at(self, path: Readings) -> tuple[Signal, ...]:
        """Return what the rules say about a path, the strictest for each purpose."""
        said: Said = {}
        for patterns, octets in ((self._decoded, path.decoded), (self._literal, path.literal)):
            longest, shorter = patterns.matching(octets)
            found = dict(longest)
            if self._all_paths:
                # What the longest rule says expressly stands; where it is silent, a reservation
                # of any path above holds on.
                inherited = (s for one in shorter for s in one.values() if s.say in _RESERVES)
                add(found, [s for s in inherited if (s.channel, s.purpose) not in longest])
            add(said, found.values())
        return tuple(said.values())


class _Patterns:
    """Patterns of one reading; unlike a RuleSet it returns all that match."""

    __slots__ = ("_lengths", "_plain", "_wild")

    def __init__(self) -> None:
        self._plain: dict[bytes, Said] = {}
        self._wild: dict[bytes, tuple[Wild, Said]] = {}
        self._lengths: set[int] = set()

    def add(self, pattern: bytes, said: Iterable[Signal]) -> None:
        if b"*" in pattern or pattern.endswith(b"$"):
            known = self._wild.get(pattern)
            if known is None:
                known = self._wild[pattern] = (Wild.of(pattern), {})
            add(known[1], said)
        else:
            self._lengths.add(len(pattern))
            add(self._plain.setdefault(pattern, {}), said)

    def matching(self, path: bytes) -> tuple[Said, list[Said]]:
        """Return what the longest patterns say together, and what each shorter one says."""
        found = sorted(self._all(path), key=lambda one: one[0], reverse=True)
        longest: Said = {}
        for length, said in found:
            if length < found[0][0]:
                break
            add(longest, said.values())
        return longest, [said for length, said in found if length < found[0][0]]

    def _all(self, path: bytes) -> Iterator[tuple[int, Said]]:
        for length in self._lengths:
            said = self._plain.get(path[:length]) if length <= len(path) else None
            if said is not None:
                yield length, said
        for pattern, (wild, said) in self._wild.items():
            if wild.matches(path):
                yield len(pattern), said


def _split(value: bytes) -> tuple[bytes, bytes]:
    if not value.startswith(b"/"):
        return b"/", value
    path, *rest = _SPACE.split(value, maxsplit=1)
    return path, rest[0].strip() if rest else b""
