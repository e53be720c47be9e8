"""Images per second of one core: builtin:lite with the matcher's vectors, and ViT-B-32.

    OMP_NUM_THREADS=1 python bench/embed.py [--seconds 8] [--batch 32]

One thread, made-up pixels of 256 by 256, preprocessing included, CPU time (the machine may be
shared). ViT-B-32 has random weights: the time is the same, the vectors mean nothing. bf16 pays
only where the processor multiplies it natively (amx_bf16, avx512_bf16), which is printed; elsewhere
it is several times slower, and ViT-B-32 in bf16 is left out.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np

from pipeline.models import architecture, imports, loading
from pipeline.models.embedder import OpenClipEmbedder
from schemas.ports import Embedder, ModelCard, VectorSpec


def random_vit(precision: str, batch: int) -> Embedder:
    open_clip, torch = imports.open_clip(), imports.torch()
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32", pretrained=None).eval()
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    card = ModelCard("ViT-B-32/random", "", "", (VectorSpec("sem", 512),), 0.95)
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    return OpenClipEmbedder(model, tokenizer, card, batch_size=batch, device="cpu")


def rate(model: Embedder, batch: int, seconds: float) -> tuple[float, float]:
    """Return images per CPU second and per second of wall time."""
    pixels = list(np.random.default_rng(0).integers(0, 256, (batch, 256, 256, 3), dtype=np.uint8))
    model.images(pixels)
    count, cpu, wall = 0, time.process_time(), time.perf_counter()
    while time.process_time() - cpu < seconds:
        model.images(pixels)
        count += batch
    return count / (time.process_time() - cpu), count / (time.perf_counter() - wall)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    loading.set_threads(1)
    print(f"{processor()}, native bf16: {architecture.has_bf16()}, batch {args.batch}, one thread")
    for precision in ("fp32", "bf16"):
        lite = loading.load_embedder("builtin:lite", precision=precision, batch_size=args.batch)
        for name, model in (
            ("builtin:lite", lite),
            ("ViT-B-32", random_vit(precision, args.batch)),
        ):
            cpu, wall = rate(model, args.batch, args.seconds)
            print(
                f"{name:14} {precision}: {cpu:6.1f} images/CPU s, {wall:6.1f} images/s", flush=True
            )


if __name__ == "__main__":
    main()
