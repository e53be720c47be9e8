"""A thousand style claims at once: what they take of strangers, and the recall that is left.

    python bench/model/corpus_features.py CORPUS all.npz --views 1 --all-licences
    OMP_NUM_THREADS=1 python bench/budget.py all.npz CORPUS [--claims 1000] [--splits 2]

Claims are subsets of ten works of the test hands of a split (`bench/matching.py`), a tenth of them
junk (works of ten hands), all at level 2; the guard decides which act. Rows are the works of
strangers that claim nothing, and of the claiming hands; every hand's lie in folders of 5, 10 or 20
images on a host of their own. Similarities, thresholds and votes are those of the product. A row of
a stranger that any claim drops is a false drop; a row of a hand counts as found by a claim where it
is neither among its works nor a copy of one.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.matching import (
    LEAST_QUALITY,
    WORKS,
    Claim,
    Corpus,
    Split,
    claims,
    copies,
    junk,
    load,
    ours,
    split,
    works_of,
)
from optout.enrol import calibrate
from optout.lifecycle import Rule
from optout.tail import unpack
from pipeline.match_styles import match_styles
from pipeline.votes import votes
from schemas.claim import StyleCalibration
from schemas.config import MatchConfig
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, EDGES, SIMILARITIES, SLIM, from_rows
from schemas.tables import WORKS as WORKS_TABLE

FOLDERS = (5, 10, 20)
CONFIG = MatchConfig()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--claims", type=int, default=1000)
    parser.add_argument("--splits", type=int, default=2)
    args = parser.parse_args()
    corpus = load(args.features, args.corpus)
    for number in range(args.splits):
        found = split(corpus, number)
        made = enrolled(corpus, found, args.claims, number)
        acting = [(c, s) for c, s in made if s.state == "active"]
        false = sum(c.hand == "" for c, _ in acting)
        print(f"\nsplit {number}: {len(made)} claims of {len(found.test)} hands and of nobody;"
              f" {len(acting)} act, {false} of them junk")  # fmt: skip
        for count in sorted({1, 10, 100, len(acting)}):
            for size in FOLDERS:
                told(corpus, found, acting, count, size)


def enrolled(
    corpus: Corpus, found: Split, count: int, seed: int
) -> list[tuple[Claim, StyleCalibration]]:
    """Return claims with their calibration; junk has no hand, and positives nowhere."""
    rng = np.random.default_rng([4, seed])
    genuine = count - count // 10
    draws = -(-genuine // len(found.test))
    made = list(islice(shuffled(claims(corpus, found, WORKS, draws), rng), genuine))
    free = np.concatenate([np.flatnonzero(np.isin(corpus.hand, found.test)), found.strangers])
    free = free[corpus.quality[free] >= LEAST_QUALITY]
    nothing = np.empty(0, np.int64)
    made += [Claim("", works, nothing, nothing) for works in junk(corpus, free, rng, count // 10)]
    return [(c, calibrate(works_of(found, c.works), found.cohort)) for c in made]


def shuffled(made, rng: np.random.Generator):
    every = list(made)
    return (every[n] for n in rng.permutation(len(every)))


def told(
    corpus: Corpus,
    found: Split,
    acting: Sequence[tuple[Claim, StyleCalibration]],
    count: int,
    size: int,
) -> None:
    """Print what the first claims do, and recall by those of hands, averaged over hands."""
    chosen = acting[:count]
    hands = np.concatenate([np.flatnonzero(np.isin(corpus.hand, found.test)), found.strangers])
    rows = laid_out(corpus, hands, size)
    similar = similarities(corpus, found, chosen, hands)
    registry = honoured(chosen)
    single = pl.DataFrame(match_styles(similar, registry, CONFIG))
    alone = single.filter(pl.col("rule") == str(Rule.STYLE))
    weak = single.filter(pl.col("rule") == str(Rule.STYLE_WEAK))
    voted = pl.DataFrame(votes(rows, [similar], EDGES.empty_table(), registry, CONFIG))
    dropped = pl.concat([alone.select("uid", "claim_id"), voted.select("uid", "claim_id")]).unique()
    strangers = {str(n) for n in found.strangers}
    taken = {
        name: len(strangers & set(table["uid"])) / len(strangers)
        for name, table in (("false", dropped), ("weak", weak))
    }
    found_by = {name: recall(chosen, table) for name, table in
                (("image", single), ("source", voted), ("both", dropped))}  # fmt: skip
    rule = "weak" if weak.height else "alone"
    print(
        f"{len(chosen):4} claims, folders of {size:2}: false drops {taken['false']:.2%} of rows"
        f" (a stranger's row meets some weak style: {taken['weak']:.1%});"
        f" recall of an image ({rule}) {found_by['image']:.3f},"
        f" of a source {found_by['source']:.3f}, dropped in all {found_by['both']:.3f}"
    )


def laid_out(corpus: Corpus, rows: np.ndarray, size: int) -> pa.Table:
    """Return SLIM: images of each hand in folders of `size`; what is left over lies by itself."""
    rng = np.random.default_rng(size)
    told = []
    for number, hand in enumerate(np.unique(corpus.hand[rows])):
        own = rng.permutation(rows[corpus.hand[rows] == hand])
        whole = len(own) // size * size
        for place, row in enumerate(own):
            folder = f"{place // size}" if place < whole else f"left{place}"
            # one host a folder, so that no vote sees more than `size` images
            host = f"h{number}-{folder}.example"
            told.append(
                {"uid": str(row), "row": int(row), "url_key": f"https://{host}/{row}.png",
                 "host": host, "sha256": f"s{row}", "pixel_sha256": f"p{row}"}
            )  # fmt: skip
    return from_rows(sorted(told, key=lambda r: r["uid"]), SLIM)


def similarities(
    corpus: Corpus,
    found: Split,
    chosen: Sequence[tuple[Claim, StyleCalibration]],
    rows: np.ndarray,
) -> pa.Table:
    """Return SIMILARITIES, less what a claim's own works and their copies have with it."""
    tables = [SIMILARITIES.empty_table()]
    for place, (claim, calibration) in enumerate(chosen):
        values = ours(corpus, found, claim.works, rows)
        near = np.nonzero(values >= unpack(calibration.tail).u)[0]
        near = near[~np.isin(rows[near], claim.works)]
        near = near[~copies(corpus, rows[near], claim.works)] if len(near) else near
        columns = [
            pa.array([str(n) for n in rows[near]], pa.string()),
            pa.array([f"{place:05}"] * len(near), pa.string()),
            pa.array(values[near], pa.float32()),
        ]
        tables.append(pa.Table.from_arrays(columns, schema=SIMILARITIES))
    return pa.concat_tables(tables)


def honoured(chosen: Sequence[tuple[Claim, StyleCalibration]]) -> Honoured:
    rows = [
        {"claim_id": f"{place:05}", "scope": "style", "stance": "opt_out", "level": 2,
         "style_state": "active", "style_tail": list(calibration.tail)}
        for place, (_, calibration) in enumerate(chosen)
    ]  # fmt: skip
    return Honoured("", from_rows(rows, CLAIMS), WORKS_TABLE.empty_table())


def recall(chosen: Sequence[tuple[Claim, StyleCalibration]], met: pl.DataFrame) -> float:
    """Return the share of a hand's other works that a claim meets, averaged over hands."""
    by_claim = {c: set(t["uid"]) for (c,), t in met.group_by(["claim_id"])}
    by_hand: dict[str, list[float]] = {}
    for place, (claim, _) in enumerate(chosen):
        if claim.hand:
            uids = {str(n) for n in claim.positives}
            hit = len(uids & by_claim.get(f"{place:05}", set())) / len(uids)
            by_hand.setdefault(claim.hand, []).append(hit)
    return float(np.mean([np.mean(v) for v in by_hand.values()])) if by_hand else 0.0


if __name__ == "__main__":
    main()
