"""How many copies of works are found, and how many strangers' images are taken for copies.

    python bench/copies.py CORPUS --keep FOLDER [--a-hand 3] [--half tune] [--pictures FOLDER]

CORPUS is the folder that the corpus script made (corpus.jsonl, images/). Every image of it that may
be claimed becomes a claim of its own, through intake, enrolment and snapshot; its copies (real JPEG
files, bench/changes.py) and the images of other hands become rows, through the canonical decode and
the matcher; `pipeline.match` judges all of them. Hands are dealt into two halves: thresholds were
read off `tune`, what is printed by default is `report`, and strangers are those of the same half.
Public designs (as the corpus flags them) stand in the registry as whole works only, to save passes.

FOLDER keeps vectors by the digest of the pixels that the model saw, so that nothing is embedded
twice. --pictures writes each false hit beside the work, to be looked at. True copies across hands,
seen by eye, stand in cross_source_copies.tsv beside this script with the reason; nothing else is
left out.
"""

import argparse
import csv
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.changes import COPIES, decoded, jpeg
from jobs.enrol import Folder, Matcher, with_keypoints, with_vectors, with_views
from optout import hot, intake, snapshot
from optout.lifecycle import State
from optout.match import PDQ_MIN_QUALITY
from optout.replay import Standing
from optout.tail import upper_bound
from optout.works import is_common, vectors_of
from pipeline.image.canonical import CanonicalHasher, canonical_pixels, content_keys
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.match import match
from pipeline.models.builtin_files import load_cohort
from pipeline.models.loading import load_matcher
from pipeline.storage import open_store
from schemas.claim import MatchPart, WorkKeys
from schemas.config import MatchConfig
from schemas.ports import ContentKeys, Pixels
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, KEYPOINTS, SIMILARITIES, from_rows
from schemas.verdict import Scope, Stance

SEED = 20261125
KNOWN = Path(__file__).with_name("cross_source_copies.tsv")
SIZES = (300, 1_000, 3_000)
DRAWS = 20  # registries of each smaller size
FAR = 100_000
DIM = 256


@dataclass(frozen=True)
class Image:
    path: str
    hand: str
    claimable: bool
    public: bool
    body: bytes


def read_images(folder: Path) -> list[Image]:
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Image(
            r["path"],
            # images of nobody in particular are strangers to each other
            r["path"] if r["style_group"] == "oca/-" else r["style_group"],
            r["role"] == "claim",
            r["public_design"],
            (folder / r["path"]).read_bytes(),
        )
        for r in sorted(map(json.loads, lines), key=lambda r: r["path"])
    ]


def halves(images: Sequence[Image]) -> dict[str, str]:
    """Return the half of each hand: in order of size, one to each side in turn, A B B A."""
    names, sizes = np.unique([i.hand for i in images], return_counts=True)
    by_size = [str(names[k]) for k in np.lexsort((names, -sizes))]
    return {name: ("tune", "report", "report", "tune")[k % 4] for k, name in enumerate(by_size)}


def copied(image: Image, name: str) -> bytes:
    """Return the bytes of a copy of an image."""
    change, quality = COPIES[name]
    seed = int.from_bytes(hashlib.sha256(f"{SEED} {image.path} {name}".encode()).digest()[:8])
    pixels = decoded(image.body)
    return jpeg(np.ascontiguousarray(change(pixels, np.random.default_rng(seed))), quality)


# The product's own way from bytes to matches


class Remembered:
    """The matcher, with every `cpy` that it gave kept in a file by the digest of the pixels."""

    KIND = np.dtype([("digest", "V32"), ("cpy", "<f2", (DIM,))])

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "cpy.bin"
        there = (
            np.fromfile(self._file, self.KIND) if self._file.exists() else np.empty(0, self.KIND)
        )
        self._known = {r["digest"].tobytes(): r["cpy"] for r in there}
        self._model = load_matcher()
        self.card, self.edge_px = self._model.card, self._model.edge_px
        self.passes = 0

    def images(self, pixels: Sequence[Pixels]) -> dict[str, np.ndarray]:
        digests = [hashlib.sha256(repr(p.shape).encode() + p.tobytes()).digest() for p in pixels]
        fresh = {d: p for d, p in zip(digests, pixels, strict=True) if d not in self._known}
        if fresh:
            made = np.zeros(len(fresh), self.KIND)
            made["cpy"] = self._model.images(list(fresh.values()))["cpy"]
            for row, digest in zip(made, fresh, strict=True):
                row["digest"] = np.void(digest)
                self._known[digest] = row["cpy"].copy()
            with self._file.open("ab") as file:
                made.tofile(file)
            self.passes += len(fresh)
        cpy = np.array([self._known[d] for d in digests], np.float32).reshape(-1, DIM)
        return {"cpy": cpy, "sty": cpy}  # styles are not looked at here


def in_batches(bodies: Iterable[bytes], matcher: Remembered) -> tuple[list, np.ndarray, list]:
    """Return content keys of images, and `cpy` (float16[n, d]) and key points as released."""
    keys, points, parts, rest = [], [], [np.zeros((0, DIM), np.float16)], iter(bodies)
    while batch := list(islice(rest, 256)):
        decoders = [Decoder(body, read_header(body)) for body in batch]
        pixels = [canonical_pixels(decoder) for decoder in decoders]
        keys += [content_keys(p, d.header.upright) for p, d in zip(pixels, decoders, strict=True)]
        points += [keypoints(p, SAMPLE) for p in pixels]
        parts.append(matcher.images(pixels)["cpy"].astype(np.float16))
    return keys, np.concatenate(parts), points


def enrolled(
    folder: Folder, matcher: Matcher, viewed: Collection[str], hands: Mapping[str, str]
) -> dict[str, WorkKeys]:
    """Return the works of a folder by file name, as `recuse optout submit` would record them.

    viewed: the files whose works get views; the others stand whole. hands: of every file.
    """
    bodies = ((name, folder.read(name)) for name in folder.names)
    found = intake.exemplars(bodies, CanonicalHasher())
    works = dict(zip(found.accepted, with_vectors(found, folder, matcher, quiet), strict=True))
    chosen = {name: work for name, work in works.items() if name in viewed}
    some = intake.Exemplars(tuple(chosen.values()), tuple(chosen))
    works |= dict(zip(chosen, with_views(some, folder, matcher, quiet), strict=True))
    for hand in sorted({hands[name] for name in works}):  # a claim each
        own = {name: work for name, work in works.items() if hands[name] == hand}
        every = intake.Exemplars(tuple(own.values()), tuple(own))
        works |= dict(zip(own, with_keypoints(every, folder, quiet), strict=True))
    reasons = Counter(r.reason.split(" (")[0][:60] for r in found.refused)
    print(f"{len(works)} works of {len(folder.names)} images; refused: {dict(reasons)}")
    return works


def quiet(names: Sequence[str], _doing: str) -> Iterable[str]:
    return names


def honoured(works: dict[str, WorkKeys], matcher: Matcher) -> Honoured:
    """Return a registry in which every work is a claim of its own, named by its file."""
    names = sorted(works)
    claims = [
        {"claim_id": name, "scope": "work", "stance": "opt_out", "level": 0, "style_state": "none"}
        for name in names
    ]
    parts = [
        (
            Standing(name, State.RECORDED, 0, "", "", 0, "", 0),
            MatchPart(scope=Scope.WORK, stance=Stance.OPT_OUT, works=(works[name],)),
        )
        for name in names
    ]
    tables = from_rows(claims, CLAIMS), snapshot.works_table(parts)
    return Honoured(matcher.embedder.card.fingerprint, *tables)


@dataclass(frozen=True)
class Rows:
    """Images as a build has them. uid: path, or path and name of the copy."""

    uids: list[str]
    keys: list[ContentKeys]
    cpy: np.ndarray
    points: list[bytes]

    def words(self) -> np.ndarray:
        return hot.words([k.pdq for k in self.keys])

    def good(self) -> np.ndarray:
        return np.array([k.pdq_quality >= PDQ_MIN_QUALITY for k in self.keys], bool)

    def matched(self, registry: Honoured) -> list[tuple[str, str]]:
        """Return uid and work of each match, by the product."""
        keys = {
            "uid": self.uids,
            "sha256": [f"row {n}" for n in range(len(self.uids))],  # the very file is no test
            "pixel_sha256": [f"row {n}" for n in range(len(self.uids))],
            "pdq": pa.array([k.pdq for k in self.keys], pa.binary(32)),
            "pdq_quality": pa.array([k.pdq_quality for k in self.keys], pa.int16()),
            "stored_pdq": pa.array([k.pdq for k in self.keys], pa.binary(32)),  # stored as it is
        }
        cpy = pa.FixedSizeListArray.from_arrays(pa.array(self.cpy.ravel()), DIM)
        points = pa.array(self.points, KEYPOINTS.type)
        vectors = pa.table({"uid": self.uids, "cpy": cpy, KEYPOINTS.name: points})
        found = match(pa.table(keys), vectors, registry, SIMILARITIES.empty_table(), MatchConfig())
        return sorted(
            set(zip(found["uid"].to_pylist(), found["claim_id"].to_pylist(), strict=True))
        )


def rows_of(named: Iterable[tuple[str, bytes]], matcher: Remembered) -> Rows:
    """Return rows of names and bytes, which are read one batch at a time."""
    uids: list[str] = []

    def bodies() -> Iterable[bytes]:
        for uid, body in named:
            uids.append(uid)
            yield body

    keys, cpy, points = in_batches(bodies(), matcher)
    return Rows(uids, keys, cpy, points)


# Peers


def by_pdq(rows: Rows, works: dict[str, WorkKeys], radius: int = 31) -> list[tuple[str, str]]:
    """Return what PDQ alone finds, with the eight variants of a work."""
    words, good, found = rows.words(), rows.good(), []
    for name, work in works.items():
        variants = hot.words([bytes.fromhex(text) for text in work.pdq])
        near = np.flatnonzero(good & (hot.distances(words, variants) <= radius))
        found += [(rows.uids[n], name) for n in near]
    return found


def by_cosine(rows: Rows, works: dict[str, WorkKeys], least: float) -> list[tuple[str, str]]:
    """Return what the cosine of whole pictures finds, with one threshold for all."""
    names = list(works)
    cosines = rows.cpy.astype(np.float32) @ vectors_of(works.values(), "cpy").T
    return [(rows.uids[n], names[m]) for n, m in zip(*np.nonzero(cosines >= least), strict=True)]


# What is counted


@dataclass(frozen=True)
class Bench:
    """One set of works with rows: strangers' images, and copies of some of the works."""

    hands: dict[str, str]
    works: dict[str, WorkKeys]
    strangers: Rows
    copies: Rows
    known: set[frozenset[str]]

    def is_stranger(self, path: str, work: str) -> bool:
        return self.hands[path] != self.hands[work] and frozenset((path, work)) not in self.known

    def false_pairs(self, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the pairs of an image and a work of another hand; copies count by their source."""
        return [(uid, work) for uid, work in found if self.is_stranger(uid.split("|")[0], work)]

    def recall(self, found: list[tuple[str, str]], aside: Collection[str] = ()) -> dict[str, float]:
        """Return by copy the share of works that are found by themselves. aside: not counted."""
        hits = {tuple(uid.split("|")) for uid, work in found if uid.split("|")[0] == work}
        asked = [tuple(uid.split("|")) for uid in self.copies.uids]
        asked = [one for one in asked if one[0] not in aside]
        return {
            name: float(np.mean([pair in hits for pair in asked if pair[1] == name]))
            for name in COPIES
        }

    def least_cosine(self) -> float:
        """Return the lowest threshold at which one cosine for all takes no stranger."""
        names = list(self.works)
        cosines = self.strangers.cpy.astype(np.float32) @ vectors_of(self.works.values(), "cpy").T
        for n, m in np.argwhere(cosines >= 0.7):
            if not self.is_stranger(self.strangers.uids[n], names[m]):
                cosines[n, m] = 0
        return float(cosines.max()) + 1e-4


def print_row(name: str, recall: dict[str, float], images: int, pairs: int) -> None:
    cells = [f"{v:.2f}".removeprefix("0") if v < 1 else "1.0" for v in recall.values()]
    values = list(recall.values())
    print(
        f"| {name} | {' | '.join(cells)} | {np.mean(values):.3f} | {min(values):.3f} "
        f"| {images} | {pairs} |"
    )


def compare(bench: Bench, matcher: Matcher, least: float) -> list[tuple[str, str]]:
    """Print the table of methods; return the false pairs of the product."""
    bare = {n: w.model_copy(update={"keypoints": ""}) for n, w in bench.works.items()}
    plain = {n: w.model_copy(update={"views": ()}) for n, w in bare.items()}
    ways = {
        "PDQ within 31, eight variants": partial(by_pdq, works=bench.works),
        f"cosine from {least:.3f}, one for all": partial(by_cosine, works=bench.works, least=least),
        "recuse, whole works only": lambda rows: rows.matched(honoured(plain, matcher)),
        "recuse, without key points": lambda rows: rows.matched(honoured(bare, matcher)),
        "recuse": lambda rows: rows.matched(honoured(bench.works, matcher)),
    }
    print(f"| | {' | '.join(COPIES)} | mean | least | false images | false pairs |")
    print(f"|{' --- |' * (len(COPIES) + 5)}")
    false: list[tuple[str, str]] = []
    for name, way in ways.items():
        false = bench.false_pairs(way(bench.strangers))
        found = way(bench.copies)
        print_row(name, bench.recall(found), len({uid for uid, _ in false}), len(false))
    common = {name for name, work in bench.works.items() if is_common(work)}
    copied = {uid.split("|")[0] for uid in bench.copies.uids}
    print_row(
        f"recuse, less {len(copied & common)} common designs", bench.recall(found, common), 0, 0
    )
    others = {uid for uid, _ in bench.false_pairs(found)}
    print(f"copies that recuse also takes for a work of another hand: {len(others)}"
          f" of {len(bench.copies.uids)}")  # fmt: skip
    return false + bench.false_pairs(found)


def by_size(bench: Bench, false: list[tuple[str, str]], names: list[str]) -> None:
    """Print how many strangers' images are taken, by the number of works."""
    count = len(bench.strangers.uids)
    pairs = [(uid, work) for uid, work in false if "|" not in uid]
    rng = np.random.default_rng(SEED)
    print("| works | images taken | of | an image | at most (95 %) | at 100,000 works |")
    print("| --- | --- | --- | --- | --- | --- |")
    for size in (*(s for s in SIZES if s < len(names)), len(names)):
        hits = []
        for _ in range(DRAWS if size < len(names) else 1):
            chosen = set(rng.choice(names, size, replace=False))
            hits.append(len({uid for uid, work in pairs if work in chosen}))
        mean = float(np.mean(hits))
        bound = upper_bound(round(np.ceil(mean)), count)
        print(
            f"| {size} | {mean:.2f} | {count} | {mean / count:.1e} | {bound:.1e} "
            f"| {mean / count * FAR / size:.1e}, at most {bound * FAR / size:.1e} |"
        )


def pictures(folder: Path, false: list[tuple[str, str]], images: dict[str, Image]) -> None:
    """Write sheets of false hits: the image left, the work right."""
    folder.mkdir(parents=True, exist_ok=True)
    tiles = []
    for uid, work in false:
        path, _, name = uid.partition("|")
        body = copied(images[path], name) if name else images[path].body
        tile = np.full((200, 330, 3), 255, np.uint8)
        for place, one in enumerate((body, images[work].body)):
            pixels = decoded(one)[..., ::-1]
            scale = 158 / max(pixels.shape[:2])
            small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            tile[: small.shape[0], place * 165 : place * 165 + small.shape[1]] = small
        label = f"{path[7:12]}{name and '|' + name} {work[7:12]}"
        cv2.putText(tile, label, (2, 190), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0))
        tiles.append(tile)
    for at in range(0, len(tiles), 24):
        sheet = tiles[at : at + 24]
        sheet += [np.full_like(sheet[0], 255)] * (-len(sheet) % 4)
        lines = [np.hstack(sheet[n : n + 4]) for n in range(0, len(sheet), 4)]
        cv2.imwrite(str(folder / f"false-{at // 24:02d}.png"), np.vstack(lines))


def read_known() -> set[frozenset[str]]:
    """Return the pairs of images that are one picture under two hands."""
    if not KNOWN.exists():
        return set()
    with KNOWN.open(encoding="utf-8", newline="") as file:
        return {frozenset((r["image"], r["work"])) for r in csv.DictReader(file, delimiter="\t")}


def sampled(images: Sequence[Image], works: dict[str, WorkKeys], most: int) -> list[Image]:
    """Return the images to copy: no public designs, at most so many a hand, as dealt by a seed."""
    rng = np.random.default_rng(SEED)
    taken: Counter[str] = Counter()
    chosen = []
    for n in rng.permutation(len(images)):
        one = images[n]
        if one.path in works and not one.public and taken[one.hand] < most:
            taken[one.hand] += 1
            chosen.append(one)
    return sorted(chosen, key=lambda i: i.path)


def gathered(images: list[Image], folder: Path, matcher: Matcher, a_hand: int) -> Bench:
    """Return works, strangers and copies of some images; a_hand: 0 for whole works, no copies."""
    began, remembered = time.process_time(), matcher.embedder
    files = Folder(open_store(str(folder)), tuple(i.path for i in images if i.claimable))
    hands = {i.path: i.hand for i in images}
    works = enrolled(files, matcher, {i.path for i in images if a_hand and not i.public}, hands)
    strangers = rows_of(((i.path, i.body) for i in images), remembered)
    chosen = sampled(images, works, a_hand)
    copies = rows_of(((f"{i.path}|{n}", copied(i, n)) for i in chosen for n in COPIES), remembered)
    cpu = time.process_time() - began
    print(f"{len(images)} images of {len(set(hands.values()))} hands, {len(chosen)} works copied")
    print(f"{remembered.passes} forward passes so far, {cpu:.0f} CPU s", flush=True)
    return Bench(hands, works, strangers, copies, read_known())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--half", choices=["tune", "report", "all"], default="report")
    parser.add_argument("--a-hand", type=int, default=3, help="works of a hand that are copied")
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    images = read_images(args.corpus)
    half = halves(images)
    matcher = Matcher(Remembered(args.keep), load_cohort())
    tune = [i for i in images if half[i.hand] == "tune"]
    least = gathered(tune, args.corpus, matcher, 0).least_cosine()
    own = [i for i in images if args.half in ("all", half[i.hand])]
    bench = gathered(own, args.corpus, matcher, args.a_hand)
    counts = [len(w.views) for w in bench.works.values()]
    print(f"views a work: {np.mean(counts):.1f}, at most {max(counts)}")
    began = time.process_time()
    false = compare(bench, matcher, least)
    print(f"matching and peers: {time.process_time() - began:.0f} CPU s")
    public = {i.path for i in images if i.public}
    print("all works")
    by_size(bench, false, sorted(bench.works))
    print("without public designs")
    by_size(bench, false, sorted(set(bench.works) - public))
    for uid, work in false:
        hand = bench.hands[uid.split("|")[0]]
        kind = "public" if work in public else ""
        print(f"false\t{uid}\t{work}\t{hand}\t{bench.hands[work]}\t{kind}")
    if args.pictures:
        pictures(args.pictures, false, {i.path: i for i in images})


if __name__ == "__main__":
    main()
