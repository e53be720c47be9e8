"""Gates that also close what claims deny, so that no redirect leads to it.

Nothing rests on them: once all is asked, the newest claims judge every address again
(pipeline.screen). They spare a host that is denied already from being asked.
"""

from collections.abc import Callable, Sequence

from optout.signals.document import Documents, Wanted
from optout.signals.page_tags import PageTags
from pipeline.web.gates import Gates, Headers


class ClaimedGates:
    """Other gates, and addresses that stay closed whatever those say."""

    def __init__(self, gates: Gates, denies: Callable[[str], bool]) -> None:
        """Take the other gates. denies: says of a canonical URL whether it stays closed."""
        self._gates = gates
        self._denies = denies

    def wanted_documents(self, origin: str, url: str, known: Documents) -> Sequence[Wanted]:
        """Return the documents to ask for next; none of them for an address that stays closed."""
        return () if self._denies(url) else self._gates.wanted_documents(origin, url, known)

    def may_ask(self, url: str, documents: Documents) -> bool:
        """Say whether a URL may be asked."""
        return not self._denies(url) and self._gates.may_ask(url, documents)

    def may_read(self, url: str, headers: Headers, documents: Documents) -> bool:
        """Say whether a body may be read."""
        return self._gates.may_read(url, headers, documents)

    def wanted_licences(self, url: str, headers: Headers, known: Documents) -> Sequence[Wanted]:
        """Return the licences that a response names."""
        return self._gates.wanted_licences(url, headers, known)

    def wanted_page_licences(self, url: str, tags: PageTags, known: Documents) -> Sequence[Wanted]:
        """Return the licences that a page links to."""
        return self._gates.wanted_page_licences(url, tags, known)

    def crawl_delay_s(self, documents: Documents) -> float | None:
        """Return the seconds between requests that an origin asks for."""
        return self._gates.crawl_delay_s(documents)
