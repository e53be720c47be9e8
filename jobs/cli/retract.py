"""`recuse retract`: rows that a release has taken back, dropped from a copy of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import console, safe, say
from schemas.errors import StorageError, UsageError

if TYPE_CHECKING:
    from jobs.retract import Report

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

COPY = Annotated[Path, typer.Argument(metavar="COPY", help="Folder of the copy.")]
RETRACTIONS = Annotated[
    Path, typer.Argument(metavar="RETRACTIONS", help="retractions.parquet, its note beside it.")
]
KEY = Annotated[
    list[str] | None, typer.Option("--key", help="Verifier key that you trust; repeatable.")
]
KEYS = Annotated[Path | None, typer.Option("--keys", help="File of such keys, one a line.")]
POLICY = Annotated[
    Path | None, typer.Option("--policy", help="Policy file; the keys of its log lines count.")
]

UNTOLD = 3
"""Exit code where something is left that nobody can tell; `audit verify` has it for *needs*."""
SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="Drop rows that were taken back from a copy.")


@app.callback()
def root() -> None:
    """Drop rows that a release has taken back from a copy that you hold."""


@app.command("apply")
def apply(
    copy: COPY,
    retractions: RETRACTIONS,
    key: KEY = None,
    keys: KEYS = None,
    policy: POLICY = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Rewrite the files.")] = False,
    alone: Annotated[
        bool,
        typer.Option(
            "--without-images",
            help="Drop rows also whose images were not found: you made sure that none is here.",
        ),
    ] = False,
) -> None:
    """Say which rows of a copy go, file by file; with --yes, drop them.

    Parquet shards, tars, folders of images, and folders saved by `datasets`. Exit code 3 where
    something is left of which nobody can tell whether it was taken back.
    """
    report = _run(copy, retractions, _trusted(key, keys, policy), yes=yes, alone=alone)
    _say(report, copy, done=yes)
    if report.rows and not yes:
        say(["nothing was changed; --yes drops them"])
    if report.failed:
        raise StorageError(
            f"could not retract from {len(report.failed):,} of the files, as {report.failed[0]};"
            " the same again goes on with them"
        )
    if report.untold and yes:
        raise typer.Exit(UNTOLD)


@app.command("check")
def check(
    copy: COPY,
    retractions: RETRACTIONS,
    key: KEY = None,
    keys: KEYS = None,
    policy: POLICY = None,
) -> None:
    """Say which rows of a copy were taken back.

    Exit code 1 where any is still there, 3 where something is there of which nobody can tell.
    """
    report = _run(copy, retractions, _trusted(key, keys, policy), yes=False)
    _say(report, copy, done=False)
    if report.rows or report.untold:
        raise typer.Exit(1 if report.rows else UNTOLD)


def _run(
    copy: Path, retractions: Path, keys: list[str], *, yes: bool, alone: bool = False
) -> "Report":
    from jobs.progress import told as told_on_terminal
    from jobs.retract import retract
    from pipeline.retracted import Retracted

    if not keys:
        raise UsageError(
            "expected --key, --keys or --policy: whom you trust to take rows back, found none"
        )
    retracted = Retracted.read(retractions, keys)
    with told_on_terminal("read") as told:
        return retract(copy, retracted, yes=yes, alone=alone, told=told)


def _trusted(key: list[str] | None, keys: Path | None, policy: Path | None) -> list[str]:
    from jobs.receipts import read_policy

    named = [str(log.key) for log in read_policy(policy).logs] if policy else []
    return [*(key or ()), *_listed(keys), *named]


def _listed(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"expected verifier keys in {path}, one a line: {e}") from e
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _say(report: "Report", copy: Path, *, done: bool) -> None:
    from jobs.retract import UNENDED

    out = console()
    inside = copy.resolve()
    for one in report.going:
        file = one.path.resolve()
        outside = "" if file.is_relative_to(inside) else f" (a link to {safe(file)})"
        out.print(f"  {safe(one.path)}{outside}: {one.rows:,} of {one.of:,} rows")
    for other in report.untold[:SHOWN]:
        rest = "" if other.why in UNENDED else "; nobody can tell, and it was left alone"
        say([f"{other.path}: {other.why}{rest}"])
    more = len(report.untold) - SHOWN
    say([f"and {more:,} more that nobody can tell"] if more > 0 else [])
    if not report.rows:
        rest = " in what can be told" if report.untold else ""
        say([f"none of the rows that were taken back is there{rest}"])
        return
    for path in report.about:
        say([f"{path} tells of these rows too: take that of the new release"])
    word = "dropped" if done else "would go"
    say([f"{word}: {report.rows:,} rows out of {len(report.going):,} files"])
