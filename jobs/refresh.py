"""Vectors of the registry's matcher for the works of a claim, from the claimant's own images.

Images are told by their bytes or pixels; what is not in the claim is left out, and works without
an image here keep what they had. Nothing else of the claim changes, so its level stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.claimant_files import read_key
from jobs.enrol import (
    Folder,
    Matcher,
    Tools,
    other_claims,
    with_keypoints,
    with_vectors,
    with_views,
)
from jobs.receipts import ReceiptFiles, files_at
from jobs.registries import open_registry
from jobs.submit import Rim, require_matcher, require_place, write_receipt
from optout import intake
from optout.append import Recorded
from optout.enrol import Other, Works, calibrate
from optout.entry import draft_refresh
from optout.parts import open_identity_part, open_match_part
from optout.works import vectors_of
from schemas.canonical import sha256_hex
from schemas.claim import MatchPart, StyleCalibration, WorkKeys
from schemas.errors import ClaimError, ImageError
from schemas.verdict import Scope, Stance


@dataclass(frozen=True, slots=True)
class Order:
    """What `refresh` is asked to do. claim: its whole id. receipt: a new file."""

    registry: str
    claim: str
    works: Folder
    key: Path
    receipt: Path
    trust_local: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Files that show works of a claim, place of each work, and files that show none of them."""

    names: tuple[str, ...]
    places: tuple[int, ...]
    strange: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A claim with its new vectors. added: works that have some now; missing: that have none.

    style: as it stands now. ended: somebody had accepted the style as it was before.
    """

    part: MatchPart
    style: StyleCalibration
    ended: bool
    recorded: Recorded
    added: int
    missing: int
    strange: tuple[str, ...]
    receipt: ReceiptFiles
    proved: bool  # whether the proof of the receipt is there already


def refresh(order: Order, tools: Tools, matcher: Matcher, rim: Rim) -> Refreshed:
    """Record vectors of the registry's matcher for works that lack them, and write a receipt.

    Raises ClaimError for another key than the claim's, or where nothing would change,
    ModelMismatchError where the registry is pinned to another matcher.
    """
    key = read_key(order.key)
    with open_registry(order.registry, rim.clock, random=rim.random) as registry:
        standing = registry.standing(order.claim)
        if not standing.in_force or key.public != standing.claimant_key:
            raise ClaimError(f"expected the key of a claim in force in {order.key}: {order.claim}")
        require_matcher(registry, matcher)
        match, identity = registry.parts(standing.claim_id)
        if identity is None:
            raise ClaimError(
                f"expected a claim that says who asks, found that of {order.claim} erased: it keeps"
                " the vectors that it has; withdraw it and submit another"
            )
        before = open_match_part(match)
        fingerprint = matcher.embedder.card.fingerprint
        found = shown(before, order.works, tools, fingerprint)
        part = with_new_vectors(before, found, order.works, tools, matcher)
        if part.scope == Scope.STYLE and part.works != before.works:
            trust = order.trust_local
            others = other_claims(registry, fingerprint, key.public, trust_local=trust)
            part = part.model_copy(update={"style": _style(part.works, matcher, others)})
        if not found.places:
            raise ClaimError(
                f"expected images in {order.works.store.root} of works that have no vectors of"
                f" {matcher.embedder.card.name}, found none; {len(found.strange)} files show no"
                " such work"
            )
        files = files_at(order.receipt)
        require_place(registry, files)
        registry.pin_matcher(fingerprint, matcher.embedder.card.name)
        parts = part, open_identity_part(identity)
        draft = draft_refresh(parts, standing.claim_id, standing.entry_hash, key, rim.random)
        recorded = registry.append(draft)
        style = registry.standing(standing.claim_id).style(part.style)
        proved = write_receipt(registry, files, draft, recorded, rim.random)
    missing = sum(work.matcher != fingerprint for work in part.works)
    ended = standing.accepted is not None
    counts = len(found.places), missing, found.strange
    return Refreshed(part, style, ended, recorded, *counts, files, proved)


def shown(part: MatchPart, works: Folder, tools: Tools, fingerprint: str) -> Found:
    """Return which files show works of a claim that lack vectors of a matcher."""
    by_bytes = {work.sha256: place for place, work in enumerate(part.works)}
    by_pixels = {work.pixel_sha256: place for place, work in enumerate(part.works)}
    names: dict[int, str] = {}
    strange = []
    for name in tools.track(works.names, "reading"):
        body = works.read(name)
        place = by_bytes.get(sha256_hex(body))
        if place is None:
            try:
                place = by_pixels.get(tools.hasher.keys(body).pixel_sha256)
            except ImageError:
                place = None
        if place is None:
            strange.append(name)
        elif part.works[place].matcher != fingerprint:
            names.setdefault(place, name)
    return Found(tuple(names[p] for p in sorted(names)), tuple(sorted(names)), tuple(strange))


def with_new_vectors(
    part: MatchPart, found: Found, works: Folder, tools: Tools, matcher: Matcher
) -> MatchPart:
    """Return a part with vectors for the works found; all else as it was."""
    counted = set(intake.distinct(part.works))
    chosen = intake.Exemplars(
        works=tuple(part.works[place] for place in found.places),
        accepted=found.names,
        distinct=tuple(i for i, place in enumerate(found.places) if place in counted),
    )
    new = with_vectors(chosen, works, matcher, tools.track)
    if part.stance == Stance.OPT_OUT:
        chosen = intake.Exemplars(new, chosen.accepted, chosen.distinct)
        new = with_views(chosen, works, matcher, tools.track)
        chosen = intake.Exemplars(new, chosen.accepted, chosen.distinct)
        new = with_keypoints(chosen, works, tools.track)
    now = dict(zip(found.places, new, strict=True))
    return part.model_copy(
        update={"works": tuple(now.get(place, work) for place, work in enumerate(part.works))}
    )


def _style(
    works: tuple[WorkKeys, ...], matcher: Matcher, others: Sequence[Other]
) -> StyleCalibration:
    fingerprint = matcher.embedder.card.fingerprint
    counted = [work for work in works if work.matcher == fingerprint and work.sty]
    if len(counted) < intake.STYLE_WORKS:
        return StyleCalibration(
            note=f"{len(counted)} works have vectors; a style needs {intake.STYLE_WORKS}",
            matcher=fingerprint,
        )
    means = np.array([work.cohort_mean for work in counted], np.float32)
    own = Works(vectors_of(counted, "sty"), vectors_of(counted, "cpy"), means)
    return calibrate(own, matcher.cohort, others)
