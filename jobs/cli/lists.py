"""`recuse optout` export and import: claims in force as signed lists."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, say
from jobs.cli.given import REGISTRY, opened

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once


def export(
    key: Annotated[Path, typer.Option("--key", help="Key that `recuse registry keygen` wrote.")],
    out: Annotated[str, typer.Option("--out", help="Folder or URL to write the list to.")],
    registry: REGISTRY = "",
) -> None:
    """Publish the claims in force as a signed list, for builders to subscribe to.

    A list holds what builders must see: hashes and vectors of works, names, hosts, addresses. Give
    it to builders and auditors under terms, not to everybody. Who asks and how to reach them are
    not in it. Levels are those that the registry states.
    """
    from jobs.cli import list_words
    from jobs.list_files import read_signer
    from jobs.signed_lists import export_list
    from pipeline.clock import clock_from_environment
    from pipeline.storage import open_store

    signer = read_signer(key)
    with opened(registry) as found:
        done = export_list(found, signer, open_store(out), clock_from_environment())
    console().print(list_words.summary(done))
    say([f"written to {out}", list_words.TERMS, f"verifier key {signer.verifier}"])


def import_(
    source: Annotated[str, typer.Argument(metavar="LIST", help="Folder or URL of a signed list.")],
    key: Annotated[
        str, typer.Option("--key", help="Verifier key of its publisher, NAME+ID+BASE64.")
    ],
    to: Annotated[str, typer.Option("--to", help="Folder of lists. [in your data folder]")] = "",
) -> None:
    """Fetch a list, verify it by the key that you were given, and keep it for builds.

    Refused are a list that the key has not signed, one that is not what was signed, and one that
    is older than the copy held, or shows another history.
    """
    from jobs.cli import list_words
    from jobs.list_files import lists_folder
    from jobs.signed_lists import import_list
    from optout.log.note import parse_verifier_key
    from pipeline.clock import clock_from_environment
    from pipeline.storage import open_store

    home = to.rstrip("/") or str(lists_folder())
    verifier = parse_verifier_key(key)
    kept = import_list(open_store(source), verifier, open_store(home, private=True))
    out = console()
    out.print(list_words.summary(kept.found, clock_from_environment().now_us()))
    say(list_words.kept(kept, f"{home}/{kept.folder}"))
