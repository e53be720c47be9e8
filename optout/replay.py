"""The log read from its beginning: what it says about every claim. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optout.entry import Entry
from optout.guard import in_force
from optout.leaf import entries
from optout.lifecycle import (
    CARRYING,
    IN_FORCE,
    PROVED,
    SIGNERS,
    Acceptance,
    Authorship,
    Event,
    Signer,
    State,
    move,
)
from optout.log import merkle
from schemas.claim import StyleCalibration
from schemas.errors import ClaimError, RegistryError


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a claim stands after its newest entry."""

    claim_id: str
    state: State
    level: int
    claimant_key: str
    submitted_at: str
    seq: int  # of the newest entry
    entry_hash: str  # leaf hash of the newest entry, hex
    part_seq: int  # of the entry whose parts are in force
    authorship: Authorship | None = None  # as the newest verify states it
    accepted: Acceptance | None = None  # of the style in the parts in force

    @property
    def in_force(self) -> bool:
        """Whether builders are to honour the claim."""
        return self.state in IN_FORCE

    def style(self, recorded: StyleCalibration) -> StyleCalibration:
        """Return the style of the parts in force as moderators' statements leave it."""
        proved, accepted = self.authorship is not None, self.accepted is not None
        return in_force(recorded, authorship=proved, accepted=accepted)


def step(before: Standing | None, seq: int, entry: Entry) -> Standing:
    """Return where a claim stands after an entry.

    before: null where there is no such claim. Raises ClaimError where the entry is not allowed:
    a move that the lifecycle lacks, another previous entry, somebody else's key, a signature that
    does not verify.
    """
    state = move(before.state if before else State.NONE, entry.type)
    if entry.by not in SIGNERS[entry.type]:
        raise ClaimError(
            f"expected {entry.type} by {sorted(SIGNERS[entry.type])}, found {entry.by}"
        )
    _check_fields(entry)
    entry.check_signature()
    entry_hash = merkle.leaf_hash(entry.leaf()).hex()
    if before is None:
        return Standing(
            entry.claim, state, 0, entry.key, entry.recorded_at, seq, entry_hash, part_seq=seq
        )
    if entry.previous != before.entry_hash:
        raise ClaimError(
            f"expected an entry that follows {before.entry_hash}, found {entry.previous or 'none'}:"
            " the claim has moved on since it was signed"
        )
    if entry.by == Signer.CLAIMANT and entry.key != before.claimant_key:
        raise ClaimError(f"expected the claimant's key {before.claimant_key}, found {entry.key}")
    now = replace(before, state=state, seq=seq, entry_hash=entry_hash)
    if entry.type in CARRYING:  # another calibration: nobody has looked at that
        return replace(now, part_seq=seq, accepted=None)
    if entry.type == Event.ERASE_IDENTITY:
        return replace(now, part_seq=seq)
    if entry.level is not None:  # what was proved before counts no more, unless stated again
        return replace(now, level=entry.level, authorship=entry.authorship)
    return replace(now, accepted=entry.reason or before.accepted)


def _check_fields(entry: Entry) -> None:
    """Raise ClaimError unless an entry says what its type says, and nothing else."""
    if (entry.level is not None) != (entry.type == Event.VERIFY):
        raise ClaimError(f"expected a level on {Event.VERIFY} and nowhere else, found {entry.type}")
    if entry.authorship is not None and (entry.level or 0) < PROVED:
        raise ClaimError(
            f"expected authorship on {Event.VERIFY} of level {PROVED} or more, since it rests on"
            f" control that is proved; found {entry.type} of level {entry.level}"
        )
    if (entry.reason is not None) != (entry.type == Event.ACCEPT_STYLE):
        raise ClaimError(
            f"expected a reason on {Event.ACCEPT_STYLE} and nowhere else, found {entry.type}"
        )
    carried = {
        "match": entry.type in CARRYING or entry.type == Event.ERASE_IDENTITY,
        "identity": entry.type in CARRYING,
    }
    for name, expected in carried.items():
        if bool(getattr(entry, name)) != expected:
            raise ClaimError(
                f"expected {'a' if expected else 'no'} commitment to the {name} part on"
                f" {entry.type}, found {getattr(entry, name) or 'none'}"
            )


def replay(leaves: Sequence[bytes], where: str) -> dict[str, Standing]:
    """Return the standing of every claim, by claim id in the order of submission.

    Raises RegistryError for a leaf that is no entry, or one that may not follow.
    """
    standings: dict[str, Standing] = {}
    for seq, entry in entries(leaves, where):
        try:
            standings[entry.claim] = step(standings.get(entry.claim), seq, entry)
        except ClaimError as e:
            raise RegistryError(f"entry {seq} of {where} should not be there: {e}") from e
    return standings
