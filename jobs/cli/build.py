"""`recuse build`."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.cli.options import as_yaml, overrides, parameters, read_config
from schemas.errors import UsageError


def build(  # noqa: PLR0917  # typer passes every argument by name
    source: Annotated[
        str, typer.Argument(help="File, folder, glob or URL of the URL list or of images.")
    ],
    out: Annotated[str, typer.Option("--out", help="Folder or URL of the release.")],
    config: Annotated[Path | None, typer.Option("--config", help="build.yaml.")] = None,
    work: Annotated[
        str, typer.Option("--work", help="Folder for run and fetch store. (default RELEASE.run)")
    ] = "",
    from_store: Annotated[
        str,
        typer.Option("--from-store", help="Work folder of an earlier build: ask it, not the web."),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, bytes on disk and time; do nothing.")
    ] = False,
    **given: Any,
) -> None:
    """Download image-text pairs, leave out who opted out, remove duplicates, write training shards.

    Running the same command again goes on where it stopped. Every key of build.yaml is an option.
    """
    text = _read(config)
    settings = read_config(text, overrides(given), str(config or "build.yaml"))
    from jobs.build import Job, run_build  # noqa: PLC0415  # what a build needs takes seconds to load
    from pipeline.storage import beside  # noqa: PLC0415  # likewise

    place = out.rstrip("/")
    if not source or not place:
        raise UsageError("expected SOURCE and --out RELEASE, found an empty one")
    job = Job(
        source, place, work.rstrip("/") or beside(place, ".run"), from_store.rstrip("/"), settings
    )
    run_build(job, dry_run=dry_run)


def show_config() -> None:
    """Print build.yaml with every key, its default and what it means."""
    typer.echo(as_yaml(), nl=False)


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except OSError as e:
        raise UsageError(f"could not read --config {path}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"expected UTF-8 in {path}: {e}") from e


def register(app: typer.Typer) -> None:
    """Add the command with one option for each config key, and the one that shows the keys."""
    own = [
        p
        for p in inspect.signature(build).parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    wanted = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + parameters()
    build.__signature__ = inspect.Signature(wanted)  # type: ignore[attr-defined]  # read by typer
    build.__annotations__ = {p.name: p.annotation for p in wanted}
    app.command("build")(build)
    app.command("config")(show_config)
