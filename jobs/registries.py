"""A registry opened from the command line: its database, and the file of its claims' keys."""

import os
import secrets
from collections.abc import Set as AbstractSet

from optout.entry import Random
from optout.registry import Registry
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

    Without that variable the keys lie beside the database's file. Raises as `Registry.open`.
    """
    return Registry.open(
        where,
        clock,
        random=random,
        create=create,
        moderators=moderators,
        keys=os.environ.get(KEYS_VARIABLE, ""),
        origin=origin,
    )
