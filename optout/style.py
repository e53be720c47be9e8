"""How like a style an image is: the similarity to a set of works, normalised on both sides.

A raw cosine is no usable measure: works of a busy style are near to much, and so are busy images.
AS-norm reads a similarity against what claim and image have with their nearest cohort images. All
vectors are those stored, half floats brought to float32; nothing is brought to unit length again.

Source: adaptive S-norm of speaker verification, as measured for styles in docs/registry.md.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optout.tail import Tail
from schemas.errors import SchemaError
from schemas.ports import Vectors

Doubles = npt.NDArray[np.float64]

NEAREST_WORKS = 2
NEAREST_COHORT = 100
LEAST_SD = 1e-4
BLOCK_ROWS = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """A style claim: its works as stored, and its tail."""

    works: Vectors
    tail: Tail


def similarity(rows: Vectors, works: Vectors) -> Doubles:
    """Return float64[n]: the mean of the NEAREST_WORKS largest cosines of each row to the works."""
    return top_mean(rows.astype(np.float64) @ works.astype(np.float64).T, NEAREST_WORKS)


def top_mean(cosines: npt.NDArray[np.floating], k: int) -> Doubles:
    """Return float64[n]: the mean of the k largest of each row; of all where there are fewer."""
    k = min(k, cosines.shape[1])
    if k == 0:
        raise SchemaError("expected at least one work of a style, found none")
    top = np.partition(cosines, -k, axis=1)[:, -k:]
    # sorted before the mean: the order in which partition leaves them must not show
    means: Doubles = np.sort(top, axis=1).mean(axis=1, dtype=np.float64)
    return means


def neighbours(rows: Vectors, fit: Vectors) -> tuple[Doubles, Doubles]:
    """Return mean and spread of each row's cosines to its nearest fit-cohort images.

    rows: float32[n, d]. fit: float32[f, d]. Returns two float64[n].
    """
    mean, sd = np.empty(len(rows)), np.empty(len(rows))
    wide = fit.astype(np.float64).T
    for start in range(0, len(rows), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        mean[block], sd[block] = top_moments(rows[block].astype(np.float64) @ wide)
    return mean, sd


def top_moments(cosines: npt.NDArray[np.floating]) -> tuple[Doubles, Doubles]:
    """Return mean and spread over the NEAREST_COHORT largest values of each row."""
    k = min(NEAREST_COHORT, cosines.shape[1])
    if k == 0:
        raise SchemaError("expected images in the fit cohort, found none")
    top = np.sort(np.partition(cosines, -k, axis=1)[:, -k:], axis=1)
    mean = top.mean(axis=1, dtype=np.float64)
    return mean, np.maximum(top.std(axis=1, dtype=np.float64), LEAST_SD)


def claim_moments(works: Vectors, fit: Vectors) -> tuple[float, float]:
    """Return mean and spread of the similarities of the fit-cohort images nearest to a claim."""
    mean, sd = top_moments(similarity(fit, works)[None, :])
    return float(mean[0]), float(sd[0])


def as_norm(raw: Doubles, claim: tuple[float, float], rows: tuple[Doubles, Doubles]) -> Doubles:
    """Return similarities normalised by mean and spread of the claim's side and the rows' side."""
    return 0.5 * ((raw - claim[0]) / claim[1] + (raw - rows[0]) / rows[1])


def normalised(rows: Vectors, style: Style, fit: Vectors) -> Doubles:
    """Return float64[n]: the normalised similarity of each row to a style; the reference."""
    own = (style.tail.mean, style.tail.sd)
    return as_norm(similarity(rows, style.works), own, neighbours(rows, fit))
