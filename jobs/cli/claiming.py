"""`recuse optout` submit, test, refresh, withdraw: what claimants say of their own works."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, safe, say
from jobs.cli.given import (
    BACKGROUND,
    CLAIM,
    HTML,
    MATCHER,
    REGISTRY,
    TRUST,
    folder_at,
    opened,
    recording,
    tools_with,
    whole_id,
)
from schemas.errors import UsageError
from schemas.verdict import Captions, Scope, Stance

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once
# ruff: noqa: B006 - an option that may be repeated starts as an empty list, which nothing changes


def submit(
    folder: Annotated[str, typer.Argument(help="Folder of your works; none for hosts alone.")] = "",
    *,
    artist: Annotated[str, typer.Option("--artist", help="Your name.")],
    alias: Annotated[list[str], typer.Option("--alias", help="Another name; repeatable.")] = [],
    host: Annotated[list[str], typer.Option("--host", help="A host of yours; repeatable.")] = [],
    account: Annotated[
        list[str],
        typer.Option("--account", help="A page of yours on a shared host; repeatable."),
    ] = [],
    url: Annotated[list[str], typer.Option("--url", help="An address; repeatable.")] = [],
    kind: Annotated[Scope, typer.Option("--kind", help="What the claim covers.")] = Scope.ARTIST,
    captions: Annotated[
        Captions, typer.Option("--captions", help="What your name in a caption does to its row.")
    ] = Captions.DROP,
    opt_in: Annotated[bool, typer.Option("--opt-in", help="Grant use instead.")] = False,
    license_: Annotated[str, typer.Option("--license", help="Licence of an opt-in.")] = "",
    attribution: Annotated[str, typer.Option("--attribution", help="How to name you.")] = "",
    contact: Annotated[str, typer.Option("--contact", help="How to reach you; not shown.")] = "",
    contrast: Annotated[
        str, typer.Option("--contrast", help="Folder of works by others, near to yours.")
    ] = "",
    trust_local: TRUST = False,
    registry: REGISTRY = "",
    matcher: MATCHER = "builtin:lite",
    key: Annotated[Path | None, typer.Option("--key", help="Your key; made if absent.")] = None,
    receipt: Annotated[Path | None, typer.Option("--receipt", help="File of the receipt.")] = None,
    background: BACKGROUND = "",
    html: HTML = None,
) -> None:
    """Record a claim. Images are hashed and compared on this machine, never stored or sent."""
    from jobs.claimant_files import registry_at
    from jobs.cli import claim_words, trying
    from jobs.submit import Order, Rim
    from jobs.submit import submit as record
    from optout.intake import Wish, understand
    from optout.storage import shown
    from pipeline.clock import clock_from_environment

    wish = Wish(
        artist=artist,
        scope=kind,
        stance=Stance.OPT_IN if opt_in else Stance.OPT_OUT,
        aliases=tuple(alias),
        hosts=tuple(host),
        accounts=tuple(account),
        urls=tuple(url),
        captions=captions,
        license=license_,
        attribution=attribution,
        contact=contact,
    )
    order = Order(
        registry=registry_at(registry),
        wish=wish,
        works=folder_at(folder),
        contrast=folder_at(contrast),
        trust_local=trust_local,
        key=key,
        receipt=receipt,
    )
    understand(wish)  # before a model is loaded
    if (background or html) and kind != Scope.STYLE:
        raise UsageError("expected --kind style for --background or --html: only styles are tried")
    out = console()
    tools = tools_with(needed=bool(folder), matcher=matcher)
    done = record(order, tools, Rim(clock_from_environment()))
    part = done.enrolled.part
    out.print(f"[bold]claim {done.recorded.entry.claim}[/] is recorded. What was understood:")
    out.print(claim_words.understood(part, wish.artist))
    say(claim_words.refusals(done.enrolled.exemplars))
    say(claim_words.common_designs(done.enrolled.exemplars))
    out.print(safe(claim_words.level_words(0, trust_local=trust_local)))
    out.print(claim_words.effects(part, 0, trust_local=trust_local))
    say(claim_words.style_words(part.style))
    out.print(claim_words.told(claim_words.style_numbers(part.style)))
    if order.works and tools.matcher and (background or html):
        trying.tell(trying.of_claim(done, tools, background), order.works, tools, html)
    say(claim_words.who_can_see(shown(order.registry)))
    say(claim_words.outcome(done))


def try_style(
    folder: Annotated[str, typer.Argument(help="Folder of your works.")],
    *,
    contrast: Annotated[
        str, typer.Option("--contrast", help="Folder of works by others, near to yours.")
    ] = "",
    background: BACKGROUND = "",
    html: HTML = None,
    trust_local: TRUST = False,
    registry: REGISTRY = "",
    matcher: MATCHER = "builtin:lite",
    key: Annotated[
        Path | None, typer.Option("--key", help="Your key: your own claims do not count.")
    ] = None,
) -> None:
    """Test a style as submit does, and record nothing.

    Exit code 0 where it is active, 3 where it is not separable, 4 where it needs review.
    """
    from jobs.claimant_files import registry_at
    from jobs.cli import trying

    wanted = trying.Wanted(
        works=folder_at(folder),
        contrast=folder_at(contrast),
        background=background,
        trust_local=trust_local,
        registry=registry_at(registry),
        must_exist=bool(registry),
        key=key,
        html=html,
    )
    code = trying.try_out(wanted, tools_with(needed=True, matcher=matcher))
    if code:
        raise typer.Exit(code)


def refresh(
    folder: Annotated[str, typer.Argument(help="Folder with images of the claim's works.")],
    claim: Annotated[str, typer.Option("--claim", help="Id of the claim, or how it begins.")],
    *,
    matcher: MATCHER = "builtin:lite",
    trust_local: TRUST = False,
    registry: REGISTRY = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Your key. [where submit wrote it]")
    ] = None,
    receipt: Annotated[Path | None, typer.Option("--receipt", help="File of the receipt.")] = None,
) -> None:
    """Add vectors of the registry's matcher to the works of a claim, from the same images.

    For works that have none of it: the registry has moved to a stronger matcher, or no model was
    installed when the claim was made. Nothing else of the claim changes, and its level stays.
    """
    from jobs.claimant_files import key_path, receipt_path, registry_at
    from jobs.cli import claim_words
    from jobs.refresh import Order
    from jobs.refresh import refresh as record
    from jobs.submit import Rim
    from pipeline.clock import clock_from_environment

    place = registry_at(registry)
    with opened(registry) as found:
        claim_id = whole_id(found, claim)
        usual = receipt_path(place, f"{claim_id}.{len(found.leaf_hashes())}")
    works = folder_at(folder)
    tools = tools_with(needed=True, matcher=matcher)
    if tools.matcher is None or works is None:
        raise UsageError("expected a model to be installed and a folder of works to refresh")
    order = Order(
        place, claim_id, works, key or key_path(place, claim_id), receipt or usual, trust_local
    )
    done = record(order, tools, tools.matcher, Rim(clock_from_environment()))
    say(claim_words.refreshed(done, tools.matcher.embedder.card.name))
    say(claim_words.receipt_words(done.receipt, proved=done.proved))
    say(claim_words.style_words(done.style))


def withdraw(
    claim: CLAIM,
    registry: REGISTRY = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Your key. [where submit wrote it]")
    ] = None,
) -> None:
    """Withdraw a claim: builds that take a later snapshot no longer honour it."""
    from jobs.claimant_files import key_path, read_key, registry_at
    from optout.entry import draft_move
    from optout.lifecycle import Event

    with recording(registry) as found:
        standing = found.standing(whole_id(found, claim))
        signing = read_key(key or key_path(registry_at(registry), standing.claim_id))
        draft = draft_move(Event.WITHDRAW, standing.claim_id, standing.entry_hash, signing)
        recorded = found.append(draft)
    say(
        [
            f"claim {standing.claim_id} is withdrawn, by entry {recorded.seq} of the log.",
            (
                "builds that take a snapshot from now on no longer honour it; releases that are out"
                " stay as they are. The history stays in the registry."
            ),
        ]
    )
