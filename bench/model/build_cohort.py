"""Fit the whitening of builtin:lite's matcher and make its cohort.

    python bench/model/corpus_features.py CORPUS pd.npz
    python bench/model/build_cohort.py pd.npz pipeline/models/builtin_lite

Public-domain openclipart images only, of hands that are named; what is written are vectors, no
pixels. Hands are split, never shared: of each three hands in order of size the largest goes to the
fit set and two to the calibration set, until 200 calibrate; the rest fit. At most 250 images a
hand, so that the largest do not become the norm.
"""

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from optout import cohort
from pipeline.models import imports, style

DIMS = {"cpy": 256, "sty": 512}
BLOCK_DIM = 128
RIDGE = {"cpy": 1e-2, "sty": 3e-3}
CALIBRATION_HANDS = 200
MOST_IMAGES = 250
NAMELESS = "oca/-"
SEED = 20261122


def split_hands(hands: np.ndarray) -> tuple[list[str], list[str]]:
    """Return the hands that fit and those that calibrate, each in order of size."""
    names, sizes = np.unique(hands[hands != NAMELESS], return_counts=True)
    by_size = [str(names[i]) for i in np.lexsort((names, -sizes))]
    calibrate = [name for i, name in enumerate(by_size) if i % 3 != 0][:CALIBRATION_HANDS]
    chosen = set(calibrate)
    return [name for name in by_size if name not in chosen], calibrate


def capped(hands: np.ndarray, names: list[str]) -> np.ndarray:
    """Return indices of the images of some hands, at most 250 a hand, in order."""
    rng = np.random.default_rng(SEED)
    rows = [np.flatnonzero(hands == name) for name in names]
    few = [r if len(r) <= MOST_IMAGES else rng.choice(r, MOST_IMAGES, replace=False) for r in rows]
    return np.sort(np.concatenate(few))


def fitted(data: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of the whitening, float16, fitted on some rows."""
    arrays = style.fit_style(
        data["sty"][rows], data["sty_sizes"].tolist(), (BLOCK_DIM, DIMS["sty"]), RIDGE["sty"]
    )
    parts = style.fit_whitening(data["cpy"][rows], DIMS["cpy"], RIDGE["cpy"])
    arrays |= dict(zip(("cpy_mean", "cpy_projection"), parts, strict=True))
    # save_file writes memory as it lies: a transposed view would come back scrambled.
    return {name: np.ascontiguousarray(value, np.float16) for name, value in arrays.items()}


def whitened(data: dict[str, np.ndarray], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return `cpy` and `sty` float32[n, d] of all rows, by the half floats that ship."""
    torch = imports.torch()
    raw = {name: torch.from_numpy(data[name]) for name in DIMS}
    found = style.Whitening(arrays, "cpu").apply(raw)
    return {name: value.numpy() for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    data = dict(np.load(args.features))
    hands = data["hand"]
    fit, calibrate = split_hands(hands)
    number = {name: i for i, name in enumerate(fit + calibrate)}
    rows = {"fit": capped(hands, fit), "calibration": capped(hands, calibrate)}
    whitening = fitted(data, rows["fit"])
    vectors = whitened(data, whitening)
    arrays = {
        f"{part}_{name}": value[index]
        for part, index in rows.items()
        for name, value in vectors.items()
    }
    for part, index in rows.items():
        arrays[f"{part}_hand"] = np.array([number[h] for h in hands[index]], np.int32)
    card = {
        "source": "openclipart 0.18 (Debian packages openclipart-svg, openclipart-png)",
        "license": "public domain, as each image's metadata say; vectors only",
        "fit": {"hands": len(fit), "images": len(rows["fit"])},
        "calibration": {"hands": len(calibrate), "images": len(rows["calibration"])},
        "most_images_a_hand": MOST_IMAGES,
        "ridge": RIDGE,
        "hands": [name.removeprefix("oca/") for name in number],
    }
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(whitening, args.out / "matcher.safetensors")
    made = cohort.from_arrays(arrays, "", card)
    (args.out / "cohort.safetensors").write_bytes(cohort.render(made))
    print({k: v for k, v in card.items() if k != "hands"})


if __name__ == "__main__":
    main()
