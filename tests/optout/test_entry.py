"""Entries of the log: their bytes never change, and nothing else is read as one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.entry import ADDED, Entry, draft_move, parse_leaf
from optout.lifecycle import Acceptance, Authorship, Event, Signer
from schemas.errors import ClaimError, RegistryError
from tests.optout.claims import signing_key

MODERATOR = signing_key(99)
CLAIM, PREVIOUS = "c" * 32, "d" * 64
WHEN = "2026-01-01T00:00:00.000001Z"
WRITTEN_BEFORE = (  # by the version that knew neither authorship nor reasons
    b'{"by":"moderator","claim":"cccccccccccccccccccccccccccccccc","identity":"",'
    b'"key":"93111e8d912b2645632897e2903c0b757475510f7503637ade9eb4a736cc8829","level":2,'
    b'"match":"",'
    b'"previous":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",'
    b'"recorded_at":"2026-01-01T00:00:00.000001Z",'
    b'"signature":"32524f0bba5a0cef2bd0b4d1b99eaac1f29efe9ccc7ec87f8e519634455d8260'
    b'4411fb6ff7aa09d6d8d6d4a14a82b391b23de69cb3de6bb568e275362971120b",'
    b'"type":"verify","v":1}'
)


def stated(event: Event = Event.VERIFY, **said: object) -> Entry:
    draft = draft_move(event, CLAIM, PREVIOUS, MODERATOR, by=Signer.MODERATOR, **said)
    return draft.entry(WHEN)


def test_an_entry_that_states_nothing_new_has_the_bytes_and_signature_that_it_always_had():
    found = parse_leaf(WRITTEN_BEFORE, "x")
    found.check_signature()
    assert found == stated(level=2)
    assert stated(level=2).leaf() == WRITTEN_BEFORE


def test_authorship_and_reason_are_signed():
    for entry, change in (
        (stated(level=2, authorship=Authorship.HOST), {"authorship": None}),
        (stated(level=2), {"authorship": Authorship.SIGNATURE}),
        (
            stated(Event.ACCEPT_STYLE, reason=Acceptance.ONE_HAND),
            {"reason": Acceptance.SPARES_OTHERS},
        ),
    ):
        entry.check_signature()
        with pytest.raises(ClaimError):
            entry.model_copy(update=change).check_signature()


@pytest.mark.parametrize("name", sorted(ADDED))
@pytest.mark.parametrize("value", [None, "", "hearsay", 1])
def test_no_other_value_and_no_second_form_of_an_entry_is_read(name, value):
    leaf = json.loads(WRITTEN_BEFORE) | {name: value}
    with pytest.raises(RegistryError):
        parse_leaf(json.dumps(leaf, sort_keys=True, separators=(",", ":")).encode(), "x")


@given(
    st.sampled_from(Event),
    st.none() | st.integers(0, 3),
    st.none() | st.sampled_from(Authorship),
    st.none() | st.sampled_from(Acceptance),
)
def test_an_entry_survives_its_leaf(event, level, authorship, reason):
    entry = stated(event, level=level, authorship=authorship, reason=reason)
    found = parse_leaf(entry.leaf(), "x")
    assert found == entry
    found.check_signature()
    assert {name for name in ADDED if name.encode() in entry.leaf()} == {
        name for name in ADDED if getattr(entry, name) is not None
    }


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_give_our_error(leaf):
    with pytest.raises(RegistryError):
        parse_leaf(leaf, "x")
