"""Whom this machine takes for moderators of its registries, and where a moderator's key lies.

The list belongs to whoever runs the process, and lies apart from every registry: what a registry
holds must not say whose word counts in it.
"""

import os
from pathlib import Path

from jobs.claimant_files import OWNER_ONLY, data_folder
from optout.keys import parse_public_keys
from schemas.errors import UsageError

MODERATORS_VARIABLE = "RECUSE_MODERATORS"
MODERATORS_FILE = "moderators.txt"
KEY_FILE = "moderator.key"


def moderators_path(given: Path | None) -> Path:
    """Return the list that is meant: as given, by RECUSE_MODERATORS, or the user's own."""
    if given is not None:
        return given
    named = os.environ.get(MODERATORS_VARIABLE, "")
    return Path(named) if named else data_folder() / MODERATORS_FILE


def moderator_key_path(given: Path | None) -> Path:
    """Return where a moderator's key is kept: as given, or in the user's data folder."""
    return given or data_folder() / KEY_FILE


def read_moderators(path: Path) -> frozenset[str]:
    """Return the public keys of a list of moderators. Raises UsageError where it has none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else e
        raise UsageError(
            f"expected the public keys of the moderators, one a line, in {path}: {reason};"
            " recuse registry moderator-key makes a key, with --trust also this list"
        ) from e
    return parse_public_keys(text, str(path))


def trust(public: str, path: Path) -> None:
    """Add a public key to a list of moderators, which is made where there is none."""
    if path.exists() and public in read_moderators(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(path, flags, OWNER_ONLY), "a", encoding="utf-8") as file:
            # a list that somebody wrote may end without a line break; an empty line says nothing
            file.write(f"\n{public}\n" if file.tell() else f"{public}\n")
    except OSError as e:
        raise UsageError(f"expected to write {path}: {e.strerror or e}") from e
