"""Erasing a claim, or who asks in it."""

from dataclasses import dataclass

from optout.append import Recorded
from optout.entry import Draft, Random, draft_erase_identity, draft_move
from optout.erasure import without_identity
from optout.keys import SigningKey
from optout.lifecycle import Event, Signer
from optout.parts import open_match_part
from optout.registry import Registry
from optout.replay import Standing
from schemas.claim import MatchPart


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: the entry that says so, and what is left at work; null where nothing is."""

    recorded: Recorded
    left: MatchPart | None


def draft_erasure(
    registry: Registry,
    standing: Standing,
    key: SigningKey,
    random: Random,
    *,
    everything: bool,
    by: Signer = Signer.CLAIMANT,
) -> Draft:
    """Return the statement that erases a claim, or who asks. Raises ClaimError as `erasure`."""
    place = standing.claim_id, standing.entry_hash, key
    if everything:
        return draft_move(Event.ERASE, *place, by=by)
    match, _ = registry.parts(standing.claim_id)
    return draft_erase_identity(without_identity(open_match_part(match)), *place, random, by)


def erase(registry: Registry, draft: Draft) -> Erased:
    """Record an erasure, and destroy parts, salts and key of what it forgets."""
    recorded = registry.append(draft)
    return Erased(recorded, open_match_part(draft.match) if draft.match else None)
