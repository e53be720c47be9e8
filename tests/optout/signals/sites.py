"""A site in a dictionary, and a policy that goes through it as a build does, without a network.

    site = Site({"/robots.txt": Page(b"..."), "/a.jpg": Page(IMAGE, headers=[...])})
    site.signals(SignalPolicy("ArtBot"), "/a.jpg")

Gates are asked where a build asks them: what they forbid is not looked at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from optout.signals import page
from optout.signals.document import Document, Wanted, found
from optout.signals.policy import SignalPolicy
from optout.signals.response import bears_signal
from optout.signals.signal import Signal
from schemas.verdict import Verdict

ORIGIN = "https://art.example"
ASKED_US = 1_767_225_600_000_000


@dataclass(frozen=True)
class Page:
    """What one address answers."""

    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    status: int | None = 200

    @property
    def content_type(self) -> str | None:
        return next((v for n, v in self.headers if n.lower() == "content-type"), None)


ABSENT = Page(status=404)


def document(wanted: Wanted, answer: Page = ABSENT) -> Document:
    """Return what was found where a document was wanted."""
    read = answer.status == 200
    return found(
        wanted.kind,
        wanted.origin,
        wanted.url,
        http_status=answer.status,
        asked_at_us=ASKED_US,
        body=answer.body if read else None,
        content_type=answer.content_type,
    )


@dataclass
class Site:
    """Answers by path, or by whole address; everything else is absent. `asked`: in order."""

    routes: Mapping[str, Page]
    origin: str = ORIGIN
    asked: list[str] = field(default_factory=list)

    def answer(self, url: str) -> Page:
        self.asked.append(url)
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return self.routes.get(url) or self.routes.get(path) or ABSENT

    def find(self, known: dict[str, Document], wanted: Iterable[Wanted]) -> None:
        for one in wanted:
            known[one.key] = document(one, self.answer(one.url))

    def documents(self, policy: SignalPolicy, path: str) -> dict[str, Document]:
        """Return all that the policy wants to have read before it asks for a path."""
        url, known = self.origin + path, dict[str, Document]()
        for _ in range(9):
            wanted = policy.wanted_documents(self.origin, url, known)
            if not wanted:
                return known
            assert not {one.key for one in wanted} & known.keys()
            self.find(known, wanted)
        raise AssertionError("the policy does not come to an end")

    def signals(
        self, policy: SignalPolicy, path: str, page_path: str | None = None
    ) -> tuple[Signal, ...]:
        """Return what is said about an image before its bytes are decoded."""
        said: tuple[Signal, ...] = ()
        if page_path is not None:
            said = self._of_page(policy, page_path)
            if policy.verdict(said) is not Verdict.KEEP:
                return said
        url = self.origin + path
        known = self.documents(policy, path)
        if not policy.may_ask(url, known):
            return (*said, *policy.of_documents(url, known))
        answer = self.answer(url)
        self.find(known, policy.wanted_licences(url, answer.headers, known))
        headers = policy.of_headers(url, answer.headers, known)
        told = policy.of_documents(url, known, answer.headers)
        said = (*said, *policy.in_force(told, headers), *headers)
        if not policy.may_read(url, answer.headers, known):
            return said
        return (*said, *policy.of_embedded(policy.read_bytes(answer.body)))

    def _of_page(self, policy: SignalPolicy, path: str) -> tuple[Signal, ...]:
        url = self.origin + path
        known = self.documents(policy, path)
        if not policy.may_ask(url, known):
            return policy.of_page(url, None, known)
        answer = self.answer(url)
        kept = [(name, value) for name, value in answer.headers if bears_signal(name, value)]
        tags = page.extract(answer.body, headers=kept)
        self.find(known, policy.wanted_page_licences(url, tags, known))
        return policy.of_page(url, tags, known)
