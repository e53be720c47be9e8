"""The leaves of the log as what they are: entries about claims, and the registry's notices."""

import json
from collections.abc import Iterable, Sequence

from optout.entry import Entry, parse_leaf
from optout.notice import Notice, NoticeType, parse_notice
from schemas.errors import RegistryError, SchemaError

NOTICES = frozenset(str(kind) for kind in NoticeType)
QUOTED = tuple(f'"type":"{kind}"'.encode() for kind in sorted(NOTICES))
"""How a notice's type stands in its canonical bytes."""


def read_leaf(leaf: bytes, where: str) -> Entry | Notice:
    """Return what a leaf says. Raises RegistryError unless these are its own canonical bytes."""
    try:
        value = json.loads(leaf)
        if not isinstance(value, dict) or value.get("type") not in NOTICES:
            return parse_leaf(leaf, where)
        found = parse_notice(value)
        same = found.leaf() == leaf
    except (ValueError, SchemaError, RecursionError, TypeError) as e:
        raise RegistryError(f"expected a log entry in {where}, found {type(e).__name__}") from e
    if not same:
        raise RegistryError(f"expected canonical JSON in {where}, found another form of it")
    return found


def leaves_of(leaves: Sequence[bytes], where: str) -> Iterable[tuple[int, Entry | Notice]]:
    """Give what each leaf says, with its place in the log."""
    for seq, leaf in enumerate(leaves):
        yield seq, read_leaf(leaf, f"entry {seq} of {where}")


def entries(leaves: Sequence[bytes], where: str) -> Iterable[tuple[int, Entry]]:
    """Give each entry about a claim, with its place in the log."""
    for seq, found in leaves_of(leaves, where):
        if isinstance(found, Entry):
            yield seq, found


def notices(leaves: Sequence[bytes], where: str) -> Iterable[tuple[int, Notice]]:
    """Give each notice of the registry, with its place in the log.

    Entries about claims, most of a log, are passed over unread.
    """
    for seq, leaf in enumerate(leaves):
        if any(kind in leaf for kind in QUOTED):
            found = read_leaf(leaf, f"entry {seq} of {where}")
            if not isinstance(found, Entry):
                yield seq, found
