"""Copies: exact groups, PDQ, vectors, and the cell join against the exact scan."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pipeline.near.cells import Join, near_pairs
from pipeline.near.scan import MOST_NEIGHBOURS, scan
from pipeline.relate import KEYS, relate
from schemas.config import RelateConfig
from schemas.errors import SchemaError
from schemas.tables import EDGES, from_rows, require

CONFIG = RelateConfig()
THRESHOLD = 0.95
DIM = 64


def uid(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()[:32]


def flipped(pdq: bytes, bits: int) -> bytes:
    """Return the hash with its first bits changed."""
    number = int.from_bytes(pdq, "big") ^ ((1 << bits) - 1)
    return number.to_bytes(32, "big")


def row(n: int, **values: object) -> dict[str, object]:
    """Return a row that resembles no other."""
    found = hashlib.sha256(f"row {n}".encode())
    own = {
        "uid": uid(n),
        "sha256": found.hexdigest(),
        "pixel_sha256": found.hexdigest()[::-1],
        "pdq": found.digest(),
        "pdq_quality": 100,
    }
    return own | values


def edges_of(rows: list[dict[str, object]], vectors: object = None, **kwargs: object) -> pa.Table:
    options = {"config": CONFIG, "threshold": THRESHOLD, "seed": 0} | kwargs
    found = relate(from_rows(rows, KEYS), vectors, **options)  # type: ignore[arg-type]  # by name
    require(found, EDGES)
    return found


def unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float16]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def mixture(n: int, seed: int) -> npt.NDArray[np.float16]:
    """Return vectors of overlapping clusters, with planted near pairs of cosine .951 to .995."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 100, DIM)) + 0.8 * rng.normal(size=DIM)
    sizes = rng.pareto(1.2, len(centres)) + 0.05
    base = centres[rng.choice(len(centres), n, p=sizes / sizes.sum())]
    vectors = base + 0.55 * rng.normal(size=(n, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    planted = n // 10
    apart = rng.normal(size=(planted, DIM))
    chosen = vectors[:planted]
    apart -= (apart * chosen).sum(axis=1, keepdims=True) * chosen
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    cosine = rng.uniform(0.951, 0.995, size=(planted, 1))
    vectors[planted : 2 * planted] = cosine * chosen + np.sqrt(1 - cosine**2) * apart
    return unit(vectors[rng.permutation(n)])


def test_no_rows_give_no_edges() -> None:
    assert edges_of([]).num_rows == 0
    assert edges_of([], np.empty((0, 8), np.float32)).num_rows == 0


def test_one_row_gives_no_edge() -> None:
    assert edges_of([row(1)], unit(np.ones((1, DIM)))).num_rows == 0


def test_unrelated_rows_give_no_edges() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(50, DIM)))
    assert edges_of([row(n) for n in range(50)], vectors).num_rows == 0


def test_equal_bytes_are_an_edge_with_all_evidence() -> None:
    same = row(1)
    found = edges_of([same, same | {"uid": uid(2)}], unit(np.ones((2, DIM)))).to_pylist()
    a, b = sorted([uid(1), uid(2)])
    assert len(found) == 1
    assert found[0] == {
        "uid_a": a,
        "uid_b": b,
        "sha256": True,
        "pixel_sha256": True,
        "pdq_distance": 0,
        "similarity": pytest.approx(1, abs=1e-3),
    }


def test_equal_pixels_make_a_star_around_the_smallest_uid() -> None:
    rows = [row(n, pixel_sha256="p", pdq=bytes(32)) for n in range(30)]
    found = edges_of(rows)
    smallest = min(uid(n) for n in range(30))
    assert found["uid_a"].to_pylist() == [smallest] * 29
    assert all(found["pixel_sha256"].to_pylist())
    assert not any(found["sha256"].to_pylist())


def test_a_copy_of_a_group_is_one_edge_to_its_first() -> None:
    base = row(0)
    group = [row(n, pixel_sha256="p", pdq=base["pdq"]) for n in range(10)]
    copy = row(99, pdq=flipped(base["pdq"], 20))  # type: ignore[arg-type]  # bytes
    found = [e for e in edges_of([*group, copy]).to_pylist() if e["pdq_distance"] == 20]
    first = min(uid(n) for n in range(10))
    assert [{e["uid_a"], e["uid_b"]} for e in found] == [{first, uid(99)}]


@pytest.mark.parametrize(("bits", "expected"), [(31, 1), (32, 0)])
def test_pdq_relates_up_to_its_radius(bits: int, expected: int) -> None:
    base = row(1)
    other = row(2, pdq=flipped(base["pdq"], bits))  # type: ignore[arg-type]  # bytes
    found = edges_of([base, other])
    assert found.num_rows == expected
    assert found["pdq_distance"].to_pylist() == [bits] * expected
    assert found["similarity"].null_count == expected


@pytest.mark.parametrize("quality", [49, None])
def test_pdq_of_low_quality_relates_nothing(quality: int | None) -> None:
    base = row(1)
    assert edges_of([base, row(2, pdq=base["pdq"], pdq_quality=quality)]).num_rows == 0


def test_null_keys_take_part_in_nothing() -> None:
    nothing = {"sha256": None, "pixel_sha256": None, "pdq": None, "pdq_quality": None}
    assert edges_of([row(1, **nothing), row(2, **nothing)]).num_rows == 0


def test_similarity_is_rounded_before_the_threshold() -> None:
    vectors = np.zeros((2, 8), np.float32)
    vectors[0, 0] = 1
    vectors[1, :2] = 0.94996, np.sqrt(1 - 0.94996**2)
    assert edges_of([row(1), row(2)], vectors)["similarity"].to_pylist() == [pytest.approx(0.95)]
    vectors[1, :2] = 0.94994, np.sqrt(1 - 0.94994**2)
    assert edges_of([row(1), row(2)], vectors).num_rows == 0


def test_config_similarity_outranks_the_models() -> None:
    vectors = np.eye(2, 8, dtype=np.float32)
    vectors[1, 0] = 0.9
    vectors[1, 1] = np.sqrt(1 - 0.81)
    assert edges_of([row(1), row(2)], vectors).num_rows == 0
    found = edges_of([row(1), row(2)], vectors, config=RelateConfig(similarity=0.9))
    assert found.num_rows == 1


def test_embedding_edges_carry_the_pdq_distance_where_it_is_near() -> None:
    base = row(1)
    rows = [base, row(2, pdq=flipped(base["pdq"], 8)), row(3)]  # type: ignore[arg-type]  # bytes
    found = edges_of(rows, unit(np.ones((3, DIM)))).to_pylist()
    assert len(found) == 3
    near = {frozenset((uid(1), uid(2)))}
    assert {frozenset((e["uid_a"], e["uid_b"])) for e in found if e["pdq_distance"] == 8} == near


def test_null_and_broken_vectors_take_part_in_no_comparison() -> None:
    one = unit(np.ones((1, 8)))[0].tolist()
    column = pa.array([one, None, one, [float("nan")] * 8], pa.list_(pa.float16(), 8))
    found = edges_of([row(n) for n in range(4)], column)
    assert {*found["uid_a"].to_pylist(), *found["uid_b"].to_pylist()} == {uid(0), uid(2)}
    sliced = pa.chunked_array([column[1:2], column[2:3]])
    assert edges_of([row(1), row(2)], sliced).num_rows == 0


@pytest.mark.parametrize("limit", [10, 10_000])
def test_row_order_does_not_matter(limit: int) -> None:
    rng = np.random.default_rng(1)
    vectors = mixture(1500, 1)
    rows = [row(n, pdq=bytes([n % 7] * 32), pixel_sha256=str(n // 2)) for n in range(1500)]
    config = RelateConfig(exact_limit=limit, cells_per_vector=2)
    order = rng.permutation(1500)
    first = edges_of(rows, vectors, config=config)
    second = edges_of([rows[i] for i in order], vectors[order], config=config)
    assert first.num_rows > 1000
    assert first.equals(second)


def test_cell_join_finds_what_the_exact_scan_finds() -> None:
    vectors = mixture(5000, 2)
    uids = [f"{n:032x}" for n in range(5000)]
    exact = set(
        zip(*(a.tolist() for a in near_pairs(vectors, uids, Join(THRESHOLD, 0))), strict=True)
    )
    join = Join(THRESHOLD, 0, exact_limit=100)
    cells = set(zip(*(a.tolist() for a in near_pairs(vectors, uids, join)), strict=True))
    assert len(exact) >= 500
    assert cells <= exact  # precision 1
    assert len(cells) >= 0.99 * len(exact)


def test_full_cells_are_split_and_lose_little() -> None:
    vectors = mixture(4000, 3)
    uids = [f"{n:032x}" for n in range(4000)]
    exact = len(near_pairs(vectors, uids, Join(THRESHOLD, 0))[0])
    join = Join(THRESHOLD, 0, exact_limit=100, full_cell=150)
    assert 0.97 * exact <= len(near_pairs(vectors, uids, join)[0]) <= exact


def test_scan_equals_brute_force_for_any_tile() -> None:
    vectors = mixture(700, 4)
    full = np.round(vectors.astype(np.float64) @ vectors.astype(np.float64).T, 4)
    i, j = np.nonzero(np.triu(full >= THRESHOLD, 1))
    for tile in (64, 333, 2048):
        found = scan(vectors, THRESHOLD, tile=tile)
        assert np.array_equal(found[0], i)
        assert np.array_equal(found[1], j)


@pytest.mark.parametrize("tile", [16, 50, 2048])
def test_heaps_keep_the_first_neighbours_for_any_tile(tile: int) -> None:
    vectors = unit(np.random.default_rng(5).normal(size=(1, DIM)).repeat(200, 0))
    i, j = scan(vectors, THRESHOLD, most=10, tile=tile)
    expected = [(a, b) for a in range(200) for b in range(a + 1, 200) if a < 10 or b < 10]
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == expected


def test_a_huge_group_of_identical_images_stays_linear() -> None:
    rows = [row(n, pixel_sha256="p", pdq=bytes(32)) for n in range(5000)]
    vectors = unit(np.ones((5000, DIM)))
    assert edges_of(rows, vectors).num_rows == 4999


def test_a_huge_group_of_lookalikes_stays_linear() -> None:
    rows = [row(n, pdq=bytes(32)) for n in range(5000)]
    found = edges_of(rows, unit(np.ones((5000, DIM))))
    assert found.num_rows <= 5000 * MOST_NEIGHBOURS


def test_equal_uids_are_refused() -> None:
    with pytest.raises(SchemaError, match="uid of its own"):
        edges_of([row(1), row(1)])


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(SchemaError, match="one vector a row"):
        edges_of([row(1)], unit(np.ones((2, DIM))))


def test_near_hash_needs_less_of_the_vector_than_the_vector_alone() -> None:
    near = np.array([[1, 0], [0.8, 0.6]], np.float32)
    other = bytes([0xFF]) + bytes(31)
    far = bytes([0xFF] * 32)
    confirmed = edges_of([row(1, pdq=bytes(32)), row(2, pdq=other)], near)
    assert confirmed["similarity"].to_pylist() == [pytest.approx(0.8, abs=1e-3)]
    assert edges_of([row(1, pdq=bytes(32)), row(2, pdq=far)], near).num_rows == 0
