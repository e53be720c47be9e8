"""Where a claimant's files lie: the local registry, keys that only their owner reads, receipts."""

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from optout import storage
from optout.keys import SigningKey, parse_pem
from schemas.errors import ClaimError, UsageError

REGISTRY_VARIABLE = "RECUSE_REGISTRY"
REGISTRY_FILE = "registry.db"
CLAIMANT_FOLDER = "claimant"
OWNER_ONLY = 0o600
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def data_folder() -> Path:
    """Return the folder in which this platform keeps a user's data of recuse."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "recuse"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "recuse"
    home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share"
    return base / "recuse"


def registry_at(given: str) -> str:
    """Return the registry that is meant: as given, by RECUSE_REGISTRY, or the user's own."""
    return given or os.environ.get(REGISTRY_VARIABLE, "") or str(data_folder() / REGISTRY_FILE)


def claimant_folder(registry: str) -> Path:
    """Return where keys and receipts are kept: beside a registry file, else in the data folder."""
    path = storage.sqlite_path(storage.registry_url(registry))
    return (path.parent if path else data_folder()) / CLAIMANT_FOLDER


def key_path(registry: str, claim_id: str) -> Path:
    """Return where the key of a claim is kept unless the claimant says otherwise."""
    return claimant_folder(registry) / f"{claim_id}.key"


def receipt_path(registry: str, claim_id: str) -> Path:
    """Return where the receipt of a claim is kept unless the claimant says otherwise."""
    return claimant_folder(registry) / f"{claim_id}.receipt.json"


def read_key(path: Path) -> SigningKey:
    """Return the key of a file. Raises ClaimError where it holds none."""
    try:
        body = path.read_bytes()
    except OSError as e:
        raise ClaimError(f"expected a private key in {path}: {e.strerror or e}") from e
    return parse_pem(body, str(path))


def write_private(path: Path, body: bytes) -> None:
    """Write a new file that only its owner can read: whole and on the disk, or not at all.

    Raises UsageError where it exists already.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _written_beside(path, body, OWNER_ONLY)
        try:
            _link(part, path, body)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as e:
        raise UsageError(f"expected to write a new file {path}: {e.strerror or e}") from e


def replace_private(path: Path, body: bytes) -> None:
    """Write a file in place of the one that is there, whose mode it keeps, or a new private one.

    Whoever reads meanwhile, and whatever breaks off, has the one or the other, whole.
    """
    try:
        there = path.resolve()  # a link leads on to where somebody wants the file to lie
        mode = stat.S_IMODE(there.stat().st_mode) if there.exists() else OWNER_ONLY
        there.parent.mkdir(parents=True, exist_ok=True)
        part = _written_beside(there, body, mode)
        try:
            part.replace(there)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(there.parent)
    except OSError as e:
        raise UsageError(f"expected to write {path} anew: {e.strerror or e}") from e


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep others out who would write a file anew by what they have read in it.

    Raises UsageError where no lock can be had beside it.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as e:
        raise UsageError(f"expected to write {path} anew: {e.strerror or e}") from e
    try:
        yield
    finally:
        lock.release()


def _written_beside(path: Path, body: bytes, mode: int) -> Path:
    """Write a neighbour of a file, flushed to the disk; nothing stays where that fails."""
    part = path.with_name(f".part-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, NEW, OWNER_ONLY), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _link(part: Path, path: Path, body: bytes) -> None:
    """Make a file of its neighbour. Raises FileExistsError where there is one, unlike a rename."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as of a stick: a kill may leave half of it there
        with os.fdopen(os.open(path, NEW, OWNER_ONLY), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk as well, where a platform knows how."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
