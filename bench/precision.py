"""How far vectors of the matcher drift between precisions, batch sizes, threads and kernels.

    python bench/precision.py CORPUS [--rows 200] [--hands 20]

Works are embedded as claims are: float32, batches of 32, one thread, stored as half floats. Rows
are embedded once so and once in each other way, and what a build compares is computed from both:
cosines to the works, and normalised similarities to each hand as a style of ten works. Printed are
the largest change and that which one in a thousand exceeds. `tf32` is what a GPU's convolutions do
unless they are told not to: both factors of each product rounded to ten bits, here by hand.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.model.corpus_features import read_corpus
from optout.cohort import Cohort
from optout.style import Style, claim_moments, normalised
from optout.tail import Tail
from pipeline.decode import prepare
from pipeline.models import imports, loading
from pipeline.models.builtin_files import load_cohort
from schemas.config import DecodeConfig
from schemas.ports import Embedder, Pixels

WORKS = 10
SEED = 20261126
Vectors = dict[str, np.ndarray]


def chosen(folder: Path, rows: int, hands: int) -> tuple[list[list[str]], list[str]]:
    """Return paths of the works of each hand, and of images by others and the same hands."""
    by_hand: dict[str, list[str]] = {}
    for row in read_corpus(folder):
        by_hand.setdefault(row["style_group"], []).append(row["path"])
    large = [h for h in sorted(by_hand) if h != "oca/-" and len(by_hand[h]) >= 2 * WORKS]
    rng = np.random.default_rng(SEED)
    claimed = rng.choice(large, min(hands, len(large)), replace=False)
    works = [by_hand[h][:WORKS] for h in claimed]
    taken = {path for paths in works for path in paths}
    rest = [path for paths in by_hand.values() for path in paths if path not in taken]
    own = [path for h in claimed for path in by_hand[h][WORKS : WORKS + 3]]
    others = [str(p) for p in rng.choice(rest, max(0, rows - len(own)), replace=False)]
    return works, (own + others)[:rows]


def embedded(model: Embedder, pixels: list[Pixels]) -> Vectors:
    """Return vectors as stored: half floats, read as float32."""
    found = model.images(pixels)
    return {n: found[n].astype(np.float16).astype(np.float32) for n in ("cpy", "sty")}


@contextmanager
def without_mkldnn() -> Iterator[None]:
    """Let torch's own kernels convolve, as on a machine for which oneDNN has none."""
    torch = imports.torch()
    with torch.backends.mkldnn.flags(enabled=False):
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    loading.set_threads(count)
    try:
        yield
    finally:
        loading.set_threads(1)


@contextmanager
def nothing() -> Iterator[None]:
    yield


def ten_bits(values):
    """Return float32 values rounded to the mantissa of TF32."""
    torch = imports.torch()
    bits = values.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


@contextmanager
def tf32(model: Embedder) -> Iterator[None]:
    """Round what goes into each convolution and matrix product, and its weights, for a while."""
    torch = imports.torch()
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    network = model._model  # noqa: SLF001 - tf32 is nothing that an embedder offers on a CPU
    parts = [m for m in network.modules() if isinstance(m, kinds)]
    kept = [m.weight.data.clone() for m in parts]
    hooks = [m.register_forward_pre_hook(lambda _m, args: (ten_bits(args[0]),)) for m in parts]
    for part in parts:
        part.weight.data = ten_bits(part.weight.data)
    try:
        yield
    finally:
        for hook, part, weight in zip(hooks, parts, kept, strict=True):
            hook.remove()
            part.weight.data = weight


def styles_of(works: list[np.ndarray], cohort: Cohort) -> list[Style]:
    """Return each hand's works as a style; only how it is normalised matters here."""
    return [Style(w, Tail(0, 0.02, 0, 1, 1e-3, *claim_moments(w, cohort.fit_sty))) for w in works]


def measured(rows: Vectors, works: Vectors, styles: list[Style], cohort: Cohort) -> Vectors:
    return {
        "cpy cosine": rows["cpy"] @ works["cpy"].T,
        "sty cosine": rows["sty"] @ works["sty"].T,
        "normalised": np.stack([normalised(rows["sty"], s, cohort.fit_sty) for s in styles], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--hands", type=int, default=20)
    args = parser.parse_args()
    model, cohort = loading.load_matcher(), load_cohort()
    names, others = chosen(args.corpus, args.rows, args.hands)

    def read(paths: list[str]) -> list[Pixels]:
        bodies = ((args.corpus / path).read_bytes() for path in paths)
        return [prepare(body, DecodeConfig(), model.edge_px).pixels for body in bodies]

    works = embedded(model, read([path for paths in names for path in paths]))
    styles = styles_of(np.split(works["sty"], len(names)), cohort)
    pixels = read(others)
    plain = measured(embedded(model, pixels), works, styles, cohort)
    print(f"{len(pixels)} rows, {len(names)} styles of {WORKS} works", flush=True)
    by_batch = {size: loading.load_matcher(batch_size=size) for size in (1, 8)}
    ways: dict[str, tuple[Embedder, Callable]] = {
        "fp32, batch 1": (by_batch[1], nothing),
        "fp32, batch 8": (by_batch[8], nothing),
        "fp32, 2 threads": (model, lambda: threads(2)),
        "fp32, other kernels": (model, without_mkldnn),
        "tf32": (model, lambda: tf32(model)),
        "bf16": (loading.load_embedder("builtin:lite", precision="bf16"), nothing),
    }
    print("| rows as | measure | largest change | one in 1,000 beyond | s |\n" + "| --- " * 5 + "|")
    for name, (other, around) in ways.items():
        began = time.perf_counter()
        with around():
            found = measured(embedded(other, pixels), works, styles, cohort)
        took = time.perf_counter() - began
        for what, values in found.items():
            change = np.abs(values - plain[what])
            most, usual = change.max(), np.quantile(change, 0.999)
            print(f"| {name} | {what} | {most:.5f} | {usual:.5f} | {took:.0f} |", flush=True)


if __name__ == "__main__":
    main()
