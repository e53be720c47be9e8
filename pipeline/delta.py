"""What was left out of a release for one claim, with proof: rows of the ledger, opened. Pure.

The public ledger has a salted commitment to why each row is not inside. For a claimant the builder
opens those of rows that the claim denied, and proves that each stands in the ledger whose root the
signed manifest names. Nobody needs to be believed, and nothing is said of other claims' rows.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from optout.log import merkle
from pipeline.near.hamming import Hashes, as_words
from pipeline.release_maps import leaves
from pipeline.vault import COMMITTED, commitment, plain
from schemas.canonical import plain_json, readable_json, sha256_hex
from schemas.errors import ProofError
from schemas.manifest import Manifest
from schemas.tables import LEDGER

SUFFIX = ".delta.json"
FARTHEST = 256


class Opened(BaseModel):
    """A row that is not released, its commitment opened, and its place in the ledger proved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: dict[str, Any]  # COMMITTED and salt
    commitment: str
    index: Annotated[int, Field(ge=0)]
    proof: tuple[str, ...]  # RFC 6962 inclusion, hex


class Delta(BaseModel):
    """The file that a builder gives a claimant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["recuse-delta/1"] = "recuse-delta/1"
    claim: str
    manifest_sha256: str
    ledger: str  # root, hex
    ledger_rows: int
    rows: tuple[Opened, ...]

    def to_bytes(self) -> bytes:
        """Return the file."""
        return readable_json(self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Applied:
    """Whether a release was made by a state of the registry that has a claim, by its own word."""

    origin: str
    size: int | None  # log entries at that state; null where the registry was not used
    has_claim: bool


def applied(manifest: Manifest, origin: str, seq: int) -> Applied:
    """Return by which state of a registry a release was made. seq: of the claim's entry."""
    for one in manifest.lists:
        if one.used and one.origin == origin and one.size is not None:
            return Applied(origin, one.size, one.size > seq)
    return Applied(origin, None, has_claim=False)


def make(claim: str, manifest_body: bytes, ledger: pa.Table, vaulted: pa.Table) -> Delta:
    """Return what was left out for a claim.

    ledger: LEDGER, whole. vaulted: VAULTED of rows that the claim denied. Raises ProofError where
    a row is not in the ledger, or does not open its commitment.
    """
    ordered = ledger.sort_by("uid")
    hashes = leaves(ordered)["leaf"].to_pylist()
    places = {uid: n for n, uid in enumerate(ordered["uid"].to_pylist())}
    committed = ordered["commitment"].to_pylist()
    opened = []
    for row in vaulted.select([*COMMITTED, "salt"]).sort_by("uid").to_pylist():
        place = places.get(row["uid"])
        if place is None or commitment(row) != committed[place]:
            raise ProofError(f"expected row {row['uid']} of the vault to open its ledger row")
        proof = tuple(node.hex() for node in merkle.inclusion_proof(hashes, place))
        told = {name: plain(value) for name, value in row.items()}
        opened.append(Opened(row=told, commitment=committed[place], index=place, proof=proof))
    return Delta(
        claim=claim,
        manifest_sha256=sha256_hex(manifest_body),
        ledger=merkle.root(hashes).hex(),
        ledger_rows=len(hashes),
        rows=tuple(opened),
    )


def parse(body: bytes, where: str) -> Delta:
    """Return the delta that a file holds. Raises ProofError for anything else."""
    try:
        return Delta.model_validate(json.loads(body))
    except (ValueError, RecursionError) as e:
        raise ProofError(f"expected a delta of a release in {where}: {e}") from e


def verify(found: Delta, claim: str, manifest: Manifest, manifest_body: bytes) -> None:
    """Raise ProofError unless each row was left out of that release for that claim."""
    roots = manifest.roots
    told = found.claim, found.manifest_sha256, found.ledger, found.ledger_rows
    expected = claim, sha256_hex(manifest_body), roots.ledger, roots.ledger_rows
    if told != expected:
        raise ProofError(
            f"expected a delta of claim {claim} in release {expected[1]}, found one of claim"
            f" {found.claim} in {found.manifest_sha256}, or another ledger"
        )
    for one in found.rows:
        _verify_row(one, claim, bytes.fromhex(roots.ledger), roots.ledger_rows)
    indexes = [one.index for one in found.rows]
    if len(set(indexes)) != len(indexes):
        raise ProofError("expected each row once in a delta, found one twice")


def _verify_row(one: Opened, claim: str, root: bytes, size: int) -> None:
    row = one.row
    uid = row.get("uid")
    if set(row) != {*COMMITTED, "salt"} or row["claim_id"] != claim:
        raise ProofError(f"expected a row that claim {claim} denied, found {uid!r:.60}")
    try:
        same = commitment(row) == one.commitment
        hashes = [bytes.fromhex(node) for node in one.proof]
    except (ValueError, TypeError) as e:  # a salt that is no text
        raise ProofError(f"expected the opening of row {uid}: {e}") from e
    if not same:
        raise ProofError(f"expected row {uid} to open its commitment, found another row")
    public = {name: row[name] for name in LEDGER.names if name != "commitment"}
    leaf = merkle.leaf_hash(plain_json(public | {"commitment": one.commitment}))
    merkle.verify_inclusion(leaf, one.index, size, hashes, root)


def by_rule(rows: Iterable[Opened]) -> dict[tuple[str, str], int]:
    """Return how many rows each reason and rule left out."""
    counts: dict[tuple[str, str], int] = {}
    for one in rows:
        key = str(one.row["reason"]), str(one.row["rule"] or "")
        counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def least_distances(works: Sequence[Sequence[str]], codes: Hashes) -> list[int]:
    """Return of each work the least PDQ distance to any code; 256 where there is no code.

    works: hex codes of the variants of each. codes: uint64[n, 4], of released images.
    """
    found = []
    for variants in works:
        own = as_words([bytes.fromhex(variant) for variant in variants])
        least = FARTHEST
        for code in own:
            if len(codes):
                least = min(least, int(np.bitwise_count(codes ^ code).sum(axis=1).min()))
        found.append(least)
    return found
