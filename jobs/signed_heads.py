"""What a log has signed last, kept beside its key: a database that is older signs no more.

A copy that was put back lacks entries that others have seen signed. Whatever is recorded in it next
takes their places, and the first signature on that is proof of two histories, against a registry
that meant no harm. The database cannot know; so the newest state lies beside the key, as a witness
keeps that of others.

`sign` is the one place where a state of a log is signed: it looks at the newest one, keeps what it
is about to sign, and only then signs. So a registry whose folder nobody may write into is read,
built by and exported all the same, and nothing of it is signed there.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from jobs.claimant_files import alone, replace_private
from jobs.list_files import LOG_KEY, log_key_path
from optout import storage
from optout.log import checkpoint, merkle, note
from optout.log.checkpoint import Checkpoint
from optout.log.note import SignerKey, VerifierKey
from optout.registry import Registry
from optout.snapshot import head_of
from schemas.errors import ProofError, RegistryError, RollbackError, StorageError, UsageError
from schemas.snapshot import Snapshot

SIGNED = ".signed"


def signed_path(registry: Registry) -> Path | None:
    """Return where a log's newest signed state is kept; null for a database in memory.

    By whatever link the database is opened, it is one place.
    """
    url = storage.registry_url(registry.where)
    if url.get_backend_name() != "sqlite":
        key = log_key_path(registry.where, registry.log_key()[0])
    elif path := storage.sqlite_path(url):
        there = path.resolve()
        key = there.with_name(f"{there.name}{LOG_KEY}")
    else:
        return None
    return key.with_name(f"{key.name}{SIGNED}")


def require_continued(registry: Registry) -> None:
    """Raise RollbackError where a database does not hold what its log has signed last.

    Whoever may not read that cannot sign either, and is let pass: claimants may share a registry.
    Raises StorageError where it cannot be read otherwise.
    """
    path = signed_path(registry)
    if path is None or not os.access(path, os.R_OK):
        return
    held = _held(path, registry)
    if held is None:
        return
    own = dict(registry.checkpoints(held.size - 1)).get(held.size)
    with contextlib.suppress(ProofError):
        if own and checkpoint.parse(own) == held and registry.head()[0] >= held.size:
            return  # it has signed this itself; `sign` looks at every entry again
    _require_holds(registry, held, registry.leaf_hashes(held.size), path)


def sign(registry: Registry, head: Checkpoint, key: SignerKey) -> bytes:
    """Return a state of a registry's log, signed; what the database has signed of it as it is.

    Raises RollbackError where the database does not hold what its log has signed last,
    RegistryError where the state is not that of its entries, StorageError where it cannot be kept:
    nothing is signed then.
    """

    def signed(own: bytes) -> bytes:
        return own if own and _is_signed(own, head, key.verifier) else checkpoint.sign(head, key)

    return _kept(registry, head, signed)


def stand_for(registry: Registry, head: Checkpoint, key: SignerKey) -> None:
    """Keep a state for which a key stands that is not the log's, as of a list. Raises as `sign`."""
    _kept(registry, head, lambda _: note.sign(head.to_text(), key))


def _kept(registry: Registry, head: Checkpoint, signed: Callable[[bytes], bytes]) -> bytes:
    """Return a state as it is signed, and keep it. signed: is given what the database has of it."""
    path = signed_path(registry)
    with _alone(path) if path else contextlib.nullcontext():
        held = _held(path, registry) if path else None
        size = max(head.size, held.size if held else 0)
        leaves = registry.leaf_hashes(size)
        if path and held:
            _require_holds(registry, held, leaves[: held.size], path)
        if len(leaves) < head.size or merkle.root(leaves[: head.size]) != head.root:
            raise RegistryError(
                f"expected {head.size} entries with root {head.root.hex()} in {registry.where},"
                " found others"
            )
        body = signed(dict(registry.checkpoints(head.size - 1)).get(head.size, b""))
        if path and (held is None or held.size < head.size):
            _keep(path, body)
    return body


def with_checkpoint(registry: Registry, taken: Snapshot, key: SignerKey | None) -> Snapshot:
    """Return a snapshot of a registry with a checkpoint of just its state, where one can be had.

    That is what the database has signed of it; else it is signed now where the log's key is at
    hand. Where what is signed cannot be kept (nobody may write there, a full disk), nothing is, and
    the snapshot has none. Raises RollbackError where the database is older than what its log has
    signed: who asked since would be missing.
    """
    require_continued(registry)
    if taken.checkpoint or key is None:
        return taken
    try:
        return replace(taken, checkpoint=sign(registry, head_of(taken.header), key))
    except StorageError:
        return taken


def _held(path: Path, registry: Registry) -> Checkpoint | None:
    """Return the newest state that was signed; null for none, and for that of another log.

    That of another is of a registry whose file lay here before.
    """
    try:
        held = checkpoint.parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ProofError) as e:
        raise StorageError(
            f"expected the newest state that was signed in {path}: {e}; if the database is the"
            " newest that there is, delete that file: the next signature makes it again"
        ) from e
    return held if held.origin == registry.log_key()[0] else None


def _require_holds(registry: Registry, held: Checkpoint, leaves: list[bytes], path: Path) -> None:
    """Raise RollbackError unless leaf hashes give the state that was signed."""
    if len(leaves) < held.size or merkle.root(leaves) != held.root:
        raise RollbackError(
            f"expected the {held.size} entries with root {held.root.hex()} that {held.origin} has"
            f" signed ({path}), found {len(leaves)} or others in {registry.where}: a copy of the"
            " database that is older? Put back the newer one. Whoever has seen that state could"
            " prove two histories by whatever is signed now"
        )


def _is_signed(body: bytes, head: Checkpoint, key: VerifierKey) -> bool:
    try:
        return checkpoint.opened(body, key) == head
    except ProofError:
        return False  # by the key before a rotation


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others out meanwhile: else an older state could be written over a newer one."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(alone(path))
        except UsageError as e:
            raise StorageError(f"expected to keep the newest state that was signed: {e}") from e
        yield


def _keep(path: Path, body: bytes) -> None:
    try:
        if not path.exists() or path.read_bytes() != body:
            replace_private(path, body)
    except (OSError, UsageError) as e:
        raise StorageError(f"expected to keep the newest state that was signed: {e}") from e
