"""A log read from its tiles, each tile checked against the root that is trusted. No I/O of its own.

Files come through `read(path) -> bytes`, from anybody: a folder, a mirror, a cache. The root comes
from a checkpoint that was verified. The tiles at the right edge give the root together; every other
tile gives, as its own root, one hash of the tile above it; entries hash to a tile of level 0. So a
file that was rewritten is noticed where it is read, and named.
"""

from collections.abc import Callable, Iterator

from optout.log.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash
from optout.log.tiles import (
    HEIGHT,
    WIDTH,
    Tile,
    parse_entry_bundle,
    parse_hash_tile,
    perfect_root,
)
from schemas.errors import ProofError, StorageError

HELD_TILES = 256  # 2 MiB of tiles that were checked

Read = Callable[[str], bytes]
"""Return a file of the log, bounded in size by who reads. Raises StorageError where it lacks."""

Parse = Callable[[bytes, Tile], list[bytes]]


class TileReader:
    """The log of one size and root, read from files. All that it returns has been checked.

    Methods raise ProofError, naming the tile, where a file is not what the root demands, and
    StorageError where it is not there.
    """

    def __init__(self, read: Read, size: int, root: bytes) -> None:
        self.size, self.root = size, root
        self._read = read
        self._held: dict[Tile, list[bytes]] = {}
        self._edge = _edge(read, size, root)

    def leaf_hash(self, index: int) -> bytes:
        """Return the leaf hash of an entry."""
        self._require_index(index)
        return self._hashes(0, index // WIDTH)[index % WIDTH]

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Give entries from an index up to another, bundle by bundle."""
        if not 0 <= start <= end <= self.size:
            raise ProofError(f"expected entries of a log of {self.size}, found {start} to {end}")
        for number in range(start // WIDTH, -(-end // WIDTH)):
            entries = self._bundle(number)
            first = number * WIDTH
            yield from entries[max(start - first, 0) : end - first]

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of an entry in the tree of this size, or of an older one."""
        lo, hi = 0, self._older(size)
        if not 0 <= index < hi:
            raise ProofError(f"expected a leaf index below {hi}, found {index}")
        path = []
        while hi - lo > 1:
            middle = lo + _split(hi - lo)
            if index < middle:
                path.append(self._range_root(middle, hi))
                hi = middle
            else:
                path.append(self._range_root(lo, middle))
                lo = middle
        return path[::-1]

    def consistency_proof(self, old_size: int, size: int | None = None) -> list[bytes]:
        """Return the proof that the tree of this size, or of an older one, extends an older yet.

        Raises ProofError for an old size of 0: of an empty tree there is nothing to prove.
        """
        lo, hi = 0, self._older(size)
        if not 0 < old_size <= hi:
            raise ProofError(f"expected an old size from 1 to {hi}, found {old_size}")
        path = []
        while hi != old_size:
            middle = lo + _split(hi - lo)
            if old_size <= middle:
                path.append(self._range_root(middle, hi))
                hi = middle
            else:
                path.append(self._range_root(lo, middle))
                lo = middle
        if lo:  # else the old tree is a subtree, whose root the verifier has
            path.append(self._range_root(lo, hi))
        return path[::-1]

    def root_at(self, size: int) -> bytes:
        """Return the root that the log had at this size or an older one."""
        size = self._older(size)
        return self._range_root(0, size) if size else EMPTY_ROOT

    def _older(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ProofError(f"expected a size up to {self.size}, found {size}")
        return size

    def _require_index(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise ProofError(f"expected a leaf index below {self.size}, found {index}")

    def _range_root(self, lo: int, hi: int) -> bytes:
        # `lo` is a multiple of the largest power of two below or at hi - lo, as in all subtrees.
        size = hi - lo
        if size & (size - 1) == 0:
            return self._node(size.bit_length() - 1, lo)
        middle = lo + _split(size)
        return node_hash(self._range_root(lo, middle), self._range_root(middle, hi))

    def _node(self, height: int, start: int) -> bytes:
        """Return the root of the 2^height leaves from `start`."""
        level, within = divmod(height, HEIGHT)
        first = start >> HEIGHT * level
        at = first % WIDTH
        return perfect_root(self._hashes(level, first // WIDTH)[at : at + (1 << within)])

    def _hashes(self, level: int, index: int) -> list[bytes]:
        """Return the hashes of a tile, which the tile above it has vouched for."""
        edge = self._edge.get(level)
        if edge and edge[0] == index:
            return edge[1]
        tile = Tile(level, index)
        if tile not in self._held:
            hashes = parse_hash_tile(self._read(tile.path), tile)
            expected = self._hashes(level + 1, index // WIDTH)[index % WIDTH]
            if perfect_root(hashes) != expected:
                raise ProofError(
                    f"expected root {expected.hex()} of {tile.path}, found another: the tile was"
                    " rewritten, or damaged"
                )
            if len(self._held) >= HELD_TILES:
                del self._held[next(iter(self._held))]
            self._held[tile] = hashes
        return self._held[tile]

    def _bundle(self, number: int) -> list[bytes]:
        tile = Tile(None, number, min(WIDTH, self.size - number * WIDTH))
        entries, found = _whole(self._read, tile, parse_entry_bundle)
        for at, (entry, expected) in enumerate(
            zip(entries, self._hashes(0, number), strict=True), tile.start
        ):
            if leaf_hash(entry) != expected:
                raise ProofError(
                    f"expected leaf hash {expected.hex()} of entry {at} in {found.path}"
                )
        return entries


def _edge(read: Read, size: int, root: bytes) -> dict[int, tuple[int, list[bytes]]]:
    """Return, by level, index and hashes of the partial tile that a tree of this size ends with.

    All peaks of the tree are in these; they are checked together, since only together do they
    give the root.
    """
    edge: dict[int, tuple[int, list[bytes]]] = {}
    peaks: list[bytes] = []
    read_from = []
    for level in range(-(-size.bit_length() // HEIGHT)):
        index, width = divmod(size >> HEIGHT * level, WIDTH)
        if width:
            hashes, tile = _whole(read, Tile(level, index, width), parse_hash_tile)
            edge[level] = (index, hashes)
            peaks += _peaks(hashes)
            read_from.append(tile.path)
    found = Frontier(size, tuple(reversed(peaks))).root()
    if found != root:
        raise ProofError(
            f"expected root {root.hex()} at size {size}, found {found.hex()} from"
            f" {', '.join(read_from) or 'no tile'}: rewritten, damaged, or of another log"
        )
    return edge


def _peaks(hashes: list[bytes]) -> Iterator[bytes]:
    """Give the roots of the perfect subtrees over fewer than 256 hashes, the smallest first."""
    end = len(hashes)
    while end:
        width = end & -end
        yield perfect_root(hashes[end - width : end])
        end -= width


def _whole(read: Read, tile: Tile, parse: Parse) -> tuple[list[bytes], Tile]:
    """Return what is in a tile, and the file that it was read from.

    A log may delete a partial tile once there is the full one, which begins in the same way.
    """
    try:
        return parse(read(tile.path), tile), tile
    except StorageError:
        if tile == tile.full:
            raise
        return parse(read(tile.full.path), tile.full)[: tile.width], tile.full


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
