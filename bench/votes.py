"""Time and memory of the votes of sources over a whole build, part by part or all at once.

    OMP_NUM_THREADS=1 python bench/votes.py [--rows 200000] [--claims 1000]

Made up with a seed: rows on hosts of 50 images, each host with folders of 10; one row in ten has
the image of another one; 2 % of rows are near to each claim, by an excess of its tail, as with
strangers; one host in a hundred is near to some claim in all of its images. The two lines are
processes of their own: CPU seconds, peak memory, and how much of it was there before.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyarrow as pa

from optout.tail import FLOOR_SHARE, Tail
from pipeline.likeness import claim_parts
from pipeline.votes import votes
from schemas.config import MatchConfig
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, EDGES, SIMILARITIES, SLIM, WORKS, from_rows

HOST, FOLDER = 50, 10
TAIL = Tail(u=2.0, share=FLOOR_SHARE, xi=0.0, beta=0.5, least_alpha=1e-5, mean=0.3, sd=0.05)
EXCESS_OF_A_HAND = 4.0


def registry(claims: int) -> Honoured:
    given = {
        "scope": "style", "stance": "opt_out", "level": 2, "style_state": "active",
        "style_tail": list(TAIL.pack()),
    }  # fmt: skip
    rows = [given | {"claim_id": f"{n:032x}"} for n in range(claims)]
    return Honoured("m" * 64, from_rows(rows, CLAIMS), WORKS.empty_table())


def slim(rows: int, rng: np.random.Generator) -> pa.Table:
    image = np.where(rng.random(rows) < 0.1, rng.integers(0, rows, rows), np.arange(rows))
    columns = {
        "uid": pa.array([f"{n:032x}" for n in range(rows)]),
        "url_key": pa.array(
            [f"https://h{n // HOST}.example/{n // FOLDER}/{n}.jpg" for n in range(rows)]
        ),
        "host": pa.array([f"h{n // HOST}.example" for n in range(rows)]),
        "sha256": pa.array([f"{n:064x}" for n in range(rows)]),
        "pixel_sha256": pa.array([f"{n:064x}" for n in image]),
    }
    return pa.table(
        {f.name: columns.get(f.name, pa.nulls(rows, f.type)) for f in SLIM}, schema=SLIM
    )


def pairs(slim_rows: pa.Table, claims: range, rng: np.random.Generator) -> pa.Table:
    """Return SIMILARITIES of all rows to some claims."""
    uids, count = slim_rows["uid"].combine_chunks(), slim_rows.num_rows
    row, claim, excess = [], [], []
    for number in claims:
        near = rng.choice(count, int(FLOOR_SHARE * count), replace=False)
        row.append(near)
        excess.append(rng.exponential(TAIL.beta, len(near)))
        if number % 100 == 0:
            host = np.arange(HOST) + HOST * int(rng.integers(0, count // HOST))
            excess[-1][np.isin(near, host)] = EXCESS_OF_A_HAND
            more = np.setdiff1d(host, near)
            row.append(more)
            excess.append(np.full(len(more), EXCESS_OF_A_HAND))
        claim.append(np.full(sum(map(len, row)) - sum(map(len, claim)), number))
    names = pa.array([f"{n:032x}" for n in claims])
    columns = [
        uids.take(pa.array(np.concatenate(row))),
        names.take(pa.array(np.concatenate(claim) - claims.start)),
        pa.array((TAIL.u + np.concatenate(excess)).astype(np.float32)),
    ]
    return pa.Table.from_arrays(columns, schema=SIMILARITIES)


def measure(rows: int, claims: int, count: int) -> None:
    """Print one line. count: of parts."""
    rng = np.random.default_rng(7)
    honoured, table = registry(claims), slim(rows, rng)
    told, spent = 0, 0.0

    def parts() -> Iterator[pa.Table]:
        nonlocal told, spent
        for n in range(count):
            start = time.process_time()
            part = pairs(table, range(claims * n // count, claims * (n + 1) // count), rng)
            told, spent = told + part.num_rows, spent + time.process_time() - start
            yield part

    before, start = memory_mb(), time.process_time()
    found = votes(table, parts(), EDGES.empty_table(), honoured, MatchConfig())
    seconds = time.process_time() - start - spent  # making them up is not counted
    print(f"{rows:9,d} rows x {claims:6,d} claims  {told:11,d} pairs in {count:3d} parts  "
          f"{seconds:7.1f} s CPU  {memory_mb():6.0f} MB peak ({before:.0f} before)  "
          f"{found.num_rows:,} rows voted out", flush=True)  # fmt: skip


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--claims", type=int, default=1_000)
    options.add_argument("--parts", type=int, help="one line, here")
    given = options.parse_args()
    if given.parts:
        measure(given.rows, given.claims, given.parts)
        return
    for count in (1, claim_parts(registry(given.claims), given.rows)):
        one = [sys.executable, __file__, "--rows", str(given.rows), "--claims", str(given.claims)]
        subprocess.run([*one, "--parts", str(count)], check=True)  # ourselves


if __name__ == "__main__":
    main()
