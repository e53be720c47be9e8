import base64
import hashlib
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import sparse
from optout.log.sparse import EMPTY, Proof, SparseMap, joined, verify, verify_many
from schemas.errors import ProofError, SchemaError

# Few first bytes and many zeros, so that keys run together for long.
KEYS = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.tuples(st.sampled_from([b"\x00", b"\x01", b"\x80"]), st.integers(0, 31)).map(
        lambda p: p[0].ljust(p[1], b"\x00") + bytes([1]).ljust(32 - max(1, p[1]), b"\x00")
    ),
)
KEYS = KEYS.filter(lambda key: len(key) == 32)
VALUES = st.binary(min_size=32, max_size=32)
MAPS = st.dictionaries(KEYS, VALUES, max_size=20)


def key(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


def numbered(count: int) -> SparseMap:
    return SparseMap((key(n), key(n + 1_000_000)) for n in range(count))


def recursive_root(pairs: dict[bytes, bytes], depth: int = 0) -> bytes:
    """The root by the definition in the module's docstring."""
    if not pairs:
        return hashlib.sha256(b"recuse/v1/map/empty").digest()
    if len(pairs) == 1:
        ((one, value),) = pairs.items()
        return hashlib.sha256(b"recuse/v1/map/leaf" + one + value).digest()
    sides: tuple[dict[bytes, bytes], ...] = ({}, {})
    for one, value in pairs.items():
        sides[int.from_bytes(one, "big") >> (255 - depth) & 1][one] = value
    left, right = (recursive_root(side, depth + 1) for side in sides)
    return hashlib.sha256(b"recuse/v1/map/node" + left + right).digest()


@given(MAPS, st.randoms())
def test_root_follows_from_the_pairs_and_not_from_their_order(pairs, rng) -> None:
    listed = list(pairs.items())
    rng.shuffle(listed)
    assert SparseMap(listed).root() == recursive_root(pairs)


@given(MAPS, st.integers(0, 5))
def test_a_map_made_in_pieces_is_the_same_map(pairs, depth) -> None:
    pieces: list[list[tuple[bytes, bytes]]] = [[] for _ in range(1 << depth)]
    for one, value in pairs.items():
        pieces[int.from_bytes(one, "big") >> (256 - depth)].append((one, value))
    whole = joined([SparseMap(piece).below(depth) for piece in pieces])
    assert (whole.keys, whole.hash) == (len(pairs), SparseMap(pairs.items()).root())


def test_a_map_without_keys_has_the_empty_root() -> None:
    assert SparseMap([]).root() == EMPTY
    assert verify(EMPTY, key(1), SparseMap([]).prove(key(1))) is None


@given(MAPS, st.lists(KEYS, max_size=5))
def test_present_and_absent_keys_verify_one_by_one_and_together(pairs, others) -> None:
    made = SparseMap(pairs.items())
    asked = [*pairs, *others]
    for one in asked:
        assert verify(made.root(), one, made.prove(one)) == pairs.get(one) == made.get(one)
    if asked:
        found = verify_many(made.root(), asked, made.prove_many(asked))
        assert found == {one: pairs.get(one) for one in asked}


@given(MAPS, st.lists(KEYS, min_size=1, max_size=4))
def test_a_proof_survives_json(pairs, asked) -> None:
    proof = SparseMap(pairs.items()).prove_many(asked)
    assert Proof.from_json(proof.as_json()) == proof


def test_a_proof_is_about_log2_n_long() -> None:
    made = numbered(1000)
    sizes = [len(made.prove(key(n)).hashes) for n in range(2000)]
    assert sum(sizes) / len(sizes) < 32 * (10 + 3)


def test_a_proof_of_many_keys_tells_ways_that_run_together_once() -> None:
    made = numbered(1000)
    asked = [key(n) for n in range(900, 1200)]
    alone = sum(len(made.prove(one).hashes) for one in asked)
    assert len(made.prove_many(asked).hashes) < alone / 3


def test_a_proof_under_another_root_or_for_another_key_is_refused() -> None:
    made, other = numbered(50), numbered(51)
    with pytest.raises(ProofError, match="map root"):
        verify(other.root(), key(7), made.prove(key(7)))
    for n in range(8, 40):
        with pytest.raises(ProofError):
            verify_many(made.root(), [key(7), key(n)], made.prove(key(7)))
    present, absent = key(7), key(999)
    assert verify(made.root(), present, made.prove(present)) is not None
    with pytest.raises(ProofError):
        verify(made.root(), absent, made.prove(present))


def test_a_truncated_proof_that_hides_a_present_key_is_refused() -> None:
    """The whole subtree that holds the key is passed off as empty, or as one other leaf."""
    made = numbered(200)
    hidden = key(11)
    true = made.prove(hidden)
    for cut in range(1, len(true.shape) + 1):
        for end in "ekh":
            shape = true.shape[:cut] + end
            for size in range(0, len(true.hashes) + 65, 32):
                forged = Proof(shape, true.hashes[:size].ljust(size, b"\x00"))
                if forged == true:
                    continue
                with pytest.raises(ProofError):
                    verify(made.root(), hidden, forged)


def test_a_leaf_that_stands_off_its_way_proves_no_absence() -> None:
    """A root over a tree that is no map: the leaf of one key where another key belongs."""
    low, high = b"\x00" * 32, b"\xff" * 32
    leaf = sparse.leaf_hash(high, key(1))
    root = sparse.node_hash(leaf, sparse.leaf_hash(b"\x80" + b"\x00" * 31, key(2)))
    forged = Proof("nkh", high + key(1) + sparse.leaf_hash(b"\x80" + b"\x00" * 31, key(2)))
    with pytest.raises(ProofError, match="its own way"):
        verify(root, low, forged)


def test_nodes_that_no_map_has_are_refused() -> None:
    one = b"\x00" * 32
    leaf = sparse.leaf_hash(one, key(1))
    root = sparse.node_hash(leaf, EMPTY)
    with pytest.raises(ProofError, match="two keys"):
        verify(root, one, Proof("nke", one + key(1)))
    with pytest.raises(ProofError, match="as e"):
        verify(root, one, Proof("nkh", one + key(1) + EMPTY))
    deep = "n" * 257 + "k" + "h" * 257
    with pytest.raises(ProofError, match="256 levels"):
        verify(root, one, Proof(deep, bytes(64 + 257 * 32)))


def mutated(proof: Proof, rng: random.Random) -> Proof:
    shape, hashes = proof.shape, bytearray(proof.hashes)
    match rng.randrange(6):
        case 0 if hashes:
            hashes[rng.randrange(len(hashes))] ^= 1 << rng.randrange(8)
        case 1:
            at = rng.randrange(len(shape))
            shape = shape[:at] + rng.choice("nkehx") + shape[at + 1 :]
        case 2:
            at = rng.randrange(len(shape))
            shape = shape[:at] + shape[at + 1 :]
        case 3:
            at = rng.randrange(len(shape) + 1)
            shape = shape[:at] + rng.choice("nkeh") + shape[at:]
        case 4:
            at = 32 * rng.randrange(1 + len(hashes) // 32)
            hashes = hashes[:at] + hashes[at + 32 :]
        case _:
            at = 32 * rng.randrange(1 + len(hashes) // 32)
            hashes = hashes[:at] + EMPTY + hashes[at:]
    return replace(proof, shape=shape, hashes=bytes(hashes))


def test_2000_mutations_of_proofs_are_refused() -> None:
    made = numbered(300)
    root, rng = made.root(), random.Random(5)
    for _ in range(2000):
        asked = [key(rng.randrange(600)) for _ in range(rng.choice([1, 1, 2, 20]))]
        proof = made.prove_many(asked)
        forged = mutated(proof, rng)
        if forged == proof:
            continue
        with pytest.raises(ProofError):
            verify_many(root, asked, forged)


@given(st.text(alphabet="nkeh", max_size=12), st.binary(max_size=256))
def test_any_proof_gives_a_verdict_or_a_proof_error(shape, hashes) -> None:
    made = numbered(3)
    try:
        found = verify(made.root(), key(1), Proof(shape, hashes))
    except ProofError:
        return
    assert found == made.get(key(1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["shape", "hashes"]), inner),
)


@given(JSON)
def test_any_json_gives_a_proof_or_a_proof_error(value) -> None:
    try:
        Proof.from_json(value)
    except ProofError:
        return
    assert set(value) == {"shape", "hashes"}


@pytest.mark.parametrize(
    "text", ["AB==", "AA", "AA=", "AA==\n", " AA==", "AA-_", "AA==AA==", "\u00e4"]
)
def test_base64_of_another_form_is_refused(text) -> None:
    with pytest.raises(ProofError):
        Proof.from_json({"shape": "e", "hashes": text})
    assert base64.b64encode(b"\x00") == b"AA=="


@pytest.mark.parametrize("shape", ["", "x", "e ", "\ud800"])
def test_shapes_of_other_letters_are_refused(shape) -> None:
    with pytest.raises(ProofError, match="shape"):
        Proof.from_json({"shape": shape, "hashes": ""})


def test_pairs_of_another_size_and_keys_that_come_twice_are_refused() -> None:
    with pytest.raises(SchemaError, match="31"):
        SparseMap([(bytes(31), bytes(32))])
    with pytest.raises(SchemaError, match="twice"):
        SparseMap([(key(1), key(2)), (key(1), key(3))])
    with pytest.raises(SchemaError, match="at least one"):
        numbered(2).prove_many([])
    with pytest.raises(ProofError, match="at least one"):
        verify_many(EMPTY, [], Proof("e", b""))
    with pytest.raises(ProofError, match="32 bytes"):
        verify(EMPTY, b"short", Proof("e", b""))
