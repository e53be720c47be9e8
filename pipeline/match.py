"""Rows by claims, shard by shard: every rule by which a row and a claim were found to belong.

A match is a fact, not yet a decision: what acts is for `decide`, by rule and level. Works of
opt-out claims are found by exact keys and as copies; opt-in claims by exact keys only, since
likeness grants nothing. Similarities are read off the vectors as stored.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from optout.lifecycle import Rule
from optout.match import KINDS, WHOLE, Candidates, Exemplars, Places, Rows, match_copies
from pipeline.match_styles import COLUMNS, match_styles
from pipeline.stored_vectors import matrix
from schemas.config import MatchConfig
from schemas.errors import ModelMismatchError, SchemaError
from schemas.ports import Vectors
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, KEYPOINTS, MATCHES, SIMILARITIES, WORKS, require
from schemas.verdict import Stance

KEYS = ["uid", "sha256", "pixel_sha256", "pdq", "pdq_quality", "stored_pdq"]
FINGERPRINT = "matcher"  # key of the vectors' schema metadata, where they carry one
EXACT_RULES = {"sha256": Rule.SHA256, "pixel_sha256": Rule.PIXEL_SHA256}
PDQ_WORDS = 4
VARIANTS = 8


def match(
    keys: pa.Table,
    vectors: pa.Table,
    honoured: Honoured,
    similarities: pa.Table,
    config: MatchConfig,
    *,
    search: Candidates | None = None,
) -> pa.Table:
    """Return MATCHES: of each row, claim and rule the best work; sorted by uid, claim, rule.

    keys: the columns KEYS; n rows, n may be 0. vectors: uid with the matcher's `cpy` as
    fixed_size_list<halffloat>, and KEYPOINTS where there are any; a row that is missing or null
    there is judged by exact keys only (`decide` holds it).
    similarities: SIMILARITIES of the same rows (`likeness`).
    search: how copy candidates are found; `optout.index.candidates` for very large registries.
    Raises SchemaError where a table departs from its form, ModelMismatchError where vectors
    and build name different matchers.
    """
    if keys.column_names[: len(KEYS)] != KEYS:
        raise SchemaError(f"expected columns {KEYS}, found {keys.column_names}")
    require(honoured.claims, CLAIMS)
    require(honoured.works, WORKS)
    _check_matcher(vectors, honoured)
    require(similarities, SIMILARITIES)
    with np.errstate(invalid="ignore"):  # what is not a number is dealt with, and counts as met
        frames = [
            exact(keys, honoured),
            copies(keys, vectors, honoured, config, search),
            match_styles(similarities, honoured, config),
        ]
    return _best(pl.concat(frames, how="diagonal"))


def unjudged(works: pa.Table, matcher: str) -> int:
    """Return how many claims have works, but no vectors of a matcher for any of them.

    works: WORKS, of one registry or of all.
    """
    claims = _frame(works.select(["claim_id", "matcher"]))
    judged = claims.filter(pl.col("matcher") == matcher)
    return int(claims["claim_id"].n_unique() - judged["claim_id"].n_unique())


def exact(keys: pa.Table, honoured: Honoured) -> pl.DataFrame:
    """Return the rows that have the very bytes or pixels of a work, by any claim."""
    rows = _frame(keys.select(["uid", *EXACT_RULES]))
    works = _frame(honoured.works.select(["claim_id", "work_id", *EXACT_RULES]))
    found = [
        rows.select("uid", key)
        .join(works.select("claim_id", "work_id", key), on=key, how="inner")
        .select("uid", "claim_id", "work_id", rule=pl.lit(str(rule)))
        for key, rule in EXACT_RULES.items()
    ]
    same = pl.concat(found).with_columns(
        similarity=pl.lit(1.0, pl.Float64), threshold=pl.lit(1.0, pl.Float64)
    )
    return _with_stance(same, honoured)


def copies(
    keys: pa.Table,
    vectors: pa.Table,
    honoured: Honoured,
    config: MatchConfig,
    search: Candidates | None = None,
) -> pl.DataFrame:
    """Return the rows that are copies of a work of an opt-out claim, by two keys or by vector.

    With a `detail` beside what is told of other matches.
    """
    against = pl.col("stance") == Stance.OPT_OUT
    claims = _frame(honoured.claims.select(["claim_id", "stance"])).filter(against)
    places = _frame(honoured.works.select(["claim_id", "work_id", "matcher"])).with_row_index("at")
    judged = (
        places.filter(pl.col("matcher") == honoured.matcher)
        .join(claims, on="claim_id", how="semi")
        .sort("at")
    )
    at = judged["at"].to_numpy().astype(np.int64)
    uids, row_at, cpy, points = _vector_rows(keys, vectors)
    if not len(at) or not len(uids):
        return _with_stance(_no_matches(), honoured, "detail")
    works = _exemplars(honoured.works.take(pa.array(at)), cpy.shape[1])
    rows = Rows(*_hashes(keys.take(pa.array(row_at))), cpy, points)
    found = match_copies(rows, works, config.epsilon, search)
    frame = pl.DataFrame(
        {
            "uid": uids.gather(found.row),
            "claim_id": judged["claim_id"].gather(found.work),
            "work_id": judged["work_id"].gather(found.work),
            "rule": pl.Series(found.rule.tolist(), dtype=pl.String),
            "similarity": found.similarity,
            "threshold": found.threshold,
            "points": found.points,
        }
    )
    evidence = pl.struct("work_id", "points").struct.json_encode()
    told = frame.with_columns(detail=pl.when(pl.col("points") > 0).then(evidence))
    return _with_stance(told, honoured, "detail")


def _check_matcher(vectors: pa.Table, honoured: Honoured) -> None:
    told = (vectors.schema.metadata or {}).get(FINGERPRINT.encode())
    pinned = honoured.matcher
    if told is not None and pinned and told.decode() != pinned:
        raise ModelMismatchError(
            f"expected vectors of the build's matcher {pinned}, found {told.decode()}"
        )


def _vector_rows(
    keys: pa.Table, vectors: pa.Table
) -> tuple[pl.Series, Places, Vectors, list[bytes]]:
    """Return uid, place in `keys`, `cpy` and key points of the rows that have a `cpy`, in order.

    No key points at all where nobody looked for any.
    """
    uids = _frame(keys.select(["uid"])).with_row_index("row")
    if "cpy" not in vectors.column_names:
        return uids["uid"].clear(), np.empty(0, np.int64), np.empty((0, 0), np.float32), []
    present = vectors.filter(vectors["cpy"].is_valid())
    own = _frame(present.select(["uid"])).with_row_index("at")
    both = uids.join(own, on="uid", how="inner").sort("row")
    at = both["at"].to_numpy()
    points: list[bytes] = []
    if KEYPOINTS.name in vectors.column_names:
        stored = present[KEYPOINTS.name].take(pa.array(at)).to_pylist()
        points = [one or b"" for one in stored]
    return both["uid"], both["row"].to_numpy().astype(np.int64), matrix(present["cpy"])[at], points


def _exemplars(works: pa.Table, dim: int) -> Exemplars:
    whole, parts = matrix(works["cpy"]), _views(works)
    if len(parts.cpy) and parts.cpy.shape[1] != whole.shape[1]:
        raise SchemaError(f"expected views of {whole.shape[1]} numbers, found {parts.cpy.shape[1]}")
    cpy = np.concatenate([whole, parts.cpy]) if len(parts.cpy) else whole
    mean = np.concatenate([works["cohort_mean"].to_numpy().astype(np.float32), parts.mean])
    kind = np.concatenate([np.full(len(whole), WHOLE, np.int8), parts.kind])
    work = np.concatenate([np.arange(len(whole)), parts.work])
    if cpy.shape[1] != dim:
        raise ModelMismatchError(f"expected works with cpy of {dim} numbers, found {cpy.shape[1]}")
    if not (np.isfinite(cpy).all() and np.isfinite(mean).all()):
        raise SchemaError("expected finite vectors and cohort means of works")
    hashes = works["pdq"].to_pylist()
    if any(len(h) != VARIANTS for h in hashes):
        raise SchemaError(f"expected {VARIANTS} PDQ hashes a work")
    words = np.frombuffer(b"".join(b"".join(h) for h in hashes), np.uint64)
    quality = works["pdq_quality"].to_numpy().astype(np.int16)
    pdq = words.reshape(len(hashes), VARIANTS, PDQ_WORDS)
    points = [one or b"" for one in works[KEYPOINTS.name].to_pylist()]
    return Exemplars(pdq, quality, cpy, mean, kind, work, points)


class _Views(NamedTuple):
    """The views of all works, one after the other."""

    cpy: Vectors
    mean: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]
    work: Places


def _views(works: pa.Table) -> _Views:
    """Return the views of works; a work that knows none has none."""
    counts, flat = [], []
    for name in ("views", "view_cpy", "view_means"):
        lists = works[name].combine_chunks()
        counts.append(pc.fill_null(pc.list_value_length(lists), 0).to_numpy())
        flat.append(lists.flatten())
    kinds, vectors, means = flat
    if not (np.array_equal(counts[0], counts[1]) and np.array_equal(counts[0], counts[2])):
        raise SchemaError("expected one kind, vector and cohort mean for each view of a work")
    unknown = set(kinds.to_pylist()) - set(KINDS)
    if unknown:
        raise SchemaError(f"expected views of the kinds {KINDS}, found {sorted(map(str, unknown))}")
    if vectors.null_count or means.null_count:
        raise SchemaError("expected a vector and a cohort mean of every view, found none")
    return _Views(
        cpy=matrix(pa.chunked_array([vectors])),
        mean=means.to_numpy(zero_copy_only=False).astype(np.float32),
        kind=np.array([KINDS.index(kind) for kind in kinds.to_pylist()], np.int8),
        work=np.repeat(np.arange(works.num_rows), counts[0]),
    )


def _hashes(keys: pa.Table) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int16]]:
    """Return uint64[n, 2, 4] and quality; -1 where there is no hash, so that none is near.

    An image is as near as the nearer of its two codes, as fetched and as stored: of a release,
    only the second can be checked by whoever has its bytes, and a false `pdq` must hide nothing.
    """
    codes = (keys[name].to_pylist() for name in ("pdq", "stored_pdq"))
    both = [(pdq or stored, stored or pdq) for pdq, stored in zip(*codes, strict=True)]
    told = b"".join((pdq or bytes(32)) + (stored or bytes(32)) for pdq, stored in both)
    quality = keys["pdq_quality"].fill_null(-1).to_numpy().astype(np.int16)
    none = [pdq is None and stored is None for pdq, stored in both]
    quality = np.where(none, np.int16(-1), quality)
    return np.frombuffer(told, np.uint64).reshape(len(both), 2, PDQ_WORDS), quality


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - of a table; tells mypy
    return frame


def _no_matches() -> pl.DataFrame:
    texts = dict.fromkeys(("uid", "claim_id", "work_id", "rule"), pl.String)
    numbers = {"similarity": pl.Float64, "threshold": pl.Float64}
    return pl.DataFrame(schema={**texts, **numbers, "detail": pl.String})


def _with_stance(found: pl.DataFrame, honoured: Honoured, *more: str) -> pl.DataFrame:
    stances = _frame(honoured.claims.select(["claim_id", "stance"]))
    return found.join(stances, on="claim_id", how="inner").select(*COLUMNS, *more)


def _best(found: pl.DataFrame) -> pa.Table:
    """Return of each row, claim and rule the match with the largest margin."""
    margin = (pl.col("similarity") - pl.col("threshold")).alias("margin")
    ranked = found.with_columns(margin).with_columns(
        # what is not a number counts as met, and outranks what was measured
        rank=pl.when(pl.col("margin").is_nan()).then(float("inf")).otherwise("margin")
    )
    by = ["uid", "claim_id", "rule"]
    # views of one work may tie, each with its own threshold
    order = [*by, "rank", "work_id", "threshold"]
    best = ranked.sort(order, descending=[name == "rank" for name in order])
    told = best.unique(by, keep="first", maintain_order=True).select(MATCHES.names)
    return told.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(MATCHES)
