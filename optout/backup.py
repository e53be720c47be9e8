"""Copying a registry's database so that what is erased later stays erased in the copy."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock

from optout import storage
from optout.storage import OWNER_ONLY
from optout.storage_tables import CLAIMS, WORKS
from schemas.errors import RegistryError, UsageError


def back_up(where: str, to: Path) -> int:
    """Copy a registry's database to a new file; returns its size in bytes.

    The file of claim keys stays where it is, so that the copy tells nothing of a claim once that is
    erased; nor are the tables in it that follow from the rest. Raises UsageError where the file
    exists, RegistryError for a database that has tools of its own for this.
    """
    path = storage.sqlite_path(storage.registry_url(where))
    if path is None:
        raise RegistryError(
            f"expected a registry in an SQLite file, found {storage.shown(where)}: copy it by"
            f" pg_dump --exclude-table-data={CLAIMS.name} --exclude-table-data={WORKS.name}, and"
            " never with the file of claim keys"
        )
    _require_new(to)
    try:
        with _alone(to):
            _write(path, to)
    except (OSError, sqlite3.Error) as e:
        raise RegistryError(f"expected to copy {path} to {to}: {e}") from e
    return to.stat().st_size


def _require_new(to: Path) -> None:
    if to.exists():
        raise UsageError(f"expected a new file for the copy, found {to}")


def _write(path: Path, to: Path) -> None:
    _require_new(to)  # again: somebody else may have been quicker
    part = to.with_name(f".{to.name}.part")
    try:
        part.unlink(missing_ok=True)  # of a run that was killed
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA secure_delete = ON")
            for table in (WORKS, CLAIMS):  # they hold in the clear what the parts hold under keys
                copy.execute(str(sa.delete(table)))
            copy.commit()
            copy.execute("VACUUM")
            copy.execute("PRAGMA journal_mode = DELETE")
        part.rename(to)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):  # what was not emptied yet
            part.with_name(part.name + suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(to: Path) -> Iterator[None]:
    """Keep others out who copy to the same file: one would put in place what the other writes."""
    lock = to.with_name(f".{to.name}.lock")
    to.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()
