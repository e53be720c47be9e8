"""A registry opened from the command line, some of whose files are gone."""

from pathlib import Path

import pytest

from jobs.cli import optout, registry
from jobs.registries import open_registry
from optout.registry import Registry
from schemas.errors import RegistryError
from tests.fakes import FixedClock
from tests.jobs.commands import run
from tests.jobs.publishing import submitted


@pytest.fixture
def home(own_place) -> Path:
    submitted("Ada Example")
    return own_place / "home"


@pytest.mark.parametrize("body", [None, b""])
@pytest.mark.parametrize("left", [("",), ("", ".keys"), ("", ".log-key.signed")])
def test_a_registry_whose_database_is_lost_is_not_begun_anew(home, left, body):
    """Its claims would be recorded elsewhere, and nobody would miss those that are lost."""
    db = home / "registry.db"
    for suffix in left:
        Path(f"{db}{suffix}").unlink()
    if body is not None:
        db.write_bytes(body)
    for command in (
        (optout.app, "submit", "--artist", "Bea Example", "--host", "bea.example"),
        (registry.app, "init", "example.org/another"),
        (optout.app, "list"),
    ):
        with pytest.raises(RegistryError, match=r"was it lost\? Put its database back"):
            run(*command)
    assert db.exists() is (body is not None)
    for path in (*home.glob("registry.db.keys"), *home.glob("*.signed")):
        path.rename(home / f"old-{path.name}")
    submitted("Bea Example", home / "other.db")


def test_a_registry_whose_making_broke_off_is_made_on(tmp_path):
    """Its database comes first, as an empty file, and then its keys."""
    where = tmp_path / "registry.db"
    where.write_bytes(b"")
    open_registry(str(where), FixedClock(), create=True).close()
    with Registry.open(str(where), FixedClock()) as found:
        assert found.head()[0] == 0


def test_what_is_wrong_with_the_file_of_claim_keys_is_said_of_it(home):
    keys = home / "registry.db.keys"
    keys.write_bytes(b"")
    with pytest.raises(RegistryError, match=r"expected a file of claim keys at .*an empty file"):
        run(optout.app, "list")
    keys.unlink()
    keys.mkdir()
    with pytest.raises(RegistryError, match=r"expected a file of claim keys at .*found a folder"):
        run(optout.app, "list")
