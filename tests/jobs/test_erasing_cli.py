"""Erasing from the command line, and the copy of a registry that tells nothing afterwards."""

import shutil

import pytest

from jobs.cli import given, optout, registry
from jobs.registries import KEYS_VARIABLE
from optout import snapshot
from optout.registry import Registry
from schemas.errors import ClaimError, RegistryError, UsageError
from tests.fakes import FixedClock
from tests.jobs.commands import invoked
from tests.jobs.test_optout_cli import fake_matcher, fill


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "home" / "registry.db"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(given, "matcher_of", lambda _name: fake_matcher())
    return tmp_path


def run(*args: object, code: int = 0, answer: str | None = None) -> str:
    return invoked(*args, code=code, answer=answer).output


def submitted(place, *args: object) -> str:
    works = fill(place / "works")
    said = run(
        optout.app, "submit", works, "--artist", "Ada Example", "--host", "ada.example", *args
    )
    (new,) = [w for w in said.split() if len(w) == 32 and set(w) <= set("0123456789abcdef")]
    return new


def claims_in_force(place) -> int:
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as found:
        return snapshot.take(found, trust_local=True).claims.num_rows


def test_an_artist_is_told_what_ends_and_asked(place):
    claim = submitted(place)
    said = run(optout.app, "erase", claim, "--all", answer="n\n", code=1)
    assert "ends the protection" in said
    assert "this cannot be undone" in said
    assert "nothing was erased" in said
    assert claims_in_force(place) == 1
    said = run(optout.app, "erase", claim, "--all", "--yes")
    assert "copies elsewhere cannot be unmade" in said
    assert claims_in_force(place) == 0
    assert "erased" in run(optout.app, "list")
    with pytest.raises(ClaimError, match="erased"):
        run(optout.app, "show", claim)


def test_who_asks_is_forgotten_and_the_rest_shown(place):
    claim = submitted(place, "--contact", "ada@contact.example")
    said = " ".join(run(optout.app, "erase", claim, "--identity", "--yes").split())
    assert f"who asks for claim {claim} is forgotten, by entry 2 of the log" in said
    assert "the claim stays: hashes and vectors of 6 works keep working" in said
    assert "is erased" not in said
    key = place / "home" / "claimant" / f"{claim}.key"
    said = run(optout.app, "show", claim, "--key", key)
    assert "who asks was erased" in said
    assert "contact" not in said
    assert "Ada" not in said
    assert claims_in_force(place) == 1


@pytest.mark.parametrize("options", [(), ("--all", "--identity")])
def test_one_of_the_two_has_to_be_said(place, options):
    with pytest.raises(UsageError, match="--identity or --all"):
        run(optout.app, "erase", submitted(place), *options)


def test_another_key_erases_nothing(place):
    claim = submitted(place)
    run(optout.app, "submit", "--artist", "Eve Stranger", "--key", place / "eve.pem")
    with pytest.raises(ClaimError, match="expected the key of claim"):
        run(optout.app, "erase", claim, "--all", "--yes", "--key", place / "eve.pem")
    assert claims_in_force(place) == 2


def test_a_moderator_erases_and_the_log_shows_it(place):
    claim = submitted(place)
    key, known = place / "mod.pem", place / "moderators.txt"
    run(registry.app, "moderator-key", "--key", key, "--trust", "--moderators", known)
    options = ("--moderator", "--key", key, "--moderators", known, "--yes")
    run(optout.app, "erase", claim, "--all", *options)
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as found:
        assert b'"by":"moderator"' in found.view().leaves[-1]


def test_a_backup_comes_back_with_the_keys_and_tells_nothing_of_what_was_erased(place):
    kept = submitted(place)
    copy = place / "copies" / "registry.db"
    said = run(registry.app, "backup", copy)
    assert "keys" in said
    body = copy.read_bytes()
    assert copy.stat().st_mode & 0o077 == 0
    for secret in (b"Ada Example", b"ada.example"):
        assert secret not in body
    for there in (copy, copy.parent, ".", "/"):
        with pytest.raises(UsageError, match="new file"):
            run(registry.app, "backup", there)
    home = place / "home" / "registry.db"
    back = place / "back" / "registry.db"
    back.parent.mkdir()
    shutil.copy(copy, back)
    with pytest.raises(RegistryError, match=r"registry\.db\.keys"):
        run(optout.app, "list", "--registry", back)
    shutil.copy(f"{home}.keys", f"{back}.keys")
    assert kept[:12] in run(optout.app, "list", "--registry", back)
    assert "Ada Example" in run(optout.app, "show", kept, "--registry", back)
    run(optout.app, "erase", kept, "--all", "--yes")
    shutil.copy(copy, back)
    shutil.copy(f"{home}.keys", f"{back}.keys")
    assert "unreadable" in run(optout.app, "list", "--registry", back)
    with pytest.raises(RegistryError, match="the key of claim"):
        run(optout.app, "show", kept, "--registry", back)
    with pytest.raises(RegistryError, match="older than an erasure"):
        run(optout.app, "snapshot", "--registry", back)


def test_keys_lie_where_the_environment_says(place, monkeypatch):
    elsewhere = place / "elsewhere" / "claims.keys"
    monkeypatch.setenv(KEYS_VARIABLE, str(elsewhere))
    claim = submitted(place)
    assert elsewhere.exists()
    assert not (place / "home" / "registry.db.keys").exists()
    assert "Ada Example" in run(optout.app, "show", claim)
