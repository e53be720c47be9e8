"""The reading rim for sources: the only module that opens what the builder gave.

A source is a file, a folder or a glob, on a local disk or any fsspec URL. Errors are UsageError
where other input would help and StorageError where trying again might.
"""

import contextlib
import gzip
import hashlib
import io
import posixpath
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import StorageError, UsageError

GZIP_MAGIC = b"\x1f\x8b"
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class File:
    """A file of the source. `relative` is its path below the folder that was given."""

    path: str
    relative: str
    size_bytes: int

    @property
    def suffix(self) -> str:
        """Lower-case suffix without `.gz`: `.csv` for a.CSV.gz."""
        name = PurePosixPath(self.relative.lower().removesuffix(".gz")).name
        return PurePosixPath(name).suffix


def find_files(source: str) -> list[File]:
    """Return the files of a source, sorted by relative path; hidden ones are left out.

    Raises UsageError where there is none.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(source)
        found, root = _listed(filesystem, path.rstrip("/") or path)
    except (ImportError, ValueError) as e:
        raise UsageError(f"expected a path or a URL that fsspec can open: {source}: {e}") from e
    except OSError as e:
        raise UsageError(f"expected a source that can be listed: {source}: {e}") from e
    files = [_file(filesystem, path, root, found[path]) for path in sorted(found)]
    visible = [f for f in files if not any(p.startswith(".") for p in f.relative.split("/"))]
    if not visible:
        raise UsageError(f"expected a file, folder or pattern, found nothing at {source}")
    return sorted(visible, key=lambda f: f.relative)


def source_name(source: str) -> str:
    """Return the last part of a source's path, by which it is named unless the config says."""
    return posixpath.basename(source.rstrip("/")) or source


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Translate what goes wrong while a file is read. Raises UsageError or StorageError."""
    try:
        yield
    except FileNotFoundError as e:
        raise UsageError(f"{path}: expected a file, found nothing") from e
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise UsageError(f"{path}: expected a whole gzip file, found {e}") from e
    except OSError as e:
        raise StorageError(f"{path}: could not be read: {e}") from e


def open_file(path: str) -> IO[bytes]:
    """Return a seekable file; the caller closes it. Raises OSError: use within `reading`."""
    filesystem, inner = fsspec.core.url_to_fs(path)
    opened: IO[bytes] = filesystem.open(inner, "rb")
    return opened


def open_unpacked(path: str) -> IO[bytes]:
    """Return a file's bytes to be read in order, unpacked where it is gzip by its first bytes."""
    raw = open_file(path)
    magic = raw.read(len(GZIP_MAGIC))
    raw.seek(0)
    if magic == GZIP_MAGIC:
        return io.BufferedReader(_OwningGzip(raw), buffer_size=1 << 20)
    return raw


def read_file(path: str) -> bytes:
    """Return a whole file. Raises UsageError where it is absent."""
    with reading(path), open_file(path) as f:
        return f.read()


def read_ranges(path: str, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the bytes of each (offset, length), in the order asked, from one opening."""
    with reading(path), open_file(path) as f:
        for offset, length in ranges:
            f.seek(offset)
            body = f.read(length)
            if len(body) != length:
                raise UsageError(f"{path}: expected {length} bytes at {offset}, found {len(body)}")
            yield body


def content_hint(file: File, edge_bytes: int) -> str:
    """Return a digest of a file's first and last bytes: of all of it, where it is small."""
    taken = hashlib.sha256()
    with reading(file.path), open_file(file.path) as f:
        taken.update(f.read(edge_bytes))
        if file.size_bytes > edge_bytes:
            f.seek(max(edge_bytes, file.size_bytes - edge_bytes))
            taken.update(f.read(edge_bytes))
    return taken.hexdigest()


class _OwningGzip(gzip.GzipFile):
    """A gzip file that closes what it reads from."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._raw = raw

    def close(self) -> None:
        super().close()
        self._raw.close()


def _listed(filesystem: Any, path: str) -> tuple[dict[str, dict[str, Any]], str]:
    """Return path -> info of every file, and the folder to which paths are relative."""
    if filesystem.exists(path):
        if filesystem.isdir(path):
            return filesystem.find(path, detail=True), path
        return {path: filesystem.info(path)}, posixpath.dirname(path)
    if not _GLOB & set(path):
        return {}, path
    fixed = path[: min(i for i, c in enumerate(path) if c in _GLOB)]
    found = filesystem.glob(path, detail=True)
    files = {p: info for p, info in found.items() if info.get("type") == "file"}
    return files, fixed.rpartition("/")[0]


def _file(filesystem: Any, path: str, root: str, info: dict[str, Any]) -> File:
    local = isinstance(filesystem, LocalFileSystem)
    full = path if local else filesystem.unstrip_protocol(path)
    relative = path.removeprefix(root).lstrip("/") if root else path.lstrip("/")
    return File(full, relative, int(info.get("size") or 0))
