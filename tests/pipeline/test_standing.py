"""Every reason has its weight and its verdict, and the manual says the same."""

from pathlib import Path

import pytest

from pipeline.standing import STANDING, VERDICT_OF, Standing
from schemas.verdict import Reason

MANUAL = Path(__file__).parents[2] / "docs" / "release.md"


@pytest.mark.parametrize("reason", list(Reason))
def test_the_manual_gives_each_reason_its_verdict_and_weight(reason: Reason) -> None:
    weight = STANDING[reason].name.lower().replace("_", " ")
    assert f"| `{reason}` | {VERDICT_OF[reason]} | {weight} |" in MANUAL.read_text()


def test_what_somebody_asked_for_outranks_what_the_builder_wants() -> None:
    unknown = {Reason.SIGNAL_ERROR, Reason.SIGNAL_STALE}  # nobody knows what was asked for
    asked = {r for r in Reason if r.startswith(("optout_", "signal_"))} - unknown
    assert {r for r, s in STANDING.items() if s is Standing.DENIED} == asked
    assert STANDING[Reason.FILTER] < STANDING[Reason.DUPLICATE]
