"""Recall of the shipped builtin:lite from real pixels, through the code that a build uses.

    python bench/model/measure_recall.py CORPUS

The 500 captions that `train_lite.py --hold-out random` kept out of training. It should print what
model.json says, but for half floats.
"""

import sys
from pathlib import Path

import numpy as np
from corpus_features import read_corpus, read_pixels
from train_lite import Settings, held_out

from pipeline.models.builtin_files import model
from pipeline.models.loading import load_matcher


def main() -> None:
    corpus = Path(sys.argv[1])
    rows = read_corpus(corpus)
    captions = np.array([r["caption"] for r in rows])
    hands = np.array([r["style_group"] for r in rows])
    test, _ = held_out("random", captions, hands, Settings().seed)
    lite = load_matcher()
    images = lite.images([read_pixels(corpus / rows[i]["path"]) for i in test])["sem"]
    cosine = lite.texts([rows[i]["caption"] for i in test]) @ images.T
    rank = (cosine > np.diag(cosine)[:, None]).sum(axis=1)
    print({f"r{k}": round(float((rank < k).mean()), 3) for k in (1, 5, 10)}, "of", len(test))
    print("model.json:", model()["figures"]["random"])


if __name__ == "__main__":
    main()
