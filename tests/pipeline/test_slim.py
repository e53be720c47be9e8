"""Which of several stops of a row the global pass hears of."""

from typing import Any

import pyarrow as pa
import pytest

from pipeline.slim import slim
from schemas.tables import DECODED, JUDGED, ROWS, from_rows
from schemas.verdict import Reason

NO_FILTER = from_rows([], pa.schema([ROWS.field(n) for n in ("uid", *ROWS.names[-4:])]))


def told(screened: Reason | None, judged: Reason | None) -> str | None:
    def row(stage: str, reason: Reason | None) -> dict[str, Any]:
        stop = {"stop_stage": stage, "stop_reason": str(reason)} if reason else {}
        return {"uid": "a", **stop}

    table = slim(
        from_rows([row("screen", screened)], ROWS),
        from_rows([row("judge", judged)], JUDGED),
        from_rows([{"uid": "a"}], DECODED),
        NO_FILTER,
    )
    (reason,) = table["stop_reason"].to_pylist()
    return reason


@pytest.mark.parametrize(
    ("screened", "judged", "first"),
    [
        (Reason.OPTOUT_HOST, Reason.SIGNAL_ROBOTS, Reason.OPTOUT_HOST),
        (None, Reason.SIGNAL_ROBOTS, Reason.SIGNAL_ROBOTS),
        # a name may be held by the flood guard: what is denied must stay denied
        (Reason.OPTOUT_NAME, Reason.SIGNAL_ROBOTS, Reason.SIGNAL_ROBOTS),
        (Reason.OPTOUT_NAME, Reason.SAFETY, Reason.SAFETY),
        (Reason.OPTOUT_NAME, Reason.SIGNAL_ERROR, Reason.OPTOUT_NAME),
        (Reason.OPTOUT_NAME, Reason.UNREACHABLE, Reason.OPTOUT_NAME),
        (Reason.OPTOUT_NAME, None, Reason.OPTOUT_NAME),
    ],
)
def test_the_first_stop_stands_but_a_name_yields_to_what_denies(screened, judged, first):
    assert told(screened, judged) == str(first)
