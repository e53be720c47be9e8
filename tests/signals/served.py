"""One case of the served corpus: what a host serves, and what must become of its image.

A case has a host of its own (`site.py`). Its routes are paths of that host, `other/path` of a
second one, or `https/path` of its own under TLS. `{here}`, `{other}` and `{https}` in a body or a
header are the origins of the three.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from optout.signals.profiles import PROFILES, Mode
from schemas.verdict import FAMILY, FAMILY_REASON, Channel, Purpose, Reason, Say, Verdict
from tests.optout.signals.xmp_files import saved
from tests.servers import Answer, Route

Said = tuple[Channel, Purpose, Say]
Says = Mapping[tuple[Channel, Purpose], Say]

KEEP, DROP, HOLD = Verdict.KEEP, Verdict.DROP, Verdict.HOLD
DENY, ALLOW, SILENT, ERROR = Say.DENY, Say.ALLOW, Say.SILENT, Say.ERROR
GEN, DISC, MINE, FETCH = Purpose.TRAIN_GEN, Purpose.TRAIN_DISC, Purpose.MINE, Purpose.FETCH

PICTURE = saved("JPEG")
IMAGE = "/art/a.jpg"
PAGE = "/page.html"
ROBOTS, TDMREP, AI = "/robots.txt", "/.well-known/tdmrep.json", "/ai.txt"
TRUST, TRUST_WELL_KNOWN = "/trust.txt", "/.well-known/trust.txt"
OWN_FILES = (ROBOTS, TDMREP, AI)
"""What is asked before an image in the default profile."""


class Setting(NamedTuple):
    """How a build is set up; cases of one setting go through one call of the fetcher."""

    profile: str = "default"
    purpose: Purpose = GEN
    agent: str = "ArtBot"
    list: Channel | None = None  # the list of others that is asked

    def __str__(self) -> str:
        """Return what of it departs from the default build."""
        more = [] if self.purpose is GEN else [f"for {self.purpose}"]
        more += [] if self.agent == "ArtBot" else [f"as {self.agent}"]
        return ", ".join([self.profile, *more])


STRICT, LITERAL = Setting("strict"), Setting("rfc-literal")


@dataclass(frozen=True)
class Outcome:
    """What must become of a row, and what must be among its signals."""

    verdict: Verdict
    reason: Reason | None
    said: Said | None


USUAL = Setting()


@dataclass(frozen=True)
class Served:
    """One case. id: unique. shown: what is served, in few words or as it stands.

    page: where the page around the image is, `other/path` on the second host.
    asked: all that may be asked of the case's own host, in any order; None where it is no matter.
    unasked: what must not have been asked, named as routes are.
    unread: the image's body was not kept.
    host: a name of its own, for what depends on names.
    """

    id: str
    shown: str
    outcome: Outcome
    routes: Mapping[str, Route] = field(default_factory=dict)
    image: Route = PICTURE
    path: str = IMAGE
    page: str | None = None
    page_tags: str | None = None
    setting: Setting = USUAL
    asked: tuple[str, ...] | None = None
    unasked: tuple[str, ...] = ()
    unread: bool = False
    host: str = ""
    listed: Callable[[str], Answer] | None = None
    declared: Mapping[str, Any] | None = None
    xfail: str = ""

    @property
    def channel(self) -> str:
        """The channel that the case is about; `web` where it is about asking."""
        return str(self.outcome.said[0]) if self.outcome.said else "web"


_ALWAYS = (FETCH, Purpose.INFER, MINE)


def expected(says: Says, silent: Channel, setting: Setting = USUAL) -> Outcome:
    """Return what follows from all that is said, by the rules of facts sections 1.1 and 1.2.

    silent: the channel whose silence is recorded where nothing is said.
    """
    order = (FETCH, setting.purpose, *Purpose)
    stated = sorted(says.items(), key=lambda pair: order.index(pair[0][1]))
    for (channel, purpose), say in stated:
        if say is DENY and purpose in (*_ALWAYS, setting.purpose):
            return Outcome(DROP, FAMILY_REASON[FAMILY[channel]], (channel, purpose, DENY))
    for (channel, purpose), say in stated:
        if say is ERROR and PROFILES[setting.profile].channels[channel] is Mode.HOLD:
            return held(channel, purpose)
    for (channel, purpose), say in stated:
        return kept(channel, say, purpose)
    return kept(silent, SILENT, setting.purpose)


def dropped(channel: Channel, purpose: Purpose = GEN) -> Outcome:
    return Outcome(DROP, FAMILY_REASON[FAMILY[channel]], (channel, purpose, DENY))


def held(channel: Channel, purpose: Purpose = GEN) -> Outcome:
    return Outcome(HOLD, Reason.SIGNAL_ERROR, (channel, purpose, ERROR))


def kept(channel: Channel, say: Say = SILENT, purpose: Purpose = GEN) -> Outcome:
    return Outcome(KEEP, None, (channel, purpose, say))


def failed(reason: Reason) -> Outcome:
    """Return the outcome of a row that the web did not give us."""
    return Outcome(DROP, reason, None)


_LONGEST = 110


def quoted(text: bytes | str) -> str:
    """Return text as it is shown in a table: one line, its beginning, nothing unprintable."""
    plain = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    lines = " / ".join(line.strip() for line in re.split(r"[\r\n]+", plain) if line.strip())
    shown = "".join(c if c.isprintable() and c not in "`|" else f"\\u{ord(c):04x}" for c in lines)
    if not shown:
        return "nothing"
    return f"`{shown}`" if len(shown) <= _LONGEST else f"`{shown[:_LONGEST]}`…"


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
