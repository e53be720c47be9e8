"""`recuse audit verify`: does a release keep what it promises, as far as one can look."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from jobs.cli.console import console, safe
from jobs.cli.given import opened
from schemas.config import MAX_LIST_AGE_DAYS
from schemas.errors import UsageError

if TYPE_CHECKING:
    from jobs.checks.held import Held
    from jobs.verifying import Report
    from optout.cohort import Cohort
    from optout.registry import Registry
    from schemas.ports import Embedder

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once
# ruff: noqa: B006 - an option that may be repeated starts as an empty list, which nothing changes

MOST_DAYS = 36_500
COLOURS = {"verified": "green", "failed": "bold red", "needs": "yellow"}


def verify(
    release: Annotated[str, typer.Argument(help="Folder or URL of the release.")],
    *,
    key: Annotated[
        list[str], typer.Option("--key", help="Verifier key of its builder; repeatable.")
    ] = [],
    policy: Annotated[
        Path | None, typer.Option("--policy", help="File that says whose logs' keys count.")
    ] = None,
    registry: Annotated[
        list[str], typer.Option("--registry", help="Registry that it used; repeatable.")
    ] = [],
    log: Annotated[
        list[str],
        typer.Option("--log", help="Folder or URL of a registry's published log; repeatable."),
    ] = [],
    snapshot: Annotated[
        list[str],
        typer.Option("--snapshot", help="Folder of a list or snapshot that it used; repeatable."),
    ] = [],
    vault: Annotated[str, typer.Option("--vault", help="Its vault.")] = "",
    demand: Annotated[
        list[str], typer.Option("--demand", help="Origin of a list that it must have used.")
    ] = [],
    max_age_days: Annotated[
        float, typer.Option("--max-age-days", help="How old a list may have been.")
    ] = MAX_LIST_AGE_DAYS,
    full: Annotated[bool, typer.Option("--full", help="Look at every stored image.")] = False,
    sample: Annotated[
        int | None, typer.Option("--sample", help="Stored images to look at. [9206]", min=0)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which ones are drawn.")] = 0,
    require_complete: Annotated[
        bool, typer.Option("--require-complete", help="Nothing may be left unchecked.")
    ] = False,
    matcher: Annotated[
        str, typer.Option("--matcher", help="Model of the vectors: a name or folder; '' for none.")
    ] = "builtin:lite",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    statement: Annotated[
        Path | None, typer.Option("--statement", help="New file for an in-toto statement.")
    ] = None,
) -> None:
    """Check a release: each check is verified, failed, or needs what you do not hold.

    Exit code 0; that of the first check that failed (docs/audit.md); 3 where nothing failed, all
    was required and something is needed.
    """
    from jobs import audit_report, verifying
    from jobs.progress import told as told_on_terminal
    from pipeline import audit

    if full and sample is not None:
        raise UsageError("expected --full or --sample, found both")
    _require_given(snapshot, vault, max_age_days, matcher)
    place = release.rstrip("/")
    with _held(registry, log, snapshot, key, policy) as given:
        held = given(
            vault=vault.rstrip("/"),
            demanded=tuple(demand),
            max_age_days=max_age_days,
            sample=None if full else audit.SAMPLED_ROWS if sample is None else sample,
            seed=seed,
            embedder=lambda: _embedder(place, matcher),
            cohort=lambda fingerprint: _cohort(matcher, fingerprint),
        )
        with told_on_terminal("audit") as told:
            report = verifying.verify(place, held, lambda _name: told)
    if as_json:
        typer.echo(audit_report.to_text(audit_report.as_json(report)))
    else:
        _say(report)
    if statement is not None:
        _write_statement(report, statement)
    code = audit.exit_code(report.checks, complete=require_complete)
    if code:
        raise typer.Exit(code)


def _require_given(snapshots: list[str], vault: str, max_age_days: float, matcher: str) -> None:
    """Raise UsageError for what cannot be used: else the release would be blamed for it."""
    from optout.snapshot import HEADER_FILE
    from pipeline.models import matcher_files
    from pipeline.storage import open_store

    if not 0 <= max_age_days <= MOST_DAYS:
        raise UsageError(f"expected --max-age-days from 0 to {MOST_DAYS:,}, found {max_age_days:g}")
    for place in snapshots:
        if not open_store(place).exists(HEADER_FILE):
            raise UsageError(
                f"expected a list or snapshot in {place} (--snapshot), found no {HEADER_FILE}"
            )
    if vault and not open_store(vault.rstrip("/")).paths(""):
        raise UsageError(f"expected a vault in {vault} (--vault), found no files")
    if matcher:
        matcher_files.shown_as(matcher)


@contextmanager
def _held(
    registries: list[str],
    logs: list[str],
    snapshots: list[str],
    keys: list[str],
    policy: Path | None,
) -> "Iterator[Callable[..., Held]]":
    """Give what makes Held out of further options, with all registries open meanwhile."""
    from functools import partial

    from jobs.checks.held import Held
    from jobs.held_logs import of_registry, of_store
    from jobs.receipts import read_policy
    from jobs.seen import keep_fork
    from optout.log.note import parse_verifier_key
    from pipeline.storage import open_store

    trusted = read_policy(policy) if policy else None
    if logs and trusted is None:
        raise UsageError("expected a policy file (--policy) that says whose key signs for --log")
    with ExitStack() as stack:
        found: list[Registry] = [stack.enter_context(opened(place)) for place in registries]
        published = [partial(of_store, open_store(at), trusted) for at in logs if trusted]
        yield partial(
            Held,
            keys=tuple(parse_verifier_key(text) for text in keys),
            policy=trusted,
            registries=tuple(found),
            logs=(*(partial(of_registry, one) for one in found), *published),
            keep_fork=lambda proof, origin: str(keep_fork(proof, origin)),
            snapshots=tuple(open_store(place) for place in snapshots),
        )


def _embedder(release: str, name: str) -> "Embedder | None":
    """Return the model of a release's vectors, null where another one or none is at hand."""
    from jobs.cli.given import can_load_models
    from jobs.releases import open_release
    from pipeline.models.loading import load_matcher
    from pipeline.storage import open_store

    wanted = open_release(open_store(release)).matcher
    if not name or wanted is None or not can_load_models():
        return None
    found = load_matcher(name)
    return found if found.card.fingerprint == wanted.fingerprint else None


def _cohort(name: str, fingerprint: str) -> "Cohort | None":
    from pipeline.models.matcher_files import cohort_of

    return cohort_of(name, fingerprint) if name else None


def _say(report: "Report") -> None:
    from jobs.cli import audit_words

    out = console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in report.checks:
        colour = COLOURS[check.status]
        lines = audit_words.lines(check)
        table.add_row(check.name, f"[{colour}]{check.status}[/]", "\n".join(map(safe, lines)))
    out.print(table)
    for line in audit_words.outcome(report):
        out.print(line)


def _write_statement(report: "Report", path: Path) -> None:
    from datetime import UTC, datetime
    from importlib.metadata import version

    from jobs import audit_report
    from jobs.claimant_files import write_private
    from pipeline.clock import clock_from_environment

    at = datetime.fromtimestamp(clock_from_environment().now_us() / 1_000_000, UTC)
    made = audit_report.statement(report, version("recuse"), at)
    write_private(path, audit_report.to_text(made).encode())
