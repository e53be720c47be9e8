"""Print the PDQ hashes of flags that intake refuses, for optout/flags.py.

    python bench/flags.py CORPUS

CORPUS is the folder that the corpus script made. Only flags that openclipart holds as public domain
and whose hash is good (quality 50 or more) are taken, each design once; stripes alone need none,
they are refused as such. Semaphore figures are drawings and no flags.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.model.corpus_features import read_corpus, read_pixels
from optout.hot import FLAG_RADIUS
from optout.match import PDQ_MIN_QUALITY
from pipeline.image.canonical import pdq

FOLDER = "signs_and_symbols/flags/"


def main() -> None:
    root = Path(sys.argv[1])
    kept: dict[str, np.ndarray] = {}
    for row in read_corpus(root):
        if not row["source_file"].startswith(FOLDER) or "semaphore" in row["source_file"]:
            continue
        value, quality = pdq(read_pixels(root / row["path"]))
        words = np.frombuffer(value, np.uint64)
        if quality < PDQ_MIN_QUALITY or any(
            np.bitwise_count(words ^ other).sum() <= FLAG_RADIUS // 4 for other in kept.values()
        ):
            continue
        name = Path(row["source_file"]).stem.replace("_", " ").strip()
        kept[f"{value.hex()} {name}"] = words
    print("\n".join(sorted(kept)))


if __name__ == "__main__":
    main()
