"""Logs as an auditor has them: of a registry at hand, or as the registry has published them."""

from jobs.seen import Head, keep
from optout.log import policy as policies
from optout.log.merkle import leaf_hash, root
from optout.log.policy import Policy
from optout.log.tile_reader import TileReader
from optout.log.tiles import CHECKPOINT_FILE, entry_bundle, hash_tile, parse_path
from optout.log_audit import HeldLog
from optout.registry import Registry
from schemas.errors import StorageError
from schemas.ports import Store


def of_registry(registry: Registry) -> HeldLog:
    """Return the log of a registry's database, by its entries and not by what it says of them."""
    size, _ = registry.head()
    leaves = registry.leaves(0, size)
    hashes = [leaf_hash(leaf) for leaf in leaves]

    def read(path: str) -> bytes:
        tile = parse_path(path)
        if tile.level is None:
            return entry_bundle(tile, lambda start, end: leaves[start:end])
        return hash_tile(tile, lambda start, end: hashes[start:end])

    origin, _ = registry.log_key()
    signed = tuple(registry.checkpoints())
    reader = TileReader(read, len(leaves), root(hashes))
    return HeldLog(registry.where, origin, reader, read, signed)


def of_store(store: Store, policy: Policy) -> HeldLog:
    """Return a log as anybody can read it: its checkpoint, verified, and its tiles.

    Its state is remembered, as the newest that this machine has seen. Raises ProofError where the
    policy does not accept the checkpoint or a tile is another, RollbackError where the log does
    not continue what was seen, StorageError where there is none.
    """
    if not store.exists(CHECKPOINT_FILE):
        raise StorageError(f"expected a published log (with {CHECKPOINT_FILE}) in {store.root}")
    body = store.read(CHECKPOINT_FILE)
    vouched = policies.opened(body, policy)
    head = vouched.checkpoint
    reader = TileReader(store.read, head.size, head.root)
    seen = Head(head.origin, head.size, head.root.hex(), body, vouched.log)
    known = policy.log_keys(head.origin)
    keep(seen, known, root_at=lambda size: reader.root_at(size).hex())
    return HeldLog(store.root, head.origin, reader, store.read, ((head.size, body),))
