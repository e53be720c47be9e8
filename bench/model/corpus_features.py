"""Image features of the corpus, computed once, for the two fitting scripts beside this one.

    python bench/model/corpus_features.py CORPUS OUT.npz [--views N] [--all-licences]

CORPUS is the folder that the corpus script made (corpus.jsonl, images/). Only openclipart images
whose metadata say public domain go in, unless --all-licences is given, which is for measuring and
never for fitting. View 0 is the image as it is; view 1 its mirror image; further views are random
crops of 70 % to 100 % of each edge, half of them mirrored, from a fixed seed.

OUT.npz: pool float16[views, n, 1280], cpy float32[n, 1280] and sty float32[n, 6064] (raw, of view
0), sty_sizes int[11] (widths of its blocks), path, caption, hand (style_group), licence str[n].
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from pipeline.models import imports, preprocess
from pipeline.models.builtin import image_tower
from pipeline.models.taps import Taps, places

PUBLIC_DOMAIN = "CC-PublicDomain"
SEED = 20261122
BATCH = 32
SQUASH = preprocess.Preprocess(224, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic", "squash", 0)


def read_corpus(folder: Path, *, public_domain: bool = True) -> list[dict[str, str]]:
    """Return the corpus's rows, by path."""
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    if public_domain:
        rows = [r for r in rows if r["licence"] == PUBLIC_DOMAIN]
        rows = [r for r in rows if r["source_package"].startswith("openclipart")]
    return sorted(rows, key=lambda r: r["path"])


def read_pixels(path: Path) -> np.ndarray:
    """Return uint8[h, w, 3], sRGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"expected an image, found none that can be read: {path}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def viewed(pixels: np.ndarray, view: int, rng: np.random.Generator) -> np.ndarray:
    if view == 0:
        return pixels
    if view == 1:
        return pixels[:, ::-1]
    height, width = pixels.shape[:2]
    h, w = (max(8, round(edge * rng.uniform(0.7, 1.0))) for edge in (height, width))
    top, left = rng.integers(0, max(1, height - h + 1)), rng.integers(0, max(1, width - w + 1))
    crop = pixels[top : top + h, left : left + w]
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--all-licences", action="store_true")
    args = parser.parse_args()
    torch = imports.torch()
    torch.set_num_threads(1)
    rows = read_corpus(args.corpus, public_domain=not args.all_licences)
    trunk = image_tower()
    taps = Taps(places(trunk))
    pool: list[list[np.ndarray]] = []
    raw: dict[str, list[np.ndarray]] = {"cpy": [], "sty": []}
    for view in range(args.views):
        rng = np.random.default_rng([SEED, view])
        pool.append([])
        for start in range(0, len(rows), BATCH):
            batch = [
                viewed(read_pixels(args.corpus / r["path"]), view, rng)
                for r in rows[start : start + BATCH]
            ]
            with torch.inference_mode():
                pooled = trunk(preprocess.tensor(batch, SQUASH))
                found = taps.read()
            pool[-1].append(pooled.numpy().astype(np.float16))
            if view == 0:
                for name, value in found.items():
                    raw[name].append(value.numpy())
        np.savez(
            args.out,
            pool=np.stack([np.concatenate(one) for one in pool]),
            sty_sizes=np.array(taps.sizes),
            **{name: np.concatenate(value) for name, value in raw.items()},
            **{
                key: np.array([r[column] or "" for r in rows])
                for key, column in {
                    "path": "path",
                    "caption": "caption",
                    "hand": "style_group",
                    "licence": "licence",
                }.items()
            },
        )
        print(f"view {view}: {len(rows)} images", flush=True)


if __name__ == "__main__":
    main()
