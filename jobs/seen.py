"""The newest state of each log that this machine has seen: an older one is refused.

A publisher who shows one history today and another tomorrow can be found only by those who
remember. What is kept is what was verified, with the signatures on it: two states that contradict
each other prove it to anybody.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from jobs.claimant_files import data_folder, replace_private
from jobs.list_files import file_name
from optout.log import checkpoint, note
from optout.log.fork import Fork
from optout.log.note import VerifierKey
from schemas.canonical import canonical_json, sha256_hex
from schemas.errors import ProofError, RollbackError, StorageError, UsageError

SEEN = "seen"
LOCK = ".lock"
FORKS = "forks"
KEY_CHARS = 32  # of the hash of a key, in the name of its file: nobody makes another key to it


@dataclass(frozen=True, slots=True)
class Head:
    """A verified state of a log. body: the signed note that says so; key: whose signature."""

    origin: str
    size: int
    root: str
    body: bytes
    key: VerifierKey


def seen_folder() -> Path:
    """Return where this user's newest states are kept."""
    return data_folder() / SEEN


def keep(
    head: Head,
    keys: Iterable[VerifierKey] = (),
    root_at: Callable[[int], str] | None = None,
    folder: Path | None = None,
) -> None:
    """Keep a state, unless a newer one is kept.

    keys: of the same log, which whoever asks trusts as well, as those before a rotation; a state
    by any other key is not held against this one, since anybody can sign under any origin.
    root_at: the root of the log at an older size, where its entries are at hand.
    Raises RollbackError where the log has shrunk since, or shows another root at the same size;
    then both notes are kept beside each other, and the message says where. Also where the log
    does not continue the older state.
    """
    home, known = folder or seen_folder(), tuple(keys)
    while True:
        path, held = _newest(home, head, known)
        if held is not None:
            _require_continued(head, held, root_at, path)
        with _alone(home):  # only now: asking for a root may take long
            if _newest(home, head, known)[1] != held:
                continue
            if held is None or head.size > held.size:
                _write(_path(home, head.origin, head.key), head)
            return


def _require_continued(
    head: Head, held: Head, root_at: Callable[[int], str] | None, path: Path
) -> None:
    if head.size > held.size:
        found = root_at(held.size) if root_at is not None else held.root
        if found != held.root:
            raise RollbackError(
                f"expected root {held.root} of {head.origin} at size {held.size}, as this machine"
                f" has seen ({path}), found {found}: its publisher shows two histories"
            )
    elif head.size < held.size:
        raise RollbackError(
            f"expected {held.size} log entries of {head.origin} or more, as this machine has seen"
            f" ({path}), found {head.size}"
        )
    elif head.root != held.root:
        proof = _keep_fork(path.parent, held, head)
        raise RollbackError(
            f"expected root {held.root} of {head.origin} at size {head.size}, as this machine has"
            f" seen, found {head.root}: its publisher shows two histories; both signed states are"
            f" in {proof}, and prove it to anybody"
        )


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep others out meanwhile: else an older state could be written over a newer one."""
    lock = FileLock(home / LOCK)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as e:
        raise StorageError(f"expected to keep the newest states of logs in {home}: {e}") from e
    try:
        yield
    finally:
        lock.release()


def require_known(head: Head, keys: Iterable[VerifierKey] = (), folder: Path | None = None) -> None:
    """Raise RollbackError where a state contradicts one of the same size; older ones are let be.

    A newer state is kept. keys: as `keep` takes them. For proofs, which may be of any age.
    """
    home, known = folder or seen_folder(), tuple(keys)
    _, held = _newest(home, head, known)
    if held is None or head.size >= held.size:
        keep(head, known, folder=home)


def _path(home: Path, origin: str, key: VerifierKey) -> Path:
    return home / f"{file_name(origin)}.{sha256_hex(key.public)[:KEY_CHARS]}.json"


def _newest(home: Path, head: Head, keys: Iterable[VerifierKey]) -> tuple[Path, Head | None]:
    """Return the newest state by the key of a state, or one of the others; null where none is."""
    known = {head.key, *keys}
    found = [(path := _path(home, head.origin, key), _read(path, key)) for key in known]
    old = home / f"{file_name(head.origin)}.json"  # an older recuse kept states by origin alone
    found += [(old, held) for key in known if (held := _read(old, key)) and _is_signed(held, key)]
    return max(found, key=lambda one: one[1].size if one[1] else -1)


def _is_signed(head: Head, key: VerifierKey) -> bool:
    try:
        return key in note.opened(head.body, [key]).keys
    except ProofError:
        return False  # by somebody else under that name


def _read(path: Path, key: VerifierKey) -> Head | None:
    try:
        said = json.loads(path.read_bytes())
        size, root = int(said["size"]), str(said["root"])
        return Head(str(said["origin"]), size, root, said["note"].encode(), key)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise StorageError(f"expected the newest state of a log in {path}: {e}") from e


def _write(path: Path, head: Head) -> None:
    value = {
        "origin": head.origin,
        "size": head.size,
        "root": head.root,
        "note": head.body.decode(),
    }
    try:
        replace_private(path, canonical_json(value))
    except UsageError as e:
        raise StorageError(f"expected to keep the newest state of a log: {e}") from e


def keep_fork(fork: Fork, origin: str, folder: Path | None = None) -> Path:
    """Keep the proof that a log shows two histories, and return where."""
    body = fork.to_bytes()
    path = (folder or seen_folder()) / FORKS / f"{file_name(origin)}-{sha256_hex(body)[:16]}.fork"
    return _written(path, body)


def _keep_fork(home: Path, one: Head, other: Head) -> Path:
    """Keep both notes: of checkpoints as a proof of the log's own form, of lists side by side."""
    try:
        for head in (one, other):
            checkpoint.parse(head.body)
    except ProofError:
        name = f"{file_name(one.origin)}-{one.size}-{other.root[:16]}.notes"
        return _written(home / FORKS / name, one.body + b"\n" + other.body)
    return keep_fork(Fork((one.body, other.body)), one.origin, home)


def _written(path: Path, body: bytes) -> Path:
    try:
        replace_private(path, body)
    except UsageError as e:
        raise StorageError(f"expected to keep two states of a log: {e}") from e
    return path
