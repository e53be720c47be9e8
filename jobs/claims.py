"""The claims of a build: a registry's snapshot, taken now and kept in the work folder."""

from dataclasses import dataclass
from functools import lru_cache

from optout.registry import Registry
from optout.snapshot import empty, load, save, take
from pipeline.clock import clock_from_environment
from pipeline.plan import Ref
from pipeline.storage import open_store
from schemas.canonical import sha256_hex
from schemas.errors import ModelMismatchError
from schemas.ports import Store
from schemas.snapshot import Snapshot, SnapshotHeader

FOLDER = "snapshots"


@dataclass(frozen=True)
class Pinned:
    """A snapshot in the work folder."""

    ref: Ref
    header: SnapshotHeader


def require_registry(url: str) -> None:
    """Raise RegistryError where a registry that a build names cannot be read: before any work."""
    if url:
        Registry.open(url, clock=clock_from_environment()).close()


def newest_snapshot(registry_url: str, work: Store, matcher: str, *, trust_local: bool) -> Pinned:
    """Take the registry's newest snapshot and keep it in the work folder.

    registry_url: empty for a build that honours no registry. matcher: fingerprint in the plan.
    Raises RegistryError where the registry cannot be read, ModelMismatchError where its vectors
    come from another matcher than the one that the build runs.
    """
    if not registry_url:
        snapshot = empty(matcher)
    else:
        with Registry.open(registry_url, clock=clock_from_environment()) as registry:
            snapshot = take(registry, trust_local=trust_local)
    pinned = snapshot.header.matcher
    if pinned and pinned != matcher:
        raise ModelMismatchError(
            f"expected a registry whose matcher is {matcher[:16]}, found {pinned[:16]} "
            f"({snapshot.header.matcher_name}); this build cannot compare with its vectors"
        )
    folder = f"{FOLDER}/{snapshot.header.tables_sha256[:16]}-{snapshot.header.size}"
    save(snapshot, work, folder)
    header = f"{folder}/snapshot.json"
    return Pinned(Ref(header, sha256_hex(work.read(header))), snapshot.header)


@lru_cache(maxsize=4)
def snapshot_at(root: str, path: str) -> Snapshot:
    """Return a snapshot of a work folder, read and checked once a process."""
    return load(open_store(root), path.rsplit("/", 1)[0])
