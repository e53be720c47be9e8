"""`recuse optout`: what artists do with a registry, and builders with claims."""

from collections.abc import Callable

import typer

from jobs.cli.claiming import refresh, submit, try_style, withdraw
from jobs.cli.erasing import erase
from jobs.cli.lists import export, import_
from jobs.cli.looking import list_claims, show, simulate, snapshot
from jobs.cli.proving import receipt, status, verify_receipt, verify_status
from jobs.cli.review import review

COMMANDS: dict[str, Callable[..., None]] = {
    "review": review,
    "submit": submit,
    "test": try_style,
    "simulate": simulate,
    "list": list_claims,
    "show": show,
    "refresh": refresh,
    "withdraw": withdraw,
    "erase": erase,
    "receipt": receipt,
    "verify-receipt": verify_receipt,
    "status": status,
    "verify-status": verify_status,
    "snapshot": snapshot,
    "export": export,
    "import": import_,
}
"""In the order in which help lists them."""

app = typer.Typer(no_args_is_help=True, help="Ask that works be left out, or may be used.")
for name, command in COMMANDS.items():
    app.command(name)(command)
