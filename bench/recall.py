"""What it costs to judge a release by new claims, from what it stores, and to write it anew.

    OMP_NUM_THREADS=1 python bench/recall.py [--rows 1000000] [--parts 10]

Rows are made up with a seed, as in bench/likeness.py: unit vectors of the built-in matcher's
dimensions in parts of 10,000, images of 1 kB, as many hosts as parts. New are one claim of 100
works and one of a style of ten works. Some parts (--parts) hold five copies of works each; in any
other the style takes strangers at its declared rate, and nothing else. Reading, judging and writing
are timed apart, in CPU seconds; one process, no vault, so that everything is measured.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from likeness import COPY_DIM, MATCHER, RNG, SHARD, STYLE_DIM, cohort, pictures, tails

from optout import index, style_search
from pipeline.recall import Changes, Found, Means, changes_by_part, decide_again, find
from pipeline.reread import of_samples, read_rows, samples_of
from pipeline.rewrite import Part, edited, parquet_file, vectors_file
from pipeline.shard import read_parquet, with_images, write_parquet, write_vectors
from schemas.config import BuildConfig
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, SAMPLES, WORKS, from_rows, vector

WORKS_LISTED, STYLE_WORKS, COPIES = 100, 10, 5
IMAGE_BYTES = 1_000


def column(rows: np.ndarray) -> pa.Array:
    values = pa.array(np.ascontiguousarray(rows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, type=vector(rows.shape[1]))


def claims() -> tuple[Honoured, object]:
    own = cohort()
    cpy = pictures(WORKS_LISTED + STYLE_WORKS, COPY_DIM)
    sty = pictures(WORKS_LISTED + STYLE_WORKS, STYLE_DIM)
    (tail,) = tails(sty[None, WORKS_LISTED:], own)
    works = [
        {
            "claim_id": "style" if n >= WORKS_LISTED else "works",
            "work_id": f"{n:04d}",
            "sha256": f"{n:064x}",
            "pixel_sha256": f"{n:064x}",
            "pdq": [RNG.bytes(32)] * 8,
            "pdq_quality": 90,
            "matcher": MATCHER,
            "cpy": list(cpy[n]),
            "sty": list(sty[n]),
            "cohort_mean": 0.25,
        }
        for n in range(len(cpy))
    ]
    shared = {"stance": "opt_out", "level": 2, "names": [], "hosts": [], "urls": []}
    rows = [
        {"claim_id": "style", "scope": "style", "style_state": "active",
         "style_tail": list(tail.pack()), **shared},
        {"claim_id": "works", "scope": "work", "style_state": "none", **shared},
    ]  # fmt: skip
    return Honoured(MATCHER, from_rows(rows, CLAIMS), from_rows(works, WORKS)), own


def write_part(place: Path, number: int, works: np.ndarray | None) -> None:
    uids = [f"{number * SHARD + n:032x}" for n in range(SHARD)]
    cpy, sty = pictures(SHARD, COPY_DIM), pictures(SHARD, STYLE_DIM)
    if works is not None:
        cpy[:COPIES] = works[:COPIES]
    digests = pa.array([RNG.bytes(32).hex() for _ in uids])
    hashes = pa.array([RNG.bytes(32) for _ in uids], pa.binary(32))
    known = {
        "uid": pa.array(uids),
        "url": pa.array([f"https://h{number}.example/{uid}.jpg" for uid in uids]),
        "caption": pa.array([f"a picture of a thing, no. {uid[-6:]}" for uid in uids]),
        "caption_redacted": pa.array([False] * SHARD),
        "host": pa.array([f"h{number}.example"] * SHARD),
        "original_width": pa.array([512] * SHARD, pa.int32()),
        "original_height": pa.array([512] * SHARD, pa.int32()),
        "clip_similarity": pa.array(RNG.random(SHARD, np.float32)),
        "pdq": hashes,
        "stored_pdq": hashes,
        "pdq_quality": pa.array([90] * SHARD, pa.int16()),
        **dict.fromkeys(("sha256", "pixel_sha256", "stored_sha256"), digests),
    }
    columns = [known.get(f.name, pa.nulls(SHARD, f.type)) for f in SAMPLES]
    samples = pa.Table.from_arrays(columns, schema=SAMPLES)
    body = pa.array([RNG.bytes(IMAGE_BYTES) for _ in uids], pa.binary())
    released = write_parquet(with_images(samples, body, "jpg"))
    (place / f"{number:05d}.parquet").write_bytes(released)
    vectors = pa.table({"uid": uids, "cpy": column(cpy), "sty": column(sty)})
    (place / f"{number:05d}.vectors.parquet").write_bytes(write_vectors(vectors))


def judge(place: Path, parts: int, means: Means) -> tuple[list[Found], float, float]:
    found, read, judged = [], 0.0, 0.0
    for number in range(parts):
        start = time.process_time()
        table = read_rows((place / f"{number:05d}.parquet").read_bytes())
        vectors = read_parquet((place / f"{number:05d}.vectors.parquet").read_bytes())
        rows = of_samples(samples_of(table), vectors, {})
        read += time.process_time() - start
        start = time.process_time()
        found.append(find(rows, means))
        judged += time.process_time() - start
    return found, read, judged


def write(place: Path, told: dict[str, Changes]) -> tuple[int, int, int]:
    """Return parts and bytes written, and bytes of all."""
    touched = written = 0
    for number, own in enumerate(told.values()):
        if not own.removed.num_rows:
            continue
        touched += 1
        part = Part(number, read_parquet((place / f"{number:05d}.parquet").read_bytes()), ())
        kept = edited(part, own)
        vectors = read_parquet((place / f"{number:05d}.vectors.parquet").read_bytes())
        for file in (parquet_file(part, kept), vectors_file(part, vectors, kept["uid"])):
            (place / f"{number:05d}.new").write_bytes(file.body)
            written += len(file.body)
    every = sum(p.stat().st_size for p in place.glob("*.parquet"))
    return touched, written, every


def of_works(one: Changes) -> Changes:
    return replace(one, removed=one.removed.filter(pc.equal(one.removed["claim_id"], "works")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--parts", type=int, default=10, help="parts with copies of works")
    given = parser.parse_args()
    parts = given.rows // SHARD
    honoured, own = claims()
    works = np.array(honoured.works["cpy"].to_pylist(), np.float16)
    means = Means(
        honoured, BuildConfig(), own, lambda decoded, *_: decoded, index.candidates,
        style_search.near_styles,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for number in range(parts):
            write_part(place, number, works if number < given.parts else None)
        found, read, judged = judge(place, parts, means)
        start = time.process_time()
        decided = decide_again(found, None, means, 0.95).decided
        told = changes_by_part(decided, {str(n): one for n, one in enumerate(found)})
        global_s = time.process_time() - start
        by_works = {
            name: replace(
                one, removed=one.removed.filter(pc.equal(one.removed["claim_id"], "works"))
            )
            for name, one in told.items()
        }
        times = f"read {read:.0f} s, judge {judged:.0f} s, decide {global_s:.1f} s"
        print(f"{given.rows:,} rows in {parts} parts: {times}", flush=True)
        for name, own in (("works alone", by_works), ("works and style", told)):
            start = time.process_time()
            gone = sum(one.removed.num_rows for one in own.values())
            touched, written, every = write(place, own)
            wrote = time.process_time() - start
            print(
                f"{name}: {gone:,} rows leave; {touched} parts written anew in"
                f" {wrote:.1f} s, {written / 1e6:.0f} of {every / 1e6:.0f} MB",
                flush=True,
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak {peak:.1f} GB")


if __name__ == "__main__":
    main()
