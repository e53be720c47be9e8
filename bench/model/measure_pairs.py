"""How many pairs of the corpus builtin:lite calls copies, and how many of them look like copies.

    python bench/model/measure_pairs.py CORPUS [VECTORS.npz]

Embeds every image of the corpus (all licences: this only measures) in fp32, rounds to half floats
as a release does, and lists the pairs whose `sem` cosine reaches the card's threshold, by their
PDQ distance (least over the eight dihedral variants; both qualities at least 50). VECTORS.npz
keeps sem, cpy, sty float16[n, d] and path; where it is there, nothing is embedded.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pdqhash
from corpus_features import read_corpus, read_pixels

from pipeline.embed import unit_rows
from pipeline.models.loading import load_matcher

LEAST_QUALITY = 50


def vectors(corpus: Path, rows: list[dict], keep: Path | None) -> dict[str, np.ndarray]:
    if keep and keep.exists():
        return dict(np.load(keep))
    model = load_matcher()
    began = time.process_time()
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(rows), 256):
        pixels = [read_pixels(corpus / r["path"]) for r in rows[start : start + 256]]
        for name, value in model.images(pixels).items():
            parts.setdefault(name, []).append(value.astype(np.float16))
        print(f"{start + len(pixels)} images, {time.process_time() - began:.0f} CPU s", flush=True)
    found = {name: np.concatenate(value) for name, value in parts.items()}
    found["path"] = np.array([r["path"] for r in rows])
    if keep:
        np.savez(keep, **found)
    return found


def pdq_distance(one: np.ndarray, other: np.ndarray) -> int | None:
    """Return the least distance to a mirror image or rotation; None where a quality is too low."""
    left, quality = pdqhash.compute(one)
    variants, other_quality = pdqhash.compute_dihedral(other)
    if min(quality, other_quality) < LEAST_QUALITY:
        return None
    return min(int((left != v).sum()) for v in variants)


def main() -> None:
    corpus = Path(sys.argv[1])
    rows = read_corpus(corpus, public_domain=False)
    found = vectors(corpus, rows, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    sem = unit_rows(found["sem"])
    cosines = np.triu(sem @ sem.T, 1)
    hand = np.array([r["style_group"] or r["source_package"] for r in rows])
    for threshold in (0.93, 0.95, 0.97, 0.98):
        pairs = np.argwhere(cosines >= threshold)
        distances = [
            pdq_distance(*(read_pixels(corpus / rows[i]["path"]) for i in pair)) for pair in pairs
        ]
        known = np.array([d for d in distances if d is not None])
        bins = [int(((known > low) & (known <= high)).sum()) for low, high in BINS]
        across = int((hand[pairs[:, 0]] != hand[pairs[:, 1]]).sum())
        print(
            f"cosine >= {threshold}: {len(pairs)} pairs ({across} across hands), "
            f"PDQ <=31 / 32-48 / 49-64 / 65-96 / beyond: {bins}, "
            f"too plain to hash: {len(distances) - len(known)}",
            flush=True,
        )


BINS = [(-1, 31), (31, 48), (48, 64), (64, 96), (96, 256)]

if __name__ == "__main__":
    main()
