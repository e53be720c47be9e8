"""Which of several signals counts, and what a forbidden purpose entails for a row.

Most restrictive wins, per purpose: any DENY is DENY, else any ERROR is ERROR, else any ALLOW is
ALLOW, else SILENT. A permission of one family never cancels a reservation of another.
Source: draft-ietf-aipref-vocab section 5.1, with ERROR (hold) added.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from optout.signals.signal import Signal
from schemas.verdict import Purpose, Say, Verdict

STRICTNESS: Mapping[Say, int] = MappingProxyType(
    {Say.SILENT: 0, Say.ALLOW: 1, Say.ERROR: 2, Say.DENY: 3}
)


class Step(StrEnum):
    """What a build does with an asset, in this order."""

    ASK = "ask"  # send a request for it, or read on
    HASH = "hash"  # compute any key but the sha256 of its bytes
    EMBED = "embed"  # let a model see it
    RELEASE = "release"


ENTAILS: Mapping[Purpose, frozenset[Step]] = MappingProxyType(
    {
        Purpose.FETCH: frozenset(Step),
        Purpose.MINE: frozenset({Step.HASH, Step.EMBED, Step.RELEASE}),
        Purpose.INFER: frozenset({Step.EMBED, Step.RELEASE}),
        Purpose.TRAIN_DISC: frozenset(),
        Purpose.TRAIN_GEN: frozenset(),
    }
)
"""Steps that a denied purpose forbids in every build. A build always hashes and embeds, so what
may not be mined or shown to a model cannot be released; and whatever the build is for, a denial
of that purpose forbids the release too (`forbidden_steps`)."""


def strictest(says: Iterable[Say]) -> Say:
    """Return the most restrictive of what was said; SILENT where nothing was."""
    return max(says, key=STRICTNESS.__getitem__, default=Say.SILENT)


def combine(signals: Iterable[Signal]) -> dict[Purpose, Say]:
    """Return what all signals together say about each purpose."""
    says = dict.fromkeys(Purpose, Say.SILENT)
    for signal in signals:
        says[signal.purpose] = strictest((says[signal.purpose], signal.say))
    return says


def binding(purpose: Purpose) -> frozenset[Purpose]:
    """Return the purposes whose denial keeps a row out of a build for `purpose`."""
    return frozenset({p for p in Purpose if Step.RELEASE in ENTAILS[p]} | {purpose})


def forbidden_steps(says: Mapping[Purpose, Say], purpose: Purpose) -> frozenset[Step]:
    """Return the steps that a build for `purpose` may not take with an asset."""
    denied = {p for p in Purpose if says.get(p) is Say.DENY}
    steps = frozenset[Step]().union(*(ENTAILS[p] for p in denied))
    return steps | {Step.RELEASE} if purpose in denied else steps


def verdict(says: Mapping[Purpose, Say], purpose: Purpose) -> Verdict:
    """Return what becomes of a row in a build for `purpose`: drop on a denial, hold on an error."""
    if Step.RELEASE in forbidden_steps(says, purpose):
        return Verdict.DROP
    if any(says.get(p) is Say.ERROR for p in binding(purpose)):
        return Verdict.HOLD
    return Verdict.KEEP
