"""What erasing destroys, what stays at work, and what every proof is worth afterwards."""

import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from optout import projection, snapshot, storage
from optout.backup import back_up
from optout.claim_keys import ClaimKeys
from optout.commitment import commit
from optout.entry import Draft, draft_erase_identity, draft_move, draft_refresh, draft_submit
from optout.erasure import is_withdrawn, without_identity
from optout.lifecycle import Event, Signer, State
from optout.log import merkle
from optout.parts import open_identity_part, open_match_part
from optout.registry import Registry
from optout.storage_tables import CLAIMS
from schemas.claim import IdentityPart
from schemas.errors import ClaimError, RegistryError, StorageError, UsageError
from schemas.verdict import Stance
from tests.databases import SQLITE, Database, both
from tests.fakes import FixedClock
from tests.optout.claims import MATCHER, match_part, random_bytes, signing_key, work

MODERATOR = signing_key(99)
NAME = "Zebulon Quillfeather"
CONTACT = "zebulon@quillfeather.example"
HOST = "quillfeather.example"


def opened(where: Path | Database, **options: object) -> Registry:
    given = {"random": random_bytes(0), "create": True, "moderators": {MODERATOR.public}}
    if isinstance(where, Database):
        where, given["keys"] = where.where, where.keys
    return Registry.open(str(where), FixedClock(step_us=1), **{**given, **options})


@pytest.fixture
def where(database) -> Path:
    if database.kind != SQLITE:
        pytest.skip("copies a file of SQLite's")
    Path(database.where).parent.mkdir(exist_ok=True)
    return Path(database.where)


@pytest.fixture
def registry(database):
    with opened(database) as found:
        found.pin_matcher(MATCHER, "fake")
        yield found


def claim(seed: int = 1, **changes: object) -> Draft:
    given = {"names": (NAME,), "hosts": (HOST,), "works": (work(seed), work(100 + seed))}
    part = match_part(**{**given, **changes})
    identity = IdentityPart(artist=NAME, contact=CONTACT)
    return draft_submit(part, identity, signing_key(seed), random_bytes(1000 + seed))


def erase_identity(registry: Registry, claim_id: str, seed: int = 1, **changes: object) -> None:
    match, _ = registry.parts(claim_id)
    left = without_identity(open_match_part(match)).model_copy(update=changes)
    at = registry.standing(claim_id).entry_hash
    registry.append(draft_erase_identity(left, claim_id, at, signing_key(seed), random_bytes(7)))


def erase(registry: Registry, claim_id: str, seed: int = 1) -> None:
    at = registry.standing(claim_id).entry_hash
    registry.append(draft_move(Event.ERASE, claim_id, at, signing_key(seed)))


def keys_of(registry: Registry) -> list[bytes]:
    return list(registry._parts.keys.all().values())


@both
def test_who_asks_is_forgotten_and_works_stay_at_work(registry):
    claim_id = registry.append(claim()).entry.claim
    before = snapshot.take(registry, trust_local=True)
    erase_identity(registry, claim_id)
    match, identity = registry.parts(claim_id)
    assert identity is None
    left = open_match_part(match)
    assert (left.names, left.hosts) == ((), ())
    after = snapshot.take(registry, trust_local=True)
    assert after.works.equals(before.works)
    assert after.claims["names"].to_pylist() == [[]]
    assert registry.standing(claim_id).in_force


@both
def test_the_tables_say_no_more_of_an_erased_claim_than_the_log_does(registry):
    def said() -> list[sa.Row]:
        with storage.reading(registry._engine) as connection:
            return list(connection.execute(sa.select(CLAIMS)))

    erase(registry, registry.append(claim()).entry.claim)
    ((row),) = said()
    assert (row.scope, row.stance, row.names, row.hosts, row.urls) == ("", "", "[]", "[]", "[]")
    registry.rebuild()
    assert said() == [row]


@both
def test_erasing_all_ends_the_protection(registry):
    claim_id = registry.append(claim()).entry.claim
    erase(registry, claim_id)
    assert registry.standing(claim_id).state == State.ERASED
    assert snapshot.take(registry, trust_local=True).claims.num_rows == 0
    with pytest.raises(ClaimError, match="erased"):
        registry.parts(claim_id)
    with pytest.raises(ClaimError, match="lifecycle"):
        registry.append(
            draft_move(Event.WITHDRAW, claim_id, registry.standing(claim_id).entry_hash,
                       signing_key())
        )  # fmt: skip


@both
@pytest.mark.parametrize("how", [erase_identity, erase])
def test_neither_payload_nor_key_is_left_in_any_file(registry, database, how):
    other = registry.append(claim(2, names=("Somebody Else",), hosts=())).entry.claim
    said = claim()
    claim_id = registry.append(said).entry.claim
    (key,) = [k for (c, _), k in registry._parts.keys.all().items() if c == claim_id]
    assert key in database.files()
    how(registry, claim_id)
    left = database.files()
    for gone in (NAME.encode(), CONTACT.encode(), HOST.encode(), key, said.match.salt,
                 said.identity.salt, said.match.payload[:64]):  # fmt: skip
        assert gone not in left
    if how is erase:
        for gone in (work(1).sha256.encode(), bytes.fromhex(work(1).pdq[0])):
            assert gone not in left
    assert open_identity_part(registry.parts(other)[1]).artist == NAME


@both
def test_what_is_recorded_is_never_in_the_clear(registry, database):
    registry.append(claim())
    with storage.writing(registry._engine) as connection:
        projection.clear(connection)  # for looking up, and made again from the parts
    storage.truncate(registry._engine, database.where)
    left = database.files()
    for secret in (NAME.encode(), CONTACT.encode(), work(1).sha256.encode()):
        assert secret not in left


def copied(where: Path, copy: Path) -> Path:
    with sqlite3.connect(where) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy


def test_a_copy_of_the_database_without_the_keys_says_nothing(registry, where, tmp_path):
    registry.append(claim())
    copy = copied(where, tmp_path / "copy.db")
    with pytest.raises(RegistryError, match=r"copy\.db\.keys"):
        opened(copy, create=False)
    ClaimKeys.open(f"{copy}.keys", create=True).close()
    with opened(copy, create=False) as found:
        assert (found.view().match_parts, found.view().locked) == ({}, {1})
        with pytest.raises(RegistryError, match="the key of"):
            snapshot.take(found, trust_local=True)


@pytest.mark.parametrize("how", ["as it stands", "backup"])
@pytest.mark.parametrize("what", [erase, lambda *given: erase_identity(*given, 1)])
def test_of_a_copy_made_before_an_erasure_all_but_that_claim_is_read(
    registry, where, tmp_path, how, what
):
    gone, kept = (registry.append(claim(seed)).entry.claim for seed in (1, 2))
    before = registry.view()
    copy = tmp_path / "copy.db"
    back_up(str(where), copy) if how == "backup" else copied(where, copy)
    what(registry, gone)
    shutil.copy(f"{where}.keys", f"{copy}.keys")
    with opened(copy, create=False) as found:
        view = found.view()
        assert (view.leaves, view.root) == (before.leaves, before.root)
        assert (set(view.match_parts), view.locked) == ({2}, {1})
        assert open_match_part(found.parts(kept)[0]).names == (NAME,)
        assert {row.claim_id: row.state for row in found.claims()} == {
            gone: State.RECORDED,
            kept: State.RECORDED,
        }
        with pytest.raises(RegistryError, match=f"the key of claim {gone}"):
            found.parts(gone)
        with pytest.raises(RegistryError, match=f"the key of claim {gone}.*older than an erasure"):
            snapshot.take(found, trust_local=True)


def test_a_copy_older_than_an_erasure_works_again_once_that_is_said_again(
    registry, where, tmp_path
):
    gone, kept = (registry.append(claim(seed)).entry.claim for seed in (1, 2))
    copy = tmp_path / "copy.db"
    back_up(str(where), copy)
    erase(registry, gone)
    shutil.copy(f"{where}.keys", f"{copy}.keys")
    with opened(copy, create=False) as found:
        at = found.standing(gone).entry_hash
        by = Signer.MODERATOR
        found.append(draft_move(Event.ERASE, gone, at, MODERATOR, by=by))
        assert snapshot.take(found, trust_local=True).claims["claim_id"].to_pylist() == [kept]
        assert not found.view().locked


def test_a_right_guess_without_the_salt_opens_nothing(registry):
    said = claim()
    registry.append(said)
    erase(registry, said.statement.claim)
    shown = said.statement
    guess = said.identity.payload  # the true one
    assert commit(guess, said.identity.salt) == shown.identity
    for salt in (bytes(32), said.match.salt, random_bytes(3)(32)):
        assert commit(guess, salt) != shown.identity


def test_proofs_of_others_and_of_the_erased_claim_hold_as_before(registry):
    first, second = (registry.append(claim(seed)) for seed in (1, 2))
    leaves = registry.leaf_hashes()
    proof = merkle.inclusion_proof(leaves, second.seq)
    erase(registry, first.entry.claim)
    now = registry.leaf_hashes()
    assert now[: len(leaves)] == leaves
    leaf = merkle.leaf_hash(second.entry.leaf())
    merkle.verify_inclusion(leaf, second.seq, len(leaves), proof, merkle.root(leaves))
    consistent = merkle.consistency_proof(now, len(leaves))
    merkle.verify_consistency(
        len(leaves), len(now), merkle.root(leaves), merkle.root(now), consistent
    )


@pytest.mark.parametrize("event", [Event.ERASE, Event.ERASE_IDENTITY])
def test_only_the_claimant_or_a_moderator_erases(registry, event):
    claim_id = registry.append(claim()).entry.claim
    at = registry.standing(claim_id).entry_hash
    left = without_identity(open_match_part(registry.parts(claim_id)[0]))

    def draft(key, by=Signer.CLAIMANT):
        if event == Event.ERASE:
            return draft_move(event, claim_id, at, key, by=by)
        return draft_erase_identity(left, claim_id, at, key, random_bytes(7), by)

    for forged in (draft(signing_key(5)), draft(signing_key(5), Signer.MODERATOR)):
        with pytest.raises(ClaimError):
            registry.append(forged)
    assert open_identity_part(registry.parts(claim_id)[1]).artist == NAME
    assert len(registry._parts.keys.numbers(claim_id)) == 1
    registry.append(draft(MODERATOR, Signer.MODERATOR))


def test_erasing_who_asks_changes_nothing_else(registry):
    claim_id = registry.append(claim()).entry.claim
    for changes in ({"works": (work(1),)}, {"names": ("Eve",)}, {"stance": Stance.OPT_IN}):
        with pytest.raises(ClaimError, match="as they stand"):
            erase_identity(registry, claim_id, **changes)


def test_what_would_leave_nothing_at_work_is_refused():
    with pytest.raises(ClaimError, match="--all"):
        without_identity(match_part())
    with pytest.raises(ClaimError, match="--all"):
        without_identity(match_part(works=(work(1),), stance=Stance.OPT_IN, license="CC0"))


def test_an_erased_identity_cannot_be_refreshed(registry):
    claim_id = registry.append(claim()).entry.claim
    erase_identity(registry, claim_id)
    part = open_match_part(registry.parts(claim_id)[0])
    at = registry.standing(claim_id).entry_hash
    parts = part, IdentityPart(artist="Eve")
    with pytest.raises(ClaimError, match="none to refresh"):
        registry.append(draft_refresh(parts, claim_id, at, signing_key(), random_bytes(8)))


@both
def test_the_projection_can_be_made_again_after_erasures(registry):
    first, second = (registry.append(claim(seed)).entry.claim for seed in (1, 2))
    erase(registry, first)
    erase_identity(registry, second, 2)
    before = [tuple(row) for row in registry.claims()]
    assert registry.rebuild() == 2
    after = [tuple(row) for row in registry.claims()]
    states = {row[0]: row[1] for row in after}
    assert states == {row[0]: row[1] for row in before}
    assert states[first] == State.ERASED


@both
@pytest.mark.parametrize("how", [erase, lambda *given: erase_identity(*given, 1)])
def test_an_erasure_that_broke_off_is_ended_when_the_registry_is_opened(database, monkeypatch, how):
    with opened(database) as registry:
        claim_id = registry.append(claim(works=(work(1, matcher=""),))).entry.claim
        (key,) = keys_of(registry)
        monkeypatch.setattr(Registry, "_forget", broken_off)
        with pytest.raises(KeyboardInterrupt):
            how(registry, claim_id)
    assert key in database.files()
    monkeypatch.undo()
    opened(database).close()
    assert key not in database.files()
    assert NAME.encode() not in database.files()


@both
def test_a_key_that_somebody_is_about_to_use_is_left_alone_by_who_opens_meanwhile(database):
    with opened(database) as registry:
        known = registry.append(claim(works=(work(1, matcher=""),))).entry.claim
        number = registry._parts.keys.make(known, random_bytes(9))  # of an erasure under way
        new = [registry._parts.keys.make("new", random_bytes(n)) for n in (10, 11)]
        opened(database).close()
        assert registry._parts.keys.numbers(known) == [number - 1, number]
        assert registry._parts.keys.numbers("new") == new


def broken_off(_self: Registry, _claim: str) -> None:
    raise KeyboardInterrupt


@both
def test_a_key_of_a_refused_claim_is_not_kept(registry):
    good = claim()
    registry.append(good)
    with pytest.raises(ClaimError):
        registry.append(good)  # its id is in use
    assert len(keys_of(registry)) == 1


def test_a_key_stays_where_nobody_knows_whether_its_claim_was_recorded(registry, monkeypatch):
    """A part without its key could never be read again; a key too many harms nobody."""
    said = claim()
    appended = registry._appended

    def lost(once):
        appended(once)
        raise StorageError("the connection broke off behind the commit")

    monkeypatch.setattr(registry, "_appended", lost)
    with pytest.raises(StorageError):
        registry.append(said)
    monkeypatch.undo()
    match, _ = registry.parts(said.statement.claim)
    assert open_match_part(match).names == (NAME,)


def test_a_missing_file_of_keys_is_not_made_anew(where, registry, tmp_path):
    """Another claim recorded beside it would hide that no other can be read."""
    registry.append(claim())
    registry.close()
    keys = tmp_path / "elsewhere.keys"
    for place in ("", str(keys)):
        if not place:
            Path(f"{where}.keys").rename(tmp_path / "away")
        with pytest.raises(RegistryError, match="keys"):
            opened(where, keys=place)
    assert not keys.exists()
    assert not Path(f"{where}.keys").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError])
def test_a_copy_that_breaks_off_leaves_nothing_behind(registry, where, tmp_path, error):
    registry.append(claim())

    def broken(_self, _to):
        raise error

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "rename", broken)
        with pytest.raises(RegistryError if error is OSError else error):
            back_up(str(where), tmp_path / "out" / "copy.db")
    assert list((tmp_path / "out").iterdir()) == []


def test_who_opens_a_registry_that_others_read_leaves_an_erasure_for_the_next(
    registry, where, monkeypatch
):
    """A build would stop because somebody else erases and somebody else reads."""
    monkeypatch.setattr(storage, "PRAGMAS", (*storage.PRAGMAS, "busy_timeout = 10"))
    gone = registry.append(claim()).entry.claim
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "_forget", broken_off)
        with pytest.raises(KeyboardInterrupt):
            erase(registry, gone)
    with closing(sqlite3.connect(where, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchall()
        with opened(where) as found:
            found.append(claim(2))  # behind which the write-ahead log cannot be emptied
        with opened(where) as found:
            assert found.standing(gone).state == State.ERASED
            assert found._parts.keys.numbers(gone)
    with opened(where) as found:
        assert not found._parts.keys.numbers(gone)


def test_of_copies_that_are_made_at_once_one_is_whole_and_the_others_are_refused(
    registry, where, tmp_path
):
    """One of them would put in place what another one has not emptied yet."""
    registry.append(claim())
    to, ready = tmp_path / "out" / "copy.db", threading.Barrier(4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".copy.db.part").write_bytes(b"what a run that was killed left")

    def copied_at_once() -> str:
        ready.wait()
        try:
            return str(back_up(str(where), to))
        except UsageError as e:
            return str(e)

    with ThreadPoolExecutor(4) as pool:
        said = sorted(one.result() for one in [pool.submit(copied_at_once) for _ in range(4)])
    assert said == [str(to.stat().st_size), *[f"expected a new file for the copy, found {to}"] * 3]
    assert NAME.encode() not in to.read_bytes()
    assert not (tmp_path / "out" / ".copy.db.part").exists()
    shutil.copy(f"{where}.keys", f"{to}.keys")
    with opened(to, create=False) as found:
        assert len(found.claims()) == 1


@both
def test_parts_of_an_older_recuse_are_brought_under_keys(database):
    said = claim(works=(work(1, matcher=""),))
    with opened(database) as registry:
        registry.append(said)
        with storage.writing(registry._engine) as connection:
            for table, part in (("match_parts", said.match), ("identity_parts", said.identity)):
                connection.execute(
                    sa.text(f"UPDATE {table} SET salt = :s, payload = :p"),  # noqa: S608
                    {"s": part.salt, "p": part.payload},
                )
    Path(database.keys or f"{database.where}.keys").unlink()
    with opened(database, create=False) as registry:
        match, identity = registry.parts(said.statement.claim)
        assert (match, identity) == (said.match, said.identity)
    assert CONTACT.encode() not in database.files()


def test_snapshots_that_held_the_claim_are_withdrawn_and_no_others(registry):
    first = registry.append(claim(1)).entry.claim  # entry 1: the matcher is entry 0
    second = registry.append(claim(2)).entry.claim
    registry.append(claim(3))
    erase(registry, second, 2)  # entry 4
    at = registry.standing(first).entry_hash
    registry.append(draft_move(Event.WITHDRAW, first, at, signing_key(1)))  # entry 5
    registry.append(claim(4))
    erase(registry, first, 1)  # entry 7
    ranges = snapshot.take(registry, trust_local=False).header.withdrawn
    assert ranges == ((2, 5),)
    assert [is_withdrawn(size, ranges) for size in range(9)] == [
        False, False, True, True, True, True, False, False, False,
    ]  # fmt: skip


@both
def test_a_key_opens_only_its_own_part(registry):
    first, second = (registry.append(claim(seed)) for seed in (1, 2))
    with storage.writing(registry._engine) as connection:
        body = connection.execute(
            sa.text("SELECT payload FROM identity_parts WHERE seq = :s"), {"s": first.seq}
        ).scalar_one()
        connection.execute(
            sa.text("UPDATE identity_parts SET payload = :p WHERE seq = :s"),
            {"s": second.seq, "p": body},
        )
    with pytest.raises(RegistryError, match="does not open"):
        registry.parts(second.entry.claim)


def test_keys_of_one_claim_are_numbered(tmp_path):
    with ClaimKeys.open(str(tmp_path / "k.keys"), create=True) as keys:
        assert [keys.make("a", random_bytes(n)) for n in (1, 2)] == [1, 2]
        keys.destroy("a", [1])
        assert keys.numbers("a") == [2]
        assert keys.get("a", 1) is None
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(RegistryError, match="claim keys"):
        ClaimKeys.open(str(tmp_path / "other.db"), create=False)
