"""Erasing a claim, or who asks in it."""

from dataclasses import dataclass

from jobs.signed_heads import require_continued
from optout.append import Recorded
from optout.entry import Draft, Random, draft_erase_identity, draft_move
from optout.erasure import without_identity
from optout.keys import SigningKey
from optout.lifecycle import Event, Signer
from optout.parts import open_match_part
from optout.registry import Registry
from optout.replay import Standing
from schemas.claim import MatchPart
from schemas.errors import RollbackError


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: the entry that says so, and what is left at work; null where nothing is."""

    recorded: Recorded
    left: MatchPart | None


def require_newest(registry: Registry) -> None:
    """Raise RollbackError where a database is older than what its log has signed.

    By such a state the key would be destroyed of a claim whose newer entries are not there: with
    the newer database back, nobody could read what they say, nor see that it was erased.
    """
    try:
        require_continued(registry)
    except RollbackError as e:
        e.add_note(
            "nothing was erased. With the newer database back, say it again; where there is none,"
            " the log is at its end: whoever keeps the registry deletes this copy and the file of"
            " claim keys, and with them all that its claims say"
        )
        raise


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
    """Record an erasure, and destroy parts, salts and key of what it forgets.

    Raises RollbackError as `require_newest`, ClaimError where it is not allowed.
    """
    require_newest(registry)
    recorded = registry.append(draft)
    return Erased(recorded, open_match_part(draft.match) if draft.match else None)
