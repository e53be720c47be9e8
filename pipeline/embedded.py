"""The third hook for signals: bodies are asked before anything is decoded, let alone embedded.

A body may forbid the very mining of its pixels, so this comes before hashes and vectors. Facts are
the bytes themselves: whoever has them can ask again.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from optout.signals.channels import SignalPolicy
from optout.signals.signal import Signal
from schemas.canonical import canonical_json
from schemas.tables import JUDGED, STOP, require
from schemas.verdict import CHANNEL_REASON, Reason, Verdict

STAGE = "embedded"
STOPS = [f.name for f in STOP]


def embedded(judged: pa.Table, bodies: Mapping[str, bytes], policy: SignalPolicy) -> pa.Table:
    """Return JUDGED with what the bodies of rows that nothing stops say, and the stops that follow.

    judged: JUDGED. bodies: by sha256, asked once for each. The same rows in the same order.
    """
    require(judged, JUDGED)
    if not policy.reads_bytes:
        return judged
    said: dict[str, tuple[Signal, ...]] = {}
    rows = judged.to_pylist()
    for row in rows:
        sha256 = row["sha256"]
        if row["stop_reason"] is not None or sha256 is None:
            continue
        if sha256 not in said:
            said[sha256] = policy.of_bytes(bodies[sha256], "")
        _tell(row, said[sha256], policy)
    return pa.Table.from_pylist(rows, schema=JUDGED)


def _tell(row: dict[str, Any], signals: tuple[Signal, ...], policy: SignalPolicy) -> None:
    """Add the signals of a row's body to it, and its stop where they forbid or cannot be read."""
    row["signals"] = [
        *(row["signals"] or ()),
        *(
            {
                "channel": str(s.channel),
                "purpose": str(s.purpose),
                "verdict": str(s.say),
                "evidence": s.evidence,
                "at": row["fetched_at"],
            }
            for s in signals
        ),
    ]
    verdict = policy.verdict(signals)
    if verdict is Verdict.KEEP:
        return
    binding = next(s for s in signals if policy.binds(s) and policy.verdict([s]) is verdict)
    dropped = verdict is Verdict.DROP
    reason = CHANNEL_REASON[binding.channel] if dropped else Reason.SIGNAL_ERROR
    detail = {"channel": str(binding.channel), "purpose": str(binding.purpose), "raw": binding.raw}
    values = (STAGE, str(reason), None, canonical_json(detail).decode())
    row.update(zip(STOPS, values, strict=True))
