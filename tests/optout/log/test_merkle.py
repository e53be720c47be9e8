import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import merkle
from schemas.errors import ProofError

VECTORS = Path(__file__).parents[3].parent / "shared" / "vectors" / "rfc6962"
SIZES = 70
LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(SIZES)]

# Source: certificate-transparency's eight leaves, and the root after each of them.
EIGHT = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
EIGHT += ["606162636465666768696a6b6c6d6e6f"]
ROOT_OF_EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
ROOT_PREFIXES = ["6e340b9c", "fac54203", "aeb6bcfe", "d37ee418", "4e3bbb1f", "76e67dad", "ddb89be4"]


def cases(kind: str) -> list[Path]:
    return sorted((VECTORS / kind).rglob("*.json"))


def decoded(text: str | None) -> bytes:
    return base64.b64decode(text or "", validate=True)


def recursive_root(leaves: list[bytes]) -> bytes:
    """The tree by its definition, RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_constants_of_the_reference_hasher() -> None:
    assert merkle.EMPTY_ROOT.hex().startswith("e3b0c442")
    assert merkle.leaf_hash(b"").hex().startswith("6e340b9c")
    assert merkle.leaf_hash(b"L123456").hex().startswith("395aa064")
    assert merkle.node_hash(b"N123", b"N456").hex().startswith("aa217fe8")


def test_roots_of_the_classic_eight_leaves() -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in EIGHT]
    for size, prefix in enumerate(ROOT_PREFIXES, start=1):
        assert merkle.root(leaves[:size]).hex().startswith(prefix)
    assert merkle.root(leaves).hex() == ROOT_OF_EIGHT


@pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no published vectors in {VECTORS}")
def test_published_inclusion_vectors_agree() -> None:
    found = cases("inclusion")
    assert len(found) == 98
    for path in found:
        case = json.loads(path.read_text())
        proof = [decoded(h) for h in case["proof"] or []]
        args = (decoded(case["leafHash"]), case["leafIdx"], case["treeSize"], proof)
        assert refused(merkle.verify_inclusion, *args, decoded(case["root"])) == case["wantErr"], (
            path
        )


@pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no published vectors in {VECTORS}")
def test_published_consistency_vectors_agree() -> None:
    found = cases("consistency")
    assert len(found) == 98
    for path in found:
        case = json.loads(path.read_text())
        proof = [decoded(h) for h in case["proof"] or []]
        roots = (decoded(case["root1"]), decoded(case["root2"]))
        args = (case["size1"], case["size2"], *roots, proof)
        assert refused(merkle.verify_consistency, *args) == case["wantErr"], path


def refused(verify, *args) -> bool:
    try:
        verify(*args)
    except ProofError:
        return True
    return False


@pytest.mark.parametrize("size", range(SIZES + 1))
def test_frontier_root_equals_the_definition_and_survives_bytes(size: int) -> None:
    frontier = merkle.Frontier()
    for leaf in LEAVES[:size]:
        frontier = frontier.append(leaf)
    assert frontier.root() == recursive_root(LEAVES[:size]) == merkle.root(LEAVES[:size])
    assert merkle.Frontier.from_bytes(size, frontier.to_bytes()) == frontier


@pytest.mark.parametrize("size", range(1, SIZES + 1))
def test_every_leaf_is_proved_and_no_other_leaf_passes_for_it(size: int) -> None:
    root = merkle.root(LEAVES[:size])
    for index in range(size):
        proof = merkle.inclusion_proof(LEAVES[:size], index)
        merkle.verify_inclusion(LEAVES[index], index, size, proof, root)
        with pytest.raises(ProofError):
            merkle.verify_inclusion(merkle.leaf_hash(b"x"), index, size, proof, root)


@pytest.mark.parametrize("new", range(1, SIZES + 1))
def test_every_older_tree_is_proved_to_be_extended(new: int) -> None:
    root = merkle.root(LEAVES[:new])
    for old in range(1, new + 1):
        proof = merkle.consistency_proof(LEAVES[:new], old)
        merkle.verify_consistency(old, new, merkle.root(LEAVES[:old]), root, proof)
        with pytest.raises(ProofError):
            merkle.verify_consistency(old, new, merkle.leaf_hash(b"x"), root, proof)


@given(st.integers(1, SIZES), st.data())
def test_a_changed_proof_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(LEAVES[:size], index)
    args = [LEAVES[index], index, size, proof, merkle.root(LEAVES[:size])]
    change = data.draw(st.sampled_from(["shorter", "longer", "bit", "root"]))
    if change == "shorter" and proof:
        args[3] = proof[:-1]
    elif change == "bit" and proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        value = int.from_bytes(proof[at], "big") ^ (1 << bit)
        args[3] = [*proof[:at], value.to_bytes(32, "big"), *proof[at + 1 :]]
    elif change == "root":
        args[4] = merkle.leaf_hash(b"another")
    else:
        args[3] = [*proof, b"\0" * 32]
    with pytest.raises(ProofError):
        merkle.verify_inclusion(*args)


@given(
    st.integers(-2, 9),
    st.integers(-2, 9),
    st.lists(st.binary(max_size=33), max_size=4),
    st.binary(max_size=33),
    st.binary(max_size=33),
)
def test_any_bytes_give_an_answer_or_our_error(a, b, proof, x, y) -> None:
    refused(merkle.verify_inclusion, x, a, b, proof, y)
    refused(merkle.verify_consistency, a, b, x, y, proof)


def test_proofs_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(ProofError):
        merkle.inclusion_proof(LEAVES[:3], 3)
    with pytest.raises(ProofError):
        merkle.consistency_proof(LEAVES[:3], 0)
    with pytest.raises(ProofError):
        merkle.Frontier.from_bytes(3, b"\0" * 32)
