"""schemas.canonical: one form of a document, and its quick twin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical_json, plain_json
from schemas.errors import SchemaError

KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text())
VALUES = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(KEYS, inner)), max_leaves=20
)


@given(VALUES)
def test_the_quick_twin_writes_the_same_bytes(value: object) -> None:
    assert plain_json(value) == canonical_json(value)


@pytest.mark.parametrize("write", [plain_json, canonical_json])
def test_lone_surrogates_are_no_json(write) -> None:
    with pytest.raises(SchemaError):
        write(["\ud800"])
