"""The claimant's receipt: a proof in an open format, and beside it what the proof is about. Pure.

    CLAIM.tlog-proof      that the entry is in the log, by a checkpoint that others can verify
                          (C2SP tlog-proof); says nothing of the claim
    CLAIM.receipt.json    the entry, the two parts that it commits to, and their salts; belongs to
                          the claimant alone

Both hold without the registry: what they prove depends on the keys of a policy file and on nothing
else. The proof can be had again, with more cosignatures; what it is about stays as it is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optout.commitment import OpenedPart
from optout.entry import Draft, Entry
from optout.leaf import read_leaf
from optout.log import checkpoint, merkle, proof
from optout.log.policy import Policy
from optout.log.proof import LogProof, Proved
from schemas.canonical import canonical_json, readable_json
from schemas.errors import CurationError, ProofError


class Salts(BaseModel):
    """The salts of the two parts, hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str
    identity: str


class Parts(BaseModel):
    """The two parts as they were committed to, whatever fields later versions add."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: dict[str, Any]
    identity: dict[str, Any]


class Receipt(BaseModel):
    """What a proof is about, as it is written to a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["recuse-receipt/2"] = "recuse-receipt/2"
    origin: str
    claim: str
    entry: Entry
    parts: Parts
    salts: Salts
    seq: Annotated[int, Field(ge=0)]

    def to_bytes(self) -> bytes:
        """Return the receipt as JSON for a file."""
        return readable_json(self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Held:
    """A receipt that holds: what it is about, and what its proof has shown."""

    receipt: Receipt
    proved: Proved


def make(origin: str, draft: Draft, entry: Entry, seq: int) -> Receipt:
    """Return what the proof of a recorded claim is about. Raises ProofError where a part is absent.

    seq: the entry's place in the log.
    """
    if draft.match is None or draft.identity is None:
        raise ProofError("expected a draft with both parts")
    receipt = Receipt(
        origin=origin,
        claim=entry.claim,
        entry=entry,
        parts=Parts(
            match=json.loads(draft.match.payload), identity=json.loads(draft.identity.payload)
        ),
        salts=Salts(match=draft.match.salt.hex(), identity=draft.identity.salt.hex()),
        seq=seq,
    )
    check(receipt)
    return receipt


def prove(seq: int, leaf_hashes: Sequence[bytes], signed: bytes) -> LogProof:
    """Return the proof that an entry is in the log that a signed checkpoint speaks of.

    leaf_hashes: of that log. Raises ProofError where they do not lead to the checkpoint's root.
    """
    head = checkpoint.parse(signed)
    own = leaf_hashes[: head.size]
    hashes = merkle.inclusion_proof(own, seq)
    merkle.verify_inclusion(own[seq], seq, head.size, hashes, head.root)
    return LogProof(seq, tuple(hashes), signed)


def parse(body: bytes, where: str) -> Receipt:
    """Return the receipt that a file holds. Raises ProofError for anything else."""
    try:
        return Receipt.model_validate(json.loads(body))
    except (ValueError, RecursionError) as e:
        raise ProofError(f"expected a receipt in {where}: {e}") from e


def check(receipt: Receipt) -> None:
    """Raise ProofError unless parts, commitments and signature belong to the entry."""
    entry = receipt.entry
    if entry.claim != receipt.claim:
        raise ProofError(f"expected an entry of claim {receipt.claim}, found {entry.claim}")
    try:
        entry.check_signature()
        salts = {n: bytes.fromhex(getattr(receipt.salts, n)) for n in ("match", "identity")}
        for name, salt in salts.items():
            payload = canonical_json(getattr(receipt.parts, name))
            OpenedPart(payload, salt).check(getattr(entry, name), f"the {name} part")
    except (ValueError, CurationError) as e:
        raise ProofError(f"receipt of {receipt.claim} does not hold: {e}") from e


def check_place(receipt: Receipt, shown: LogProof) -> None:
    """Raise ProofError unless a proof is that of the receipt's entry, by number and log."""
    if shown.index != receipt.seq:
        raise ProofError(f"expected the proof of entry {receipt.seq}, found that of {shown.index}")
    origin = checkpoint.parse(shown.checkpoint).origin
    if origin != receipt.origin:
        raise ProofError(f"expected a proof of the log {receipt.origin}, found one of {origin}")


def verify(receipt: Receipt, shown: LogProof, policy: Policy) -> Held:
    """Return what a receipt proves by a policy.

    Raises ProofError unless the parts belong to the entry, and the entry is in a log of the policy
    at the place that the receipt names. An unmet quorum is told, not raised.
    """
    check(receipt)
    check_place(receipt, shown)
    leaf = receipt.entry.leaf()
    read_leaf(leaf, "the receipt")
    return Held(receipt, proof.verify(leaf, shown, policy))
