"""Vectors: the examples of C2SP tlog-checkpoint and tlog-cosignature."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import checkpoint, note
from optout.log.checkpoint import Checkpoint
from optout.log.merkle import EMPTY_ROOT
from optout.log.note import COSIGNATURE, Signature, SignerKey
from schemas.errors import ProofError, UsageError

TEXT = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
SIGNATURE = (
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
    "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
ROOT = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
KEY = SignerKey("example.com/log", bytes(range(32)))
HEAD = Checkpoint(KEY.name, 7, ROOT)


def test_the_example_is_read_and_written_as_it_stands():
    body = f"{TEXT}\n{SIGNATURE}".encode()
    found = checkpoint.parse(body)
    assert found == Checkpoint("example.com/behind-the-sofa", 20852163, ROOT)
    assert found.to_text() == TEXT
    assert note.parse(body).signatures[0].key_id == "033de0ae"


def test_a_signed_checkpoint_opens_by_its_log_and_by_no_other():
    body = checkpoint.sign(HEAD, KEY)
    assert checkpoint.opened(body, KEY.verifier) == HEAD == checkpoint.parse(body)
    for other in (SignerKey(KEY.name, bytes(32)), SignerKey("other.example", KEY.seed)):
        with pytest.raises(ProofError):
            checkpoint.opened(body, other.verifier)


def test_a_log_signs_for_its_own_origin_alone():
    other = SignerKey("example.com/other", KEY.seed)
    with pytest.raises(UsageError, match="of log"):
        checkpoint.sign(HEAD, other)
    with pytest.raises(ProofError, match="checkpoint of"):
        checkpoint.opened(note.sign(HEAD.to_text(), other), other.verifier)


def test_a_witness_key_signs_no_checkpoint():
    for use in (checkpoint.sign, lambda head, key: checkpoint.opened(b"", key.verifier)):
        with pytest.raises(UsageError, match="witness"):
            use(HEAD, SignerKey(KEY.name, KEY.seed, COSIGNATURE))


def test_extension_lines_are_signed_and_passed_over():
    body = note.sign(HEAD.to_text() + "anything at all\nand more\n", KEY)
    assert checkpoint.opened(body, KEY.verifier) == HEAD


def test_a_line_of_the_log_said_twice_is_refused():
    body = checkpoint.sign(HEAD, KEY)
    line = body.split(b"\n\n")[1]
    with pytest.raises(ProofError, match="one signature"):
        checkpoint.opened(body + line, KEY.verifier)


def test_the_empty_log_has_its_one_root():
    empty = Checkpoint(KEY.name, 0, EMPTY_ROOT)
    assert checkpoint.opened(checkpoint.sign(empty, KEY), KEY.verifier) == empty
    with pytest.raises(ProofError, match="empty log"):
        checkpoint.sign(Checkpoint(KEY.name, 0, ROOT), KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n7\n",
        TEXT[:-1],
        "\n" + TEXT,
        TEXT + "\n",
        TEXT + "\nx\n",
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "+20852163"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", "2_0"),
        TEXT.replace("20852163", "\u0661\u0662"),
        TEXT.replace("20852163", "20852163 "),
        TEXT.replace("20852163", str(1 << 63)),
        TEXT.replace("q2I=", "q2J="),  # the same bytes, stray bits
        TEXT.replace("q2I=", "q2I"),
        TEXT.replace("CsUY", ""),
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(ProofError):
        checkpoint.parse_text(text)


@pytest.mark.parametrize("size", [-1, 1 << 63])
def test_a_size_that_no_checkpoint_can_hold_is_not_signed(size):
    with pytest.raises(ProofError):
        checkpoint.sign(Checkpoint(KEY.name, size, ROOT), KEY)


@given(st.integers(1, checkpoint.MAX_SIZE), st.binary(min_size=32, max_size=32))
def test_checkpoints_survive_their_text(size, root):
    head = Checkpoint("a/b", size, root)
    assert checkpoint.parse_text(head.to_text()) == head


@given(st.text(max_size=80) | st.sampled_from([TEXT[:n] for n in range(len(TEXT))]))
def test_any_text_gives_a_checkpoint_or_our_error(text):
    try:
        found = checkpoint.parse_text(text)
    except ProofError:
        return
    assert text.startswith(found.to_text())


def test_a_signature_line_is_what_it_was():
    (line,) = note.parse(f"{TEXT}\n{SIGNATURE}".encode()).signatures
    assert isinstance(line, Signature)
    assert line.line() == SIGNATURE
