import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import checkpoint, fork, merkle, tiles
from optout.log.checkpoint import Checkpoint
from optout.log.note import SignerKey
from optout.log.policy import Log, Policy
from optout.log.tile_reader import TileReader
from schemas.errors import ProofError

KEY = SignerKey("log.example", bytes(range(32)))
NEW = SignerKey(KEY.name, bytes([7]) * 32)
POLICY = Policy((Log(KEY.verifier), Log(NEW.verifier)))
HASHES = [merkle.leaf_hash(str(n).encode()) for n in range(600)]


def other(at: int) -> list[bytes]:
    """The log with another entry at an index."""
    return [*HASHES[:at], merkle.leaf_hash(b"another"), *HASHES[at + 1 :]]


def signed(leaves: list[bytes], key: SignerKey = KEY) -> bytes:
    return checkpoint.sign(Checkpoint(key.name, len(leaves), merkle.root(leaves)), key)


def log(leaves: list[bytes]) -> TileReader:
    files = {
        tile.path: tiles.hash_tile(tile, lambda a, b: leaves[a:b])
        for tile in tiles.hash_tiles(0, len(leaves))
    }
    return TileReader(files.__getitem__, len(leaves), merkle.root(leaves))


def proved(first: list[bytes], second: list[bytes]) -> fork.Fork | None:
    logs = (log(first), log(second))
    return fork.of_logs(signed(first), signed(second), POLICY, logs)


def test_two_heads_of_one_size_prove_a_fork_as_they_stand():
    first, second = signed(HASHES[:9]), signed(other(3)[:9])
    found = fork.of_heads(first, second, POLICY)
    body = found.to_bytes()
    assert body == b"recuse-fork/1\n\n" + first + b"\n" + second
    heads = fork.verify(fork.parse(body), POLICY)
    assert [head.size for head in heads] == [9, 9]
    assert proved(HASHES[:9], other(3)[:9]) == found


def test_one_head_twice_or_a_log_that_grew_is_no_fork():
    assert fork.of_heads(signed(HASHES[:9]), signed(HASHES[:9]), POLICY) is None
    assert fork.of_heads(signed(HASHES[:9]), signed(HASHES[:12]), POLICY) is None
    assert proved(HASHES[:9], HASHES[:12]) is None
    assert proved(HASHES[:5], other(5)[:12]) is None  # they part where the first has ended
    with pytest.raises(ProofError, match="no fork"):
        fork.verify(fork.Fork((signed(HASHES[:9]), signed(HASHES[:12]))), POLICY)


@pytest.mark.parametrize(
    ("at", "old", "new"), [(0, 1, 2), (3, 9, 12), (255, 256, 600), (7, 300, 8)]
)
def test_of_two_sizes_the_entry_at_which_they_part_proves_it(at, old, new):
    found = proved(HASHES[:old], other(at)[:new])
    assert found.index == at
    again = fork.parse(found.to_bytes())
    assert again == found
    heads = fork.verify(again, POLICY)
    assert [head.size for head in heads] == [old, new]


def test_only_the_log_can_have_made_it():
    stranger = SignerKey(KEY.name, bytes(32))
    with pytest.raises(ProofError):
        fork.of_heads(signed(HASHES[:9]), signed(other(3)[:9], stranger), POLICY)
    with pytest.raises(ProofError):
        fork.verify(proved(HASHES[:9], other(3)[:12]), Policy((Log(stranger.verifier),)))


def test_a_new_key_of_the_log_binds_it_to_what_the_old_one_signed():
    found = fork.of_heads(signed(HASHES[:9]), signed(other(3)[:9], NEW), POLICY)
    assert fork.verify(found, POLICY)[1].root == merkle.root(other(3)[:9])


def test_two_logs_are_no_fork():
    second = SignerKey("second.example", KEY.seed[::-1])
    both = Policy((Log(KEY.verifier), Log(second.verifier)))
    with pytest.raises(ProofError, match="two checkpoints of"):
        fork.of_heads(signed(HASHES[:9]), signed(other(3)[:9], second), both)


def test_equal_leaves_and_files_of_another_log_prove_nothing():
    first, second = HASHES[:9], HASHES[:12]
    leaves = tuple(
        fork.Leaf(HASHES[4], tuple(merkle.inclusion_proof(part, 4))) for part in (first, second)
    )
    with pytest.raises(ProofError, match="no fork"):
        fork.verify(fork.Fork((signed(first), signed(second)), 4, leaves), POLICY)
    with pytest.raises(ProofError, match="log of size"):
        fork.of_logs(signed(first), signed(second), POLICY, (log(first), log(first)))


def test_no_change_of_a_proof_is_accepted():
    rng = random.Random(3)
    body = proved(HASHES[:9], other(3)[:12]).to_bytes()
    for _ in range(500):
        at = rng.randrange(len(body))
        bad = rng.choice([body[:at] + body[at + 1 :], body[:at] + b"\n" + body[at:], b""]) or (
            body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
        )
        with pytest.raises(ProofError):
            fork.verify(fork.parse(bad), POLICY)


@given(
    st.binary(max_size=99)
    | st.lists(
        st.sampled_from([b"recuse-fork/1", b"index 1", b"first ", b"", b"\n", signed(HASHES[:2])]),
        max_size=9,
    ).map(b"\n".join)
)
def test_any_bytes_are_a_proof_or_our_error(body):
    try:
        found = fork.parse(body)
    except ProofError:
        return
    assert found.to_bytes() == body
