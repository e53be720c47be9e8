"""A published log in its store: what it lacks is written, and what another log put there is not.

Tiles come first and the checkpoint last, so that what a checkpoint speaks of is there. Each run
looks at what is there, and at how long it is; a thorough one reads all of it. As the checkpoint in
the store is of this log, every file below it is known to the last bit: what is missing or damaged
is written again. Two things are no damage, and left as they are for somebody to look into:

- beyond the checkpoint, a whole file that is not this log's: another copy of the database has begun
  to publish here, or this one is older than what it has begun to publish;
- below it, an entry that fits its hash and is not this log's: somebody was shown another history.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from optout.log import checkpoint, merkle, tiles
from optout.log.checkpoint import Checkpoint
from optout.log.tiles import CHECKPOINT_FILE, LENGTH_BYTES, WIDTH, Tile
from optout.registry import Registry
from schemas.errors import ProofError, RollbackError, StorageError, UsageError
from schemas.ports import Store

FOLDER = "tile"
WHAT_TO_DO = (
    "Was another copy of the database published here? Keep that file, which shows another history;"
    " once it is taken away, the next run writes the log's own"
)


@dataclass(frozen=True, slots=True)
class Written:
    """How many files were written; mended: those that were published before, missing or damaged."""

    files: int = 0
    mended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogFiles:
    """A log as files, of what its database has. leaves: hashes, as many as the head says."""

    registry: Registry
    head: Checkpoint
    leaves: Sequence[bytes]

    def file(self, tile: Tile) -> bytes:
        """Return what a file of it holds."""
        if tile.level is None:
            return tiles.entry_bundle(tile, self.registry.leaves)
        return tiles.hash_tile(tile, lambda start, end: self.leaves[start:end])

    def files(self, old_size: int = 0) -> list[Tile]:
        """Return its files, the lowest first, without those that it had at an older size."""
        size = self.head.size
        return [*tiles.hash_tiles(old_size, size), *tiles.entry_bundles(old_size, size)]


def write(log: LogFiles, body: bytes, store: Store, *, thorough: bool = False) -> Written:
    """Write what a store lacks of a log, the checkpoint last.

    body: the head, signed. thorough: read all that is there, and not only how long it is. Where the
    store has a longer state of this log by now, that stays. Raises RollbackError where it holds a
    log that is longer than the registry's, or another one: then nothing is written.
    """
    old = _published(log, store)
    if old > log.head.size:
        return Written()
    lacking = list(_lacking(log, store, old, thorough=thorough))
    for tile in lacking:
        store.publish(tile.path, log.file(tile))
    new = set(log.files(old))
    mended = tuple(tile.path for tile in lacking if tile not in new)
    if _published(log, store) > log.head.size:  # by somebody who came later and was quicker
        return Written(len(lacking), mended)
    store.publish(CHECKPOINT_FILE, body)
    return Written(len(lacking) + 1, mended)


def require_same(log: LogFiles, store: Store) -> None:
    """Raise RollbackError where a store holds a longer log, or another one; before one is signed.

    Raises UsageError where it holds a log of another name, StorageError for a checkpoint that is
    none.
    """
    _require_begun_by_us(log, store, store.sizes(FOLDER), _published(log, store))


def _published(log: LogFiles, store: Store) -> int:
    """Return the size of the log whose checkpoint a store has, 0 for none."""
    try:
        if not store.exists(CHECKPOINT_FILE):
            return 0
        held = checkpoint.parse(store.read(CHECKPOINT_FILE))
    except ProofError as e:
        raise StorageError(
            f"expected a checkpoint in {store.root}/{CHECKPOINT_FILE}: {e}; if it was damaged,"
            " delete it: it is written again when all that is there was read"
        ) from e
    if held.origin != log.head.origin:
        raise UsageError(f"expected the log {log.head.origin} in {store.root}, found {held.origin}")
    leaves = log.leaves[: held.size]
    if held.size > len(leaves):  # others may have recorded and published more meanwhile
        leaves = log.registry.leaf_hashes(held.size)
    if held.size > len(leaves):
        raise RollbackError(
            f"expected {held.size} log entries or more, as {store.root} shows, found {len(leaves)}:"
            " this database is older than what it has published"
        )
    if merkle.root(leaves) != held.root:
        raise RollbackError(
            f"expected the log that {store.root} shows at size {held.size}, found another one"
        )
    return held.size


def _lacking(log: LogFiles, store: Store, old: int, *, thorough: bool) -> Iterator[Tile]:
    """Give the files of a log that a store lacks, or has otherwise. old: size of what it shows.

    Raises RollbackError for a file that is no damage.
    """
    there = store.sizes(FOLDER)
    new = set(log.files(old))
    _require_begun_by_us(log, store, there, old)
    lengths = log.registry.leaf_bytes(log.head.size, WIDTH)
    for tile in log.files():
        if tile.path not in there:
            yield tile
            continue
        length = _length(tile, lengths)
        if tile not in new and not thorough and there[tile.path] == length:
            continue
        found = store.read(tile.path)
        if found == log.file(tile):
            continue
        if tile not in new:
            _require_damaged(log, store, tile)
        yield tile


def _require_begun_by_us(log: LogFiles, store: Store, there: Mapping[str, int], old: int) -> None:
    """Raise RollbackError for a whole file beyond the store's checkpoint that is not the log's."""
    entries = log.registry.head()[0]  # now: others may record and publish meanwhile
    for path in there:
        try:
            tile = tiles.parse_path(path)
        except ProofError:
            continue  # no file of a log
        span = WIDTH ** (tile.level or 0)
        end = (tile.start + tile.width) * span
        if end <= old:
            continue
        body = store.read(path)
        if not _is_whole(tile, body):
            continue
        if end > entries:
            raise RollbackError(
                f"expected {end} log entries or more, as {store.root}/{path} shows, found"
                f" {entries}: this database is older than what it has begun to publish."
                f" {WHAT_TO_DO}"
            )
        if end <= log.head.size and body != log.file(tile):
            raise RollbackError(
                f"expected what {log.head.origin} has in {store.root}/{path}, found another log."
                f" {WHAT_TO_DO}"
            )


def _require_damaged(log: LogFiles, store: Store, tile: Tile) -> None:
    """Raise RollbackError where the entries below a tile fit their hashes, and are not the log's.

    Entries and their hashes are two files: damage to one of them, or to both, does not fit.
    """
    if tile.level:
        return  # it is made of those below, which are looked at themselves
    hashes, entries = (Tile(level, tile.index, tile.width) for level in (0, None))
    try:
        shown = tiles.parse_hash_tile(store.read(hashes.path), hashes)
        said = tiles.parse_entry_bundle(store.read(entries.path), entries)
    except (ProofError, StorageError):
        return  # one of them is missing, or not whole
    for at, (hashed, entry) in enumerate(zip(shown, said, strict=True), tile.start):
        if hashed == merkle.leaf_hash(entry) != log.leaves[at]:
            raise RollbackError(
                f"expected entry {at} of {log.head.origin} in {store.root}/{entries.path}, found"
                f" another one, as {hashes.path} says as well. {WHAT_TO_DO}"
            )


def _is_whole(tile: Tile, body: bytes) -> bool:
    parse = tiles.parse_entry_bundle if tile.level is None else tiles.parse_hash_tile
    try:
        return len(parse(body, tile)) == tile.width
    except ProofError:
        return False


def _length(tile: Tile, lengths: Sequence[int]) -> int:
    """Return how long a file is. lengths: of the leaves of each bundle together."""
    if tile.level is None:
        return lengths[tile.index] + tile.width * LENGTH_BYTES
    return tile.width * merkle.HASH_BYTES
