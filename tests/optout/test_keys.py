import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from optout.keys import SigningKey, parse_pem, parse_public_keys, verifies
from schemas.errors import ClaimError, UsageError

KEY = SigningKey(bytes(range(32)))


def test_a_key_survives_its_file_and_its_signature_verifies():
    found = parse_pem(KEY.to_pem(), "file")
    assert found == KEY
    assert verifies(KEY.public, b"message", found.sign(b"message"))
    assert not verifies(KEY.public, b"other", found.sign(b"message"))
    assert KEY.seed.hex() not in repr(KEY)


def test_another_kind_of_key_is_refused():
    other = ec.generate_private_key(ec.SECP256R1())
    body = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ClaimError, match="another kind"):
        parse_pem(body, "file")


@given(st.binary(max_size=200))
def test_any_bytes_give_our_error(body):
    with pytest.raises(ClaimError):
        parse_pem(body, "file")


@given(st.text(max_size=80), st.text(max_size=140))
def test_any_text_is_no_signature(public, signature):
    assert not verifies(public, b"message", signature)


@given(st.sets(st.binary(min_size=32, max_size=32), min_size=1), st.sampled_from(["", " # Ada"]))
def test_public_keys_survive_their_file(keys, remark):
    text = "".join(f"{key.hex()}{remark}\n" for key in keys)
    assert parse_public_keys(f"# moderators\n\n{text}", "file") == {key.hex() for key in keys}


@pytest.mark.parametrize("line", ["A" * 64, "a" * 63, "a" * 64 + " b", "Ada", "a" * 64 + "\u0661"])
def test_what_is_no_public_key_is_refused_with_its_line(line):
    with pytest.raises(UsageError, match="line 2 of file"):
        parse_public_keys(f"{KEY.public}\n{line}\n", "file")


@given(st.text(max_size=200))
def test_any_text_gives_keys_or_our_error(text):
    try:
        found = parse_public_keys(text, "file")
    except UsageError:
        return
    assert all(len(bytes.fromhex(key)) == 32 for key in found)
