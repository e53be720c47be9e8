"""The registry's database: opened, checked, brought to the newest revision; errors translated.

SQLite by default, in a file: write-ahead log, `secure_delete` (a deleted salt must be gone),
foreign keys. PostgreSQL by its URL (`optout.postgres`). What is not a registry is left as it is.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from optout import postgres
from optout.entry import Random
from optout.log.merkle import Frontier
from optout.migrations import REVISIONS
from optout.postgres import UnsweptError
from optout.storage_tables import (
    CLAIMS,
    FORMAT,
    HEAD,
    MATCH_PARTS,
    REGISTRY,
    VERSION_TABLE,
    WORKS,
)
from schemas.errors import RegistryError

SQLITE_MAGIC = b"SQLite format 3\x00"
BUSY_MS = 30_000  # how long a writer waits for another one
TRUNCATE_TRIES, TRUNCATE_PAUSE_S = 10, 0.1
"""SQLite waits for readers, and not for somebody else who empties the write-ahead log as well."""
ORIGIN_BYTES = 8
OWNER_ONLY = 0o600
PRAGMAS = ("foreign_keys = ON", "secure_delete = ON", f"busy_timeout = {BUSY_MS}")


def open_engine(where: str, random: Random, *, create: bool, origin: str = "") -> sa.Engine:
    """Return an engine on a registry at the newest revision; makes one only if asked.

    where: a path or an SQLAlchemy URL. origin: name of the log of one that is made, "" for a random
    one. Raises RegistryError where there is none, where it is
    something else, or where it was written by a newer recuse.
    """
    url = registry_url(where)
    path, where = sqlite_path(url), shown(where)
    if path is not None:
        _check_file(path, where, create=create)
    with translated(where):
        engine = _engine(url)
        try:
            _check_and_migrate(engine, where, origin or random_origin(random), create=create)
        except BaseException:
            engine.dispose()
            raise
    return engine


def registry_url(where: str) -> sa.URL:
    """Return the SQLAlchemy URL that a path or URL means.

    Raises RegistryError for neither, and for databases other than SQLite and PostgreSQL.
    """
    expected = "expected a path or SQLAlchemy URL of a registry"
    if not where or "\0" in where:
        raise RegistryError(f"{expected}, found {_masked(where)!r}")
    if "://" not in where:
        return sa.URL.create("sqlite", database=where)
    try:
        url = postgres.with_driver(sa.make_url(where))
    except (sa.exc.ArgumentError, ValueError):  # whose words may hold a password
        raise RegistryError(
            f"{expected}, found {_masked(where)!r} (in a password the signs @ : / ? # % are"
            " written as %40 and so on)"
        ) from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise RegistryError(f"{expected} in SQLite or PostgreSQL, found {postgres.shown(url)}")
    return url


def shown(where: str) -> str:
    """Return a path or URL as anybody may see it: without passwords. It means the same place."""
    if "://" not in where:
        return where
    try:
        return postgres.shown(sa.make_url(where))
    except (sa.exc.ArgumentError, ValueError):
        return _masked(where)


def _masked(where: str) -> str:
    return re.sub(r"://.*@", f"://{postgres.HIDDEN}@", where, flags=re.DOTALL)


def sqlite_path(url: sa.URL) -> Path | None:
    """Return the file behind an SQLite URL, null for other databases and for memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def open_file(where: str, *, create: bool) -> sa.Engine:
    """Return an engine on the SQLite file of claim keys, with a registry's guards; or :memory:.

    Raises RegistryError where it is something else, and where there is none unless `create`.
    """
    path = sqlite_path(url := registry_url(where))
    if url.get_backend_name() != "sqlite":
        raise RegistryError(
            f"expected a file for claim keys, apart from every server, found {shown(where)}"
        )
    if path is not None and not path.exists() and not create:
        raise RegistryError(
            f"expected the file of claim keys at {where}, found none: without it nobody can read"
            " what the claims say (RECUSE_REGISTRY_KEYS names another place)"
        )
    if path is not None:
        _check_file(path, where, create=create, what="file of claim keys")
    return _engine(url)  # its journal is deleted after each transaction: none keeps what is gone


def has_sealed_parts(engine: sa.Engine) -> bool:
    """Say whether a registry holds parts that only the keys of their claims open."""
    sealed = sa.func.length(MATCH_PARTS.c.salt) == 0
    with reading(engine) as connection:
        return (
            connection.execute(sa.select(MATCH_PARTS.c.seq).where(sealed).limit(1)).first()
            is not None
        )


def truncate(
    engine: sa.Engine,
    where: str,
    tables: tuple[sa.Table, ...] = (CLAIMS, WORKS),
    *,
    wait: bool = True,
) -> None:
    """See that nothing of what was deleted is left in the database's files.

    Of SQLite's, what the write-ahead log holds is brought into the file, and that log emptied:
    only then `secure_delete` has overwritten it. tables: whose rows may be, for PostgreSQL; of
    parts only the key is left to destroy. wait: for others, there. Raises UnsweptError where
    somebody else reads meanwhile.
    """
    if engine.dialect.name != "sqlite":
        with translated(where):
            postgres.sweep(engine, where, tables, wait=wait)
        return
    for _ in range(TRUNCATE_TRIES if wait else 1):
        if _truncated(engine, where):
            return
        time.sleep(TRUNCATE_PAUSE_S)
    raise UnsweptError.busy(where)


def _truncated(engine: sa.Engine, where: str) -> bool:
    with translated(where):
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (busy, _, _) = cursor.fetchone() or (0, 0, 0)
            cursor.close()
        finally:
            connection.close()
    return not busy


def blob(value: object) -> bytes:
    """Return a stored blob; SQLite would give text where somebody put text."""
    if not isinstance(value, bytes | memoryview):
        raise RegistryError(f"expected bytes in the registry, found {type(value).__name__}")
    return bytes(value)


def head(connection: sa.Connection) -> sa.Row[Any]:
    """Return the row of a log's head. Raises RegistryError where it holds something else."""
    row = connection.execute(sa.select(HEAD)).one()
    if not isinstance(row.size, int) or row.size < 0:
        raise RegistryError(f"expected the size of a log in its head, found {row.size!r:.60}")
    for value in (row.root, row.peaks):
        blob(value)
    return row


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what a database raises into RegistryError that says where."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise  # a lost race, which the caller runs again
    except (
        sa.exc.SQLAlchemyError,
        sqlite3.Error,  # of a connection that is asked without SQLAlchemy
        ModuleNotFoundError,
        OSError,
        UnicodeError,
    ) as e:
        reason = postgres.reason(getattr(e, "orig", None) or e)
        raise RegistryError(f"expected a registry that can be read at {where}: {reason}") from e


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection in one transaction that holds the write lock from its beginning."""
    with engine.connect().execution_options(recuse_write=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection in one transaction that sees one state throughout."""
    with engine.connect() as connection, connection.begin():
        yield connection


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return postgres.engine(url)
    engine = sa.create_engine(url, hide_parameters=True)  # they hold what claims say
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    # The driver's own BEGIN comes late and leaves schema changes out; ours stands in _on_begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("recuse_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _check_file(path: Path, where: str, *, create: bool, what: str = "registry") -> None:
    if path.is_dir():
        raise RegistryError(f"expected a {what} at {where}, found a folder")
    if not path.exists():
        if not create:
            raise RegistryError(
                f"expected a registry at {where}, found nothing; `recuse optout submit` makes one"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # It holds who asked: readable by its owner alone. SQLite takes over the mode.
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, OWNER_ONLY))
        except OSError as e:
            raise RegistryError(f"expected a folder that can be made for {where}: {e}") from e
        return
    try:
        with path.open("rb") as file:
            head = file.read(len(SQLITE_MAGIC))
    except OSError as e:
        raise RegistryError(f"expected a {what} that can be read at {where}: {e}") from e
    if head not in (SQLITE_MAGIC, b""):
        raise RegistryError(f"expected an SQLite file at {where}, found one that begins {head!r}")
    if not head and not create:
        raise RegistryError(f"expected a {what} at {where}, found an empty file")


def _check_and_migrate(engine: sa.Engine, where: str, origin: str, *, create: bool) -> None:
    with reading(engine) as connection:
        revision = _revision(connection, where)
    if revision == REVISIONS[-1]:
        _check_format(engine, where)
        return
    if revision is None and not create:
        raise RegistryError(f"expected a registry at {where}, found an empty database")
    with writing(engine) as connection:
        revision = _revision(connection, where)  # again: another process may have been faster
        if revision != REVISIONS[-1]:
            _upgrade(connection)
        if revision is None:
            _fill(connection, origin)
    _write_ahead(engine)


def _write_ahead(engine: sa.Engine) -> None:
    # The mode stays in the file; it cannot change in a transaction, nor before the file is ours.
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL").close()
    finally:
        connection.close()


def _revision(connection: sa.Connection, where: str) -> str | None:
    """Return the database's revision, null where it has no tables at all."""
    names = set(sa.inspect(connection).get_table_names())
    if not names:
        return None
    if not {VERSION_TABLE, REGISTRY.name} <= names:
        found = ", ".join(sorted(names)[:5])
        raise RegistryError(f"expected a recuse registry at {where}, found tables {found}")
    version = sa.table(VERSION_TABLE, sa.column("version_num", sa.Text))
    revision = connection.execute(sa.select(version.c.version_num)).scalar()
    if revision not in REVISIONS:
        raise RegistryError(
            f"expected a registry of revision {REVISIONS[-1]} or older at {where}, found"
            f" {revision}: a newer recuse wrote it"
        )
    return str(revision)


def _check_format(engine: sa.Engine, where: str) -> None:
    with reading(engine) as connection:
        found = connection.execute(sa.select(REGISTRY.c.format)).scalar()
    if found != FORMAT:
        raise RegistryError(f"expected format {FORMAT} at {where}, found {found}")


def _upgrade(connection: sa.Connection) -> None:
    # Alembic takes as long to import as all else here, and is needed once in a registry's life.
    from alembic.command import upgrade  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    upgrade(config, "head")


def random_origin(random: Random) -> str:
    """Return the name of a log that nobody has named."""
    return f"local/{random(ORIGIN_BYTES).hex()}"


def _fill(connection: sa.Connection, origin: str) -> None:
    empty = Frontier()
    connection.execute(
        sa.insert(REGISTRY).values(id=1, format=FORMAT, origin=origin, matcher="", matcher_name="")
    )
    connection.execute(
        sa.insert(HEAD).values(id=1, size=0, root=empty.root(), peaks=empty.to_bytes())
    )
