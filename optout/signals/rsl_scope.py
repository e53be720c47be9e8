"""Which contents of an RSL document speak about an address: those of the narrowest pattern.

Patterns are those of robots.txt. One that names a host is about that host, whatever the scheme;
one that is a path is about whoever named the licence, since a licence that many share stands on a
host of its own.
Source: facts section 10 (RSL 1.0: RFC 9309 patterns, order irrelevant, narrower beats broader).
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from optout.signals.patterns import Wild, decoded, literal, target
from optout.signals.rsl_document import Content
from optout.urls import canonical_url
from schemas.errors import UsageError

_PATH = re.compile(r"[/?#]")


class Reading(NamedTuple):
    """How percent-encoding is read in a pattern, and in the path that is compared with it."""

    pattern: Callable[[bytes], bytes]
    path: Callable[[bytes], bytes]


READINGS = (
    Reading(partial(decoded, is_pattern=True), partial(decoded, is_pattern=False)),
    Reading(literal, literal),
)


def narrowest(contents: Iterable[Content], url: str, reading: Reading) -> list[Content]:
    """Return the contents of the longest pattern that matches, more than one where it is repeated.

    One without an address is the broadest of all.
    """
    path = reading.path(target(url))
    host = _authority(url)
    best, kept = -1, list[Content]()
    for content in contents:
        pattern = _pattern(content.url, host)
        if pattern is None:
            continue
        pattern = reading.pattern(pattern)
        if len(pattern) < best or not Wild.of(pattern).matches(path):
            continue
        if len(pattern) > best:
            best, kept = len(pattern), []
        kept.append(content)
    return kept


def _pattern(address: str, host: str) -> bytes | None:
    """Return the path that a content's address stands for; None where it is of another host."""
    if "://" in address or address.startswith("//"):
        rest = address.partition("//")[2]
        whose = Wild.of(_authority(f"https://{rest}").encode("utf-8", "replace") + b"$")
        # A host may have wildcards as well; the scheme makes no difference, as for a claim.
        return target(f"https://{rest}") if whose.matches(host.encode("utf-8", "replace")) else None
    octets = address.encode("utf-8", "replace")
    return octets if octets[:1] in (b"", b"/", b"*") else target(octets)


def _authority(url: str) -> str:
    """Return host and port of an absolute URL as they are compared, without a usual port."""
    authority = _PATH.split(url.partition("//")[2], maxsplit=1)[0]
    try:
        authority = canonical_url(f"https://{authority}/").split("/")[2]
    except UsageError:
        authority = authority.lower()  # wildcards, for one
    return authority.removesuffix(":80").removesuffix(":443")
