"""A published log in its store: damage is mended, another history is left as it is."""

import json
import shutil
from pathlib import Path

import pytest

from jobs.cli import registry as keeping
from jobs.log_keys import first_signer
from jobs.log_store import LogFiles, Written, write
from jobs.publishing import Published, publish
from optout.log import checkpoint, tiles
from optout.log.policy import Policy
from optout.log.tiles import CHECKPOINT_FILE, WIDTH, Tile
from optout.notice import ReleaseNotice
from optout.registry import Registry
from pipeline.storage import open_store
from schemas.errors import RollbackError, StorageError, UsageError
from tests.fakes import FixedClock, MemoryStore
from tests.independent import c2sp_check
from tests.jobs.commands import run
from tests.jobs.publishing import submitted
from tests.optout.claims import random_bytes

MANY = 2 * WIDTH + 10


@pytest.fixture(scope="module")
def long_log(tmp_path_factory) -> Path:
    """A registry with two full tiles, one that is not, and a level above; and its key."""
    place = tmp_path_factory.mktemp("log")
    with opened(place, create=True) as found:
        first_signer(found, random_bytes(3))
        for number in range(MANY):
            noted(found, number)
    return place


@pytest.fixture
def place(long_log, tmp_path) -> Path:
    return Path(shutil.copytree(long_log, tmp_path / "log"))


def opened(place: Path, *, create: bool = False) -> Registry:
    where = str(place / "registry.db")
    return Registry.open(where, FixedClock(), random=random_bytes(0), create=create)


def noted(found: Registry, number: int) -> None:
    found.note(
        lambda at: ReleaseNotice(
            recorded_at=at,
            title=f"release {number}",
            manifest_sha256=f"{number:064x}",
            key="",
            roots=dict.fromkeys(("rows", "bands", "ledger"), "0" * 64),
            applied=None,
        )
    )


def published(place: Path, store: MemoryStore, *, thorough: bool = False) -> Published:
    with opened(place) as found:
        return publish(found, first_signer(found), Policy(), store, thorough=thorough)


def verify(place: Path, store: MemoryStore, tmp_path: Path) -> None:
    """Let a second reader read what a store has."""
    folder = tmp_path / "read"
    shutil.rmtree(folder, ignore_errors=True)
    for path, body in store.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    with opened(place) as found:
        c2sp_check.tiles(folder, c2sp_check.vkey(found.log_key()[1], 1))


def kinds_of(store: MemoryStore) -> list[str]:
    """A file of each kind: entries and hashes, full and at the edge, and one of the level above."""
    paths = [path for path in store.files if path.startswith("tile/")]
    assert len(paths) == 7
    return sorted(paths)


# --- damage


def test_a_file_that_is_missing_or_too_short_is_written_again(place, tmp_path):
    store = MemoryStore()
    first = published(place, store)
    assert first.written == Written(8)
    whole = dict(store.files)
    for path in kinds_of(store):
        for body in (None, b"", whole[path][:-1], whole[path] + b"\0"):
            if body is None:
                del store.files[path]
            else:
                store.files[path] = body
            done = published(place, store)
            assert done.written == Written(2, (path,))
            assert store.files == whole
    assert published(place, store).written == Written(1)  # the checkpoint alone
    verify(place, store, tmp_path)


def test_what_was_damaged_and_is_as_long_as_before_is_found_by_reading_all(place):
    store = MemoryStore()
    published(place, store)
    whole = dict(store.files)
    for path in kinds_of(store):
        store.files[path] = whole[path][:-1] + bytes([whole[path][-1] ^ 1])
        assert published(place, store).written == Written(1)
        assert published(place, store, thorough=True).written == Written(2, (path,))
        assert store.files == whole
    for path in kinds_of(store):  # all of them at once, as a disk may fail
        store.files[path] = bytes(len(whole[path]))
    assert published(place, store, thorough=True).written == Written(8, tuple(mended(whole)))
    assert store.files == whole


def mended(whole: dict[str, bytes]) -> list[str]:
    """The files of a log in the order in which they are written."""
    size = checkpoint.parse(whole[CHECKPOINT_FILE]).size
    return [tile.path for tile in (*tiles.hash_tiles(0, size), *tiles.entry_bundles(0, size))]


def test_a_log_that_has_grown_is_mended_as_well(place, tmp_path):
    store = MemoryStore()
    published(place, store)
    del store.files["tile/entries/000"]
    with opened(place) as found:
        noted(found, MANY)
    done = published(place, store)
    assert done.written.mended == ("tile/entries/000",)
    verify(place, store, tmp_path)


def test_what_a_run_that_broke_off_has_written_is_not_written_again(place, tmp_path):
    store = MemoryStore(fail=lambda path: "failed" if path == "tile/entries/001" else None)
    with pytest.raises(StorageError):
        published(place, store)
    store.fail = lambda _path: None
    store.files["tile/0/001"] = b"half"
    before = len(store.files)
    assert published(place, store).written == Written(8 - before + 1)
    verify(place, store, tmp_path)


def test_a_checkpoint_that_was_damaged_is_deleted_by_hand(place, tmp_path):
    store = MemoryStore()
    published(place, store)
    store.files[CHECKPOINT_FILE] = b""
    store.files["tile/0/000"] = b""
    with pytest.raises(StorageError, match="if it was damaged, delete it"):
        published(place, store)
    del store.files[CHECKPOINT_FILE]
    assert published(place, store).written.files == 2
    verify(place, store, tmp_path)


def test_files_that_are_none_of_a_log_are_let_be(place):
    store = MemoryStore(files={"tile/readme": b"mine", "tile/0/x": b"", "other": b"mine"})
    published(place, store)
    assert published(place, store, thorough=True).written == Written(1)
    assert store.files["tile/readme"] == b"mine"


# --- other histories


@pytest.fixture
def forked(place, tmp_path) -> Path:
    """A copy of the database, into which something else was recorded; as long as the log."""
    other = Path(shutil.copytree(place, tmp_path / "copy"))
    with opened(place) as found:
        noted(found, 1000)
    with opened(other) as found:
        noted(found, 2000)
    return other


def begun(place: Path, store: MemoryStore, stop: str) -> None:
    """Publish and break off before one file."""
    store.fail = lambda path: "failed" if path == stop else None
    with pytest.raises(StorageError):
        published(place, store)
    store.fail = lambda _path: None


@pytest.mark.parametrize("stop", [CHECKPOINT_FILE, "tile/entries/000", "tile/1/000.p/2"])
def test_what_another_copy_has_begun_to_publish_is_not_written_over(place, forked, stop):
    store = MemoryStore()
    begun(forked, store, stop)
    before = dict(store.files)
    with pytest.raises(RollbackError, match=r"Was another copy of the database published here\?"):
        published(place, store)
    assert store.files == before
    for path in store.paths("tile"):  # what is named was looked into, and taken away
        store.delete(path)
    published(place, store)


def test_what_another_copy_has_begun_at_another_size_is_seen_as_well(place, forked):
    store = MemoryStore()
    begun(forked, store, CHECKPOINT_FILE)
    with opened(place) as found:
        noted(found, 1001)
    with pytest.raises(RollbackError, match=r"found another log"):
        published(place, store)


def test_a_database_that_is_older_than_what_it_has_begun_to_publish_is_told(place, tmp_path):
    older = Path(shutil.copytree(place, tmp_path / "older"))
    with opened(place) as found:
        noted(found, 1000)
    store = MemoryStore()
    begun(place, store, CHECKPOINT_FILE)
    with pytest.raises(RollbackError, match=r"older than what it has begun to publish"):
        published(older, store)


def test_who_publishes_a_longer_state_meanwhile_is_no_other_history(place):
    store = MemoryStore()
    with opened(place) as found:
        key = first_signer(found)
        head, body = checkpoint.Checkpoint(key.name, *found.head()), b""
        leaves = found.leaf_hashes()
        noted(found, 1000)
    begun(place, store, CHECKPOINT_FILE)
    with opened(place) as found:
        body = checkpoint.sign(head, key)
        write(LogFiles(found, head, leaves), body, store)
    assert checkpoint.parse(store.files[CHECKPOINT_FILE]).size == head.size


def test_entries_of_another_history_below_the_checkpoint_are_not_written_over(place, forked):
    """As where two copies publish at once: the one that is slower finds it out in the end."""
    store, theirs = MemoryStore(), MemoryStore()
    published(place, store)
    published(forked, theirs)
    edge = checkpoint.parse(store.files[CHECKPOINT_FILE]).size % WIDTH
    pair = [Tile(level, 2, edge).path for level in (0, None)]
    for path in pair:
        store.files[path] = theirs.files[path]
    before = dict(store.files)
    with pytest.raises(RollbackError, match=rf"expected entry {MANY} of .* found another one"):
        published(place, store, thorough=True)
    assert store.files == before
    store.delete(pair[1])  # one of them is kept elsewhere
    assert published(place, store, thorough=True).written.mended == tuple(pair)


# --- the command


def test_the_command_says_what_was_mended(own_place):
    submitted("Ada Example")
    log = own_place / "log"
    run(keeping.app, "publish", "--to", log)
    (bundle,) = (log / "tile" / "entries").rglob("*.p/*")
    body = bundle.read_bytes()
    bundle.unlink()
    said = run(keeping.app, "publish", "--to", log)
    assert f"missing or damaged: {bundle.relative_to(log)}" in said
    said_once = json.loads(body[2 : 2 + int.from_bytes(body[:2])])
    assert said_once["type"] == "submit"
    bundle.write_bytes(body.replace(b'"submit"', b'"delete"'))
    assert "missing or damaged" not in run(keeping.app, "publish", "--to", log)
    assert "missing or damaged" in run(keeping.app, "publish", "--to", log, "--repair")
    assert bundle.read_bytes() == body
    with pytest.raises(UsageError, match="expected --to"):
        run(keeping.app, "publish", "--repair")


def test_sizes_are_those_of_the_files_that_are_whole(tmp_path):
    store = open_store(str(tmp_path))
    assert store.sizes("tile") == {}
    store.publish("tile/0/000", b"12345")
    (tmp_path / "tile" / ".part-1").write_bytes(b"123")
    assert store.sizes("tile") == {"tile/0/000": 5}
    assert store.sizes("") == {"tile/0/000": 5}
