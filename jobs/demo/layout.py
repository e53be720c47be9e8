"""The site while it is laid out: hosts on one side, rows with their verdicts on the other."""

from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.demo.cast import Work
from jobs.demo.expect import ExpectedRow
from jobs.demo.hosts import Answer, Hosts

ARCHIVE, BLOG, MIRROR = "archive.localhost", "blog.localhost", "mirror.localhost"
NOAI, BROKEN, DEAD = "noai.localhost", "broken.localhost", "deadlinks.localhost"

WORK = frozenset({"optout_work", "optout_copy", "optout_style"})
"""A registered work or a copy of it; which of the three is said depends on what is seen first."""
LOOKALIKE = frozenset({*WORK, "review", "duplicate"})
"""A picture by a claimant's hand that is not registered: near in style, or near as a copy is."""
COPY = frozenset({"duplicate"})


@dataclass(slots=True)
class Layout:
    """Hosts that fill with pictures, and rows that name them."""

    hosts: Hosts
    rows: list[ExpectedRow] = field(default_factory=list)

    def keep(self, url: str, caption: str, note: str) -> None:
        """Add a row that must be released."""
        self.rows.append(ExpectedRow(url, caption, "keep", note=note))

    def drop(self, url: str, caption: str, reasons: str | frozenset[str], note: str) -> None:
        """Add a row that must be dropped for one of the reasons."""
        found = frozenset({reasons}) if isinstance(reasons, str) else reasons
        self.rows.append(ExpectedRow(url, caption, "drop", found, note))

    def hold(self, url: str, caption: str, reason: str, note: str) -> None:
        """Add a row that must be held."""
        self.rows.append(ExpectedRow(url, caption, "hold", frozenset({reason}), note))

    def may(self, url: str, caption: str, reasons: frozenset[str], note: str, *,
            group: str = "", by_style: bool = False) -> None:  # fmt: skip
        """Add a row that may be released, or go for one of the reasons."""
        self.rows.append(ExpectedRow(url, caption, "any", reasons, note, group, by_style))

    def hang(self, host: str, path: str, work: Work, change: Callable[[bytes], bytes] | None = None,
             headers: tuple[tuple[str, str], ...] = ()) -> str:  # fmt: skip
        """Show a work, changed or not, at a path; return its URL."""
        body = change(work.body()) if change else work.body()
        kind = "image/png" if body.startswith(b"\x89PNG") else "image/jpeg"
        return self.hosts.put(host, path, Answer(body, content_type=kind, headers=headers))

    def text(self, host: str, path: str, text: str, status: int = 200, *, kind: str = "text/plain",
             headers: tuple[tuple[str, str], ...] = ()) -> str:  # fmt: skip
        """Answer a path with text; return its URL."""
        return self.hosts.put(host, path, Answer(text.encode(), status, kind, headers))
