"""The log read from its beginning: what it says about every claim. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from optout.entry import Entry, parse_leaf
from optout.lifecycle import CARRYING, IN_FORCE, SIGNERS, Event, Signer, State, move
from optout.log import merkle
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

    @property
    def in_force(self) -> bool:
        """Whether builders are to honour the claim."""
        return self.state in IN_FORCE


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
    if (entry.level is not None) != (entry.type == Event.VERIFY):
        raise ClaimError(f"expected a level on {Event.VERIFY} and nowhere else, found {entry.type}")
    carries = entry.type in CARRYING
    if bool(entry.match) != carries or bool(entry.identity) != carries:
        raise ClaimError(f"expected both commitments on {sorted(CARRYING)} and nowhere else")
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
    level = before.level if entry.level is None else entry.level
    part_seq = seq if carries else before.part_seq
    return replace(
        before, state=state, level=level, seq=seq, entry_hash=entry_hash, part_seq=part_seq
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


def entries(leaves: Sequence[bytes], where: str) -> Iterable[tuple[int, Entry]]:
    """Give each entry with its place in the log."""
    for seq, leaf in enumerate(leaves):
        yield seq, parse_leaf(leaf, f"entry {seq} of {where}")
