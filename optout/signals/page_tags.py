"""The tags of a page that bear signals: what is kept of it, since HTML is not.

Whoever takes tags out of a page (optout.signals.page from HTML, optout.signals.wat from Common
Crawl's metadata) hands all of them to `gather`, which knows which bear signals and how many are
kept.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from optout.signals import link_header, x_robots
from optout.urls import MAX_URL_CHARS
from schemas.errors import SignalError

READ_BYTES = 128 * 1024
"""What is read of a page; a head is rarely longer than a tenth of it."""

MAX_TAGS = 256
"""Tags of one sort that are kept."""

MAX_CONTENT_CHARS = 4096
LINK = "link"
TDM = frozenset({"tdm-reservation", "tdm-policy"})
HEADERS = frozenset({x_robots.HEADER, *TDM, LINK})
"""Lower-case names of the page's own headers that bear signals for what it shows."""

ROBOT_NAME = re.compile(r"\*|[a-z][a-z0-9._/-]*")
"""What may be a robot's product token, in lower case."""

_PIECES = re.compile("[,;]")
_WORDS = re.compile(r"[\s,;:]+")
_SPEAKING = x_robots.AI_TOKENS | x_robots.NOML_TOKENS | (x_robots.INDEX_TOKENS - {"none"})
_LISTED = x_robots.INDEX_TOKENS | _SPEAKING | x_robots.VALUE_DIRECTIVES | {
    "all", "index", "follow", "nofollow", "noarchive", "nocache", "nosnippet", "notranslate",
}  # fmt: skip

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PageTags:
    """What bears a signal in one page.

    metas: (lower-case name, content), in order, of `<head>` only.
    licenses: (lower-case media type, address) of `rel=license`; no type for `<a>`, which is
    provenance only. rsl: texts of inline RSL. headers: (lower-case name, value) of the response.
    truncated: there was more than was read or is kept.
    """

    metas: Pairs = ()
    licenses: Pairs = ()
    rsl: tuple[str, ...] = ()
    headers: Pairs = ()
    truncated: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the tags as a JSON value; `from_json` reads it back."""
        return {
            "metas": [list(pair) for pair in self.metas],
            "licenses": [list(pair) for pair in self.licenses],
            "rsl": list(self.rsl),
            "headers": [list(pair) for pair in self.headers],
            "truncated": self.truncated,
        }

    @classmethod
    def from_json(cls, value: Any) -> "PageTags":
        """Read a JSON value back. Raises SignalError for one of another shape."""
        shape = {"metas", "licenses", "rsl", "headers", "truncated"}
        if not isinstance(value, dict) or value.keys() != shape:
            raise SignalError(f"expected a page's tags, found {value!r:.200}")
        texts, truncated = value["rsl"], value["truncated"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise SignalError(f"expected texts of RSL, found {texts!r:.200}")
        if not isinstance(truncated, bool):
            raise SignalError(f"expected true or false for truncated, found {truncated!r:.200}")
        metas, licenses, headers = (_pairs(value[k]) for k in ("metas", "licenses", "headers"))
        return cls(metas, licenses, tuple(texts), headers, truncated)


def _pairs(value: Any) -> Pairs:
    if not isinstance(value, list):
        raise SignalError(f"expected a list of pairs, found {value!r:.200}")
    for pair in value:
        if not isinstance(pair, list) or [type(part) for part in pair] != [str, str]:
            raise SignalError(f"expected a pair of texts, found {pair!r:.200}")
    return tuple((name, content) for name, content in value)


def gather(
    *,
    metas: Iterable[tuple[str, str]],
    licenses: Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]],
    inline: Iterable[str] = (),
    truncated: bool = False,
) -> PageTags:
    """Return PageTags of what bears signals among all tags given, cleaned, each once, capped."""
    named = ((name.strip().lower(), content) for name, content in metas)
    typed = ((kind.strip().lower(), href.strip()) for kind, href in licenses)
    sent = ((name.strip().lower(), value) for name, value in headers)
    kept_metas, more_metas = _kept(p for p in named if _speaks(*p))
    # Longer than any address can be, so that a cut one is no other licence's address.
    kept_licenses, more_licenses = _kept((p for p in typed if p[1]), chars=MAX_URL_CHARS + 1)
    kept_headers, more_headers = _kept(
        (p for p in sent if p[0] in HEADERS), chars=link_header.MAX_CHARS, repeated=True
    )
    kept_inline, more_inline = _kept((("", text) for text in inline), chars=READ_BYTES)
    return PageTags(
        metas=kept_metas,
        licenses=kept_licenses,
        rsl=tuple(text for _, text in kept_inline),
        headers=kept_headers,
        truncated=truncated or more_metas or more_licenses or more_headers or more_inline,
    )


def joined(base: str, href: str) -> str:
    """Return an address as the page's `<base>` makes it; none stays none."""
    if not href.strip():
        return ""
    try:
        return urljoin(base, href.strip())
    except ValueError:
        return href


def _kept(
    pairs: Iterable[tuple[str, str]], *, chars: int = MAX_CONTENT_CHARS, repeated: bool = False
) -> tuple[Pairs, bool]:
    """Return the first MAX_TAGS pairs, as valid Unicode of at most so many characters."""
    cut = False
    found: list[tuple[str, str]] = []
    seen: set[tuple[str, str]] = set()
    for name, content in pairs:
        pair = _clean(name[:MAX_CONTENT_CHARS]), _clean(content[:chars])
        if pair in seen and not repeated:
            continue
        if len(found) == MAX_TAGS:
            return tuple(found), True
        cut = cut or len(name) > MAX_CONTENT_CHARS or len(content) > chars
        seen.add(pair)
        found.append(pair)
    return tuple(found), cut


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # lone surrogates are no JSON


def _speaks(name: str, content: str) -> bool:
    """Say whether a meta bears a signal: of robots, of TDMRep, or of what seems to be a robot."""
    if name == "robots" or name in TDM:
        return True
    return ROBOT_NAME.fullmatch(name) is not None and _instructs(content.lower())


def _instructs(content: str) -> bool:
    """Say whether a text holds directives: one that is no other word, or a piece of nothing else.

    `none` and `all` are words of many descriptions.
    """
    if not _SPEAKING.isdisjoint(_WORDS.split(content)):
        return True
    pieces = (piece.partition(":")[0].split() for piece in _PIECES.split(content))
    return any(words and _LISTED.issuperset(words) for words in pieces)
