"""The product and the independent checker say the same of what is good, and of what is not."""

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest

from optout.log import checkpoint, merkle, policy, tiles
from optout.log.checkpoint import Checkpoint
from optout.log.cosignature import cosign, with_signatures
from optout.log.proof import LogProof, parse, render, verify
from optout.log.tile_reader import TileReader
from schemas.errors import CurationError
from tests.independent import c2sp_check
from tests.optout.log.test_policy import EXAMPLE
from tests.optout.log.test_proof import (
    GOOD,
    HASHES,
    KEY,
    LEAVES,
    POLICY,
    STRANGER,
    WITNESSES,
    proof_of,
)

CHECKER = Path(c2sp_check.__file__)
LOG_KEY = c2sp_check.vkey(str(KEY.verifier), 1)
REFUSED = "refused"


def test_the_checker_is_short_and_imports_nothing_of_ours():
    text = CHECKER.read_text(encoding="utf-8")
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 200
    names = [
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    ours = {"jobs", "pipeline", "optout", "schemas", "tests"}
    assert not {name.split(".")[0] for name in names} & ours


def by_product(body: bytes, leaf: bytes, policy_body: bytes):
    try:
        found = verify(leaf, parse(body), policy.parse(policy_body, "policy"))
    except CurationError:
        return REFUSED
    times = {(k.name, bytes.fromhex(k.key_id)): at for k, at in found.times.items()}
    return found.checkpoint.origin, found.checkpoint.size, found.index, times, found.quorum


def by_checker(body: bytes, leaf: bytes, policy_body: bytes):
    try:
        return c2sp_check.proof(body, leaf, policy_body)
    except c2sp_check.Refused:
        return REFUSED


def changed(rng: random.Random, body: bytes) -> bytes:
    """The bytes with one change, anywhere."""
    at, kind = rng.randrange(len(body)), rng.randrange(6)
    if kind == 0:
        return body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
    if kind == 1:
        return body[:at] + bytes([rng.choice(b"0129AQgw+/=-_ \n\t\x7f")]) + body[at + 1 :]
    if kind == 2:
        return body[:at] + body[at + rng.randrange(1, 9) :]
    if kind == 3:
        return body[:at] + rng.choice([b"\n", b" ", b"=", b"0", b"\xc2\xa0", b"#"]) + body[at:]
    lines = body.splitlines(keepends=True)
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    if kind == 4:
        lines[a], lines[b] = lines[b], lines[a]
    else:
        lines.insert(a, lines[b])
    return b"".join(lines)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 9, 300])
def test_both_accept_the_same_proofs(size):
    for index in {0, size // 2, size - 1}:
        for who in ((), WITNESSES[:1], [*WITNESSES, STRANGER]):
            body = render(proof_of(index, size, *who, extra=b"x"))
            said = by_product(body, LEAVES[index], POLICY.to_bytes())
            assert said == by_checker(body, LEAVES[index], POLICY.to_bytes()) != REFUSED
            assert by_checker(body, b"another", POLICY.to_bytes()) == REFUSED


def test_both_say_the_same_of_2000_changed_proofs():
    rng = random.Random(6)
    body, good = render(GOOD), POLICY.to_bytes()
    said = []
    for _ in range(2000):
        bad = changed(rng, body)
        said.append(by_product(bad, LEAVES[201], good))
        assert said[-1] == by_checker(bad, LEAVES[201], good), bad
    assert 1500 < said.count(REFUSED) < 2000  # lines of strangers and extra data may change


@pytest.mark.parametrize("text", [POLICY.to_bytes(), EXAMPLE.encode()])
def test_both_read_the_same_of_changed_policies(text):
    rng = random.Random(7)
    refused = 0
    for _ in range(600):
        bad = changed(rng, text)
        said = read_policies(bad)
        assert said[0] == said[1], bad
        refused += said[0] == REFUSED
    assert 200 < refused < 600


def read_policies(body: bytes):
    try:
        ours = policy.parse(body, "p")
        first = (
            [str(log.key) for log in ours.logs],
            [str(key) for key in ours.witness_keys],
            [ours.is_met(set(ours.witness_keys[n:])) for n in range(7)],
        )
    except CurationError:
        first = REFUSED
    try:
        logs, keys, met = c2sp_check.policy(body)
        keys = list(keys)
        second = (
            [text_of(key, b"\x01") for key in logs],
            [text_of(key, b"\x04") for key in keys],
            [met({key[:2] for key in keys[n:]}) for n in range(7)],
        )
    except c2sp_check.Refused:
        second = REFUSED
    return first, second


def text_of(key, kind: bytes) -> str:
    name, key_id, public = key
    material = c2sp_check.base64.b64encode(kind + public).decode()
    return f"{name}+{key_id.hex()}+{material}"


def signed(size: int, leaves=HASHES) -> bytes:
    return checkpoint.sign(Checkpoint(KEY.name, size, merkle.root(leaves[:size])), KEY)


def agree_on_consistency(old: bytes, new: bytes, proof: list[bytes]) -> bool:
    """Whether both take the newer checkpoint for one that extends the older."""
    try:
        first, second = (checkpoint.opened(body, KEY.verifier) for body in (old, new))
        if first.size or proof or second.size < first.size:
            merkle.verify_consistency(first.size, second.size, first.root, second.root, proof)
        ours = True
    except CurationError:
        ours = False
    try:
        c2sp_check.consistent(old, new, LOG_KEY, proof)
        theirs = True
    except c2sp_check.Refused:
        theirs = False
    assert ours == theirs
    return ours


def test_both_say_the_same_of_every_growth_and_of_every_fork():
    fork = [*HASHES[:6], merkle.leaf_hash(b"another"), *HASHES[7:]]
    for new in range(1, 19):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(HASHES[:new], old)
            assert agree_on_consistency(signed(old), signed(new), proof)
            forked = merkle.consistency_proof(fork[:new], old)
            said = agree_on_consistency(signed(old), signed(new, fork), forked)
            assert said == (old < 7)  # the first six are the same
            for bad in (proof[:-1], [*proof, bytes(32)], [bytes(32), *proof][: len(proof)]):
                if bad != proof:
                    assert not agree_on_consistency(signed(old), signed(new), bad)
        assert agree_on_consistency(signed(0), signed(new), [])
        assert not agree_on_consistency(signed(0), signed(new), [bytes(32)])
        assert not agree_on_consistency(signed(new), signed(new - 1), [])


@pytest.fixture
def folder(tmp_path) -> Path:
    size = len(LEAVES)
    files = {tiles.CHECKPOINT_FILE: signed(size)}
    for tile in tiles.hash_tiles(0, size):
        files[tile.path] = tiles.hash_tile(tile, lambda a, b: HASHES[a:b])
    for tile in tiles.entry_bundles(0, size):
        files[tile.path] = tiles.entry_bundle(tile, lambda a, b: LEAVES[a:b])
    for path, body in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)
    return tmp_path


def agree_on_folder(folder: Path) -> bool:
    """Whether both take every entry and tile for what the checkpoint vouches for."""
    try:
        body = (folder / tiles.CHECKPOINT_FILE).read_bytes()
        head = checkpoint.opened(body, KEY.verifier)
        found = TileReader(lambda path: (folder / path).read_bytes(), head.size, head.root)
        list(found.entries(0, head.size))
        ours = True
    except CurationError:
        ours = False
    try:
        c2sp_check.tiles(folder, LOG_KEY)
        theirs = True
    except c2sp_check.Refused:
        theirs = False
    assert ours == theirs
    return ours


def test_both_say_the_same_of_a_published_log_and_of_any_changed_file(folder):
    assert agree_on_folder(folder)
    rng = random.Random(8)
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        good = path.read_bytes()
        for _ in range(12):
            at = rng.randrange(len(good))
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :])
            assert not agree_on_folder(folder), path
        path.write_bytes(good + b"\0")
        assert not agree_on_folder(folder), path
        path.write_bytes(good)
    assert agree_on_folder(folder)


def test_the_checker_runs_by_itself(folder, tmp_path):
    body = with_signatures(
        signed(300), [cosign(checkpoint.parse(signed(300)).to_text(), w, 9) for w in WITNESSES]
    )
    path = merkle.inclusion_proof(HASHES, 299)
    files = {
        "f.tlog-proof": render(LogProof(299, tuple(path), body)),
        "leaf": LEAVES[299],
        "policy": POLICY.to_bytes(),
        "old": signed(256),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    proof = [c2sp_check.base64.b64encode(h).decode() for h in merkle.consistency_proof(HASHES, 256)]

    def said(*args: object) -> tuple[int, str]:
        command = [sys.executable, "-I", CHECKER, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr.splitlines()[
            -1
        ] if done.stderr else done.stdout

    code, text = said("proof", "f.tlog-proof", "leaf", "policy")
    assert code == 0
    assert text.startswith("('example.com/fancylog', 300, 299, ")
    assert said("tiles", folder, KEY.verifier) == (0, "('example.com/fancylog', 300)\n")
    grown = ("consistent", "old", folder / "checkpoint", KEY.verifier)
    assert said(*grown, *proof) == (0, "(256, 300)\n")
    code, text = said(*grown)
    assert code == 1
    assert text.endswith("Refused: too short a proof")
