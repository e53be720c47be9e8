"""How many near pairs are found, how fast, and how many of them PDQ confirms.

    python bench/relate.py [--rows 50000] [--hashes 200000]
    python bench/relate.py --rows 0 --hashes 0 --corpus FOLDER [--vectors NPZ] [--sheet PNG]

Vectors: a mixture of overlapping clusters of Pareto sizes with planted pairs of cosine .951 to .995
(facts/performance.md C.3 has the same kind); FOLDER: images, embedded with builtin:lite.
"""

import argparse
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np

from pipeline.image.canonical import CanonicalHasher, canonical_pixels
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.models.loading import load_embedder
from pipeline.near.cells import Join, near_pairs
from pipeline.near.hamming import as_words, distance, pairs_within
from pipeline.near.scan import similarity_units
from schemas.errors import ImageError

THRESHOLD = 0.95


def mixture(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, rows // 500), dim)) + 0.7 * rng.normal(size=dim)
    sizes = rng.pareto(1.2, len(centres)) + 0.05
    picked = rng.choice(len(centres), rows, p=sizes / sizes.sum())
    vectors = (centres[picked] + 0.55 * rng.normal(size=(rows, dim))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    planted = rows // 50
    apart = rng.normal(size=(planted, dim)).astype(np.float32)
    apart -= (apart * vectors[:planted]).sum(axis=1, keepdims=True) * vectors[:planted]
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    cosine = rng.uniform(0.951, 0.995, size=(planted, 1)).astype(np.float32)
    vectors[-planted:] = cosine * vectors[:planted] + np.sqrt(1 - cosine**2) * apart
    return vectors[rng.permutation(rows)].astype(np.float16)


def timed(step):
    start, cpu = time.perf_counter(), time.process_time()
    found = step()
    return found, time.process_time() - cpu, time.perf_counter() - start


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cells(rows: int, dim: int) -> None:
    vectors = mixture(rows, dim)
    uids = [f"{n:032x}" for n in range(rows)]
    print(
        f"{rows} vectors of {dim}, data {vectors.nbytes / 2**20:.0f} MB, {memory_mb():.0f} MB used"
    )
    print(
        f"{'method':22s} {'CPU s':>7s} {'pairs':>8s} {'recall':>7s} {'M pairs/s':>10s} {'MB':>6s}"
    )
    (i, j), cpu, _ = timed(lambda: near_pairs(vectors, uids, Join(THRESHOLD, 0, exact_limit=rows)))
    exact = i * rows + j
    rate = rows * (rows - 1) / 2 / cpu / 1e6
    print(f"{'exact scan':22s} {cpu:7.1f} {len(i):8d} {1:7.4f} {rate:10.0f} {memory_mb():6.0f}")
    for many in (1, 2, 4, 8):
        join = Join(THRESHOLD, 0, cells_per_vector=many, exact_limit=0)
        (i, j), cpu, _ = timed(lambda join=join: near_pairs(vectors, uids, join))
        recall = np.isin(exact, i * rows + j).mean()
        rate = rows * (rows - 1) / 2 / cpu / 1e6
        name = f"cells, {many} per vector"
        print(f"{name:22s} {cpu:7.1f} {len(i):8d} {recall:7.4f} {rate:10.0f} {memory_mb():6.0f}")


def hashes(rows: int) -> None:
    rng = np.random.default_rng(0)
    found = rng.integers(0, 2**64, size=(rows, 4), dtype=np.uint64)
    (i, _, _), cpu, _ = timed(lambda: pairs_within(found, 31))
    rate = rows * (rows - 1) / 2 / cpu / 1e6
    print(f"PDQ join of {rows} hashes: {cpu:.1f} CPU s, {rate:.0f} M pairs/s, {len(i)} pairs, "
          f"{memory_mb():.0f} MB")  # fmt: skip


def embedded(paths: list[Path], known: Path | None) -> np.ndarray:
    """Return `sem` of images by builtin:lite, from a file (npz: path, sem) where it has them."""
    if known and known.exists():
        there = np.load(known)
        by_name = {Path(p).name: v for p, v in zip(there["path"], there["sem"], strict=True)}
        return np.stack([by_name[p.name] for p in paths])
    model, vectors = load_embedder("builtin:lite"), []
    for at in range(0, len(paths), 64):
        bodies = [p.read_bytes() for p in paths[at : at + 64]]
        pixels = [canonical_pixels(Decoder(b, read_header(b))) for b in bodies]
        vectors.append(model.images(pixels)["sem"].astype(np.float16))
    if known:
        np.savez(known, path=[str(p) for p in paths], sem=np.concatenate(vectors))
    return np.concatenate(vectors)


def corpus(folder: Path, sheet: Path | None, known: Path | None) -> None:
    hasher, keys, kept = CanonicalHasher(), [], []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".png"}):
        try:
            keys.append(hasher.keys(path.read_bytes()))
        except ImageError:
            continue
        kept.append(path)
    stored = embedded(kept, known)
    words = as_words([k.pdq for k in keys])
    good = np.array([k.pdq_quality >= 50 for k in keys])
    print(f"{len(kept)} images, builtin:lite")
    print(" cosine   pairs  PDQ<=31  PDQ<=48  PDQ<=64  share")
    for threshold in (0.90, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99):
        uids = [f"{n:032x}" for n in range(len(kept))]
        i, j = near_pairs(stored, uids, Join(threshold, 0))
        bits = distance(words[i], words[j])
        met = [int(((bits <= r) & good[i] & good[j]).sum()) for r in (31, 48, 64)]
        share = met[0] / max(1, len(i))
        print(f"{threshold:7.3f} {len(i):7d} {met[0]:8d} {met[1]:8d} {met[2]:8d} {share:6.3f}")
        if sheet and threshold == THRESHOLD:
            draw(sheet, kept, (i, j), (bits, similarity_units(stored, i, j)))
    a, b, bits = pairs_within(words, 31)
    near = similarity_units(stored, a, b) >= THRESHOLD * 10_000
    fine = good[a] & good[b]
    print(f"PDQ <= 31 and quality >= 50: {fine.sum()} pairs")
    print(f"of them {near[fine].mean():.3f} with cosine >= .95")


def draw(sheet: Path, paths: list[Path], pairs: tuple, evidence: tuple) -> None:
    """Write a contact sheet of pairs that PDQ does not confirm, a random 60."""
    (i, j), (bits, units) = pairs, evidence
    unsure = np.flatnonzero(bits > 31)
    picked = np.sort(np.random.default_rng(0).permutation(unsure)[:60])
    tiles = []
    for p in picked:
        two = [cv2.resize(cv2.imread(str(paths[n[p]])), (110, 110)) for n in (i, j)]
        tile = np.full((130, 224, 3), 255, np.uint8)
        tile[:110, :110], tile[:110, 112:222] = two
        text = f"{units[p] / 1e4:.3f} pdq {bits[p]}"
        cv2.putText(tile, text, (4, 126), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0))
        tiles.append(tile)
    tiles += [np.full((130, 224, 3), 255, np.uint8)] * (-len(tiles) % 6)
    rows = [np.hstack(tiles[n : n + 6]) for n in range(0, len(tiles), 6)]
    if rows:
        cv2.imwrite(str(sheet), np.vstack(rows))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--hashes", type=int, default=200_000)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--vectors", type=Path)
    args = parser.parse_args()
    if args.rows:
        cells(args.rows, args.dim)
    if args.hashes:
        hashes(args.hashes)
    if args.corpus:
        corpus(args.corpus, args.sheet, args.vectors)


if __name__ == "__main__":
    main()
