"""What is stored need not be measured again, and nothing shows whether it was."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout import style_search
from optout.cohort import Cohort
from optout.style import near_styles
from optout.tail import Tail
from pipeline.buckets import read_bucket, write_bucketed
from pipeline.likeness import (
    Likeness,
    by_row,
    claim_parts,
    likeness,
    likeness_again,
    measured_rows,
    measured_styles,
    part_of_claim,
)
from pipeline.shard import read_parquet, write_parquet
from pipeline.stored_likeness import STYLES_PATH, read_likeness, shard_files
from schemas.errors import SchemaError
from schemas.snapshot import Honoured
from schemas.tables import (
    CLAIMS,
    MEASURED_ROWS,
    MEASURED_STYLES,
    SIMILARITIES,
    WORKS,
    from_rows,
    require,
    vector,
)
from tests.fakes import MemoryStore

DIM = 24
MATCHER = "m" * 64
EPSILON = 0.01


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    rows = rng.standard_normal((count, DIM)) + rng.standard_normal(DIM)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def cohort(seed: int = 0) -> Cohort:
    rows = unit(np.random.default_rng(seed), 120).astype(np.float32)
    hands = np.arange(120, dtype=np.int32)
    return Cohort(MATCHER, rows, rows, hands, rows, rows, hands + 120)


COHORT = cohort()


def tail(floor: float = 0.5) -> list[float]:
    return list(Tail(floor, 0.02, 0.0, 0.5, 1e-3, 0.4, 0.2).pack())


def style_rows(name: str, seed: int, floor: float = 0.5) -> tuple[dict, list[dict]]:
    """A claim and its works."""
    claim = {
        "claim_id": name, "scope": "style", "stance": "opt_out", "level": 2, "trusted": False,
        "style_state": "active", "style_tail": tail(floor),
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    works = [
        {"claim_id": name, "work_id": f"{n}", "matcher": MATCHER, "sty": list(sty)}
        for n, sty in enumerate(unit(rng, int(rng.integers(1, 7))))
    ]
    return claim, works


def honoured(styles: dict[str, tuple[int, float]]) -> Honoured:
    """Return the claims of name -> seed of its works, floor."""
    made = [style_rows(name, *given) for name, given in sorted(styles.items())]
    works = [work for _, own in made for work in own]
    return Honoured(MATCHER, from_rows([c for c, _ in made], CLAIMS), from_rows(works, WORKS))


def vectors(rows: dict[str, int]) -> pa.Table:
    """Return vectors of uid -> seed; a negative seed has none, 0 is not a number."""

    def one(seed: int) -> list | None:
        if seed < 0:
            return None
        (own,) = unit(np.random.default_rng(seed), 1)
        return list(own) if seed else [np.float16(np.nan)] * DIM

    return pa.table(
        {
            "uid": pa.array(list(rows), pa.string()),
            "sty": pa.array([one(s) for s in rows.values()], vector(DIM)),
        }
    )


def anew(table: pa.Table, claims: Honoured, epsilon: float = EPSILON) -> Likeness:
    similar = likeness(table, claims, COHORT, epsilon)
    return Likeness(similar, measured_styles(claims, COHORT, epsilon), measured_rows(table))


def same(one: Likeness, other: Likeness) -> bool:
    return all(
        getattr(one, name).num_rows == getattr(other, name).num_rows
        and all(
            _bits(a).equals(_bits(b))
            for a, b in zip(getattr(one, name).columns, getattr(other, name).columns, strict=True)
        )
        for name in ("similarities", "styles", "rows")
    )


def _same_pairs(one: pa.Table, other: pa.Table) -> bool:
    return one.num_rows == other.num_rows and all(
        _bits(a).equals(_bits(b)) for a, b in zip(one.columns, other.columns, strict=True)
    )


def _bits(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.view(pa.int32()) if array.type == pa.float32() else array  # NaN equals NaN


NAMES = [f"c{n}" for n in range(6)]
UIDS = [f"u{n:02d}" for n in range(15)]
SOME_STYLES = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.integers(1, 3), st.sampled_from([-1.0, 0.5]))
)
SOME_ROWS = st.dictionaries(st.sampled_from(UIDS), st.integers(-1, 3))


@settings(max_examples=80, deadline=None)
@given(SOME_STYLES, SOME_ROWS, SOME_STYLES, SOME_ROWS, st.sampled_from([EPSILON, 0.5]))
def test_what_is_stored_is_as_if_measured_anew(old_styles, old_rows, styles, rows, epsilon):
    stored = anew(vectors(old_rows), honoured(old_styles))
    wanted = anew(vectors(rows), honoured(styles), epsilon)
    found = likeness_again(stored, vectors(rows), honoured(styles), COHORT, epsilon)
    assert same(found, wanted)
    for table, schema in (
        (found.similarities, SIMILARITIES),
        (found.styles, MEASURED_STYLES),
        (found.rows, MEASURED_ROWS),
    ):
        require(table, schema, extra=False)


@settings(max_examples=40, deadline=None)
@given(SOME_STYLES, SOME_ROWS)
def test_the_twin_gives_the_same_table(styles, rows):
    plain = likeness(vectors(rows), honoured(styles), COHORT, EPSILON)
    quick = likeness(
        vectors(rows), honoured(styles), COHORT, EPSILON, search=style_search.near_styles
    )
    assert all(_bits(a).equals(_bits(b)) for a, b in zip(plain.columns, quick.columns, strict=True))


class Counted:
    """A search that notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, rows, moments, styles, epsilon):
        self.asked.append((len(rows), len(styles)))
        return near_styles(rows, moments, styles, epsilon)


ROWS = {uid: n + 1 for n, uid in enumerate(UIDS)}
STYLES = {name: (n + 1, -1.0) for n, name in enumerate(NAMES)}


@pytest.mark.parametrize(
    ("styles", "asked"),
    [
        (STYLES, []),
        (STYLES | {"new": (9, 0.5)}, [(15, 1)]),
        (STYLES | {"c2": (99, -1.0)}, [(15, 1)]),  # refreshed: other works
        (STYLES | {"c2": (3, 0.5)}, [(15, 1)]),  # another tail
        ({"c2": (3, -1.0)}, []),
    ],
)
def test_a_style_costs_only_itself(styles, asked):
    stored, search = anew(vectors(ROWS), honoured(STYLES)), Counted()
    likeness_again(stored, vectors(ROWS), honoured(styles), COHORT, EPSILON, search=search)
    assert search.asked == asked


def test_a_row_whose_vector_is_another_is_measured_anew():
    stored, search = anew(vectors(ROWS), honoured(STYLES)), Counted()
    rows = vectors(ROWS | {"u03": 99, "u99": 5})
    likeness_again(stored, rows, honoured(STYLES), COHORT, EPSILON, search=search)
    assert search.asked == [(2, 6)]


def test_another_cohort_epsilon_or_matcher_leaves_nothing_of_what_was_stored():
    stored = anew(vectors(ROWS), honoured(STYLES))
    other = honoured(STYLES)
    place, names = WORKS.get_field_index("matcher"), pa.array(["n" * 64] * other.works.num_rows)
    told = Honoured("n" * 64, other.claims, other.works.set_column(place, "matcher", names))
    for claims, by, epsilon in (
        (other, cohort(1), EPSILON),
        (other, COHORT, 0.5),
        (told, replace(COHORT, matcher="n" * 64), EPSILON),
    ):
        search = Counted()
        likeness_again(stored, vectors(ROWS), claims, by, epsilon, search=search)
        assert search.asked == [(15, 6)]


@settings(max_examples=40, deadline=None)
@given(SOME_STYLES, SOME_ROWS, st.integers(1, 6), st.integers(0, 10**9))
def test_pairs_are_cut_by_claim_and_put_together_again(styles, rows, parts, size):
    claims = honoured(styles)
    assert 1 <= claim_parts(claims, size) <= max(1, len(styles))
    similar = likeness(vectors(rows), claims, COHORT, EPSILON)
    part = part_of_claim(similar, claims, parts)
    by_claim = dict(zip(similar["claim_id"].to_pylist(), part.to_pylist(), strict=True))
    told = list(zip(similar["claim_id"].to_pylist(), part.to_pylist(), strict=True))
    assert all(by_claim[claim] == place and 0 <= place < parts for claim, place in told)
    assert sorted(by_claim.values()) == [by_claim[claim] for claim in sorted(by_claim)]
    store = MemoryStore()
    store.publish("f", write_bucketed(similar, part))
    cut = [read_bucket(store, "f", n) for n in range(parts)]
    assert _same_pairs(by_row(pa.concat_tables(cut)), similar)
    assert write_parquet(by_row(read_parquet(store.read("f")))) == write_parquet(similar)


def test_very_many_pairs_are_cut_into_many_parts():
    assert claim_parts(honoured({}), 10**9) == 1
    many = {f"c{n}": (1, 0.5) for n in range(40)}
    assert claim_parts(honoured(many), 1_000) == 1
    assert claim_parts(honoured(many), 10_000_000) == 4


def test_stored_tables_of_another_form_are_refused():
    stored = anew(vectors(ROWS), honoured(STYLES))
    for broken in (
        replace(stored, similarities=stored.styles),
        replace(stored, styles=stored.rows),
        replace(stored, rows=stored.styles),
    ):
        with pytest.raises(SchemaError):
            likeness_again(broken, vectors(ROWS), honoured(STYLES), COHORT, EPSILON)


# In the vault


def test_the_vault_gives_back_what_was_measured():
    rows, claims = vectors(ROWS), honoured(STYLES)
    measured = anew(rows, claims)
    vaulted = pa.table({"uid": ["u01"], "sty": rows["sty"].slice(1, 1).combine_chunks()})
    files = {p: body for p, body, _ in shard_files(measured.similarities, rows, vaulted, 4)}
    files[STYLES_PATH] = write_parquet(measured.styles)
    assert same(read_likeness(files.__getitem__, 4), measured)


def test_the_vault_keeps_no_likeness_of_what_forbids_mining():
    rows, claims = vectors(ROWS), honoured(STYLES)
    bare = pa.table({"uid": ["u01", "u02"], "sty": pa.nulls(2, vector(DIM))})
    similar = likeness(rows, claims, COHORT, EPSILON)
    assert {"u01", "u02"} <= set(similar["uid"].to_pylist())
    kept = [read_parquet(body) for _, body, _ in shard_files(similar, rows, bare, 0)]
    for table in kept:
        assert set(table["uid"].to_pylist()) & {"u00", "u01", "u02"} == {"u00"}
    assert pc.all(pc.is_in(kept[0]["uid"], kept[1]["uid"].combine_chunks())).as_py()
