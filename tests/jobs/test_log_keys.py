"""The key that signs for a log: rotations that break off anywhere leave one that signs."""

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs import claimant_files, log_keys, receipts
from jobs.cli import optout, registry
from jobs.list_files import read_signer, write_signer
from jobs.log_keys import own_file, signer_at_hand, signer_of
from optout.log.note import SignerKey, VerifierKey, parse_verifier_key
from optout.registry import Registry
from schemas.errors import RegistryError, UsageError
from tests.fakes import FixedClock
from tests.jobs.commands import run
from tests.jobs.publishing import BrokenOffError, submitted

ORIGIN = "example.org/optouts"
STEPS = 5
"""The new key's file, the database, the old key's own file, the file that signs, the policy."""


@pytest.fixture
def place(own_place) -> Path:
    """The folder of a registry with a claim, published; and a receipt of it."""
    run(registry.app, "init", ORIGIN)
    submitted("Ada Example")
    run(registry.app, "publish", "--to", own_place / "log")
    return own_place / "home"


def opened(place: Path) -> Registry:
    return Registry.open(str(place / "registry.db"), FixedClock())


def key_of(place: Path) -> VerifierKey:
    with opened(place) as found:
        return parse_verifier_key(found.log_key()[1])


def key_file(place: Path) -> Path:
    return place / "registry.db.log-key"


def break_off(monkeypatch, step: int, stop) -> list[str]:
    """Let one of the steps of a rotation fail before it does anything, or right after.

    stop: is called with what the step does. Returns the steps, as they come.
    """
    done: list[str] = []

    def faulty(name: str, act):
        def acted(*args, **kwargs):
            done.append(name)
            return stop(lambda: act(*args, **kwargs)) if len(done) == step else act(*args, **kwargs)

        return acted

    monkeypatch.setattr(log_keys, "write_signer", faulty("key", write_signer))
    monkeypatch.setattr(Registry, "set_log_key", faulty("database", Registry.set_log_key))
    monkeypatch.setattr(
        log_keys, "replace_private", faulty("in place", claimant_files.replace_private)
    )
    monkeypatch.setattr(
        receipts, "replace_private", faulty("policy", claimant_files.replace_private)
    )
    return done


def failed(_act) -> None:
    raise BrokenOffError


def written(act) -> None:
    act()
    raise BrokenOffError


def check_that_it_goes_on(place: Path, before: VerifierKey) -> None:
    """Publish, submit and verify after a run that broke off; and once more after a rotation."""
    receipt = next((place / "claimant").glob("*.receipt.json"))
    for _ in range(2):
        submitted("Bea Example")
        run(registry.app, "publish", "--to", place.parent / "log")
        now = key_of(place)
        assert read_signer(key_file(place)).verifier == now  # the plain name, for whoever copies it
        policy = receipts.read_policy(place / "claimant" / "policy")
        assert {before, now} <= set(policy.log_keys(ORIGIN))
        run(optout.app, "receipt", receipt.name.partition(".")[0])
        run(optout.app, "verify-receipt", receipt, "--registry", place / "registry.db")
        if now != before:
            assert read_signer(own_file(key_file(place), before)).verifier == before
        run(registry.app, "rotate")


def test_a_rotation_takes_the_steps_that_are_tested_here(place, monkeypatch):
    done = break_off(monkeypatch, 0, failed)
    run(registry.app, "rotate")
    assert done == ["key", "database", "key", "in place", "policy"]
    assert len(done) == STEPS


@pytest.mark.parametrize("stop", [failed, written])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_every_step_of_a_rotation_may_fail(place, step, stop):
    before = key_of(place)
    with pytest.MonkeyPatch.context() as patch:
        break_off(patch, step, stop)
        with pytest.raises(BrokenOffError):
            run(registry.app, "rotate")
    taken = (step, stop) not in ((1, failed), (1, written), (2, failed))
    assert (key_of(place) != before) is taken
    if step > 1 and not taken:
        assert not list(place.glob("registry.db.log-key.[0-9a-f]*"))
    with opened(place) as found:  # a build, which writes nothing, signs by the right key as well
        signer = signer_at_hand(found)
        assert signer is not None
        assert signer.verifier == key_of(place)
    check_that_it_goes_on(place, before)


KILLED = """
import os, sys
import pytest
from tests.jobs.test_log_keys import break_off
from jobs.cli import app

def killed(act):
    if sys.argv[2] == "written":
        act()
    os._exit(9)

break_off(pytest.MonkeyPatch(), int(sys.argv[1]), killed)
app(["registry", "rotate"])
"""


@pytest.mark.parametrize("kind", ["failed", "written"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_rotation_may_be_killed_at_every_step(place, step, kind):
    before = key_of(place)
    done = subprocess.run([sys.executable, "-c", KILLED, str(step), kind], check=False)
    assert done.returncode == 9
    check_that_it_goes_on(place, before)


def test_what_an_older_recuse_broke_off_is_mended(place):
    """It put the old key aside, and the new one in its place, before the database moved."""
    before = key_of(place)
    key_file(place).rename(own_file(key_file(place), before))
    check_that_it_goes_on(place, before)
    before = key_of(place)
    key_file(place).rename(own_file(key_file(place), before))
    write_signer(SignerKey(ORIGIN, bytes(32)), key_file(place))
    check_that_it_goes_on(place, before)


def test_rotations_at_once_leave_the_key_that_the_database_names(place):
    before = key_of(place)
    told = []

    def rotated() -> None:
        try:
            with opened(place) as found:
                log_keys.rotate(found)
        except (RegistryError, UsageError) as e:  # whoever comes second hands over nothing
            told.append(str(e))

    threads = [threading.Thread(target=rotated) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) < len(threads)
    run(registry.app, "publish")  # a policy beside the registry gets what the threads left out
    check_that_it_goes_on(place, before)


def test_a_new_key_elsewhere_is_named_by_who_publishes(place):
    before = key_of(place)
    new = place / "elsewhere" / "new.key"
    assert f"stays in {key_file(place)}" in run(registry.app, "rotate", "--new", new)
    with pytest.raises(RegistryError, match="--key FILE"):
        run(registry.app, "publish")
    run(registry.app, "publish", "--key", new)
    assert read_signer(new).verifier == key_of(place)
    with pytest.raises(UsageError, match="new file"):
        run(registry.app, "rotate", "--key", new, "--new", new)
    with pytest.raises(RegistryError, match="key that signs"):
        run(registry.app, "rotate")  # by a file that is the one before
    run(registry.app, "rotate", "--key", new)
    assert read_signer(new).verifier == key_of(place)
    assert read_signer(key_file(place)).verifier == before


@pytest.mark.parametrize("fault", [failed, written])
def test_a_new_key_elsewhere_that_the_database_has_not_taken_is_dropped(place, fault):
    new = place / "new.key"
    with pytest.MonkeyPatch.context() as patch:
        break_off(patch, 2, fault)
        with pytest.raises(BrokenOffError):
            run(registry.app, "rotate", "--new", new)
    assert new.exists() is (fault is written)
    run(registry.app, "publish", *(["--key", new] if new.exists() else []))


# --- the first key


@pytest.mark.parametrize("stop", [failed, written])
@pytest.mark.parametrize("step", [1, 2])
def test_the_first_key_may_fail_at_every_step(own_place, step, stop):
    with pytest.MonkeyPatch.context() as patch:
        break_off(patch, step, stop)
        with pytest.raises(BrokenOffError):
            run(registry.app, "init", ORIGIN)
    if (step, stop) == (2, written):
        with pytest.raises(UsageError, match="rotate"):
            run(registry.app, "init", ORIGIN)
    else:
        run(registry.app, "init", ORIGIN)
    submitted("Ada Example")
    run(registry.app, "publish")
    home = own_place / "home"
    check_that_it_goes_on(home, key_of(home))


def test_a_key_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "one.key"

    def full(_number) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space left"):
            write_signer(SignerKey(ORIGIN, bytes(32)), path)
    assert not list(tmp_path.iterdir())

    def no_links(*_paths) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)  # as on a stick
    write_signer(SignerKey(ORIGIN, bytes(32)), path)
    with pytest.raises(UsageError, match="new file"):
        write_signer(SignerKey(ORIGIN, bytes([1] * 32)), path)
    assert read_signer(path).seed == bytes(32)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_written_anew_keeps_its_mode_and_its_place(tmp_path):
    there, path = tmp_path / "elsewhere" / "policy", tmp_path / "policy"
    there.parent.mkdir()
    there.write_text("quorum none\n")
    there.chmod(0o644)
    path.symlink_to(there)
    key = SignerKey(ORIGIN, bytes(32)).verifier
    receipts.trust_log(path, key)
    assert path.is_symlink()
    assert there.read_text() == f"log {key}\nquorum none\n"
    assert stat.S_IMODE(there.stat().st_mode) == 0o644
    with pytest.raises(UsageError, match="with the log"):  # nothing is written that nobody reads
        receipts.trust_log(path, VerifierKey("another/name", key.public))
    assert there.read_text() == f"log {key}\nquorum none\n"


def test_where_the_new_key_cannot_take_the_place_of_the_old_one_it_is_said_where_both_are(
    place, monkeypatch
):
    before = key_of(place)

    def full(*_args: object) -> None:
        raise UsageError("expected to write anew: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log_keys, "replace_private", full)
        said = run(registry.app, "rotate")
    now = key_of(place)
    assert read_signer(own_file(key_file(place), now)).verifier == now
    assert f"private key: {own_file(key_file(place), now)}" in said
    assert f"the old key is in {key_file(place)} " in said
    assert read_signer(key_file(place)).verifier == before
    check_that_it_goes_on(place, before)


def test_what_keeps_a_first_key_or_policy_from_being_written_is_told(tmp_path, monkeypatch):
    def full(_number) -> None:
        raise OSError(28, "No space left on device")

    where = str(tmp_path / "registry.db")
    with Registry.open(where, FixedClock(), create=True) as found:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match=r"log-key: No space left"):
            signer_of(found)
        with pytest.raises(UsageError, match=r"policy: No space left"):
            receipts.trust_log(tmp_path / "policy", SignerKey(ORIGIN, bytes(32)).verifier)


def test_logs_that_are_added_to_a_policy_at_once_all_stand_in_it_once(tmp_path):
    path, ready = tmp_path / "policy", threading.Barrier(8)
    keys = [SignerKey(f"example.org/{n % 4}", bytes([n] * 32)).verifier for n in range(8)]

    def added(key: VerifierKey) -> None:
        ready.wait()
        receipts.trust_log(path, key)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(added, key) for key in keys]:
            done.result()
    assert {log.key for log in receipts.read_policy(path).logs} == set(keys)


def test_keys_that_cannot_be_read_or_are_none(place):
    with opened(place) as found:
        own_file(key_file(place), key_of(place)).write_text("rubbish")
        assert signer_of(found) is not None  # the other file has it
        key_file(place).write_text("rubbish")
        with pytest.raises(UsageError, match="PRIVATE"):
            signer_of(found)
        own_file(key_file(place), key_of(place)).unlink()
        with pytest.raises(UsageError, match="PRIVATE"):
            signer_of(found)
        key_file(place).unlink()
        assert signer_of(found) is None
