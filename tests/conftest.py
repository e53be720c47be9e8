"""What all tests share: hypothesis without deadlines, since other work shares the machine."""

import os
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import postgres
from tests.databases import KINDS, POSTGRESQL, Database, guarded, made, template_of

settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),  # a landing is no place for a new example
)
settings.load_profile("shared")

# No test writes into the home of whoever runs it, nor reads what is there.
HOME = Path(tempfile.mkdtemp())
os.environ["RECUSE_BUILDER_KEY"] = str(HOME / "builder.key")
os.environ["XDG_DATA_HOME"] = str(HOME / "modules")
NUMBERS = count()


@pytest.fixture(autouse=True)
def own_data_folder(monkeypatch):
    """A data folder for each test: what one has seen of a log is nothing to another."""
    monkeypatch.setenv("XDG_DATA_HOME", str(HOME / str(next(NUMBERS))))


def pytest_addoption(parser):
    parser.addoption(
        "--database",
        choices=KINDS,
        help="run all tests of a registry on this database, not only those that differ on it",
    )


def pytest_generate_tests(metafunc):
    if "database" in metafunc.fixturenames:
        asked = metafunc.config.getoption("database")
        marked = metafunc.definition.get_closest_marker("both_databases")
        kinds = [asked] if asked else KINDS if marked else KINDS[:1]
        metafunc.parametrize("database", kinds, indirect=True)


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server; skips where there is none to be had."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def registry_template(postgres_server, tmp_path_factory):
    """Name of a database with an empty registry, so that a test need not run the revisions."""
    return template_of(postgres_server, tmp_path_factory.mktemp("template"))


@pytest.fixture
def database(request, tmp_path):
    """A database for one registry, by `--database` or on both where a test is marked so."""
    if request.param != POSTGRESQL:
        yield Database(str(tmp_path / "folder" / "registry.db"), "")
        return
    template = request.getfixturevalue("registry_template")
    found = made(request.getfixturevalue("postgres_server"), tmp_path, template)
    yield found
    found.server.drop(found.name)


@pytest.fixture
def server_database(postgres_server, registry_template, tmp_path):
    """A database in PostgreSQL with an empty registry."""
    found = made(postgres_server, tmp_path, registry_template)
    yield found
    found.server.drop(found.name)


@pytest.fixture
def empty_database(postgres_server, tmp_path):
    """A database in PostgreSQL that holds nothing."""
    found = made(postgres_server, tmp_path)
    yield found
    found.server.drop(found.name)


@pytest.fixture
def guarded_database(empty_database):
    """The same, of a user who has to give a password."""
    with guarded(empty_database) as found:
        yield found
