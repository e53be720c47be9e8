"""`recuse registry` review, verify, accept-style, moderator-key: what moderators do."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import console, safe, say
from jobs.cli.given import CLAIM, REGISTRY, opened, recording, whole_id
from optout.lifecycle import Acceptance, Authorship, Event, Signer
from schemas.errors import ClaimError

if TYPE_CHECKING:
    from jobs.moderating import Stated
    from optout.entry import Draft
    from optout.keys import SigningKey
    from optout.replay import Standing

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

KEY = Annotated[
    Path | None, typer.Option("--key", help="Your key as a moderator; in your data folder.")
]
MODERATORS = Annotated[
    Path | None,
    typer.Option(
        "--moderators", help="File of the moderators' public keys. [RECUSE_MODERATORS, or your own]"
    ),
]


def moderator_key(
    key: KEY = None,
    *,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take it for a moderator's on this machine.")
    ] = False,
    moderators: MODERATORS = None,
) -> None:
    """Make the key by which a moderator signs; prints the public key for who keeps the registry."""
    import secrets

    from jobs.claimant_files import write_private
    from jobs.moderator_files import moderator_key_path, moderators_path
    from jobs.moderator_files import trust as take
    from optout.keys import SEED_BYTES, SigningKey

    made = SigningKey(secrets.token_bytes(SEED_BYTES))
    path, known = moderator_key_path(key), moderators_path(moderators)
    write_private(path, made.to_pem())
    if trust:
        take(made.public, known)
    out = console()
    out.print(f"private key: {safe(path)} (keep it to yourself)")
    out.print(f"public key: [bold]{made.public}[/]")
    where = f"{known}, one key a line" if not trust else f"{known}, where it stands now"
    say([f"what it signs counts where a process is told so: {where}"])


def review(registry: REGISTRY = "") -> None:
    """List the claims whose style waits for a moderator, and why."""
    from jobs.cli import claim_words
    from jobs.moderating import waiting

    with opened(registry) as found:
        rows = waiting(found)
    out = console()
    for one in rows:
        out.print(f"[bold]claim {one.standing.claim_id}[/] L{one.standing.level}")
        say([*claim_words.moderated(one.standing), *claim_words.style_words(one.style)])
        out.print(claim_words.told(claim_words.style_numbers(one.style)))
    say([claim_words.review_next(len(rows)) if rows else "no style waits for a moderator"])


def verify(
    claim: CLAIM,
    *,
    level: Annotated[int, typer.Option("--level", min=0, max=3, help="What was proved: 0 to 3.")],
    authorship: Annotated[
        Authorship | None,
        typer.Option("--authorship", help="By what the works are the claimant's own, if proved."),
    ] = None,
    key: KEY = None,
    moderators: MODERATORS = None,
    registry: REGISTRY = "",
) -> None:
    """State what was proved about a claim: its level, and whether the works are its claimant's own.

    The newest statement counts, as a whole: authorship that is not stated again is proved no more.
    """
    from optout.entry import draft_move

    def draft(at: "Standing", signing: "SigningKey") -> "Draft":
        place = Event.VERIFY, at.claim_id, at.entry_hash, signing
        return draft_move(*place, by=Signer.MODERATOR, level=level, authorship=authorship)

    done = _stated(claim, registry, (key, moderators), draft)
    if done.before.authorship and not authorship:
        said = f"authorship was proved ({done.before.authorship}) until now, and is no more"
        say([f"{said}: state it again with --authorship if it still is"])


def accept_style(
    claim: CLAIM,
    *,
    reason: Annotated[
        Acceptance, typer.Option("--reason", help="Why it may act, after you have looked.")
    ],
    key: KEY = None,
    moderators: MODERATORS = None,
    registry: REGISTRY = "",
) -> None:
    """Let a style act that needs review, after looking; the log shows it, and the reason.

    One that is not separable cannot be accepted. A refresh of the claim ends it.
    """
    from optout.entry import draft_move

    def draft(at: "Standing", signing: "SigningKey") -> "Draft":
        place = Event.ACCEPT_STYLE, at.claim_id, at.entry_hash, signing
        return draft_move(*place, by=Signer.MODERATOR, reason=reason)

    _stated(claim, registry, (key, moderators), draft)


def _stated(
    claim: str,
    registry: str,
    files: tuple[Path | None, Path | None],
    draft: "Callable[[Standing, SigningKey], Draft]",
) -> "Stated":
    """Record what a moderator states, and say where the claim stands by it. files: key, list."""
    from jobs.claimant_files import read_key
    from jobs.cli import claim_words
    from jobs.moderating import state
    from jobs.moderator_files import moderator_key_path, moderators_path, read_moderators

    place, known = moderator_key_path(files[0]), moderators_path(files[1])
    signing, trusted = read_key(place), read_moderators(known)
    if signing.public not in trusted:
        raise ClaimError(
            f"expected the key of a moderator, one of those in {known}, found {signing.public} in"
            f" {place}"
        )
    with recording(registry, trusted) as found:
        before = found.standing(whole_id(found, claim))
        done = state(found, before, draft(before, signing))
    now = done.after
    out = console()
    out.print(f"[bold]claim {now.claim_id}[/] {safe(now.state)}, entry {now.seq} of the log")
    part = done.part.model_copy(update={"style": now.style(done.part.style)})
    say([claim_words.level_words(now.level, trust_local=False), *claim_words.moderated(now)])
    out.print(claim_words.effects(part, now.level, trust_local=False))
    say(claim_words.style_words(part.style))
    return done
