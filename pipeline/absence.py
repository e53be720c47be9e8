"""The proof that an image is not inside a release, nor anything that looks like it.

It speaks of an image by its hashes and by the PDQ codes of its registered variants: the eight ways
to lay it, at full size and at half. The row map shows that neither its bytes nor its pixels are a
row's. The band map shows that no code of a row lies within the radius: by the pigeonhole principle
a code within 15 bits agrees with one of ours in at least one of 16 bands, and one within 31 bits
agrees there in all bits but one. So every bucket in which it could stand is probed, and is either
absent or opened whole, each of its codes being farther than the radius.

To check a proof takes the roots and nothing else; the image only where the codes are to be those
of an image at hand. Sound for the map that was committed: whether that holds every row, and their
true codes, only the samples tell (docs/audit.md).
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from optout.log.sparse import Proof, SparseMap, verify_many
from optout.match import PDQ_MIN_QUALITY
from pipeline.image.canonical import (
    CANONICAL_EDGE_PX,
    bounded,
    canonical_pixels,
    pdq,
    pixel_sha256,
    turns,
)
from pipeline.image.decoders import Decoder
from pipeline.image.header import MAX_PIXELS, read_header
from pipeline.release_maps import (
    BANDS,
    CODE_BYTES,
    CODES,
    HASHES,
    Codes,
    band_key,
    buckets,
    codes_hash,
    row_key,
)
from schemas.canonical import plain_json, sha256_hex
from schemas.errors import ProofError, UsageError
from schemas.ports import Pixels

FORMAT = "recuse-absence/1"
TOLERANCE = {15: 0, 31: 1}
"""Bits that may differ in the band where a code within a radius comes nearest: radius // 16."""
VARIANTS = 16

SHARES = {
    15: {"quality 75": 0.98, "quality 50": 0.96, "quality 30": 0.93, "half size": 0.91},
    31: {"quality 75": 1.0, "quality 50": 1.0, "quality 30": 0.99, "half size": 0.99},
}
"""The share of copies within a radius of a variant, of 300 pictures (bench/absence.py).

Half size is that of the harder filter, bicubic. Another table is another FORMAT.
"""

_FIELDS = {"format", "sha256", "pixel_sha256", "codes", "radius", "rows", "bands", "opened",
           "covers"}  # fmt: skip
_HEX_DIGITS = 2 * CODE_BYTES


@dataclass(frozen=True, slots=True)
class Subject:
    """The image that a proof speaks of. codes: of its VARIANTS, those at full size first."""

    sha256: str
    pixel_sha256: str
    codes: tuple[bytes, ...]

    @property
    def row_keys(self) -> list[bytes]:
        """The keys under which it would stand in the row map: its bytes, stored or not; pixels."""
        told = dict.fromkeys(HASHES, self.sha256) | {"pixel_sha256": self.pixel_sha256}
        return [row_key(kind, value) for kind, value in told.items()]


@dataclass(frozen=True, slots=True)
class Near:
    """A row that looks like the subject, or is it. distance: in bits of PDQ, 0 for equal keys."""

    distance: int
    uid: str
    kind: str  # pdq, stored_pdq, or the hash that is equal


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of a release with what their buckets hold. codes: distinct and sorted, by kind."""

    rows: SparseMap
    bands: SparseMap
    codes: Mapping[str, Codes]


@dataclass(frozen=True, slots=True)
class Absence:
    """A proof. opened: the codes of each probed bucket that is there, in order of their keys."""

    subject: Subject
    radius: int
    rows: Proof
    bands: Proof
    opened: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Return the proof as canonical JSON."""
        return plain_json(
            {
                "format": FORMAT,
                "sha256": self.subject.sha256,
                "pixel_sha256": self.subject.pixel_sha256,
                "codes": [code.hex() for code in self.subject.codes],
                "radius": self.radius,
                "rows": self.rows.as_json(),
                "bands": self.bands.as_json(),
                "opened": [base64.b64encode(body).decode() for body in self.opened],
                "covers": covers(self.radius),
            }
        )


def covers(radius: int) -> list[str]:
    """Return what a proof covers and what it does not, in lines."""
    shares = ", ".join(f"{what} {share:.0%}" for what, share in SHARES[radius].items())
    return [
        f"Covers: no row of this release has a PDQ code within {radius} bits of the image's,",
        "turned or mirrored, at full or half size; none has its bytes or its pixels.",
        f"Copies of 300 pictures that were within {radius} bits when measured: {shares}.",
        "Does not cover: cropped or otherwise changed copies; other releases; models, whether",
        "trained on this release or on anything else.",
    ]


# --- images


def subject_of(body: bytes, max_pixels: int = MAX_PIXELS) -> Subject:
    """Return what a proof is to speak of.

    Raises ImageError for bytes that are no image, UsageError for one that PDQ cannot tell from
    others: nothing would follow from the absence of its codes.
    """
    decoder = Decoder(body, read_header(body, max_pixels))
    canonical = canonical_pixels(decoder)
    quality = pdq(canonical)[1]
    if quality < PDQ_MIN_QUALITY:
        raise UsageError(
            f"expected an image with a PDQ quality of {PDQ_MIN_QUALITY} or more, found {quality}: "
            "it is too plain for its code to tell it from others, so no proof would mean anything"
        )
    ways = [*turns(canonical), *turns(_half(decoder))]
    codes = tuple(pdq(way)[0] for way in ways)
    return Subject(sha256_hex(body), pixel_sha256(canonical), codes)


def _half(decoder: Decoder) -> Pixels:
    """Return the image at half its size, as the canonical decode gives it of a lossless file."""
    header = decoder.header
    whole = decoder.at_least(max(header.width, header.height))
    size = (max(1, round(whole.shape[1] / 2)), max(1, round(whole.shape[0] / 2)))
    half = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
    return bounded(half, CANONICAL_EDGE_PX)


# --- proving


def nearest(rows: pa.Table, subject: Subject) -> Near | None:
    """Return the row that is nearest to the subject, the first by uid of equally near ones.

    rows: the columns MAPPED of SAMPLES. None without any code or equal hash.
    """
    found = [near for kind in CODES for near in _nearest_code(rows, kind, subject.codes)]
    for kind in HASHES:
        own = subject.pixel_sha256 if kind == "pixel_sha256" else subject.sha256
        pairs = zip(rows["uid"].to_pylist(), rows[kind].to_pylist(), strict=True)
        found += [Near(0, uid, kind) for uid, value in pairs if value == own]
    return min(found, key=lambda near: (near.distance, near.uid), default=None)


def _nearest_code(rows: pa.Table, kind: str, codes: Sequence[bytes]) -> list[Near]:
    known = rows.filter(rows[kind].is_valid())
    if not known.num_rows:
        return []
    body = b"".join(known[kind].to_pylist())
    distances = _distances(body, codes)
    least = int(distances.min())
    at = np.flatnonzero(distances == least)
    return [Near(least, min(known["uid"].take(pa.array(at)).to_pylist()), kind)]


def _distances(body: bytes, codes: Iterable[bytes]) -> Any:
    """Return int64[n]: of n codes, one behind the other, the bits to the nearest of `codes`."""
    own = np.frombuffer(body, np.uint64).reshape(-1, CODE_BYTES // 8)
    told = [np.bitwise_count(own ^ np.frombuffer(c, np.uint64)).sum(axis=1) for c in set(codes)]
    return np.min(told, axis=0).astype(np.int64)


def probed(codes: Iterable[bytes], radius: int) -> dict[bytes, tuple[str, int, bytes]]:
    """Return the buckets that hold every code within a radius of `codes`, in order of their keys.

    By key: kind, band, and the two bytes of the band.
    """
    found: dict[bytes, tuple[str, int, bytes]] = {}
    for band in range(BANDS):
        own = {int.from_bytes(code[2 * band : 2 * band + 2]) for code in codes}
        flips = (value ^ (1 << bit) for value in own for bit in range(16))
        for value in own.union(flips) if TOLERANCE[radius] else own:
            body = value.to_bytes(2)
            found |= {band_key(kind, band, body): (kind, band, body) for kind in CODES}
    return dict(sorted(found.items()))


def prove(subject: Subject, radius: int, maps: Maps) -> Absence:
    """Return the proof that the subject is not inside, nor anything within the radius, 15 or 31.

    Raises ProofError where it is.
    """
    asked = probed(subject.codes, _radius(radius))
    wanted: dict[tuple[str, int], list[int]] = {}
    for kind, band, value in asked.values():
        wanted.setdefault((kind, band), []).append(int.from_bytes(value))
    found = {
        band_key(kind, band, value): body
        for (kind, band), values in wanted.items()
        for value, body in buckets(maps.codes[kind], band, values)
    }
    opened = tuple(found[key] for key in asked if key in found)
    _require_far(opened, subject.codes, radius)
    absence = Absence(
        subject,
        radius,
        maps.rows.prove_many(subject.row_keys),
        maps.bands.prove_many(list(asked)),
        opened,
    )
    verify(absence, maps.rows.root(), maps.bands.root())
    return absence


# --- checking


def verify(absence: Absence, rows_root: bytes, bands_root: bytes) -> None:
    """Return if the proof shows absence from the release with these roots.

    Raises ProofError otherwise.
    """
    subject, radius = absence.subject, _radius(absence.radius)
    exact = verify_many(rows_root, subject.row_keys, absence.rows)
    if any(value is not None for value in exact.values()):
        raise ProofError("expected no row with the image's bytes or pixels, found one")
    asked = probed(subject.codes, radius)
    values = verify_many(bands_root, list(asked), absence.bands)
    present = [key for key in asked if values[key] is not None]
    if len(present) != len(absence.opened):
        raise ProofError(
            f"expected the codes of {len(present):,} buckets, found {len(absence.opened):,}"
        )
    for key, body in zip(present, absence.opened, strict=True):
        _check_bucket(asked[key], body)
        if codes_hash(body) != values[key]:
            raise ProofError(f"expected the codes of bucket {key.hex()}, found others")
    _require_far(absence.opened, subject.codes, radius)


def _require_far(opened: Sequence[bytes], codes: Sequence[bytes], radius: int) -> None:
    every = b"".join(opened)
    least = int(_distances(every, codes).min()) if every else None
    if least is not None and least <= radius:
        raise ProofError(f"expected every code farther than {radius} bits, found one at {least}")


def _check_bucket(bucket: tuple[str, int, bytes], body: bytes) -> None:
    _, band, value = bucket
    codes = [body[at : at + CODE_BYTES] for at in range(0, len(body), CODE_BYTES)]
    whole = codes and len(codes[-1]) == CODE_BYTES
    if not whole or any(a >= b for a, b in pairwise(codes)):
        raise ProofError("expected the codes of a bucket, each once and sorted")
    if any(code[2 * band : 2 * band + 2] != value for code in codes):
        raise ProofError(f"expected codes of one bucket of band {band}, found one of another")


def require_subject(absence: Absence, subject: Subject) -> None:
    """Raise ProofError unless a proof speaks of this image."""
    if absence.subject != subject:
        raise ProofError(
            f"expected a proof about the image with sha256 {subject.sha256}, found one about "
            f"{absence.subject.sha256}, or about other codes"
        )


def parse(body: bytes) -> Absence:
    """Return the proof in bytes, unverified. Raises ProofError for anything else.

    One form is accepted: canonical JSON, with the words that this version says of what it covers.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise ProofError(f"expected a proof of absence as JSON: {e}") from e
    if not isinstance(value, dict) or value.get("format") != FORMAT or set(value) != _FIELDS:
        raise ProofError(f"expected a proof of absence, {FORMAT}, with its {len(_FIELDS)} fields")
    radius, opened = value["radius"], value["opened"]
    if not isinstance(opened, list):
        raise ProofError("expected the codes of opened buckets as a list")
    absence = Absence(
        _subject(value),
        _radius(radius),
        Proof.from_json(value["rows"]),
        Proof.from_json(value["bands"]),
        tuple(_unbase64(one) for one in opened),
    )
    if absence.to_bytes() != body:
        raise ProofError("expected a proof of absence in its one form, found another")
    return absence


def _subject(value: Mapping[str, Any]) -> Subject:
    codes = value["codes"]
    if not isinstance(codes, list) or len(codes) != VARIANTS:
        raise ProofError(f"expected codes of {VARIANTS} variants, found another value")
    told = [value["sha256"], value["pixel_sha256"], *codes]
    if not all(isinstance(one, str) and len(one) == _HEX_DIGITS for one in told):
        raise ProofError(f"expected hashes and codes of {_HEX_DIGITS} hex digits")
    try:
        hashes = [bytes.fromhex(one) for one in told]
    except ValueError as e:
        raise ProofError(f"expected hashes and codes in hex: {e}") from e
    if any(one.hex() != text for one, text in zip(hashes, told, strict=True)):
        raise ProofError("expected hashes and codes in lower-case hex")
    return Subject(told[0], told[1], tuple(hashes[2:]))


def _unbase64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ProofError("expected the codes of a bucket as text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise ProofError(f"expected the codes of a bucket in base64: {e}") from e


def _radius(radius: Any) -> int:
    if type(radius) is not int or radius not in TOLERANCE:
        raise ProofError(f"expected a radius of 15 or 31, found {radius!r:.20}")
    return radius
