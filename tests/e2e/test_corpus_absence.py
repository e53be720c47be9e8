"""Absence over 300 real pictures: a copy within the radius is never proved absent, all others are.

Copies are planted as codes at the very edge of the radius from each of the sixteen registered
variants, and as real files: turned, mirrored, at half size, compressed. What shares of real copies
lie within a radius is measured by bench/absence.py.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import pyarrow as pa
import pytest

from bench.absence import bits, flipped, jpeg_again, maps_of, row, table
from bench.changes import jpeg
from bench.copies import read_images
from pipeline.absence import TOLERANCE, VARIANTS, Maps, Subject, nearest, parse, prove, subject_of
from pipeline.absence import verify as require_absent
from pipeline.image.canonical import CanonicalHasher, turns
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from schemas.errors import ImageError, ProofError, UsageError

pytestmark = pytest.mark.slow

ASKED, OTHERS, WAYS = 300, 600, 8
SEED = 11
HASHER = CanonicalHasher()
FAR = bytes(32)
EDGE = "at the edge of a variant"


@dataclass(frozen=True)
class Asked:
    """A picture that is asked about. copies: codes of real copies by what was done to it."""

    subject: Subject
    copies: dict[str, bytes]


@pytest.fixture(scope="module")
def world(corpus_folder) -> tuple[list[Asked], pa.Table]:
    """Pictures that are left out of a release, and the rows of others that are in it."""
    images = read_images(corpus_folder)
    random.Random(SEED).shuffle(images)
    asked: list[Asked] = []
    rows: list[dict[str, object]] = []
    for image in images:
        try:
            if len(asked) < ASKED:
                copies = copies_of(image.body, len(asked) % WAYS)
                asked.append(Asked(subject_of(image.body), copies))
                continue
            stored = HASHER.pdq(jpeg_again(image.body))[0]
            rows.append(row(len(rows), HASHER.keys(image.body).pdq, stored))
        except (UsageError, ImageError):  # too plain to be told from others, or no picture
            continue
        if len(rows) == OTHERS:
            break
    return asked, table(rows)


def copies_of(body: bytes, way: int) -> dict[str, bytes]:
    """Return codes of copies, laid in one of the eight ways."""
    decoder = Decoder(body, read_header(body))
    whole = decoder.at_least(max(decoder.header.width, decoder.header.height))
    size = [max(1, round(edge / 2)) for edge in whole.shape[1::-1]]
    half = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
    made = {
        "laid another way, quality 75": jpeg(turns(whole)[way], 75),
        "half size, quality 75": jpeg(half, 75),
        "half size, laid another way, quality 90": jpeg(turns(half)[way], 90),
    }
    return {name: HASHER.pdq(copy)[0] for name, copy in made.items()}


def is_near(subject: Subject, code: bytes, radius: int) -> bool:
    return min(bits(code, own) for own in subject.codes) <= radius


def planted(asked: list[Asked], radius: int) -> Iterator[tuple[str, list[tuple[Subject, bytes]]]]:
    """Give one release after the other: what is planted in it, a code for each subject."""
    rng = random.Random(SEED)
    edge = [(one.subject, one.subject.codes[n % VARIANTS]) for n, one in enumerate(asked)]
    yield EDGE, [(subject, flipped(code, radius, rng)) for subject, code in edge]
    for kind in asked[0].copies:
        pairs = [(one.subject, one.copies[kind]) for one in asked]
        yield kind, [(s, code) for s, code in pairs if is_near(s, code, radius)]


def planted_in(rows: pa.Table, codes: list[bytes]) -> Maps:
    """Return the maps of a release with rows of these codes: as fetched of one, as stored of the
    next, since either must be enough."""
    more = [
        row(10**7 + n, *((code, FAR) if n % 2 else (FAR, code))) for n, code in enumerate(codes)
    ]
    return maps_of(pa.concat_tables([rows, table(more)]))


@pytest.mark.parametrize("radius", sorted(TOLERANCE))
def test_every_planted_copy_is_refused(world, radius):
    asked, rows = world
    assert len(asked) == ASKED
    total, refused, few = 0, 0, []
    for kind, own in planted(asked, radius):
        maps = planted_in(rows, [code for _, code in own])
        total += len(own)
        refused += sum(is_refused(subject, radius, maps) for subject, _ in own)
        if len(own) < 0.85 * ASKED:
            few.append((kind, len(own)))
    assert few == []  # else hardly a real copy was planted
    assert refused == total
    assert total > 3.5 * ASKED


def is_refused(subject: Subject, radius: int, maps: Maps) -> bool:
    """Say whether nothing is proved, for the reason that a code is near, and for no other."""
    try:
        prove(subject, radius, maps)
    except ProofError as e:
        return f"expected every code farther than {radius} bits" in str(e)
    return False


@pytest.mark.parametrize("radius", sorted(TOLERANCE))
def test_every_genuine_absence_is_proved_and_verifies(world, radius):
    asked, rows = world
    maps = maps_of(rows)
    roots = maps.rows.root(), maps.bands.root()
    absent = 0
    for one in asked:
        near = nearest(rows, one.subject)
        if near is not None and near.distance <= radius:  # the corpus has look-alikes of its own
            assert is_refused(one.subject, radius, maps)
            continue
        require_absent(parse(prove(one.subject, radius, maps).to_bytes()), *roots)
        absent += 1
    assert absent > 0.8 * ASKED
