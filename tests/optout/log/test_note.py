"""Vectors: C2SP signed-note, and golang.org/x/mod/sumdb/note (keys, notes and what is refused)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log import note
from optout.log.note import SignerKey, opened, parse, parse_signer_key, parse_verifier_key, sign
from schemas.errors import ProofError, UsageError

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWL"
    "ox33WWd1RvMc+QQ=\n"
)
PETER_KEY, ENOCH_KEY = parse_verifier_key(PETER), parse_verifier_key(ENOCH)
SIGNER = SignerKey("registry.example/lists", bytes(range(32)))


def noted(*lines: str, text: str = TEXT) -> bytes:
    return (text + "\n" + "".join(lines)).encode()


def test_keys_have_the_ids_of_the_vectors_and_are_written_as_they_were_read():
    assert (PETER_KEY.name, PETER_KEY.key_id) == ("PeterNeumann", "c74f20a3")
    assert ENOCH_KEY.short == "EnochRoot+af0cfe78"
    assert [str(key) for key in (PETER_KEY, ENOCH_KEY)] == [PETER, ENOCH]
    private = parse_signer_key(PETER_PRIVATE, "f")
    assert private.verifier == PETER_KEY
    assert private.to_text() == PETER_PRIVATE
    assert private.seed.hex() not in repr(private)


def test_signing_gives_the_bytes_of_the_vector():
    assert sign(TEXT, parse_signer_key(PETER_PRIVATE, "f")) == noted(PETER_LINE)


def test_only_known_keys_count_and_each_is_named_once():
    both = noted(PETER_LINE, ENOCH_LINE)
    assert opened(both, [PETER_KEY]) == note.Opened(TEXT, (PETER_KEY,))
    assert opened(both, [ENOCH_KEY, PETER_KEY]).keys == (PETER_KEY, ENOCH_KEY)
    assert opened(noted(PETER_LINE, PETER_LINE, ENOCH_LINE), [PETER_KEY]).keys == (PETER_KEY,)


def test_signature_of_an_unknown_key_is_passed_over_whatever_it_holds():
    broken = ENOCH_LINE[:60] + "ABCD" + ENOCH_LINE[60:]
    assert opened(noted(ENOCH_LINE, broken, PETER_LINE), [PETER_KEY]).keys == (PETER_KEY,)
    namesake = SignerKey("PeterNeumann", bytes(32))
    signed = sign(TEXT, namesake, parse_signer_key(PETER_PRIVATE, "f"))
    assert opened(signed, [PETER_KEY]).keys == (PETER_KEY,)


def test_a_note_that_no_known_key_signed_is_refused():
    with pytest.raises(ProofError, match="PeterNeumann"):
        opened(noted(ENOCH_LINE), [PETER_KEY])
    with pytest.raises(ProofError, match="no key"):
        opened(noted(ENOCH_LINE), [])


def test_one_bad_signature_of_a_known_key_fails_the_whole_note():
    broken = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]
    for lines in ((broken,), (PETER_LINE, broken), (broken, ENOCH_LINE), (ENOCH_LINE, broken)):
        with pytest.raises(ProofError, match="does not verify"):
            opened(noted(*lines), [PETER_KEY, ENOCH_KEY])


def test_keys_that_cannot_be_told_apart_are_refused(monkeypatch):
    monkeypatch.setattr(note.VerifierKey, "key_id", "00000000")
    with pytest.raises(UsageError, match="differ"):
        opened(noted(ENOCH_LINE), [ENOCH_KEY, note.VerifierKey("EnochRoot", bytes(32))])


@pytest.mark.parametrize("count", [16, note.MAX_SIGNATURES])
def test_many_signatures_are_taken(count):
    keys = [SignerKey(f"k{n}", bytes([n]) * 32) for n in range(count)]
    assert len(opened(sign(TEXT, *keys), [key.verifier for key in keys]).keys) == count


def test_too_many_signatures_and_too_long_a_note_are_refused():
    with pytest.raises(ProofError, match="100 signatures"):
        opened(noted(PETER_LINE * 101), [PETER_KEY])
    with pytest.raises(ProofError, match="bytes at most"):
        parse(noted(PETER_LINE, text="x" * note.MAX_NOTE_BYTES + "\n"))


@pytest.mark.parametrize(
    "body",
    [
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        noted(PETER_LINE[:-1]),
        b"\x01" + noted(PETER_LINE),
        b"\xff" + noted(PETER_LINE),
        noted(PETER_LINE.replace("PeterNeumann", "Bad Name")),
        noted(PETER_LINE.replace("PeterNeumann", "Bad+Name")),
        noted(PETER_LINE.replace("PeterNeumann", "Bad\u2003Name")),
        noted(PETER_LINE.replace("PeterNeumann", "")),
        noted(PETER_LINE, "Unexpected line.\n"),
        noted(PETER_LINE, "\n"),
        noted(PETER_LINE.replace("\u2014", "-")),
        noted(PETER_LINE.replace("M=\n", "M\n")),
        noted(PETER_LINE.replace("M=\n", "N=\n")),  # the same bytes, stray bits
        noted(PETER_LINE.replace("\n", "\r\n")),
        noted(PETER_LINE.replace(" x08g", "  x08g")),
        noted("\u2014 PeterNeumann x08gow==\n"),  # an id and nothing signed
        noted("\u2014 PeterNeumann \n"),
        b"",
    ],
)
def test_malformed_notes_are_refused(body):
    with pytest.raises(ProofError):
        opened(body, [PETER_KEY])


def test_the_text_ends_at_the_last_empty_line():
    text = "one\n\n\u2014 PeterNeumann x08go/ZJkuA=\n\n\ntwo\n"
    assert opened(sign(text, SIGNER), [SIGNER.verifier]).text == text


@pytest.mark.parametrize("text", ["", "no end", "tab\tin it\n", "\ud800\n"])
def test_a_text_that_no_note_can_hold_is_not_signed(text):
    with pytest.raises(ProofError):
        sign(text, SIGNER)


def test_a_note_without_a_key_is_not_signed():
    with pytest.raises(ProofError):
        sign(TEXT)


def test_mangled_keys_are_refused():
    for good, read in (
        (PETER, parse_verifier_key),
        (PETER_PRIVATE, lambda k: parse_signer_key(k, "")),
    ):
        pieces = [good[i:j] for i in range(len(good)) for j in range(i, len(good) + 1)]
        changed = [good[:i] + chr(ord(c) + 1) + good[i + 1 :] for i, c in enumerate(good)]
        for bad in [p for p in pieces if p != good] + changed + [good + "\n", f" {good}"]:
            with pytest.raises(UsageError):
                read(bad)


@pytest.mark.parametrize(
    "bad",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER.replace("c74f20a3", "C74F20A3"),
    ],
)
def test_a_key_of_another_length_type_or_form_is_refused(bad):
    with pytest.raises(UsageError):
        parse_verifier_key(bad)


def test_a_private_key_never_stands_in_an_error():
    with pytest.raises(UsageError) as caught:
        parse_signer_key(PETER_PRIVATE.replace("c74f20a3", "00000000"), "file")
    assert "AYEKF" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        parse_signer_key(PETER_PRIVATE + "=", "file")
    assert "AYEKF" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\tb"])
def test_names_that_no_key_may_have(name):
    with pytest.raises(UsageError):
        note.require_name(name)


NAMES = st.text(min_size=1, max_size=12).filter(note._is_name).filter(lambda n: n.isprintable())
TEXTS = st.text(st.characters(codec="utf-8", min_codepoint=32) | st.just("\n"), max_size=60).map(
    lambda text: text + "\n"
)


@given(NAMES, st.binary(min_size=32, max_size=32))
def test_keys_survive_their_text(name, seed):
    key = SignerKey(name, seed)
    assert parse_signer_key(key.to_text(), "f") == key
    assert parse_verifier_key(str(key.verifier)) == key.verifier


@given(TEXTS, st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_notes_survive_their_bytes(text, names):
    keys = [SignerKey(name, bytes([n]) * 32) for n, name in enumerate(names)]
    body = sign(text, *keys)
    assert parse(body).to_bytes() == body
    assert opened(body, [key.verifier for key in keys]) == note.Opened(
        text, tuple(key.verifier for key in keys)
    )


@given(TEXTS, st.data())
def test_no_byte_of_a_note_can_be_changed(text, data):
    body = bytearray(sign(text, SIGNER))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofError):
        opened(bytes(body), [SIGNER.verifier])


PIECES = st.sampled_from(
    [
        b"\n",
        b"\n\n",
        "\u2014 ".encode(),
        b"a ",
        PETER_LINE.encode(),
        b"x08go/ZJ",
        b"=",
        b"+",
        b"\xff",
    ]
)


@given(st.binary(max_size=200) | st.lists(PIECES, max_size=8).map(b"".join))
def test_any_bytes_give_a_note_or_our_error(body):
    try:
        found = parse(body)
    except ProofError:
        return
    assert found.to_bytes() == body


@given(st.text(max_size=120))
def test_any_text_is_a_key_or_our_error(text):
    with contextlib.suppress(UsageError):
        assert str(parse_verifier_key(text)) == text
