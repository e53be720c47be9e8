"""A registry in PostgreSQL: driver and options, transactions, and what erasing leaves there.

Writers take turns by one advisory lock, readers see one snapshot. A deleted row stays in PostgreSQL
until its table is written anew, so erasing ends with that (`sweep`).
"""

import getpass
import os
import re
import ssl
import struct
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from schemas.errors import RegistryError

DRIVER = "pg8000"
PORT = 5432
EXTRA = "pip install 'recuse[postgres]'"
NAMES = ("postgres", "postgresql")
"""What stands before :// where no driver is named."""

HIDDEN = "***"
SECRET = re.compile("pass|secret", re.IGNORECASE)
"""Of an option in a URL that nobody else may see."""

WAIT_MS = 30_000  # how long anybody waits for a lock
GONE_MS = 300_000  # how long a writer that says nothing more may hold up the others
SWEEP_MS = 20_000  # less than WAIT_MS: who comes while a sweep waits for its lock waits behind it
NO_WAIT_MS = 500  # of who has come for something else
WRITERS = 0x7265637573650001  # "recuse" and a number: the advisory lock
POLL_S = 0.05
LOCK_NOT_AVAILABLE = "55P03"

BEGIN_READ = f"""
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL lock_timeout = {WAIT_MS}
"""
# The statement that waits for the lock sees what was there before: only READ COMMITTED looks anew.
BEGIN_WRITE = f"""
SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
SET LOCAL lock_timeout = {WAIT_MS};
SET LOCAL idle_in_transaction_session_timeout = {GONE_MS};
SELECT pg_advisory_xact_lock({WRITERS})
"""

SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
OPTIONS = frozenset({"host", "password", "sslmode", "sslrootcert", "unix_sock"})
"""What may stand behind the question mark of a URL for pg8000."""


class UnsweptError(RegistryError):
    """What was erased is not overwritten yet."""

    @classmethod
    def busy(cls, where: str) -> "UnsweptError":
        """Return the error for those who read meanwhile."""
        return cls(
            f"expected nobody else to read {where} while what was erased is overwritten; the"
            " erasure is recorded, and opening the registry once more ends it"
        )


def with_driver(url: sa.URL) -> sa.URL:
    """Return a URL that names the driver, where it is PostgreSQL's and names none."""
    return url.set(drivername=f"postgresql+{DRIVER}") if url.drivername in NAMES else url


def shown(url: sa.URL) -> str:
    """Return a URL as anybody may see it: without passwords."""
    names = [name for name in url.query if SECRET.search(name)]
    return url.update_query_dict(dict.fromkeys(names, HIDDEN)).render_as_string()


def engine(url: sa.URL) -> sa.Engine:
    """Return an engine. Raises RegistryError for options that mean nothing, or without a driver."""
    own = url.drivername == f"postgresql+{DRIVER}"
    options = _options(url) if own else {}
    try:
        made = sa.create_engine(
            url.set(query={}) if own else url,
            connect_args=options,
            hide_parameters=True,  # they hold what claims say
        )
    except ModuleNotFoundError as e:
        how = f": {EXTRA}" if own else ""
        raise RegistryError(
            f"expected the driver {e.name} for the registry at {shown(url)}, found none{how}"
        ) from e
    sa.event.listen(made, "do_connect", _connected)
    sa.event.listen(made, "begin", _on_begin)
    sa.event.listen(made, "checkout", _on_checkout)
    return made


def reason(error: BaseException) -> str:
    """Return what went wrong, in the server's own words where it has said something.

    Without the server's details: those hold values of the row. The driver may hide those words
    behind its own trouble in closing a connection that the server has closed.
    """
    behind: BaseException | None = error
    cause = ""
    while behind is not None:
        if said := _fields(behind).get("M"):
            return str(said)
        if behind is not error and isinstance(behind, OSError) and not cause:
            cause = f": {behind.strerror or behind}"
        behind = behind.__context__
    return f"{str(error).removesuffix('.')}{cause}" if cause else str(error)


def sweep(
    engine: sa.Engine, where: str, tables: tuple[sa.Table, ...], *, wait: bool = True
) -> None:
    """Write tables anew, so that no row that was deleted stays in their files.

    Raises UnsweptError where somebody else reads meanwhile, and where that is not permitted.
    """
    patience = SWEEP_MS if wait else NO_WAIT_MS
    names = ", ".join(table.name for table in tables)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"SET lock_timeout = {patience}")
        if not _is_unseen(connection, patience):
            raise UnsweptError.busy(where)
        before = _files(connection, tables)
        try:
            connection.exec_driver_sql(f"VACUUM FULL {names}")
        except sa.exc.DBAPIError as e:
            if _fields(e.orig).get("C") == LOCK_NOT_AVAILABLE:
                raise UnsweptError.busy(where) from e
            raise
        if before & _files(connection, tables):  # PostgreSQL warns, and goes on
            raise UnsweptError(
                f"expected to write the tables {names} of {where} anew, so that nothing of what"
                " was erased stays in them, found that this user does not own them; opening the"
                " registry as their owner ends the erasure"
            )


def _is_unseen(connection: sa.Connection, patience_ms: int) -> bool:
    """Wait until nobody sees the state from before: rows that somebody sees are copied, too."""
    now = sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    until = connection.execute(now).scalar_one() % 2**32
    older = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'"
        " AND age(backend_xmin) > age(CAST(CAST(:until AS text) AS xid))"
    )
    end = time.monotonic() + patience_ms / 1000
    while connection.execute(older, {"until": str(until)}).scalar_one():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _files(connection: sa.Connection, tables: tuple[sa.Table, ...]) -> set[int]:
    """Return the numbers of the files in which tables stand."""
    query = sa.text("SELECT pg_relation_filenode(CAST(CAST(:name AS text) AS regclass))")
    return {connection.execute(query, {"name": t.name}).scalar_one() for t in tables}


def _connected(
    dialect: sa.Dialect, _record: object, words: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Connect; what answers and is no server makes the driver stumble anyhow."""
    try:
        return dialect.connect(*words, **options)
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as e:
        raise ConnectionError(f"no PostgreSQL answers there ({e!r})") from e


def _on_checkout(connection: Any, _record: object, _proxy: object) -> None:
    """Ask whether a connection is alive: a server that was started again has closed it.

    SQLAlchemy's own asking takes what pg8000 raises of a closed socket for something else.
    """
    try:
        connection.autocommit = True
        connection.cursor().execute("SELECT 1")
        connection.autocommit = False
    except Exception as e:
        raise sa.exc.DisconnectionError(reason(e)) from e  # the pool opens another one


def _on_begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":
        write = options.get("recuse_write")
        connection.exec_driver_sql(BEGIN_WRITE if write else BEGIN_READ)


def _fields(error: object) -> Mapping[str, Any]:
    """Return the fields of an error as the server has sent it, empty where it was not the server's.

    M: message, C: SQLSTATE.
    """
    args = getattr(error, "args", ())
    return args[0] if args and isinstance(args[0], Mapping) else {}


def _options(url: sa.URL) -> dict[str, Any]:
    """Return what pg8000 is given beside the URL itself, in the words of libpq's URLs."""
    query = {name: value for name, value in url.query.items() if isinstance(value, str)}
    if strange := sorted(url.query.keys() - (OPTIONS & query.keys())):
        raise RegistryError(
            f"expected options among {', '.join(sorted(OPTIONS))} in {shown(url)}, each once,"
            f" found {', '.join(strange)}"
        )
    options: dict[str, Any] = {"application_name": "recuse"}
    if not url.username:
        options["user"] = os.environ.get("PGUSER") or getpass.getuser()
    password = query.get("password") or os.environ.get("PGPASSWORD")
    if password and url.password is None:
        options["password"] = password
    if host := query.get("host"):
        sock = f"{host}/.s.PGSQL.{url.port or PORT}"
        options |= {"unix_sock": sock} if host.startswith("/") else {"host": host}
    if "unix_sock" in query:
        options["unix_sock"] = query["unix_sock"]
    if "sslmode" in query or "sslrootcert" in query:
        mode = query.get("sslmode", "verify-full")
        options["ssl_context"] = _ssl(mode, query.get("sslrootcert"), shown(url))
    return options


def _ssl(mode: str, root: str | None, where: str) -> ssl.SSLContext | bool | None:
    if mode not in SSL_MODES:
        raise RegistryError(f"expected sslmode {', '.join(SSL_MODES)} in {where}, found {mode!r}")
    if not mode.startswith("verify"):
        return {"disable": False, "prefer": None, "require": True}[mode]
    try:
        context = ssl.create_default_context(cafile=root)
    except (OSError, ssl.SSLError) as e:
        raise RegistryError(f"expected certificates in {root} (sslrootcert of {where}): {e}") from e
    context.check_hostname = mode == "verify-full"
    return context
