"""What it costs to compare rows with very many styles and works, exactly.

    OMP_NUM_THREADS=1 python bench/likeness.py [--claims 1000 10000] [--works 100000]

Vectors are made up with a seed: 512 numbers for styles, 256 for copies, half floats as stored, all
of one cloud, so that some 2 % of rows reach the floor of a claim, as with strangers. A claim has
ten works and a tail of its own, fitted on the cohort as at enrolment. Each line is a process by
itself: CPU seconds, peak memory with all tables that it needed, pairs found, and the same a row and
vector carried to 1,000,000 rows x 100,000 vectors. The reference and FAISS get fewer
claims (--reference), since they are slow and linear.

*FAISS* for styles is the nearest that an inner product comes to the question: one work's cosine,
normalised by claim and row, which doubles the width; it gives candidates, five and more for each
pair, which would still have to be judged.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyarrow as pa

from optout import index, style, style_search
from optout import match as reference
from optout.cohort import Cohort
from optout.style import Moments, as_norm, neighbours, top_moments
from optout.tail import Tail, fit_tail
from pipeline.likeness import Likeness, likeness, likeness_again, measured_rows, measured_styles
from pipeline.shard import write_parquet
from schemas.config import MatchConfig
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, WORKS, from_rows, vector

STYLE_DIM, COPY_DIM = 512, 256
WORKS_OF_A_CLAIM = 10
FIT, CALIBRATION, HANDS = 929, 1419, 200  # as the cohort that ships
ALL_ROWS, ALL_VECTORS = 1_000_000, 100_000
SHARD = 10_000  # rows of one task, as in a build
MATCHER = "m" * 64
EPSILON = MatchConfig().epsilon
RNG = np.random.default_rng(20)
CLOUD = {
    # of copy vectors a few directions say most, so that a nearest cohort image is at about .5
    dim: (RNG.standard_normal((directions, dim)) * spread).astype(np.float32)
    for dim, directions, spread in ((STYLE_DIM, 64, 0.075), (COPY_DIM, 16, 0.38))
}


def pictures(count: int, dim: int) -> np.ndarray:
    """Half floats of about unit length, float16[count, dim], somewhat alike."""
    rows = np.empty((count, dim), np.float16)
    for start in range(0, count, SHARD):
        n = len(rows[start : start + SHARD])
        own = RNG.standard_normal((n, dim), np.float32)
        own += RNG.standard_normal((n, len(CLOUD[dim])), np.float32) @ CLOUD[dim]
        rows[start : start + SHARD] = own / np.linalg.norm(own, axis=1, keepdims=True)
    return rows


def cohort() -> Cohort:
    fit, calibration = (pictures(n, STYLE_DIM).astype(np.float32) for n in (FIT, CALIBRATION))
    fit /= np.linalg.norm(fit, axis=1, keepdims=True)
    hands = np.arange(len(fit), dtype=np.int32), np.arange(len(calibration), dtype=np.int32)
    return Cohort(MATCHER, fit, fit, hands[0], calibration, calibration, hands[1] + len(fit))


def tails(works: np.ndarray, own: Cohort) -> list[Tail]:
    """The tail of each claim: works float16[claims, 10, d]."""
    rows, found = neighbours(own.calibration_sty, own.fit_sty), []
    for some in np.array_split(works, max(1, len(works) // 500)):
        flat = some.reshape(-1, STYLE_DIM).astype(np.float32).T
        fit, calibration = (_top_two(v @ flat) for v in (own.fit_sty, own.calibration_sty))
        for one, to_fit in enumerate(fit.T):
            mean, sd = (float(m[0]) for m in top_moments(to_fit[None, :]))
            values = as_norm(calibration[:, one], (mean, sd), rows)
            found.append(fit_tail(values, HANDS, mean, sd))
    return found


def _top_two(cosines: np.ndarray) -> np.ndarray:
    shaped = cosines.reshape(len(cosines), -1, WORKS_OF_A_CLAIM)
    return np.sort(shaped, axis=2)[:, :, -2:].mean(axis=2, dtype=np.float64)


def registry(works: np.ndarray, own: Cohort) -> Honoured:
    """Return CLAIMS and WORKS with styles alone."""
    ids = [f"{n:032x}" for n in range(len(works))]
    claims = [
        {"claim_id": i, "scope": "style", "stance": "opt_out", "level": 2, "trusted": True,
         "style_state": "active", "style_tail": list(tail.pack())}
        for i, tail in zip(ids, tails(works, own), strict=True)
    ]  # fmt: skip
    count, halves = works.shape[0] * works.shape[1], works.reshape(-1)
    given = {
        "claim_id": pa.array(np.repeat(ids, works.shape[1]).tolist()),
        "matcher": pa.array([MATCHER] * count),
        "sty": pa.ListArray.from_arrays(
            pa.array(np.arange(count + 1, dtype=np.int32) * STYLE_DIM), pa.array(halves)
        ),
    }
    columns = [given.get(f.name, pa.nulls(count, f.type)) for f in WORKS]
    return Honoured(MATCHER, from_rows(claims, CLAIMS), pa.Table.from_arrays(columns, schema=WORKS))


def table(rows: np.ndarray, first: int) -> pa.Table:
    uids = pa.array([f"{first + n:032x}" for n in range(len(rows))])
    kind = vector(rows.shape[1])
    return pa.table(
        {"uid": uids, "sty": pa.FixedSizeListArray.from_arrays(rows.ravel(), type=kind)}
    )


def styles(claims: int, rows: int, by: str) -> None:
    """Measure `likeness` shard by shard, as a build calls it; the reference, or the twin."""
    own = cohort()
    honoured = registry(pictures(claims * WORKS_OF_A_CLAIM, STYLE_DIM).reshape(
        claims, WORKS_OF_A_CLAIM, STYLE_DIM), own)  # fmt: skip
    shards = [pictures(min(SHARD, rows - n), STYLE_DIM) for n in range(0, rows, SHARD)]
    search = {"reference": style.near_styles, "quick": style_search.near_styles}[by]
    before, start = memory_mb(), time.process_time()
    pairs = size = 0
    for n, shard in enumerate(shards):
        found = likeness(table(shard, n * SHARD), honoured, own, EPSILON, search=search)
        pairs += found.num_rows
        seconds = time.process_time() - start
        size += len(write_parquet(found))
        start += time.process_time() - start - seconds  # writing is not counted
    name = {"reference": "styles, NumPy reference", "quick": "styles, NumPy, many at once"}[by]
    tell(name, claims * WORKS_OF_A_CLAIM, rows, seconds, pairs, before)
    share, full = pairs / rows / claims, ALL_ROWS * ALL_VECTORS / WORKS_OF_A_CLAIM
    print(f"    {share:.2%} of pairs stored, {size / pairs:.1f} bytes each on disk; at full scale "
          f"{full * share:.2g} pairs, {full * share * size / pairs / 1e9:.1f} GB")  # fmt: skip


def again(claims: int, rows: int) -> None:
    """Measure one more claim, with all the others stored."""
    own, works = cohort(), pictures((claims + 1) * WORKS_OF_A_CLAIM, STYLE_DIM)
    honoured = registry(works.reshape(claims + 1, WORKS_OF_A_CLAIM, STYLE_DIM), own)
    fewer = Honoured(MATCHER, honoured.claims.slice(0, claims),
                     honoured.works.slice(0, claims * WORKS_OF_A_CLAIM))  # fmt: skip
    vectors, search = table(pictures(rows, STYLE_DIM), 0), style_search.near_styles
    first = Likeness(
        likeness(vectors, fewer, own, EPSILON, search=search),
        measured_styles(fewer, own, EPSILON),
        measured_rows(vectors),
    )
    before, start = memory_mb(), time.process_time()
    more = likeness_again(first, vectors, honoured, own, EPSILON, search=search)
    tell("one style more, the others stored", claims * WORKS_OF_A_CLAIM + 10, rows,
         time.process_time() - start, more.similarities.num_rows, before)  # fmt: skip


def styles_by_faiss(claims: int, rows: int) -> None:
    """Find candidates by inner products of double width: no answer, and a bound from below."""
    import faiss  # noqa: PLC0415  # optional

    own = cohort()
    works = pictures(claims * WORKS_OF_A_CLAIM, STYLE_DIM)
    known = tails(works.reshape(claims, WORKS_OF_A_CLAIM, STYLE_DIM), own)
    sd, mean, floor = (np.repeat([getattr(t, n) for t in known], WORKS_OF_A_CLAIM)[:, None]
                       for n in ("sd", "mean", "u"))  # fmt: skip
    before, start, pairs = memory_mb(), time.process_time(), 0
    ones = np.ones((len(works), 1))
    found = faiss.IndexFlatIP(2 * STYLE_DIM + 2)
    found.add(np.hstack([works * (0.5 / sd), works, -0.5 * mean / sd - floor + EPSILON, -ones])
              .astype(np.float32))  # fmt: skip
    for first in range(0, rows, SHARD):
        shard = pictures(min(SHARD, rows - first), STYLE_DIM).astype(np.float32)
        moments: Moments = neighbours(shard, own.fit_sty)
        scale = (0.5 / moments.sd)[:, None]
        asked = np.hstack([shard, shard * scale, np.ones((len(shard), 1)),
                           moments.mean[:, None] * scale]).astype(np.float32)  # fmt: skip
        limits, _, _ = found.range_search(np.ascontiguousarray(asked), 0.0)
        pairs += int(limits[-1])
    seconds = time.process_time() - start
    tell("styles, FAISS, candidates only", len(works), rows, seconds, pairs, before)


def copies(works: int, rows: int, by: str) -> None:
    """Measure the search for copies; as strangers, some are nearer than the cohort, none a copy."""
    cpy = pictures(works, COPY_DIM).astype(np.float32)
    fit = pictures(FIT, COPY_DIM).astype(np.float32)
    means = np.concatenate(
        [np.sort(part @ fit.T, axis=1)[:, -3:].mean(axis=1) for part in np.array_split(cpy, 50)]
    )
    known = reference.Exemplars(
        RNG.integers(0, 2**63, (works, 8, 4), np.uint64), np.full(works, 100, np.int16), cpy, means,
        np.zeros(works, np.int8), np.arange(works),
    )  # fmt: skip
    search = {"NumPy": reference.candidates, "FAISS": index.candidates}[by]
    before, seconds, pairs = memory_mb(), 0.0, 0
    for first in range(0, rows, SHARD):
        n = min(SHARD, rows - first)
        codes = RNG.integers(0, 2**63, (n, 2, 4), np.uint64)
        quality = np.full(n, 100, np.int16)
        own = reference.Rows(codes, quality, pictures(n, COPY_DIM).astype(np.float32))
        start = time.process_time()
        pairs += len(reference.match_copies(own, known, EPSILON, search).row)
        seconds += time.process_time() - start
    tell(f"copies, {by}", works, rows, seconds, pairs, before)


def tell(what: str, vectors: int, rows: int, seconds: float, pairs: int, before: float) -> None:  # noqa: PLR0917 - one printed line
    hours = seconds / vectors / rows * ALL_VECTORS * ALL_ROWS / 3600
    print(f"{what:34s} {vectors:8,d} vectors x {rows:7,d} rows  {seconds:8.1f} s CPU  "
          f"{memory_mb():6.0f} MB peak ({before:.0f} before)  {pairs:11,d} pairs  "
          f"{hours:6.2f} CPU hours at full scale", flush=True)  # fmt: skip


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--claims", type=int, nargs="*", default=[1_000, 10_000])
    options.add_argument("--works", type=int, nargs="*", default=[100_000])
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--reference", type=int, default=200, help="claims for what is slow")
    options.add_argument("--only", nargs=2, metavar=("WHAT", "SIZE"), help="one line, here")
    given = options.parse_args()
    steps = {
        "reference": lambda n: styles(n, given.rows, "reference"),
        "quick": lambda n: styles(n, given.rows, "quick"),
        "again": lambda n: again(n, given.rows),
        "faiss": lambda n: styles_by_faiss(n, given.rows),
        "copies": lambda n: copies(n, given.rows, "NumPy"),
        "copies-faiss": lambda n: copies(n, given.rows, "FAISS"),
    }
    if given.only:
        steps[given.only[0]](int(given.only[1]))
        return
    wanted = [("reference", given.reference), ("faiss", given.reference)]
    wanted += [(what, n) for n in given.claims for what in ("quick",)]
    wanted += [("again", given.claims[0])] if given.claims else []
    wanted += [(what, n) for n in given.works for what in ("copies", "copies-faiss")]
    for what, size in wanted:
        one = [sys.executable, __file__, "--rows", str(given.rows), "--only", what, str(size)]
        subprocess.run(one, check=True)  # ourselves


if __name__ == "__main__":
    main()
