"""A registry opened from the command line: its database, and the file of its claims' keys."""

import os
import secrets
from collections.abc import Set as AbstractSet

from jobs.list_files import LOG_KEY
from jobs.signed_heads import SIGNED
from optout import claim_keys, storage
from optout.entry import Random
from optout.registry import Registry
from schemas.errors import RegistryError
from schemas.ports import Clock

KEYS_VARIABLE = "RECUSE_REGISTRY_KEYS"


def open_registry(
    where: str,
    clock: Clock,
    *,
    random: Random = secrets.token_bytes,
    create: bool = False,
    moderators: AbstractSet[str] = frozenset(),
    origin: str = "",
) -> Registry:
    """Return the registry at a path or SQLAlchemy URL, its keys as RECUSE_REGISTRY_KEYS says.

    Without that variable the keys lie beside the database's file. Raises as `Registry.open`, and
    RegistryError where the database is gone and its other files are not: another one in its place
    would be taken for it.
    """
    _require_not_lost(where)
    return Registry.open(
        where,
        clock,
        random=random,
        create=create,
        moderators=moderators,
        keys=os.environ.get(KEYS_VARIABLE, ""),
        origin=origin,
    )


def _require_not_lost(where: str) -> None:
    """Raise RegistryError where files lie beside a database that only a registry's life leaves.

    They come after it, so no run that broke off leaves them without it.
    """
    path = storage.sqlite_path(storage.registry_url(where))
    if path is None or (path.exists() and (path.is_dir() or path.stat().st_size)):
        return
    left = [
        there
        for suffix in (claim_keys.SUFFIX, f"{LOG_KEY}{SIGNED}")
        if (there := path.with_name(f"{path.name}{suffix}")).exists()
    ]
    if left:
        found = "an empty file" if path.exists() else "nothing"
        raise RegistryError(
            f"expected the registry to which {left[0]} belongs at {where}, found {found}: was it"
            " lost? Put its database back; a new registry needs another place, or that file moved"
            " away"
        )
