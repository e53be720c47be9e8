"""What waits, who may decide what, and that decisions only grow."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review import (
    Choice,
    Decision,
    Held,
    Near,
    Wanted,
    choose,
    cleared_by,
    decisions_of,
    parse_decisions,
    render_decisions,
    standing,
    under_review,
)
from schemas.errors import SchemaError, UsageError
from schemas.tables import MATCHES, VAULTED, from_rows

A, B = "a" * 32, "b" * 32
NOW = "2026-01-01T00:00:00Z"


def uid(n: int) -> str:
    return f"{n:08x}" * 4


def row(n: int, **values: Any) -> dict[str, Any]:
    base = {"uid": uid(n), "reason": "review", "verdict": "hold", "claim_id": A}
    return base | {"rule": "style_band", "sha256": f"{n:064x}"} | values


def match(n: int, claim: str, rule: str, similarity: float, threshold: float) -> dict[str, Any]:
    margin = similarity - threshold
    return {"uid": uid(n), "claim_id": claim, "rule": rule, "similarity": similarity,
            "threshold": threshold, "margin": margin}  # fmt: skip


def held(n: int, *claims: str, **values: Any) -> Held:
    near = tuple(Near(claim, "style_band", 3.0, 2.5) for claim in claims or (A,))
    base = Held(uid(n), near, "", True, "", "", "", f"{n:064x}", f"{n + 99:064x}")
    return replace(base, **values)


def line(n: int, choice: Choice, **values: Any) -> Decision:
    return replace(Decision(NOW, "Ada", "", uid(n), choice, (A,), "", ""), **values)


def test_rows_come_by_claim_the_nearest_first_and_copies_last():
    rows = [row(1, by_uid=uid(2)), row(2), row(3), row(4, claim_id=B), row(5, reason="filter")]
    matches = [
        match(2, A, "style_band", 3.0, 2.75),
        match(3, A, "style_band", 3.25, 2.75),
        match(3, B, "style_band", 3.125, 2.5),
        match(4, B, "style", 9.0, 4.0),
        match(4, A, "style_weak", 9.0, 2.0),  # holds nothing
        match(5, A, "style", 9.0, 4.0),
    ]
    found = under_review(from_rows(rows, VAULTED), from_rows(matches, MATCHES), [uid(2), uid(3)])
    assert [(h.uid, h.claims, h.pictured) for h in found] == [
        (uid(2), (A,), True),
        (uid(1), (A,), False),
        (uid(4), (B,), False),
        (uid(3), (B, A), True),
    ]
    assert found[1].near == (Near(A, "style_band", None, None),)
    assert found[1].by_uid == uid(2)


def test_the_last_line_counts_until_a_release_has_taken_the_row():
    lines = [line(1, Choice.LET_IN), line(1, Choice.KEEP_OUT), line(2, Choice.LET_IN)]
    taken = [*lines, line(2, Choice.RELEASED, into="p"), line(2, Choice.KEEP_OUT)]
    found = standing(taken)
    assert {u: one.choice for u, one in found.items()} == {
        uid(1): Choice.KEEP_OUT,
        uid(2): Choice.RELEASED,
    }


def test_all_of_a_claim_leaves_what_another_holds_what_was_kept_out_and_what_nobody_sees():
    rows = [held(1), held(2, A, B), held(3), held(4, pictured=False), held(5), held(6, B)]
    before = {uid(3): line(3, Choice.KEEP_OUT)}
    chosen = choose(rows, before, Wanted(all_of=(A[:6],), keep_out=(uid(5),)))
    assert [r.uid for r, _ in chosen.let_in] == [uid(1)]
    assert [r.uid for r, _ in chosen.keep_out] == [uid(5)]
    assert [r.uid for r in chosen.left] == [uid(2)]
    both = choose(rows, before, Wanted(all_of=(A, B)))
    assert {r.uid for r, _ in both.let_in} == {uid(1), uid(2), uid(5), uid(6)}


def test_a_copy_is_let_in_with_or_after_the_row_it_copies():
    rows = [held(1), held(2, by_uid=uid(1))]
    with pytest.raises(UsageError, match="held as the copy"):
        choose(rows, {}, Wanted(let_in=(uid(2),)))
    assert len(choose(rows, {}, Wanted(let_in=(uid(2), uid(1)))).let_in) == 2
    assert choose(rows, {uid(1): line(1, Choice.LET_IN)}, Wanted(let_in=(uid(2),))).let_in
    with pytest.raises(UsageError, match="held as the copy"):
        choose(rows, {uid(1): line(1, Choice.KEEP_OUT)}, Wanted(let_in=(uid(2),)))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(let_in=("00000",)), "at least 6"),
        (Wanted(let_in=("f" * 32,)), "with which 0 begin"),
        (Wanted(let_in=("000000",)), "with which 3 begin"),
        (Wanted(all_of=("c" * 32,)), "a claim that holds rows"),
        (Wanted(let_in=(uid(1),), keep_out=(uid(1),)), "one decision a row"),
        (Wanted(let_in=(uid(2),)), "no image"),
        (Wanted(keep_out=(uid(3),)), "is decided"),
    ],
)
def test_what_cannot_be_decided_is_refused(wanted, words):
    rows = [held(1), held(2, pictured=False), held(3)]
    before = {uid(3): line(3, Choice.RELEASED, into="p" * 64)}
    with pytest.raises(UsageError, match=words):
        choose(rows, before, wanted)


def test_a_row_is_cleared_for_every_claim_that_holds_it_and_for_its_own_content():
    chosen = choose([held(1, A, B), held(2)], {}, Wanted(let_in=(uid(1),), keep_out=(uid(2),)))
    lines = decisions_of(chosen, NOW, "Ada", "a photograph")
    assert [(one.uid, one.choice, one.why) for one in lines] == [
        (uid(1), Choice.LET_IN, "a photograph"),
        (uid(2), Choice.KEEP_OUT, "a photograph"),
    ]
    cleared = [(c.claim_id, c.sha256, c.pixel_sha256, c.by) for c in cleared_by(lines)]
    assert cleared == [(c, f"{1:064x}", f"{100:064x}", "Ada") for c in (A, B)]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
lines = st.builds(
    Decision, texts, texts, texts, texts, st.sampled_from(Choice),
    st.lists(texts, max_size=3).map(tuple), texts, texts, texts,
)  # fmt: skip


@given(st.lists(lines, max_size=4))
def test_decisions_are_read_back(found):
    assert parse_decisions(render_decisions(found), "here") == found


@given(st.binary(max_size=120) | st.sampled_from([b"{}", b"[]", b"1", b'{"choice":"x"}']))
def test_any_bytes_are_decisions_or_a_schema_error(body):
    with suppress(SchemaError):
        assert isinstance(parse_decisions(body, "here"), list)
