"""A proof of where a claim stood at a past date: two epochs around it, each by one root. Pure.

An epoch says where every claim stood after so many entries, as the root of a map (optout.status).
The one before the date shows the state; in the one after it the claim's newest entry is still the
same, so that nothing was said of it in between. Times count as proved only where witnesses that the
verifier's policy asks for have cosigned; else they are the registry's word, and said to be.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from optout.leaf import read_leaf
from optout.log import checkpoint, proof
from optout.log import policy as policies
from optout.log.merkle import leaf_hash
from optout.log.note import VerifierKey
from optout.log.policy import Policy, Vouched
from optout.log.proof import LogProof
from optout.log.sparse import Proof, SparseMap, verify
from optout.notice import EpochNotice
from optout.receipt import prove
from optout.registry import LogView
from optout.replay import Standing, replay
from optout.status import claim_key, epochs, standing_json, standing_value, status_map
from schemas.canonical import canonical_json, readable_json
from schemas.errors import ProofError, RegistryError, SchemaError

SUFFIX = ".status.json"


class Shown(BaseModel):
    """What one epoch says of the claim: its entry, that it is in the log, the claim in its map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: dict[str, Any]  # the entry
    log_proof: str  # of that entry, as a .tlog-proof
    standing: dict[str, Any] | None  # null: there was no claim of that id
    map_proof: dict[str, str]


class StatusProof(BaseModel):
    """The file of a proof. after: null where no later epoch is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["recuse-status/1"] = "recuse-status/1"
    origin: str
    claim: str
    before: Shown
    after: Shown | None = None

    def to_bytes(self) -> bytes:
        """Return the proof as JSON for a file."""
        return readable_json(self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Moment:
    """When an epoch was there. proved: by the quorum of a policy; else by the registry's clock."""

    at: datetime
    proved: bool


@dataclass(frozen=True, slots=True)
class Stood:
    """What a proof shows: the state of a claim from a moment on, and how long nothing changed.

    state: "" where there was no such claim. until: null where no later epoch shows the same.
    changed: a later epoch shows a newer entry about the claim.
    """

    claim: str
    state: str
    level: int
    since: Moment
    until: Moment | None
    changed: bool
    quorum: bool

    def holds_at(self, at: datetime) -> bool:
        """Say whether the state is shown for that date."""
        return self.since.at <= at and self.until is not None and at <= self.until.at


def make(
    claim: str,
    view: LogView,
    signed: Sequence[tuple[int, bytes]],
    policy: Policy,
    at: datetime | None,
) -> StatusProof:
    """Return the proof of where a claim stood at a date, by default at the newest epoch.

    signed: kept checkpoints by size, the smallest first; what the policy does not take, as of a key
    before a rotation that it does not name, is passed over. Raises RegistryError where no epoch
    with a checkpoint was there by then.
    """
    leaves, where = view.leaves, view.origin
    hashes = [leaf_hash(leaf) for leaf in leaves]
    usable = [(size, body, vouched) for size, body in signed if (vouched := _vouched(body, policy))]
    known = [
        (seq, epoch, found[1], found[2])
        for seq, epoch in epochs(leaves, where)
        if (found := next((one for one in usable if one[0] > seq), None))
    ]
    times = [_moment(epoch, vouched.times, policy).at for _, epoch, _, vouched in known]
    before = [n for n, time in enumerate(times) if at is None or time <= at]
    if not before:
        raise RegistryError(
            f"expected an epoch of {where} {'by ' + at.isoformat() if at else 'that is signed'},"
            " found none: recuse registry publish makes them"
        )
    after = [n for n in range(len(times)) if at is not None and n > before[-1]]
    origin = checkpoint.parse(known[before[-1]][2]).origin

    def shown(number: int) -> Shown:
        seq, epoch, body, _ = known[number]
        standings = replay(leaves[: epoch.size], where)
        return _shown(claim, epoch, prove(seq, hashes, body), standings.get(claim), standings)

    return StatusProof(
        origin=origin,
        claim=claim,
        before=shown(before[-1]),
        after=shown(after[0]) if after else None,
    )


def _vouched(body: bytes, policy: Policy) -> Vouched | None:
    try:
        return policies.opened(body, policy)
    except ProofError:
        return None


def _shown(
    claim: str,
    epoch: EpochNotice,
    log_proof: LogProof,
    standing: Standing | None,
    standings: dict[str, Standing],
) -> Shown:
    claims: SparseMap = status_map(standings)
    return Shown(
        epoch=epoch.model_dump(mode="json"),
        log_proof=log_proof.to_bytes().decode(),
        standing=standing_json(standing) if standing else None,
        map_proof=claims.prove(claim_key(claim)).as_json(),
    )


def _moment(epoch: EpochNotice, times: Mapping[VerifierKey, int], policy: Policy) -> Moment:
    at = policy.existed_by(times)
    if at is None:
        return Moment(datetime.fromisoformat(epoch.recorded_at), proved=False)
    return Moment(datetime.fromtimestamp(at, UTC), proved=True)


def parse(body: bytes, where: str) -> StatusProof:
    """Return the proof that a file holds. Raises ProofError for anything else."""
    try:
        return StatusProof.model_validate(json.loads(body))
    except (ValueError, RecursionError) as e:
        raise ProofError(f"expected a proof of a status in {where}: {e}") from e


def verified(found: StatusProof, policy: Policy) -> Stood:
    """Return what a proof shows by a policy. Raises ProofError where it does not hold."""
    epoch, standing, since, quorum = _read(found, found.before, policy)
    state, level = (standing["state"], standing["level"]) if standing else ("", 0)
    until, changed = None, False
    if found.after is not None:
        later, then, moment_after, quorum_after = _read(found, found.after, policy, last=True)
        if later.size <= epoch.size:
            raise ProofError(f"expected an epoch after {epoch.size} entries, found {later.size}")
        quorum = quorum and quorum_after
        changed = (then or {}).get("entry") != (standing or {}).get("entry")
        until = None if changed else moment_after
    return Stood(found.claim, state, level, since, until, changed, quorum)


def _read(
    found: StatusProof, shown: Shown, policy: Policy, *, last: bool = False
) -> tuple[EpochNotice, dict[str, Any] | None, Moment, bool]:
    try:
        leaf = canonical_json(shown.epoch)
        epoch = read_leaf(leaf, "the proof of a status")
    except (SchemaError, RegistryError) as e:
        raise ProofError(f"expected the entry of an epoch, found {e}") from e
    if not isinstance(epoch, EpochNotice):
        raise ProofError("expected the entry of an epoch, found another entry")
    proved = proof.verify(leaf, proof.parse(shown.log_proof.encode()), policy)
    if proved.checkpoint.origin != found.origin:
        raise ProofError(f"expected the log {found.origin}, found {proved.checkpoint.origin}")
    value = verify(
        bytes.fromhex(epoch.map_root), claim_key(found.claim), Proof.from_json(shown.map_proof)
    )
    said = shown.standing
    if said is not None and said.get("claim") != found.claim:
        raise ProofError(f"expected what is said of claim {found.claim}, found another")
    if value != (None if said is None else standing_value(said)):
        raise ProofError(f"expected what the map says of claim {found.claim}, found something else")
    moment = _moment(epoch, proved.times, policy)
    if last and proved.checkpoint.size != proved.index + 1:
        # A longer log says nothing of when this was its newest epoch.
        moment = Moment(datetime.fromisoformat(epoch.recorded_at), proved=False)
    return epoch, said, moment, proved.quorum
