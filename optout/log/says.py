"""How much a signed checkpoint says by a policy: which of two is worth keeping. Pure."""

from dataclasses import dataclass

from optout.log import note
from optout.log import policy as policies
from optout.log.policy import Policy
from schemas.errors import ProofError


@dataclass(frozen=True, slots=True, order=True)
class Says:
    """How much a checkpoint says by a policy, what counts most first.

    is_taken: a log of the policy has signed it, and no line of a known key fails. quorum: the
    witnesses that the policy asks for have cosigned. witnesses: how many of its own have. others:
    keys that it does not know, whose lines anybody may have added; they decide between equals only,
    since another policy may know them.
    """

    is_taken: bool
    quorum: bool = False
    witnesses: int = 0
    others: int = 0


def says(body: bytes, policy: Policy) -> Says:
    """Return how much a checkpoint says by a policy."""
    try:
        found = policies.opened(body, policy)
    except ProofError:
        return Says(is_taken=False)
    known = {(key.name, key.key_id) for key in (*policy.witness_keys, found.log)}
    signed = {(line.name, line.key_id) for line in note.parse(body).signatures}
    return Says(True, found.quorum, len(found.times), len(signed - known))
