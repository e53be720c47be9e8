"""What the demo says at its end: a few tables on a terminal, plain lines elsewhere."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.demo.expect import Comparison, Site
from jobs.demo.outcome import rows_of, vaulted

WHY = {
    "optout_work": "shows a registered work, or a copy of one",
    "optout_copy": "is a copy of a picture that a claim denies",
    "optout_style": "is painted in a style that may not be learnt",
    "optout_host": "lies on a host whose owner asked to be left out",
    "optout_name": "has a caption that names a claimant",
    "optout_same_url": "has the address of a row that a claim denies",
    "signal_robots": "robots.txt forbids it",
    "signal_well_known": "tdmrep.json or ai.txt of its site forbids it",
    "signal_header": "a response header forbids it",
    "signal_embedded": "the file itself forbids it",
    "signal_error": "robots.txt could not be read",
    "duplicate": "is a copy of a picture that is released",
    "repeated": "stands twice in the list",
    "http_status": "is not there any more",
    "unreachable": "nobody answers there",
    "address_refused": "leads to an address that is never asked",
    "too_slow": "came too late",
    "too_large": "is larger than allowed",
    "too_many_redirects": "leads round and round",
    "not_an_image": "is no image",
    "malformed": "has no usable URL",
    "review": "waits for somebody to look: a style is near, or reached unusually far",
}
"""In words, the reasons that the demo meets."""
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to tell. submitted: what each `optout submit` printed, in the site's order."""

    site: Site
    release: Path
    submitted: Sequence[str]
    comparison: Comparison
    seconds: Mapping[str, float]


def tell(told: Told, console: Console | None = None) -> None:
    """Print what became of the rows and of each claim, and where the report is."""
    out = console or Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    rows = rows_of(told.release)
    reasons = Counter((r.verdict, r.reason) for r in rows)
    table = _table("What became of the list", "rows", "", "because a row")
    table.add_row(str(len(rows)), "rows in", "")
    table.add_row(str(reasons.pop(("keep", ""), 0)), "[green]released[/]", "")
    for verdict, colour in (("drop", "red"), ("hold", "yellow")):
        chosen = sorted(
            ((n, reason) for (v, reason), n in reasons.items() if v == verdict), reverse=True
        )
        for n, reason in chosen:
            told_as = "dropped" if verdict == "drop" else "held"
            table.add_row(str(n), f"[{colour}]{told_as}[/] {reason}", WHY.get(reason, ""))
    out.print(table)
    out.print(_claims(told))
    _verdict(told, out)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in ("rows", "dropped") else "left")
    return table


def _claims(told: Told) -> Table:
    """Return one line for each claim: what it asked for, and what it kept out."""
    table = _table("\nWho asked to be left out", "name", "claim", "style", "dropped", "for")
    rows = vaulted(told.release).to_pylist()
    for claim, words in zip(told.site.claims, told.submitted, strict=True):
        mine = [r for r in rows if r["claim_id"] and r["claim_id"] in words]
        why = Counter(r["reason"].removeprefix("optout_") for r in mine)
        state = style_state(words) if claim.kind == "style" else "-"
        parts = ", ".join(f"{n} {reason}" for reason, n in why.most_common())
        table.add_row(escape(claim.artist), claim.kind, state, str(len(mine)), parts)
    return table


def style_state(words: str) -> str:
    """Return the state of a style in what `optout submit` printed."""
    flat = " ".join(words.lower().split())
    return next((s for s in ("not separable", "needs review", "active") if s in flat), "none")


def _verdict(told: Told, out: Console) -> None:
    done = told.comparison
    tone = "green" if done.holds else "red"
    out.print(f"\n[bold {tone}]as expected: {done.agreed} of {done.total} rows[/]")
    for text in done.leaked:
        out.print(f"[bold red]RELEASED ALTHOUGH OPTED OUT[/] {escape(text)}")
    for text in done.wrong[:SHOWN]:
        out.print(f"[red]otherwise than expected:[/] {escape(text)}")
    if len(done.wrong) > SHOWN:
        out.print(f"... and {len(done.wrong) - SHOWN} more")
    out.print(
        f"{told.seconds['all']:.0f} s in all, {told.seconds['paint']:.0f} s of them for the gallery"
    )
    out.print(f"report   {escape(str(told.release / 'report.html'))}", soft_wrap=True)
    vault = told.release.with_name(f"{told.release.name}.vault")
    out.print(
        f"review   {escape(str(vault / 'review.html'))} (private: what was left out)",
        soft_wrap=True,
    )
