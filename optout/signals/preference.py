"""What a field of `label=value` pairs says, before anybody knows which line of what it stood in.

Content-Usage and Content-Signal answer in this shape, and share what looks like a refusal that
went wrong.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from optout.signals.combine import STRICTNESS
from optout.signals.signal import Signal, excerpt
from schemas.verdict import Channel, Purpose, Say

NO_LIKE = frozenset({"n", "no", "0", "false", "off", "none", "never", "deny", "disallow"})
"""Values that mean no to whoever wrote them, whatever a grammar makes of them."""

# Possessive, and beginning only where a word does: linear on any text.
_STATEMENT = re.compile(
    r"(?<![a-z0-9_*.-])([a-z][a-z-]*+)\s*+[=:][\s\"'(?]*+([a-z0-9_-]++)", re.ASCII
)


class Preference(NamedTuple):
    """What a label says about one purpose."""

    purpose: Purpose
    say: Say
    pair: tuple[str, str]  # label and value that said it, lower case
    note: str = ""


Said = dict[tuple[Channel, Purpose], Signal]
"""The strictest signal for each channel and purpose."""


def add(said: Said, signals: Iterable[Signal]) -> None:
    """Add signals to what was said; the first of equally strict ones stays."""
    for signal in signals:
        key = signal.channel, signal.purpose
        known = said.get(key)
        if known is None or STRICTNESS[signal.say] > STRICTNESS[known.say]:
            said[key] = signal


def statements(text: str) -> Iterator[tuple[str, str]]:
    """Yield (label, value), lower case, of all that looks like a pair, in or out of a grammar."""
    for found in _STATEMENT.finditer(text.lower()):
        yield found[1], found[2]


def strictest(preferences: Iterable[Preference]) -> tuple[Preference, ...]:
    """Return the strictest preference for each purpose, the first of equally strict ones."""
    best: dict[Purpose, Preference] = {}
    for one in preferences:
        known = best.get(one.purpose)
        if known is None or STRICTNESS[one.say] > STRICTNESS[known.say]:
            best[one.purpose] = one
    return tuple(best.values())


def of_lines(
    preferences: Iterable[Preference],
    channel: Channel,
    lines: Iterable[tuple[int, str]],
    place: str,
) -> tuple[Signal, ...]:
    """Return preferences of joined header lines as signals, each with the line it stands in.

    lines: (index of the header, value). Of several that say the same the last is named.
    """
    shown = list(lines)
    signals = []
    for purpose, say, pair, note in preferences:
        at = next((line for line in reversed(shown) if pair in statements(line[1])), shown[0])
        signals.append(Signal(channel, purpose, say, excerpt(at[1]), at[0], place, None, note))
    return tuple(signals)


def of_record(
    preferences: Iterable[Preference], channel: Channel, line: int, text: bytes
) -> tuple[Signal, ...]:
    """Return preferences of one line of a document as signals."""
    raw = excerpt(text)
    return tuple(Signal(channel, p.purpose, p.say, raw, line, note=p.note) for p in preferences)
