"""What a fetcher asks of the signals: the part of optout.signals.policy.SignalPolicy it knows."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from optout.signals.document import Documents, Wanted
from optout.signals.page_tags import PageTags

Headers = Iterable[tuple[str, str]]


class Gates(Protocol):
    """Whether a URL may be asked and its body read. Pure: facts in, answer out."""

    def wanted_documents(self, origin: str, url: str, known: Documents) -> Sequence[Wanted]:
        """Return the documents to ask for next before a URL may be asked; empty at the end."""

    def may_ask(self, url: str, documents: Documents) -> bool:
        """Say whether a URL may be asked, by the documents that were asked for it."""

    def may_read(self, url: str, headers: Headers, documents: Documents) -> bool:
        """Say whether a body may be read, by its response headers and documents."""

    def wanted_licences(self, url: str, headers: Headers, known: Documents) -> Sequence[Wanted]:
        """Return the licences that a response names."""

    def wanted_page_licences(self, url: str, tags: PageTags, known: Documents) -> Sequence[Wanted]:
        """Return the licences that a page links to."""

    def crawl_delay_s(self, documents: Documents) -> float | None:
        """Return the seconds between requests that an origin asks for."""
