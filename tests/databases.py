"""Where a test's registry lies: in an SQLite file, or in a database of a PostgreSQL server."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from optout.registry import Registry
from tests.fakes import FixedClock
from tests.optout.claims import random_bytes
from tests.postgres import Server

SQLITE, POSTGRESQL = KINDS = ("sqlite", "postgresql")
PASSWORD = "hunter2/%@:"  # noqa: S105 - of a server that is thrown away
both = pytest.mark.both_databases
"""Of a test that runs on both; others run on SQLite alone, unless --database says otherwise."""


@dataclass(frozen=True)
class Database:
    """A database that is empty, or holds an empty registry; `keys` is its file of claim keys."""

    where: str
    keys: str
    server: Server | None = None
    bare: str = ""  # `where` without its password

    @property
    def kind(self) -> str:
        return POSTGRESQL if self.server else SQLITE

    @property
    def name(self) -> str:
        return self.where.partition("@/")[2].partition("?")[0]

    def tables(self) -> list[str]:
        return self.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").split()

    def run(self, *statements: str) -> str:
        """Change it behind recuse's back; returns what is told, a line a row, as psql does."""
        if self.server:
            return self.server.psql(*statements, database=self.name)
        rows: list[tuple] = []
        with closing(sqlite3.connect(self.where)) as connection, connection:
            for statement in statements:
                rows += connection.execute(statement).fetchall()
        return "\n".join("|".join(map(str, row)) for row in rows)

    def files(self) -> bytes:
        """Return all bytes of the database's files and of the claim keys.

        Of a server without its write-ahead log: what that keeps, and how long, is not recuse's.
        """
        if not self.server:
            path = Path(self.where)
            return b"".join(p.read_bytes() for p in sorted(path.parent.glob(f"{path.name}*")))
        self.run("CHECKPOINT")
        number = self.run("SELECT oid FROM pg_database WHERE datname = current_database()")
        own = (self.server.folder / "data" / "base" / number).iterdir()
        return b"".join(p.read_bytes() for p in [*own, Path(self.keys)])

    def free_log(self) -> None:
        """Take away what keeps an honest program from changing an entry."""
        verbs = ("update", "delete")
        self.run(*(["DROP TRIGGER events_no_change ON events"] if self.server else
                   [f"DROP TRIGGER events_no_{verb}" for verb in verbs]))  # fmt: skip


def made(server: Server, folder: Path, template: str = "template0") -> Database:
    """Return a new database of a server."""
    name = server.create(template)
    return Database(server.url(name), str(folder / "claim.keys"), server)


@contextmanager
def guarded(given: Database) -> Iterator[Database]:
    """Give a database to a user who has to give a password."""
    assert given.server
    given.run(
        f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'",
        *(f"ALTER TABLE {name} OWNER TO guarded" for name in given.tables()),
        f"ALTER DATABASE {given.name} OWNER TO guarded",
    )
    bare = given.server.url(given.name, "guarded")
    yield replace(
        given, where=bare.replace("guarded@", f"guarded:{quote_plus(PASSWORD)}@"), bare=bare
    )
    given.server.drop(given.name)
    given.server.psql("DROP ROLE guarded")


def template_of(server: Server, folder: Path) -> str:
    """Return a database with an empty registry, to be copied."""
    given = made(server, folder)
    Registry.open(
        given.where, FixedClock(), random=random_bytes(0), create=True, keys=given.keys
    ).close()
    return given.name
