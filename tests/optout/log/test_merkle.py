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

H01 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
H23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
H45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
H67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
H03 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
H47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
L0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
L4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
F2 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
INCLUSION = {(0, 1): [], (0, 8): [H01, H23, H47], (5, 8): [L4, H67, H03],
             (2, 3): [F2], (1, 5): [L0, H23, L4]}  # fmt: skip
CONSISTENCY = {(1, 1): [], (1, 8): [H01, H23, H47], (6, 8): [H45, H67, H03],
               (2, 5): [H23, L4]}  # fmt: skip
"""Proofs over the eight leaves, from the tests of certificate-transparency's Merkle trees."""


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


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_in_the_classic_eight_leaves(index: int, size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in EIGHT[:size]]
    proof = [bytes.fromhex(one) for one in INCLUSION[index, size]]
    assert merkle.inclusion_proof(leaves, index) == proof
    merkle.verify_inclusion(leaves[index], index, size, proof, merkle.root(leaves))
    assert refused(merkle.verify_inclusion, leaves[index], index, size, [*proof, leaves[0]],
                   merkle.root(leaves))  # fmt: skip


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_of_the_classic_eight_leaves(old: int, new: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in EIGHT]
    proof = [bytes.fromhex(one) for one in CONSISTENCY[old, new]]
    roots = merkle.root(leaves[:old]), merkle.root(leaves[:new])
    assert merkle.consistency_proof(leaves[:new], old) == proof
    merkle.verify_consistency(old, new, *roots, proof)
    assert refused(merkle.verify_consistency, old, new, *roots, [*proof, leaves[0]])


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
