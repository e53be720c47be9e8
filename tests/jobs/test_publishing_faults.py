"""What breaks off while a registry publishes or announces: the next run ends it."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import pytest

from jobs import publishing
from jobs.announcing import announce
from jobs.log_keys import first_signer, rotate, signer_of
from jobs.log_store import LogFiles, Written, write
from jobs.publishing import EPOCH_TRIES, note_epoch, publish, sign_head
from optout import snapshot, status
from optout.log import checkpoint, cosignature, merkle, note
from optout.log.checkpoint import Checkpoint
from optout.log.note import COSIGNATURE, SignerKey
from optout.log.policy import Log, Policy
from optout.log.policy import Witness as Trusted
from optout.notice import EpochNotice
from optout.registry import Registry
from pipeline.manifest import MANIFEST_PATH, assemble, manifest_bytes
from pipeline.storage import open_store
from schemas.errors import (
    FetchError,
    RegistryError,
    RollbackError,
)
from tests.databases import both
from tests.fakes import FixedClock, MemoryStore
from tests.independent import c2sp_check, forger
from tests.jobs.publishing import AT, WITNESS
from tests.optout.claims import draft, random_bytes
from tests.pipeline import test_manifest as manifests

OTHER = SignerKey("other.example", bytes([8] * 32), COSIGNATURE)
TRUSTED = tuple(Trusted(k.name, k.verifier, f"http://{k.name}") for k in (WITNESS, OTHER))
KINDS = ["failed", "written"]


@dataclass
class Faults:
    """Which of the writes to the database fails: before it is made, or right after."""

    step: int = 0  # counted from 1; 0 for none
    kind: str = "failed"
    done: list[str] = field(default_factory=list)

    def __call__(self, name: str, write: Callable[[], object]) -> object:
        self.done.append(name)
        hit = len(self.done) == self.step
        if hit and self.kind == "failed":
            raise RegistryError(f"injected fault ({self.kind}) at {name}")
        made = write()
        if hit:
            raise RegistryError(f"injected fault ({self.kind}) at {name}")
        return made


class FaultyRegistry(Registry):
    """A registry whose writes of its own word may fail."""

    faults = Faults()

    def note_at(self, *args):
        return self.faults("epoch", lambda: super(FaultyRegistry, self).note_at(*args))

    def note(self, *args):
        return self.faults("notice", lambda: super(FaultyRegistry, self).note(*args))

    def keep_checkpoint(self, *args):
        return self.faults("checkpoint", lambda: super(FaultyRegistry, self).keep_checkpoint(*args))


@pytest.fixture
def found(tmp_path, monkeypatch):
    """A registry with three claims, a key and witnesses that cosign."""
    monkeypatch.setattr(publishing, "ask", cosigned)
    where = str(tmp_path / "registry.db")
    with FaultyRegistry.open(where, FixedClock(), random=random_bytes(0), create=True) as made:
        for seed in range(1, 4):
            made.append(draft(seed))
        yield made


def cosigned(_url, key, signed, *_args, **_options):
    signer = next(one for one in (WITNESS, OTHER) if one.verifier == key)
    return cosignature.cosign(note.parse(signed).text, signer, AT)


def epochs_of(found: Registry) -> list[EpochNotice]:
    return [epoch for _, epoch in status.epochs(found.view().leaves, found.where)]


def policy_of(key: SignerKey) -> Policy:
    return Policy((Log(key.verifier),), TRUSTED)


# --- publish


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [1, 2, 3])
def test_every_write_of_publishing_to_the_database_may_fail(found, tmp_path, step, kind):
    key, store = first_signer(found), MemoryStore()
    found.faults = Faults(step, kind)
    with pytest.raises(RegistryError, match="injected"):
        publish(found, key, policy_of(key), store)
    assert found.faults.done == ["epoch", "checkpoint", "checkpoint"][:step]
    assert not store.files  # nothing is shown before the database has it
    found.faults = Faults()
    done = publish(found, key, policy_of(key), store)
    assert done.head.size == 4
    assert [epoch.size for epoch in epochs_of(found)] == [3]
    ((size, kept),) = found.checkpoints()
    assert (size, kept) == (4, store.files["checkpoint"])
    assert set(cosignature.times(kept, [WITNESS.verifier, OTHER.verifier])) == {
        WITNESS.verifier, OTHER.verifier,
    }  # fmt: skip
    for path, body in store.files.items():
        (tmp_path / "log" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "log" / path).write_bytes(body)
    c2sp_check.tiles(tmp_path / "log", c2sp_check.vkey(str(key.verifier), 1))


def busy(found: Registry, claims: int):
    """What makes a snapshot, while claims are recorded: one each time, so many in all."""
    make, seeds = snapshot.from_view, iter(range(10, 10 + claims))

    def made(*args, **options):
        for seed in seeds:
            found.append(draft(seed))
            break
        return make(*args, **options)

    return made


def test_a_claim_that_comes_while_an_epoch_is_made_is_in_it(found, monkeypatch):
    """Else an epoch would stand behind a claim of which it says nothing, and no other follow."""
    monkeypatch.setattr(snapshot, "from_view", busy(found, 1))
    made = note_epoch(found)
    assert made is not None
    assert (made.number, made.size, found.head()[0]) == (0, 4, 5)
    assert note_epoch(found) is None


def test_where_claims_come_all_the_time_the_next_epoch_tells_of_the_last(found):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "from_view", busy(found, 99))
        made = note_epoch(found)
    assert made is not None
    assert made.size < found.head()[0] - 1
    again = note_epoch(found)
    assert again is not None
    assert again.size == found.head()[0] - 1
    assert note_epoch(found) is None


def test_where_claims_come_all_the_time_two_runs_do_not_record_one_epoch_twice(found, monkeypatch):
    """The other one comes just before the first gives up waiting for the log to rest."""
    make, tries = snapshot.from_view, []

    def made(*args, **options):
        tries.append(args)
        if len(tries) <= EPOCH_TRIES:
            found.append(draft(20 + len(tries)))
        if len(tries) == EPOCH_TRIES:
            assert note_epoch(found) is not None
        return make(*args, **options)

    monkeypatch.setattr(snapshot, "from_view", made)
    assert note_epoch(found) is None
    assert len(tries) == EPOCH_TRIES + 1
    assert [epoch.number for epoch in epochs_of(found)] == [0]
    assert note_epoch(found) is None


def test_runs_at_once_keep_each_others_cosignatures(found, monkeypatch):
    key = first_signer(found)

    def half(name: str):
        def asked(url, verifier, *args, **options):
            if verifier.name != name:
                raise FetchError("unreachable", "not now")
            return cosigned(url, verifier, *args, **options)

        return asked

    note_epoch(found)
    _, before = sign_head(found, key)
    for one in (WITNESS, OTHER):
        monkeypatch.setattr(publishing, "ask", half(one.name))
        monkeypatch.setattr(publishing, "sign_head", lambda *_: (checkpoint.parse(before), before))
        publish(found, key, policy_of(key))
    ((_, kept),) = found.checkpoints()
    assert len(cosignature.times(kept, [WITNESS.verifier, OTHER.verifier])) == 2


def test_a_log_never_signs_two_heads_of_one_size(found, tmp_path):
    key = first_signer(found)
    done = publish(found, key, policy_of(key))
    other = checkpoint.sign(Checkpoint(key.name, done.head.size, bytes(32)), key)
    with pytest.raises(RollbackError, match="has signed"):
        found.keep_checkpoint(done.head.size, other)
    kept = found.checkpoints()
    forger.change(tmp_path / "registry.db", 3, recorded_at="2027-01-01T00:00:00.000000Z")
    with pytest.raises(RollbackError, match="has signed"):
        publish(found, key, policy_of(key))
    assert found.checkpoints() == kept


def test_a_head_that_is_shorter_than_what_was_signed_or_not_of_its_entries_is_not_signed(
    found, tmp_path
):
    key = first_signer(found)
    size, root = found.head()
    longer = checkpoint.sign(Checkpoint(key.name, size + 1, bytes(32)), key)
    found.keep_checkpoint(size + 1, longer)
    with pytest.raises(RollbackError, match=r"expected 4 log entries or more, as .* has signed"):
        sign_head(found, key)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file, file:
        file.execute("DELETE FROM checkpoints")
        file.execute("UPDATE head SET root = ?", (bytes(32),))
    with pytest.raises(RegistryError, match="found others"):
        sign_head(found, key)
    assert not found.checkpoints()
    with closing(sqlite3.connect(tmp_path / "registry.db")) as file, file:
        file.execute("UPDATE head SET root = ?", (root,))
    sign_head(found, key)


def test_a_kept_checkpoint_that_was_damaged_is_signed_anew(found):
    key = first_signer(found)
    found.keep_checkpoint(3, b"rubbish")
    _, body = sign_head(found, key)
    assert found.checkpoints() == [(3, body)]


def test_who_publishes_an_older_head_meanwhile_does_not_take_the_store_back(found):
    """Readers would take it for a log that has shrunk."""
    key = first_signer(found)
    store, newer = MemoryStore(), []

    def meanwhile(path: str) -> None:
        if path == "checkpoint" and not newer:
            newer.append(path)
            found.append(draft(7))
            publish(found, key, policy_of(key), store)

    class Watched(MemoryStore):
        def exists(self, path: str) -> bool:
            watching.append(path)
            if len(watching) == 3:  # all is written but the checkpoint
                meanwhile(path)
            return store.exists(path)

    watching: list[str] = []
    publish(found, key, policy_of(key), Watched(files=store.files))
    assert newer
    assert checkpoint.parse(store.files["checkpoint"]).size == 6
    watching = ["x", "x", "x"]
    head = sign_head(found, key)
    found.append(draft(8))
    publish(found, key, policy_of(key), store)
    # a run that has read its head before all that is not told that the database is too old
    assert write(LogFiles(found, head[0], found.leaf_hashes(6)), head[1], store) == Written()
    assert checkpoint.parse(store.files["checkpoint"]).size == 8


@both
def test_registries_in_use_lose_nothing(tmp_path, database):
    """Claims, epochs and rotations at once, by several processes' worth of registries."""
    told = []
    registry = partial(Registry.open, database.where, FixedClock(), keys=database.keys)
    with registry(random=random_bytes(0), create=True) as made:
        first_signer(made)
    store = open_store(str(tmp_path / "log"))

    def recording(first: int) -> None:
        with registry() as opened:
            for seed in range(first, first + 6):
                opened.append(draft(seed))

    def publishing_() -> None:
        for _ in range(4):
            with registry() as opened:
                key = signer_of(opened)
                assert key is not None
                try:
                    publish(opened, key, Policy((Log(key.verifier),)), store)
                except RegistryError as e:  # the key was handed over meanwhile
                    told.append(str(e))

    def rotating() -> None:
        for _ in range(2):
            with registry() as opened:
                rotate(opened)

    tasks = [lambda: recording(100), lambda: recording(200), publishing_, publishing_, rotating]
    with ThreadPoolExecutor(len(tasks)) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()
    assert all("expected the key that signs" in one for one in told)
    publishing_()
    with registry() as opened:
        view = opened.view()
        assert len(opened.claims()) == 12
        assert not status.is_due(view.leaves, opened.now(), opened.where)
        hashes = opened.leaf_hashes()
        for size, body in opened.checkpoints():
            assert checkpoint.parse(body).root == merkle.root(hashes[:size])
        assert len({epoch.size for epoch in epochs_of(opened)}) == len(epochs_of(opened))
        key = c2sp_check.vkey(opened.log_key()[1], 1)
    c2sp_check.tiles(tmp_path / "log", key)


# --- announce


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_whose_announcement_broke_off_is_announced_once(found, tmp_path, kind):
    body = manifest_bytes(assemble(manifests.draft(), manifests.FILES))
    (tmp_path / MANIFEST_PATH).write_bytes(body)
    found.faults = Faults(1, kind)
    with pytest.raises(RegistryError, match="injected"):
        announce(found, str(tmp_path))
    found.faults = Faults()
    notice, seq = announce(found, str(tmp_path))
    assert (seq, found.head()[0]) == (3, 4)
    assert announce(found, str(tmp_path)) == (notice, seq)
    other = manifest_bytes(assemble(manifests.draft(title="another"), manifests.FILES))
    (tmp_path / MANIFEST_PATH).write_bytes(other)
    assert announce(found, str(tmp_path))[1] == 4


def test_a_release_that_is_announced_by_several_at_once_is_announced_once(found, tmp_path):
    body = manifest_bytes(assemble(manifests.draft(), manifests.FILES))
    (tmp_path / MANIFEST_PATH).write_bytes(body)
    ready = threading.Barrier(4)

    def announced() -> int:
        with Registry.open(found.where, FixedClock()) as opened:
            ready.wait()
            return announce(opened, str(tmp_path))[1]

    with ThreadPoolExecutor(4) as pool:
        places = [one.result() for one in [pool.submit(announced) for _ in range(4)]]
    assert (places, found.head()[0]) == ([3] * 4, 4)


@pytest.mark.parametrize("named", [".", "./", MANIFEST_PATH, f"./{MANIFEST_PATH}", "../release"])
def test_a_release_is_announced_from_inside_its_folder(found, tmp_path, monkeypatch, named):
    release = tmp_path / "release"
    release.mkdir()
    (release / MANIFEST_PATH).write_bytes(
        manifest_bytes(assemble(manifests.draft(), manifests.FILES))
    )
    monkeypatch.chdir(release)
    assert announce(found, named)[1] == 3
