"""Exporting a registry as a signed list, and keeping the lists of others on this machine."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime

from jobs import signed_heads
from jobs.list_files import file_name
from jobs.log_keys import signer_at_hand
from jobs.seen import Head, keep
from optout import signed_list, snapshot
from optout.log.note import SignerKey, VerifierKey
from optout.registry import Registry
from optout.signed_list import NOTE_FILE, ListNote, SignedList, require_no_rollback
from schemas.errors import RegistryError, StorageError
from schemas.ports import Clock, Store


@dataclass(frozen=True, slots=True)
class Kept:
    """A list that was imported. before: what was held until now, null where nothing was."""

    found: SignedList
    folder: str
    before: ListNote | None


def export_list(registry: Registry, key: SignerKey, store: Store, clock: Clock) -> SignedList:
    """Publish the claims in force as a signed list; levels are those that the registry states.

    The state is kept as one that was signed, unless nobody may write beside the registry: the place
    has the newest list as well. Raises RegistryError where the registry does not hold, or where the
    place has a list of another registry; RollbackError where it has one of a longer log, since
    subscribers would refuse this one, or the database is older than what its log has signed.
    """
    taken = snapshot.take(registry, trust_local=False)
    taken = signed_heads.with_checkpoint(registry, taken, signer_at_hand(registry))
    at = datetime.fromtimestamp(clock.now_us() // 1_000_000, UTC)
    body = signed_list.sign_list(taken, at, key)
    if store.exists(NOTE_FILE):
        held, _ = signed_list.peek(store, NOTE_FILE)
        require_no_rollback(held, taken.header, store.root)
    with contextlib.suppress(StorageError):
        signed_heads.stand_for(registry, snapshot.head_of(taken.header), key)
    signed_list.publish(taken, body, store)
    return signed_list.read(store, key.verifier)


def seen_head(found: SignedList) -> Head:
    """Return the state of a list's log, by the list's key, as this machine remembers it."""
    note = found.note
    return Head(note.origin, note.size, note.root, found.body, found.key)


def import_list(source: Store, key: VerifierKey, home: Store) -> Kept:
    """Keep a verified list in a folder of its origin's name below `home`.

    Raises RegistryError where it does not verify by the key given, or where that key has signed
    for another origin before; RollbackError where the copy held is of a longer or another log.
    """
    found = signed_list.read(source, key)
    folder = file_name(found.note.origin)
    before = None
    for path in home.paths(""):
        if path.count("/") != 1 or not path.endswith(f"/{NOTE_FILE}"):
            continue
        held, signers = signed_list.peek(home, path)
        if path == f"{folder}/{NOTE_FILE}":
            require_no_rollback(held, found.note, home.root)
            before = held
        elif key.short in signers:
            # Otherwise a publisher, or whoever has taken its place, would leave the past behind.
            raise RegistryError(
                f"expected the list of {held.origin} by key {key.short}, as held in {home.root},"
                f" found that of {found.note.origin}: one key signs for one registry"
            )
    keep(seen_head(found))
    signed_list.publish(found.snapshot, found.body, home, folder)
    return Kept(found, folder, before)
