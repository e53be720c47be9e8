"""What a moderator states about a claim, and which claims wait for one."""

from dataclasses import dataclass

from optout.append import Recorded
from optout.entry import Draft
from optout.guard import ACTIVE, NOT_SEPARABLE, REVIEW, in_force
from optout.parts import open_match_part
from optout.refresh import as_judged
from optout.registry import Registry, match_part
from optout.replay import Standing, replay
from schemas.claim import MatchPart, StyleCalibration


@dataclass(frozen=True, slots=True)
class Stated:
    """What was recorded, and where the claim stood before and stands now."""

    recorded: Recorded
    before: Standing
    after: Standing
    part: MatchPart


@dataclass(frozen=True, slots=True)
class Waiting:
    """A claim whose style does not act and could. style: as it stands."""

    standing: Standing
    part: MatchPart
    style: StyleCalibration

    @property
    def acts_by_authorship(self) -> bool:
        """Whether the style would act if it were proved that the works are the claimant's own."""
        return in_force(self.style, authorship=True, accepted=False).state == ACTIVE


def state(registry: Registry, draft: Draft) -> Stated:
    """Record a moderator's statement. Raises ClaimError where it is not allowed."""
    claim_id = draft.statement.claim
    before = registry.standing(claim_id)
    match, _ = registry.parts(claim_id)
    recorded = registry.append(draft)
    return Stated(recorded, before, registry.standing(claim_id), open_match_part(match))


def waiting(registry: Registry) -> list[Waiting]:
    """Return the claims in force whose style needs review, or would act by authorship alone."""
    view = registry.view()
    found = []
    for standing in replay(view.leaves, registry.where).values():
        if not standing.in_force:
            continue
        part = as_judged(match_part(view, standing, registry.where), view.matcher)
        one = Waiting(standing, part, standing.style(part.style))
        if one.style.state == REVIEW or (
            one.style.state == NOT_SEPARABLE and one.acts_by_authorship
        ):
            found.append(one)
    return found
