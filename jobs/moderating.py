"""What a moderator states about a claim, and which claims wait for one."""

from dataclasses import dataclass

from optout.entry import Draft
from optout.guard import waits
from optout.parts import open_match_part
from optout.refresh import as_judged
from optout.registry import Registry, match_part
from optout.replay import Standing, replay
from schemas.claim import MatchPart, StyleCalibration


@dataclass(frozen=True, slots=True)
class Stated:
    """Where a claim stood before a statement and stands by it, and its match part."""

    before: Standing
    after: Standing
    part: MatchPart


@dataclass(frozen=True, slots=True)
class Waiting:
    """A claim whose style a moderator could let act. style: as it stands."""

    standing: Standing
    style: StyleCalibration


def state(registry: Registry, before: Standing, draft: Draft) -> Stated:
    """Record a moderator's statement about a claim that stands at `before`.

    Raises ClaimError where it is not allowed.
    """
    match, _ = registry.parts(before.claim_id)
    registry.append(draft)
    return Stated(before, registry.standing(before.claim_id), open_match_part(match))


def waiting(registry: Registry) -> list[Waiting]:
    """Return the claims in force whose style needs review, or would act by authorship alone."""
    view = registry.view()
    found = []
    for standing in replay(view.leaves, registry.where).values():
        if not standing.in_force or standing.part_seq in view.locked:
            continue
        part = as_judged(match_part(view, standing, registry.where), view.matcher)
        style = standing.style(part.style)
        if waits(style):
            found.append(Waiting(standing, style))
    return found
