"""What a registry publishes of its log: epochs, signed checkpoints, tiles; and who cosigns them.

The database has the log and its head; everything here is made from it, in an order that survives a
crash: the epoch is an entry, the checkpoint is kept in the database before anybody is asked to
cosign it, and in a store the checkpoint comes last. Running it again does what is left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.cosigning import ask
from optout import snapshot, status
from optout.log import checkpoint, cosignature, merkle, tiles
from optout.log.checkpoint import Checkpoint
from optout.log.note import Signature, SignerKey, VerifierKey
from optout.log.policy import Policy, Witness
from optout.log.tiles import CHECKPOINT_FILE
from optout.notice import EpochNotice
from optout.registry import Registry
from schemas.errors import (
    FetchError,
    ProofError,
    RegistryError,
    RollbackError,
    StorageError,
    UsageError,
)
from schemas.ports import Store


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What a witness did: its cosignature's time, or why there is none."""

    witness: Witness
    at: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint with all signatures that it has, and what was written."""

    head: Checkpoint
    body: bytes
    epoch: EpochNotice | None  # null where the one before says it, not a day ago
    cosigned: tuple[Cosigned, ...]
    files: int


def publish(
    registry: Registry, key: SignerKey, policy: Policy, store: Store | None = None
) -> Published:
    """Record an epoch, sign the head, have it cosigned, and write tiles and checkpoint to a store.

    policy: whose witnesses with an address are asked; one that does not answer is told of, and
    asked again the next time. store: null where nothing is to be written.
    Raises RegistryError for another key than the log's, RollbackError where the store holds a
    longer log or another one, or a witness knows one; what others cosigned is kept.
    """
    require_key(registry, key.verifier)
    made = note_epoch(registry)
    head, body = sign_head(registry, key)
    leaves = registry.leaf_hashes(head.size)
    cosigned, body, rollback = _cosigned(body, policy, leaves)
    registry.keep_checkpoint(head.size, body)
    if rollback is not None:  # nothing is shown to anybody of a log that somebody knows otherwise
        raise rollback
    files = write(registry, head, body, leaves, store) if store else 0
    return Published(head, body, made, cosigned, files)


def require_key(registry: Registry, key: VerifierKey) -> None:
    """Raise RegistryError unless a key is the one that signs for the registry's log."""
    origin, known = registry.log_key()
    if known != str(key):
        raise RegistryError(
            f"expected the key that signs for the log {origin}, {known or 'none yet'}, found"
            f" {key.short}; recuse registry init makes one, rotate replaces it"
        )


def note_epoch(registry: Registry) -> EpochNotice | None:
    """Record where every claim stands, unless the newest epoch says it and is not a day old."""
    view = registry.view()
    if not status.is_due(view.leaves, registry.now(), registry.where):
        return None
    taken = snapshot.from_view(view, registry.where, trust_local=False)
    digest = taken.header.tables_sha256
    made, _ = registry.note(lambda at: status.epoch(view.leaves, digest, at, registry.where))
    return made


def sign_head(registry: Registry, key: SignerKey) -> tuple[Checkpoint, bytes]:
    """Return the log's head, signed, with the cosignatures that it has; kept in the database."""
    origin, _ = registry.log_key()
    size, root = registry.head()
    head = Checkpoint(origin, size, root)
    kept = dict(registry.checkpoints(size - 1)).get(size)
    body = kept if kept and _is_signed(kept, head, key.verifier) else checkpoint.sign(head, key)
    registry.keep_checkpoint(size, body)
    return head, body


def _is_signed(body: bytes, head: Checkpoint, key: VerifierKey) -> bool:
    try:
        return checkpoint.opened(body, key) == head
    except ProofError:
        return False  # by the key before a rotation


def _cosigned(
    body: bytes, policy: Policy, leaves: Sequence[bytes]
) -> tuple[tuple[Cosigned, ...], bytes, RollbackError | None]:
    told: list[Cosigned] = []
    lines: list[Signature] = []
    rollback: RollbackError | None = None
    for witness in policy.witnesses:
        if not witness.url:
            told.append(Cosigned(witness, None, "has no address in the policy"))
            continue
        try:
            line = ask(
                witness.url, witness.key, body, lambda old: merkle.consistency_proof(leaves, old),
                known=len(leaves),
            )  # fmt: skip
        except RollbackError as e:
            rollback = rollback or e
            continue
        except (FetchError, RegistryError, UsageError) as e:  # its trouble, and not the log's
            told.append(Cosigned(witness, None, str(e)))
            continue
        lines.append(line)
        times = cosignature.times(_with(body, [line]), [witness.key])
        told.append(Cosigned(witness, times[witness.key]))
    return tuple(told), _with(body, lines) if lines else body, rollback


def _with(body: bytes, lines: Iterable[Signature]) -> bytes:
    return cosignature.with_signatures(body, lines)


def write(
    registry: Registry, head: Checkpoint, body: bytes, leaves: Sequence[bytes], store: Store
) -> int:
    """Write what a store lacks of a log, the checkpoint last; returns how many files.

    body: the head, signed. leaves: leaf hashes of the whole log. Raises RollbackError where the
    store holds a longer log or another one.
    """
    old = _published(store, head, leaves)
    files = 0
    for tile in tiles.hash_tiles(old, head.size):
        store.publish(tile.path, tiles.hash_tile(tile, lambda a, b: leaves[a:b]))
        files += 1
    for tile in tiles.entry_bundles(old, head.size):
        store.publish(tile.path, tiles.entry_bundle(tile, registry.leaves))
        files += 1
    store.publish(CHECKPOINT_FILE, body)
    return files + 1


def _published(store: Store, head: Checkpoint, leaves: Sequence[bytes]) -> int:
    """Return the size of the log that a store has whole."""
    try:
        if not store.exists(CHECKPOINT_FILE):
            return 0
        held = checkpoint.parse(store.read(CHECKPOINT_FILE))
    except ProofError as e:
        raise StorageError(f"expected a checkpoint in {store.root}/{CHECKPOINT_FILE}: {e}") from e
    if held.origin != head.origin:
        raise UsageError(f"expected the log {head.origin} in {store.root}, found {held.origin}")
    if held.size > head.size:
        raise RollbackError(
            f"expected {held.size} log entries or more, as {store.root} shows, found {head.size}:"
            " this database is older than what it has published"
        )
    if merkle.root(leaves[: held.size]) != held.root:
        raise RollbackError(
            f"expected the log that {store.root} shows at size {held.size}, found another one"
        )
    return held.size


def newest_checkpoint(registry: Registry, above: int) -> bytes | None:
    """Return the kept checkpoint of most cosignatures, then the newest, of a log beyond a size."""
    kept = registry.checkpoints(above)
    if not kept:
        return None
    best = max(kept, key=lambda one: (one[1].count(b"\n"), one[0]))
    return best[1]
