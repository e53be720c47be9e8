"""How much each reason weighs, and the verdict that it leads to: one table (docs/release.md)."""

from enum import IntEnum

from schemas.verdict import Reason, Verdict


class Standing(IntEnum):
    """How findings about one row outrank each other, the weightiest first."""

    SAFETY = 0
    DENIED = 1
    NOT_GRANTED = 2
    HELD = 3
    UNUSABLE = 4
    DUPLICATE = 5


_DENIED = (
    Reason.OPTOUT_URL,
    Reason.OPTOUT_HOST,
    Reason.OPTOUT_ACCOUNT,
    Reason.OPTOUT_NAME,
    Reason.OPTOUT_WORK,
    Reason.OPTOUT_STYLE,
    Reason.OPTOUT_COPY,
    Reason.OPTOUT_SAME_URL,
    Reason.SIGNAL_ROBOTS,
    Reason.SIGNAL_HEADER,
    Reason.SIGNAL_WELL_KNOWN,
    Reason.SIGNAL_PAGE,
    Reason.SIGNAL_EMBEDDED,
    Reason.SIGNAL_LIST,
    Reason.SIGNAL_COPY,
)
_HELD = (
    Reason.SIGNAL_ERROR,
    Reason.UNCHECKED,
    Reason.SIGNAL_STALE,
    Reason.NOT_OBSERVED,
    Reason.NOT_JUDGED,
    Reason.REVIEW,
)
STANDING: dict[Reason, Standing] = {
    **dict.fromkeys(Reason, Standing.UNUSABLE),
    **dict.fromkeys(_DENIED, Standing.DENIED),
    **dict.fromkeys(_HELD, Standing.HELD),
    Reason.SAFETY: Standing.SAFETY,
    Reason.NOT_GRANTED: Standing.NOT_GRANTED,
    Reason.DUPLICATE: Standing.DUPLICATE,
}
"""Denied outranks held outranks what the builder cannot or will not use outranks duplicate."""

VERDICT_OF: dict[Reason, Verdict] = {
    reason: Verdict.HOLD if standing is Standing.HELD else Verdict.DROP
    for reason, standing in STANDING.items()
}
