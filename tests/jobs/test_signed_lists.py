"""Lists from one machine to another, through the commands: made, signed, kept, refused."""

import stat
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli import optout
from jobs.cli import registry as registry_commands
from jobs.list_files import file_name, read_signer
from jobs.signed_lists import import_list
from optout import signed_list
from optout.log.note import SignerKey, parse_verifier_key
from optout.signed_list import NOTE_FILE, sign_list
from pipeline.storage import open_store
from schemas.errors import (
    CurationError,
    ProofError,
    RegistryError,
    RollbackError,
    StorageError,
    UsageError,
)
from tests.fakes import MemoryStore
from tests.optout.snapshots import claim, taken
from tests.optout.test_signed_list import AT, KEY, published

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "home" / "registry.db"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*args: object, app=optout.app) -> str:
    result = RUNNER.invoke(app, [str(a) for a in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def keygen(place: Path, name: str = "example.org/optouts") -> tuple[Path, str]:
    """Make a key; returns its file and the verifier key that was printed."""
    path = place / f"{file_name(name)}.key"
    said = run("keygen", name, "--key", path, app=registry_commands.app)
    (verifier,) = [
        line.strip() for line in said.splitlines() if line.strip().startswith(f"{name}+")
    ]
    return path, verifier


def submitted(host: str) -> None:
    run("submit", "--artist", "Ada Example", "--host", host, "--contact", "ada@secret.example")


def test_a_key_is_written_for_its_owner_alone_and_never_overwritten(place):
    path, verifier = keygen(place)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(read_signer(path).verifier) == verifier
    body = path.read_bytes()
    with pytest.raises(UsageError, match="new file"):
        keygen(place)
    assert path.read_bytes() == body
    said = run("keygen", "example.org/optouts", app=registry_commands.app)
    assert str(place / "data" / "recuse" / "registry-keys" / "example.org%2Foptouts.key") in said


def test_the_private_key_is_not_printed(place):
    said = run("keygen", "a.example", "--key", place / "k", app=registry_commands.app)
    material = (place / "k").read_text().strip().split("+", 4)[4]  # base64 may have a + of its own
    assert material not in said
    assert "recuse optout export" in said


@pytest.mark.parametrize("name", ["two words", "a+b", ""])
def test_a_name_that_no_key_may_have_makes_no_file(place, name):
    with pytest.raises(UsageError):
        run("keygen", name, "--key", place / "k", app=registry_commands.app)
    assert not (place / "k").exists()


def test_a_registry_goes_to_another_machine_as_a_list(place):
    path, verifier = keygen(place)
    submitted("ada.example.org")
    said = run("export", "--key", path, "--out", place / "pub")
    assert "under terms" in said
    assert verifier in said
    bodies = b"".join(p.read_bytes() for p in (place / "pub").iterdir())
    assert b"secret.example" not in bodies
    assert (place / "pub" / "claims.parquet").exists()
    said = run("import", place / "pub", "--key", verifier, "--to", place / "lists")
    for words in ("1, with 0 works", "days ago", "matcher", "held anew", verifier):
        assert words in said
    config = yaml.safe_load(said[said.index("  registry:") :])
    (one,) = config["registry"]["lists"]
    found = signed_list.read(open_store(one["location"]), parse_verifier_key(one["key"]))
    assert found.snapshot.claims["hosts"].to_pylist() == [["ada.example.org"]]
    assert found.snapshot.claims["level"].to_pylist() == [0]
    assert one["name"] == found.note.origin


def test_a_newer_list_replaces_the_copy_held_and_an_older_one_does_not(place):
    path, verifier = keygen(place)
    submitted("a.example.org")
    run("export", "--key", path, "--out", place / "old")
    submitted("b.example.org")
    run("export", "--key", path, "--out", place / "new")
    run("import", place / "old", "--key", verifier)
    said = run("import", place / "new", "--key", verifier)
    assert "had 1 log entries" in said
    with pytest.raises(RollbackError, match="expected 2 log entries"):
        run("import", place / "old", "--key", verifier)
    assert "had 2 log entries" in run("import", place / "new", "--key", verifier)


def test_exporting_an_older_or_another_registry_over_a_list_is_refused(place, monkeypatch):
    path, _ = keygen(place)
    submitted("a.example.org")
    run("export", "--key", path, "--out", place / "pub")
    body = (place / "pub" / NOTE_FILE).read_bytes()
    monkeypatch.setenv("RECUSE_REGISTRY", str(place / "other" / "registry.db"))
    submitted("b.example.org")
    with pytest.raises(RegistryError, match="expected the log of"):
        run("export", "--key", path, "--out", place / "pub")
    assert (place / "pub" / NOTE_FILE).read_bytes() == body


def test_a_key_other_than_the_publishers_is_refused_and_nothing_is_kept(place):
    path, _ = keygen(place)
    submitted("a.example.org")
    run("export", "--key", path, "--out", place / "pub")
    _, stranger = keygen(place, "stranger.example")
    with pytest.raises(ProofError, match="stranger"):
        run("import", place / "pub", "--key", stranger, "--to", place / "lists")
    with pytest.raises(UsageError, match="verifier key"):
        run("import", place / "pub", "--key", "nonsense", "--to", place / "lists")
    assert not (place / "lists").exists()


@pytest.mark.parametrize("where", ["nowhere", "s4://bucket/list", "file.txt"])
def test_a_place_without_a_list_is_one_clear_error(place, where):
    (place / "file.txt").write_text("x")
    _, verifier = keygen(place)
    with pytest.raises(CurationError):
        run("import", where if ":" in where else place / where, "--key", verifier)


def other_state(**header) -> MemoryStore:
    return published(taken([claim(1), claim(2)], **{"size": 2, **header}))


def test_another_root_at_the_same_size_is_two_histories():
    home = MemoryStore()
    import_list(other_state(), KEY.verifier, home)
    with pytest.raises(RollbackError, match="two histories"):
        import_list(other_state(root="1" * 64), KEY.verifier, home)
    import_list(other_state(size=3, root="1" * 64), KEY.verifier, home)


def test_one_key_signs_for_one_registry():
    home = MemoryStore()
    import_list(other_state(), KEY.verifier, home)
    with pytest.raises(RegistryError, match="one key signs for one registry"):
        import_list(other_state(origin="local/b"), KEY.verifier, home)
    stranger = SignerKey("other.example", bytes(32))
    second = taken([claim(1)], origin="local/b")
    store = MemoryStore()
    signed_list.publish(second, sign_list(second, AT, stranger), store)
    assert import_list(store, stranger.verifier, home).folder == "local%2Fb"


@pytest.mark.parametrize("kind", ["failed", "written"])
@pytest.mark.parametrize("name", ["claims.parquet", "works.parquet", "snapshot.json", NOTE_FILE])
def test_an_import_that_broke_off_is_mended_by_the_next(name, kind):
    home = MemoryStore()
    import_list(other_state(), KEY.verifier, home)
    home.fail = lambda path: kind if path.endswith(name) else None
    newer = taken([claim(n) for n in (1, 2, 3)], size=3, root="3" * 64)
    with pytest.raises(StorageError):
        import_list(published(newer), KEY.verifier, home)
    home.fail = lambda _path: None
    import_list(published(newer), KEY.verifier, home)
    assert signed_list.read(home, KEY.verifier, "local%2Fa").note.size == 3


@pytest.mark.parametrize("text", ["..", ".", "a/../b", ".hidden", "A/b:c", "%2E."])
def test_names_of_files_stay_in_their_folder(text):
    name = file_name(text)
    assert "/" not in name
    assert not name.startswith(".")


def test_names_of_files_differ_where_names_do():
    texts = ["a/b", "a%2Fb", ".a", "%2Ea", "a.b"]
    assert len({file_name(text) for text in texts}) == len(texts)
