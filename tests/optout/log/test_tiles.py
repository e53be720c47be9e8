"""Numbers and paths in these tests that are not computed are those of C2SP tlog-tiles."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.log import merkle, tiles
from optout.log.tile_reader import TileReader
from optout.log.tiles import Tile, entry_bundles, hash_tiles, parse_path
from schemas.errors import ProofError, StorageError

MOST = 70_000
LEAVES = [f"entry {n}".encode() for n in range(MOST)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]
FEW = 1100


def frontiers() -> list[bytes]:
    roots, frontier = [merkle.EMPTY_ROOT], merkle.Frontier()
    for leaf in HASHES[:FEW]:
        frontier = frontier.append(leaf)
        roots.append(frontier.root())
    return roots


ROOTS = frontiers()


def leaf_hashes(start: int, end: int) -> list[bytes]:
    return HASHES[start:end]


def leaves(start: int, end: int) -> list[bytes]:
    return LEAVES[start:end]


def written(*sizes: int) -> dict[str, bytes]:
    """The files of a log that was published at each of these sizes."""
    files: dict[str, bytes] = {}
    for old, new in zip((0, *sizes), sizes, strict=False):
        files |= {tile.path: tiles.hash_tile(tile, leaf_hashes) for tile in hash_tiles(old, new)}
        files |= {tile.path: tiles.entry_bundle(tile, leaves) for tile in entry_bundles(old, new)}
    return files


def reader(files: dict[str, bytes], size: int, root: bytes | None = None) -> TileReader:
    def read(path: str) -> bytes:
        if path not in files:
            raise StorageError(f"no {path}")
        return files[path]

    return TileReader(read, size, root or ROOTS[size])


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(3, 999, 8), "tile/3/999.p/8"),
        (Tile(None, 1000, 255), "tile/entries/x001/000.p/255"),
        (Tile(63, 5), "tile/63/005"),
    ],
)
def test_paths_are_written_as_the_specification_does(tile, path):
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/1234",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/08",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/x/000",
        "tile/entries/-01",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/000\n",
        "",
    ],
)
def test_other_paths_are_refused(path):
    with pytest.raises(ProofError):
        parse_path(path)


@given(st.integers(0, 1 << 60), st.none() | st.integers(0, 63), st.integers(1, 256))
def test_paths_survive(index, level, width):
    assert parse_path(Tile(level, index, width).path) == Tile(level, index, width)


def test_a_log_of_70000_has_the_tiles_that_the_specification_counts():
    found = list(hash_tiles(0, 70_000))
    by_level = [[t for t in found if t.level == level] for level in range(3)]
    assert [len(t) for t in by_level] == [274, 2, 1]
    assert by_level[0][-1] == Tile(0, 273, 112)
    assert by_level[1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert by_level[2] == [Tile(2, 0, 1)]
    assert list(hash_tiles(0, 256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(hash_tiles(0, 0)) == list(entry_bundles(0, 0)) == []


@given(st.integers(0, MOST), st.integers(0, MOST))
def test_what_is_new_in_two_steps_is_what_is_new_in_one_and_the_partial_tiles_between(a, b):
    a, b = sorted((a, b))
    for new in (hash_tiles, entry_bundles):
        steps = [*new(0, a), *new(a, b)]
        assert len(set(steps)) == len(steps)
        whole = set(new(0, b))
        assert whole <= set(steps)
        assert all(t.width < 256 for t in set(steps) - whole)
        assert set(new(0, a)) - whole == set(steps) - whole


def test_a_log_does_not_shrink():
    for new in (hash_tiles, entry_bundles):
        with pytest.raises(ProofError):
            list(new(3, 2))


def test_hashes_above_are_roots_of_full_tiles_below():
    files = written(MOST)
    assert files["tile/1/000"][:32] == merkle.root(HASHES[:256])
    assert files["tile/1/001.p/17"][-32:] == merkle.root(HASHES[272 * 256 : 273 * 256])
    assert files["tile/2/000.p/1"] == merkle.root(HASHES[:65536])
    found = reader(files, MOST, merkle.root(HASHES))
    old, index = 65_537, 66_000
    assert found.inclusion_proof(index) == merkle.inclusion_proof(HASHES, index)
    assert found.consistency_proof(old) == merkle.consistency_proof(HASHES, old)
    assert found.root_at(old) == merkle.root(HASHES[:old])
    assert list(found.entries(69_998, MOST)) == LEAVES[69_998:]


def test_a_tile_asks_for_few_leaf_hashes_at_once():
    asked = []

    def counted(start: int, end: int) -> list[bytes]:
        asked.append(end - start)
        return HASHES[start:end]

    tiles.hash_tile(Tile(1, 0), counted)
    assert max(asked) == 256
    assert sum(asked) == 65_536


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_proofs_from_tiles_are_those_of_the_tree(data):
    size = data.draw(st.integers(1, FEW))
    between = data.draw(st.integers(0, size))
    found = reader(written(between, size), size)
    older = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, older - 1))
    old = data.draw(st.integers(1, older))
    assert found.root_at(older) == ROOTS[older]
    assert found.leaf_hash(index) == HASHES[index]
    assert found.inclusion_proof(index, older) == merkle.inclusion_proof(HASHES[:older], index)
    assert found.consistency_proof(old, older) == merkle.consistency_proof(HASHES[:older], old)
    assert list(found.entries(old, older)) == LEAVES[old:older]


@pytest.mark.parametrize("size", [*range(1, 12), 255, 256, 257, 511, 512, 513, 1024, FEW])
def test_every_size_at_the_edges_gives_its_root(size):
    found = reader(written(size), size)
    assert found.root_at(size) == ROOTS[size]
    for index in {0, size // 2, size - 1}:
        proof = found.inclusion_proof(index)
        merkle.verify_inclusion(HASHES[index], index, size, proof, ROOTS[size])
    for old in {1, size // 2 or 1, size}:
        proof = found.consistency_proof(old)
        merkle.verify_consistency(old, size, ROOTS[old], ROOTS[size], proof)


def test_a_reader_of_an_older_checkpoint_takes_full_tiles_for_partial_ones():
    files = written(300, FEW)
    for path in [p for p in files if p.startswith(("tile/0/001.p", "tile/entries/001.p"))]:
        del files[path]  # as a log may, once there are the full ones
    found = reader(files, 300)
    assert found.inclusion_proof(299) == merkle.inclusion_proof(HASHES[:300], 299)
    assert list(found.entries(0, 300)) == LEAVES[:300]
    with pytest.raises(StorageError, match="tile/0/001"):
        reader({k: v for k, v in files.items() if "/001" not in k}, 300)


def test_the_empty_log_needs_no_file():
    found = reader({}, 0)
    assert found.root_at(0) == merkle.EMPTY_ROOT
    assert list(found.entries(0, 0)) == []
    for ask in (found.leaf_hash, found.inclusion_proof, found.consistency_proof):
        with pytest.raises(ProofError):
            ask(0)
    with pytest.raises(ProofError, match="no tile"):
        reader({}, 0, ROOTS[1])


@pytest.mark.parametrize("size", [1, 255, 256, 300, FEW])
def test_a_tile_that_was_rewritten_is_named(size):
    rng = random.Random(size)
    files = written(size)
    for path, good in files.items():
        at = rng.randrange(len(good))
        for bad in (
            good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :],
            good[:-1],
            good + b"\0",
            b"",
        ):
            with pytest.raises(ProofError, match=f"tile/.*{path.rpartition('/')[2]}"):
                read_all({**files, path: bad}, size)
    read_all(files, size)


def read_all(files: dict[str, bytes], size: int) -> None:
    found = reader(files, size)
    list(found.entries(0, size))


def test_two_tiles_in_each_others_place_are_noticed():
    files = written(FEW)
    files["tile/0/000"], files["tile/0/001"] = files["tile/0/001"], files["tile/0/000"]
    with pytest.raises(ProofError, match="tile/0/000"):
        reader(files, FEW).inclusion_proof(0)


def test_tiles_of_another_log_are_refused():
    with pytest.raises(ProofError, match="another log"):
        reader(written(10), 10, ROOTS[11])


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=256))
def test_bundles_survive(entries):
    tile = Tile(None, 0, len(entries))
    body = tiles.entry_bundle(tile, lambda a, b: entries[a:b])
    assert tiles.parse_entry_bundle(body, tile) == entries


def test_a_bundle_has_lengths_of_two_bytes():
    tile = Tile(None, 0, 2)
    body = tiles.entry_bundle(tile, lambda a, b: [b"ab", b""])
    assert body == b"\x00\x02ab\x00\x00"
    longest = [b"x" * 65_535, b"x" * 65_536]
    tiles.entry_bundle(Tile(None, 0, 1), lambda a, b: longest[a:b])
    with pytest.raises(ProofError, match="65,536 at index 1"):
        tiles.entry_bundle(tile, lambda a, b: longest[a:b])


@given(st.binary(max_size=40), st.integers(1, 4))
def test_any_bytes_are_a_bundle_or_our_error(body, width):
    tile = Tile(None, 0, width)
    try:
        found = tiles.parse_entry_bundle(body, tile)
    except ProofError:
        return
    assert tiles.entry_bundle(tile, lambda a, b: found[a:b]) == body


def test_leaves_that_lack_are_not_made_up():
    for make in (tiles.hash_tile, tiles.entry_bundle):
        level = 0 if make is tiles.hash_tile else None
        with pytest.raises(ProofError, match="3 leaves"):
            make(Tile(level, 0, 3), lambda a, b: [b"x" * 32] * 2)
    with pytest.raises(ProofError, match="of hashes"):
        tiles.hash_tile(Tile(None, 0), leaf_hashes)
