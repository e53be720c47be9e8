"""Styles and copies over real pictures: ten of the sixteen public-domain hands with 24 works.

Nothing here was fitted on the hands that are tested: whitening and cohort are made anew of the
others, by the rule of the shipped ones.
"""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from bench.copies import DIM, decoded, enrolled, honoured
from bench.matching import (
    WORKS,
    Corpus,
    claim_hands,
    claims,
    load,
    ours,
    parted,
    prototype,
    recall_by_hand,
)
from bench.model.corpus_features import read_corpus
from jobs.enrol import Folder, Matcher
from optout import intake
from pipeline.decide import decide
from pipeline.image.canonical import CanonicalHasher
from pipeline.match import match
from pipeline.models.builtin_files import load_cohort
from pipeline.models.loading import load_matcher
from pipeline.models.style import VERSION
from pipeline.relate import relate
from schemas.config import BuildConfig, MatchConfig, RelateConfig
from schemas.tables import GRANTS, SIMILARITIES, SLIM, from_rows, vector
from tests.e2e.generated_site import cache_folder
from tests.fakes import MemoryStore

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "bench" / "model" / "corpus_features.py"
LARGE = 24
TESTED = 10


@pytest.fixture(scope="module")
def pictures(corpus_folder) -> Corpus:
    features = cache_folder() / f"features-{VERSION.replace('/', '-')}.npz"
    if not features.exists():
        part = features.with_suffix(".part.npz")
        asked = [sys.executable, str(SCRIPT), str(corpus_folder), str(part), "--views", "1"]
        subprocess.run(asked, check=True, capture_output=True)
        part.rename(features)
    return load(features, corpus_folder)


def test_a_normalised_similarity_finds_a_tenth_more_than_a_prototype(pictures):
    names, counts = np.unique(
        pictures.hand[np.isin(pictures.hand, claim_hands(pictures))], return_counts=True
    )
    large = sorted(names[counts >= LARGE])
    assert len(large) == 16
    tested = sorted(np.random.default_rng(0).choice(large, TESTED, replace=False))
    small = sorted(names[counts < LARGE])
    strange = set(np.random.default_rng(1).choice(small, len(small) // 3, replace=False))
    found = parted(pictures, tested, strange)
    asked = [(found, list(claims(pictures, found, WORKS, 3)))]
    recalls = [recall_by_hand(pictures, asked, how, 1)[:, 1].mean() for how in (ours, prototype)]
    assert recalls[0] >= recalls[1] + 0.1, recalls


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(load_matcher(), load_cohort())


def keys_and_vectors(bodies: dict[str, bytes], matcher: Matcher) -> tuple[pa.Table, pa.Table]:
    found = [CanonicalHasher().keys(body) for body in bodies.values()]
    rows = matcher.embedder.images([decoded(body) for body in bodies.values()])["cpy"]
    table = {
        "uid": list(bodies),
        "sha256": [f"s{uid}" for uid in bodies],  # the very file is no test
        "pixel_sha256": [f"p{uid}" for uid in bodies],
        "pdq": pa.array([k.pdq for k in found], pa.binary(32)),
        "pdq_quality": pa.array([k.pdq_quality for k in found], pa.int16()),
        "stored_pdq": pa.array([k.pdq for k in found], pa.binary(32)),
    }
    flat = pa.array(rows.astype(np.float16).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, DIM).cast(vector(DIM))
    return pa.table(table), pa.table({"uid": list(bodies), "cpy": vectors})


def matched(registry, keys, vectors) -> pa.Table:
    return match(keys, vectors, registry, SIMILARITIES.empty_table(), MatchConfig())


def test_flags_that_share_a_pattern_cannot_be_claimed(pictures, corpus_folder):
    """PDQ sees luminance: Cuba and Puerto Rico lie 4 bits apart, Bahrain and Qatar none."""
    named = {path: n for n, path in enumerate(pictures.data["path"])}
    ends = tuple(f"/{name}.png" for name in ("cuba", "puerto_rico", "bahrain", "qatar"))
    flags = [row["path"] for row in read_corpus(corpus_folder) if row["source_file"].endswith(ends)]
    assert len(flags) == 4
    bodies = [(path, read(corpus_folder, pictures, named[path])) for path in flags]
    found = intake.exemplars(bodies, CanonicalHasher())
    assert not found.works
    assert all("a flag" in refused.reason for refused in found.refused)


def read(corpus_folder: Path, pictures: Corpus, number: int) -> bytes:
    return (corpus_folder / str(pictures.data["path"][number])).read_bytes()


def test_a_denial_spreads_to_copies_of_a_copy_once(pictures, corpus_folder, matcher):
    """A work fades into another picture in small steps, each step a copy of the one before."""
    hands = claim_hands(pictures)
    steady = [n for n in range(len(pictures.hand))
              if pictures.quality[n] == 100 and pictures.hand[n] in hands]  # fmt: skip
    first, last = (decoded(read(corpus_folder, pictures, n)) for n in (steady[0], steady[-1]))
    last = cv2.resize(last, first.shape[1::-1])
    steps = {}
    for number in range(16):
        share = number / 15
        mixed = np.round(first * (1 - share) + last * share).astype(np.uint8)
        encoded = cv2.imencode(".png", cv2.cvtColor(mixed, cv2.COLOR_RGB2BGR))[1].tobytes()
        steps[f"step{number:02}"] = encoded
    files = Folder(MemoryStore(files={"work": steps["step00"]}), ("work",))
    registry = honoured(enrolled(files, matcher, ["work"], {"work": "hand"}), matcher)
    keys, vectors = keys_and_vectors(steps, matcher)
    direct = matched(registry, keys, vectors)
    edges = relate(keys, vectors["cpy"], config=RelateConfig(), threshold=0.7, seed=0)
    rows = from_rows(
        [{"uid": uid, "row": n, "url_key": f"https://{uid}.example/", "host": f"{uid}.example",
          "sha256": f"s{uid}", "pixel_sha256": f"p{uid}"} for n, uid in enumerate(steps)], SLIM
    )  # fmt: skip
    decided = decide(rows, direct, edges, registry.claims, GRANTS.empty_table(), BuildConfig())
    reasons = dict(zip(*(decided[c].to_pylist() for c in ("uid", "reason")), strict=True))
    by = dict(zip(*(decided[c].to_pylist() for c in ("uid", "by_uid")), strict=True))
    copies = {uid for uid, reason in reasons.items() if reason == "optout_work"}
    spread = {uid for uid, reason in reasons.items() if reason == "optout_copy"}
    assert {"step00", "step01"} <= copies
    assert spread
    assert {by[uid] for uid in spread} <= copies
    joined = {
        frozenset(p) for p in zip(*(edges[c].to_pylist() for c in ("uid_a", "uid_b")), strict=False)
    }
    kept = {uid for uid, reason in reasons.items() if reason is None}
    assert any(frozenset((a, b)) in joined for a in spread for b in kept)  # a second hop would go
