"""The end-to-end fixture over real images by real hands: ../shared/corpus, where it is there.

`site(folder)` lays out about 430 rows over 310 images. Who made an image is the corpus's word, what
must become of a row is the layout's. Names of claimants are made up, so that no caption of the
corpus decides by chance. The corpus is built once (minutes, 470 MB of downloads) below
RECUSE_TEST_CACHE or the platform's temporary folder.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pdqhash

from jobs.demo.cast import Cast, Person, Work
from jobs.demo.copies import half, mirrored
from jobs.demo.expect import Limits, Site
from jobs.demo.hosts import Hosts
from jobs.demo.site import CONFIG, claims, lay_out
from tests.e2e.generated_site import cache_folder

SCRIPT = Path(__file__).parents[3] / "shared" / "corpus" / "build_corpus.py"
LIMITS = Limits(false_likeness=4, chance_duplicates=20, style_at_least=3)
STYLIST, HOST, SIBLING = "tuxpaint/asl", "oca/gerald g", "oca/francesco rollandin"
"""One manner and not in the matcher's cohort; many manners; no stable manner at all."""
SERIES = frozenset({STYLIST, HOST, SIBLING, "oca/linda kim", "oca/yutaka kachi"})
"""Hands that do not hang with the others: claimed, or so alike that they pass for copies."""
OTHERS = 250
A_HAND = 30  # images of one hand among the others
LEAST_EDGE_PX = 96
LEAST_QUALITY = 70
STEADY = 20  # PDQ distance of a picture to itself at half size
APART = 60  # PDQ distance of any two pictures


class UnavailableError(Exception):
    """The corpus cannot be had here; the message says why."""


def corpus() -> Path:
    """Return the folder of the corpus; builds it where it is missing. Raises UnavailableError."""
    built = cache_folder() / "corpus"
    if (built / "corpus.jsonl").is_file():
        return built
    if not SCRIPT.is_file():
        raise UnavailableError(f"expected the corpus's script at {SCRIPT}")
    work = cache_folder() / "corpus-downloads"
    command = [sys.executable, str(SCRIPT), str(built), "--work", str(work)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise UnavailableError(f"the corpus could not be built: {done.stderr.strip()[-400:]}")
    return built


def site(folder: Path, port: int = 0) -> Site:
    """Return the site; the claims' folders lie below `folder`. Enter `serve()` while building.

    Raises UnavailableError where the corpus cannot be had.
    """
    cast = gather(corpus())
    hosts = Hosts(port)
    rows = lay_out(cast, hosts)
    return Site(hosts, rows, claims(cast, folder / "claims"), LIMITS, CONFIG)


def gather(root: Path) -> Cast:
    """Return three claimants and the works of everybody else, no two pictures alike."""
    by_hand = _by_hand(root)
    hashes: list[np.ndarray] = []
    people = {
        hand: _apart(by_hand[hand], hashes, count)
        for hand, count in ((STYLIST, 22), (HOST, 18), (SIBLING, 18))
    }
    mixed = _taking_turns({h: rows for h, rows in by_hand.items() if h not in SERIES})
    return Cast(
        stylist=Person("Wilma Handley", people[STYLIST], 12, ("ウィルマ画",)),
        host=Person("Gregor Alvinson", people[HOST], 12),
        sibling=Person("Franka Rollwage", people[SIBLING], 12),
        others=_apart(mixed, hashes, OTHERS),
    )


def _by_hand(root: Path) -> dict[str, list[Work]]:
    lines = (root / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, list[Work]] = defaultdict(list)
    for row in map(json.loads, lines):
        if _usable(row):
            found[row["style_group"]].append(Work(root / row["path"], row["caption"]))
    return found


def _usable(row: dict[str, Any]) -> bool:
    """Say whether an image is large enough, and no flag or sign that many hands draw alike."""
    shared = row["public_design"] and row["style_group"] != STYLIST
    return not shared and min(row["width"], row["height"]) >= LEAST_EDGE_PX


def _taking_turns(by_hand: dict[str, list[Work]]) -> Iterator[Work]:
    """Yield one work of each hand after the other, at most A_HAND a hand."""
    for k in range(A_HAND):
        for _, works in sorted(by_hand.items()):
            if k < len(works):
                yield works[k]


def _apart(works: Iterable[Work], hashes: list[np.ndarray], count: int) -> tuple[Work, ...]:
    """Return works that keep their hash at half size and are far from all that were taken.

    hashes: of what was taken before; grows.
    """
    taken: list[Work] = []
    for work in works:
        if len(taken) == count:
            break
        body = work.body()
        own, quality = _pdq(body)
        small, _ = _pdq(half(body))
        if quality < LEAST_QUALITY or (own != small).sum() > STEADY:
            continue
        turned = _pdq(mirrored(body))[0]
        if all(min((h != own).sum(), (h != turned).sum()) > APART for h in hashes):
            hashes.append(own)
            taken.append(work)
    return tuple(taken)


def _pdq(body: bytes) -> tuple[np.ndarray, int]:
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    bits, quality = pdqhash.compute(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    return bits, quality
