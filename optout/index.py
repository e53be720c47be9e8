"""The fast twin of `optout.match.candidates`: the same pairs through FAISS, exact, no recall lost.

One is appended to each row and minus the least cosine to each work, so that the inner product is
a margin and a range search at zero finds what reaches it.
"""

from importlib.util import find_spec

import numpy as np

from optout import match
from optout.match import SLACK, Candidates, Floats, Places, in_order
from schemas.ports import Vectors


def candidates(rows: Vectors, works: Vectors, least: Floats) -> tuple[Places, Places]:
    """Return the pairs whose cosine may reach the work's least one; NaN reaches everything.

    Within `SLACK` of the least cosine the two twins may differ, which is why every pair is judged
    again; what `judge_pairs` makes of them is the same.
    """
    import faiss  # noqa: PLC0415 - optional, and megabytes that only large builds need

    n, m = len(rows), len(works)
    sound = np.isfinite(rows.sum(axis=1))
    ones = np.ones((n, 1), np.float32)
    queries = np.hstack([np.where(sound[:, None], rows, 0), ones]).astype(np.float32)
    margins = (SLACK - least).astype(np.float32)[:, None]
    index = faiss.IndexFlatIP(works.shape[1] + 1)
    index.add(np.ascontiguousarray(np.hstack([works, margins]), np.float32))
    limits, _, labels = index.range_search(np.ascontiguousarray(queries), 0.0)
    row = np.repeat(np.arange(n), limits[1:].astype(np.int64) - limits[:-1].astype(np.int64))
    kept = sound[row]
    doubtful = np.nonzero(~sound)[0]
    return in_order(
        np.concatenate([row[kept], np.repeat(doubtful, m)]).astype(np.int64),
        np.concatenate([labels[kept], np.tile(np.arange(m), len(doubtful))]).astype(np.int64),
    )


def at_hand() -> Candidates:
    """Return this search where FAISS is installed, else its reference: the same answers."""
    return candidates if find_spec("faiss") is not None else match.candidates
