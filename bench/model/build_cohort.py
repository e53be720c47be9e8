"""Fit the whitening of builtin:lite's matcher and make its cohort.

    python bench/model/corpus_features.py CORPUS pd.npz
    python bench/model/build_cohort.py pd.npz pipeline/models/builtin_lite

Public-domain openclipart images only, of hands that are named; what is written are vectors, no
pixels. By `pipeline.models.fitting`, as `recuse cohort build` does it for other models.
"""

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from optout import cohort
from pipeline.models import fitting
from pipeline.models.fitting import capped, whitened

NAMELESS = "oca/-"


def split_hands(hands: np.ndarray) -> tuple[list[str], list[str]]:
    """Return the hands that fit and those that calibrate, the unnamed left out."""
    return fitting.split_hands(hands[hands != NAMELESS])


def fitted(data: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of the whitening, float16, fitted on some rows."""
    raw = {name: data[name][rows] for name in fitting.DIMS}
    return fitting.fitted(raw, data["sty_sizes"].tolist(), fitting.dims(len(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    data = dict(np.load(args.features))
    hands = data["hand"]
    fit, calibrate = split_hands(hands)
    rows = {"fit": capped(hands, fit), "calibration": capped(hands, calibrate)}
    whitening = fitted(data, rows["fit"])
    vectors = whitened(data, whitening)
    arrays = {
        f"{part}_{name}": value[index]
        for part, index in rows.items()
        for name, value in vectors.items()
    }
    for part, index in rows.items():
        arrays[f"{part}_hand"] = fitting.numbered(hands[index], fit + calibrate)
    card = {
        "source": "openclipart 0.18 (Debian packages openclipart-svg, openclipart-png)",
        "license": "public domain, as each image's metadata say; vectors only",
        **fitting.counts(hands[rows["fit"]], hands[rows["calibration"]]),
        "most_images_a_hand": fitting.MOST_IMAGES,
        "ridge": fitting.RIDGE,
        "hands": [name.removeprefix("oca/") for name in fit + calibrate],
    }
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(whitening, args.out / "matcher.safetensors")
    made = cohort.from_arrays(arrays, "", card)
    (args.out / "cohort.safetensors").write_bytes(cohort.render(made))
    print({k: v for k, v in card.items() if k != "hands"})


if __name__ == "__main__":
    main()
