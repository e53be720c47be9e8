"""A folder of works to the parts of a claim: hashed and embedded here, on this machine.

Images are read one at a time, leave keys and vectors behind, and are never stored or sent. What
has no model (no torch here) still gives hashes, names and hosts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from optout import intake
from optout.cohort import Cohort, cohort_mean
from optout.enrol import Other, Works, calibrate
from optout.hot import Listed
from optout.keypoints import lasting
from optout.lifecycle import PROVED
from optout.match import COMMON_MEAN
from optout.registry import Registry, match_part
from optout.replay import replay
from optout.works import encode_points, encode_vector, is_common, neighbours, vectors_of
from pipeline.decode import prepare
from pipeline.image.canonical import canonical_pixels
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.image.keypoints import WORK, keypoints
from pipeline.image.views import views
from schemas.claim import MatchPart, StyleCalibration, ViewKind, WorkKeys, WorkView
from schemas.config import DecodeConfig
from schemas.errors import ClaimError, StorageError, UsageError
from schemas.ports import Embedder, Hasher, Pixels, Store
from schemas.verdict import Scope, Stance

MAX_IMAGE_BYTES = 100_000_000
EMBED_AT_ONCE = 32
NO_MATCHER = (
    "no model is installed here, so nothing was compared by likeness:"
    " pip install -c constraints.txt '.[build]', then recuse optout refresh FOLDER --claim CLAIM"
)

Track = Callable[[Sequence[str], str], Iterable[str]]
"""Names and what is done with them, to the same names; shows progress on the way."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Images of a folder: names, sorted, and where they are read."""

    store: Store
    names: tuple[str, ...]

    def read(self, name: str) -> bytes:
        """Return the bytes of a file; none of one that is too large or cannot be read.

        No image has none, so the file is refused with the others that are no images.
        """
        try:
            if self.store.size_bytes(name) > MAX_IMAGE_BYTES:
                return b""
            return self.store.read(name)
        except StorageError:
            return b""


@dataclass(frozen=True, slots=True)
class Matcher:
    """The registry's model with its cohort."""

    embedder: Embedder
    cohort: Cohort


@dataclass(frozen=True, slots=True)
class Tools:
    """What enrolling works with. matcher: null where no model is installed."""

    hasher: Hasher
    matcher: Matcher | None
    track: Track


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A claim ready to be signed, and what became of each image."""

    understood: intake.Understood
    exemplars: intake.Exemplars
    part: MatchPart


def folder(store: Store) -> Folder:
    """Return the files of a folder, hidden ones left out. Raises UsageError where it has none."""
    names = [
        path
        for path in store.paths("")
        if path and not any(piece.startswith(".") for piece in path.split("/"))
    ]
    if not names:
        raise UsageError(f"expected a folder with images, found none in {store.root}")
    return Folder(store, tuple(names))


def enrol(
    wish: intake.Wish,
    works: Folder | None,
    others: Sequence[Other],
    tools: Tools,
    *,
    trust_local: bool,
    listed: Listed = intake.NOBODY,
) -> Enrolled:
    """Return the parts of a claim. Raises ClaimError where there is nothing it could protect.

    works: null for a claim on hosts or addresses alone. others: works that a style must leave
    alone. trust_local: control counts as proved, on a registry of one's own. listed: what other
    claimants have listed.
    """
    understood = intake.understand(wish)
    found = intake.Exemplars()
    if works is not None:
        images = ((n, works.read(n)) for n in tools.track(works.names, "reading"))
        found = intake.exemplars(images, tools.hasher, listed)
    intake.require_something(understood, found)
    if wish.scope == Scope.STYLE:
        intake.require_style(len(found.distinct), proved=trust_local)
    style = StyleCalibration()
    if works is not None and tools.matcher and found.works:
        found = replace(found, works=with_vectors(found, works, tools.matcher, tools.track))
        if understood.stance == Stance.OPT_OUT:  # likeness grants nothing
            found = replace(found, works=with_views(found, works, tools.matcher, tools.track))
            found = replace(found, works=with_keypoints(found, works, tools.track))
    if wish.scope == Scope.STYLE:
        style = _style(found, tools.matcher, others)
    part = MatchPart(
        scope=understood.scope,
        stance=understood.stance,
        names=understood.names,
        captions=understood.captions,
        hosts=understood.hosts,
        accounts=understood.accounts,
        urls=understood.urls,
        works=found.works,
        style=style,
        license=understood.license,
        attribution=understood.attribution,
    )
    return Enrolled(understood, found, part)


def with_vectors(
    found: intake.Exemplars, works: Folder, matcher: Matcher, track: Track
) -> tuple[WorkKeys, ...]:
    """Return the works with the matcher's vectors; a style vector for distinct works only."""
    vectors = _embedded(found.accepted, works, matcher.embedder, track)
    stored = vectors["cpy"].astype(np.float32)
    means = cohort_mean(stored, matcher.cohort)
    distinct = set(found.distinct)
    return tuple(
        work.model_copy(
            update={
                "matcher": matcher.embedder.card.fingerprint,
                "cpy": encode_vector(vectors["cpy"][place]),
                "sty": encode_vector(vectors["sty"][place]) if place in distinct else "",
                "cohort_mean": float(means[place]),
            }
        )
        for place, work in enumerate(found.works)
    )


def with_views(
    found: intake.Exemplars, works: Folder, matcher: Matcher, track: Track
) -> tuple[WorkKeys, ...]:
    """Return works that have vectors with views beside them, by which parts of them are found.

    A common design gets none: it is matched only where it is almost exactly the same. Nor does a
    view that is one by itself stay.
    """
    whose: list[tuple[int, ViewKind]] = []

    def seen() -> Iterable[Pixels]:
        for place, name in enumerate(track(found.accepted, "looking at parts")):
            if is_common(found.works[place]):
                continue
            for kind, pixels in views(works.read(name)):
                whose.append((place, kind))
                yield pixels

    cpy = in_batches(seen(), matcher.embedder, ("cpy",))["cpy"]
    means = cohort_mean(cpy.astype(np.float32), matcher.cohort)
    beside: dict[int, list[WorkView]] = {}
    for (place, kind), vector, mean in zip(whose, cpy, means, strict=True):
        if mean <= COMMON_MEAN:
            view = WorkView(kind=kind, cpy=encode_vector(vector), cohort_mean=float(mean))
            beside.setdefault(place, []).append(view)
    return tuple(
        work.model_copy(update={"views": tuple(beside.get(place, ()))})
        for place, work in enumerate(found.works)
    )


def with_keypoints(found: intake.Exemplars, works: Folder, track: Track) -> tuple[WorkKeys, ...]:
    """Return works that have vectors with key points beside them; a common design gets none.

    Nor does what recurs in several works stay, since it is a mark, a frame or a page.
    """

    def seen(work: WorkKeys, name: str) -> bytes:
        if is_common(work):
            return b""
        body = works.read(name)
        return keypoints(canonical_pixels(Decoder(body, read_header(body))), WORK)

    names = track(found.accepted, "looking at details")
    points = [seen(work, name) for work, name in zip(found.works, names, strict=True)]
    kept = lasting(points, neighbours(found.works))
    return tuple(
        work.model_copy(update={"keypoints": encode_points(stored)})
        for work, stored in zip(found.works, kept, strict=True)
    )


def contrast(works: Folder, tools: Tools) -> list[Other]:
    """Return images of other hands that were given with a claim; none without a model."""
    if tools.matcher is None:
        return []
    images = ((n, works.read(n)) for n in tools.track(works.names, "reading contrast"))
    found = intake.exemplars(images, tools.hasher)
    if not found.works:
        raise ClaimError(f"expected images to contrast with in {works.store.root}, found none")
    keyed = with_vectors(found, works, tools.matcher, tools.track)
    sty, cpy = vectors_of(keyed, "sty"), vectors_of(keyed, "cpy")
    return [Other("the contrast images", sty, cpy, proved=True)]


def other_claims(
    registry: Registry, matcher: str, own_key: str, *, trust_local: bool
) -> list[Other]:
    """Return the works of claims in force by other claimants, as far as they have vectors.

    A claim whose key is gone has none that anybody could read.
    """
    view = registry.view()
    found = []
    for standing in replay(view.leaves, registry.where).values():
        mine = standing.claimant_key == own_key
        if not standing.in_force or mine or standing.part_seq in view.locked:
            continue
        part = match_part(view, standing, registry.where)
        works = [w for w in part.works if w.matcher == matcher]
        if works and part.stance == Stance.OPT_OUT:
            proved = trust_local or standing.level >= PROVED
            label = f"claim {standing.claim_id[:12]}"
            sty, cpy = vectors_of(works, "sty"), vectors_of(works, "cpy")
            found.append(Other(label, sty, cpy, proved))
    return found


def _style(
    found: intake.Exemplars, matcher: Matcher | None, others: Sequence[Other]
) -> StyleCalibration:
    if matcher is None:
        return StyleCalibration(note="look-alikes were not tested, for want of a model")
    counted = [found.works[place] for place in found.distinct]
    means = np.array([work.cohort_mean for work in counted], np.float32)
    works = Works(vectors_of(counted, "sty"), vectors_of(counted, "cpy"), means)
    return calibrate(works, matcher.cohort, others)


def _embedded(
    names: Sequence[str], works: Folder, embedder: Embedder, track: Track
) -> dict[str, np.ndarray]:
    """Return float16[n, d] by name, through the same decode that samples go through."""
    pixels = (
        prepare(works.read(name), DecodeConfig(), embedder.edge_px).pixels
        for name in track(names, "comparing")
    )
    return in_batches(pixels, embedder, ("cpy", "sty"))


def in_batches(
    pixels: Iterable[Pixels], embedder: Embedder, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return float16[n, d] by name; few images are held at a time. n may be 0."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    rest = iter(pixels)
    while True:
        batch = list(islice(rest, EMBED_AT_ONCE))
        vectors = embedder.images(batch)  # also of nothing, which gives the widths
        for name, rows in parts.items():
            rows.append(vectors[name].astype(np.float16))
        if len(batch) < EMBED_AT_ONCE:
            break
    return {name: np.concatenate(rows) for name, rows in parts.items()}
