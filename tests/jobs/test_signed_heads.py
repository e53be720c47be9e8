"""The newest state that a log has signed: kept by whoever signs, asked by whoever goes on."""

import os
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from jobs import signed_heads
from jobs.claims import newest
from jobs.cli import optout
from jobs.cli import registry as keeping
from jobs.erasing import erase
from jobs.list_files import log_key_path
from jobs.log_keys import first_signer, signer_at_hand
from jobs.publishing import sign_head
from jobs.signed_heads import SIGNED, require_continued, sign, with_checkpoint
from optout import snapshot
from optout.entry import draft_move
from optout.lifecycle import Event
from optout.log import checkpoint
from optout.log.checkpoint import Checkpoint
from optout.log.note import SignerKey
from optout.registry import Registry
from schemas.config import RegistryConfig
from schemas.errors import RegistryError, RollbackError, StorageError, UsageError
from tests.fakes import FixedClock
from tests.jobs.commands import run
from tests.jobs.publishing import submitted
from tests.optout.claims import draft, random_bytes, signing_key

CREATED = "2026-01-02T00:00:00Z"
SOURCES = ("jobs", "pipeline", "optout", "schemas")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def where(tmp_path) -> str:
    """A registry with one claim and a key, of which nothing was signed yet."""
    path = str(tmp_path / "registry.db")
    with opened(path, create=True) as found:
        first_signer(found, random_bytes(3))
        found.append(draft(1))
    return path


def opened(where: str, *, create: bool = False) -> Registry:
    return Registry.open(where, FixedClock(), random=random_bytes(0), create=create)


def signed_at(where: str) -> Path:
    return Path(f"{where}.log-key{SIGNED}")


def size_in(path: Path) -> int:
    return checkpoint.parse(path.read_bytes()).size


def put_back(where: str, body: bytes) -> None:
    """Put a copy of a database in its place."""
    for suffix in ("-wal", "-shm"):
        Path(f"{where}{suffix}").unlink(missing_ok=True)
    Path(where).write_bytes(body)


def copy_of(where: str) -> bytes:
    copy = Path(f"{where}.copy")
    copy.unlink(missing_ok=True)
    run(keeping.app, "backup", copy, "--registry", where)
    return copy.read_bytes()


def test_only_one_place_signs_states_of_a_log():
    sources = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    signing = [p.relative_to(ROOT) for p in sources if "checkpoint.sign(" in p.read_text()]
    assert signing == [Path("jobs/signed_heads.py")]


# --- builds and lists


def test_what_a_build_signs_is_kept_and_an_older_database_goes_on_no_more(where):
    older = copy_of(where)
    with opened(where) as found:
        found.append(draft(2))
    (member,) = newest(RegistryConfig(url=where), CREATED)
    assert member.snapshot.checkpoint
    assert size_in(signed_at(where)) == 2
    put_back(where, older)
    with opened(where) as found:
        found.append(draft(3))
        signer = signer_at_hand(found)
        assert signer is not None
        with pytest.raises(RollbackError, match="has signed"):
            sign_head(found, signer)
        assert not found.checkpoints()


def test_a_build_by_an_older_database_stops(where):
    older = copy_of(where)
    with opened(where) as found:
        found.append(draft(2))
    newest(RegistryConfig(url=where), CREATED)
    put_back(where, older)
    for created in (CREATED, ""):
        with pytest.raises(RollbackError, match=r"found 1 or others .* Put back the newer one"):
            newest(RegistryConfig(url=where), created)
    signed_at(where).with_name("registry.db.log-key").unlink()  # also where nothing is signed
    with pytest.raises(RollbackError, match="found 1 or others"):
        newest(RegistryConfig(url=where), CREATED)


def test_a_list_is_not_exported_from_an_older_database(where, tmp_path):
    key = tmp_path / "list.key"
    run(keeping.app, "keygen", "example.org/list", "--key", key)
    export = ("export", "--key", key, "--registry", where, "--out")
    older = copy_of(where)
    with opened(where) as found:
        found.append(draft(2))
    run(optout.app, *export, tmp_path / "list")
    assert size_in(signed_at(where)) == 2
    put_back(where, older)
    with pytest.raises(RollbackError, match="has signed"):
        run(optout.app, *export, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_a_state_for_which_only_the_key_of_a_list_stands_is_kept(where, tmp_path):
    key = tmp_path / "list.key"
    run(keeping.app, "keygen", "example.org/list", "--key", key)
    Path(f"{where}.log-key").rename(tmp_path / "elsewhere.key")
    run(optout.app, "export", "--key", key, "--registry", where, "--out", tmp_path / "list")
    assert not (tmp_path / "list" / "checkpoint").exists()
    assert size_in(signed_at(where)) == 1


def full(*_args: object) -> None:
    raise UsageError("expected to write: No space left on device")


def test_where_nothing_can_be_kept_builds_and_lists_go_on_without_a_checkpoint(
    where, tmp_path, monkeypatch
):
    key = tmp_path / "list.key"
    run(keeping.app, "keygen", "example.org/list", "--key", key)
    monkeypatch.setattr(signed_heads, "replace_private", full)
    (member,) = newest(RegistryConfig(url=where), CREATED)
    assert member.snapshot.checkpoint == b""
    run(optout.app, "export", "--key", key, "--registry", where, "--out", tmp_path / "list")
    assert not (tmp_path / "list" / "checkpoint").exists()
    assert not signed_at(where).exists()
    with opened(where) as found:
        signer = signer_at_hand(found)
        assert signer is not None
        with pytest.raises(StorageError, match="No space left"):
            sign_head(found, signer)
        assert not found.checkpoints()


def test_where_no_lock_can_be_had_nothing_is_signed(where, monkeypatch):
    def acquire(_self) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    (member,) = newest(RegistryConfig(url=where), CREATED)
    assert member.snapshot.checkpoint == b""


def test_who_only_looks_signs_nothing(where):
    newest(RegistryConfig(url=where))
    newest(RegistryConfig(url=where), CREATED, signs=False)
    assert not signed_at(where).exists()


# --- what is kept


def test_a_state_that_is_not_of_the_entries_is_not_signed(where):
    with opened(where) as found:
        key = signer_at_hand(found)
        assert key is not None
        for head in (Checkpoint(key.name, 1, bytes(32)), Checkpoint(key.name, 2, bytes(32))):
            with pytest.raises(RegistryError, match="found others"):
                sign(found, head, key)
    assert not signed_at(where).exists()


def test_an_older_state_is_signed_and_the_newest_stays_kept(where):
    with opened(where) as found:
        taken = snapshot.take(found, trust_local=False)
        found.append(draft(2))
        key = signer_at_hand(found)
        assert key is not None
        sign_head(found, key)
        signed = with_checkpoint(found, taken, key)
    assert checkpoint.parse(signed.checkpoint).size == 1
    assert size_in(signed_at(where)) == 2


def test_who_signs_an_older_state_at_the_same_time_does_not_take_the_newest_back(
    where, monkeypatch
):
    """The one that is slower has looked before the other one has written."""
    with opened(where) as found:
        key = signer_at_hand(found)
        size, root = found.head()
        older = Checkpoint(found.log_key()[0], size, root)
        found.append(draft(2))
    assert key is not None
    looked, other = threading.Event(), []

    def slow(path: Path, body: bytes, *, replace=signed_heads.replace_private) -> None:
        if not other:
            other.append(threading.Thread(target=newer))
            other[0].start()
            looked.wait(0.3)  # the other one has to wait for this one
        replace(path, body)

    def newer() -> None:
        with opened(where) as found:
            sign_head(found, key)
        looked.set()

    monkeypatch.setattr(signed_heads, "replace_private", slow)
    with opened(where) as found:
        sign(found, older, key)
    other[0].join()
    assert size_in(signed_at(where)) == 2


def test_the_state_of_a_log_that_lay_here_before_gives_way(where):
    """Also a longer one: else nothing would guard the new log until it has grown as long."""
    other = SignerKey("other", bytes(32))
    signed_at(where).write_bytes(checkpoint.sign(Checkpoint("other", 99, bytes(32)), other))
    newest(RegistryConfig(url=where), CREATED)
    assert size_in(signed_at(where)) == 1


def test_a_database_that_is_opened_by_a_link_has_one_newest_state(where, tmp_path):
    elsewhere = tmp_path / "links"
    elsewhere.mkdir()
    for suffix in ("", ".keys", ".log-key"):
        (elsewhere / f"mine.db{suffix}").symlink_to(f"{where}{suffix}")
    newest(RegistryConfig(url=str(elsewhere / "mine.db")), CREATED)
    assert size_in(signed_at(where)) == 1
    assert not list(elsewhere.glob(f"*{SIGNED}"))


def test_a_state_that_is_not_ours_to_read_is_for_whoever_signs(where, monkeypatch):
    signed_at(where).write_bytes(b"what only the keeper may read")
    with opened(where) as found:
        with pytest.raises(StorageError, match=r"delete that file: the next signature makes it"):
            require_continued(found)
        monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != signed_at(where))
        require_continued(found)


def test_a_database_that_is_no_file_has_its_state_beside_its_key(where, monkeypatch):
    with opened(where) as found:
        path = log_key_path("postgresql://host/db", found.log_key()[0])
        monkeypatch.setattr(found, "where", "postgresql://host/db")
        assert signed_heads.signed_path(found) == path.with_name(f"{path.name}{SIGNED}")
        monkeypatch.setattr(found, "where", "sqlite://")
        assert signed_heads.signed_path(found) is None


# --- what is recorded


@pytest.fixture
def older(own_place) -> Path:
    """An older copy of a registry in its place, its log having signed since; with a moderator."""
    db = own_place / "home" / "registry.db"
    submitted("Ada Example")
    body = copy_of(str(db))
    submitted("Bea Example")
    run(keeping.app, "moderator-key", "--trust")
    put_back(str(db), body)
    return db


@pytest.mark.parametrize(
    "command",
    [
        (optout.app, "withdraw", "CLAIM"),
        (optout.app, "erase", "CLAIM", "--all", "--yes"),
        (optout.app, "erase", "CLAIM", "--all", "--yes", "--moderator"),
        (keeping.app, "verify", "CLAIM", "--level", "2"),
        (keeping.app, "accept-style", "CLAIM", "--reason", "one_hand"),
        (keeping.app, "matcher", "builtin:lite"),
        (keeping.app, "announce", "anywhere"),
    ],
)
def test_an_older_database_takes_in_nothing(older, command):
    with opened(str(older)) as found:
        size, (claim,) = found.head()[0], [row.claim_id for row in found.claims()]
    with pytest.raises(RollbackError, match="Put back the newer one"):
        run(*(claim if word == "CLAIM" else word for word in command))
    with opened(str(older)) as found:
        assert found.head()[0] == size


def test_whoever_would_erase_by_an_older_database_is_told_what_to_do(older):
    """Also of a claim that the older copy has not."""
    with opened(str(older)) as found:
        there = {row.claim_id for row in found.claims()}
        keys = {path.stem for path in (older.parent / "claimant").glob("*.key")}
        (lost,) = keys - there
        before = found._parts.keys.all()
    for claim in (lost, *there):
        with pytest.raises(RollbackError) as told:
            run(optout.app, "erase", claim, "--all", "--yes")
        (note,) = told.value.__notes__
        assert note.startswith("nothing was erased. With the newer database back, say it again")
    with opened(str(older)) as found:
        assert found._parts.keys.all() == before


def test_what_waits_for_an_answer_erases_nothing_by_a_state_that_is_past(where):
    with opened(where) as found:
        standing = found.standing(draft(1).statement.claim)
        said = draft_move(Event.ERASE, standing.claim_id, standing.entry_hash, signing_key(1))
        other = SignerKey(found.log_key()[0], bytes(32))
        newer = Checkpoint(other.name, 5, bytes(32))
        signed_at(where).write_bytes(checkpoint.sign(newer, other))
        with pytest.raises(RollbackError, match="Put back the newer one"):
            erase(found, said)
        assert found.standing(standing.claim_id).in_force
