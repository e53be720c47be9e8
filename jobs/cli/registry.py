"""`recuse registry`: what whoever keeps a registry does with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, safe
from jobs.cli.erasing import backup
from jobs.cli.given import REGISTRY, recording
from jobs.cli.moderating import accept_style, moderator_key, review, verify
from jobs.cli.publishing import announce, init, publish, rotate
from jobs.cli.witness import OF_WITNESSES

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

OF_MODERATORS: dict[str, Callable[..., None]] = {
    "review": review,
    "verify": verify,
    "accept-style": accept_style,
    "moderator-key": moderator_key,
}

app = typer.Typer(
    no_args_is_help=True, help="Keep a registry: what is proved of claims, matcher, key of lists."
)
OF_KEEPERS: dict[str, Callable[..., None]] = {
    "init": init,
    "rotate": rotate,
    "publish": publish,
    "announce": announce,
    "backup": backup,
}
for title, command in (OF_KEEPERS | OF_MODERATORS | OF_WITNESSES).items():
    app.command(title)(command)


@app.command("matcher")
def matcher(
    name: Annotated[str, typer.Argument(help="builtin:lite, or the folder of a matcher.")],
    registry: REGISTRY = "",
) -> None:
    """Move a registry to another matcher.

    Vectors of the one before stay recorded and judge no more; hashes, names, hosts and addresses
    go on acting. Claimants add vectors by `recuse optout refresh`.
    """
    from optout.snapshot import take
    from pipeline.match import unjudged
    from pipeline.models.matcher_files import fingerprint, shown_as

    found, shown = fingerprint(name), shown_as(name)
    with recording(registry) as kept:
        before = kept.matcher()
        kept.move_matcher(found, shown)
        works = take(kept, trust_local=False).works
    out = console()
    out.print(f"matcher: {safe(before[1] or 'none')} {before[0][:16]} until now")
    out.print(f"matcher: [bold]{safe(shown)}[/] {found[:16]} from now on")
    waiting = unjudged(works, found)
    if waiting:
        out.print(
            f"{waiting} claims in force have works and no vectors of it: they are not judged by"
            " likeness until their claimants run recuse optout refresh FOLDER"
        )


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
