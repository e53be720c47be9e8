"""What this machine has seen of a log is remembered, and an older or other state refused."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.seen import FORKS, Head, keep, require_known, seen_folder
from optout.log import checkpoint, fork
from optout.log.checkpoint import Checkpoint
from optout.log.note import SignerKey
from optout.log.policy import Log, Policy
from schemas.errors import ProofError, RollbackError, StorageError

KEY = SignerKey("example.org/optouts", bytes(32))


def head(size: int, byte: int = 1, key: SignerKey = KEY) -> Head:
    root = bytes([byte]) * 32
    body = checkpoint.sign(Checkpoint(key.name, size, root), key)
    return Head(key.name, size, root.hex(), body, key.verifier)


def test_a_log_only_grows():
    keep(head(3))
    keep(head(3))
    keep(head(5, 2))
    with pytest.raises(RollbackError, match="5 log entries"):
        keep(head(3))
    require_known(head(3))  # a receipt may be older
    require_known(head(8, 3))
    with pytest.raises(RollbackError, match="8 log entries"):
        keep(head(5, 2))


def test_two_heads_of_one_size_prove_a_fork_to_anybody():
    keep(head(4))
    with pytest.raises(RollbackError, match="two histories"):
        keep(head(4, 9))
    (proof,) = (seen_folder() / FORKS).glob("*.fork")
    found = fork.parse(proof.read_bytes())
    trusted = Policy((Log(KEY.verifier),))
    assert [one.size for one in fork.verify(found, trusted)] == [4, 4]
    other = Policy((Log(SignerKey(KEY.name, bytes([1] * 32)).verifier),))
    with pytest.raises(ProofError):
        fork.verify(found, other)
    keep(head(4))  # what was seen first stays


def test_logs_are_told_apart_by_origin():
    keep(head(4))
    keep(head(2, 7, SignerKey("example.org/other", bytes(32))))


def test_a_namesake_by_another_key_is_another_log_unless_whoever_asks_trusts_both():
    """Else anybody could make this machine refuse a log, by a longer one under its name."""
    other = SignerKey(KEY.name, bytes([1] * 32))
    keep(head(9, 7, other))
    keep(head(4))
    assert not list(seen_folder().rglob("*.fork"))
    with pytest.raises(RollbackError, match="9 log entries"):  # as after a rotation
        keep(head(5, 2), [KEY.verifier, other.verifier])
    with pytest.raises(RollbackError, match="two histories"):
        keep(head(9, 3), [other.verifier])
    (proof,) = (seen_folder() / FORKS).glob("*.fork")
    both = Policy((Log(KEY.verifier), Log(other.verifier)))
    assert [one.size for one in fork.verify(fork.parse(proof.read_bytes()), both)] == [9, 9]


def test_what_cannot_be_read_is_not_taken_for_nothing():
    keep(head(4))
    (path,) = seen_folder().glob("*.json")
    path.write_bytes(b"{}")
    with pytest.raises(StorageError, match="newest state"):
        keep(head(9))


def kept_by_an_older_recuse(said: Head) -> None:
    seen_folder().mkdir(parents=True)
    value = {"origin": said.origin, "size": said.size, "root": said.root}
    value["note"] = said.body.decode()
    (seen_folder() / "example.org%2Foptouts.json").write_text(json.dumps(value))


def test_a_state_that_an_older_recuse_has_kept_by_origin_alone_counts():
    kept_by_an_older_recuse(head(9))
    with pytest.raises(RollbackError, match=r"9 log entries .*optouts\.json"):
        keep(head(5))
    with pytest.raises(RollbackError, match="two histories"):
        require_known(head(9, 2))
    assert list((seen_folder() / FORKS).glob("*.fork"))
    keep(head(9))
    keep(head(12))
    with pytest.raises(RollbackError, match="12 log entries"):
        keep(head(10))


def test_a_state_that_an_older_recuse_has_kept_counts_only_by_its_key():
    other = SignerKey(KEY.name, bytes([1] * 32))
    kept_by_an_older_recuse(head(9, key=other))
    keep(head(5))
    with pytest.raises(RollbackError, match="9 log entries"):
        keep(head(6), [other.verifier])


@pytest.mark.parametrize("body", ["{}", "[]", '{"size": "x"}', "[" * 100_000, "\x00"])
def test_what_an_older_recuse_has_kept_is_not_taken_for_nothing_either(body):
    kept_by_an_older_recuse(head(9))
    (seen_folder() / "example.org%2Foptouts.json").write_text(body)
    with pytest.raises(StorageError, match="newest state"):
        keep(head(12))


def test_states_kept_at_once_leave_the_newest():
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda size: kept_or_refused(head(size, size)), range(1, 40)))
    assert any(found)
    with pytest.raises(RollbackError, match="39 log entries"):
        keep(head(38, 38))


def kept_or_refused(one: Head) -> bool:
    try:
        keep(one)
    except RollbackError:
        return False
    return True
