"""The guard: whether works are a style that may act, from the numbers that enrolling found.

One pure function for every time at which the question is asked: when a style is tested, and in
each snapshot, where the log has more to say. Two things that a moderator states change the answer:

* *authorship* is proved: the works are the claimant's own. Then it no longer matters how alike they
  are. That finding stands for another one, that several hands made them, and works by five hands on
  one subject cannot be proved to be anybody's. Nor does it count then what those have claimed whose
  control nobody has proved. Whether a style knows itself, and what it would take of others, counts
  as ever.
* a style that needs review is *accepted*: somebody has looked. That lifts nothing else.

Source of the rule and the constants: docs/registry.md, measured on hands that were not tuned to.
"""

from collections.abc import Iterator
from typing import Literal

from schemas.claim import StyleCalibration, StyleOverlap

ALPHA = 1e-3  # the rate at which a claim is tested: the budget of a style that acts alone
LEAST_SELF_RECALL = 0.2
LEAST_COHESION = 4.3  # spreads above chance: what most works of several hands on one subject lack
REVIEWED_COHESION = 2.5  # between the two somebody looks; below it works of ten hands begin
MOST_OF_ANOTHER = 0.02  # of the works of another hand, at the threshold that would act
MOST_NEAR_ANOTHER = 0.25  # the same at optout.enrol.GUARD_RATE
MOST_OF_A_COHORT_HAND = 0.25
SHARE_CAP = 3.0  # times ALPHA of the cohort's images: no style may take more without a look

ACTIVE: Literal["active"] = "active"
REVIEW: Literal["needs review"] = "needs review"
NOT_SEPARABLE: Literal["not separable"] = "not separable"

Found = tuple[Literal["active", "needs review", "not separable"], str]
"""A state, and what speaks for it."""


def in_force(style: StyleCalibration, *, authorship: bool, accepted: bool) -> StyleCalibration:
    """Return a style with the state in which it stands, given what moderators have stated.

    style: as enrolling recorded it. Neither statement takes from it what it had.
    """
    state, note = style.state, style.note
    if authorship and state in (REVIEW, NOT_SEPARABLE):
        state, note = outcome(style, authorship=True)
    if accepted and state == REVIEW:
        state, note = ACTIVE, ""
    return style.model_copy(update={"state": state, "note": note})


def outcome(style: StyleCalibration, *, authorship: bool = False) -> Found:
    """Return state and note from the numbers of a style: the weightiest finding decides."""
    return next(_findings(style, authorship=authorship), (ACTIVE, ""))


def acts_by_authorship(style: StyleCalibration) -> bool:
    """Say whether a style would act if it were proved that the works are the claimant's own."""
    return in_force(style, authorship=True, accepted=False).state == ACTIVE


def waits(style: StyleCalibration) -> bool:
    """Say whether a moderator could let a style act that does not; style: as it stands."""
    return style.state == REVIEW or (style.state == NOT_SEPARABLE and acts_by_authorship(style))


def confused(other: StyleOverlap) -> bool:
    """Say whether a style cannot tell the other's works from its own."""
    taken, near = other.taken / other.works, other.near / other.works
    return max(taken / MOST_OF_ANOTHER, near / MOST_NEAR_ANOTHER) > 1


def weight(other: StyleOverlap) -> int:
    """Return how much another's works count against a style: 0 decides before 4."""
    if confused(other):
        return 0 if other.proved else 2
    if other.copies:
        return 1 if other.proved else 3
    return 4


def _findings(style: StyleCalibration, *, authorship: bool) -> Iterator[Found]:
    """Give what speaks against a style, the weightiest first."""
    recall, together = style.self_recall or 0.0, style.cohesion or 0.0
    if recall < LEAST_SELF_RECALL:
        said = f"only {recall:.0%} of the works are recognised by the others"
        yield NOT_SEPARABLE, f"{said}; {LEAST_SELF_RECALL:.0%} are needed"
    above = f"({together:.1f} spreads above chance; {LEAST_COHESION} are needed)"
    if together < REVIEWED_COHESION and not authorship:
        said = "the works are hardly more alike than works of different hands are"
        yield NOT_SEPARABLE, f"{said} {above}"
    yield from _of_others(style, authorship=authorship)
    if together < LEAST_COHESION and not authorship:
        said = "than works of several hands on one subject often are"
        yield REVIEW, f"the works are no more alike {above} {said}"
    if (share := style.hand_share or 0.0) > MOST_OF_A_COHORT_HAND:
        yield REVIEW, f"{share:.0%} of the works of one cohort hand would be taken"
    if (hits := style.cohort_hits or 0) > SHARE_CAP * ALPHA * (style.cohort_images or 0):
        said = f"{hits} images by others would be taken"
        yield REVIEW, f"{said}, more than {SHARE_CAP:g} times the rate that it declares"


def _of_others(style: StyleCalibration, *, authorship: bool) -> Iterator[Found]:
    """Give what works of others speak against a style."""
    # one whose control nobody has proved could hold up an author by claiming works like theirs
    others = [o for o in style.overlaps if not authorship or o.proved is not False]
    near = sorted(filter(confused, others), key=lambda o: not o.proved)
    for one in near[:1]:
        said = f"{one.near} of {one.works} works there are near, {one.taken} would be taken"
        state = NOT_SEPARABLE if one.proved else REVIEW
        yield state, f"it cannot be told from {one.label}: {said}"
    for one in [o for o in others if o.copies][:1]:
        yield REVIEW, f"{one.copies} works are copies of works of {one.label}"
