"""Copies of a painted picture, from its bytes to a match, by the real matcher.

The same changes are measured on many works by bench/copies.py.
"""

import numpy as np
import pytest

from bench.changes import COPIES, cut, decoded, jpeg
from bench.copies import DIM, Rows, enrolled, honoured
from jobs.demo.gallery import catalogue, paint
from jobs.enrol import Folder, Matcher
from pipeline.image.canonical import CanonicalHasher
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.models.builtin_files import load_cohort
from pipeline.models.loading import load_matcher
from tests.fakes import MemoryStore

IN_PART = {"combo"}  # found for most works only: docs/benchmarks.md
HANDS = 2  # pictures of each of the first six
PICTURES = catalogue(HANDS)[: 6 * HANDS]
WORKS = [p.path for p in PICTURES[:: 2 * HANDS]]  # one of every other hand
STRANGERS = [p.path for k, p in enumerate(PICTURES) if k // HANDS % 2]


@pytest.fixture(scope="module")
def matcher():
    return Matcher(load_matcher(), load_cohort())


@pytest.fixture(scope="module")
def bodies():
    return {p.path: paint(p) for p in PICTURES}


@pytest.fixture(scope="module")
def registry(matcher, bodies):
    files = {path: bodies[path] for path in WORKS}
    works = enrolled(
        Folder(MemoryStore(files=files), tuple(files)),
        matcher,
        files,
        {path: path for path in files},
    )
    return honoured(works, matcher)


def rows(named: dict[str, bytes], matcher: Matcher) -> Rows:
    pixels = [decoded(body) for body in named.values()]
    cpy = matcher.embedder.images(pixels)["cpy"].astype(np.float16).reshape(-1, DIM)
    keys = [CanonicalHasher().keys(body) for body in named.values()]
    return Rows(list(named), keys, cpy, [keypoints(p, SAMPLE) for p in pixels])


@pytest.mark.parametrize("name", sorted(COPIES.keys() - IN_PART))
def test_a_copy_is_found_and_its_work_is_named(name, matcher, bodies, registry):
    change, quality = COPIES[name]
    copies = {
        path: jpeg(np.ascontiguousarray(change(decoded(bodies[path]), np.random.default_rng(n))),
                   quality)
        for n, path in enumerate(WORKS)
    }  # fmt: skip
    found = rows(copies, matcher).matched(registry)
    assert found == [(path, path) for path in sorted(WORKS)]


def test_a_part_that_is_near_a_view_is_found(matcher, bodies, registry):
    parts = {}
    for path in WORKS:
        pixels = decoded(bodies[path])
        height, width = (round(edge * 0.66) for edge in pixels.shape[:2])
        parts[path] = jpeg(np.ascontiguousarray(pixels[:height, -width:][:, ::-1]))
    found = rows(parts, matcher).matched(registry)
    assert found == [(path, path) for path in sorted(WORKS)]


def test_strangers_and_parts_of_them_are_left_alone(matcher, bodies, registry):
    pixels = {path: decoded(bodies[path]) for path in STRANGERS}
    shown = {path: bodies[path] for path in STRANGERS}
    for share in (0.7, 0.5):
        for path, whole in pixels.items():
            part = np.ascontiguousarray(cut(whole, np.random.default_rng(0), share))
            shown[f"{path} {share}"] = jpeg(part)
    assert rows(shown, matcher).matched(registry) == []
