"""A registry in PostgreSQL: what it owes to recuse and not to SQLite."""

import socket
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa

from jobs.publishing import note_epoch, sign_head
from optout import postgres, snapshot, storage
from optout.backup import back_up
from optout.claim_keys import ClaimKeys, keys_path
from optout.entry import draft_move
from optout.lifecycle import Event, State
from optout.log.note import SignerKey
from optout.registry import Registry
from optout.storage_tables import CLAIMS, HEAD
from schemas.errors import ClaimError, RegistryError
from tests.databases import PASSWORD, Database, both
from tests.fakes import FixedClock
from tests.optout.claims import MATCHER, draft, random_bytes, signing_key, work

NAME = "Ada Example"  # of every draft


def opened(place: Database, where: str = "", **options: object) -> Registry:
    given = {"random": random_bytes(0), "create": True, "keys": place.keys, **options}
    return Registry.open(where or place.where, FixedClock(step_us=1), **given)


@pytest.fixture
def place(server_database):
    return server_database


@pytest.fixture
def registry(place):
    with opened(place) as found:
        yield found


def erase(registry: Registry, claim_id: str) -> None:
    at = registry.standing(claim_id).entry_hash
    registry.append(draft_move(Event.ERASE, claim_id, at, signing_key()))


def kill(place: Database) -> None:
    place.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_an_empty_database_becomes_a_registry_only_if_asked(empty_database):
    with pytest.raises(RegistryError, match="empty database"):
        opened(empty_database, create=False)
    assert not empty_database.tables()
    with opened(empty_database) as registry:
        registry.append(draft(1))
    with opened(empty_database, create=False) as registry:
        assert len(registry.view().leaves) == 1


@both
def test_a_writer_waits_for_another_one_and_sees_what_that_has_written(database):
    with opened(database) as one, opened(database) as other:
        sizes = []

        def write() -> None:
            with storage.writing(other._engine) as connection:
                sizes.append(storage.head(connection).size)

        thread = threading.Thread(target=write)
        with storage.writing(one._engine) as connection:
            thread.start()
            time.sleep(0.3)
            assert sizes == []  # although nothing has been asked yet
            connection.execute(sa.update(HEAD).values(size=7))
        thread.join(30)
        assert sizes == [7]


@both
def test_a_reader_sees_one_state_and_changes_nothing(database):
    with opened(database) as one, opened(database) as other:
        with storage.reading(one._engine) as connection:
            assert storage.head(connection).size == 0
            other.append(draft(1))
            assert connection.execute(sa.select(CLAIMS)).all() == []
            assert storage.head(connection).size == 0
        assert len(one.view().leaves) == 1


def test_who_reads_cannot_write(registry):
    with (
        pytest.raises(sa.exc.DBAPIError, match="read-only transaction"),
        storage.reading(registry._engine) as connection,
    ):
        connection.execute(sa.update(HEAD).values(size=7))


def test_how_a_server_is_set_up_changes_nothing_of_that(place):
    place.run(
        f"ALTER DATABASE {place.name} SET default_transaction_isolation = 'serializable'",
        f"ALTER DATABASE {place.name} SET default_transaction_read_only = on",
    )
    with opened(place) as registry:
        registry.append(draft(1))
        for begin, level in ((storage.writing, "read committed"), (storage.reading, "repeatable")):
            with begin(registry._engine) as connection:
                shown = connection.execute(sa.text("SHOW transaction_isolation")).scalar_one()
            assert shown.startswith(level)


def test_a_writer_that_waits_too_long_is_told(registry, place, monkeypatch):
    begin = postgres.BEGIN_WRITE.replace(f"lock_timeout = {postgres.WAIT_MS}", "lock_timeout = 100")
    with opened(place) as other, storage.writing(registry._engine):
        monkeypatch.setattr(postgres, "BEGIN_WRITE", begin)
        with pytest.raises(RegistryError, match="lock timeout"):
            other.append(draft(1))
    assert registry.append(draft(1)).seq == 0


def test_a_server_that_was_started_again_is_asked_anew(registry, place):
    registry.append(draft(1))
    kill(place)
    assert registry.append(draft(2)).seq == 1
    kill(place)
    assert len(registry.view().leaves) == 2


def test_a_connection_that_is_killed_leaves_nothing_of_an_entry(registry, place, monkeypatch):
    def killed(_self, _connection, _table, _place, _part, _number):
        kill(place)

    monkeypatch.setattr(type(registry._parts), "put", killed)
    with pytest.raises(RegistryError, match="can be read at postgresql"):
        registry.append(draft(1))
    monkeypatch.undo()
    assert (registry.head()[0], registry.claims()) == (0, [])
    assert registry.append(draft(1)).seq == 0


# --- who is let in, and what is said of it


def test_a_password_is_taken_and_never_shown(guarded_database, monkeypatch):
    guarded = guarded_database
    url, bare = guarded.where, guarded.bare
    with opened(guarded) as registry:
        registry.append(draft(1))
        assert registry.where.startswith(f"postgresql://guarded:***@/{guarded.name}?")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with opened(guarded, bare) as registry:
        assert len(registry.claims()) == 1
    with opened(guarded, f"{bare}&password={sa.engine.url.quote_plus(PASSWORD)}") as registry:
        assert "password=***" in registry.where.replace("%2A", "*")
    monkeypatch.setenv("PGPASSWORD", "wrong")
    for where in (bare, url.replace("hunter2", "hunter3"), f"{bare}&password=hunter3"):
        with pytest.raises(RegistryError, match="password authentication failed") as raised:
            opened(guarded, where)
        assert "hunter" not in str(raised.value)
        assert "'S'" not in str(raised.value)


@pytest.mark.parametrize(
    "where",
    [
        "postgresql://ada:hunter2@",
        "postgresql://ada:hunter2@host:port/db",
        "postgresql://ada:hun/ter2@host/db",
        "postgresql://ada:hunter2@127.0.0.1:1/db",
        "postgresql://ada:hunter2@/db?host=/nowhere",
        "postgresql://ada:hunter2@127.0.0.1/db?password=hunter2&nonsense=1",
        "postgresql://ada:hunter2@127.0.0.1/db?sslmode=sometimes",
        "postgresql://ada:hunter2@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/nowhere",
        "postgresql+nodriver://ada:hunter2@host/db",
        "mysql://ada:hunter2@host/db",
        "nonsense://ada:hunter2@host/db",
        "postgresql://ada:hunter2@host/db\0",
        "post gresql://ada:hunter2@host/db",
    ],
)
def test_what_cannot_be_opened_is_named_without_its_password(where, tmp_path):
    with pytest.raises(RegistryError) as raised:
        Registry.open(where, FixedClock(), keys=str(tmp_path / "k"))
    assert "***@" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "ter2" not in str(raised.value)
    assert not (tmp_path / "k").exists()
    with pytest.raises(RegistryError) as raised:
        keys_path(where)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("answers", [b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(9)])
def test_what_is_no_server_is_told_of(tmp_path, answers):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                for said in (b"N", answers):
                    connection.recv(1000)
                    connection.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        where = f"postgresql://ada@127.0.0.1:{listening.getsockname()[1]}/db"
        with pytest.raises(RegistryError, match="can be read at"):
            Registry.open(where, FixedClock(), keys=str(tmp_path / "k"))
        thread.join(10)


def test_without_the_driver_it_is_said_how_to_install_it(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "pg8000"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(RegistryError, match=r"pg8000.*pip install 'recuse\[postgres\]'"):
        Registry.open("postgresql://ada:hunter2@host/db", FixedClock(), keys=str(tmp_path / "k"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("CREATE TABLE photos (id integer)", "found tables photos"),
        ("gone", "does not exist"),
    ],
)
def test_a_database_of_others_is_left_alone(empty_database, change, says):
    if change == "gone":
        empty_database.server.drop(empty_database.name)
    else:
        empty_database.run(change)
    with pytest.raises(RegistryError, match=says):
        opened(empty_database)


def test_a_registry_of_a_newer_recuse_is_left_alone(place):
    place.run("UPDATE recuse_revision SET version_num = '9999'")
    with pytest.raises(RegistryError, match="9999"):
        opened(place)


def test_who_may_only_read_can_read(place):
    with opened(place) as registry:
        registry.append(draft(1))
    place.run(
        "CREATE ROLE reader LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    )
    try:
        with opened(place, place.server.url(place.name, "reader")) as registry:
            assert len(registry.view().leaves) == 1
            with pytest.raises(RegistryError, match="permission denied"):
                registry.append(draft(2))
    finally:
        place.run("DROP OWNED BY reader", "DROP ROLE reader")


# --- values


@both
def test_text_that_a_database_may_not_take_is_no_claim(database):
    with opened(database) as registry:
        for text in ("a\0b", "\ud800", "ü" * 40):
            with pytest.raises((ClaimError, RegistryError)):
                registry.standing(text)
        with pytest.raises(ClaimError):
            registry.standing("a\0b")


@both
def test_logs_may_be_long(database):
    with opened(database) as registry:
        registry.append(draft(1))
        for size in (2**31, 2**40, 2**63 - 1):
            assert len(registry.leaf_hashes(size)) == 1
            assert registry.leaves(size - 1, size) == []


@both
def test_claims_are_sorted_by_their_bytes(database):
    with opened(database) as registry:
        for seed, at in ((1, "b"), (2, "B"), (3, "a"), (4, "-b")):
            registry.append(draft(seed))
            claim = draft(seed).statement.claim
            database.run(
                f"UPDATE claims SET submitted_at = '{at}' WHERE claim_id = '{claim}'"  # noqa: S608 - ours
            )
        assert [row.submitted_at for row in registry.claims()] == ["-b", "B", "a", "b"]


def test_both_databases_hold_the_same(tmp_path, place):
    """Log, projection and snapshot of the same statements are the same bytes."""
    held = []
    for where in (Database(str(tmp_path / "registry.db"), ""), place):
        with opened(where) as registry:
            registry.pin_matcher(MATCHER, "Fäke")
            for seed in range(1, 5):
                part = {"names": (f"Zoë Ünal {'abcde'[seed] * 4}",), "hosts": (f"a{seed}.example",)}
                registry.append(draft(seed, works=(work(seed), work(100 - seed)), **part))
            gone = draft(2).statement.claim
            at = registry.standing(gone).entry_hash
            registry.append(draft_move(Event.ERASE, gone, at, signing_key(2)))
            key = SignerKey(registry.log_key()[0], bytes(32))
            registry.set_log_key(key.verifier)
            note_epoch(registry)
            _, body = sign_head(registry, key)
            view = registry.view()
            rows = [tuple(row) for row in registry.claims()]
            registry.rebuild()
            rows += [tuple(row) for row in registry.claims()]
            taken = snapshot.take(registry, trust_local=True)
            listed = sorted(registry.listed_by_others("nobody"))
            held.append((view.leaves, view.match_parts, rows, taken.header, listed, body))
            assert registry.matcher() == (MATCHER, "Fäke")
    assert held[0] == held[1]


# --- what stays after an erasure


def test_an_erasure_waits_for_who_still_sees_what_is_erased(registry, place, monkeypatch):
    """What somebody sees would be copied with the rest when the table is written anew."""
    claim_id = registry.append(draft(1, works=(work(1, matcher=""),))).entry.claim
    assert NAME.encode() in place.files()
    monkeypatch.setattr(postgres, "SWEEP_MS", 200)
    with opened(place) as other, storage.reading(other._engine) as connection:
        storage.head(connection)
        with pytest.raises(RegistryError, match="nobody else to read"):
            erase(registry, claim_id)
        assert registry.standing(claim_id).state == State.ERASED
        opened(place).close()  # who comes for something else is not held up
        assert registry._parts.keys.numbers(claim_id) == [1]  # so that the next one ends it
    opened(place).close()
    assert registry._parts.keys.numbers(claim_id) == []
    left = place.files()
    for gone in (NAME.encode(), work(1).sha256.encode(), bytes.fromhex(work(1).pdq[0])):
        assert gone not in left


def test_an_erasure_waits_for_who_holds_the_tables(registry, place, monkeypatch):
    claim_id = registry.append(draft(1)).entry.claim
    monkeypatch.setattr(postgres, "SWEEP_MS", 200)
    url = sa.make_url(place.where).set(drivername="postgresql+pg8000", query={})
    sock = f"{place.server.folder}/.s.PGSQL.5432"
    other = sa.create_engine(url, connect_args={"unix_sock": sock})
    with other.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE works IN ACCESS SHARE MODE")
        with pytest.raises(RegistryError, match="nobody else to read"):
            erase(registry, claim_id)
    other.dispose()


def test_who_does_not_own_the_tables_is_told_that_an_erasure_is_not_ended(registry, place):
    claim_id = registry.append(draft(1)).entry.claim
    place.run(
        "CREATE ROLE clerk LOGIN",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk",
    )
    try:
        with (
            opened(place, place.server.url(place.name, "clerk")) as clerk,
            pytest.raises(RegistryError, match="does not own them"),
        ):
            erase(clerk, claim_id)
        assert registry._parts.keys.numbers(claim_id) == [1]
        opened(place).close()
        assert NAME.encode() not in place.files()
    finally:
        place.run("DROP OWNED BY clerk", "DROP ROLE clerk")


def test_a_server_keeps_no_samples_of_what_claims_say(registry, place):
    for seed in range(30):
        registry.append(draft(seed, works=(work(seed, matcher=""),)))
    place.run("ANALYZE")
    kept = place.run("SELECT * FROM pg_stats WHERE schemaname = 'public'")
    assert "claim_id" in kept  # it keeps some
    for secret in (NAME, work(1).sha256, work(1).pdq[0]):
        assert secret not in kept


# --- the file of keys, and copies


def test_claim_keys_lie_in_a_file_that_has_to_be_named(place):
    for keys in ("", place.where):
        with pytest.raises(RegistryError, match="file"):
            Registry.open(place.where, FixedClock(), keys=keys)
    with pytest.raises(RegistryError, match="RECUSE_REGISTRY_KEYS"):
        keys_path(place.where)
    with pytest.raises(RegistryError, match="apart from every server"):
        ClaimKeys.open(place.where, create=True)


def test_a_copy_is_made_by_pg_dump_and_made_whole_when_it_is_opened(
    registry, place, empty_database, tmp_path
):
    for seed in (1, 2):
        registry.append(draft(seed, works=(work(seed, matcher=""),)))
    claims = registry.claims()
    with pytest.raises(RegistryError) as raised:
        back_up(place.where, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    words = [word.strip(",") for word in str(raised.value).split() if word.startswith("--")]
    assert words == ["--exclude-table-data=claims", "--exclude-table-data=works"]
    copied = subprocess.run(
        [place.server.programs / "pg_dump", *words, "-h", place.server.folder,
         "-U", "recuse_tests", place.name],
        capture_output=True, text=True, check=True, env=place.server.environment,
    ).stdout  # fmt: skip
    assert NAME not in copied
    empty_database.run(copied)
    copy = Database(empty_database.where, place.keys, place.server)
    with opened(copy, create=False) as found:
        assert found.claims() == claims
        assert found.append(draft(3)).seq == 2
