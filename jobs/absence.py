"""Proofs of absence at the rim: a release is read part by part, its maps are made again."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from jobs.maps import found_roots, ledger_of, read_samples, require_roots
from jobs.releases import open_release, require_release
from pipeline.absence import (
    Absence,
    Near,
    Subject,
    covers,
    nearest,
    parse,
    prove,
    require_subject,
    subject_of,
    verify,
)
from pipeline.manifest import MANIFEST_PATH, parse_manifest
from pipeline.release_maps import CODES, HASHES
from pipeline.storage import open_store, read_anywhere
from schemas.errors import ImageError, ProofError, SchemaError, StorageError, UsageError

ROOTS = ("rows", "bands")


@dataclass(frozen=True, slots=True)
class Verified:
    """A proof that holds, and the roots under which it does."""

    absence: Absence
    roots: dict[str, str]
    of_image: bool  # the codes are those of an image at hand


def prove_absence(
    release: str,
    image: str,
    radius: int,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Absence | Near:
    """Return the proof that an image is not inside a release, or the row that looks like it.

    told: of parts read and parts in all. Raises UsageError for an image that is too plain or none,
    or where there is no release, ProofError where the release is not the one that its manifest
    says, SchemaError, StorageError.
    """
    subject = _subject(image)
    store = open_store(release)
    require_release(store)
    opened = open_release(store)
    near: list[Near] = []

    def look(rows: pa.Table) -> None:
        _require_keys(rows)
        if (found := nearest(rows, subject)) is not None and found.distance <= radius:
            near.append(found)

    entered = read_samples(opened, told, look)
    if near:
        return min(near, key=lambda one: (one.distance, one.uid))
    maps = entered.maps()
    require_roots(opened, found_roots(maps, ledger_of(opened)))
    return prove(subject, radius, maps)


def _require_keys(rows: pa.Table) -> None:
    """Raise ProofError for a row that no map could show to be near. rows: MAPPED."""
    for name in (*HASHES, *CODES):
        if rows[name].null_count:
            uid = rows["uid"].filter(rows[name].is_null())[0]
            raise ProofError(
                f"expected {name} of every row, found row {uid} without: whether it is a copy"
                " nobody can say"
            )


def require_place(path: Path) -> None:
    """Raise UsageError where a proof would be written over anything but an older proof."""
    try:
        if path.exists():
            parse(path.read_bytes())
    except (OSError, ProofError) as e:
        raise UsageError(
            f"expected a new file or an older proof of absence as --out, found {path}"
        ) from e


def verify_absence(proof: str, roots: dict[str, str], image: str = "") -> Verified:
    """Return what a proof shows under the roots `rows` and `bands`, in hex.

    image: whose codes the proof must speak of; any without. Raises ProofError where it does not
    hold, UsageError where there is no such file or image.
    """
    absence = parse(_given(proof, "a proof of absence"))
    if image:
        require_subject(absence, _subject(image))
    verify(absence, *(bytes.fromhex(roots[name]) for name in ROOTS))
    return Verified(absence, roots, bool(image))


def _subject(image: str) -> Subject:
    """Return what a proof about an image file speaks of. Raises UsageError."""
    try:
        return subject_of(_given(image, "an image"))
    except ImageError as e:
        raise UsageError(f"{image}: {e}") from e


def _given(path: str, what: str) -> bytes:
    """Return the bytes of a file that was named. what: should be in it. Raises UsageError."""
    try:
        return read_anywhere(path)
    except StorageError as e:
        raise UsageError(f"expected {what}: {e}") from e


def roots_given(texts: list[str]) -> dict[str, str]:
    """Return roots from texts NAME=HEX. Raises UsageError unless both are there, each once."""
    pairs = [text.partition("=") for text in texts]
    found = {name: value for name, _, value in pairs}
    if sorted(name for name, _, _ in pairs) != sorted(ROOTS):
        raise UsageError("expected --root rows=HEX and --root bands=HEX, found others")
    for name, value in found.items():
        if len(value) != 64 or set(value) - set("0123456789abcdef"):  # noqa: PLR2004  # sha256
            raise UsageError(f"expected 64 hex digits as root of {name}, found {value!r:.80}")
    return found


def roots_from(manifest: str) -> dict[str, str]:
    """Return the roots in a manifest, or in that of a release. Raises UsageError."""
    path = manifest if manifest.endswith(".json") else f"{manifest.rstrip('/')}/{MANIFEST_PATH}"
    try:
        said = parse_manifest(_given(path, "the manifest of a release")).roots
    except SchemaError as e:
        raise SchemaError(f"{path}: {e}") from e
    return {name: getattr(said, name) for name in ROOTS}


def as_json(verified: Verified) -> str:
    """Return what was verified as JSON for programs."""
    absence = verified.absence
    return json.dumps(
        {
            "verified": True,
            "sha256": absence.subject.sha256,
            "radius": absence.radius,
            "roots": verified.roots,
            "codes_of_image": verified.of_image,
            "covers": covers(absence.radius),
        },
        indent=2,
    )
