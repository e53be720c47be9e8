"""`recuse audit` explain, delta, verify-delta, diff: single rows, one claim, two releases."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, say
from schemas.errors import UsageError

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

RELEASE = Annotated[str, typer.Argument(help="Folder or URL of the release.")]
VAULT = Annotated[str, typer.Option("--vault", help="Its vault, for those who hold it.")]
RECEIPT = Annotated[Path, typer.Option("--receipt", help="Either file of a claimant's receipt.")]


def explain(
    release: RELEASE,
    what: Annotated[str, typer.Argument(metavar="UID|URL|FILE", help="Which row.")],
    vault: VAULT = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell the life of one sample, from the source to its verdict, with the evidence.

    Of rows that are not released the public ledger says stage and reason; the vault says the rest.
    """
    from jobs import row_audit
    from jobs.cli import life_words

    found = row_audit.explain(release.rstrip("/"), what, vault.rstrip("/"))
    if as_json:
        typer.echo(json.dumps([life_words.as_json(one) for one in found], indent=2))
        return
    out = console()
    for one in found:
        out.print(life_words.life(one))


def delta(
    release: RELEASE,
    receipt: RECEIPT,
    vault: VAULT = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="New file of the proof; needs --vault.")
    ] = None,
) -> None:
    """Say what a release did for one claim: what was left out, by which rule, and what is inside.

    Exit code 1 where the very bytes or pixels of a listed work are inside.
    """
    from jobs import receipts, row_audit
    from jobs.claimant_files import write_private
    from jobs.cli import life_words

    if out is not None and not vault:
        raise UsageError("expected --vault for --out: what was left out, the vault alone opens")
    held = receipts.read_fitting(receipts.files_at(receipt))
    found = row_audit.claim_delta(release.rstrip("/"), held, vault.rstrip("/"))
    say(life_words.delta(found))
    if found.opened is not None:
        console().print(life_words.left_out(found.opened))
        say(life_words.also(found))
        if out is not None:
            write_private(out, found.opened.to_bytes())
            say([f"proof: {out} (for the claimant; it says nothing of others)"])
    if not found.kept_out:
        raise typer.Exit(1)


def verify_delta(
    proof: Annotated[Path, typer.Argument(help="File that delta wrote.")],
    receipt: RECEIPT,
    manifest: Annotated[
        str, typer.Option("--manifest", help="RELEASE/manifest.json, from whom you trust.")
    ],
) -> None:
    """Check what a builder says was left out for a claim, by the manifest alone."""
    from jobs import receipts
    from jobs.cli import life_words
    from pipeline import delta as deltas
    from pipeline.manifest import parse_manifest
    from pipeline.storage import read_anywhere

    held = receipts.read_fitting(receipts.files_at(receipt))
    body = read_anywhere(manifest)
    said = parse_manifest(body)
    try:
        found = deltas.parse(proof.read_bytes(), str(proof))
    except OSError as e:
        raise UsageError(f"expected a delta in {proof}: {e.strerror or e}") from e
    deltas.verify(found, held.claim, said, body)
    say([f"verified: {len(found.rows)} rows are in the ledger of {said.title!r} for this claim"])
    console().print(life_words.left_out(found))


def diff(
    before: Annotated[str, typer.Argument(help="A release.")],
    after: Annotated[str, typer.Argument(help="A later one.")],
    *,
    vault_before: Annotated[str, typer.Option("--vault-before", help="Vault of the first.")] = "",
    vault_after: Annotated[str, typer.Option("--vault-after", help="Vault of the second.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what changed between two releases: rows added, rows removed, why, by which claim."""
    from jobs import row_audit
    from jobs.cli import life_words

    places = before.rstrip("/"), after.rstrip("/")
    vaults = vault_before.rstrip("/"), vault_after.rstrip("/")
    found = row_audit.compare(*places, vaults)
    if as_json:
        typer.echo(json.dumps(life_words.diff_json(found), indent=2))
        return
    say(life_words.totals(found))
    console().print(life_words.moves(found))
