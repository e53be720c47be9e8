"""Vectors: the examples of C2SP tlog-cosignature and tlog-witness. Their keys are not published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.keys import verifies
from optout.log import checkpoint, cosignature, note
from optout.log.checkpoint import Checkpoint
from optout.log.cosignature import MAX_TIME, cosign, cosigned, cosigned_at, times, with_signatures
from optout.log.note import COSIGNATURE, Signature, SignerKey, parse_verifier_key
from schemas.errors import ProofError, UsageError
from tests.optout.log.test_checkpoint import HEAD, KEY, SIGNATURE, TEXT

EXAMPLE = (
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrD"
    "JsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
ANSWER = (
    "\u2014 witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvV"
    "jyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==\n"
    "\u2014 witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64v"
    "WhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==\n"
    "\u2014 witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbY"
    "KA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==\n"
)
ONE = SignerKey("witness.example/one", bytes([1]) * 32, COSIGNATURE)
TWO = SignerKey("witness.example/two", bytes([2]) * 32, COSIGNATURE)
AT = 1_679_315_147
BODY = checkpoint.sign(HEAD, KEY)


def by(*keys: SignerKey, at: int = AT, body: bytes = BODY) -> bytes:
    return with_signatures(body, [cosign(note.parse(body).text, key, at) for key in keys])


def test_the_examples_are_read_and_written_as_they_stand():
    line = cosignature.parse_lines(EXAMPLE.encode())[0]
    assert line.line() == EXAMPLE
    assert (line.key_id, int.from_bytes(line.body[:8], "big")) == ("8d66cf3f", 1679315147)
    assert len(line.body) == 8 + 64
    assert "".join(s.line() for s in cosignature.parse_lines(ANSWER.encode())) == ANSWER
    assert note.parse(f"{TEXT}\n{SIGNATURE}{EXAMPLE}".encode()).signatures[1] == line


def test_a_witness_key_has_its_own_id_and_is_written_as_it_was_read():
    log = SignerKey(ONE.name, ONE.seed)
    assert log.verifier.key_id != ONE.verifier.key_id
    text = str(ONE.verifier)
    assert parse_verifier_key(text, COSIGNATURE) == ONE.verifier
    assert note.parse_signer_key(ONE.to_text(), "f", COSIGNATURE) == ONE
    with pytest.raises(UsageError, match="Ed25519"):
        parse_verifier_key(text)
    with pytest.raises(UsageError, match="cosignature"):
        parse_verifier_key(str(log.verifier), COSIGNATURE)
    with pytest.raises(UsageError, match="cosignature"):
        note.parse_signer_key(log.to_text(), "f", COSIGNATURE)


def test_what_is_signed_is_header_time_and_the_whole_text():
    line = cosign(TEXT, ONE, AT)
    message = f"cosignature/v1\ntime {AT}\n{TEXT}".encode()
    assert line.body[:8].hex() == "00000000641850cb"
    assert verifies(ONE.verifier.public.hex(), message, line.body[8:].hex())


def test_times_are_those_of_the_witnesses_that_are_known():
    body = by(TWO, at=AT + 5, body=by(ONE))
    assert times(body, [ONE.verifier]) == {ONE.verifier: AT}
    both = {ONE.verifier: AT, TWO.verifier: AT + 5}
    assert cosigned(body, KEY.verifier, [TWO.verifier, ONE.verifier]) == (HEAD, both)
    assert times(BODY, [ONE.verifier]) == times(body, []) == {}


def test_a_newer_cosignature_takes_the_place_of_the_older():
    assert times(by(ONE, at=AT + 9, body=by(ONE)), [ONE.verifier]) == {ONE.verifier: AT + 9}


def test_two_times_of_one_witness_are_refused():
    body = by(ONE) + cosign(HEAD.to_text(), ONE, AT + 9).line().encode()
    with pytest.raises(ProofError, match="one signature"):
        times(body, [ONE.verifier])
    assert times(body, [TWO.verifier]) == {}


def test_a_cosignature_of_another_text_time_or_name_fails():
    line = cosign(HEAD.to_text(), ONE, AT)
    later = Signature(line.name, line.key_id, (AT + 1).to_bytes(8, "big") + line.body[8:])
    other = cosign(Checkpoint(KEY.name, 8, HEAD.root).to_text(), ONE, AT)
    short = Signature(line.name, line.key_id, line.body[:9])
    for bad in (later, other, short):
        with pytest.raises(ProofError, match="fails"):
            times(with_signatures(BODY, [bad]), [ONE.verifier])
    with pytest.raises(ProofError, match="fails"):
        cosigned_at(HEAD.to_text(), Signature("x", line.key_id, line.body), ONE.verifier)


def test_extension_lines_are_cosigned_with_the_rest():
    body = note.sign(HEAD.to_text() + "extension\n", KEY)
    assert times(by(ONE, body=body), [ONE.verifier]) == {ONE.verifier: AT}
    with pytest.raises(ProofError):
        times(with_signatures(body, [cosign(HEAD.to_text(), ONE, AT)]), [ONE.verifier])


def test_a_log_that_has_not_signed_is_refused_whoever_cosigned():
    other = SignerKey(KEY.name, bytes(32))
    with pytest.raises(ProofError):
        cosigned(by(ONE), other.verifier, [ONE.verifier])


def test_keys_of_another_kind_neither_cosign_nor_count():
    with pytest.raises(UsageError):
        cosign(TEXT, KEY, AT)
    with pytest.raises(UsageError):
        times(BODY, [KEY.verifier])


@pytest.mark.parametrize("at", [-1, MAX_TIME + 1, 1 << 63])
def test_times_beyond_the_format_are_refused(at):
    with pytest.raises(ProofError):
        cosign(TEXT, ONE, at)
    body = at.to_bytes(8, "big", signed=at < 0) + bytes(64)
    with pytest.raises(ProofError):
        cosigned_at(TEXT, Signature(ONE.name, ONE.verifier.key_id, body), ONE.verifier)


def test_only_checkpoints_are_cosigned():
    with pytest.raises(ProofError):
        cosign("some other note\n", ONE, AT)


@given(st.integers(0, MAX_TIME), st.integers(1, checkpoint.MAX_SIZE))
def test_cosignatures_survive(at, size):
    text = Checkpoint("log.example", size, HEAD.root).to_text()
    line = cosign(text, ONE, at)
    assert cosignature.parse_lines(line.line().encode()) == (line,)
    assert cosigned_at(text, line, ONE.verifier) == at


@given(st.binary(max_size=120) | st.integers(0, len(ANSWER)).map(lambda n: ANSWER[n:].encode()))
def test_any_bytes_are_lines_or_our_error(body):
    try:
        found = cosignature.parse_lines(body)
    except ProofError:
        return
    assert "".join(s.line() for s in found).encode() == body
