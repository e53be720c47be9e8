"""Bodies are asked what they say about themselves before anything is decoded, let alone embedded.

A body may forbid the very mining of its pixels, so this comes before hashes and vectors. What was
read (packets, manifests, or that there are none) is evidence; whoever has it can ask again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals import xmp
from optout.signals.embedded import EmbeddedFacts
from optout.signals.policy import SignalPolicy
from optout.signals.signal import Signal
from pipeline.columns import combined, joined_lists, timestamps
from pipeline.judge import Judged, Stop, signal_stop, signals_array, stop_columns
from pipeline.standing import VERDICT_OF
from schemas.tables import JUDGED, STOP, TEXT, TRACED, require
from schemas.verdict import Say, Verdict

STAGE = "embedded"
KIND = "embedded"
_STOP = [f.name for f in STOP]


@dataclass(frozen=True, slots=True)
class Opened:
    """What one body says. evidence: digest of the facts."""

    signals: tuple[Signal, ...]
    stop: Stop | None
    digital_source_type: str | None
    rights: tuple[tuple[str, str], ...]
    evidence: str


def embedded(judged: Judged, bodies: Mapping[str, bytes], policy: SignalPolicy) -> Judged:
    """Return JUDGED with what the bodies of rows that nothing drops say, and the stops that follow.

    A row that is held is opened too: what its bytes forbid outranks a doubt, and bytes that forbid
    mining are not kept for a decision. bodies: by sha256, asked once for each. The same rows in the
    same order; TRACED and the evidence grow by what was read.
    """
    table = judged.table
    require(table, JUDGED)
    sha256s, open_ = table["sha256"].to_pylist(), openable(table).to_pylist()
    wanted = [sha256 if wish else None for sha256, wish in zip(sha256s, open_, strict=True)]
    numbers = {sha256: at for at, sha256 in enumerate(dict.fromkeys(filter(None, wanted)))}
    opened = []
    for sha256 in numbers:
        facts = policy.read_bytes(bodies[sha256])
        evidence = judged.evidence.add(KIND, facts.document())
        opened.append(open_facts(facts, evidence, policy))
    slots = pa.array([numbers.get(sha256 or "") for sha256 in wanted], pa.int32())
    return Judged(
        _told(table, opened, slots), _traced(judged.traced, opened, slots), judged.evidence
    )


def openable(table: pa.Table) -> pa.ChunkedArray:
    """Say of each row of JUDGED whether its body is opened: it lies there, and nothing drops it."""
    held = pa.array([str(r) for r, verdict in VERDICT_OF.items() if verdict is Verdict.HOLD])
    waits = pc.is_in(table["stop_reason"], held)
    alive = pc.or_(pc.is_null(table["stop_reason"]), waits)
    return pc.and_(alive, pc.is_valid(table["pack"]))


def open_facts(facts: EmbeddedFacts, evidence: str, policy: SignalPolicy) -> Opened:
    """Return what the facts of one body mean for every row that has it."""
    signals = tuple(s.with_evidence(evidence) for s in policy.of_embedded(facts))
    verdict = policy.verdict(signals)
    stop = None
    if verdict is not Verdict.KEEP:
        say = Say.DENY if verdict is Verdict.DROP else Say.ERROR
        stop = signal_stop(signals, say, policy, STAGE)
    told = xmp.provenance(facts.xmp)
    return Opened(signals, stop, told.digital_source_type, told.rights, evidence)


def _told(table: pa.Table, opened: list[Opened], slots: pa.Array) -> pa.Table:
    columns: dict[str, Any] = {name: table[name] for name in table.column_names}
    timed = signals_array([[(signal, None) for signal in one.signals] for one in opened])
    columns["signals"] = _at_fetch(table, timed, slots)
    kinds = pa.array([one.digital_source_type for one in opened], TEXT)
    columns["digital_source_type"] = kinds.take(slots)
    rights = [[{"field": f, "value": v} for f, v in one.rights] for one in opened]
    columns["rights"] = pa.array(rights, JUDGED.field("rights").type).take(slots)
    drops = {reason for reason, verdict in VERDICT_OF.items() if verdict is Verdict.DROP}
    dropped = [one.stop is not None and one.stop.reason in drops for one in opened]
    outranks = pc.fill_null(pa.array(dropped, pa.bool_()).take(slots), fill_value=False)
    decides = pc.or_(combined(pc.is_null(table["stop_reason"])), outranks)
    stops = [stop_columns(one.stop) for one in opened]
    for name in _STOP:
        own = pa.array([stop[name] for stop in stops], TEXT).take(slots)
        columns[name] = pc.if_else(decides, own, combined(table[name]))
    return pa.Table.from_arrays(list(columns.values()), schema=table.schema)


def _at_fetch(table: pa.Table, timed: pa.Array, slots: pa.Array) -> pa.Array:
    """Return the signals of each row with those of its body, which were read when it was whole."""
    more = timed.take(slots)
    values = more.flatten()
    at = timestamps(table["fetched_at"])
    counts = pc.fill_null(pc.list_value_length(more), 0).to_pylist()
    times = [when for when, count in zip(at, counts, strict=True) for _ in range(count)]
    fields = [values.field(i) for i in range(values.type.num_fields - 1)]
    fields.append(pa.array(times, values.type.field("at").type))
    flat = pa.StructArray.from_arrays(fields, fields=list(values.type))
    offsets = [0]
    for count in counts:
        offsets.append(offsets[-1] + count)
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, mask=more.is_null())
    return joined_lists(table["signals"], lists)


def _traced(traced: pa.Table, opened: list[Opened], slots: pa.Array) -> pa.Table:
    place = TRACED.get_field_index("embedded")
    digests = pa.array([one.evidence for one in opened], TEXT).take(slots)
    return traced.set_column(place, TRACED.field(place), digests)
