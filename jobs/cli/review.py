"""`recuse optout review`: rows that a style holds, shown and decided."""

import getpass
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import console, safe
from schemas.errors import UsageError

if TYPE_CHECKING:
    from jobs.review import Recorded, Review
    from pipeline.review import Chosen, Held, Wanted

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

LISTED = 12  # rows of each claim
Repeatable = list[str]


def review(
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="A release, or its vault.")],
    *,
    let_in: Annotated[Repeatable, typer.Option("--let-in", help="A row; repeatable.")] = [],  # noqa: B006 - typer's
    keep_out: Annotated[Repeatable, typer.Option("--keep-out", help="A row; repeatable.")] = [],  # noqa: B006 - typer's
    all_of: Annotated[
        Repeatable,
        typer.Option("--all-of", help="A claim: let in what it alone holds; repeatable."),
    ] = [],  # noqa: B006 - typer's
    decisions: Annotated[
        str, typer.Option("--decisions", help="CSV file: uid,decision,why; let-in or keep-out.")
    ] = "",
    ask: Annotated[bool, typer.Option("--ask", help="Ask about each row on the terminal.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who decides. (default your user name)")] = "",
    why: Annotated[str, typer.Option("--why", help="What was seen.")] = "",
    safe_list: Annotated[
        str,
        typer.Option("--safe", help="Safe list to add to. (default safe.jsonl beside the vault)"),
    ] = "",
) -> None:
    """Show the rows that a style holds, and decide about them; nothing is released by this.

    Without a decision the rows are listed, and a private page with their pictures is written.
    """
    from jobs.review import open_review, read_wanted, record
    from pipeline.review import Wanted, choose, standing

    found = open_review(release)
    wanted = Wanted(tuple(let_in), tuple(keep_out), tuple(all_of))
    if decisions:
        wanted = _joined(wanted, read_wanted(decisions))
    if ask:
        wanted = _joined(wanted, _asked(found))
    if not (wanted.let_in or wanted.keep_out or wanted.all_of):
        _listing(found)
        return
    chosen = choose(found.held, standing(found.decisions), wanted)
    place = safe_list or found.safe_path
    done = record(found, chosen, by or getpass.getuser(), why, place)
    _told(done, chosen, place)


def _joined(one: "Wanted", other: "Wanted") -> "Wanted":
    from pipeline.review import Wanted

    return Wanted(one.let_in + other.let_in, one.keep_out + other.keep_out, one.all_of, other.why)


def _listing(found: "Review") -> None:
    from jobs.review import write_page
    from pipeline.review import Choice, standing

    out, waiting = console(), found.waiting
    settled = [one.choice for one in standing(found.decisions).values()]
    ins = settled.count(Choice.LET_IN)
    out.print(
        f"{len(found.held):,} rows held for review: [bold]{len(waiting):,} wait[/],"
        f" {ins:,} let in, {settled.count(Choice.KEEP_OUT):,} kept out,"
        f" {len(settled) - ins - settled.count(Choice.KEEP_OUT):,} taken by a later release"
    )
    for claim, rows in _by_claim(waiting):
        by = f", of list {safe(found.lists[claim])}" if claim in found.lists else ""
        out.print(f"\n[bold]claim {safe(claim)}[/]{by}: {len(rows):,}")
        for row in rows[:LISTED]:
            out.print(f"  {_line(row)}")
        if len(rows) > LISTED:
            out.print(f"  and {len(rows) - LISTED:,} more")
    if found.held:
        out.print(f"\npictures (private): {safe(write_page(found))}")
    if ins:
        _how_to_build(found)


def _by_claim(rows: "list[Held]") -> "Iterator[tuple[str, list[Held]]]":
    claims = dict.fromkeys(row.near[0].claim_id for row in rows)
    for claim in claims:
        yield claim, [row for row in rows if row.near[0].claim_id == claim]


def _line(row: "Held") -> str:
    first = row.near[0]
    why = f"copy of {row.by_uid[:12]}"
    if first.similarity is not None and first.threshold is not None:
        why = f"{first.similarity:.2f} from {first.threshold:.2f}"
    unseen = "" if row.pictured else ", no image"
    more = f", and by {len(row.near) - 1} more" if len(row.near) > 1 else ""
    return safe(f"{row.uid}  {why}{more}{unseen}  {row.host}  {row.caption[:60]}")


def _asked(found: "Review") -> "Wanted":
    """Ask about each row that waits and has an image. Raises UsageError away from a terminal."""
    from jobs.review import write_page
    from pipeline.review import Wanted

    out = console()
    if not out.is_terminal:
        raise UsageError("expected a terminal for --ask; give --let-in, --keep-out or --decisions")
    out.print(f"pictures (private): {safe(write_page(found))}")
    ins, outs = [], []
    for row in (row for row in found.waiting if row.pictured):
        out.print(_line(row))
        said = typer.prompt("let in, keep out, later, end [i/o/l/e]", default="l").strip().lower()
        if said.startswith("e"):
            break
        if said.startswith("i"):
            ins.append(row.uid)
        elif said.startswith("o"):
            outs.append(row.uid)
    return Wanted(tuple(ins), tuple(outs))


def _told(done: "Recorded", chosen: "Chosen", place: str) -> None:
    from pipeline.review import Choice

    out = console()
    counts = [one.choice for one in done.decisions]
    out.print(
        f"{counts.count(Choice.LET_IN):,} rows let in, {counts.count(Choice.KEEP_OUT):,} kept out;"
        f" {len(done.review.waiting):,} wait. Recorded in the vault."
    )
    if chosen.left:
        out.print(
            f"{len(chosen.left):,} rows stay: another claim holds them too"
            " (name both claims, or the rows)"
        )
    out.print(f"{len(done.cleared):,} lines added to the safe list {safe(place)}")
    if done.reversed_rows:
        out.print("a row that was let in before has its line in the safe list still: remove it")
    if chosen.let_in:
        _how_to_build(done.review, place)


def _how_to_build(found: "Review", place: str = "") -> None:
    name = found.place.removesuffix(".vault")
    console().print(
        "to release what was let in, without asking the web again:\n"
        f"  recuse build {safe(found.place)} --out {safe(name)}-more"
        f" --match.safe {safe(place or found.safe_path)} …the options of the first build"
    )
