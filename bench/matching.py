"""How well works find their hand: recall at fixed false-match rates, kept promises, abuse.

    python bench/model/corpus_features.py CORPUS all.npz --views 1 --all-licences
    OMP_NUM_THREADS=1 python bench/matching.py all.npz CORPUS [--splits 6] [--only abuse]

Hands with 20 works or more are split into development and test, and swapped; a third of the small
hands are strangers that nobody tuned to. What is left makes a whitening and a cohort by the rule of
the shipped one (`bench/model/build_cohort.py`): a third of the hands fit, the others calibrate. No
hand stands in two parts. A claim is `k` distinct works of a test hand; positives are its other
works save those that the copy rule would find anyway (PDQ within 40 bits, pooled cosine above .97);
negatives are the works of the other test hands, at most 250 a hand.

Beside it the thing that people build first: the cosine of pooled features to the claim's mean
vector, with one global threshold. Intervals are 95 % bootstrap over hands.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pdqhash

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.model.build_cohort import NAMELESS, capped, fitted, split_hands, whitened
from bench.model.corpus_features import read_corpus, read_pixels
from optout import cohort, guard
from optout.enrol import Works, calibrate
from optout.style import as_norm, claim_moments, neighbours, similarity
from optout.tail import threshold_at, unpack, upper_bound
from optout.vote import needed
from schemas.claim import StyleCalibration

RATES = (1e-2, 1e-3, 1e-4)
SIZES = (3, 5, 10, 20)
VOTES = (5, 10)
SETS_A_HAND = 20
LEAST_WORKS = 20
COPY_PDQ, COPY_COSINE, DISTINCT_PDQ, LEAST_QUALITY = 40, 0.97, 31, 50
MOST_NEGATIVES = 250
MOTIF_HANDS = 5
WORKS = 10


@dataclass(frozen=True)
class Corpus:
    """Features of all images, with the hand of each."""

    data: dict[str, np.ndarray]
    hand: np.ndarray
    subject: np.ndarray  # folder of the source: what is drawn
    pool: np.ndarray
    pdq: np.ndarray  # uint64[n, 8, 4]
    quality: np.ndarray


@dataclass(frozen=True)
class Claim:
    """Places of the works, and of the images that should and should not be found by them."""

    hand: str
    works: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray


@dataclass(frozen=True)
class Split:
    """Who is tested, on what the rest was fitted."""

    test: list[str]
    strangers: np.ndarray
    fit: np.ndarray
    calibration: np.ndarray
    hands: tuple[int, int]
    sty: np.ndarray
    cpy: np.ndarray
    moments: tuple[np.ndarray, np.ndarray]
    cohort: cohort.Cohort


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--splits", type=int, default=6)
    parser.add_argument("--draws", type=int, default=3, help="claims of each hand and split")
    parser.add_argument("--only", choices=PARTS, default="", help="print this part alone")
    args = parser.parse_args()
    corpus = load(args.features, args.corpus)
    splits = [split(corpus, number) for number in range(args.splits)]
    fit, calibration = zip(*(s.hands for s in splits), strict=True)
    print(
        f"{len(corpus.hand):,} images; {args.splits} splits of {len(splits[0].test)} test hands; "
    )
    print(f"hands that fit {min(fit)}-{max(fit)}, calibrate {min(calibration)}-{max(calibration)}")
    for name, part in PARTS.items():
        if args.only in ("", name):
            part(corpus, splits, args.draws)


def load(features: Path, folder: Path) -> Corpus:
    """Return the images whose features are given: all of the corpus, or those of one licence."""
    data = dict(np.load(features))
    rows = read_corpus(folder, public_domain=False)
    place = {row["path"]: number for number, row in enumerate(rows)}
    if not place.keys() >= set(data["path"].tolist()):
        raise SystemExit(f"expected features of the images in {folder}, found those of others")
    at = np.array([place[path] for path in data["path"].tolist()])
    keep = folder / "pdq.npz"
    if not keep.exists():
        found = [pdqhash.compute_dihedral(read_pixels(folder / r["path"])) for r in rows]
        bits = np.packbits(np.array([h for h, _ in found]), axis=2)
        np.savez(keep, pdq=bits, quality=np.array([q for _, q in found]))
    hashes = np.load(keep)
    pool = unit(data["pool"][0].astype(np.float32))
    subject = np.array([rows[number]["source_file"].split("/")[0] for number in at])
    words = hashes["pdq"].view(np.uint64)[at]
    return Corpus(data, data["hand"], subject, pool, words, hashes["quality"][at])


def split(corpus: Corpus, number: int) -> Split:
    """Halves are swapped: splits 2n and 2n + 1 test different hands."""
    claimable = claim_hands(corpus)
    names, counts = np.unique(corpus.hand[np.isin(corpus.hand, claimable)], return_counts=True)
    large, small = names[counts >= LEAST_WORKS], names[counts < LEAST_WORKS]
    order = np.random.default_rng([0, number // 2]).permutation(large)
    half = len(order) // 2
    test = sorted(order[:half] if number % 2 == 0 else order[half:])
    order = np.random.default_rng([1, number]).permutation(small)
    return parted(corpus, test, set(order[: len(order) // 3]))


def parted(corpus: Corpus, test: list[str], strange: set[str]) -> Split:
    """Return the split in which some hands are tested, some are strangers, and the rest develop."""
    developed = {*claim_hands(corpus)} - {*test} - strange
    hands = np.where(np.isin(corpus.hand, list(developed)), corpus.hand, NAMELESS)
    fit, calibrate_by = split_hands(hands)
    rows = {"fit": capped(hands, fit), "calibration": capped(hands, calibrate_by)}
    vectors = whitened(corpus.data, fitted(corpus.data, rows["fit"]))
    numbers = {name: place for place, name in enumerate(fit + calibrate_by)}
    arrays = {
        f"{part}_{name}": value[index]
        for part, index in rows.items()
        for name, value in vectors.items()
    } | {
        f"{part}_hand": np.array([numbers[h] for h in hands[index]], np.int32)
        for part, index in rows.items()
    }
    made = cohort.from_arrays(arrays, "")
    return Split(
        test,
        np.flatnonzero(np.isin(corpus.hand, sorted(strange))),
        rows["fit"],
        rows["calibration"],
        (len(fit), len(calibrate_by)),
        vectors["sty"],
        vectors["cpy"],
        neighbours(vectors["sty"], made.fit_sty),
        made,
    )


def claim_hands(corpus: Corpus) -> list[str]:
    """Return the hands that are one: series of photographs and wallpapers are none."""
    background = ("photo/", "wallpaper/", "tuxpaint/drawing", NAMELESS)
    return [h for h in np.unique(corpus.hand) if not str(h).startswith(background)]


def claims(corpus: Corpus, found: Split, k: int, draws: int) -> Iterator[Claim]:
    """Yield claims of `k` distinct works; hands with fewer are left out."""
    rng = np.random.default_rng(k)
    others = {}
    for hand in found.test:
        rows = np.flatnonzero(corpus.hand == hand)
        few = len(rows) <= MOST_NEGATIVES
        others[hand] = rows if few else np.sort(rng.choice(rows, MOST_NEGATIVES, replace=False))
    for hand in found.test:
        own = np.flatnonzero(corpus.hand == hand)
        negatives = np.concatenate([rows for name, rows in others.items() if name != hand])
        for _ in range(draws):
            works = distinct(corpus, rng.permutation(own), k)
            rest = np.setdiff1d(own, works)
            positives = rest[~copies(corpus, rest, works)]
            if len(works) == k and len(positives):
                yield Claim(hand, works, positives, negatives)


def distinct(corpus: Corpus, rows: np.ndarray, k: int) -> np.ndarray:
    chosen: list[int] = []
    for row in rows:
        if corpus.quality[row] >= LEAST_QUALITY and all(
            bits(corpus, row, other) > DISTINCT_PDQ for other in chosen
        ):
            chosen.append(int(row))
        if len(chosen) == k:
            break
    return np.array(chosen)


def bits(corpus: Corpus, row: int, other: int) -> int:
    return int(np.bitwise_count(corpus.pdq[row] ^ corpus.pdq[other][:1]).sum(axis=1).min())


def copies(corpus: Corpus, rows: np.ndarray, works: np.ndarray) -> np.ndarray:
    near = np.array([[bits(corpus, r, w) <= COPY_PDQ for w in works] for r in rows]).any(axis=1)
    alike = (corpus.pool[rows] @ corpus.pool[works].T).max(axis=1) > COPY_COSINE
    return near | alike


def prototype(corpus: Corpus, _: Split, works: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return what people build first: cosines to the mean vector of the works."""
    mean = corpus.pool[works].mean(axis=0)
    return corpus.pool[rows] @ (mean / np.linalg.norm(mean))


def ours(_: Corpus, found: Split, works: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the normalised similarities of rows to a claim."""
    own = claim_moments(found.sty[works], found.cohort.fit_sty)
    raw = similarity(found.sty[rows], found.sty[works])
    return as_norm(raw, own, (found.moments[0][rows], found.moments[1][rows]))


def excess(corpus: Corpus, found: Split, works: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return how far rows lie above where the claim's tail begins: what a source votes by."""
    tail = unpack(calibrate(works_of(found, works), found.cohort).tail)
    return np.maximum(ours(corpus, found, works, rows) - tail.u, 0.0)


METHODS = {"pooled cosine to a prototype": (prototype, prototype), "recuse": (ours, excess)}
"""By what one image is compared, and by what a source votes."""


def separation(corpus: Corpus, splits: Sequence[Split], draws: int) -> None:
    print("\nmacro recall over hands at image (or set) false-match rates 1e-2, 1e-3, 1e-4")
    for k in SIZES:
        asked = [(found, list(claims(corpus, found, k, draws))) for found in splits]
        for label, (single, together) in METHODS.items():
            votes = (1, *VOTES) if k == WORKS else (1,)
            for m in votes:
                recalls = recall_by_hand(corpus, asked, single if m == 1 else together, m)
                low, high = interval(recalls)
                told = "  ".join(
                    f"{mean:.3f} [{a:.2f}-{b:.2f}]"
                    for mean, a, b in zip(recalls.mean(axis=0), low, high, strict=True)
                )
                what = "one image" if m == 1 else f"vote of {m}"
                print(f"{k:2} works  {label:30} {what:11} {told}  ({len(recalls)} hands)")


def recall_by_hand(corpus, asked, method, m: int) -> np.ndarray:
    """Return float[hands, rates]: each split has one threshold a rate, for all its claims."""
    by_hand: dict[str, list[np.ndarray]] = {}
    for found, made in asked:
        rng = np.random.default_rng(m)
        scored = [
            (
                claim.hand,
                voted(method(corpus, found, claim.works, claim.positives), m, rng),
                by_source(
                    corpus,
                    claim.negatives,
                    method(corpus, found, claim.works, claim.negatives),
                    m,
                    rng,
                ),
            )
            for claim in made
        ]
        against = np.sort(np.concatenate([n for _, _, n in scored]))[::-1]
        limits = [against[min(int(len(against) * r), len(against) - 1)] for r in RATES]
        for hand, positive, _ in scored:
            if len(positive):
                hits = np.array([(positive > limit).mean() for limit in limits])
                by_hand.setdefault(hand, []).append(hits)
    return np.array([np.mean(hits, axis=0) for hits in by_hand.values()])


def by_source(
    corpus: Corpus, rows: np.ndarray, scores: np.ndarray, m: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the votes of the works of each hand; the scores where `m` is 1."""
    if m == 1:
        return scores
    hands = corpus.hand[rows]
    return np.concatenate([voted(scores[hands == hand], m, rng) for hand in np.unique(hands)])


def voted(scores: np.ndarray, m: int, rng: np.random.Generator) -> np.ndarray:
    """Return the means of random sets of `m` scores of one source; the scores where m is 1."""
    if m == 1:
        return scores
    if len(scores) < m:
        return np.empty(0)
    sets = [rng.choice(scores, m, replace=False).mean() for _ in range(SETS_A_HAND)]
    return np.array(sets)


def interval(recalls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    means = [recalls[rng.integers(0, len(recalls), len(recalls))].mean(axis=0) for _ in range(1000)]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def works_of(found: Split, rows: np.ndarray) -> Works:
    cpy = found.cpy[rows].astype(np.float16).astype(np.float32)
    sty = found.sty[rows].astype(np.float16).astype(np.float32)
    return Works(sty, cpy, cohort.cohort_mean(cpy, found.cohort))


def promises(corpus: Corpus, splits: Sequence[Split], draws: int) -> None:
    """Print what strangers reach of thresholds that were declared for a rate."""
    judged, hands = [], []
    for found in splits:
        for claim in claims(corpus, found, WORKS, draws):
            tail = unpack(calibrate(works_of(found, claim.works), found.cohort).tail)
            strangers = np.concatenate([claim.negatives, found.strangers])
            against = ours(corpus, found, claim.works, strangers)
            judged.append((tail, ours(corpus, found, claim.works, claim.positives), against))
            hands.append(corpus.hand[strangers])
    print(f"\nwhat {len(judged)} claims promise, and what strangers reach")
    for target in (1e-2, 1e-3):
        limits = [threshold_at(tail, target) for tail, _, _ in judged]
        met = [a >= t for (_, _, a), t in zip(judged, limits, strict=True)]
        recall = np.mean([(p >= t).mean() for (_, p, _), t in zip(judged, limits, strict=True)])
        hits, trials = sum(int(m.sum()) for m in met), sum(len(m) for m in met)
        over = np.mean([m.mean() > 3 * target for m in met])
        print(
            f"declared {target:g}: realised {hits / trials:.2g} of {trials:,} (95 % below"
            f" {upper_bound(hits, trials):.2g}); {over:.1%} of claims over three times;"
            f" recall {recall:.3f}"
        )
        for m in (*VOTES, 20):
            vote_promise(judged, hands, target, m)


def vote_promise(judged, hands, target: float, m: int) -> None:
    """Print how often sets of one stranger's images are voted out, and the claim's own."""
    rng = np.random.default_rng(m)
    reached, own = [], []
    for (tail, positives, against), whose in zip(judged, hands, strict=True):
        least = needed(tail, target, m)
        above = np.maximum(against - tail.u, 0.0)
        sets = [voted(above[whose == hand], m, rng) for hand in np.unique(whose)]
        reached.append(np.concatenate(sets) >= least)
        if len(positives) >= m:
            own.append((voted(np.maximum(positives - tail.u, 0.0), m, rng) >= least).mean())
    every = np.concatenate(reached)
    print(f"  vote of {m:2}: {every.mean():.2g} of {len(every):,} sets; recall {np.mean(own):.3f}")


def abuse(corpus: Corpus, splits: Sequence[Split], draws: int) -> None:
    """Print how many claims of each kind the guard takes for a style, at ten works.

    Once as they are submitted, and once where a moderator has stated that the works are the
    claimant's own. That can be true of genuine claims alone: no one person's works are by ten
    hands, or by five. What the guard would make of the others shows what hangs on the moderator.
    """
    taken: dict[str, list[StyleCalibration]] = {"genuine": [], "junk": [], "motif": []}
    for number, found in enumerate(splits):
        rng = np.random.default_rng([9, number])
        free = np.concatenate([np.flatnonzero(np.isin(corpus.hand, found.test)), found.strangers])
        free = free[corpus.quality[free] >= LEAST_QUALITY]
        kinds = {
            "genuine": [c.works for c in claims(corpus, found, WORKS, draws)],
            "junk": list(junk(corpus, free, rng, 40)),
            "motif": list(motifs(corpus, free, rng, 40)),
        }
        for kind, made in kinds.items():
            taken[kind] += [calibrate(works_of(found, w), found.cohort) for w in made]
    print("\nwhat the guard makes of ten works, and what it would make with authorship proved")
    for kind, styles in taken.items():
        for label, authorship in (("as submitted", False), ("authorship", True)):
            outcomes = [guard.outcome(style, authorship=authorship) for style in styles]
            print(f"{kind:8} {len(styles):4} claims  {label:12}  {shares(s for s, _ in outcomes)}")
            if authorship:
                print(f"{'':15} not active since  {shares(cause(n) for s, n in outcomes if n)}")


def shares(values: Iterable[str]) -> str:
    """Return how many there are of each value, and what share of them all that is."""
    counted = Counter(values)
    total = max(counted.total(), 1)
    return ", ".join(f"{v} {n} ({n / total:.1%})" for v, n in counted.most_common())


def cause(note: str) -> str:
    """Return the words of a finding, without its numbers."""
    return " ".join(word for word in note.split() if word.isalpha())[:60]


def junk(
    corpus: Corpus, free: np.ndarray, rng: np.random.Generator, count: int
) -> Iterator[np.ndarray]:
    """Yield works of ten hands, one each."""
    hands = np.unique(corpus.hand[free])
    for _ in range(count):
        chosen = rng.choice(hands, WORKS, replace=False)
        yield np.array([rng.choice(free[corpus.hand[free] == hand]) for hand in chosen])


def motifs(
    corpus: Corpus, free: np.ndarray, rng: np.random.Generator, count: int
) -> Iterator[np.ndarray]:
    """Yield works of one subject by five hands or more, two of each at most."""
    subjects = []
    for subject in np.unique(corpus.subject[free]):
        rows = free[corpus.subject[free] == subject]
        hands, sizes = np.unique(corpus.hand[rows], return_counts=True)
        if len(hands) >= MOTIF_HANDS and np.minimum(sizes, 2).sum() >= WORKS:
            subjects.append(rows)
    for place in range(count if subjects else 0):
        rows = subjects[place % len(subjects)]
        chosen: list[int] = []
        for row in rng.permutation(rows):
            mine = sum(corpus.hand[row] == corpus.hand[other] for other in chosen)
            if mine < 2 and len(chosen) < WORKS:
                chosen.append(int(row))
        yield np.array(chosen)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


PARTS = {"separation": separation, "promises": promises, "abuse": abuse}


if __name__ == "__main__":
    main()
