"""The layout is that of the example in C2SP tlog-proof, whose signatures are elided.

Its extra data are cut in the middle of a group of base64; here they end before that.
"""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import checkpoint, merkle, note
from optout.log.checkpoint import Checkpoint
from optout.log.cosignature import cosign, with_signatures
from optout.log.note import COSIGNATURE, SignerKey
from optout.log.policy import Group, Log, Policy, Witness
from optout.log.proof import LogProof, Proved, parse, render, verify
from schemas.errors import ProofError

KEY = SignerKey("example.com/fancylog", bytes(range(32)))
WITNESSES = [SignerKey(f"w{n}.example", bytes([n]) * 32, COSIGNATURE) for n in range(3)]
STRANGER = SignerKey("stranger.example", bytes([9]) * 32, COSIGNATURE)
POLICY = Policy(
    (Log(KEY.verifier),),
    tuple(Witness(key.name, key.verifier) for key in WITNESSES),
    (Group("two", 2, tuple(key.name for key in WITNESSES)),),
    "two",
)
ALL_THREE = Policy(
    POLICY.logs, POLICY.witnesses, (Group("all", 3, POLICY.groups[0].members),), "all"
)  # else a cosignature that is left out leaves a quorum
LEAVES = [f"leaf {n}".encode() for n in range(300)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]
AT = 1_679_315_147

EXAMPLE = """\
c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

\u2014 example.com/fancylog hI2DJwAAAAA=
"""


def proof_of(index: int, size: int, *witnesses: SignerKey, extra: bytes = b"") -> LogProof:
    head = Checkpoint(KEY.name, size, merkle.root(HASHES[:size]))
    body = checkpoint.sign(head, KEY)
    lines = [cosign(head.to_text(), key, AT + n) for n, key in enumerate(witnesses)]
    path = merkle.inclusion_proof(HASHES[:size], index)
    return LogProof(index, tuple(path), with_signatures(body, lines), extra)


GOOD = proof_of(201, 300, *WITNESSES, STRANGER, extra=b"opaque")


def test_the_example_is_read_and_written_as_it_stands():
    found = parse(EXAMPLE.encode())
    assert found.index == 73894
    assert found.hashes[4] == base64.b64decode("AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=")
    assert found.extra == b"age-v1.2.1-darwin-arm64.tar.gz"
    assert checkpoint.parse(found.checkpoint).size == 109482
    assert render(found).decode() == EXAMPLE


@pytest.mark.parametrize("size", [1, 2, 7, 8, 300])
def test_every_leaf_is_proved(size):
    for index in {0, size // 3, size - 1}:
        proof = parse(render(proof_of(index, size, *WITNESSES[:2])))
        proved = verify(LEAVES[index], proof, POLICY)
        head = Checkpoint(KEY.name, size, merkle.root(HASHES[:size]))
        times = {WITNESSES[0].verifier: AT, WITNESSES[1].verifier: AT + 1}
        assert proved == Proved(head, index, KEY.verifier, times, quorum=True)


def test_a_proof_without_its_quorum_proves_inclusion_and_says_so():
    proved = verify(LEAVES[1], proof_of(1, 5, WITNESSES[0], STRANGER), POLICY)
    assert not proved.quorum
    assert proved.times == {WITNESSES[0].verifier: AT}


def test_extra_data_are_carried_and_prove_nothing():
    plain = proof_of(1, 5)
    other = LogProof(plain.index, plain.hashes, plain.checkpoint, b"anything")
    assert parse(render(other)).extra == b"anything"
    assert verify(LEAVES[1], plain, POLICY) == verify(LEAVES[1], other, POLICY)


def test_another_leaf_log_or_index_is_not_proved():
    proof = proof_of(3, 8)
    with pytest.raises(ProofError, match="root"):
        verify(LEAVES[4], proof, POLICY)
    with pytest.raises(ProofError):
        verify(LEAVES[3], LogProof(4, proof.hashes, proof.checkpoint), POLICY)
    with pytest.raises(ProofError, match="log of the policy"):
        verify(LEAVES[3], proof, Policy())
    namesake = SignerKey(KEY.name, bytes(32)).verifier
    with pytest.raises(ProofError, match="signed by"):
        verify(LEAVES[3], proof, Policy((Log(namesake),)))


def test_a_node_does_not_pass_for_a_leaf():
    inner = HASHES[0] + HASHES[1]
    proof = proof_of(0, 2)
    with pytest.raises(ProofError):
        verify(inner, LogProof(0, (), proof.checkpoint), POLICY)


def test_either_key_of_a_log_may_have_signed_and_both_must_hold():
    new = SignerKey(KEY.name, bytes([5]) * 32)
    both = Policy((Log(KEY.verifier), Log(new.verifier)))
    proof = proof_of(3, 8)
    assert verify(LEAVES[3], proof, both).log == KEY.verifier
    by_both = note.sign(checkpoint.parse(proof.checkpoint).to_text(), new, KEY)
    assert verify(LEAVES[3], LogProof(3, proof.hashes, by_both), both).log == new.verifier
    twice = by_both + by_both.split(b"\n\n")[1].splitlines(keepends=True)[1]
    with pytest.raises(ProofError, match="one signature"):
        verify(LEAVES[3], LogProof(3, proof.hashes, twice), both)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1\n", "tlog-proof@v2\n"),
        ("tlog-proof@v1\n", "tlog-proof@v1\r\n"),
        ("tlog-proof@v1\n", "tlog-proof@v1\n\n"),
        ("index 201", "index 0201"),
        ("index 201", "index +201"),
        ("index 201", "index  201"),
        ("index 201", "index 201 "),
        ("index 201", "index -1"),
        ("index 201", "index \u0662"),
        ("index 201", "Index 201"),
        ("index 201\n", ""),
        ("extra ", "extra  "),
        ("extra b3BhcXVl", "extra "),
        ("extra b3BhcXVl", "extra b3BhcXV"),
        ("extra b3BhcXVl\nindex 201", "index 201\nextra b3BhcXVl"),
        ("extra b3BhcXVl\n", "extra b3BhcXVl\nextra b3BhcXVl\n"),
    ],
)
def test_one_form_is_accepted(old, new):
    body = render(GOOD).decode()
    assert old in body
    with pytest.raises(ProofError):
        parse(body.replace(old, new, 1).encode())


def test_base64_that_is_not_canonical_is_refused():
    lines = render(GOOD).decode().split("\n")
    for at, line in enumerate(lines):
        head, _, word = line.rpartition(" ")
        if not word.endswith("="):
            continue
        bare = word.rstrip("=")
        stray = bare[:-1] + chr(ord(bare[-1]) + 1)  # the same bytes, other unused bits
        pads = "=" * (len(word) - len(bare))
        assert base64.b64decode(word) == base64.b64decode(stray + pads) or bare[-1] in "Zz9/"
        url_safe = word.replace("+", "-").replace("/", "_")
        for bad in (bare, stray + pads, word + "=", f"{word[:4]} {word[4:]}", url_safe):
            if bad == word:
                continue
            changed = [*lines[:at], f"{head} {bad}".lstrip(), *lines[at + 1 :]]
            with pytest.raises(ProofError):
                verify(LEAVES[201], parse("\n".join(changed).encode()), POLICY)


def known_spans(body: bytes) -> list[tuple[int, int]]:
    """Where index, hashes, checkpoint text and signatures of known keys stand in a proof."""
    spans, at = [], 0
    for line in body.splitlines(keepends=True):
        if not line.startswith((b"extra ", "\u2014 stranger".encode())):
            spans.append((at, at + len(line)))
        at += len(line)
    return spans


def mutated(rng: random.Random, body: bytes) -> bytes:
    """The proof with one change inside what is proved."""
    places = [at for lo, hi in known_spans(body) for at in range(lo, hi)]
    at = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:  # a bit
        return body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
    if kind == 1:  # another character of the same kind
        letters = b"0123456789" if body[at : at + 1].isdigit() else b"ABCDabcd+/=-_ 019"
        return body[:at] + bytes([rng.choice(letters)]) + body[at + 1 :]
    if kind == 2:  # cut out
        return body[:at] + body[at + rng.randrange(1, 9) :]
    if kind == 3:  # put in
        return body[:at] + rng.randbytes(rng.randrange(1, 4)) + body[at:]
    lines = body.splitlines(keepends=True)
    one = rng.randrange(len(lines))
    if kind == 4:  # a line twice
        return b"".join([*lines[:one], lines[one], *lines[one:]])
    return b"".join(lines[:one] + lines[one + 1 :])  # a line left out


def is_allowed(body: bytes, changed: bytes) -> bool:
    """Whether a change touches nothing that is proved: lines of extra, strangers, their order."""
    return proved_lines(body) == proved_lines(changed)


def proved_lines(body: bytes) -> list[bytes]:
    lines = body.splitlines(keepends=True)
    return [x for x in lines if not x.startswith((b"extra ", "\u2014 stranger".encode()))]


def test_of_2000_mutations_none_is_accepted():
    rng = random.Random(5)
    body = render(GOOD)
    assert accepted(body)
    count = 0
    while count < 2000:
        changed = mutated(rng, body)
        if is_allowed(body, changed):
            continue
        count += 1
        assert not accepted(changed), changed


def accepted(body: bytes) -> bool:
    try:
        return verify(LEAVES[201], parse(body), ALL_THREE).quorum
    except ProofError:
        return False


@given(
    st.integers(0, (1 << 63) - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=40),
)
def test_proofs_survive_their_file(index, hashes, extra):
    proof = LogProof(index, tuple(hashes), GOOD.checkpoint, extra)
    assert parse(render(proof)) == proof


@pytest.mark.parametrize(
    "bad",
    [
        LogProof(-1, (), GOOD.checkpoint),
        LogProof(1 << 63, (), GOOD.checkpoint),
        LogProof(0, (b"short",), GOOD.checkpoint),
        LogProof(0, (bytes(32),) * 64, GOOD.checkpoint),
        LogProof(0, (), b"no note"),
    ],
)
def test_what_nobody_could_read_is_not_written(bad):
    with pytest.raises(ProofError):
        render(bad)


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(render(GOOD))), st.binary(max_size=9)).map(
        lambda cut: render(GOOD)[: cut[0]] + cut[1]
    )
)
def test_any_bytes_are_a_proof_or_our_error(body):
    try:
        found = parse(body)
    except ProofError:
        return
    assert found.to_bytes() == body
