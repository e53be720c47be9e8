"""The documents that speak for an origin, or for a licence: what is asked, and what was found.

    robots    /robots.txt
    tdmrep    /.well-known/tdmrep.json
    ai        /ai.txt
    trust     /trust.txt, and where that is not there /.well-known/trust.txt
    rsl       the RSL licence at an address that robots.txt, a header or a page named

Absence is a finding: a document that is not there has a status, a time and an id too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from optout.signals.evidence import document_id
from optout.signals.robots import Standing
from schemas.canonical import sha256_hex
from schemas.verdict import Channel


class Kind(StrEnum):
    """What a document is."""

    ROBOTS = "robots"
    TDMREP = "tdmrep"
    AI = "ai"
    TRUST = "trust"
    TRUST_WELL_KNOWN = "trust-well-known"
    RSL = "rsl"


PATHS: Mapping[Kind, tuple[Channel, str]] = MappingProxyType(
    {
        Kind.ROBOTS: (Channel.ROBOTS, "/robots.txt"),
        Kind.TDMREP: (Channel.TDMREP, "/.well-known/tdmrep.json"),
        Kind.AI: (Channel.AI_TXT, "/ai.txt"),
        Kind.TRUST: (Channel.TRUST_TXT, "/trust.txt"),
    }
)
"""The documents of an origin, in the order in which they are asked."""

SECOND_TRUST = "/.well-known/trust.txt"
"""Where the file is looked for next (JournalList's specification)."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was found, or as it was not: one row of DOCUMENTS.

    origin: for which it speaks; of a licence the address under which it was named.
    http_status: None where no response came; the last status where redirects did not end.
    body: what was kept of it; None where there is none.
    truncated: longer than what was kept, and cut at the end of a whole line.
    """

    document_id: str
    kind: str
    origin: str
    url: str
    http_status: int | None
    detail: str | None
    sha256: str | None
    body: bytes | None
    truncated: bool
    asked_at_us: int
    content_type: str | None

    @property
    def key(self) -> str:
        """The name under which it stands in a mapping of the documents for one address."""
        return wanted_key(self.kind, self.origin)


class Wanted(NamedTuple):
    """A document to ask for: its kind, for what it would speak, and where it is."""

    kind: str
    origin: str
    url: str

    @property
    def key(self) -> str:
        """The key that the document will have."""
        return wanted_key(self.kind, self.origin)


Documents = Mapping[str, Document]
"""The documents that speak for one address, by key."""


def wanted_key(kind: str, origin: str) -> str:
    """Return the key of a document: its kind, and of licences the address too."""
    return f"{kind} {origin}" if kind == Kind.RSL else str(kind)


def licence(url: str) -> Wanted:
    """Return the licence at an address."""
    return Wanted(Kind.RSL, url, url)


def found(
    kind: str,
    origin: str,
    url: str,
    *,
    http_status: int | None,
    asked_at_us: int,
    body: bytes | None = None,
    truncated: bool = False,
    content_type: str | None = None,
    detail: str | None = None,
) -> Document:
    """Return a Document with its digests computed; give no body where none was read whole."""
    sha256 = None if body is None else sha256_hex(body)
    return Document(
        document_id=document_id(kind, origin, http_status, sha256, asked_at_us),
        kind=kind,
        origin=origin,
        url=url,
        http_status=http_status,
        detail=detail,
        sha256=sha256,
        body=body,
        truncated=truncated,
        asked_at_us=asked_at_us,
        content_type=content_type,
    )


PATIENCE = frozenset({408, 425, 429})
"""Statuses of class 4 that ask for patience, not for absence."""
_READ, _CLIENT = 2, 4


def standing(document: Document) -> Standing:
    """Return what a document other than robots.txt is taken for.

    Any 4xx is "does not implement" (TDMRep, section 4.1); a body that did not come whole, no
    response, 5xx and an endless chain of redirects are errors.
    """
    status = document.http_status
    if status is None or status in PATIENCE:
        return Standing.ERROR
    if status // 100 == _READ:
        return Standing.ERROR if document.body is None else Standing.READ
    return Standing.NO_FILE if status // 100 == _CLIENT else Standing.ERROR
