"""Where a claim stands or stood, out of a registry: states, releases that applied it, proofs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from optout import past
from optout.leaf import entries, notices
from optout.log.policy import Policy
from optout.notice import ReleaseNotice
from optout.past import StatusProof, Stood
from optout.registry import LogView, Registry
from optout.replay import Standing, step
from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class AppliedIn:
    """A release that was announced, and where the claim stood in the state that it was made by.

    then: null where it was made before the claim was there, or without this registry.
    """

    release: ReleaseNotice
    seq: int
    then: Standing | None


def applied(leaves: Sequence[bytes], standing: Standing, where: str) -> list[AppliedIn]:
    """Return the releases announced in a log, the newest last."""
    life: list[Standing] = []
    for seq, entry in entries(leaves, where):
        if entry.claim == standing.claim_id:
            life.append(step(life[-1] if life else None, seq, entry))

    def then(one: ReleaseNotice) -> Standing | None:
        size = one.applied.size if one.applied else 0
        return next((stood for stood in reversed(life) if stood.seq < size), None)

    return [
        AppliedIn(one, seq, then(one))
        for seq, one in notices(leaves, where)
        if isinstance(one, ReleaseNotice)
    ]


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
    """Return the proof of where a claim stood. Raises RegistryError where no epoch shows it."""
    return past.make(claim, view, registry.checkpoints(), policy, at)


def shown(found: StatusProof, policy: Policy) -> Stood:
    """Return what a proof shows. Raises ProofError where it does not hold."""
    return past.verified(found, policy)
