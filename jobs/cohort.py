"""A folder of background images to a matcher: whitening, cohort and calibration of a model.

Images lie in one folder for each hand; whatever lies deeper is the same hand's. Which hand made an
image has to be known: what makes a threshold honest is the number of different hands. Images are
read, leave vectors behind, and are never stored.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from safetensors.numpy import save

from jobs.enrol import Folder, Track
from optout import cohort
from optout.hand_recall import HandRecall, copy_pairs, hand_recall
from optout.tail import least_alpha
from pipeline.decode import prepare
from pipeline.models import fitting, matcher_files
from pipeline.models.builtin_files import COHORT, MATCHER, MODEL
from pipeline.models.loading import RawModel
from schemas.config import DecodeConfig
from schemas.errors import ImageError, UsageError
from schemas.ports import Hasher, Store, Vectors

AT_ONCE = 32
SHOWN = 3  # files that an error names


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built. name: what releases and registries call the matcher."""

    model: str
    name: str
    licence: str
    calibrating: int = fitting.CALIBRATION_HANDS


@dataclass(frozen=True, slots=True)
class Background:
    """Images by hands that are known, each picture once, and what was left out of them."""

    folder: Folder
    names: tuple[str, ...]
    hands: tuple[str, ...]
    unreadable: int = 0
    twice: int = 0  # the same picture again, by the same hand
    disputed: int = 0  # the same picture in folders of two hands: neither is known to have made it

    @property
    def single(self) -> int:
        """How many hands have one image only."""
        _, sizes = np.unique(np.array(self.hands, np.str_), return_counts=True)
        return int((sizes == 1).sum())


@dataclass(frozen=True, slots=True)
class Built:
    """A matcher as it was written."""

    document: dict[str, Any]
    background: Background
    warnings: tuple[str, ...]


def survey(folder: Folder, hasher: Hasher, track: Track) -> Background:
    """Return the images of a folder by hand; one picture is one image.

    Raises UsageError where an image lies in no folder of a hand.
    """
    stray, unreadable = [], 0
    first: dict[str, tuple[str, str]] = {}  # by pixels: name, hand
    disputed: dict[str, int] = {}
    twice = 0
    for name in track(folder.names, "reading"):
        hand, _, rest = name.partition("/")
        try:
            pixels = hasher.keys(folder.read(name)).pixel_sha256
        except ImageError:
            unreadable += bool(rest)  # beside the folders a licence or a list may lie
            continue
        if not rest:
            stray.append(name)
        elif pixels not in first:
            first[pixels] = (name, hand)
        elif first[pixels][1] == hand:
            twice += 1
        else:
            disputed[pixels] = disputed.get(pixels, 1) + 1
    if stray:
        raise UsageError(
            f"expected images of a cohort in one folder for each hand, FOLDER/HAND/IMAGE, found"
            f" {len(stray)} outside of any in {folder.store.root}: {', '.join(stray[:SHOWN])}"
        )
    kept = [one for pixels, one in first.items() if pixels not in disputed]
    return Background(
        folder,
        tuple(name for name, _ in kept),
        tuple(hand for _, hand in kept),
        unreadable,
        twice,
        sum(disputed.values()),
    )


def build(order: Order, raw: RawModel, found: Background, out: Store, track: Track) -> Built:
    """Fit whitening and cohort, and write the matcher's folder; model.json comes last.

    Raises UsageError where hands or images are too few, or `out` holds something.
    """
    if out.paths(""):
        raise UsageError(f"expected {out.root} to be empty or absent, found files in it")
    hands = np.array(found.hands, np.str_)
    fit, calibrate = fitting.split_hands(hands, order.calibrating)
    rows = {"fit": fitting.capped(hands, fit), "calibration": fitting.capped(hands, calibrate)}
    for part, names in (("fit", fit), ("calibration", calibrate)):
        fitting.require_enough(part, len(names), len(rows[part]))
    of_fit = _joined(_raw(raw, found.folder, [found.names[i] for i in rows["fit"]], track))
    whitening = fitting.fitted(of_fit, raw.sizes, fitting.dims(len(rows["fit"])))
    vectors = {
        "fit": fitting.whitened(of_fit, whitening),
        # whitened as they come: unlike the fit set, raw ones are never held together
        "calibration": _joined(
            fitting.whitened(batch, whitening)
            for batch in _raw(
                raw, found.folder, [found.names[i] for i in rows["calibration"]], track
            )
        ),
    }
    arrays: dict[str, Any] = {
        f"{part}_{n}": v for part, named in vectors.items() for n, v in named.items()
    }
    for part, index in rows.items():
        arrays[f"{part}_hand"] = fitting.numbered(hands[index], fit + calibrate)
    counts = fitting.counts(hands[rows["fit"]], hands[rows["calibration"]])
    about = {**counts, "license": order.licence, "most_images_a_hand": fitting.MOST_IMAGES}
    made = cohort.from_arrays(arrays, "", about)
    body, white = cohort.render(made), save(whitening)
    images = len(rows["calibration"])
    written = cohort.parse(body, "")
    recall = hand_recall(written)
    copied, pairs = copy_pairs(written)
    about |= {
        "copy_pairs": copied,
        "pairs": pairs,
        "least_alpha": round(least_alpha(len(calibrate), images), 6),
        "recall": {f"{rate:g}": share for rate, share in recall.recall.items()},
        "recall_hands": recall.hands,
    }
    document = matcher_files.document(
        order.model, order.name, raw.identified(white, body), about | _widths(made)
    )
    out.publish(MATCHER, white)
    out.publish(COHORT, body)
    out.publish(matcher_files.CARD, card(document, found, recall).encode())
    out.publish(MODEL, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n")
    return Built(document, found, tuple(fitting.shortfalls(len(calibrate), images)))


def card(document: dict[str, Any], found: Background, recall: HandRecall) -> str:
    """Return MODEL_CARD.md."""
    fit, calibration = document["fit"], document["calibration"]
    rates = [f"* {share:.1%} at a declared rate of {r:g}" for r, share in recall.recall.items()]
    return f"""\
# {document["name"]}

Matcher of an opt-out registry, made by `recuse cohort build` for `{document["model"]}`.
Vectors only, no pixels.

* fingerprint `{document["fingerprint"]}`
* licence of the background images: {document["license"]}
* fit: {fit["hands"]} hands, {fit["images"]:,} images
* calibration: {calibration["hands"]} other hands, {calibration["images"]:,} images
* smallest false-match rate that it supports: {document["least_alpha"]:g}
* widths: cpy {document["cpy"]}, sty {document["sty"]}
* left out: {found.unreadable} files that are no images, {found.twice} pictures that were there
  already, {found.disputed} in folders of two hands; {found.single} hands have one image

## Figures
{recall.hands} of the calibration hands, with works enough, claimed half of them, up to 10, and were
left out of the cohort. Found of the rest, one image at a time:

{chr(10).join(rates) or "* nothing: the cohort is too small"}

Of {document["pairs"]:,} pairs of images by different hands, the vectors alone call
{document["copy_pairs"]:,} copies.

The hands were not tuned to, but they are of the same collection as those of the whitening: expect
less elsewhere. False matches on hands from elsewhere were not measured, nor recall of copies; the
limits for copies are those of builtin:lite.
"""


def _widths(made: cohort.Cohort) -> dict[str, int]:
    return {"cpy": made.fit_cpy.shape[1], "sty": made.fit_sty.shape[1]}


def _raw(
    raw: RawModel, folder: Folder, names: Sequence[str], track: Track
) -> Iterator[dict[str, Vectors]]:
    """Give raw vectors of images in order, AT_ONCE at a time."""
    pixels = (
        prepare(folder.read(name), DecodeConfig(), raw.embedder.edge_px).pixels
        for name in track(names, "comparing")
    )
    while batch := list(islice(pixels, AT_ONCE)):
        yield raw.embedder.images(batch)


def _joined(batches: Iterator[dict[str, Vectors]]) -> dict[str, Vectors]:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in fitting.DIMS}
