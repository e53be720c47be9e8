"""The fast twin of `optout.style.near_styles`: the same pairs, the same bits, much sooner.

Many styles at once against many rows, in float32 and with some slack; what may reach a floor is
measured again in float64, which is exact, so that nothing of the first look is left in the answer.
The slack is what float32 can be off at most, so that no pair is lost.

FAISS does not help here: a similarity is a mean of two cosines, normalised on both sides, and no
inner product; numbers in docs/benchmarks.md.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from optout.match import met
from optout.style import (
    NEAREST_WORKS,
    NONE_NEAR,
    Doubles,
    Moments,
    Near,
    Style,
    as_norm,
    joined,
    on_grid,
    top_mean,
)
from schemas.errors import SchemaError
from schemas.ports import Vectors

Singles = npt.NDArray[np.float32]

BLOCK_STYLES = 512
BLOCK_ROWS = 2048
"""With vectors of 512 numbers and styles of 10 works, a block of each takes 50 MB."""


def near_styles(rows: Vectors, moments: Moments, styles: Sequence[Style], epsilon: float) -> Near:
    """Return every pair whose normalised similarity reaches the style's floor, by style, then row.

    Memory is bounded by BLOCK_STYLES styles and BLOCK_ROWS rows beside what is found.
    """
    if any(not len(style.works) for style in styles):
        raise SchemaError("expected at least one work of a style, found none")
    found = [NONE_NEAR]
    # most works first, so that the styles that have an r-th work stand at the beginning of a block
    order = sorted(range(len(styles)), key=lambda place: -len(styles[place].works))
    for first in range(0, len(order), BLOCK_STYLES):
        places = order[first : first + BLOCK_STYLES]
        block = [styles[place] for place in places]
        ranks, wide = list(_ranks(block)), [on_grid(style.works) for style in block]
        for start in range(0, len(rows), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            own = Moments(moments.mean[part], moments.sd[part])
            may = _may_reach(rows[part], own, block, ranks, epsilon)
            found += [
                Near(pairs.row + start, np.full(len(pairs.row), places[at]), pairs.similarity)
                for at, pairs in _measured(
                    rows[part], own, zip(block, wide, may, strict=True), epsilon
                )
            ]
    near = joined(found)
    by = np.lexsort((near.row, near.style))
    return Near(near.row[by], near.style[by], near.similarity[by])


def _ranks(block: Sequence[Style]) -> Iterator[Vectors]:
    """Give the first works of all styles, the second works, and so on."""
    for rank in range(len(block[0].works)):
        yield np.stack([style.works[rank] for style in block if len(style.works) > rank])


def _may_reach(
    rows: Vectors,
    moments: Moments,
    block: Sequence[Style],
    ranks: Sequence[Vectors],
    epsilon: float,
) -> npt.NDArray[np.bool_]:
    """Return bool[styles, rows]: which pairs float32 cannot rule out."""
    raw = _top_two(rows, ranks)
    # twice the bound of the rounding of a sum of so many products, and as much for what follows
    slack = (rows.shape[1] + 64) * np.finfo(np.float32).eps
    raw += (slack * np.maximum(np.linalg.norm(rows, axis=1), 1)).astype(np.float32)
    tails = [style.tail for style in block]
    mean, sd, floor = (
        np.array([getattr(tail, name) for tail in tails])[:, None] for name in ("mean", "sd", "u")
    )
    # a = raw * scale - shift >= floor - epsilon, with terms of the style and terms of the row
    scale = (0.5 / sd).astype(np.float32) + (0.5 / moments.sd).astype(np.float32)
    raw *= scale
    shift = (0.5 * mean / sd + floor - epsilon).astype(np.float32)
    raw -= shift
    return ~(raw < (0.5 * moments.mean / moments.sd).astype(np.float32))


def _top_two(rows: Vectors, ranks: Sequence[Vectors]) -> Singles:
    """Return float32[styles, rows]: the mean of the two largest cosines; of one where it is all."""
    shape = len(ranks[0]), len(rows)
    cosines = np.empty(shape, np.float32)
    largest, second = np.full(shape, -np.inf, np.float32), np.full(shape, -np.inf, np.float32)
    for works in ranks:
        own = slice(0, len(works))
        np.matmul(works, rows.T, out=cosines[own])
        np.maximum(second[own], np.minimum(largest[own], cosines[own]), out=second[own])
        np.maximum(largest[own], cosines[own], out=largest[own])
    alone = slice(len(ranks[1]) if len(ranks) > 1 else 0, shape[0])
    second[alone] = largest[alone]
    largest += second
    largest *= np.float32(1 / NEAREST_WORKS)
    return largest


def _measured(
    rows: Vectors,
    moments: Moments,
    block: Iterable[tuple[Style, Doubles, npt.NDArray[np.bool_]]],
    epsilon: float,
) -> Iterator[tuple[int, Near]]:
    """Give the place of each style in the block, and the pairs of it that reach its floor.

    block: styles, their works on the grid, and the rows that may reach them.
    """
    wide = on_grid(rows)
    for place, (style, works, may) in enumerate(block):
        at = np.nonzero(may)[0]
        if not len(at):
            continue
        raw = top_mean(wide[at] @ works.T, NEAREST_WORKS)
        own = (style.tail.mean, style.tail.sd)
        value = as_norm(raw, own, Moments(moments.mean[at], moments.sd[at]))
        reached = met(value - style.tail.u, epsilon)
        row = at[reached]
        yield place, Near(row, np.zeros(len(row), np.int64), value[reached])
