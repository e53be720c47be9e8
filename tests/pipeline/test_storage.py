import stat
from pathlib import Path

import pytest

from pipeline.storage import open_store, unfinished
from schemas.errors import StorageError, UsageError
from tests.servers import Answer, serve


@pytest.fixture(params=["local", "memory"])
def root(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "store")
    return f"memory://{tmp_path.name}-{request.node.name[:20]}"


def test_published_file_is_read_back_and_replaced(root):
    store = open_store(root)
    store.publish("a/b.bin", b"one")
    store.publish("a/b.bin", b"two")
    assert store.read("a/b.bin") == b"two"
    assert store.paths("a") == ["a/b.bin"]
    assert store.size_bytes("a/b.bin") == 3


def test_publish_once_keeps_the_first(root):
    store = open_store(root)
    assert store.publish_once("x", b"first")
    assert not store.publish_once("x", b"second")
    assert store.read("x") == b"first"


def test_ranges_come_in_the_order_asked(root):
    store = open_store(root)
    store.publish("pack", b"0123456789")
    assert store.read_ranges("pack", [(7, 2), (0, 3)]) == [b"78", b"012"]


def test_absent_file_is_a_storage_error(root):
    store = open_store(root)
    with pytest.raises(StorageError, match="could not read"):
        store.read("nothing")
    assert store.paths("nothing") == []
    store.delete("nothing")


def test_path_outside_the_root_is_refused(root):
    with pytest.raises(StorageError, match="expected a path below"):
        open_store(root).read("../etc/passwd")


def test_half_written_neighbours_are_not_listed(tmp_path):
    store = open_store(str(tmp_path))
    store.publish("a/b", b"1")
    (tmp_path / "a" / ".part-0011").write_bytes(b"half")
    assert store.paths("a") == ["a/b"]


def test_full_disk_leaves_the_old_file_and_no_neighbour(tmp_path, monkeypatch):
    store = open_store(str(tmp_path))
    store.publish("a", b"old")

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        store.publish("a", b"new")
    assert store.read("a") == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_private_store_is_for_its_owner_alone(tmp_path):
    store = open_store(str(tmp_path / "vault"), private=True)
    store.publish("x/y", b"secret")
    assert stat.S_IMODE(Path(tmp_path / "vault").stat().st_mode) == 0o700


@pytest.mark.parametrize("answer", [Answer(404), Answer(403), Answer(500), Answer(fault="close")])
def test_what_a_web_server_does_not_give_is_one_error(answer):
    with serve({"/list/there": b"body", "/list/absent": answer}) as server:
        store = open_store(server.url("/list"))
        assert store.read("there") == b"body"
        with pytest.raises(StorageError, match="absent"):
            store.read("absent")


def test_what_a_killed_process_has_left_is_told_apart(tmp_path):
    store = open_store(str(tmp_path / "new"))
    assert unfinished(store) == []
    store.publish("samples/00000.parquet", b"rows")
    (tmp_path / "new" / "samples" / ".part-0123").write_bytes(b"more ro")
    assert unfinished(store) == ["samples/.part-0123"]
    assert store.paths("") == ["samples/00000.parquet"]
    assert unfinished(open_store("memory://nothing")) == []


@pytest.mark.parametrize("place", ["nosuch://place", "s4://x/y", "nonsense::x"])
def test_a_url_that_nothing_opens_is_a_usage_error(place):
    with pytest.raises(UsageError, match="expected a folder or a URL that can be opened here"):
        open_store(place)
