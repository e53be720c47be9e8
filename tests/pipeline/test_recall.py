"""What stays after a recall is what a fresh decision keeps, less what that would add."""

import json
from dataclasses import dataclass, replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.union import NOT_JUDGED
from pipeline.recall import changes
from pipeline.rewrite import Part, edited, retractions
from pipeline.unjudged import Lacking, Unjudged, Why, unjudged, without_styles
from schemas.snapshot import Honoured
from schemas.tables import (
    CLAIMS,
    DECIDED,
    EXTRA,
    JUDGED,
    from_rows,
)
from tests.pipeline.recalls import (
    MATCHER,
    POOL,
    Built,
    build,
    captions,
    claim,
    clip,
    honoured,
    judge_again,
    world,
)

# --- a recall of what was built


@dataclass(frozen=True)
class Recalled:
    published: pa.Table
    edited: pa.Table
    removed: pa.Table


def recall(old: Built, claims: Honoured) -> Recalled:
    again = judge_again(old, claims)
    found = changes(again.decided, [again.released])
    extra = [f for f in again.vaulted.schema if f.name.startswith(EXTRA)]
    after = edited(Part(0, again.published, extra), found)
    return Recalled(again.published, after, found.removed)


NAMES = st.sets(st.sampled_from(sorted(POOL)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 45), old=NAMES, more=NAMES)
def test_a_recall_keeps_what_a_fresh_decision_keeps_less_what_it_adds(seed, count, old, more):
    rows = world(seed, count)
    before = build(rows, honoured(old))
    after = build(rows, honoured(old | more), before.fetched)
    found = recall(before, honoured(old | more))
    expected = {uid: said for uid, said in after.kept.items() if uid in before.kept}
    assert captions(found.edited) == expected
    assert set(found.removed["uid"].to_pylist()) == before.kept.keys() - expected.keys()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 45), old=NAMES, new=NAMES)
def test_withdrawn_claims_bring_back_neither_rows_nor_names(seed, count, old, new):
    rows = world(seed, count)
    before = build(rows, honoured(old))
    after = build(rows, honoured(new), before.fetched)
    found = recall(before, honoured(new))
    left = captions(found.edited)
    assert left.keys() <= before.kept.keys()
    if not (old - new) & {"redact", "both"}:  # a caption that stays cut ranks by what is left of it
        assert left.keys() == after.kept.keys() & before.kept.keys()
    for name, words in (("redact", "Bo Lind"), ("both", "Cy Dale")):
        if name in old | new:
            assert not any(words in caption for caption in left.values())


def test_nothing_changes_where_no_claim_is_new():
    before = build(world(3, 40), honoured(POOL))
    found = recall(before, honoured(POOL))
    assert found.edited.equals(found.published)
    assert found.removed.num_rows == 0


def test_further_columns_lose_the_name_as_the_caption_does():
    rows = [replace(r, caption="a pond by Bo Lind no. 1") for r in world(1, 1)]
    found = recall(build(rows, honoured([])), honoured(["redact"]))
    (row,) = found.edited.to_pylist()
    assert "Bo Lind" not in json.dumps(row["tags"])
    assert "Bo Lind" not in row["caption"]
    assert row["caption_redacted"] is True
    assert row["clip_similarity"] == pytest.approx(clip(row["caption"]))


def test_an_address_to_which_redirects_led_is_denied_as_in_a_build():
    before = build(world(3, 40), honoured([]))
    uid = min(before.kept)
    judged = before.tables.judged.to_pylist()
    for row in judged:
        row["final_url"] = "https://cdn.example/x.jpg" if row["uid"] == uid else None
    tables = replace(before.tables, judged=from_rows(judged, JUDGED))
    own = claim("cdn", hosts=["cdn.example"])
    claims = Honoured(MATCHER, from_rows([own], CLAIMS), honoured([]).works)
    (gone,) = recall(replace(before, tables=tables), claims).removed.to_pylist()
    assert (gone["uid"], gone["reason"]) == (uid, "optout_host")


def test_a_caption_that_cannot_be_compared_again_has_no_similarity():
    before = build(
        [replace(r, caption="a pond by Bo Lind no. 1") for r in world(1, 1)], honoured([])
    )
    bare = replace(before.tables, vectors=before.tables.vectors.drop_columns(["sem"]))
    (row,) = recall(replace(before, tables=bare), honoured(["redact"])).edited.to_pylist()
    assert row["clip_similarity"] is None


# --- what cannot be judged


def test_claims_that_stored_vectors_cannot_judge_are_named_with_their_reason():
    claims = honoured(["work", "style", "name", "host"])
    assert unjudged(claims, Lacking()) == []
    assert unjudged(claims, Lacking(vectors=True)) == [
        Unjudged("style", Why.NO_VECTORS),
        Unjudged("work", Why.NO_VECTORS),
    ]
    assert {one.claim_id for one in unjudged(claims, Lacking(hashes=True))} == {"style", "work"}
    assert [one.claim_id for one in unjudged(claims, Lacking(cohort=True))] == ["style"]
    without = {one.claim_id for one in unjudged(claims, Lacking(vault=True))}
    assert without == {"style", "work", "name"}


def test_claims_of_another_matcher_are_not_judged():
    claims = honoured(["work", "style"])
    other = Honoured("x" * 64, claims.claims, claims.works)
    told = unjudged(other, Lacking())
    assert told == [Unjudged("style", Why.OTHER_MATCHER), Unjudged("work", Why.OTHER_MATCHER)]
    waits = without_styles(claims)
    assert set(waits.claims["style_state"].to_pylist()) == {"none", NOT_JUDGED}


def test_retractions_keep_those_of_earlier_recalls():
    row = {"uid": "b", "reason": "optout_work", "verdict": "drop"}
    hashes = pa.table({"uid": ["b"], "sha256": ["1" * 64], "stored_sha256": ["2" * 64]})
    first = retractions(from_rows([row], DECIDED), hashes, "e" * 64, None)
    again = from_rows([row | {"uid": "a", "reason": "optout_host"}], DECIDED)
    both = retractions(
        again, hashes.set_column(0, "uid", pa.array(["a"])), "f" * 64, first
    ).to_pylist()
    assert [(r["uid"], r["release"][0], r["reason"]) for r in both] == [
        ("a", "f", "optout_host"),
        ("b", "e", "optout_work"),
    ]
    assert "claim_id" not in both[0]
