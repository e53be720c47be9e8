"""What a claim may do, by rule and level, and the states it goes through. Tables, drawn in docs.

The defaults follow what a mistake costs: a row dropped by mistake costs a builder one row, a row
kept by mistake cannot be called back. So listed works act as soon as they are recorded, while
names, hosts and styles, which reach further than what was shown, wait for proof of control.
"""

from enum import StrEnum

from schemas.errors import ClaimError
from schemas.verdict import Stance

PROVED = 2
"""The level from which a claimant's control counts as proved; `trust_local` stands for it."""

LEVELS = {
    0: "nothing is known beyond what the claim says",
    1: "a public profile is under the claimant's control",
    2: "a domain is under the claimant's control, or the works are signed",
    3: "a legal person, or somebody who represents one, has been checked",
}


class Rule(StrEnum):
    """By what a row and a claim were found to belong together."""

    URL = "url"  # an address that the claim lists
    HOST = "host"
    ACCOUNT = "account"  # a path on a host that others share
    NAME = "name"  # a name or alias in the caption
    SHA256 = "sha256"  # the very bytes of a listed work
    PIXEL_SHA256 = "pixel_sha256"  # the very pixels of its canonical decode
    PERCEPTUAL = "perceptual"  # PDQ, and the copy vector as second key
    COPY = "copy"  # the copy vector, relative to the cohort
    KEYPOINTS = "keypoints"  # key points that lie alike, and the copy vector as second key
    STYLE = "style"  # a look-alike; acts on a single image
    STYLE_VOTE = "style_vote"  # of a source whose images together are look-alikes
    STYLE_WEAK = "style_weak"  # a look-alike; acts with a second key only
    STYLE_BAND = "style_band"  # nearly a look-alike: holds the row until somebody has looked


WORK_RULES = frozenset({Rule.SHA256, Rule.PIXEL_SHA256, Rule.PERCEPTUAL, Rule.COPY, Rule.KEYPOINTS})
STYLE_RULES = frozenset({Rule.STYLE, Rule.STYLE_VOTE, Rule.STYLE_WEAK, Rule.STYLE_BAND})

ACTS_FROM: dict[Stance, dict[Rule, int]] = {
    Stance.OPT_OUT: {
        Rule.URL: 0,
        Rule.SHA256: 0,
        Rule.PIXEL_SHA256: 0,
        Rule.PERCEPTUAL: 0,
        Rule.COPY: 0,
        Rule.KEYPOINTS: 0,
        Rule.HOST: PROVED,
        Rule.ACCOUNT: PROVED,
        Rule.NAME: PROVED,
        Rule.STYLE: PROVED,
        Rule.STYLE_VOTE: PROVED,
        Rule.STYLE_WEAK: PROVED,
        Rule.STYLE_BAND: PROVED,
    },
    # Who grants by mistake grants what is not theirs: exact keys and hosts only, never likeness.
    Stance.OPT_IN: {
        Rule.URL: PROVED,
        Rule.SHA256: PROVED,
        Rule.PIXEL_SHA256: PROVED,
        Rule.HOST: PROVED,
        Rule.ACCOUNT: PROVED,
    },
}
"""The level from which a rule acts; a rule that is missing never acts."""


def acts(rule: Rule | str, level: int, trust_local: bool, stance: Stance | str) -> bool:
    """Say whether a match by `rule` may decide about a row.

    level: 0..3, of the claim. trust_local: the registry is the builder's own, which stands for
    PROVED. `STYLE_WEAK` acts only together with a second key, whatever this says.
    """
    needed = ACTS_FROM[Stance(stance)].get(Rule(rule))
    reached = max(level, PROVED) if trust_local else level
    return needed is not None and reached >= needed


class Event(StrEnum):
    """What a log entry says about a claim."""

    SUBMIT = "submit"
    REFRESH = "refresh"  # vectors of the registry's matcher for works that lack them
    VERIFY = "verify"  # a moderator states what was proved: a level, authorship
    ACCEPT_STYLE = "accept_style"  # a moderator lets a style act that needs review
    WITHDRAW = "withdraw"
    ERASE_IDENTITY = "erase_identity"  # who asks is forgotten; hashes and vectors stay at work
    ERASE = "erase"  # all that the claim says is forgotten, and its protection ends


class Authorship(StrEnum):
    """By what it was established that the works are the claimant's own."""

    HOST = "host"
    SIGNATURE = "signature"


AUTHORSHIP = {
    Authorship.HOST: "the works stand on a host whose control is proved",
    Authorship.SIGNATURE: "the files carry a signature that binds them to the claimant",
}


class Acceptance(StrEnum):
    """Why a moderator lets a style act that needs review."""

    ONE_HAND = "one_hand"
    SAME_CLAIMANT = "same_claimant"
    SPARES_OTHERS = "spares_others"


ACCEPTANCE = {
    Acceptance.ONE_HAND: "the works were looked at, and are by one hand",
    Acceptance.SAME_CLAIMANT: "what it comes near to is the claimant's own, or they have leave",
    Acceptance.SPARES_OTHERS: "what it would take was looked at, and hardly any is by others",
}


class Signer(StrEnum):
    """Who signed a log entry."""

    CLAIMANT = "claimant"
    MODERATOR = "moderator"


class State(StrEnum):
    """Where a claim stands. Whether a release has applied it, only the release can say."""

    NONE = ""  # no such claim yet
    RECORDED = "recorded"
    ACTIVE = "active"  # control proved
    WITHDRAWN = "withdrawn"
    ERASED = "erased"


IN_FORCE = frozenset({State.RECORDED, State.ACTIVE})

MOVES: dict[tuple[State, Event], State] = {
    (State.NONE, Event.SUBMIT): State.RECORDED,
    (State.RECORDED, Event.REFRESH): State.RECORDED,
    (State.ACTIVE, Event.REFRESH): State.ACTIVE,
    (State.RECORDED, Event.VERIFY): State.ACTIVE,
    (State.ACTIVE, Event.VERIFY): State.ACTIVE,
    (State.RECORDED, Event.ACCEPT_STYLE): State.RECORDED,
    (State.ACTIVE, Event.ACCEPT_STYLE): State.ACTIVE,
    (State.RECORDED, Event.WITHDRAW): State.WITHDRAWN,
    (State.ACTIVE, Event.WITHDRAW): State.WITHDRAWN,
    (State.RECORDED, Event.ERASE_IDENTITY): State.RECORDED,
    (State.ACTIVE, Event.ERASE_IDENTITY): State.ACTIVE,
    (State.RECORDED, Event.ERASE): State.ERASED,
    (State.ACTIVE, Event.ERASE): State.ERASED,
    (State.WITHDRAWN, Event.ERASE): State.ERASED,
}
"""Every allowed move; anything else is refused."""

CARRYING = frozenset({Event.SUBMIT, Event.REFRESH})
"""Events whose entry commits to both parts of the claim, which are in force from then on."""

ERASING = frozenset({Event.ERASE_IDENTITY, Event.ERASE})
"""Events after which the parts before are destroyed. The first commits to what is left of one."""

SIGNERS: dict[Event, frozenset[Signer]] = {
    Event.SUBMIT: frozenset({Signer.CLAIMANT}),
    Event.REFRESH: frozenset({Signer.CLAIMANT}),
    Event.VERIFY: frozenset({Signer.MODERATOR}),  # nobody proves their own level
    Event.ACCEPT_STYLE: frozenset({Signer.MODERATOR}),
    Event.WITHDRAW: frozenset({Signer.CLAIMANT, Signer.MODERATOR}),
    Event.ERASE_IDENTITY: frozenset({Signer.CLAIMANT, Signer.MODERATOR}),
    Event.ERASE: frozenset({Signer.CLAIMANT, Signer.MODERATOR}),
}


def move(state: State | str, event: Event | str) -> State:
    """Return the state after an event. Raises ClaimError where the move is not allowed."""
    after = MOVES.get((State(state), Event(event)))
    if after is None:
        raise ClaimError(
            f"expected a move that the lifecycle allows, found {event} on {_at(state)}"
        )
    return after


def _at(state: State | str) -> str:
    return f"a claim that is {state}" if state else "a claim that does not exist"
