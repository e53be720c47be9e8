import contextlib
import multiprocessing
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from optout import append as module
from optout import storage
from optout.commitment import commit
from optout.entry import Draft, draft_move, parse_leaf
from optout.lifecycle import Event, Signer, State
from optout.log import merkle
from optout.postgres import UnsweptError
from optout.registry import Registry
from optout.storage_tables import CLAIMS, HEAD, METADATA, VERSION_TABLE, WORKS
from schemas.errors import ClaimError, ModelMismatchError, ProofError, RegistryError, UsageError
from tests.databases import SQLITE, Database, both
from tests.fakes import FixedClock
from tests.optout.claims import MATCHER, draft, random_bytes, signing_key, work

MODERATOR = signing_key(99)
ZEROS = "decode(repeat('00', 32), 'hex')"


def opened(where: Path | str | Database, **options: object) -> Registry:
    given = {"random": random_bytes(0), "create": True, "moderators": {MODERATOR.public}}
    if isinstance(where, Database):
        where, given["keys"] = where.where, where.keys
    return Registry.open(str(where), FixedClock(step_us=1), **{**given, **options})


@pytest.fixture
def registry(database):
    with opened(database) as found:
        yield found


def moved(registry: Registry, claim_id: str, event: Event, **options: object) -> Draft:
    key = options.pop("key", signing_key())
    previous = options.pop("previous", registry.standing(claim_id).entry_hash)
    return draft_move(event, claim_id, previous, key, **options)


def dumped(registry: Registry) -> list[list[tuple]]:
    with storage.reading(registry._engine) as connection:
        return [
            [tuple(row) for row in connection.execute(sa.select(t).order_by(*t.primary_key))]
            for t in (CLAIMS, WORKS)
        ]


@both
def test_submitting_appends_one_entry_under_the_root_of_all_leaves(registry):
    for seed in range(1, 6):
        recorded = registry.append(draft(seed))
        leaves = registry.leaf_hashes()
        assert (recorded.seq, recorded.size) == (seed - 1, seed)
        assert recorded.root == merkle.root(leaves).hex()
    view = registry.view()
    assert [parse_leaf(leaf, "x").claim for leaf in view.leaves] == [
        draft(seed).statement.claim for seed in range(1, 6)
    ]


def test_an_entry_shows_commitments_and_nothing_of_the_claim(registry):
    claim = draft(works=(work(1, matcher=""),))
    registry.append(claim)
    (leaf,) = registry.view().leaves
    for secret in (
        b"Ada",
        b"example.org",
        work(1).sha256.encode(),
        claim.match.salt.hex().encode(),
    ):
        assert secret not in leaf
    entry = parse_leaf(leaf, "x")
    assert entry.match == commit(claim.match.payload, claim.match.salt)
    assert entry.match != commit(claim.match.payload, b"\0" * 32)  # a right guess without the salt


@both
def test_withdrawn_by_its_claimant(registry):
    claim_id = registry.append(draft()).entry.claim
    registry.append(moved(registry, claim_id, Event.WITHDRAW))
    assert registry.standing(claim_id).state == State.WITHDRAWN
    with pytest.raises(ClaimError, match="lifecycle"):
        registry.append(moved(registry, claim_id, Event.WITHDRAW))


@pytest.mark.parametrize("forgery", ["other key", "moderator", "signature", "previous", "claim"])
def test_a_forged_withdrawal_is_refused(registry, forgery):
    claim_id = registry.append(draft()).entry.claim
    other = registry.append(draft(2)).entry.claim
    good = moved(registry, claim_id, Event.WITHDRAW)
    stranger = signing_key(3)
    forged = {
        "other key": moved(registry, claim_id, Event.WITHDRAW, key=stranger),
        "moderator": moved(registry, claim_id, Event.WITHDRAW, key=stranger, by=Signer.MODERATOR),
        "signature": Draft(good.statement, stranger.sign(good.statement.signed_bytes())),
        "previous": moved(registry, claim_id, Event.WITHDRAW, previous="0" * 64),
        "claim": Draft(good.statement.model_copy(update={"claim": other}), good.signature),
    }
    with pytest.raises(ClaimError):
        registry.append(forged[forgery])
    assert registry.standing(claim_id).state == State.RECORDED
    assert len(registry.leaf_hashes()) == 2


def test_a_moderators_withdrawal_shows_as_such(registry):
    claim_id = registry.append(draft()).entry.claim
    by = {"key": MODERATOR, "by": Signer.MODERATOR}
    registry.append(moved(registry, claim_id, Event.WITHDRAW, **by))
    entry = parse_leaf(registry.view().leaves[-1], "x")
    assert (entry.by, entry.key) == (Signer.MODERATOR, MODERATOR.public)


def test_only_a_moderator_raises_a_level(registry):
    claim_id = registry.append(draft()).entry.claim
    with pytest.raises(ClaimError):
        registry.append(moved(registry, claim_id, Event.VERIFY, level=2))
    by = {"key": MODERATOR, "by": Signer.MODERATOR}
    registry.append(moved(registry, claim_id, Event.VERIFY, level=2, **by))
    assert registry.standing(claim_id).level == 2
    assert registry.standing(claim_id).state == State.ACTIVE


def test_parts_that_do_not_open_the_commitments_are_refused(registry):
    claim, other = draft(1), draft(2)
    with pytest.raises(ProofError):
        registry.append(Draft(claim.statement, claim.signature, other.match, claim.identity))
    with pytest.raises(ClaimError):
        registry.append(Draft(claim.statement, claim.signature))


@both
def test_vectors_of_another_matcher_are_refused(registry):
    registry.pin_matcher(MATCHER, "fake")
    registry.append(draft(1, works=(work(1),)))
    with pytest.raises(ModelMismatchError):
        registry.append(draft(2, works=(work(2, matcher="x" * 64),)))
    with pytest.raises(ModelMismatchError):
        registry.pin_matcher("x" * 64, "other")
    assert len(registry.claims()) == 1


@both
def test_rebuilding_gives_the_same_projection(registry):
    registry.append(draft(1, works=(work(1, matcher=""), work(2, matcher=""))))
    claim_id = registry.append(draft(2, hosts=("example.org",))).entry.claim
    registry.append(moved(registry, claim_id, Event.WITHDRAW, key=signing_key(2)))
    before = dumped(registry)
    with storage.writing(registry._engine) as connection:
        connection.execute(sa.delete(WORKS))
        connection.execute(sa.delete(CLAIMS))
    assert dumped(registry) != before
    assert registry.rebuild() == 2
    assert dumped(registry) == before


@both
def test_events_are_append_only(registry):
    registry.append(draft())
    for change in ("DELETE FROM events", "UPDATE events SET type = 'x'"):
        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            storage.writing(registry._engine) as connection,
        ):
            connection.exec_driver_sql(change)
    assert len(registry.view().leaves) == 1


@both
@pytest.mark.parametrize("change", ["cast(replace(leaf, 'su', 'si') AS BLOB)", "'text'", "x'00'"])
def test_a_log_that_was_changed_is_found(registry, database, change):
    if database.kind != SQLITE:
        change = {"x'00'": "'\\x00'"}.get(change, "set_byte(leaf, 0, 0)")
    registry.append(draft(1))
    registry.append(draft(2))
    database.free_log()
    database.run(f"UPDATE events SET leaf = {change}")  # noqa: S608 - our own text
    with pytest.raises(RegistryError):
        registry.view()


@both
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE head SET size = 'x'",
        "UPDATE head SET size = -1",
        "UPDATE head SET size = 0",
        "UPDATE head SET peaks = zeroblob(64)",
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET peaks = 'x'",
    ],
)
def test_nothing_is_appended_where_the_head_was_changed(registry, database, change):
    """What stood behind it could never be proved."""
    if database.kind != SQLITE:
        for ours, theirs in (
            ("zeroblob(64)", f"{ZEROS} || {ZEROS}"),
            ("zeroblob(32)", ZEROS),
            ("size = 'x'", "size = 2"),  # no text fits into a column of numbers
        ):
            change = change.replace(ours, theirs)
    for seed in range(1, 4):
        registry.append(draft(seed))
    database.run(change)
    with pytest.raises(RegistryError):
        registry.append(draft(4))
    with pytest.raises(RegistryError):
        registry.move_matcher(MATCHER, "matcher")
    assert len(registry.leaf_hashes()) == 3
    if "peaks" not in change:
        with pytest.raises(RegistryError):
            registry.view()


@both
def test_a_notice_that_no_tile_could_hold_is_not_recorded(registry):
    """A log is never edited: with it in, it could never be written out again."""
    registry.append(draft(1))
    with pytest.raises(UsageError, match="65,535 bytes"):
        registry.move_matcher(MATCHER, "m" * 70_000)
    assert registry.head()[0] == 1
    assert registry.matcher() == ("", "")


def test_a_database_that_was_damaged_is_told_of(tmp_path):
    """SQLite's own words then hold bytes of the file, which need not be text."""
    path = tmp_path / "registry.db"
    opened(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE TAB\xf3E"))
    with pytest.raises(RegistryError, match="can be read at"):
        opened(path)


@both
def test_a_lost_race_leaves_nothing_and_is_run_again(registry, monkeypatch):
    """Other databases than SQLite let two writers read the same head; one must lose."""
    real, lost = module.swap_head, []

    def swap(connection, head, frontier):
        if len(lost) < 2:
            lost.append(head.size)
            connection.execute(sa.update(HEAD).values(size=HEAD.c.size + 1))  # is rolled back
            stale = connection.execute(sa.select(HEAD)).one()
            connection.execute(sa.update(HEAD).values(size=HEAD.c.size + 1))
            real(connection, stale, frontier)
        real(connection, head, frontier)

    monkeypatch.setattr(module, "swap_head", swap)
    assert registry.append(draft(1)).seq == 0
    assert lost == [0, 0]
    assert registry.append(draft(2)).size == len(registry.view().leaves) == 2


def submit_many(where: str, keys: str, seeds: list[int]) -> None:
    with opened(where, keys=keys) as registry:
        for seed in seeds:
            registry.append(draft(seed))


def test_two_processes_that_open_and_submit_at_once_both_succeed(tmp_path):
    submitted_by_two(Database(str(tmp_path / "registry.db"), ""))


def test_two_processes_that_open_an_empty_database_of_a_server_both_succeed(empty_database):
    submitted_by_two(empty_database)


def submitted_by_two(database: Database) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(
            target=submit_many, args=(database.where, database.keys, [*range(start, start + 8)])
        )
        for start in (100, 200)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with opened(database, create=False) as registry:
        assert len(registry.view().leaves) == 16


@both
def test_the_revisions_make_the_tables_that_the_code_reads(registry):
    with storage.reading(registry._engine) as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    assert found == []


def write(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("these are opt-outs")
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "truncated":
        opened(path).close()
        path.write_bytes(path.read_bytes()[:5000])
    elif kind != "absent":
        if kind == "newer":
            opened(path).close()
        connection = sqlite3.connect(path)
        if kind == "newer":
            newer = f"UPDATE {VERSION_TABLE} SET version_num = '9999'"  # noqa: S608 - our own text
            connection.execute(newer)
        else:
            connection.execute("CREATE TABLE photos (id INTEGER)")
        connection.commit()
        connection.close()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("absent", "found nothing"),
        ("text", "expected an SQLite file"),
        ("empty", "empty file"),
        ("folder", "found a folder"),
        ("truncated", "registry"),
        ("other", "found tables photos"),
        ("newer", "9999"),
    ],
)
def test_what_is_no_registry_is_refused_with_what_was_found_and_where(tmp_path, kind, says):
    path = tmp_path / "file.db"
    write(path, kind)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(RegistryError, match=says) as raised:
        opened(path, create=False)
    assert str(path) in str(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    if kind in ("text", "other", "newer", "folder", "truncated"):
        with pytest.raises(RegistryError):
            opened(path, create=True)


@pytest.mark.parametrize("where", ["", "nonsense://x", "postgresql+nodriver://x/y", "a\0b"])
def test_a_registry_url_that_means_nothing_is_refused(where):
    with pytest.raises(RegistryError):
        opened(where)


def test_secure_delete_and_foreign_keys_are_on(tmp_path):
    with (
        opened(tmp_path / "registry.db") as registry,
        storage.reading(registry._engine) as connection,
    ):
        for pragma, value in (("secure_delete", 1), ("foreign_keys", 1), ("journal_mode", "wal")):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


@contextlib.contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Let writes beyond a size fail, as on a disk that is full; Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kib", range(0, 96, 8))
def test_a_disk_that_is_full_at_any_point_is_told_of_and_what_broke_off_goes_on(tmp_path, kib):
    where = tmp_path / "registry.db"

    def used(seed: int) -> None:
        with opened(where, create=True) as found:
            at = found.append(draft(seed)).entry.claim
            found.append(moved(found, at, Event.ERASE, key=signing_key(seed)))

    with (
        files_of_at_most(kib << 10),
        pytest.raises(RegistryError, match="expected a registry that can be read"),
    ):
        list(map(used, range(1, 99)))
    used(99)
    with opened(where) as found:
        assert not found._parts.keys.all() or found.claims()
        found.view()


def test_what_fails_while_the_write_ahead_log_is_emptied_is_told():
    def broken() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    engine = SimpleNamespace(dialect=SimpleNamespace(name="sqlite"), raw_connection=broken)
    with pytest.raises(RegistryError, match=r"at registry\.db: disk I/O error"):
        storage.truncate(engine, "registry.db")


def test_what_fails_while_a_registry_is_looked_over_is_told(tmp_path, monkeypatch):
    opened(tmp_path / "registry.db", create=True).close()

    def broken(_engine) -> bool:
        raise sa.exc.OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(storage, "has_sealed_parts", broken)
    with pytest.raises(RegistryError, match="disk I/O error"):
        opened(tmp_path / "registry.db")


def test_the_write_ahead_log_is_emptied_once_somebody_else_has_done_so(monkeypatch):
    """SQLite does not wait for that, unlike for readers."""
    monkeypatch.setattr(storage, "TRUNCATE_PAUSE_S", 0)
    asked = []

    def busy_for(times: int) -> SimpleNamespace:
        asked.clear()

        def fetched() -> tuple[int, int, int]:
            asked.append(None)
            return (int(len(asked) <= times), 0, 0)

        cursor = SimpleNamespace(execute=lambda _: None, fetchone=fetched, close=lambda: None)
        connection = SimpleNamespace(cursor=lambda: cursor, close=lambda: None)
        sqlite = SimpleNamespace(name="sqlite")
        return SimpleNamespace(dialect=sqlite, raw_connection=lambda: connection)

    storage.truncate(busy_for(3), "registry.db")
    assert len(asked) == 4
    with pytest.raises(UnsweptError, match="opening the registry once more ends it"):
        storage.truncate(busy_for(99), "registry.db")
