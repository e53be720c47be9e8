import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.tail import FLOOR_SHARE, Tail, threshold_at
from optout.vote import ELSEWHERE, MAJORITY, VOTERS, needed
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
        from_rows(rows, SLIM), [from_rows(similar, SIMILARITIES)], from_rows(edges or [], EDGES)
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
            [SIMILARITIES.empty_table()], EDGES.empty_table(), honoured(), CONFIG,
        )  # fmt: skip


def test_a_claim_in_two_parts_is_refused():
    part = from_rows([{"uid": "a0", "claim_id": "c0", "similarity": 3.0}], SIMILARITIES)
    with pytest.raises(SchemaError, match="one part"):
        votes(from_rows(ADA, SLIM), [part, part], EDGES.empty_table(), honoured(), CONFIG)


# Against counting by hand, of worlds with accounts on shared hosts, copies, a safe list

CLAIMS_OF_A_WORLD = ("c0", "c1", "c2")
Pairs = dict[tuple[str, str], float]
"""Excess by uid and claim."""


@st.composite
def worlds(draw) -> tuple[list[dict], Pairs, list[dict], list[dict]]:
    """Rows, excesses by uid and claim, edges, safe list; equal images have equal excesses."""
    random = draw(st.randoms(use_true_random=False))
    places = [
        (f"h{random.randrange(3)}", random.randrange(2)) for _ in range(random.randint(20, 70))
    ]
    rows = [
        row(f"u{n:02}", f"{host}.example/{folder}/", f"p{host}{folder}{random.randrange(15)}")
        for n, (host, folder) in enumerate(places)
    ]
    rows += REST[: random.choice([30, 60, 60])]
    claims = CLAIMS_OF_A_WORLD
    near = {
        (place, claim): random.random() < 0.25 for place in sorted(set(places)) for claim in claims
    }
    placed = {r["uid"]: place for r, place in zip(rows, places, strict=False)}
    of_image: Pairs = {}
    for one in rows:
        for claim in claims:
            likely = near.get((placed.get(one["uid"]), claim), False)
            excess = random.choice([0.0, 1.0, 2.0, 3.0]) * SINGLE if likely else 0.0
            if random.random() < (0.9 if likely else 0.05):
                of_image.setdefault((one["pixel_sha256"], claim), excess)
    pairs = {
        (one["uid"], claim): of_image[one["pixel_sha256"], claim]
        for one in rows
        for claim in claims
        if (one["pixel_sha256"], claim) in of_image
    }
    some = [random.sample(rows, 2) for _ in range(random.randint(0, 12))]
    edges = [
        {"uid_a": min(a["uid"], b["uid"]), "uid_b": max(a["uid"], b["uid"]), "pdq_distance": 3}
        for a, b in some
    ]
    safe = [
        {"claim_id": random.choice(claims), **{k: one[k] for k in ("sha256", "pixel_sha256")}}
        for one in random.sample(rows, random.randint(0, 3))
    ]
    return rows, pairs, edges, safe


def counted(
    near: dict[int, float], here: set[int], voters: set[int], elsewhere: int, limit: float
) -> tuple[float, float, bool] | None:
    """Return mean excess, what is taken off it, and whether most are near; None: no vote."""
    there = sorted((excess for image, excess in near.items() if image not in here), reverse=True)
    place = int(FLOOR_SHARE * elsewhere)
    raised = there[place] if place < len(there) else 0.0
    above = [near[image] - raised for image in voters if image in near]
    mean = sum(max(a, 0.0) for a in above) / len(voters)
    if sum(near.get(image, 0.0) for image in voters) / len(voters) < limit or mean < limit:
        return None
    return mean, raised, sum(a >= 0 for a in above) >= MAJORITY * len(voters)


def by_hand(
    rows: list[dict], pairs: Pairs, edges: list[dict], safe: list[dict]
) -> dict[tuple[str, str], tuple[str, float]]:
    """Return the row and claim of each vote with the name of the source and the mean excess."""
    order = sorted({r["pixel_sha256"] for r in rows})
    image = {r["uid"]: order.index(r["pixel_sha256"]) for r in rows}
    copies = {frozenset((image[e["uid_a"]], image[e["uid_b"]])) for e in edges}
    aside = {(one["claim_id"], one["pixel_sha256"]) for one in safe}
    near: dict[str, dict[int, float]] = {claim: {} for claim in CLAIMS_OF_A_WORLD}
    for (uid, claim), excess in pairs.items():
        if (claim, order[image[uid]]) not in aside:
            near[claim][image[uid]] = float(np.float32(TAIL.u + excess)) - TAIL.u
    found: dict[tuple[str, str], tuple[float, str, float]] = {}
    sources = {name: [] for r in rows for name in (r["host"], folder_of(r))}
    for name, own in sorted(sources.items()):
        own += [r for r in rows if name in (r["host"], folder_of(r))]
        here = {image[r["uid"]] for r in own}
        voters = {i for i in here if not any({i, j} in copies for j in here if j < i)}
        elsewhere = len(order) - len(here)
        if len(voters) < VOTERS or elsewhere < ELSEWHERE:
            continue
        rate = CONFIG.style_budget / len(CLAIMS_OF_A_WORLD)
        limit = needed(TAIL, rate, len(voters)) - CONFIG.epsilon
        for claim in CLAIMS_OF_A_WORLD:
            if (told := counted(near[claim], here, voters, elsewhere, limit)) is None:
                continue
            mean, raised, most = told
            for r in own:
                key, excess = (r["uid"], claim), near[claim].get(image[r["uid"]], -1.0)
                if most or excess >= raised:  # at a tie the folder, whose name is longer
                    found[key] = max((mean - limit, name, mean), found.get(key, (-1.0, "", 0.0)))
    return {key: (name, mean) for key, (_, name, mean) in found.items()}


def folder_of(one: dict) -> str:
    return one["url_key"].removeprefix("https://").split("?")[0].rsplit("/", 1)[0] + "/"


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(1, 3))
def test_votes_are_as_counted_by_hand_in_whatever_parts_claims_come(world, parts):
    rows, pairs, edges, safe = world
    claims = CLAIMS_OF_A_WORLD
    told = [
        {"uid": uid, "claim_id": claim, "similarity": TAIL.u + excess}
        for (uid, claim), excess in pairs.items()
    ]
    cut = [
        from_rows([t for t in told if claims.index(t["claim_id"]) % parts == n], SIMILARITIES)
        for n in range(parts)
    ]
    table = votes(
        from_rows(rows, SLIM), cut, from_rows(edges, EDGES), honoured(len(claims)), CONFIG,
        safe=from_rows(safe, SAFE),
    )  # fmt: skip
    expected = by_hand(rows, pairs, edges, safe)
    found = {
        (m["uid"], m["claim_id"]): (json.loads(m["detail"])["source"], m["similarity"])
        for m in table.to_pylist()
    }
    assert list(found) == sorted(expected)
    for key, (name, mean) in found.items():
        assert name == expected[key][0]
        assert mean == pytest.approx(expected[key][1], abs=1e-4)


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
