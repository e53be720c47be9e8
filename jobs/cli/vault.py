"""`recuse vault`: what belongs to a release and must not be published."""

from typing import Annotated

import typer

from jobs.cli.console import console

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

app = typer.Typer(no_args_is_help=True, help="What belongs to a release and is never published.")


@app.callback()
def root() -> None:
    """What belongs to a release and is never published."""


@app.command("purge")
def purge(
    release: Annotated[str, typer.Argument(help="Folder or URL of the release.")],
) -> None:
    """Delete the bytes of held rows whose time is over (output.hold_days)."""
    from pipeline.clock import clock_from_environment
    from pipeline.storage import open_store
    from pipeline.vault import purge_held, vault_of

    place = release.rstrip("/")
    store = open_store(vault_of(place), private=True)
    gone = purge_held(store, clock_from_environment().now_us())
    console().print(f"deleted the bytes of {gone:,} held rows whose time is over")
