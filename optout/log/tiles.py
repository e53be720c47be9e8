"""Tiles: the Merkle tree and the entries of a log as files that never change. Pure.

Source: C2SP tlog-tiles. A tile holds 256 hashes side by side; those of level 0 are leaf hashes, and
each hash of a level above is the root of a full tile of the level below. The last tile of a level
may be partial, and has its width in its path. Entry bundles hold the entries below a level-0 tile.

    tile/LEVEL/x001/x234/067        tile/LEVEL/x001/x234/067.p/8
    tile/entries/067                tile/entries/067.p/8

What is here makes files from leaves and leaf hashes, which come in by ranges so that no log need be
held in memory. How they are read again, and checked, stands in optout.log.tile_reader.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from optout.log.merkle import HASH_BYTES, node_hash
from schemas.errors import ProofError

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_LEVEL = 63
CHECKPOINT_FILE = "checkpoint"
ENTRIES = "entries"
LENGTH_BYTES = 2
MAX_ENTRY_BYTES = (1 << 16) - 1
MAX_BUNDLE_BYTES = WIDTH * (LENGTH_BYTES + MAX_ENTRY_BYTES)

PATH = re.compile(
    "tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:[.]p/([1-9][0-9]{0,2}))?"
)

Ranged = Callable[[int, int], Sequence[bytes]]
"""Leaves or leaf hashes of a log, from an index up to another."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One file of the log. level: none for a bundle of entries. width: entries or hashes in it."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies below the log's prefix."""
        groups, rest = [f"{self.index % 1000:03}"], self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        level = ENTRIES if self.level is None else self.level
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"

    @property
    def start(self) -> int:
        """The index, in its level, of its first hash or entry."""
        return self.index * WIDTH

    @property
    def full(self) -> "Tile":
        """The tile that this one becomes when the log has grown enough."""
        return Tile(self.level, self.index)


def parse_path(path: str) -> Tile:
    """Return the tile of a path. Raises ProofError for any other path."""
    found = PATH.fullmatch(path)
    if found:
        level, above, last, width = found.groups()
        index = int(above.replace("x", "").replace("/", "") + last)
        tile = Tile(None if level == ENTRIES else int(level), index, int(width or WIDTH))
        if tile.path == path and (tile.level or 0) <= MAX_LEVEL:
            return tile
    raise ProofError(f"expected the path of a tile, found {path!r:.120}")


def hash_tiles(old_size: int, new_size: int) -> Iterator[Tile]:
    """Give the hash tiles of a log of `new_size` that it lacked at `old_size`, the lowest first.

    From size 0 these are all tiles that the log needs now. Raises ProofError where it shrinks.
    """
    _require_growth(old_size, new_size)
    for level in range(MAX_LEVEL + 1):
        old, new = old_size >> HEIGHT * level, new_size >> HEIGHT * level
        if old == new:
            return
        yield from _tiles(level, old, new)


def entry_bundles(old_size: int, new_size: int) -> Iterator[Tile]:
    """Give the entry bundles of a log of `new_size` that it lacked at `old_size`."""
    _require_growth(old_size, new_size)
    if old_size < new_size:
        yield from _tiles(None, old_size, new_size)


def hash_tile(tile: Tile, leaf_hashes: Ranged) -> bytes:
    """Return the bytes of a hash tile, from the log's leaf hashes.

    At most 256 leaf hashes are held for each level. A tile of level n asks for up to 256^(n+1) of
    them; it is new only each 256^n entries.
    """
    if tile.level is None:
        raise ProofError(f"expected a tile of hashes, found {tile.path}")
    return b"".join(_hashes(tile.level, tile.start, tile.start + tile.width, leaf_hashes))


def entry_bundle(tile: Tile, leaves: Ranged) -> bytes:
    """Return the bytes of an entry bundle. Raises ProofError for a leaf of 64 KiB or more."""
    found = leaves(tile.start, tile.start + tile.width)
    _require_count(found, tile.width, tile)
    for at, leaf in enumerate(found, tile.start):
        if len(leaf) > MAX_ENTRY_BYTES:
            raise ProofError(
                f"expected entries of {MAX_ENTRY_BYTES:,} bytes at most, found {len(leaf):,} at"
                f" index {at}"
            )
    return b"".join(len(leaf).to_bytes(LENGTH_BYTES, "big") + leaf for leaf in found)


def parse_entry_bundle(body: bytes, tile: Tile) -> list[bytes]:
    """Return the entries of a bundle, as many as the tile is wide. Raises ProofError otherwise."""
    entries: list[bytes] = []
    at = 0
    while at < len(body) and len(entries) < tile.width:
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(body[at:start], "big")
        entries.append(body[start:at])
    if at != len(body) or len(entries) != tile.width:
        raise ProofError(
            f"expected {tile.width} entries and nothing else in {tile.path}, found"
            f" {len(entries)} in {len(body):,} bytes"
        )
    return entries


def parse_hash_tile(body: bytes, tile: Tile) -> list[bytes]:
    """Return the hashes of a tile. Raises ProofError where it is not as wide as it should be."""
    if len(body) != tile.width * HASH_BYTES:
        raise ProofError(
            f"expected {tile.width * HASH_BYTES:,} bytes in {tile.path}, found {len(body):,}"
        )
    return [body[at : at + HASH_BYTES] for at in range(0, len(body), HASH_BYTES)]


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 1, 2, 4, … hashes of one level."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def _tiles(level: int | None, old: int, new: int) -> Iterator[Tile]:
    for index in range(old // WIDTH, -(-new // WIDTH)):
        yield Tile(level, index, min(WIDTH, new - index * WIDTH))


def _hashes(level: int, start: int, end: int, leaf_hashes: Ranged) -> Sequence[bytes]:
    if level == 0:
        found = leaf_hashes(start, end)
        _require_count(found, end - start, Tile(0, start // WIDTH, end - start))
        return found
    return [
        perfect_root(_hashes(level - 1, at * WIDTH, (at + 1) * WIDTH, leaf_hashes))
        for at in range(start, end)
    ]


def _require_count(found: Sequence[bytes], expected: int, tile: Tile) -> None:
    if len(found) != expected:
        raise ProofError(f"expected {expected} leaves for {tile.path}, found {len(found)}")


def _require_growth(old_size: int, new_size: int) -> None:
    if not 0 <= old_size <= new_size:
        raise ProofError(f"expected sizes 0 <= old <= new, found {old_size} and {new_size}")
