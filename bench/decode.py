"""CPU milliseconds an image, one thread: what each step of decoding costs, img2dataset beside it.

    python bench/decode.py FOLDER [--limit 200] [--skip-img2dataset]

FOLDER holds images (searched below it). Figures are the best of three rounds of process CPU time.
"""

import argparse
import importlib.util
import os
import resource
import time
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import cv2
import numpy as np
import pdqhash

from pipeline.decode import prepare
from pipeline.image.canonical import CanonicalHasher, canonical_pixels, pdq, pixel_sha256
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.image.resize import encoded, plan_resize, resized
from schemas.canonical import sha256_hex
from schemas.config import DecodeConfig

ROUNDS = 3
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}


def cost_ms(step: Callable[[Any], object], values: Sequence[Any]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for value in values:
            step(value)
        best = min(best, (time.process_time() - start) / len(values))
    return best * 1e3


def theirs(config: DecodeConfig) -> Any:
    """Return img2dataset's Resizer, its module alone."""
    found = importlib.util.find_spec("img2dataset")
    path = Path(found.submodule_search_locations[0], "resizer.py")
    spec = importlib.util.spec_from_file_location("resizer", path)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module.Resizer(
        config.image_size, config.resize_mode.value, config.resize_only_if_bigger,
        encode_quality=config.encode_quality, encode_format=config.encode_format,
    )  # fmt: skip


def steps(bodies: list[bytes], config: DecodeConfig) -> list[tuple[str, float]]:
    headers = [read_header(b) for b in bodies]
    decoders = [Decoder(b, h) for b, h in zip(bodies, headers, strict=True)]
    pixels = [canonical_pixels(d) for d in decoders]
    plans = [plan_resize(*h.upright, config) for h in headers]
    small = [
        resized(d.at_least(256), p, reduced=d.reduced(256))
        for d, p in zip(decoders, plans, strict=True)
    ]
    stored = [encoded(s, config) for s in small]
    hasher = CanonicalHasher()
    pairs = list(zip(bodies, headers, strict=True))
    return [
        ("header", cost_ms(read_header, bodies)),
        ("canonical decode", cost_ms(lambda p: canonical_pixels(Decoder(*p)), pairs)),
        ("resize", cost_ms(
            lambda x: resized(x[0].at_least(256), x[1], reduced=x[0].reduced(256)),
            list(zip(decoders, plans, strict=True)))),
        ("encode", cost_ms(lambda s: encoded(s, config), small)),
        ("sha256 of the bytes", cost_ms(sha256_hex, bodies)),
        ("pixel_sha256", cost_ms(pixel_sha256, pixels)),
        ("pdq", cost_ms(pdq, pixels)),
        ("pdqhash as it comes, same pixels", cost_ms(pdqhash.compute, pixels)),
        ("stored_pdq (decode and hash)", cost_ms(hasher.pdq, stored)),
        ("all: prepare and sha256", cost_ms(lambda b: (sha256_hex(b), prepare(b, config)), bodies)),
        ("content keys alone", cost_ms(hasher.keys, bodies)),
        ("key points (of a build, not in all)", cost_ms(lambda p: keypoints(p, SAMPLE), pixels)),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--skip-img2dataset", action="store_true")
    args = parser.parse_args()
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    paths = paths[:: max(1, len(paths) // args.limit)][: args.limit]
    bodies = [p.read_bytes() for p in paths]
    sizes = [read_header(b) for b in bodies]
    config = DecodeConfig()
    print(f"{len(bodies)} images, mean {np.mean([len(b) for b in bodies]) / 1e3:.0f} KB, "
          f"{np.mean([h.width * h.height for h in sizes]) / 1e6:.2f} megapixels")  # fmt: skip
    for name, ms in steps(bodies, config):
        print(f"{name:36s} {ms:7.3f} ms")
    if not args.skip_img2dataset:
        resizer = theirs(config)
        ms = cost_ms(lambda b: resizer(BytesIO(b)), bodies)
        print(f"{'img2dataset Resizer (no hashes)':36s} {ms:7.3f} ms")
        apart = []
        for body in bodies:
            found, answer = prepare(body, config), resizer(BytesIO(body))
            ours, other = (cv2.imdecode(np.frombuffer(b, np.uint8), cv2.IMREAD_COLOR)
                           for b in (found.stored, answer[0]))  # fmt: skip
            if ours.shape == other.shape:
                apart.append(float(np.abs(ours.astype(int) - other).mean()))
        print(f"mean difference of stored pixels to theirs: {np.mean(apart):.2f} of 255")
        print(f"worst image {np.max(apart):.2f}; same sizes {len(apart)} of {len(bodies)}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
