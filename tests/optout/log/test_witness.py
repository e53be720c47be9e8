"""What the pure witness answers. The example request is that of C2SP tlog-witness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import checkpoint, cosignature, merkle, note, witness
from optout.log.checkpoint import Checkpoint
from optout.log.note import COSIGNATURE, SignerKey
from optout.log.witness import Answer, Head, Move, Request, judge, parse_request
from schemas.errors import ProofError

EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/\
Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/\
V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""
KEY = SignerKey("log.example", bytes(range(32)))
WITNESS = SignerKey("witness.example", bytes([1]) * 32, COSIGNATURE)
HASHES = [merkle.leaf_hash(bytes([n])) for n in range(40)]
ROOTS = [merkle.root(HASHES[:n]) for n in range(41)]
FORK = [*HASHES[:5], merkle.leaf_hash(b"another"), *HASHES[6:]]
AT = 1_700_000_000


def signed(size: int, root: bytes | None = None, key: SignerKey = KEY) -> bytes:
    return checkpoint.sign(Checkpoint(key.name, size, root or ROOTS[size]), key)


def request(old: int, size: int, proof=None, body: bytes = b"") -> bytes:
    if proof is None:
        proof = merkle.consistency_proof(HASHES[:size], old) if 0 < old <= size else []
    return Request(old, tuple(proof), body or signed(size)).to_bytes()


def answer(body: bytes, seen: Head, logs=(KEY.verifier,)) -> Move | Answer:
    return judge(body, logs, {KEY.name: seen}.__getitem__)


def at(size: int) -> Head:
    return Head(size, ROOTS[size])


def test_the_example_is_read_and_written_as_it_stands():
    found = parse_request(EXAMPLE.encode())
    assert (found.old_size, len(found.proof)) == (20852014, 4)
    assert checkpoint.parse(found.checkpoint).size == 20852163
    assert found.to_bytes().decode() == EXAMPLE
    assert answer(EXAMPLE.encode(), at(0)).status == 404


@pytest.mark.parametrize("old", [0, 1, 5, 8, 20])
def test_a_log_that_grew_is_cosigned(old):
    move = answer(request(old, 20), at(old))
    assert move == Move(KEY.name, at(old), at(20), signed(20))
    said = witness.cosigned(move, WITNESS, AT)
    assert (said.status, said.content_type) == (200, "text/plain; charset=utf-8")
    (line,) = cosignature.parse_lines(said.body)
    text = Checkpoint(KEY.name, 20, ROOTS[20]).to_text()
    assert cosignature.cosigned_at(text, line, WITNESS.verifier) == AT


def test_the_empty_log_may_be_cosigned_and_grows_from_there():
    move = answer(request(0, 0), Head())
    assert (move.before, move.after) == (Head(), Head())
    assert isinstance(answer(request(0, 7), Head()), Move)


def test_two_heads_of_one_size_are_refused():
    body = request(20, 20, [], signed(20, merkle.root(FORK[:20])))
    said = answer(body, at(20))
    assert said.status == 409
    assert said.content_type != witness.SIZE  # asking again from that size would not help


@pytest.mark.parametrize(("old", "size"), [(7, 20), (0, 20), (20, 20), (10, 10), (0, 0)])
def test_another_size_than_the_one_seen_is_told(old, size):
    said = answer(request(old, size), at(12))
    assert said == Answer(409, b"12\n", "text/x.tlog.size")


def test_a_rollback_is_refused_whatever_the_client_says_it_was():
    assert answer(request(12, 10, []), at(12)).status == 400
    assert answer(request(10, 10), at(12)) == Answer(409, b"12\n", "text/x.tlog.size")
    assert answer(request(0, 10), at(12)) == Answer(409, b"12\n", "text/x.tlog.size")


def test_inconsistent_growth_is_refused():
    forked = signed(20, merkle.root(FORK[:20]))
    for proof in (
        merkle.consistency_proof(FORK[:20], 12),
        merkle.consistency_proof(HASHES[:20], 12),
        [],
    ):
        assert answer(request(12, 20, proof, forked), at(12)).status == 422
    honest = merkle.consistency_proof(HASHES[:20], 12)
    assert answer(request(12, 20, honest[:-1]), at(12)).status == 422
    assert answer(request(12, 20, [*honest, bytes(32)]), at(12)).status == 422


@pytest.mark.parametrize("size", [0, 20])
def test_a_proof_where_there_is_nothing_to_prove_is_refused(size):
    assert answer(request(size, 20, [bytes(32)]), at(size)).status == 422


def test_an_unknown_log_is_not_found():
    other = SignerKey("other.example", KEY.seed)
    assert answer(request(0, 5, [], signed(5, key=other)), Head()).status == 404
    assert answer(request(0, 5), Head(), logs=()).status == 404


def test_a_wrong_signature_is_forbidden():
    namesake = SignerKey(KEY.name, bytes(32))
    assert answer(request(0, 5, [], signed(5, key=namesake)), Head()).status == 403
    text, line = signed(5), signed(6).split(b"\n\n")[1]
    assert answer(request(0, 5, [], text.split(b"\n\n")[0] + b"\n\n" + line), Head()).status == 403


def test_a_signature_that_is_unknown_is_passed_over():
    both = note.sign(
        Checkpoint(KEY.name, 5, ROOTS[5]).to_text(), SignerKey(KEY.name, bytes(32)), KEY
    )
    assert isinstance(answer(request(0, 5, [], both), Head()), Move)


def test_extension_lines_are_cosigned_as_they_came():
    text = Checkpoint(KEY.name, 5, ROOTS[5]).to_text() + "extension\n"
    move = answer(request(0, 5, [], note.sign(text, KEY)), Head())
    (line,) = cosignature.parse_lines(witness.cosigned(move, WITNESS, AT).body)
    assert cosignature.cosigned_at(text, line, WITNESS.verifier) == AT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 5\n\n",
        signed(5),
        request(0, 5).replace(b"old 0", b"old 00"),
        request(0, 5).replace(b"old 0", b"old -1"),
        request(0, 5).replace(b"old 0", b"new 0"),
        request(0, 5).replace(b"old 0\n", b"old 0\r\n"),
        request(0, 5).replace(b"old 0\n", b"old 0\nAAAA\n"),
        request(0, 5, [bytes(32)] * 64),
        request(0, 5)[:-1],
        b"\xff" + request(0, 5),
        request(0, 5, [], note.sign("no checkpoint\n", KEY)),
        b"old 0\n" + b"x" * witness.MAX_REQUEST_BYTES,
    ],
)
def test_what_is_no_request_is_a_bad_one(body):
    assert answer(body, Head()).status == 400


@given(
    st.integers(0, checkpoint.MAX_SIZE),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
)
def test_requests_survive(old, proof):
    found = Request(old, tuple(proof), signed(7))
    assert parse_request(found.to_bytes()) == found


@given(st.binary(max_size=200) | st.integers(0, len(EXAMPLE)).map(lambda n: EXAMPLE[:n].encode()))
def test_any_bytes_are_a_request_or_our_error(body):
    try:
        found = parse_request(body)
    except ProofError:
        return
    assert found.to_bytes() == body


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=12))
def test_whatever_is_asked_all_that_is_cosigned_is_one_history(asked):
    seen = Head()
    cosigned = []
    for old, size, forked in asked:
        leaves = FORK if forked else HASHES
        proof = merkle.consistency_proof(leaves[:size], old) if 0 < old < size else []
        body = request(old, size, proof, signed(size, merkle.root(leaves[:size])))
        move = answer(body, seen)
        if isinstance(move, Move):
            assert move.before == seen
            seen = move.after
            cosigned.append(seen)
    assert [h.size for h in cosigned] == sorted(h.size for h in cosigned)
    assert any(
        all(h.root == merkle.root(leaves[: h.size]) for h in cosigned) for leaves in (HASHES, FORK)
    )
