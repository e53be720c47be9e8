"""What a site promises about each of its rows, known before anything runs, and the comparison.

A row may fall to two things that no construction can rule out: a claim that takes a look-alike
for its own, and two pictures so alike that one passes for a copy. Both are bounded.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.demo.hosts import Hosts

STYLE = frozenset({"optout_style", "review"})
LOOKALIKE = frozenset({*STYLE, "optout_work", "optout_copy"})
"""Reasons for which a claim takes a picture that it does not list."""


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """One row of the URL list with its verdict: keep, drop, hold, or any.

    reasons: which of them a dropped or held row may have; an `any` row may have them or be kept.
    group: rows of one group are copies of each other, and exactly one is kept unless a claim
    reaches them all. by_style: counts towards `Limits.style_at_least`.
    """

    url: str
    caption: str
    verdict: str
    reasons: frozenset[str] = frozenset()
    note: str = ""
    group: str = ""
    by_style: bool = False


@dataclass(frozen=True, slots=True)
class ActualRow:
    """What a release did with a row. `reason` is empty where it was kept."""

    url: str
    caption: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimSpec:
    """A claim to submit before the build. `style` is the state in which its style must end."""

    folder: Path
    artist: str
    kind: str
    aliases: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    style: str = "none"
    contrast: Path | None = None  # works by others, which the style must leave alone


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may go by chance or by likeness."""

    false_likeness: int = 3  # rows that a claim may take for its own by likeness
    chance_duplicates: int = 6  # `keep` rows that may count as a copy of another picture
    style_at_least: int = 0  # unregistered works of the style's own hand that must be caught


@dataclass(frozen=True, slots=True)
class Site:
    """Hosts, the rows that name them, and the claims in force.

    config: what build.yaml must say for the verdicts to hold; `build_config` completes it.
    """

    hosts: Hosts
    rows: list[ExpectedRow]
    claims: list[ClaimSpec]
    limits: Limits = Limits()
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def serve(self) -> Hosts:
        """Return the hosts, to be entered with `with`."""
        return self.hosts

    def allow_hosts(self) -> list[str]:
        """Return HOST:PORT of every host that the site wants to be asked."""
        named = [f"{host}:{self.hosts.port}" for host in self.hosts.names()]
        return [*named, f"deadlinks.localhost:{self.hosts.closed_port}"]

    def build_config(self, registry: str) -> dict[str, dict[str, Any]]:
        """Return build.yaml as a mapping: the site's own keys, its hosts, and the registry."""
        told = {name: dict(section) for name, section in self.config.items()}
        told.setdefault("fetch", {})["allow_hosts"] = self.allow_hosts()
        told.setdefault("registry", {}).update(url=registry, trust_local=True)
        return told


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows as expected, and in words what was not."""

    agreed: int
    total: int
    wrong: tuple[str, ...]
    leaked: tuple[str, ...]  # opted-out rows that were released: never acceptable

    @property
    def holds(self) -> bool:
        """Whether everything was as expected."""
        return not self.wrong and not self.leaked


def compare(site: Site, actual: Iterable[ActualRow]) -> Comparison:
    """Return how a release kept the promises of a site. Rows are told apart by URL and caption."""
    found = _by_row(actual)
    pairs = []
    for place, row in _numbered(site.rows):
        pairs.append((row, found.pop((row.url, row.caption, place), None)))
    wrong: list[str] = []
    leaked: list[str] = []
    for row, outcome in pairs:
        if outcome is not None and _agrees(row, outcome):
            continue
        seen = "nowhere" if outcome is None else f"{outcome.verdict} {outcome.reason}".strip()
        wanted = f"{row.verdict} {'/'.join(sorted(row.reasons))}".strip()
        text = f"expected {wanted}, found {seen}: {row.note} ({row.url})"
        released = (
            row.verdict in ("drop", "hold") and outcome is not None and outcome.verdict == "keep"
        )
        (leaked if released else wrong).append(text)
    agreed = len(pairs) - len(wrong) - len(leaked)
    wrong += [f"found a row that was not in the list: {key[0]}" for key in found]
    seen_rows = [(row, outcome) for row, outcome in pairs if outcome is not None]
    wrong += _over_limits(site.limits, seen_rows) + _groups(seen_rows)
    return Comparison(agreed, len(pairs), tuple(wrong), tuple(leaked))


def _numbered(rows: Sequence[ExpectedRow]) -> list[tuple[int, ExpectedRow]]:
    """Return rows with how many equal ones came before; `repeated` ones last among equals."""
    seen: Counter[tuple[str, str]] = Counter()
    numbered = []
    for row in rows:
        numbered.append((seen[row.url, row.caption], row))
        seen[row.url, row.caption] += 1
    return numbered


def _by_row(actual: Iterable[ActualRow]) -> dict[tuple[str, str, int], ActualRow]:
    ordered = sorted(actual, key=lambda r: (r.url, r.caption, r.reason == "repeated", r.reason))
    seen: Counter[tuple[str, str]] = Counter()
    found = {}
    for row in ordered:
        found[row.url, row.caption, seen[row.url, row.caption]] = row
        seen[row.url, row.caption] += 1
    return found


def _agrees(row: ExpectedRow, outcome: ActualRow) -> bool:
    if outcome.verdict == "keep":
        return row.verdict in ("keep", "any")
    if _by_chance(row, outcome):
        return True  # counted against the limits
    return row.verdict in ("any", outcome.verdict) and outcome.reason in row.reasons


def _by_chance(row: ExpectedRow, outcome: ActualRow) -> bool:
    """Say whether likeness alone took a row that no claim was meant to reach."""
    alike = outcome.reason in LOOKALIKE and not row.reasons & LOOKALIKE
    return alike or (row.verdict == "keep" and outcome.reason == "duplicate")


def _over_limits(limits: Limits, rows: list[tuple[ExpectedRow, ActualRow]]) -> list[str]:
    lost = [a.reason for row, a in rows if _by_chance(row, a)]
    likeness, copies = sum(r in LOOKALIKE for r in lost), sum(r == "duplicate" for r in lost)
    caught = sum(row.by_style and a.reason in LOOKALIKE for row, a in rows)
    most, least = (limits.false_likeness, limits.chance_duplicates), limits.style_at_least
    found = (
        (likeness > most[0], f"at most {most[0]} rows lost to a likeness, found {likeness}"),
        (copies > most[1], f"at most {most[1]} chance duplicates, found {copies}"),
        (caught < least, f"at least {least} unregistered works caught, found {caught}"),
    )
    return [f"expected {text}" for over, text in found if over]


def _groups(rows: list[tuple[ExpectedRow, ActualRow]]) -> list[str]:
    groups: dict[str, list[ActualRow]] = {}
    for row, outcome in rows:
        if row.group:
            groups.setdefault(row.group, []).append(outcome)
    wrong = []
    for name, outcomes in sorted(groups.items()):
        kept = sum(o.verdict == "keep" for o in outcomes)
        claimed = any(o.reason in LOOKALIKE for o in outcomes)
        elsewhere = all(o.reason == "duplicate" for o in outcomes)  # of a picture that looks alike
        if kept != 1 and not (kept == 0 and (claimed or elsewhere)):
            wrong.append(f"expected one kept row of the copies {name}, found {kept}")
    return wrong
