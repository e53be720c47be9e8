"""The only module that opens files of a build: a folder on a local disk, or any fsspec URL.

On a local disk a file appears by writing a neighbour, flushing it and linking or renaming it into
place. On object stores a put is whole by itself; creation without overwriting uses the store's own
exclusive create, and no step relies on rename.
"""

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import StorageError, UsageError
from schemas.ports import Store

PRIVATE_DIR = 0o700
PART = ".part-"
"""How the name of a file begins that is not whole yet."""
NO_NAMES = ("", ".", "..")
"""How the path of a folder may end that does not say its name."""


def open_store(root: str, *, private: bool = False) -> "FolderStore":
    """Return the store under a folder or fsspec URL; nothing is created until something is written.

    private: the folder is made readable by its owner alone, where the backend has such a notion.
    Raises UsageError for a URL that nothing here can open.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(root)
    except (ValueError, ImportError) as e:
        raise UsageError(
            f"expected a folder or a URL that can be opened here, found {root!r}: {e}"
        ) from e
    return FolderStore(filesystem, path.rstrip("/"), root, private=private)


def beside(place: str, suffix: str) -> str:
    """Return the folder that is called as another one and a suffix, beside it and never inside.

    Raises UsageError for a URL that ends in no name, and for the root of the disk.
    """
    found = place.rstrip("/")
    if found.rpartition("/")[2] in NO_NAMES and "://" not in place:
        found = str(Path(place).resolve()).rstrip("/")
    if found.rpartition("/")[2] in NO_NAMES:
        raise UsageError(f"expected a place that ends in the name of a folder, found {place!r}")
    return f"{found}{suffix}"


def read_anywhere(path: str) -> bytes:
    """Return the bytes of a file that the config names: a local path or an fsspec URL."""
    try:
        with fsspec.open(path, "rb") as f:
            body: bytes = f.read()
    except (OSError, ValueError, ImportError) as e:
        raise StorageError(f"could not read {path}: {e}") from e
    return body


def unfinished(store: Store) -> list[str]:
    """Return the files of a local folder that a killed process has begun to write, and no more.

    They can hold rows that the finished release does not.
    """
    if not isinstance(store, FolderStore) or (folder := store.local_path("")) is None:
        return []
    found = folder.rglob(f"{PART}*")
    return sorted(one.relative_to(folder).as_posix() for one in found if one.is_file())


def link(source: Store, target: Store, path: str) -> None:
    """Make `path` of one store the same file on the disk as that of another, bytes shared.

    Safe where files are only ever replaced and never written into, as stores do. Raises
    StorageError unless both are folders of one local disk.
    """
    old, new = _local_path(source, path), _local_path(target, path)
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        beside = new.parent / f"{PART}{secrets.token_hex(8)}"
        os.link(old, beside)
        beside.replace(new)
        beside.unlink(missing_ok=True)  # a rename onto another link of the same file does nothing
    except OSError as e:
        raise StorageError(f"could not link {new} to {old}: {e}") from e


def _local_path(store: Store, path: str) -> Path:
    found = store.local_path(path) if isinstance(store, FolderStore) else None
    if found is None:
        raise StorageError(f"expected a folder of a local disk for hard links, found {store.root}")
    return found


class FolderStore:
    """A Store (schemas.ports) on an fsspec file system."""

    def __init__(
        self, filesystem: fsspec.AbstractFileSystem, path: str, root: str, *, private: bool
    ) -> None:
        self._fs = filesystem
        self._path = path
        self._root = root
        self._private = private
        self._local = isinstance(filesystem, LocalFileSystem)

    @property
    def root(self) -> str:
        return self._root

    def local_path(self, path: str) -> Path | None:
        """Return where a file lies on a local disk, null for another backend."""
        return Path(self._full(path)) if self._local else None

    def publish(self, path: str, body: bytes) -> None:
        target = self._full(path)
        try:
            if self._local:
                Path(self._written_beside(target, body)).replace(target)
            else:
                self._fs.pipe_file(target, body)
        except OSError as e:
            raise StorageError(f"could not publish {len(body):,} bytes as {target}: {e}") from e

    def publish_once(self, path: str, body: bytes) -> bool:
        target = self._full(path)
        try:
            if not self._local:
                self._fs.pipe_file(target, body, mode="create")
                return True
            beside = self._written_beside(target, body)
            try:
                os.link(beside, target)  # fails where the file exists, unlike a rename
            finally:
                Path(beside).unlink()
        except FileExistsError:
            return False
        except OSError as e:
            raise StorageError(f"could not publish {len(body):,} bytes as {target}: {e}") from e
        return True

    def read(self, path: str) -> bytes:
        try:
            body: bytes = self._fs.cat_file(self._full(path))
        except _unreadable() as e:
            raise StorageError(f"could not read {self._full(path)}: {e}") from e
        return body

    def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        target = self._full(path)
        try:
            if self._local:
                with open(target, "rb") as f:  # noqa: PTH123  # the path may be a plain string on any platform
                    return [os.pread(f.fileno(), length, offset) for offset, length in ranges]
            starts = [offset for offset, _ in ranges]
            ends = [offset + length for offset, length in ranges]
            return list(self._fs.cat_ranges([target] * len(ranges), starts, ends, on_error="raise"))
        except (OSError, ValueError) as e:
            raise StorageError(f"could not read {len(ranges)} ranges of {target}: {e}") from e

    def exists(self, path: str) -> bool:
        return bool(self._fs.exists(self._full(path)))

    def paths(self, folder: str) -> list[str]:
        return sorted(self.sizes(folder))

    def sizes(self, folder: str) -> dict[str, int]:
        start = self._full(folder) if folder else self._path
        try:
            found = self._fs.find(start, detail=True)
        except OSError as e:
            raise StorageError(f"could not list {start}: {e}") from e
        skip = len(self._path) + 1
        return {
            path[skip:]: int(told.get("size") or 0)
            for path, told in found.items()
            if not Path(path).name.startswith(PART)
        }

    def size_bytes(self, path: str) -> int:
        try:
            return int(self._fs.size(self._full(path)))
        except (OSError, TypeError) as e:
            raise StorageError(f"could not read the size of {self._full(path)}: {e}") from e

    def delete(self, path: str) -> None:
        target = self._full(path) if path else self._path
        try:
            if self._fs.exists(target):
                self._fs.rm(target, recursive=True)
        except OSError as e:
            raise StorageError(f"could not delete {target}: {e}") from e

    def _full(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise StorageError(f"expected a path below {self._path}, found {path!r}")
        return f"{self._path}/{path}"

    def _written_beside(self, target: str, body: bytes) -> str:
        """Write a neighbour of a local target, flushed to the disk, and return its path."""
        folder = Path(target).parent
        if self._private:
            Path(self._path).mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            Path(self._path).chmod(PRIVATE_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f"{PART}{secrets.token_hex(8)}"
        try:
            with beside.open("xb") as f:
                f.write(body)
                f.flush()
                os.fsync(f.fileno())
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        return str(beside)


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what a file system raises for a file that cannot be read.

    Over HTTP that is also aiohttp's own errors, which are no OSError; it is not imported for them:
    where nobody has, nobody can have raised one.
    """
    http = sys.modules.get("aiohttp")
    return (OSError, ValueError, *((http.ClientError,) if http else ()))
