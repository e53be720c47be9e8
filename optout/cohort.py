"""The cohort: background images of many hands, as vectors, against which similarities are read.

Two sets that share no hand. The *fit* set made the whitening and gives the neighbours by which
similarities are normalised; the *calibration* set gives thresholds. Calibrating on images that the
whitening has seen breaks the promised rates, and so does calibrating on few hands, which is why
both are checked here. A cohort belongs to one matcher and is never read under another.

Files hold half floats; rows are brought back to unit length in float32 on reading.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from schemas.errors import ModelMismatchError, SchemaError
from schemas.ports import Vectors

Hands = npt.NDArray[np.int32]
"""int32[n]: which hand made an image; one numbering for both sets."""

CARD = "card"  # key of the safetensors metadata that holds the card as JSON
ARRAYS = (
    "fit_sty",
    "fit_cpy",
    "fit_hand",
    "calibration_sty",
    "calibration_cpy",
    "calibration_hand",
)
BLOCK_ROWS = 4096  # bounds the memory of one product with the cohort


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Vectors of the two sets, unit rows, with the hand of each; `matcher` is the fingerprint."""

    matcher: str
    fit_sty: Vectors
    fit_cpy: Vectors
    fit_hand: Hands
    calibration_sty: Vectors
    calibration_cpy: Vectors
    calibration_hand: Hands
    card: dict[str, Any] = field(default_factory=dict)


def from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]], matcher: str, card: Mapping[str, Any] | None = None
) -> Cohort:
    """Return the cohort of six arrays, with rows brought to unit length in float32.

    arrays: `fit_sty`, `fit_cpy` float[n, d], `fit_hand` int[n]; the same with `calibration_`.
    Raises SchemaError where an array is missing, shapes disagree, a row is not finite or zero, or
    a hand stands in both sets.
    """
    if set(arrays) != set(ARRAYS):
        raise SchemaError(f"expected cohort arrays {sorted(ARRAYS)}, found {sorted(arrays)}")
    sets = {part: _set(arrays, part) for part in ("fit", "calibration")}
    for name in ("sty", "cpy"):
        dims = [vectors[name].shape[1] for vectors, _ in sets.values()]
        if dims[0] != dims[1]:
            raise SchemaError(f"expected one width of {name} in both sets, found {dims}")
    (fit, fit_hand), (calibration, calibration_hand) = sets["fit"], sets["calibration"]
    shared = np.intersect1d(fit_hand, calibration_hand)
    if shared.size:
        raise SchemaError(f"expected no hand in both sets of a cohort, found {shared.tolist()}")
    return Cohort(
        matcher=matcher,
        fit_sty=fit["sty"],
        fit_cpy=fit["cpy"],
        fit_hand=fit_hand,
        calibration_sty=calibration["sty"],
        calibration_cpy=calibration["cpy"],
        calibration_hand=calibration_hand,
        card=dict(card or {}),
    )


def parse(body: bytes, matcher: str) -> Cohort:
    """Return the cohort that a safetensors file holds, for the matcher of that fingerprint.

    Raises SchemaError for any bytes that are not such a file.
    """
    try:
        arrays = load(body)
        card = json.loads(_metadata(body).get(CARD, "{}"))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise SchemaError(f"expected a cohort as safetensors, found {e}") from e
    if not isinstance(card, dict):
        raise SchemaError(f"expected the cohort's card to be an object, found {type(card)}")
    return from_arrays(arrays, matcher, card)


def render(cohort: Cohort) -> bytes:
    """Return the safetensors bytes of a cohort, vectors as half floats; `parse` reads them."""
    arrays = {
        name: value.astype(np.float16) if value.dtype == np.float32 else value
        for name, value in ((name, getattr(cohort, name)) for name in ARRAYS)
    }
    return save(arrays, metadata={CARD: json.dumps(cohort.card, sort_keys=True)})


def cohort_mean(cpy: Vectors, cohort: Cohort, k: int = 3) -> npt.NDArray[np.float32]:
    """Return, for each vector, the mean cosine of its k nearest images in the fit set.

    cpy: float32[n, d], unit rows, n may be 0. High values mean a common design, for which a high
    cosine says little. Returns float32[n]; zeros where the fit set is empty.
    Raises ModelMismatchError where the width is not the cohort's.
    """
    width = cohort.fit_cpy.shape[1]
    if cpy.ndim != 2 or cpy.shape[1] != width:  # noqa: PLR2004 - a matrix has two axes
        raise ModelMismatchError(f"expected cpy of {width} numbers a row, found shape {cpy.shape}")
    k = min(k, len(cohort.fit_cpy))
    means = np.zeros(len(cpy), np.float32)
    if k == 0:
        return means
    for start in range(0, len(cpy), BLOCK_ROWS):
        cosines = cpy[start : start + BLOCK_ROWS].astype(np.float32) @ cohort.fit_cpy.T
        # sorted before the mean: the order in which partition leaves ties must not show
        nearest = np.sort(np.partition(cosines, -k, axis=1)[:, -k:], axis=1)
        means[start : start + BLOCK_ROWS] = nearest.mean(axis=1)
    return means


def _set(arrays: Mapping[str, npt.NDArray[Any]], part: str) -> tuple[dict[str, Vectors], Hands]:
    hand = np.asarray(arrays[f"{part}_hand"])
    if hand.ndim != 1 or not np.issubdtype(hand.dtype, np.integer):
        raise SchemaError(f"expected {part}_hand as int[n], found {hand.dtype}{hand.shape}")
    vectors = {name: _unit(arrays[f"{part}_{name}"], f"{part}_{name}") for name in ("sty", "cpy")}
    rows = {name: len(value) for name, value in vectors.items()}
    if set(rows.values()) != {len(hand)}:
        raise SchemaError(f"expected {len(hand)} rows (those of {part}_hand), found {rows}")
    return vectors, hand.astype(np.int32)


def _unit(values: npt.NDArray[Any], name: str) -> Vectors:
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating):  # noqa: PLR2004 - as above
        raise SchemaError(f"expected {name} as float[n, d], found {values.dtype}{values.shape}")
    with np.errstate(all="ignore"):  # what is not finite is refused below, not warned about
        rows = values.astype(np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
            raise SchemaError(f"expected finite rows other than zero in {name}")
        return np.asarray(rows / lengths, np.float32)


def _metadata(body: bytes) -> dict[str, str]:
    # safetensors.numpy.load drops the metadata: an 8-byte little-endian length, then JSON
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + size])
    metadata = header.get("__metadata__", {})
    return {str(key): str(value) for key, value in metadata.items()}
