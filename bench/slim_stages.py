"""CPU time of the stages that touch no pixels: source, identify, screen, requests, judge, match.

    OMP_NUM_THREADS=1 python bench/slim_stages.py [--rows 200000] [--works 10000]

Rows, claims and answers are made up with a seed: 5,000 hosts, captions of ten words, 3,000 claims
with names and hosts; judge gets 20,000 rows on 2,000 robots.txt of 40 lines; match compares 10,000
rows with so many works at random, none alike. Prints milliseconds of CPU a row, and the whole.
"""

import argparse
import datetime as dt
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from optout.signals.document import Kind, found
from optout.signals.policy import SignalPolicy
from pipeline.identify import identify
from pipeline.judge import Facts, judge
from pipeline.match import match
from pipeline.requests import chunks, merge_requests, requests
from pipeline.screen import screen
from pipeline.source import list_parts, read_part
from schemas.canonical import sha256_hex
from schemas.config import MatchConfig, SourceConfig
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, DOCUMENTS, OBSERVED, SIMILARITIES, WORKS, from_rows, vector

WORDS = [
    "river",
    "stone",
    "light",
    "old",
    "woman",
    "harbour",
    "green",
    "winter",
    "of",
    "the",
    "with",
]
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Watch:
    """Prints what each stage took."""

    def __init__(self) -> None:
        self.start = time.process_time()

    def lap(self, stage: str, rows: int) -> None:
        seconds = time.process_time() - self.start
        print(f"{stage:<34} {rows:>9,} rows {seconds:8.2f} s {seconds * 1000 / rows:9.4f} ms a row")
        self.start = time.process_time()


def claims(count: int, rng: random.Random) -> pa.Table:
    rows = [
        {"claim_id": f"{n:032x}", "scope": "artist", "stance": "opt_out", "level": 2,
         "names": [f"{rng.choice(WORDS)}son vanderberg{n}"], "hosts": [f"artist{n}.example"],
         "urls": [], "style_state": "none", "seq": n}
        for n in range(count)
    ]  # fmt: skip
    return from_rows(rows, CLAIMS)


def answers(count: int) -> tuple[pa.Table, pa.Table, list[str]]:
    """Return OBSERVED, DOCUMENTS and the URLs of rows on count/10 hosts."""
    rules = b"User-agent: *\n" + b"".join(b"Disallow: /private%d/\n" % n for n in range(38))
    documents, observed, urls = [], [], []
    for n in range(count):
        origin = f"http://host{n // 10}.example"
        spoken = [
            found(Kind.ROBOTS, origin, f"{origin}/robots.txt", http_status=200,
                  asked_at_us=1, body=rules + b"# %d\n" % (n // 10)),
            *(found(kind, origin, f"{origin}/{kind}", http_status=404, asked_at_us=1)
              for kind in (Kind.TDMREP, Kind.AI)),
        ]  # fmt: skip
        if n % 10 == 0:
            for document in spoken:
                fields = {k: getattr(document, k) for k in document.__slots__ if k != "asked_at_us"}
                documents.append({**fields, "asked_at": AT})
        url = f"{origin}/{n}.jpg"
        urls.append(url)
        observed.append(
            {"url_key": url, "shards": [0], "outcome": "ok", "final_url": url, "http_status": 200,
             "hops": [{"url": url, "status": 200, "documents": [d.document_id for d in spoken]}],
             "headers": [{"name": "Content-Type", "value": "image/jpeg"},
                         {"name": "X-Robots-Tag", "value": "max-image-preview:large"}],
             "asked_at": AT, "fetched_at": AT, "pack": "p", "offset": 0, "length": 1,
             "sha256": sha256_hex(url.encode())}
        )  # fmt: skip
    return from_rows(observed, OBSERVED), from_rows(documents, DOCUMENTS), urls


def halves(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    values = rng.normal(size=(rows, dim)).astype(np.float32)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def compared(rows: int, works: int, watch: Watch) -> None:
    rng = np.random.default_rng(0)
    keys = pa.table(
        {"uid": [f"{n:032x}" for n in range(rows)],
         "sha256": [f"{n:064x}" for n in range(rows)],
         "pixel_sha256": [f"{n:064x}" for n in range(rows)],
         "pdq": pa.array([rng.bytes(32) for _ in range(rows)], pa.binary(32)),
         "pdq_quality": pa.array([90] * rows, pa.int16()),
         "stored_pdq": pa.array([rng.bytes(32) for _ in range(rows)], pa.binary(32))}
    )  # fmt: skip
    columns = {"uid": keys["uid"]}
    for name, dim in (("cpy", 256), ("sty", 512)):
        flat = pa.array(halves(rng, rows, dim).reshape(-1))
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, type=vector(dim))
    copies, styles = halves(rng, works, 256), halves(rng, works, 512)
    listed = [
        {"claim_id": f"{n % 500:032x}", "work_id": f"{n}", "sha256": f"w{n}",
         "pixel_sha256": f"w{n}", "pdq": [rng.bytes(32) for _ in range(8)], "pdq_quality": 90,
         "matcher": "m", "cpy": copies[n], "sty": styles[n], "cohort_mean": 0.3}
        for n in range(works)
    ]  # fmt: skip
    made = from_rows(listed, WORKS).sort_by([("claim_id", "ascending"), ("work_id", "ascending")])
    honoured = Honoured("m", claims(500, random.Random(0)), made)
    watch.start = time.process_time()
    match(keys, pa.table(columns), honoured, SIMILARITIES.empty_table(), MatchConfig())
    watch.lap(f"match against {works:,} works", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--works", type=int, default=10_000)
    args = parser.parse_args()
    rng = random.Random(0)
    table = pa.table(
        {"url": [f"https://host{rng.randrange(5_000)}.example/a/{n}.jpg" for n in range(args.rows)],
         "caption": [" ".join(rng.choices(WORDS, k=10)) for _ in range(args.rows)]}
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "urls.parquet")
        pq.write_table(table, path)
        watch = Watch()
        plan = list_parts(str(path), SourceConfig())
        sourced = pa.concat_tables([read_part(part, plan).rows for part in plan.parts])
        watch.lap("source (Parquet)", args.rows)
    rows = identify(sourced, "bench")
    watch.lap("identify", args.rows)
    screened = screen(rows, claims(3_000, rng))
    watch.lap("screen against 3,000 claims", args.rows)
    chunks(merge_requests([requests(screened, 0)]), 2_000)
    watch.lap("requests, merged and cut", args.rows)
    observed, documents, urls = answers(20_000)
    asked = pa.table({"url": urls, "caption": ["a picture"] * len(urls)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "asked.parquet")
        pq.write_table(asked, path)
        plan = list_parts(str(path), SourceConfig())
        judged = identify(read_part(plan.parts[0], plan).rows, "bench")
    watch.start = time.process_time()
    judge(judged, Facts(observed, documents), SignalPolicy("RecuseBot"))
    watch.lap("judge", judged.num_rows)
    compared(10_000, args.works, watch)


if __name__ == "__main__":
    main()
