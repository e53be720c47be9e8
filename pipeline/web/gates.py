"""What a fetcher asks of the signals: the part of optout.signals.channels.SignalPolicy it knows."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from optout.signals.channels import Document


class Gates(Protocol):
    """Whether a URL may be asked and its body read. Pure: facts in, answer out."""

    def origin_documents(self, origin: str) -> tuple[tuple[str, str], ...]:
        """Return (kind, url) of each document to ask of an origin before anything else."""

    def may_ask(self, url: str, documents: Mapping[str, Document]) -> bool:
        """Say whether a URL may be asked, by its origin's documents (by kind)."""

    def may_read(self, url: str, headers: Iterable[tuple[str, str]]) -> bool:
        """Say whether a body may be read, by its response headers."""

    def crawl_delay_s(self, documents: Mapping[str, Document]) -> float | None:
        """Return the seconds between requests that an origin asks for."""
