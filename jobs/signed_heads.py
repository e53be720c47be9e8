"""What a log has signed last, kept beside its key: a database that is older signs no more.

A copy that was put back lacks entries that others have seen signed. Whatever is recorded in it next
takes their places, and the first signature on that is proof of two histories, against a registry
that meant no harm. The database cannot know; so the newest state lies beside the key, as a witness
keeps that of others.
"""

from pathlib import Path

from jobs.claimant_files import replace_private
from jobs.list_files import log_key_path
from optout import storage
from optout.log import checkpoint, merkle
from optout.registry import Registry
from schemas.errors import ProofError, RollbackError, StorageError, UsageError

SIGNED = ".signed"


def signed_path(registry: Registry) -> Path | None:
    """Return where a log's newest signed state is kept; null for a database in memory."""
    url = storage.registry_url(registry.where)
    if url.get_backend_name() == "sqlite" and storage.sqlite_path(url) is None:
        return None
    path = log_key_path(registry.where, registry.log_key()[0])
    return path.with_name(f"{path.name}{SIGNED}")


def require_continued(registry: Registry) -> None:
    """Raise RollbackError where a database does not hold what its log has signed last.

    Raises StorageError where that cannot be read.
    """
    path = signed_path(registry)
    if path is None or not path.exists():
        return
    try:
        held = checkpoint.parse(path.read_bytes())
    except (OSError, ProofError) as e:
        raise StorageError(f"expected the newest state that was signed in {path}: {e}") from e
    if held.origin != registry.log_key()[0]:
        return  # of another registry, whose file lay here before
    leaves = registry.leaf_hashes(held.size)
    if len(leaves) < held.size or merkle.root(leaves) != held.root:
        raise RollbackError(
            f"expected the {held.size} entries with root {held.root.hex()} that {held.origin} has"
            f" signed ({path}), found {len(leaves)} or others in {registry.where}: a copy of the"
            " database that is older? Put back the newer one. Whoever has seen that state could"
            " prove two histories by whatever is signed now"
        )


def keep(registry: Registry, body: bytes) -> None:
    """Keep a state before its signature is given to anybody, unless a newer one is kept."""
    path = signed_path(registry)
    if path is None:
        return
    try:
        if path.exists() and checkpoint.parse(path.read_bytes()).size > checkpoint.parse(body).size:
            return
        replace_private(path, body)
    except (OSError, ProofError, UsageError) as e:
        raise StorageError(f"expected to keep the newest state that was signed: {e}") from e
