"""Where a release may be written: not over what is somebody's.

Files of an unfinished release are forgotten when the next one is finished (jobs/sealing.py), so a
folder that holds anything else is refused before anything is written.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from pipeline.layout import strangers
from pipeline.storage import FolderStore
from schemas.errors import PlanError, UsageError
from schemas.ports import Store


def require_no_strangers(place: Store, known: re.Pattern[str]) -> None:
    """Raise PlanError where a folder holds what is no file of a release, or of a vault.

    known: RELEASE or VAULT of pipeline.layout.
    """
    if found := strangers(place.paths(""), known):
        first = found[0] or "a file of that name"
        raise PlanError(
            f"expected {place.root} to be new, or to hold an unfinished release or its vault, found"
            f" {len(found):,} files that are neither, such as {first}; give another --out"
        )


def require_apart(places: Iterable[Store], others: Iterable[Store]) -> None:
    """Raise UsageError where one of the places is, or lies in, one of the others."""
    known = [other for other in others if _folder(other)]
    for place in places:
        folder = _folder(place)
        for other in known:
            if folder and folder.is_relative_to(_folder(other) or ""):
                raise UsageError(
                    f"expected a new release apart from {other.root}, found {place.root} in it;"
                    " give another --out"
                )


def _folder(place: Store) -> Path | None:
    """Return the folder of a local disk, without links; null for any other place."""
    found = place.local_path(".") if isinstance(place, FolderStore) else None
    return found.resolve() if found else None
