"""The command `recuse`. Every error becomes a message and an exit code here, and nowhere else.

Exit codes: 0 done, 1 failed, 2 bad usage or input. Heavy modules are imported by the commands that
need them, so that `--help` and the registry's commands start at once.
"""

import os
import sys
import traceback
from typing import Annotated

import typer

from jobs.cli import audit, build, cohort, optout, recall, registry, retract, signals, vault
from jobs.cli.console import say_error
from jobs.cli.options import with_listed_names
from schemas.errors import ClaimError, CurationError, UsageError
from schemas.version import installed_version

EXIT_FAILED = 1
EXIT_USAGE = 2

app = typer.Typer(
    name="recuse",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Image-text training shards without those who asked to be left out, and the proof of it.",
)
build.register(app)
recall.register(app)
app.add_typer(optout.app, name="optout")
app.add_typer(registry.app, name="registry")
app.add_typer(cohort.app, name="cohort")
app.add_typer(signals.app, name="signals")
app.add_typer(audit.app, name="audit")
app.add_typer(vault.app, name="vault")
app.add_typer(retract.app, name="retract")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"recuse {installed_version()}")
        raise typer.Exit


@app.callback()
def root(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    del show_version
    if debug:
        os.environ["RECUSE_DEBUG"] = "1"


def main() -> None:
    """Run the command line of this process and exit."""
    try:
        app(args=with_listed_names(sys.argv[1:]), prog_name="recuse")
    except CurationError as e:
        _fail(e, str(e), EXIT_USAGE if isinstance(e, UsageError | ClaimError) else EXIT_FAILED)
    except ImportError as e:
        _fail(e, _missing(e), EXIT_FAILED)
    except OSError as e:
        _fail(e, f"{e.strerror or e}: {e.filename}" if e.filename else str(e), EXIT_FAILED)
    except KeyboardInterrupt as e:
        _fail(e, "interrupted; the same command goes on where this one stopped", EXIT_FAILED)


def _missing(error: ImportError) -> str:
    return (
        f"this command needs {error.name or 'a package'}, which is not installed here. "
        "`pip install -c constraints.txt '.[build]'` installs everything that builds need."
    )


def _fail(error: BaseException, message: str, code: int) -> None:
    if os.environ.get("RECUSE_DEBUG"):
        traceback.print_exception(error)
    say_error(message, getattr(error, "__notes__", []))
    sys.exit(code)
