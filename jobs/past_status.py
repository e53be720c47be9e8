"""Where a claim stands or stood, out of a registry: states, releases that applied it, proofs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from optout import past
from optout.leaf import notices
from optout.log.policy import Policy
from optout.notice import ReleaseNotice
from optout.past import StatusProof, Stood
from optout.registry import LogView, Registry
from optout.replay import Standing
from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class AppliedIn:
    """A release that was announced, and whether it was made by a state that holds the claim."""

    release: ReleaseNotice
    seq: int
    has_claim: bool


def applied(leaves: Sequence[bytes], standing: Standing, where: str) -> list[AppliedIn]:
    """Return the releases announced in a log, the newest last."""
    begun = _submitted(leaves, standing)
    return [
        AppliedIn(one, seq, one.applied is not None and one.applied.size > begun)
        for seq, one in notices(leaves, where)
        if isinstance(one, ReleaseNotice)
    ]


def _submitted(leaves: Sequence[bytes], standing: Standing) -> int:
    """Return the place of a claim's first entry."""
    shown = f'"claim":"{standing.claim_id}"'.encode()
    return next(seq for seq, leaf in enumerate(leaves) if shown in leaf)


def moment(text: str) -> datetime | None:
    """Return the time that a date or time means, UTC; null for none. Raises UsageError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as e:
        raise UsageError(f"expected a date such as 2026-05-01, found {text!r:.60}") from e
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def proved(
    registry: Registry, view: LogView, claim: str, policy: Policy, at: datetime | None
) -> StatusProof:
    """Return the proof of where a claim stood. Raises ClaimError where no epoch shows it."""
    return past.make(claim, view, registry.checkpoints(), policy, at)


def shown(found: StatusProof, policy: Policy) -> Stood:
    """Return what a proof shows. Raises ProofError where it does not hold."""
    return past.verified(found, policy)
