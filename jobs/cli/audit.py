"""`recuse audit`: does a release keep what it promises, by its own evidence."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from jobs.cli.auditing import verify
from jobs.cli.auditing_rows import delta, diff, explain, verify_delta
from jobs.cli.console import console, safe, say, say_error
from schemas.errors import UsageError

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="Check what a release says, by its own evidence.")


@app.callback()
def root() -> None:
    """Check what a release says, by its own evidence."""


COMMANDS: dict[str, Callable[..., None]] = {
    "verify": verify,
    "explain": explain,
    "delta": delta,
    "verify-delta": verify_delta,
    "diff": diff,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


@app.command("replay-signals")
def replay(
    release: Annotated[str, typer.Argument(help="Folder or URL of the release.")],
    vault: Annotated[str, typer.Option("--vault", help="Its vault. (default RELEASE.vault)")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute every verdict by signals again from the evidence, and compare: keeps and drops.

    Exit code 0 where all agree, 1 where anything does not.
    """
    from jobs import audit
    from jobs.progress import told as told_on_terminal

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


@app.command("prove-absence")
def prove_absence(
    release: Annotated[str, typer.Argument(help="Folder or URL of the release.")],
    image: Annotated[str, typer.Option("--image", help="The image that is not to be inside.")],
    radius: Annotated[int, typer.Option("--radius", help="Bits of PDQ: 15 or 31.")] = 31,
    out: Annotated[str, typer.Option("--out", help="(default NAME.absence.json, here)")] = "",
) -> None:
    """Prove that an image, and whatever looks like it, is not inside a release.

    Exit code 0 with a proof, 1 where a copy is inside, 2 for an image that is too plain.
    """
    from jobs import absence
    from jobs.claimant_files import replace_private
    from jobs.progress import told as told_on_terminal
    from pipeline.absence import TOLERANCE, Near, covers

    if radius not in TOLERANCE:
        raise UsageError(f"expected --radius 15 or 31, found {radius}")
    path = Path(out or f"{Path(image).name}.absence.json")
    absence.require_place(path)
    with told_on_terminal("read") as told:
        found = absence.prove_absence(release.rstrip("/"), image, radius, told)
    if isinstance(found, Near):
        what = "has the same bytes or pixels" if "pdq" not in found.kind else "looks like it"
        say_error(
            f"a copy is inside: row {found.uid} {what} ({found.kind}, {found.distance} bits away)"
        )
        raise typer.Exit(1)
    body = found.to_bytes()
    replace_private(path, body)
    say([f"not inside: {path} proves it ({len(body) / 1e6:.2f} MB)", *covers(radius)])


@app.command("verify-fork")
def verify_fork(
    proof: Annotated[Path, typer.Argument(help="Two signed states of a log.")],
    policy: Annotated[Path, typer.Option("--policy", help="File that says whose keys count.")],
) -> None:
    """Check a proof that a log shows two histories; only the log itself can have made it.

    Exit code 0 where it is proved, 1 where not.
    """
    from jobs.receipts import read_policy
    from optout.log import fork

    try:
        body = proof.read_bytes()
    except OSError as e:
        raise UsageError(f"expected a proof in {proof}: {e.strerror or e}") from e
    found = fork.verify(fork.parse(body), read_policy(policy))
    sizes = " and ".join(f"{head.size} entries, root {head.root.hex()}" for head in found)
    say([f"proved: the log {found[0].origin} shows two histories: {sizes}"])


@app.command("verify-absence")
def verify_absence(
    proof: Annotated[str, typer.Argument(help="What prove-absence wrote.")],
    root_from: Annotated[
        str, typer.Option("--root-from", help="RELEASE/manifest.json, from whom you trust.")
    ] = "",
    roots: Annotated[
        list[str] | None, typer.Option("--root", help="rows=HEX and bands=HEX instead.")
    ] = None,
    image: Annotated[str, typer.Option("--image", help="The image, to compute its codes.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a proof of absence by the roots of the release; nothing else is needed.

    Exit code 0 where it holds, 1 where it does not.
    """
    from jobs import absence
    from pipeline.absence import covers

    if bool(root_from) == bool(roots):
        raise UsageError("expected either --root-from or --root rows=HEX --root bands=HEX")
    known = absence.roots_from(root_from) if root_from else absence.roots_given(roots or [])
    found = absence.verify_absence(proof, known, image)
    if as_json:
        typer.echo(absence.as_json(found))
        return
    about = (
        "the codes are those of the image"
        if found.of_image
        else "whether the codes are those of your image was not checked: give --image FILE"
    )
    say(
        [
            f"verified: the image with sha256 {found.absence.subject.sha256} is not inside",
            f"root of rows {known['rows']}",
            f"root of bands {known['bands']}",
            about,
            *covers(found.absence.radius),
        ]
    )
