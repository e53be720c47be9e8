"""`recuse optout erase` and `recuse registry backup`: what is forgotten, and stays so."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import say
from jobs.cli.given import CLAIM, REGISTRY, opened, whole_id
from schemas.errors import ClaimError, UsageError

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once


def erase(
    claim: CLAIM,
    *,
    identity: Annotated[
        bool,
        typer.Option("--identity", help="Forget who asks; hashes and vectors stay at work."),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Forget all of it, and end its protection.")
    ] = False,
    registry: REGISTRY = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Your key. [where submit wrote it]")
    ] = None,
    moderator: Annotated[
        bool,
        typer.Option("--moderator", help="Erase as a moderator, which the log shows."),
    ] = False,
    moderators: Annotated[
        Path | None, typer.Option("--moderators", help="File of the moderators' public keys.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget who asks for a claim, or all that it says. This cannot be undone.

    The log stays as it is: it never held a name, an address, a hash or a vector. What cannot be
    unmade are copies elsewhere: receipts, snapshots and lists that others already have.
    """
    import secrets

    from jobs.claimant_files import key_path, read_key, registry_at
    from jobs.cli import erasure_words
    from jobs.erasing import draft_erasure, require_newest
    from jobs.erasing import erase as record
    from jobs.moderator_files import moderator_key_path, moderators_path, read_moderators
    from optout.lifecycle import Signer

    if identity == everything:
        found_both = "both" if identity else "neither"
        raise UsageError(f"expected --identity or --all, found {found_both}")
    trusted = read_moderators(moderators_path(moderators)) if moderator else frozenset[str]()
    with opened(registry, trusted) as found:
        require_newest(found)  # before a claim is sought that an older copy may not have
        standing = found.standing(whole_id(found, claim))
        usual = (
            moderator_key_path(None)
            if moderator
            else key_path(registry_at(registry), standing.claim_id)
        )
        signing = read_key(key or usual)
        if not moderator and signing.public != standing.claimant_key:
            raise ClaimError(f"expected the key of claim {standing.claim_id} in {key or usual}")
        by = Signer.MODERATOR if moderator else Signer.CLAIMANT
        draft = draft_erasure(
            found, standing, signing, secrets.token_bytes, everything=everything, by=by
        )
        say(erasure_words.before(standing, everything=everything))
        if not yes and not typer.confirm("erase it?"):
            say(["nothing was erased"])
            raise typer.Exit(1)
        done = record(found, draft)
    say(erasure_words.after(done, standing.claim_id, found.where))


def backup(
    to: Annotated[Path, typer.Argument(help="New file.")],
    registry: REGISTRY = "",
) -> None:
    """Copy a registry's database, without the keys under which its claims are written.

    A claim that is erased later cannot be read in the copy. Keep the file of claim keys by a way of
    its own, and no copy of it for longer than you may need to bring it back.
    """
    from jobs.claimant_files import registry_at
    from jobs.cli import erasure_words
    from optout.backup import back_up

    place = registry_at(registry)
    with opened(registry) as found:  # brought to the newest form, and no erasure left half done
        pass
    size = back_up(place, to)
    say(erasure_words.backed_up(to, size, found.where))
