"""The claimant's receipt: what they said, where it stands in the log, and the proof of it.

It opens the commitments of one claim and belongs to the claimant alone. That the registry shows
the same log to everybody else, a receipt of this form cannot say: nobody has signed its root.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optout.append import Recorded
from optout.commitment import OpenedPart
from optout.entry import Draft, Entry
from optout.log import merkle
from schemas.canonical import canonical_json
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
    """A receipt as it is written to a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["recuse-receipt/1"] = "recuse-receipt/1"
    origin: str
    claim: str
    entry: Entry
    parts: Parts
    salts: Salts
    seq: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=1)]
    root: str
    proof: tuple[str, ...]  # inclusion of the entry, hex

    def to_bytes(self) -> bytes:
        """Return the receipt as JSON for a file."""
        document = json.loads(canonical_json(self.model_dump(mode="json")))
        return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def make(origin: str, draft: Draft, recorded: Recorded, leaves: list[bytes]) -> Receipt:
    """Return the receipt of a submitted claim.

    leaves: leaf hashes of the log at `recorded.size`. Raises ProofError where they do not lead to
    the recorded root.
    """
    if draft.match is None or draft.identity is None:
        raise ProofError("expected a draft with both parts")
    proof = merkle.inclusion_proof(leaves[: recorded.size], recorded.seq)
    receipt = Receipt(
        origin=origin,
        claim=recorded.entry.claim,
        entry=recorded.entry,
        parts=Parts(
            match=json.loads(draft.match.payload), identity=json.loads(draft.identity.payload)
        ),
        salts=Salts(match=draft.match.salt.hex(), identity=draft.identity.salt.hex()),
        seq=recorded.seq,
        size=recorded.size,
        root=recorded.root,
        proof=tuple(node.hex() for node in proof),
    )
    check(receipt)
    return receipt


def parse(body: bytes, where: str) -> Receipt:
    """Return the receipt that a file holds. Raises ProofError for anything else."""
    try:
        return Receipt.model_validate(json.loads(body))
    except (ValueError, RecursionError) as e:
        raise ProofError(f"expected a receipt in {where}: {e}") from e


def check(receipt: Receipt) -> None:
    """Raise ProofError unless parts, commitments, signature, entry and root belong together."""
    entry = receipt.entry
    if entry.claim != receipt.claim:
        raise ProofError(f"expected an entry of claim {receipt.claim}, found {entry.claim}")
    try:
        entry.check_signature()
        salts = {n: bytes.fromhex(getattr(receipt.salts, n)) for n in ("match", "identity")}
        proof = [bytes.fromhex(node) for node in receipt.proof]
        root = bytes.fromhex(receipt.root)
        for name, salt in salts.items():
            payload = canonical_json(getattr(receipt.parts, name))
            OpenedPart(payload, salt).check(getattr(entry, name), f"the {name} part")
    except (ValueError, CurationError) as e:
        raise ProofError(f"receipt of {receipt.claim} does not hold: {e}") from e
    leaf = merkle.leaf_hash(entry.leaf())
    merkle.verify_inclusion(leaf, receipt.seq, receipt.size, proof, root)
