"""`recuse registry`: what whoever keeps a registry does with it."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, safe

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

app = typer.Typer(no_args_is_help=True, help="Keep a registry: the key by which it speaks.")


@app.callback()
def root() -> None:
    """Keep a registry: the key by which it speaks."""


@app.command()
def keygen(
    name: Annotated[
        str,
        typer.Argument(help="Name of the key, best an address of yours: example.org/optouts."),
    ],
    key: Annotated[
        Path | None, typer.Option("--key", help="File of the private key. [in your data folder]")
    ] = None,
) -> None:
    """Make the key that signs a registry's lists; prints what others verify them by."""
    import secrets

    from jobs.list_files import signer_path, write_signer
    from optout.keys import SEED_BYTES
    from optout.log.note import SignerKey, require_name

    require_name(name)
    signer = SignerKey(name, secrets.token_bytes(SEED_BYTES))
    path = key or signer_path(name)
    write_signer(signer, path)
    out = console()
    out.print(f"private key: {safe(path)}")
    out.print(
        "  keep it to yourself, and keep a copy of it: whoever has it speaks for the registry,"
    )
    out.print("  and lists signed by another key are refused by whoever has subscribed.")
    out.print("verifier key:")
    out.print(f"  [bold]{safe(signer.verifier)}[/]")
    out.print(
        "  give it to those who build by your list, by a way that they trust; a key that comes"
    )
    out.print("  with a list proves nothing. It goes into their build.yaml, registry.lists.")
    out.print(f"next: recuse optout export --key {safe(path)} --out FOLDER-OR-URL")
