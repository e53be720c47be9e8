"""How like a style an image is: the similarity to a set of works, normalised on both sides.

A raw cosine is no usable measure: works of a busy style are near to much, and so are busy images.
AS-norm reads a similarity against what claim and image have with their nearest cohort images. All
vectors are those stored, half floats brought to float32; nothing is brought to unit length again.

Cosines are exact. Half floats are multiples of 2^-24, and the cohort's vectors are rounded to such;
products of two are multiples of 2^-48, and sums of them below 32 fit the 53 bits of a double. So no
order of summation rounds anything: a similarity is the same bits on every machine, however rows
and works were cut into blocks, and two ways of searching can be held equal without a tolerance.

Source: adaptive S-norm of speaker verification, as measured for styles in docs/registry.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optout.match import Places, met
from optout.tail import Tail
from schemas.errors import SchemaError
from schemas.ports import Vectors

Doubles = npt.NDArray[np.float64]

NEAREST_WORKS = 2
NEAREST_COHORT = 100
LEAST_SD = 1e-4
BLOCK_ROWS = 2048
GRID = 2.0**24
METHOD = f"as-norm/1:{NEAREST_WORKS}:{NEAREST_COHORT}"
"""Names how a similarity is computed; another way has another name, and what is stored is stale."""


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """A style claim: its works as stored, and its tail."""

    works: Vectors
    tail: Tail


class Moments(NamedTuple):
    """Mean and spread of each row's cosines to its nearest fit-cohort images, two float64[n]."""

    mean: Doubles
    sd: Doubles


class Near(NamedTuple):
    """k pairs of a row and a style that it is near to, by style, then row.

    row, style: int64[k], places. similarity: float64[k], normalised.
    """

    row: Places
    style: Places
    similarity: Doubles


Search = Callable[[Vectors, Moments, Sequence[Style], float], Near]
"""Rows, their moments, styles and epsilon to every pair that reaches the floor of its style."""


def near_styles(rows: Vectors, moments: Moments, styles: Sequence[Style], epsilon: float) -> Near:
    """Return every pair whose normalised similarity reaches the style's floor; the reference.

    The floor is where the style's tail begins, less epsilon; NaN reaches everything. Memory is
    bounded by one style and BLOCK_ROWS rows beside what is found. `optout.style_search` is the
    fast twin.
    """
    found = [NONE_NEAR]
    for place, style in enumerate(styles):
        for start in range(0, len(rows), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            raw = similarity(rows[part], style.works)
            own = (style.tail.mean, style.tail.sd)
            value = as_norm(raw, own, Moments(moments.mean[part], moments.sd[part]))
            at = np.nonzero(met(value - style.tail.u, epsilon))[0]
            found.append(Near(at + start, np.full(len(at), place), value[at]))
    return joined(found)


def joined(found: Sequence[Near]) -> Near:
    """Return the pairs of several findings, one after the other."""
    return Near(*(np.concatenate(column) for column in zip(*found, strict=True)))


NONE_NEAR = Near(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def on_grid(vectors: Vectors) -> Doubles:
    """Return vectors as multiples of 2^-24, which changes no half float. float64[n, d]."""
    wide = vectors.astype(np.float64)
    wide *= GRID
    np.rint(wide, out=wide)
    wide /= GRID
    return wide


def similarity(rows: Vectors, works: Vectors) -> Doubles:
    """Return float64[n]: the mean of the NEAREST_WORKS largest cosines of each row to the works."""
    return top_mean(on_grid(rows) @ on_grid(works).T, NEAREST_WORKS)


def top_mean(cosines: npt.NDArray[np.floating], k: int) -> Doubles:
    """Return float64[n]: the mean of the k largest of each row; of all where there are fewer."""
    k = min(k, cosines.shape[1])
    if k == 0:
        raise SchemaError("expected at least one work of a style, found none")
    top = np.partition(cosines, -k, axis=1)[:, -k:]
    # sorted before the mean: the order in which partition leaves them must not show
    means: Doubles = np.sort(top, axis=1).mean(axis=1, dtype=np.float64)
    return means


def neighbours(rows: Vectors, fit: Vectors) -> Moments:
    """Return mean and spread of each row's cosines to its nearest fit-cohort images.

    rows: float32[n, d]. fit: float32[f, d].
    """
    moments = Moments(np.empty(len(rows)), np.empty(len(rows)))
    wide = on_grid(fit).T
    for start in range(0, len(rows), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        moments.mean[block], moments.sd[block] = top_moments(on_grid(rows[block]) @ wide)
    return moments


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
