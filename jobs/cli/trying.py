"""What `recuse optout test` and `simulate` do and say: a style tried out, a claim tried out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from jobs import simulation
from jobs.backgrounds import Background
from jobs.backgrounds import background as read_background
from jobs.claimant_files import read_key
from jobs.cli import claim_words, simulation_words
from jobs.cli.console import console, say
from jobs.enrol import NO_MATCHER, Folder, Matcher, Tools
from jobs.registries import open_registry
from jobs.releases import is_release, open_release
from jobs.submit import Order, Submitted
from jobs.trial import Tried, facts, tried, try_style
from jobs.vaults import open_vault
from optout import storage
from optout.intake import Wish
from pipeline.clock import clock_from_environment
from pipeline.report.simulation import render_simulation
from pipeline.report.trial import render_trial
from pipeline.storage import open_store
from schemas.errors import UsageError
from schemas.verdict import Scope

EXIT_CODES = {"active": 0, "not separable": 3, "needs review": 4}
NEAREST_SHOWN = 10
NOBODY = "a trial"
"""Stands for the artist's name, which a trial does not need."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be tested, on what, and against whose claims.

    registry: left aside where there is none, unless it must exist. key: the claimant's, null for
    none. html: where the page goes, null for no page.
    """

    works: Folder | None
    contrast: Folder | None
    background: str
    trust_local: bool
    registry: str
    must_exist: bool
    key: Path | None
    html: Path | None


def try_out(wanted: Wanted, tools: Tools) -> int:
    """Test a style, say what came out, and return the exit code."""
    _matcher(tools)
    if wanted.works is None:
        raise UsageError("expected a folder of works to test, found none")
    order = Order(
        registry=wanted.registry,
        wish=Wish(artist=NOBODY, scope=Scope.STYLE),
        works=wanted.works,
        contrast=wanted.contrast,
        trust_local=wanted.trust_local,
    )
    own = read_key(wanted.key).public if wanted.key else ""
    near = _background(wanted.background, tools)
    if wanted.must_exist or _is_there(wanted.registry):
        with open_registry(wanted.registry, clock_from_environment()) as registry:
            found = try_style(order, registry, tools, own, near)
        against = f"held against the claims of {wanted.registry}."
    else:
        found = try_style(order, None, tools, own, near)
        against = f"held against no other claims: there is no registry at {wanted.registry}."
    style = found.enrolled.part.style
    out = console()
    out.print("[bold]a trial:[/] nothing is recorded. What came out:")
    say([*claim_words.refusals(found.enrolled.exemplars), *claim_words.style_words(style)])
    out.print(claim_words.told(claim_words.style_numbers(style)))
    say([against])
    tell(found, wanted.works, tools, wanted.html)
    return EXIT_CODES[style.state]


def of_claim(done: Submitted, tools: Tools, background: str) -> Tried:
    """Return how far the style of a claim reaches that was just recorded."""
    return tried(done.enrolled, _matcher(tools), _background(background, tools))


def tell(found: Tried, works: Folder, tools: Tools, html: Path | None) -> None:
    """Say which pictures a style would take, and write the page where one is wanted."""
    matcher = _matcher(tools)
    say([*_nearest(found), *_hands(found, matcher)])
    if html is None:
        return
    style = found.enrolled.part.style
    said = claim_words.style_words(style)
    numbers = claim_words.style_numbers(style)
    write_page(html, render_trial(facts(found, works, matcher, said, numbers)))
    say([f"page: {html} (with small copies of your images; it was not sent anywhere)"])


def simulate(at: simulation.Registered, release: str, vault: str, html: Path | None) -> None:
    """Say what a claim would drop in a release, and write the page where one is wanted.

    vault: its folder, empty where nobody has it.
    """
    store = open_store(release)
    if not is_release(store):
        raise UsageError(f"expected a release (with manifest.json) in {release}, found none")
    opened = open_release(store)
    beside = open_vault(vault, opened.manifest) if vault else None
    found = simulation.run(at, opened, track_files, beside)
    out = console()
    out.print(f"[bold]claim {at.claim_id}[/] on {found.rows:,} released rows; nothing is changed.")
    say(simulation_words.simulated(found))
    if found.decided.num_rows:
        out.print(simulation_words.by_rule(found))
        out.print(claim_words.told({"hosts": simulation_words.hosts(found.hosts())}))
    say(simulation_words.guarded(found))
    if html is not None:
        title = found.release.manifest.title or store.root.rstrip("/").rpartition("/")[2]
        write_page(html, render_simulation(simulation.facts(found, title)))
        say([f"page: {html} (private: it shows what a claim protects)"])


def track_files(names: Sequence[str], doing: str) -> Iterable[str]:
    """Give the names of files one by one; a progress bar on a terminal, else nothing."""
    out = console(stderr=True)
    return track(names, description=doing, console=out) if out.is_terminal else names


def write_page(path: Path, text: str) -> None:
    """Write a page for its owner alone. Raises UsageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    except OSError as e:
        raise UsageError(f"expected to write {path}: {e.strerror or e}") from e


def _nearest(found: Tried) -> list[str]:
    near = found.background
    if near is None:
        return []
    taken, threshold = found.reach.taken, found.reach.threshold
    copies = int((taken & found.reach.copies).sum())
    lines = [
        f"of {near.told} {int(taken.sum()):,} would be left out (likeness {threshold:.2f} or more)"
        + (f", {copies:,} of them copies of yours." if copies else ".")
    ]
    if near.unread:
        lines.append(f"{near.unread:,} files there are no images and were passed over.")
    for place in found.nearest(NEAREST_SHOWN):
        verdict = "left out" if taken[place] else "stays"
        copy = ", a copy of yours" if found.reach.copies[place] else ""
        where = f" ({near.where[place]})" if near.where[place] else ""
        lines.append(
            f"  {found.reach.background[place]:6.2f} {verdict:9}"
            f" {' '.join(near.said[place].split())[:80]}{where}{copy}"
        )
    return lines


def _hands(found: Tried, matcher: Matcher) -> list[str]:
    hands = found.reach.taken_hands()
    if not hands:
        return []
    names = matcher.cohort.card.get("hands", [])
    said = [
        f"{names[number] if number < len(names) else f'hand {number}'} ({count})"
        for number, count in hands[:NEAREST_SHOWN]
    ]
    return [f"other hands that would lose images: {', '.join(map(str, said))}."]


def _background(path: str, tools: Tools) -> Background | None:
    return read_background(open_store(path), _matcher(tools), tools.track) if path else None


def _matcher(tools: Tools) -> Matcher:
    if tools.matcher is None:
        raise UsageError(NO_MATCHER)
    return tools.matcher


def _is_there(registry: str) -> bool:
    path = storage.sqlite_path(storage.registry_url(registry))
    return path is None or path.exists()
