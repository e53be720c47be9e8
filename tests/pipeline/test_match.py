import hashlib
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout import index
from optout import match as reference
from optout.cohort import Cohort
from optout.keypoints import agreeing, both_ways, pack, unpack
from optout.lifecycle import Rule
from optout.tail import Tail, hold_threshold_at, threshold_at
from pipeline.likeness import likeness
from pipeline.match import match, unjudged
from schemas.config import MatchConfig
from schemas.errors import ModelMismatchError, SchemaError
from schemas.snapshot import Honoured
from schemas.tables import (
    CLAIMS,
    MATCHES,
    SIMILARITIES,
    WORKS,
    from_rows,
    require,
    vector,
    with_metadata,
)
from tests.optout.points import moved, scene

DIM = 16
KINDS = ("crop", "crop", "grey", "framed", "turned")
MATCHER = "m" * 64
CONFIG = MatchConfig()
RNG = np.random.default_rng(7)
FAR = bytes(32)


def unit(seed: int, dim: int = DIM) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(dim)
    return (values / np.linalg.norm(values)).astype(np.float16)


def at_cosine(base: np.ndarray, cosine: float, seed: int = 99) -> np.ndarray:
    """A vector with a given cosine to another."""
    base = base.astype(np.float64) / np.linalg.norm(base.astype(np.float64))
    other = unit(seed, len(base)).astype(np.float64)
    other -= (other @ base) * base
    other /= np.linalg.norm(other)
    return (cosine * base + np.sqrt(1 - cosine**2) * other).astype(np.float16)


def flipped(pdq: bytes, bits: int) -> bytes:
    mask = (1 << bits) - 1
    return (int.from_bytes(pdq, "big") ^ mask).to_bytes(32, "big")


def key(kind: str, n: object) -> str:
    return hashlib.sha256(f"{kind} {n}".encode()).hexdigest()


def pdq(n: int) -> bytes:
    return np.random.default_rng(1000 + n).bytes(32)


def work(claim: str, n: int, **changes: object) -> dict:
    given = {
        "claim_id": claim,
        "work_id": f"{n:03d}",
        "sha256": key("bytes", n),
        "pixel_sha256": key("pixels", n),
        "pdq": [pdq(n * 8 + v) for v in range(8)],
        "pdq_quality": 100,
        "matcher": MATCHER,
        "cpy": unit(n),
        "sty": unit(n),
        "cohort_mean": 0.4,
    }
    return given | changes


def claim(name: str, **changes: object) -> dict:
    given = {
        "claim_id": name, "scope": "artist", "stance": "opt_out", "level": 0, "names": [],
        "hosts": [], "urls": [], "license": "", "attribution": "", "style_state": "none",
        "seq": 0, "commitment": "",
    }  # fmt: skip
    return given | changes


def taken(claims: list[dict], works: list[dict]) -> Honoured:
    return Honoured(MATCHER, from_rows(claims, CLAIMS), from_rows(works, WORKS))


def row(uid: str, **changes: object) -> dict:
    given = {
        "uid": uid, "sha256": key("row bytes", uid), "pixel_sha256": key("row", 0),
        "pdq": FAR, "pdq_quality": 100, "stored_pdq": FAR, "cpy": unit(500), "sty": unit(501),
    }  # fmt: skip
    return given | changes


def tables(rows: list[dict], dim: int = DIM) -> tuple[pa.Table, pa.Table]:
    kinds = {"uid": pa.string(), "sha256": pa.string(), "pixel_sha256": pa.string()}
    kinds |= {"pdq": pa.binary(32), "pdq_quality": pa.int16(), "stored_pdq": pa.binary(32)}
    keys = {n: pa.array([r[n] for r in rows], t) for n, t in kinds.items()}
    vectors = {"uid": keys["uid"]} | {
        n: pa.array([r[n] if r[n] is None else list(r[n]) for r in rows], vector(dim))
        for n in ("cpy", "sty")
    }
    if any("keypoints" in r for r in rows):
        vectors["keypoints"] = pa.array([r.get("keypoints") for r in rows], pa.binary())
    return pa.table(keys), pa.table(vectors)


def matched(keys, vectors, registry, cohort, config, **options) -> pa.Table:
    similar = likeness(vectors, registry, cohort, config.epsilon)
    require(similar, SIMILARITIES, extra=False)
    return match(keys, vectors, registry, similar, config, **options)


def found(rows: list[dict], snap: Honoured, cohort=None, config=CONFIG, **options) -> list[tuple]:
    table = matched(*tables(rows), snap, cohort, config, **options)
    require(table, MATCHES, extra=False)
    return [tuple(r[n] for n in ("uid", "claim_id", "rule", "work_id")) for r in table.to_pylist()]


ONE = taken([claim("c1")], [work("c1", 1), work("c1", 2)])


def test_the_bytes_and_the_pixels_of_a_work_match():
    rows = [row("a", sha256=key("bytes", 1)), row("b", pixel_sha256=key("pixels", 2)), row("c")]
    assert found(rows, ONE) == [("a", "c1", "sha256", "001"), ("b", "c1", "pixel_sha256", "002")]


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"pdq": flipped(pdq(8 + 3), 48), "cpy": at_cosine(unit(1), 0.88)}, ["copy", "perceptual"]),
        ({"pdq": flipped(pdq(8 + 3), 48), "cpy": at_cosine(unit(1), 0.66)}, ["perceptual"]),
        ({"pdq": flipped(pdq(8 + 3), 40), "cpy": at_cosine(unit(1), 0.42)}, ["perceptual"]),
        ({"pdq": flipped(pdq(8 + 3), 40), "cpy": at_cosine(unit(1), 0.38)}, []),
        ({"pdq": flipped(pdq(8 + 3), 64), "cpy": at_cosine(unit(1), 0.66)}, ["perceptual"]),
        ({"pdq": flipped(pdq(8 + 3), 64), "cpy": at_cosine(unit(1), 0.63)}, []),
        ({"pdq": flipped(pdq(8 + 3), 65), "cpy": at_cosine(unit(1), 0.66)}, []),
        ({"pdq": flipped(pdq(8 + 3), 49), "cpy": at_cosine(unit(1), 0.45)}, []),
        ({"pdq": flipped(pdq(8), 48), "cpy": at_cosine(unit(1), 0.45)}, []),  # one key alone
        ({"pdq": pdq(8), "pdq_quality": 49, "cpy": at_cosine(unit(1), 0.87)}, ["copy"]),
        ({"pdq": pdq(8), "pdq_quality": 49, "cpy": at_cosine(unit(1), 0.80)}, []),
        ({"pdq": None, "cpy": at_cosine(unit(1), 0.87)}, ["copy"]),
        ({"cpy": at_cosine(unit(1), 0.8592)}, ["copy"]),  # within epsilon of .4 + .46
        ({"cpy": at_cosine(unit(1), 0.85)}, []),
        ({"cpy": np.full(DIM, np.nan, np.float16)}, ["copy"]),  # doubt falls on the claim's side
        ({"cpy": None}, []),  # not judged: `decide` holds it
    ],
)
def test_a_copy_is_found_by_two_keys_or_by_its_vector(changes, rules):
    only = taken([claim("c1")], [work("c1", 1)])
    assert [rule for _, _, rule, _ in found([row("a", **changes)], only)] == rules


def test_the_image_as_stored_counts_as_much_as_the_image_as_fetched():
    """A false `pdq` hides nothing from whoever has the bytes."""
    only = taken([claim("c1")], [work("c1", 1)])
    near = {"stored_pdq": flipped(pdq(8 + 3), 48), "cpy": at_cosine(unit(1), 0.66)}
    assert [rule for _, _, rule, _ in found([row("a", **near)], only)] == ["perceptual"]
    for absent in ({"pdq": None}, {"pdq": near["stored_pdq"], "stored_pdq": None}):
        (only_one,) = found([row("a", **near | absent)], only)
        assert only_one[2] == "perceptual"
    assert found([row("a", **near | {"pdq_quality": 49})], only) == []


def test_a_high_cohort_mean_leaves_two_keys_as_the_only_way_below_it():
    raised = taken([claim("c1")], [work("c1", 1, cohort_mean=0.6)])
    near = row("a", pdq=flipped(pdq(8), 40), cpy=at_cosine(unit(1), 0.8))
    assert [r for _, _, r, _ in found([near], raised)] == ["perceptual"]


@pytest.mark.parametrize(("cosine", "rules"), [(0.69, []), (0.71, ["copy"])])
def test_far_from_the_cohort_a_margin_alone_is_no_copy(cosine, rules):
    far = taken([claim("c1")], [work("c1", 1, cohort_mean=0.1)])
    near = row("a", pdq=None, cpy=at_cosine(unit(1), cosine))
    assert [r for _, _, r, _ in found([near], far)] == rules


@pytest.mark.parametrize(
    ("bits", "cosine", "matches"), [(16, 0.98, True), (17, 0.98, False), (4, 0.96, False)]
)
def test_a_common_design_matches_only_almost_exactly(bits, cosine, matches):
    flag = taken([claim("c1")], [work("c1", 1, cohort_mean=0.8)])
    near = row("a", pdq=flipped(pdq(8), bits), cpy=at_cosine(unit(1), cosine))
    assert bool(found([near], flag)) == matches


def viewed(claim_id: str, n: int, *views: tuple, **changes: object) -> dict:
    """A work with views: kind, vector, cohort mean."""
    columns = {"views": [], "view_cpy": [], "view_means": []}
    for view in views:
        for column, value in zip(columns.values(), view, strict=True):
            column.append(value)
    return work(claim_id, n, **columns, **changes)


def test_a_copy_of_a_view_is_a_copy_of_the_work():
    part = ("crop", unit(50), 0.2)
    snap = taken([claim("c1")], [work("c1", 1), viewed("c1", 2, part, ("grey", unit(51), 0.1))])
    rows = [row("a", pdq=None, cpy=at_cosine(unit(50), 0.95)), row("b", pdq=None)]
    assert found(rows, snap) == [("a", "c1", "copy", "002")]


def test_a_view_confirms_the_hash_of_the_whole():
    grey = viewed("c1", 1, ("grey", unit(51), 0.6), cohort_mean=0.6)
    near = row("a", pdq=flipped(pdq(8), 40), cpy=at_cosine(unit(51), 0.8))
    assert [r for _, _, r, _ in found([near], taken([claim("c1")], [grey]))] == ["perceptual"]


def test_a_view_has_the_limit_of_its_kind_and_its_own_cohort_mean():
    for kind, (margin, least) in reference.LIMITS.items():
        if kind == "whole":
            continue
        limit = max(0.5 + margin, least)
        snap = taken([claim("c1")], [viewed("c1", 1, (kind, unit(60), 0.5))])
        near = [row(f"{d:+}", pdq=None, cpy=at_cosine(unit(60), limit + d)) for d in (-0.02, 0.02)]
        assert [uid for uid, *_ in found(near, snap)] == ["+0.02"], kind


@pytest.mark.parametrize(
    "view", [("side", unit(1), 0.1), ("crop", None, 0.1), ("crop", unit(1), None),
             ("crop", unit(1, 8), 0.1), ("crop", np.full(DIM, np.nan, np.float16), 0.1)]
)  # fmt: skip
def test_a_view_that_cannot_be_compared_is_refused(view):
    with pytest.raises(SchemaError):
        found([row("a")], taken([claim("c1")], [viewed("c1", 1, view)]))


def shown(n: int, points: int) -> bytes:
    """The first so many key points of a work, in a picture that shows it turned and smaller."""
    part = {name: value[:points] for name, value in scene(seed=n).items()}
    return pack(**moved(part, 0.8, 0.2, (0.1, 0.05)))


POINTED = taken([claim("c1")], [work("c1", 1, keypoints=pack(**scene(seed=1)))])


@pytest.mark.parametrize(
    ("points", "cosine", "rules"),
    [
        (12, 0.52, ["keypoints"]),
        (5, 0.51, ["keypoints"]),
        (5, 0.4992, ["keypoints"]),  # within epsilon of .4 + .1
        (12, 0.49, []),  # points alone: the same logo, the same page
        (4, 0.61, ["keypoints"]),
        (4, 0.59, []),
        (3, 0.71, ["keypoints"]),
        (3, 0.69, []),
        (2, 0.80, []),
        (0, 0.80, []),
        (12, 0.88, ["copy"]),  # where nothing else joins them
    ],
)
def test_details_that_agree_are_a_second_key(points, cosine, rules):
    near = row("a", pdq=None, cpy=at_cosine(unit(1), cosine), keypoints=shown(1, points))
    assert [rule for _, _, rule, _ in found([near], POINTED)] == rules


def test_a_match_by_details_says_how_many_agree_and_what_was_needed():
    near = row("a", pdq=None, cpy=at_cosine(unit(1), 0.62), keypoints=shown(1, 12))
    (told,) = matched(*tables([near]), POINTED, None, CONFIG).to_pylist()
    assert told["rule"] == "keypoints"
    agree = agreeing(both_ways(pack(**scene(seed=1))), unpack(near["keypoints"]))
    assert agree >= 10
    assert json.loads(told["detail"]) == {"work_id": "001", "points": agree}
    assert told["threshold"] == pytest.approx(0.5)
    assert told["margin"] == pytest.approx(0.12, abs=1e-3)


def test_details_of_a_part_count_by_the_view_that_is_nearest():
    whole = viewed("c1", 1, ("crop", unit(60), 0.3), keypoints=pack(**scene(seed=1)))
    near = row("a", pdq=None, cpy=at_cosine(unit(60), 0.41), keypoints=shown(1, 9))
    assert [r for _, _, r, _ in found([near], taken([claim("c1")], [whole]))] == ["keypoints"]


def test_a_common_design_is_not_found_by_details():
    common = work("c1", 1, cohort_mean=0.8, keypoints=pack(**scene(seed=1)))
    near = row("a", pdq=None, cpy=at_cosine(unit(1), 0.96), keypoints=shown(1, 12))
    assert found([near], taken([claim("c1")], [common])) == []


@pytest.mark.parametrize("stored", [None, b""])
def test_a_row_without_details_is_judged_by_the_rest(stored):
    rows = [row("a", pdq=None, cpy=at_cosine(unit(1), c), keypoints=stored) for c in (0.8, 0.88)]
    assert [r for one in rows for _, _, r, _ in found([one], POINTED)] == ["copy"]


def test_an_opt_in_claim_matches_by_exact_keys_only():
    grant = taken([claim("c1", stance="opt_in")], [work("c1", 1)])
    copy = row("a", pdq=pdq(8), cpy=unit(1))
    exact = row("b", sha256=key("bytes", 1))
    assert found([copy, exact], grant) == [("b", "c1", "sha256", "001")]


def test_a_claim_without_vectors_of_the_matcher_keeps_its_hashes_and_is_counted():
    works = [work("c1", 1, matcher=None, cpy=None, sty=None), work("c2", 2, matcher="o" * 64)]
    old = taken([claim("c1"), claim("c2"), claim("c3")], works)
    rows = [row("a", sha256=key("bytes", 1)), row("b", cpy=unit(2), pdq=pdq(16))]
    assert found(rows, old) == [("a", "c1", "sha256", "001")]
    assert unjudged(old.works, MATCHER) == 2


def test_the_best_work_of_a_claim_is_named_and_margins_are_those_of_stored_vectors():
    snap = taken([claim("c1")], [work("c1", 1), work("c1", 2, cpy=at_cosine(unit(1), 0.99))])
    table = matched(*tables([row("a", cpy=unit(1))]), snap, None, CONFIG)
    (one,) = table.to_pylist()
    assert one["work_id"] == "001"
    stored = unit(1).astype(np.float64)
    assert one["similarity"] == pytest.approx(stored @ stored, abs=1e-7)
    assert one["threshold"] == pytest.approx(0.86)
    assert one["margin"] == pytest.approx(one["similarity"] - one["threshold"], abs=1e-6)


@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize("works", [0, 2])
def test_nothing_on_either_side_is_fine(rows, works):
    snap = taken([claim("c1")], [work("c1", n) for n in range(works)])
    assert found([row(f"r{n}") for n in range(rows)], snap) == []


def same(one: pa.Table, other: pa.Table) -> bool:
    return pl.from_arrow(one).equals(pl.from_arrow(other))  # for which NaN equals NaN


def random_case(seed: int, n: int = 60, m: int = 30) -> tuple[list[dict], Honoured]:
    rng = np.random.default_rng(seed)
    means = (0.1, 0.3, 0.6, 0.8)
    works = [
        viewed(
            f"c{k % 5}",
            k,
            *((kind, unit(3_000 + 10 * k + v), rng.choice(means)) for v, kind in enumerate(KINDS)),
            cohort_mean=float(rng.choice(means)),
            keypoints=pack(**scene(seed=k)) if k % 3 else None,
        )
        for k in range(m)
    ]
    rows = []
    for k in range(n):
        place = int(rng.integers(m))
        base = works[place]
        like = [base["cpy"], *base["view_cpy"]][k % 6]
        near = at_cosine(like, float(rng.uniform(0.3, 1.0)), 20_000 + k)
        bits = int(rng.integers(0, 80))
        points = shown(place, int(rng.integers(0, 9)))
        keys = {"pdq": flipped(base["pdq"][k % 8], bits), "keypoints": points}
        rows.append(row(f"{k:03d}", cpy=near, **keys))
    rows[3]["cpy"] = np.full(DIM, np.nan, np.float16)
    return rows, taken([claim(f"c{k}") for k in range(5)], works)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_the_twin_finds_the_same(seed):
    pytest.importorskip("faiss")
    rows, snap = random_case(seed)
    tables_ = tables(rows)
    plain = matched(*tables_, snap, None, CONFIG)
    assert plain.num_rows > 5
    assert same(matched(*tables_, snap, None, CONFIG, search=index.candidates), plain)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 59))
def test_order_and_cuts_of_the_rows_do_not_matter(seed, cut):
    rows, snap = random_case(seed)
    whole = matched(*tables(rows), snap, None, CONFIG)
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert same(matched(*tables(shuffled), snap, None, CONFIG), whole)
    parts = [matched(*tables(part), snap, None, CONFIG) for part in (rows[:cut], rows[cut:])]
    assert same(pa.concat_tables(parts), whole)


def test_blocks_do_not_matter(monkeypatch):
    rows, snap = random_case(1)
    whole = matched(*tables(rows), snap, None, CONFIG)
    assert set(whole["rule"].to_pylist()) == {"copy", "perceptual", "keypoints"}
    monkeypatch.setattr(reference, "BLOCK_ROWS", 7)
    monkeypatch.setattr(reference, "BLOCK_WORKS", 4)
    monkeypatch.setattr(reference, "PAIRS_AT_ONCE", 5)
    assert same(matched(*tables(rows), snap, None, CONFIG), whole)


def test_another_claim_takes_no_match_away():
    rows, snap = random_case(2)
    less = taken(
        snap.claims.to_pylist()[:4], [w for w in snap.works.to_pylist() if w["claim_id"] != "c4"]
    )
    assert set(found(rows, less)) <= set(found(rows, snap))


@pytest.mark.parametrize("change", ["columns", "finite", "length", "variants"])
def test_tables_that_depart_from_their_form_are_refused(change):
    keys, vectors = tables([row("a")])
    works = [work("c1", 1)]
    if change == "columns":
        keys = keys.drop_columns(["pdq"])
    elif change == "finite":
        works[0]["cpy"] = np.full(DIM, np.nan, np.float16)
    elif change == "length":
        works.append(work("c1", 2, cpy=unit(2, 8)))
    else:
        works[0]["pdq"] = [FAR]
    with pytest.raises(SchemaError):
        matched(keys, vectors, taken([claim("c1")], works), None, CONFIG)


def test_vectors_of_another_matcher_are_refused():
    keys, vectors = tables([row("a")])
    told = with_metadata(vectors, matcher="x" * 64)
    with pytest.raises(ModelMismatchError):
        matched(keys, told, ONE, None, CONFIG)
    with pytest.raises(ModelMismatchError):
        matched(keys, tables([row("a", cpy=unit(1, 8), sty=unit(1, 8))], 8)[1], ONE, None, CONFIG)


# Styles

TAIL = Tail(u=2.0, share=0.02, xi=0.0, beta=0.5, least_alpha=1e-3, mean=0.3, sd=0.05)


def cohort(matcher: str = MATCHER) -> Cohort:
    rows = np.stack([unit(9000 + n) for n in range(150)]).astype(np.float32)
    hands = np.arange(150, dtype=np.int32)
    return Cohort(matcher, rows, rows, hands, rows, rows, hands + 150)


def styled(count: int = 1, level: int = 2, *, trusted: bool = False) -> Honoured:
    claims = [
        claim(
            f"c{k}",
            scope="style",
            level=level,
            trusted=trusted,
            style_state="active",
            style_tail=TAIL.pack(),
        )
        for k in range(count)
    ]
    base = [unit(77 + k) for k in range(count)]
    works = [
        work(f"c{k}", n, sty=at_cosine(base[k], 0.95, 10 * k + n), cohort_mean=0.9)
        for k in range(count)
        for n in range(5)
    ]
    return taken(claims, works)


LIKE = row("a", sty=at_cosine(unit(77), 0.97, 3))


def test_a_look_alike_meets_a_style_and_a_stranger_does_not():
    table = matched(*tables([LIKE, row("b")]), styled(), cohort(), CONFIG)
    (one,) = table.to_pylist()
    assert (one["uid"], one["rule"], one["work_id"]) == ("a", "style", None)
    assert one["threshold"] == pytest.approx(threshold_at(TAIL, 1e-3))


def test_rates_add_up_so_that_a_style_among_many_needs_a_second_key():
    table = matched(*tables([LIKE]), styled(2), cohort(), CONFIG)
    (one,) = table.to_pylist()
    assert one["rule"] == Rule.STYLE_WEAK
    assert one["threshold"] == pytest.approx(threshold_at(TAIL, 1e-3))  # what the cohort supports


def test_a_style_waits_for_proved_control():
    assert found([LIKE], styled(level=1), cohort()) == []
    assert found([LIKE], styled(level=0, trusted=True), cohort()) != []


def test_a_style_vector_that_is_not_a_number_counts_as_met():
    doubtful = row("a", sty=np.full(DIM, np.nan, np.float16))
    assert [r for _, _, r, _ in found([doubtful], styled(), cohort())] == ["style"]


def test_styles_need_the_matchers_own_cohort():
    with pytest.raises(ModelMismatchError):
        found([LIKE], styled(), None)
    with pytest.raises(ModelMismatchError):
        found([LIKE], styled(), cohort("x" * 64))


def test_similarities_are_kept_down_to_where_the_tail_begins():
    rows = [row(f"{n:03d}", sty=at_cosine(unit(77), n / 100, 1000 + n)) for n in range(100)]
    _, vectors = tables(rows)
    table = likeness(vectors, styled(), cohort(), 0.0)
    lowest = min(table["similarity"].to_pylist())
    assert TAIL.u <= lowest < TAIL.u + 0.5
    assert table.num_rows > matched(*tables(rows), styled(), cohort(), CONFIG).num_rows
    # what another budget would drop is read off the same table
    strict = match(*tables(rows), styled(2), table, CONFIG)
    assert set(strict["rule"].to_pylist()) == {"style_weak"}


def test_similarities_to_a_claim_that_does_not_act_are_refused():
    table = likeness(tables([LIKE])[1], styled(), cohort(), 0.0)
    with pytest.raises(SchemaError, match="c0"):
        match(*tables([LIKE]), styled(level=1), table, CONFIG)


def test_style_matches_do_not_depend_on_other_rows():
    rows = [row(f"{n:03d}", sty=at_cosine(unit(77), n / 100, 1000 + n)) for n in range(100)]
    whole = matched(*tables(rows), styled(), cohort(), CONFIG)
    parts = [
        matched(*tables(rows[n : n + 9]), styled(), cohort(), CONFIG) for n in range(0, 100, 9)
    ]
    assert same(pa.concat_tables(parts), whole)
    assert 0 < whole.num_rows < 100


def test_what_is_just_under_the_threshold_is_in_the_band_with_its_own_threshold():
    rows = [row(f"{n:04d}", sty=at_cosine(unit(77), n / 1000, 1000 + n)) for n in range(1000)]
    table = matched(*tables(rows), styled(), cohort(), CONFIG)
    held = table.filter(pc.equal(table["rule"], "style_band")).to_pylist()
    dropped = table.filter(pc.equal(table["rule"], "style")).to_pylist()
    low, high = hold_threshold_at(TAIL, 1e-3), threshold_at(TAIL, 1e-3)
    assert [m["threshold"] for m in held] == pytest.approx([low] * len(held))
    assert all(low - CONFIG.epsilon <= m["similarity"] < high for m in held)
    assert all(m["margin"] >= -CONFIG.epsilon for m in held)
    assert held
    assert dropped


def test_a_style_that_acts_only_with_a_second_key_holds_nothing():
    rows = [row(f"{n:04d}", sty=at_cosine(unit(77), n / 1000, 1000 + n)) for n in range(1000)]
    table = matched(*tables(rows), styled(2), cohort(), CONFIG)
    assert set(table["rule"].to_pylist()) == {"style_weak"}
