"""What commands about claims are given, and what they open of it: registry, folder, matcher."""

from collections.abc import Set as AbstractSet
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import say, track
from schemas.errors import UsageError

if TYPE_CHECKING:
    from jobs.enrol import Folder, Matcher, Tools
    from optout.registry import Registry

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

REGISTRY = Annotated[
    str, typer.Option("--registry", help="Path or SQLAlchemy URL. [RECUSE_REGISTRY, or your own]")
]
CLAIM = Annotated[str, typer.Argument(help="Id of a claim, or how it begins.")]
TRUST = Annotated[
    bool, typer.Option("--trust-local", help="Take control as proved: a registry of your own.")
]
BACKGROUND = Annotated[
    str, typer.Option("--background", help="Folder of images by others, or a release, to try on.")
]
HTML = Annotated[Path | None, typer.Option("--html", help="File to write a page with pictures to.")]
MATCHER = Annotated[
    str, typer.Option("--matcher", help="The registry's: builtin:lite or a matcher's folder.")
]
SHORTEST_PREFIX = 6
NEEDED = ("torch", "torchvision", "timm", "open_clip")  # by the matcher


def opened(registry: str, moderators: AbstractSet[str] = frozenset()) -> "Registry":
    """Return an open registry: as given, by RECUSE_REGISTRY, or the user's own.

    moderators: public keys whose entries are taken as a moderator's.
    """
    from jobs.claimant_files import registry_at
    from jobs.registries import open_registry
    from pipeline.clock import clock_from_environment

    place = registry_at(registry)
    return open_registry(place, clock_from_environment(), moderators=moderators)


def recording(registry: str, moderators: AbstractSet[str] = frozenset()) -> "Registry":
    """Return an open registry in which something is to be recorded.

    Raises RollbackError where its database is older than what its log has signed: an entry would
    stand at the place of one that others have seen.
    """
    from jobs.signed_heads import require_continued

    found = opened(registry, moderators)
    try:
        require_continued(found)
    except BaseException:
        found.close()
        raise
    return found


def whole_id(found: "Registry", text: str) -> str:
    """Return the claim id that begins with `text`. Raises UsageError unless there is just one."""
    ids = [str(row.claim_id) for row in found.claims()]
    hits = [claim_id for claim_id in ids if claim_id.startswith(text)]
    if len(text) < SHORTEST_PREFIX or len(hits) != 1:
        raise UsageError(
            f"expected the id of one claim, or at least {SHORTEST_PREFIX} characters of its"
            f" beginning, found {text!r}, which {len(hits)} claims in {found.where} begin with"
        )
    return hits[0]


def folder_at(path: str) -> "Folder | None":
    """Return the images of a folder, null where none is named."""
    from jobs.enrol import folder
    from pipeline.storage import open_store

    return folder(open_store(path)) if path else None


def tools_with(*, needed: bool, matcher: str = "builtin:lite") -> "Tools":
    """Return what images are enrolled by. needed: whether a matcher is, null where none is."""
    from jobs.enrol import Tools
    from pipeline.image.canonical import CanonicalHasher

    return Tools(CanonicalHasher(), matcher_of(matcher) if needed else None, track)


def matcher_of(name: str) -> "Matcher | None":
    """Return a matcher, null where torch is missing; says so, and what its card notes."""
    from jobs.enrol import NO_MATCHER, Matcher
    from pipeline.models.loading import load_matcher
    from pipeline.models.matcher_files import load_cohort

    if not can_load_models():
        say([NO_MATCHER])
        return None
    embedder = load_matcher(name)
    say([embedder.card.notice] if embedder.card.notice else [])
    return Matcher(embedder, load_cohort(name))


def can_load_models() -> bool:
    """Say whether all that a matcher needs is installed."""
    return all(_is_installed(name) for name in NEEDED)


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
