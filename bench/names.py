"""CPU time of names in captions: the search, its slow paths, and redaction.

    OMP_NUM_THREADS=1 python bench/names.py [--captions 1000000] [--names 1000] [--named 0.01]

Captions of twelve made-up words: of twenty, eighteen in ASCII, one with accents, one in Cyrillic
letters; a share of them names somebody. Of ten names, one is in Cyrillic letters. Prints seconds of
CPU and milliseconds a caption.
"""

import argparse
import random
import sys
import time
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from optout.names import find_names
from optout.redaction import redact

ALPHABETS = ["abcdefghijklmnoprstuvw"] * 18 + ["abcdefghiéöü", "абвгдежзиклмнопрст"]


def pools(rng: random.Random) -> list[list[str]]:
    return [
        ["".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(5_000)]
        for letters in ALPHABETS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--names", type=int, default=1_000)
    parser.add_argument("--named", type=float, default=0.01)
    args = parser.parse_args()
    rng = random.Random(0)
    words = pools(rng)
    names = [
        " ".join(rng.choices(words[-1 if n % 10 == 0 else 0], k=2)).title()
        for n in range(args.names)
    ]
    captions = []
    for n in range(args.captions):
        caption = " ".join(rng.choices(words[n % len(words)], k=12))
        captions.append(
            f"{caption} by {rng.choice(names)}" if rng.random() < args.named else caption
        )
    column = pa.array(captions)
    start = time.process_time()
    found = find_names(column, names)
    spent = time.process_time() - start
    print(f"find {args.names:,} names in {args.captions:,} captions: {spent:.1f} s, "
          f"{1000 * spent / args.captions:.4f} ms a caption, {found.num_rows:,} found")  # fmt: skip
    start = time.process_time()
    for row, name in zip(found["row"].to_pylist(), found["name"].to_pylist(), strict=True):
        redact(captions[row], [names[name]])
    spent = time.process_time() - start
    print(f"redact: {spent:.1f} s, {1000 * spent / max(found.num_rows, 1):.3f} ms a caption named")


if __name__ == "__main__":
    main()
