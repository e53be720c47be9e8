import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.tail import Tail, threshold_at
from optout.vote import VOTERS, needed
from pipeline.votes import votes
from schemas.config import MatchConfig
from schemas.errors import SchemaError
from schemas.snapshot import Honoured
from schemas.tables import (
    CLAIMS,
    EDGES,
    MATCHES,
    SAFE,
    SIMILARITIES,
    SLIM,
    WORKS,
    from_rows,
    require,
)

TAIL = Tail(u=2.0, share=0.02, xi=0.0, beta=0.5, least_alpha=1e-3, mean=0.3, sd=0.05)
CONFIG = MatchConfig()
SINGLE = threshold_at(TAIL, 1e-3) - TAIL.u
NEAR = 0.6 * SINGLE  # too little for one image, enough for five


def honoured(count: int = 1, **changes: object) -> Honoured:
    given = {
        "scope": "style", "stance": "opt_out", "level": 2, "names": [], "hosts": [], "urls": [],
        "license": "", "attribution": "", "style_state": "active", "style_tail": TAIL.pack(),
        "seq": 0, "commitment": "",
    }  # fmt: skip
    claims = [given | {"claim_id": f"c{n}"} | changes for n in range(count)]
    return Honoured("m" * 64, from_rows(claims, CLAIMS), WORKS.empty_table())


def row(uid: str, folder: str = "site.example/ada/", content: str | None = None) -> dict:
    return {
        "uid": uid, "row": 0, "url_key": f"https://{folder}{uid}.jpg?x=1/2",
        "host": folder.split("/", 1)[0], "sha256": f"s{uid}", "pixel_sha256": content or f"p{uid}",
    }  # fmt: skip


REST = [row(f"rest{n:02}", f"rest{n}.example/") for n in range(60)]
"""What a build has elsewhere."""


def voted(
    rows: list[dict],
    excess: dict[str, float],
    edges: list[dict] | None = None,
    count: int = 1,
    *,
    safe: list[dict] | None = None,
    rest: list[dict] | None = None,
) -> pa.Table:
    similar = [
        {"uid": uid, "claim_id": "c0", "similarity": TAIL.u + more} for uid, more in excess.items()
    ]
    rows = [*rows, *(REST if rest is None else rest)]
    tables = (
        from_rows(rows, SLIM), from_rows(similar, SIMILARITIES), from_rows(edges or [], EDGES)
    )  # fmt: skip
    table = votes(*tables, honoured(count), CONFIG, safe=from_rows(safe or [], SAFE))
    require(table, MATCHES, extra=False)
    return table


def uids(table: pa.Table) -> list[str]:
    return table["uid"].to_pylist()


ADA = [row(f"a{n}") for n in range(VOTERS)]


def test_five_images_that_are_each_too_little_are_enough_together():
    table = voted([*ADA, row("b", "elsewhere.example/")], dict.fromkeys([*"b", "a0"], NEAR))
    assert uids(table) == []  # one near of five, and one elsewhere
    table = voted(
        [*ADA, row("b", "elsewhere.example/")], {r["uid"]: NEAR for r in ADA} | {"b": NEAR}
    )
    assert uids(table) == [r["uid"] for r in ADA]
    (one, *_) = table.to_pylist()
    assert (one["claim_id"], one["rule"], one["stance"]) == ("c0", "style_vote", "opt_out")
    assert one["similarity"] == pytest.approx(NEAR, rel=1e-4)
    assert one["threshold"] == pytest.approx(needed(TAIL, 1e-3, 5))
    assert json.loads(one["detail"]) == {
        "kind": "folder", "source": "site.example/ada/", "images": 5, "near": 5,
    }  # fmt: skip


def test_four_images_have_no_vote():
    assert uids(voted(ADA[:4], {r["uid"]: SINGLE for r in ADA[:4]})) == []


def test_an_account_is_voted_out_of_a_host_with_many():
    others = [row(f"z{n:02}", f"site.example/user{n}/") for n in range(60)]
    table = voted([*ADA, *others], {r["uid"]: NEAR for r in ADA})
    assert uids(table) == [r["uid"] for r in ADA]


def test_a_host_is_voted_out_where_every_image_has_a_folder_of_its_own():
    rows = [row(f"a{n}", f"ada.example/{n}/") for n in range(VOTERS)]
    table = voted(rows, {r["uid"]: NEAR for r in rows})
    assert uids(table) == [r["uid"] for r in rows]
    assert json.loads(table["detail"][0].as_py())["kind"] == "host"


def test_all_images_of_a_source_go_where_most_are_near():
    rows = [*ADA, row("far0"), row("far1")]
    table = voted(rows, {r["uid"]: SINGLE for r in ADA})
    assert uids(table) == sorted(r["uid"] for r in rows)


def test_bystanders_of_a_mixed_source_stay():
    strangers = [row(f"far{n}") for n in range(VOTERS + 1)]
    table = voted([*ADA, *strangers], {r["uid"]: 3 * SINGLE for r in ADA})
    assert uids(table) == [r["uid"] for r in ADA]


def test_equal_images_have_one_vote():
    rows = [row(f"a{n}", content="p") for n in range(9)]
    assert uids(voted(rows, {r["uid"]: SINGLE for r in rows})) == []


def test_near_copies_have_one_vote():
    rows = [row(f"a{n}") for n in range(9)]
    chain = [
        {"uid_a": f"a{n}", "uid_b": f"a{n + 1}", "pdq_distance": 4, "sha256": False}
        for n in range(8)
    ]
    excess = {r["uid"]: SINGLE for r in rows}
    assert uids(voted(rows, excess, chain)) == []
    six_left = voted(rows, excess, chain[:3])
    assert uids(six_left) == [r["uid"] for r in rows]
    assert json.loads(six_left["detail"][0].as_py())["images"] == 6


def test_what_came_without_an_address_or_was_never_seen_has_no_source():
    given = [row(f"g{n}") | {"url_key": f"given:1#{n}", "host": ""} for n in range(9)]
    unseen = [row(f"u{n}") | {"pixel_sha256": None, "sha256": None} for n in range(9)]
    rows = [*given, *unseen]
    assert uids(voted(rows, {r["uid"]: SINGLE for r in rows})) == []


def test_a_similarity_that_is_not_a_number_has_no_vote():
    table = voted(ADA, {r["uid"]: NEAR for r in ADA[1:]} | {"a0": float("nan")})
    assert uids(table) == []


def test_where_a_whole_build_lies_nearer_than_the_cohort_a_source_is_held_against_it():
    """A cohort of drawings says little about photographs."""
    build = {r["uid"]: 1.5 * NEAR for r in REST}
    assert uids(voted(ADA, {r["uid"]: 1.5 * NEAR for r in ADA} | build)) == []
    apart = voted(ADA, {r["uid"]: 2.6 * NEAR for r in ADA} | build)
    assert uids(apart) == [r["uid"] for r in ADA]
    few = voted(ADA, {r["uid"]: 1.5 * NEAR for r in ADA} | dict(list(build.items())[:1]))
    assert uids(few) == [r["uid"] for r in ADA]  # one of sixty is what strangers are


def test_a_build_with_little_elsewhere_has_no_votes():
    assert uids(voted(ADA, {r["uid"]: SINGLE for r in ADA}, rest=REST[:49])) == []
    assert uids(voted(ADA, {r["uid"]: SINGLE for r in ADA}, rest=REST[:50])) != []


def test_what_review_has_cleared_speaks_for_nobody():
    excess = {r["uid"]: NEAR for r in ADA}
    cleared = [{"claim_id": "c0", "sha256": "sa0", "pixel_sha256": "pa0"}]
    assert uids(voted(ADA, excess, safe=cleared)) == []
    others = [{"claim_id": "c1", "sha256": "sa0", "pixel_sha256": "pa0"}]
    assert len(uids(voted(ADA, excess, safe=others))) == VOTERS


def test_among_many_claims_a_vote_needs_more():
    few, many = (voted(ADA, {r["uid"]: NEAR for r in ADA}, count=n) for n in (1, 1000))
    assert (few.num_rows, many.num_rows) == (5, 0)
    assert voted(ADA, {r["uid"]: 2 * SINGLE for r in ADA}, count=1000).num_rows == 5


def test_tables_that_depart_from_their_form_are_refused():
    with pytest.raises(SchemaError):
        votes(
            SLIM.empty_table().drop_columns(["host"]),
            SIMILARITIES.empty_table(), EDGES.empty_table(), honoured(), CONFIG,
        )  # fmt: skip


EXCESSES = st.lists(st.floats(0, 4 * SINGLE), min_size=4, max_size=14)


@settings(max_examples=40, deadline=None)
@given(EXCESSES, st.integers(0, 13), st.floats(0, SINGLE), st.randoms(use_true_random=False))
def test_order_does_not_count_and_nearer_never_frees(excesses, place, more, random):
    rows = [row(f"a{n:02}") for n in range(len(excesses))]
    excess = {r["uid"]: value for r, value in zip(rows, excesses, strict=True)}
    before = voted(rows, excess)
    shuffled = random.sample(sorted(excess.items()), len(excess))
    assert voted(random.sample(rows, len(rows)), dict(shuffled)).equals(before)
    uid = rows[place % len(rows)]["uid"]
    after = voted(rows, excess | {uid: excess[uid] + more})
    assert set(uids(before)) <= set(uids(after))
