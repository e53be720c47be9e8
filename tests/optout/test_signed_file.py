import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.log.note import SignerKey, sign
from optout.signed_file import open_note, require_same, sign_file
from schemas.errors import ProofError

KEY = SignerKey("builder/a", bytes(32))
OTHER = SignerKey("builder/a", bytes([1] * 32))
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
KIND = "recuse-manifest/1"


@given(st.binary(), st.dictionaries(WORDS.filter(lambda w: w != "sha256"), WORDS, max_size=4))
def test_what_is_signed_is_read_again(body, said):
    found = open_note(sign_file(KIND, body, KEY, said), KIND, [KEY.verifier])
    require_same(found, body, "file")
    assert (found.kind, found.said, found.keys) == (KIND, said, (KEY.verifier,))


def test_other_bytes_kinds_and_keys_are_refused():
    note = sign_file(KIND, b"body", KEY, {"release": "x"})
    with pytest.raises(ProofError, match="as signed"):
        require_same(open_note(note, KIND, [KEY.verifier]), b"other", "file")
    with pytest.raises(ProofError, match="expected a note of"):
        open_note(note, "recuse-retractions/1", [KEY.verifier])
    with pytest.raises(ProofError, match="signed by"):
        open_note(note, KIND, [OTHER.verifier])


@pytest.mark.parametrize(
    "said", [{"a b": "c"}, {"a": "b c"}, {"a": ""}, {"sha256": "x"}, {"a": "b\n"}]
)
def test_facts_that_a_line_cannot_hold_are_refused(said):
    with pytest.raises(ProofError):
        sign_file(KIND, b"", KEY, said)


@pytest.mark.parametrize(
    "text",
    [
        "recuse-manifest/1\n",
        f"recuse-manifest/1\nsha256 {'0' * 63}\n",
        f"recuse-manifest/1\nb 1\nsha256 {'0' * 64}\n",
        f"recuse-manifest/1\nsha256 {'0' * 64}\nb 1\na 1\n",
        f"recuse-manifest/1\nsha256 {'0' * 64}\na 1\na 1\n",
        f"recuse-manifest/1\nsha256 {'0' * 64}\na  1\n",
    ],
)
def test_a_note_has_one_form(text):
    with pytest.raises(ProofError):
        open_note(sign(text, KEY), KIND, [KEY.verifier])
