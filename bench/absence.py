"""What a proof of absence takes and covers: planted copies, genuine absences, sizes, a big release.

    python bench/absence.py CORPUS [--n 300] [--rows 1000000] [--part copies|absence|maps]

CORPUS is the folder that the corpus script made (corpus.jsonl, images/). N images of it, drawn by a
fixed seed among those that PDQ can tell from others, are left out of a release of all others.

copies: the share of real copies (JPEG files of the full-size picture) within a radius of the
registered variants, and beside it of the image's own code alone. absence: the prover is asked
about each of the N, first as they are; then, of those without a look-alike, with copies of all
planted: codes at exactly the radius from a variant drawn at random, and the real copies that lie
within it. `prove` sees only what it probes; it must refuse all of them. maps: both maps over ROWS
rows, whose codes are those of the corpus with a tenth of their bits turned at random, so that
buckets are as uneven as among pictures.
"""

import argparse
import os
import random
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.changes import jpeg, scaled
from bench.copies import read_images
from optout.log.sparse import SparseMap
from pipeline.absence import Maps, Subject, nearest, parse, prove, subject_of, verify
from pipeline.image.canonical import CanonicalHasher
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.release_maps import (
    MAPPED,
    band_pairs,
    distinct_codes,
    entries,
    kinds,
    mapped,
    row_pairs,
)
from schemas.errors import ImageError, ProofError, UsageError
from schemas.tables import SAMPLES, from_rows

RADII = (15, 31)
HASHER = CanonicalHasher()
SEED = 5
PART_ROWS = 10_000


@dataclass(frozen=True)
class Asked:
    """An image that is asked about."""

    body: bytes
    subject: Subject
    copies: dict[str, bytes]  # codes of its copies


def bits(a: bytes, b: bytes) -> int:
    return (int.from_bytes(a) ^ int.from_bytes(b)).bit_count()


def copies_of(body: bytes) -> dict[str, bytes]:
    decoder = Decoder(body, read_header(body))
    whole = decoder.at_least(max(decoder.header.width, decoder.header.height))
    half = scaled(whole, np.random.default_rng(0))
    cubic = cv2.resize(whole, half.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    made = {
        "quality 75": jpeg(whole, 75),
        "quality 50": jpeg(whole, 50),
        "quality 30": jpeg(whole, 30),
        "half size": jpeg(half, 90),
        "half size, cubic": jpeg(cubic, 90),
        "half size, quality 75": jpeg(half, 75),
        "mirrored, quality 75": jpeg(whole[:, ::-1], 75),
    }
    return {name: HASHER.pdq(copy)[0] for name, copy in made.items()}


def drawn(folder: Path, count: int) -> tuple[list[Asked], pa.Table]:
    """Return the images asked about, and the rows of all others: MAPPED."""
    images = read_images(folder)
    random.Random(SEED).shuffle(images)
    asked, rows = [], []
    for image in images:
        try:
            if len(asked) < count:
                subject = subject_of(image.body)
                asked.append(Asked(image.body, subject, copies_of(image.body)))
                continue
        except UsageError:
            pass
        except ImageError:
            continue
        keys = HASHER.keys(image.body)
        rows.append(row(len(rows), keys.pdq, HASHER.pdq(jpeg_again(image.body))[0]))
    return asked, table(rows)


def jpeg_again(body: bytes) -> bytes:
    decoder = Decoder(body, read_header(body))
    return jpeg(decoder.at_least(256), 95)


def row(number: int, pdq: bytes, stored: bytes) -> dict[str, object]:
    rng = random.Random(number)
    told = {name: rng.randbytes(32).hex() for name in ("sha256", "stored_sha256", "pixel_sha256")}
    url = f"https://h{number % 977}.example/pictures/{number}.jpg"
    return {"uid": told["sha256"][:32], "url": url, "final_url": url, "pdq": pdq,
            "stored_pdq": stored} | told  # fmt: skip


def table(rows: list[dict[str, object]]) -> pa.Table:
    return mapped(from_rows(rows, SAMPLES).select(MAPPED))


def maps_of(rows: pa.Table) -> Maps:
    codes = distinct_codes([kinds(rows)])
    pairs = row_pairs(entries(rows, "00000"))
    return Maps(SparseMap(pairs), SparseMap(band_pairs(codes)), codes)


def shares(asked: list[Asked]) -> None:
    print(f"copies of {len(asked)} images within the radius of a variant (of the code alone)")
    for name in asked[0].copies:
        line = [name.ljust(24)]
        for radius in RADII:
            every = [min(bits(a.copies[name], c) for c in a.subject.codes) for a in asked]
            alone = [bits(a.copies[name], a.subject.codes[0]) for a in asked]
            of_all, of_one = (np.mean(np.array(d) <= radius) for d in (every, alone))
            line.append(f"{radius}: {of_all:.3f} ({of_one:.3f})")
        print("  ".join(line))


def absences(asked: list[Asked], rows: pa.Table) -> None:
    began = time.process_time()
    maps = maps_of(rows)
    print(f"release of {rows.num_rows:,} rows, maps in {time.process_time() - began:.1f} CPU s")
    rng = random.Random(SEED)
    for radius in RADII:
        sizes, proving, checking, clean, wrong = [], [], [], [], 0
        for one in asked:
            near = nearest(rows, one.subject)
            if near is not None and near.distance <= radius:
                wrong += proves(one.subject, radius, maps)
                continue
            clean.append(one)
            times = [time.process_time()]
            body = prove(one.subject, radius, maps).to_bytes()
            times.append(time.process_time())
            verify(parse(body), maps.rows.root(), maps.bands.root())
            times.append(time.process_time())
            sizes.append(len(body))
            proving.append(times[1] - times[0])
            checking.append(times[2] - times[1])
        alike = len(asked) - len(clean)
        print(
            f"radius {radius}: {len(clean)} absences proved and verified; {alike} have a copy in "
            f"the corpus, {alike - wrong} of them refused"
        )
        print(
            f"radius {radius}: {np.median(sizes) / 1e6:.3f} MB, most {max(sizes) / 1e6:.3f}; "
            f"prove {np.median(proving):.2f} CPU s, verify {np.median(checking):.2f}",
            flush=True,
        )
        planted, refused = plant(clean, rows, radius, rng)
        print(f"radius {radius}: {refused} of {planted} planted copies refused")


def plant(asked: list[Asked], rows: pa.Table, radius: int, rng: random.Random) -> tuple[int, int]:
    """Return how many copies were planted, each kind in a release of its own, and the found."""
    planted = refused = 0
    for kind in ("exact", *asked[0].copies):
        own: list[tuple[Subject, bytes]] = []
        for one in asked:
            code = one.copies.get(kind) or flipped(rng.choice(one.subject.codes), radius, rng)
            if min(bits(code, c) for c in one.subject.codes) <= radius:
                own.append((one.subject, code))
        # Some as pdq only, some as stored_pdq only: either must be enough.
        far = bytes(32)
        more = [
            row(10**7 + n, *((code, far) if n % 2 else (far, code)))
            for n, (_, code) in enumerate(own)
        ]
        maps = maps_of(pa.concat_tables([rows, table(more)]))
        planted += len(own)
        refused += sum(not proves(subject, radius, maps) for subject, _ in own)
    return planted, refused


def proves(subject: Subject, radius: int, maps: Maps) -> bool:
    try:
        prove(subject, radius, maps)
    except ProofError:
        return False
    return True


def flipped(code: bytes, count: int, rng: random.Random) -> bytes:
    mask = sum(1 << bit for bit in rng.sample(range(256), count))
    return (int.from_bytes(code) ^ mask).to_bytes(32)


def million(count: int, corpus: pa.Table, asked: list[Asked]) -> None:
    rng = np.random.default_rng(SEED)
    known = {
        name: np.frombuffer(b"".join(corpus[name].to_pylist()), np.uint8).reshape(-1, 32)
        for name in ("pdq", "stored_pdq")
    }
    entered, codes, entries_s = [], [], 0.0
    for start in range(0, count, PART_ROWS):
        size = min(PART_ROWS, count - start)
        chosen = rng.integers(0, len(known["pdq"]), size)
        # Both codes of a row move together, as they do.
        noise = np.packbits((rng.random((size, 256)) < 0.1).astype(np.uint8), axis=1)
        both = [known[name][chosen] ^ noise for name in known]
        part = table([row(start + n, bytes(both[0][n]), bytes(both[1][n])) for n in range(size)])
        began = time.process_time()
        entered.append(entries(part, f"{start // PART_ROWS:05d}"))
        codes.append(kinds(part))
        entries_s += time.process_time() - began
    print(f"{count:,} rows; memory before the maps {peak_gb():.2f} GB")
    times = [time.process_time()]
    rows_map = SparseMap(row_pairs(pa.concat_tables(entered)))
    rows_root = rows_map.root()
    times.append(time.process_time())
    rows_gb = peak_gb()
    distinct = distinct_codes(codes)
    bands_map = SparseMap(band_pairs(distinct))
    bands_root = bands_map.root()
    times.append(time.process_time())
    print(f"entries and codes {entries_s:.0f} CPU s")
    print(f"row map {len(rows_map):,} keys {times[1] - times[0]:.0f} CPU s, peak {rows_gb:.2f} GB")
    print(f"band map {len(bands_map):,} keys {times[2] - times[1]:.0f} CPU s", flush=True)
    print(f"peak of all {peak_gb():.2f} GB")
    maps = Maps(rows_map, bands_map, distinct)
    for radius in RADII:
        told, alike = [], 0
        for one in asked[:10]:
            began = time.process_time()
            try:
                body = prove(one.subject, radius, maps).to_bytes()
            except ProofError:
                alike += 1
                continue
            proved = time.process_time()
            absence = parse(body)
            verify(absence, rows_root, bands_root)
            done = time.process_time()
            opened = sum(map(len, absence.opened)) // 32
            told.append((len(body) / 1e6, opened, proved - began, done - proved))
        if told:
            size, opened, prove_s, verify_s = np.median(np.array(told), axis=0)
            print(
                f"radius {radius}: {len(told)} proofs ({alike} refused), median {size:.1f} MB, "
                f"{opened:,.0f} codes, prove {prove_s:.1f} CPU s, verify {verify_s:.1f}"
            )


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", choices=["copies", "absence", "maps", "all"], default="all")
    args = parser.parse_args()
    asked, rows = drawn(args.corpus, args.n)
    if args.part in ("copies", "all"):
        shares(asked)
    if args.part in ("absence", "all"):
        absences(asked, rows)
    if args.part in ("maps", "all"):
        million(args.rows, rows, asked)


if __name__ == "__main__":
    main()
