"""`recuse audit`: does a release keep what it promises, by its own evidence."""

from typing import Annotated

import typer
from rich.table import Table

from jobs.cli.console import console, safe

SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="Check what a release says, by its own evidence.")


@app.callback()
def root() -> None:
    """Check what a release says, by its own evidence."""


@app.command("replay-signals")
def replay(
    release: Annotated[str, typer.Argument(help="Folder or URL of the release.")],
    vault: Annotated[str, typer.Option("--vault", help="Its vault. (default RELEASE.vault)")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute every verdict by signals again from the evidence, and compare: keeps and drops.

    Exit code 0 where all agree, 1 where anything does not.
    """
    from jobs import audit  # noqa: PLC0415  # keeps the start quick
    from jobs.progress import told as told_on_terminal  # noqa: PLC0415

    out = console()
    with told_on_terminal("replay") as told:
        report = audit.replay_signals(release.rstrip("/"), vault.rstrip("/"), told)
    if as_json:
        typer.echo(audit.as_json(report))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column()
        table.add_column(justify="right")
        table.add_row("rows kept, replayed", f"{report.rows['kept']:,}")
        table.add_row("rows not released, replayed", f"{report.rows['not released']:,}")
        table.add_row("origin documents (public)", f"{report.documents:,}")
        table.add_row("private evidence", f"{report.private:,}")
        wrong = len(report.disagreements)
        colour = "red" if wrong else "green"
        table.add_row(f"[bold {colour}]disagreements[/]", f"[bold {colour}]{wrong:,}[/]")
        out.print(table)
        for one in report.disagreements[:SHOWN]:
            out.print(
                f"  {safe(one.uid or 'release')} {safe(one.what)}: "
                f"claimed {safe(one.claimed)}, found {safe(one.found)}"
            )
        if wrong > SHOWN:
            out.print(f"  … and {wrong - SHOWN:,} more; --json lists all")
        if not wrong:
            out.print("[green]every verdict by signals follows from the evidence[/]")
    if not report.agrees:
        raise typer.Exit(1)
