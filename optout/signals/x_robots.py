"""X-Robots-Tag: directives that speak about what was sent, optionally to one robot only.

A header line is a list of directives, separated by commas (or semicolons). `name:` before a
directive addresses it and all that follow on the line to the robot of that name. Some directives
carry a value after a colon, and the date of `unavailable_after` holds commas and colons itself.
Header lines are read one by one: a scope ends with its line. Names and values have no case.
Source: facts section 7 (MDN; draft-illyes-repext for the semicolon).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from optout.signals.signal import Signal, excerpt
from schemas.verdict import Channel, Purpose, Say

HEADER = "x-robots-tag"

DENIES = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC)
"""What every token that we honour forbids."""

AI_TOKENS = frozenset({"noai", "noimageai"})
NOML_TOKENS = frozenset({"noml"})
INDEX_TOKENS = frozenset({"noindex", "noimageindex", "none"})
"""They speak about search; img2dataset takes them for a refusal, and so do we unless told."""

VALUE_DIRECTIVES = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)
_PLAIN_DIRECTIVES = frozenset(
    {"all", "index", "follow", "nofollow", "noarchive", "nocache", "nosnippet", "notranslate"}
)
_DIRECTIVES = AI_TOKENS | NOML_TOKENS | INDEX_TOKENS | _PLAIN_DIRECTIVES
_ANYBODY = frozenset({"*", "robots"})
_SEPARATOR = re.compile("[,;]")
_ROBOT = re.compile(r"\*|[a-z][a-z0-9._/-]*")  # begins with a letter: dates do not
_TOKEN = re.compile(r"[a-z_-]*")


@lru_cache(maxsize=8)
def deny_tokens(*, index_tokens: bool, noml: bool) -> Mapping[str, str]:
    """Return the tokens that deny, each with the note under which it is reported."""
    tokens = dict.fromkeys(sorted(AI_TOKENS), "")
    if noml:
        tokens |= dict.fromkeys(sorted(NOML_TOKENS), "noml")
    if index_tokens:
        tokens |= dict.fromkeys(sorted(INDEX_TOKENS), "index-token")
    return MappingProxyType(tokens)


def read(
    headers: Iterable[tuple[str, str]],
    agent: str,
    tokens: Mapping[str, str],
    proxies: tuple[str, ...] = (),
) -> tuple[Signal, ...]:
    """Return one DENY for each purpose that a token forbids; nothing where none does.

    headers: (name, value) pairs in order; a header may be repeated.
    tokens: as from `deny_tokens`; where several are found the earliest in it is reported.
    proxies: product tokens of other robots whose directives bind us too.
    """
    order = {token: rank for rank, token in enumerate(tokens)}
    robots = frozenset(name.lower() for name in (agent, *proxies))
    best: tuple[int, int, str, str] | None = None
    for index, (name, value) in enumerate(headers):
        if name.strip().lower() != HEADER:
            continue
        for token, raw in _directives(value, robots):
            rank = order.get(token)
            if rank is not None and (best is None or rank < best[0]):
                best = rank, index, token, raw
    if best is None:
        return ()
    _, index, token, raw = best
    signal = Signal(Channel.X_ROBOTS, DENIES[0], Say.DENY, excerpt(raw), index, HEADER)
    return tuple(
        Signal(signal.channel, purpose, signal.say, signal.raw, index, HEADER, None, tokens[token])
        for purpose in DENIES
    )


def _directives(value: str, robots: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (token, text as sent) of the directives of one line that are addressed to us."""
    ours = True
    for piece in _SEPARATOR.split(value):
        raw = piece.strip()
        rest = raw.lower()
        while ":" in rest:
            head, _, tail = rest.partition(":")
            head = head.strip()
            if head in VALUE_DIRECTIVES:
                rest = ""
            elif head in _DIRECTIVES:
                rest = head  # `noai:` names no robot
            elif _ROBOT.fullmatch(head):
                ours = _is_us(head, robots)
                rest = tail
            else:
                rest = ""  # the rest of a date, or of something nobody knows
        if ours:
            for word in rest.split():  # commas are forgotten too: `noai noimageai`
                yield word.strip("\"'"), raw


def _is_us(robot: str, robots: frozenset[str]) -> bool:
    token = _TOKEN.match(robot)
    return robot in _ANYBODY or robot in robots or (token is not None and token[0] in robots)
