"""optout.signals.url_lists against the facts' vectors, and whatever a list may answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals import url_lists
from optout.signals.url_lists import (
    Reply,
    answer_limit_bytes,
    answers,
    batches,
    document,
    is_askable,
    of_reply,
    question,
    replay,
)
from schemas.canonical import canonical_json
from schemas.errors import SignalError
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.list_cases import ANSWERED, A, Answered, B, entries

AT = "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case.name)
def test_an_answer_says_what_the_table_says(case: Answered) -> None:
    found = answers([A, B], case.status, case.body)
    assert (found[A].say, found[B].say) == case.says
    assert (found[A].note, found[B].note) == case.notes


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case.name)
def test_kept_evidence_says_the_same(case: Answered) -> None:
    for url, reply in answers([A, B], case.status, case.body).items():
        kept = json.loads(document("spawning", url, case.status, reply, AT))
        assert of_reply(replay(kept)) == of_reply(reply)


def test_a_denial_speaks_of_both_trainings_and_shows_the_entry() -> None:
    signals = of_reply(answers([A], 200, entries((A, True)))[A])
    assert [s.purpose for s in signals] == [Purpose.TRAIN_GEN, Purpose.TRAIN_DISC]
    assert {(s.channel, s.say) for s in signals} == {(Channel.SPAWNING, Say.DENY)}
    assert {s.raw for s in signals} == {f'{{"optOut":true,"url":"{A}"}}'}


def test_silence_is_no_signal() -> None:
    assert of_reply(Reply(Say.SILENT)) == ()


def test_urls_are_asked_once_in_order_and_in_batches() -> None:
    urls = [f"https://a.example/{i % 7}" for i in range(20)]
    assert list(batches(urls, 3)) == [urls[0:3], urls[3:6], urls[6:7]]
    assert list(batches([], 3)) == []


def test_no_batch_is_larger_than_a_list_takes() -> None:
    urls = [f"https://a.example/{i}" for i in range(25_000)]
    assert [len(b) for b in batches(urls, 10**9)] == [10_000, 10_000, 5_000]


@pytest.mark.parametrize(
    "url", ["", "a\nb", "a\rb", "a b", "a\tb", "a\0b", "a\x85b", "a\u2028b", "a\x1cb", "a\ud800"]
)
def test_a_url_that_is_not_one_line_is_not_asked(url: str) -> None:
    assert not is_askable(url)
    assert list(batches([url, A])) == [[A]]


@given(st.lists(st.text()))
def test_a_question_has_a_line_for_each_url(urls: list[str]) -> None:
    for batch in batches(urls, 5):
        assert question(batch).decode().splitlines() == batch


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8")), max_size=5))
def test_an_honest_answer_is_within_the_limit(urls: list[str]) -> None:
    for batch in batches(urls):
        assert len(entries(*((url, False) for url in batch))) <= answer_limit_bytes(batch)


@given(st.integers() | st.none(), st.binary() | st.none())
def test_any_answer_is_taken_and_none_grants(status: int | None, body: bytes | None) -> None:
    found = answers([A, B], status, body)
    assert found.keys() == {A, B}
    assert {reply.say for reply in found.values()} <= {Say.DENY, Say.SILENT, Say.ERROR}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from([A, B]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["urls", "url", "optOut"]), inner)
    ),
)


@given(JSON)
def test_any_json_is_taken_and_silence_needs_an_entry(value: Any) -> None:
    for url, reply in answers([A, B], 200, json.dumps(value).encode()).items():
        kept = json.loads(document("x", url, 200, reply, AT))
        assert of_reply(replay(kept)) == of_reply(reply)
        if reply.say is Say.SILENT:
            assert json.loads(reply.answer)["optOut"] is False


PAIRS = st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from([True, False, None])))


@given(PAIRS, PAIRS)
def test_one_more_refusal_denies_wherever_it_stands(before: Any, after: Any) -> None:
    body = entries(*before, (A, True), *after)
    assert answers([A, B], 200, body)[A].say is Say.DENY


@pytest.mark.parametrize("value", [{}, {"kind": "list"}, {"kind": "page", "answer": None}])
def test_other_evidence_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(SignalError, match="evidence of a list"):
        replay(value)


@given(st.text())
def test_evidence_can_be_written_of_any_url(url: str) -> None:
    reply = Reply(Say.ERROR, note="not one line")
    kept = json.loads(document("spawning", url, None, reply, AT))
    assert canonical_json(kept) == document("spawning", url, None, reply, AT)
    assert kept["status"] is None


def test_the_largest_batch_is_the_largest_that_the_api_takes() -> None:
    assert url_lists.MAX_BATCH_URLS == 10_000
