"""Time the writing of one shard: python bench/release.py [ROWS] [IMAGE_BYTES]."""

import sys
import time

import numpy as np
import pyarrow as pa

from pipeline.release import Form, Part, ShardTables, release_shard
from pipeline.shard import read_parquet
from schemas.tables import DECIDED, DECODED, JUDGED, ORIGINALS, ROWS, STORED, from_rows, vector

DIM = 512


def tables(count: int, size: int) -> ShardTables:
    """Return a shard of which every fifth row is dropped."""
    random = np.random.default_rng(0)
    uids = [f"{n:032x}" for n in range(count)]
    body = random.bytes(size)
    sem = random.standard_normal((count, DIM)).astype(np.float16)
    vectors = pa.FixedSizeListArray.from_arrays(sem.ravel(), type=vector(DIM))
    decided = [
        {"uid": u, "verdict": "drop", "reason": "optout_style", "similarity": 0.8}
        if n % 5 == 0
        else {"uid": u, "verdict": "keep"}
        for n, u in enumerate(uids)
    ]
    return ShardTables(
        from_rows([{"uid": u, "url": f"http://h/{u}", "caption": "a caption"} for u in uids], ROWS),
        from_rows([{"uid": u, "sha256": u * 2} for u in uids], JUDGED),
        from_rows([{"uid": u, "width": 256, "stored_sha256": u * 2} for u in uids], DECODED),
        from_rows([{"uid": u, "body": body} for u in uids], STORED),
        pa.table({"uid": uids, "sem": vectors}),
        from_rows(decided, DECIDED),
        ORIGINALS.empty_table(),
    )


def main(count: int, size: int) -> None:
    given = tables(count, size)
    kept = count - (count + 4) // 5
    part = Part(0, 0, "0" * 32, "f" * 32, kept, kept * size)
    for form in ("parquet", "webdataset", "urls"):
        start = time.process_time()
        files = release_shard(given, [part], 0, Form(form, "jpg", b"s" * 32))
        spent = time.process_time() - start
        written = sum(len(f.body) for f in (*files.public, *files.private)) / 1e6
        print(f"{form}: {count:,} rows, {written:.0f} MB, {spent:.2f} s CPU, ", end="")
        print(f"{1000 * spent / count:.3f} ms a row")
        if form == "parquet":
            start = time.process_time()
            read_parquet(files.public[1].body, ["sem"])
            print(f"  vectors alone read in {1000 * (time.process_time() - start):.0f} ms")


if __name__ == "__main__":
    main(*(int(a) for a in (*sys.argv[1:], "10000", "16000")[:2]))
