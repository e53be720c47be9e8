"""The keys of works as a match part carries them: written, read, and checked before recording."""

import base64
import binascii
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from optout.keypoints import MOST, POINT, unpack
from optout.match import COMMON_MEAN, POINTS_MARGIN
from schemas.claim import MatchPart, WorkKeys
from schemas.errors import ClaimError, RegistryError, SchemaError

Halves = npt.NDArray[np.float16]

DIHEDRAL = 8
MAX_VIEWS = 16  # of a work; a build pays for each
PDQ_BYTES = 32
COMPARED = 20  # works of a claim that each is compared with
UNIT_TOLERANCE = 0.01  # half floats keep the length of a unit vector to about 0.001


def encode_vector(vector: npt.NDArray[np.floating]) -> str:
    """Return a vector as a part carries it: base64 of little-endian half floats."""
    return base64.b64encode(vector.astype("<f2").tobytes()).decode()


def decode_vector(text: str) -> Halves:
    """Return float16[d] of what `encode_vector` wrote. Raises RegistryError for anything else."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f2")
    except (ValueError, binascii.Error) as e:
        raise RegistryError(f"expected a vector as base64 of half floats: {e}") from e


def encode_points(stored: bytes) -> str:
    """Return key points as a part carries them: base64 of what `optout.keypoints.pack` wrote."""
    return base64.b64encode(stored).decode()


def decode_points(text: str) -> bytes:
    """Return what `encode_points` was given. Raises RegistryError for anything else."""
    try:
        stored = base64.b64decode(text, validate=True)
        unpack(stored)
    except (ValueError, SchemaError) as e:
        raise RegistryError(f"expected key points as base64 of whole points: {e}") from e
    return stored


def count_points(work: WorkKeys) -> int:
    """Return how many key points a work has. Raises RegistryError where they cannot be read."""
    return len(decode_points(work.keypoints)) // POINT.itemsize


def vectors_of(works: Iterable[WorkKeys], name: str) -> npt.NDArray[np.float32]:
    """Return float32[k, d], the named vectors (`cpy`, `sty`) of works that have one, as stored."""
    rows = [decode_vector(getattr(w, name)) for w in works if getattr(w, name)]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), np.float32)


def neighbours(works: Sequence[WorkKeys]) -> list[list[int]]:
    """Return for each work those nearest to it by copy vector, as near as key points are asked."""
    if not works:
        return []
    cpy = vectors_of(works, "cpy")
    cosines = cpy @ cpy.T
    np.fill_diagonal(cosines, -1.0)
    least = np.array([work.cohort_mean for work in works]) + POINTS_MARGIN
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :COMPARED]
    return [
        [int(b) for b in nearest if cosines[a, b] >= least[a]] for a, nearest in enumerate(order)
    ]


def is_common(work: WorkKeys) -> bool:
    """Say whether a work is a common design, which only almost exact copies are told from."""
    return work.cohort_mean is not None and work.cohort_mean > COMMON_MEAN


def check_works(part: MatchPart) -> None:
    """Raise ClaimError where the keys of a work could not be compared, or would match anything.

    A vector that is not finite, or longer than one, would be near to every image.
    """
    ids = [work.work_id for work in part.works]
    if len(set(ids)) != len(ids):
        raise ClaimError("expected each work once, found one work id twice")
    for work in part.works:
        problem = _problem(work)
        if problem:
            raise ClaimError(f"expected keys of work {work.work_id} that compare, found {problem}")


def _problem(work: WorkKeys) -> str:
    if len(work.pdq) != DIHEDRAL or not all(_is_hex(value, PDQ_BYTES) for value in work.pdq):
        return f"{len(work.pdq)} PDQ hashes, not {DIHEDRAL} of {PDQ_BYTES} bytes in hex"
    if not all(_is_hex(value, 32) for value in (work.sha256, work.pixel_sha256)):
        return "a digest that is not 64 hex characters"
    return _vector_problem(work)


def _vector_problem(work: WorkKeys) -> str:
    if not work.matcher:
        lone = work.cpy or work.sty or work.views or work.keypoints
        return "vectors or key points without a matcher" if lone else ""
    if work.cohort_mean is None or not math.isfinite(work.cohort_mean) or not work.cpy:
        return "no copy vector with a finite cohort mean"
    return _views_problem(work) or _likeness_problem(work)


def _views_problem(work: WorkKeys) -> str:
    if len(work.views) > MAX_VIEWS:
        return f"{len(work.views)} views, more than {MAX_VIEWS}"
    if not all(math.isfinite(view.cohort_mean) for view in work.views):
        return "a view without a finite cohort mean"
    if any(len(view.cpy) != len(work.cpy) for view in work.views):
        return "a view of another width than the copy vector"
    return ""


def _likeness_problem(work: WorkKeys) -> str:
    vectors = [text for text in (work.cpy, work.sty) if text] + [v.cpy for v in work.views]
    if not all(map(_is_unit, vectors)):
        return "a vector that is not of unit length"
    return _points_problem(work)


def _points_problem(work: WorkKeys) -> str:
    try:
        count = count_points(work)
    except RegistryError:
        return "key points that cannot be read"
    return f"{count} key points, more than {MOST}" if count > MOST else ""


def _is_hex(text: str, size: int) -> bool:
    return len(text) == 2 * size and set(text) <= set("0123456789abcdef")


def _is_unit(text: str) -> bool:
    try:
        length = float(np.linalg.norm(decode_vector(text).astype(np.float64)))
    except RegistryError:
        return False
    return abs(length - 1.0) <= UNIT_TOLERANCE  # false for NaN
