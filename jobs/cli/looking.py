"""`recuse optout` simulate, list, show, snapshot: what a registry holds."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, safe, say
from jobs.cli.given import CLAIM, HTML, MATCHER, REGISTRY, TRUST, opened, whole_id
from schemas.errors import ClaimError

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once


def simulate(
    claim: CLAIM,
    release: Annotated[str, typer.Argument(help="Folder or URL of a release.")],
    registry: REGISTRY = "",
    html: HTML = None,
    *,
    vault: Annotated[
        str, typer.Option("--vault", help="The release's vault: votes and caps as in a build.")
    ] = "",
    matcher: MATCHER = "builtin:lite",
    trust_local: TRUST = False,
) -> None:
    """Say what a claim would drop in a release, as if its control were proved; changes nothing."""
    from jobs.cli import trying
    from jobs.simulation import Registered

    with opened(registry) as found:
        at = Registered(found, whole_id(found, claim), trust_local=trust_local, cohort=matcher)
        trying.simulate(at, release, vault, html)


def list_claims(registry: REGISTRY = "") -> None:
    """List the claims of a registry."""
    from jobs.cli import claim_words

    with opened(registry) as found:
        rows = found.claims()
    out = console()
    out.print(claim_words.listing(rows) if rows else "no claims yet")


def show(
    claim: CLAIM,
    registry: REGISTRY = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="The claimant's key: shows who asks as well.")
    ] = None,
    trust_local: TRUST = False,
) -> None:
    """Show a claim: what it says, what acts, and the numbers of its style."""
    from jobs.claimant_files import read_key
    from jobs.cli import claim_words
    from optout.parts import open_identity_part, open_match_part

    with opened(registry) as found:
        standing = found.standing(whole_id(found, claim))
        match, identity = found.parts(standing.claim_id)
    part, artist, contact = open_match_part(match), "", ""
    part = part.model_copy(update={"style": standing.style(part.style)})
    if key is not None:
        if read_key(key).public != standing.claimant_key:
            raise ClaimError(f"expected the key of claim {standing.claim_id} in {key}")
        if identity is not None:
            who = open_identity_part(identity)
            artist, contact = who.artist, who.contact
    out = console()
    out.print(f"[bold]claim {standing.claim_id}[/] {safe(standing.state)}")
    say([f"submitted {standing.submitted_at} by the registry's clock; entry {standing.seq}"])
    out.print(claim_words.understood(part, artist))
    say([f"contact {contact}"] if contact else [])
    say(["who asks was erased; works and style stay at work"] if identity is None else [])
    if standing.in_force:
        out.print(safe(claim_words.level_words(standing.level, trust_local=trust_local)))
        say(claim_words.moderated(standing))
        out.print(claim_words.effects(part, standing.level, trust_local=trust_local))
    say(claim_words.style_words(part.style))
    out.print(claim_words.told(claim_words.style_numbers(part.style)))


def snapshot(
    registry: REGISTRY = "",
    out: Annotated[str, typer.Option("--out", help="Folder or URL to write it to.")] = "",
    trust_local: TRUST = False,
) -> None:
    """Take the claims in force, as builds use them; checks the whole log on the way."""
    from optout.snapshot import save, take
    from pipeline.storage import open_store

    with opened(registry) as found:
        taken = take(found, trust_local=trust_local)
    header = taken.header
    if out:
        save(taken, open_store(out, private=True), "")
    say(
        [
            (
                f"{taken.claims.num_rows} claims in force with {taken.works.num_rows} works,"
                f" of {header.size} log entries"
            ),
            f"origin {header.origin}, root {header.root}",
            f"newest entry {header.recorded_at or 'none'}",
            f"matcher {header.matcher_name or 'none'} {header.matcher}",
            f"tables {header.tables_sha256}",
            f"written to {out}" if out else "not written; name a folder with --out",
        ]
    )
