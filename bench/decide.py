"""Time `decide` and `represent` on made-up slim tables: python bench/decide.py [ROWS] [EDGES]."""

import sys
import time

import numpy as np
import pyarrow as pa

from pipeline.decide import decide
from pipeline.represent import represent
from schemas.config import BuildConfig
from schemas.tables import CLAIMS, EDGES, GRANTS, MATCHES, SLIM, from_rows


def table(schema: pa.Schema, count: int, **columns: pa.Array) -> pa.Table:
    return pa.table(
        {f.name: columns.get(f.name, pa.nulls(count, f.type)) for f in schema}, schema=schema
    )


def main(rows: int, edges: int) -> None:
    random = np.random.default_rng(0)
    uids = np.array([f"{n:032x}" for n in range(rows)])
    slim = table(
        SLIM,
        rows,
        uid=pa.array(uids),
        row=pa.array(np.arange(rows)),
        url_key=pa.array([f"http://h{n % 999}.example/{n}.jpg" for n in range(rows)]),
        sha256=pa.array([f"{n // 2 if n % 10 == 1 else n:064x}" for n in range(rows)]),
        pixel_sha256=pa.array([f"{n + 7:064x}" for n in range(rows)]),
        original_width=pa.array(random.integers(64, 4000, rows).astype(np.int32)),
        original_height=pa.array(random.integers(64, 4000, rows).astype(np.int32)),
    )
    a, b = np.sort(random.integers(0, rows, (2, edges)), axis=0)
    both = random.random(edges) < 0.5
    linked = table(
        EDGES,
        edges,
        uid_a=pa.array(uids[a]),
        uid_b=pa.array(uids[b]),
        sha256=pa.array(np.zeros(edges, bool)),
        pixel_sha256=pa.array(np.zeros(edges, bool)),
        pdq_distance=pa.array(random.integers(0, 31, edges).astype(np.int16)),
        similarity=pa.array(random.random(edges).astype(np.float32), mask=~both),
    )
    hits = rows // 100
    matches = table(
        MATCHES,
        hits,
        uid=pa.array(uids[random.integers(0, rows, hits)]),
        claim_id=pa.array(["c"] * hits),
        rule=pa.array(["copy"] * hits),
    )
    claims = from_rows([{"claim_id": "c", "stance": "opt_out", "level": 2}], CLAIMS)
    config = BuildConfig()
    start = time.perf_counter()
    said = decide(slim, matches, linked, claims, GRANTS.empty_table(), config)
    middle = time.perf_counter()
    out = represent(said, slim, linked, 0.95, config)
    end = time.perf_counter()
    print(f"{rows:,} rows, {edges:,} edges: decide {middle - start:.1f} s, ", end="")
    print(f"represent {end - middle:.1f} s; {out['verdict'].value_counts().to_pylist()}")


if __name__ == "__main__":
    main(*(int(a) for a in (*sys.argv[1:], "200000", "500000")[:2]))
