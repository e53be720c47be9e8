"""Whether an image is inside can be answered with a proof, and no proof says what is not so."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optout.log.sparse import Proof, SparseMap
from pipeline.absence import (
    FORMAT,
    SHARES,
    TOLERANCE,
    VARIANTS,
    Absence,
    Maps,
    Near,
    Subject,
    covers,
    nearest,
    parse,
    probed,
    prove,
    require_subject,
    subject_of,
    verify,
)
from pipeline.image.canonical import CanonicalHasher
from pipeline.manifest import SPECS
from pipeline.release_maps import (
    BANDS,
    CODES,
    MAPPED,
    band_key,
    band_pairs,
    codes_hash,
    distinct_codes,
    entries,
    kinds,
    row_pairs,
)
from schemas.canonical import canonical_json
from schemas.errors import ImageError, ProofError, UsageError
from schemas.tables import SAMPLES, from_rows
from tests.e2e.builds import picture

RADII = sorted(TOLERANCE)
RNG = random.Random(123_456)
SUBJECT = Subject("a" * 64, "b" * 64, tuple(RNG.randbytes(32) for _ in range(VARIANTS)))


def row(n: int, **values: Any) -> dict[str, Any]:
    rng = random.Random(n)
    told: dict[str, Any] = {
        name: rng.randbytes(32).hex() for name in ("sha256", "stored_sha256", "pixel_sha256")
    }
    told |= {name: rng.randbytes(32) for name in CODES}
    return {"uid": f"{n:032x}", "url": f"https://h.example/{n}.jpg"} | told | values


def table(*rows: dict[str, Any]) -> pa.Table:
    return from_rows(list(rows), SAMPLES).select(MAPPED)


def maps(rows: pa.Table) -> Maps:
    codes = distinct_codes([kinds(rows)])
    pairs = row_pairs(entries(rows, "00000"))
    return Maps(SparseMap(pairs), SparseMap(band_pairs(codes)), codes)


OTHERS = [row(n) for n in range(300)]
OTHERS += [row(n, pdq=SUBJECT.codes[n % VARIANTS][:4] + row(n)["pdq"][4:]) for n in range(300, 340)]
CLEAN = maps(table(*OTHERS))
ROOTS = CLEAN.rows.root(), CLEAN.bands.root()


def turned(code: bytes, bits: list[int]) -> bytes:
    return (int.from_bytes(code, "big") ^ sum(1 << b for b in bits)).to_bytes(32, "big")


# --- absent, present


@pytest.mark.parametrize("radius", RADII)
def test_absence_is_proved_by_the_roots_alone(radius) -> None:
    body = prove(SUBJECT, radius, CLEAN).to_bytes()
    absence = parse(body)
    verify(absence, *ROOTS)
    assert absence.subject == SUBJECT
    assert absence.opened
    assert absence.to_bytes() == body == canonical_json(json.loads(body))


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("kind", CODES)
def test_a_copy_at_the_radius_is_found_and_one_beyond_is_not(radius, kind) -> None:
    rng = random.Random(radius)
    for _ in range(8):
        code = rng.choice(SUBJECT.codes)
        bits = rng.sample(range(256), radius + 1)
        inside = maps(table(*OTHERS[:20], row(999, **{kind: turned(code, bits[:-1])})))
        with pytest.raises(ProofError, match=f"farther than {radius} bits, found one at {radius}"):
            prove(SUBJECT, radius, inside)
        beyond = maps(table(*OTHERS[:20], row(999, **{kind: turned(code, bits)})))
        verify(prove(SUBJECT, radius, beyond), beyond.rows.root(), beyond.bands.root())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_code_within_the_radius_is_in_a_probed_bucket(data) -> None:
    radius = data.draw(st.sampled_from(RADII))
    # As evenly over the bands as can be: the worst case of the pigeonhole.
    bands = [n % BANDS for n in range(radius)]
    bits = {16 * band + data.draw(st.integers(0, 15)) for band in bands}
    more = st.sets(st.integers(0, 255), max_size=radius - len(bits))
    code = turned(SUBJECT.codes[0], sorted(bits | data.draw(more)))
    asked = probed(SUBJECT.codes[:1], radius)
    own = {band_key("pdq", j, code[2 * j : 2 * j + 2]) for j in range(BANDS)}
    assert own & set(asked)
    assert len(asked) == 2 * BANDS * (17 if TOLERANCE[radius] else 1)


@pytest.mark.parametrize("name", ["sha256", "stored_sha256", "pixel_sha256"])
def test_equal_bytes_or_pixels_are_found_whatever_the_codes_say(name) -> None:
    value = SUBJECT.pixel_sha256 if name == "pixel_sha256" else SUBJECT.sha256
    inside = maps(table(row(1, **{name: value})))
    with pytest.raises(ProofError, match="bytes or pixels"):
        prove(SUBJECT, 15, inside)


def test_the_nearest_row_is_named_with_its_distance() -> None:
    code = SUBJECT.codes[11]
    rows = table(
        *OTHERS[:50],
        row(901, stored_pdq=turned(code, [3, 99, 200])),
        row(900, pdq=turned(code, [1, 2, 3])),
        row(902, pdq=turned(code, [1, 2, 3, 4]), stored_pdq=None),
    )
    assert nearest(rows, SUBJECT) == Near(3, f"{900:032x}", "pdq")
    equal = table(*OTHERS[:5], row(905, pixel_sha256=SUBJECT.pixel_sha256))
    assert nearest(equal, SUBJECT) == Near(0, f"{905:032x}", "pixel_sha256")
    bare = row(1, pdq=None, stored_pdq=None)
    assert nearest(table(bare), SUBJECT) is None
    assert nearest(table(), SUBJECT) is None


def test_a_release_without_rows_holds_no_image() -> None:
    empty = maps(table())
    verify(prove(SUBJECT, 31, empty), empty.rows.root(), empty.bands.root())


# --- forged


def test_a_band_map_that_leaves_out_the_copy_has_another_root() -> None:
    true = maps(table(*OTHERS, row(999, pdq=SUBJECT.codes[0])))
    forged = Maps(true.rows, CLEAN.bands, CLEAN.codes)
    absence = prove(SUBJECT, 31, forged)
    with pytest.raises(ProofError, match="map root"):
        verify(absence, true.rows.root(), true.bands.root())


def test_a_bucket_opened_without_the_copy_is_refused() -> None:
    true = maps(table(*OTHERS, row(999, pdq=SUBJECT.codes[0])))
    asked = probed(SUBJECT.codes, 15)
    hidden = [
        b"".join(
            sorted(
                bytes(code)
                for code in true.codes[kind]
                if bytes(code)[2 * band : 2 * band + 2] == value and bytes(code) != SUBJECT.codes[0]
            )
        )
        for key, (kind, band, value) in asked.items()
        if true.bands.get(key)
    ]
    exact, bands = true.rows.prove_many(SUBJECT.row_keys), true.bands.prove_many(list(asked))
    for opened in (hidden, [body or OTHERS[0]["pdq"] for body in hidden], hidden[1:], []):
        absence = Absence(SUBJECT, 15, exact, bands, tuple(opened))
        with pytest.raises(ProofError):
            verify(absence, true.rows.root(), true.bands.root())


def test_codes_of_a_bucket_that_are_not_of_it_are_refused() -> None:
    """Even where the root was made over such a bucket."""
    key = next(iter(probed(SUBJECT.codes, 15)))
    for body in (OTHERS[0]["pdq"], OTHERS[0]["pdq"][:31], b""):
        odd = SparseMap([(key, codes_hash(body))])
        proof = odd.prove_many(list(probed(SUBJECT.codes, 15)))
        exact = CLEAN.rows.prove_many(SUBJECT.row_keys)
        with pytest.raises(ProofError, match="bucket"):
            verify(Absence(SUBJECT, 15, exact, proof, (body,)), ROOTS[0], odd.root())


def test_a_proof_of_a_smaller_radius_does_not_pass_for_one_of_a_larger() -> None:
    absence = prove(SUBJECT, 15, CLEAN)
    for radius in (31, 7, 0, -1, 16, True, 15.0, "15", None):
        with pytest.raises(ProofError):
            verify(replace(absence, radius=radius), *ROOTS)  # type: ignore[arg-type]


def checked(body: bytes) -> None:
    absence = parse(body)
    require_subject(absence, SUBJECT)
    verify(absence, *ROOTS)


def test_2000_mutations_of_a_proof_are_refused() -> None:
    """A byte of the file is changed, left out or put in; known is for which image it should be."""
    rng = random.Random(4)
    bodies = [prove(SUBJECT, radius, CLEAN).to_bytes() for radius in RADII]
    for n in range(2000):
        body = bytearray(bodies[n % 20 == 0])  # those of radius 31 are ten times as long
        at = rng.randrange(len(body))
        match rng.randrange(4):
            case 0:
                body[at] ^= 1 << rng.randrange(8)
            case 1:
                del body[at]
            case 2:
                body.insert(at, rng.randrange(256))
            case _:
                body[at] = rng.choice(b'0123456789abcdefnkeh"A=')
        if bytes(body) in bodies:
            continue
        with pytest.raises(ProofError):
            checked(bytes(body))


def test_600_mutations_of_fields_are_refused() -> None:
    rng = random.Random(6)
    true = prove(SUBJECT, 15, CLEAN)
    for n in range(600):
        value = json.loads(true.to_bytes())
        match n % 6:
            case 0:
                value["opened"].pop(rng.randrange(len(value["opened"])))
            case 1:
                at = rng.randrange(len(value["opened"]))
                value["opened"].insert(at, value["opened"][rng.randrange(at + 1)])
            case 2:
                one, other = rng.sample(range(len(value["opened"])), 2)
                value["opened"][one] = value["opened"][other]
            case 3:
                value["codes"][rng.randrange(VARIANTS)] = rng.randbytes(32).hex()
            case 4:
                which = value[rng.choice(["rows", "bands"])]
                at = rng.randrange(len(which["shape"]))
                which["shape"] = which["shape"][:at] + rng.choice("nkeh") + which["shape"][at + 1 :]
            case _:
                value[rng.choice(sorted(value))] = rng.choice([None, 1, "", [], {}, "x", [1]])
        body = canonical_json(value)
        if body == true.to_bytes():
            continue
        with pytest.raises(ProofError):
            checked(body)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(canonical_json))
def test_any_bytes_are_refused(body) -> None:
    with pytest.raises(ProofError):
        parse(body)


def test_a_proof_in_another_form_is_refused() -> None:
    body = prove(SUBJECT, 15, CLEAN).to_bytes()
    value = json.loads(body)
    for other in (body + b"\n", json.dumps(value).encode(), body.replace(b":15,", b":15 ,")):
        with pytest.raises(ProofError, match="one form"):
            parse(other)
    upper = canonical_json(value | {"sha256": "A" * 64})
    with pytest.raises(ProofError, match="lower-case"):
        parse(upper)
    with pytest.raises(ProofError, match="one form"):
        parse(canonical_json(value | {"covers": ["everything"]}))


# --- images


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    done, body = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return body.tobytes()


def opened(body: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)


def test_codes_are_those_of_eight_ways_to_lay_the_image_at_two_sizes() -> None:
    body = picture(1, 600)
    subject = subject_of(body)
    keys = CanonicalHasher().keys(body)
    assert subject.codes[:8] == tuple(CanonicalHasher().dihedral(body))
    assert (subject.pixel_sha256, subject.codes[0]) == (keys.pixel_sha256, keys.pdq)
    half = cv2.resize(opened(body), (300, 300), interpolation=cv2.INTER_AREA)
    done, png = cv2.imencode(".png", half)
    assert done
    told = CanonicalHasher().dihedral(png.tobytes())
    for a, b in zip(subject.codes[8:], told, strict=True):
        assert (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count() <= 4


def test_turned_mirrored_and_smaller_copies_are_near_the_image() -> None:
    body = picture(2, 640)
    pixels = opened(body)
    small = cv2.resize(pixels, (320, 320), interpolation=cv2.INTER_AREA)
    for copy in (pixels[:, ::-1], np.rot90(pixels), small, small[::-1], np.rot90(small, 3)):
        pdq = CanonicalHasher().pdq(jpeg(copy, 75))[0]
        near = nearest(table(row(1, pdq=pdq)), subject_of(body))
        assert near is not None
        assert near.distance <= 31


def test_an_image_that_is_too_plain_is_refused_with_the_reason() -> None:
    plain = jpeg(np.full((300, 300, 3), 128, np.uint8))
    with pytest.raises(UsageError, match="PDQ quality of 50 or more, found 0"):
        subject_of(plain)
    with pytest.raises(ImageError):
        subject_of(b"no image")


def test_a_proof_about_another_image_is_told_apart() -> None:
    absence = prove(SUBJECT, 15, CLEAN)
    require_subject(absence, SUBJECT)
    with pytest.raises(ProofError, match="about the image"):
        require_subject(absence, replace(SUBJECT, codes=SUBJECT.codes[::-1]))


@pytest.mark.parametrize("radius", RADII)
def test_a_proof_says_what_it_covers_and_what_not(radius) -> None:
    told = json.loads(prove(SUBJECT, radius, CLEAN).to_bytes())["covers"]
    assert told == covers(radius)
    text = " ".join(told)
    for word in ("quality 75", "half size", "%", "cropped", "other releases", "models"):
        assert word in text


def test_the_docs_say_what_proofs_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    for radius, shares in SHARES.items():
        told = [f"{one:.2f}".removeprefix("0").replace("1.00", "1.0") for one in shares.values()]
        assert f"| {radius} | {' | '.join(told)} |" in page
    for name in (FORMAT, *SPECS, *json.loads(prove(SUBJECT, 15, CLEAN).to_bytes())):
        assert f"`{name}`" in page


def test_a_map_proof_of_other_letters_is_refused() -> None:
    absence = prove(SUBJECT, 15, CLEAN)
    odd = replace(absence, bands=Proof(absence.bands.shape + "e", absence.bands.hashes))
    with pytest.raises(ProofError, match="longer"):
        verify(odd, *ROOTS)
