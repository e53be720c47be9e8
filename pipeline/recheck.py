"""What sites say now about released rows, beside what the release recorded of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from optout.signals.policy import SignalPolicy
from optout.signals.signal import Signal
from pipeline.evidence import Evidence, Library
from pipeline.facts import ANSWER, answers_of
from pipeline.fetch import Errand
from pipeline.judge import Known, RowFacts, Timed, find
from schemas.tables import OBSERVED, UTC, require
from schemas.verdict import FAMILY, Channel, Family, Outcome, Purpose, Say, Verdict

CHANGES = pa.schema(
    [
        pa.field("uid", pa.string()),
        pa.field("url", pa.string()),
        pa.field("channel", pa.string()),
        pa.field("purpose", pa.string()),
        pa.field("before", pa.string()),
        pa.field("now", pa.string()),
        pa.field("verdict", pa.string()),  # of the row, were it built today
        pa.field("evidence", pa.string()),  # of what is said now
        pa.field("at", UTC),
    ]
)
"""One row for each channel and purpose of a released row about which something else is said now."""

REREAD = {
    Errand.ORIGIN: frozenset({Family.ROBOTS, Family.WELL_KNOWN}),
    Errand.HEAD: frozenset({Family.ROBOTS, Family.WELL_KNOWN, Family.HEADERS}),
}
"""The families of channels that each depth of a recheck reads again."""

SILENT = frozenset({Outcome.UNREACHABLE, Outcome.TOO_SLOW, Outcome.ADDRESS})
"""Outcomes that say nothing new: an image that is gone from the web is still in the release."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a recheck found. changes: CHANGES. gone: rows whose host did not answer."""

    changes: pa.Table
    rows: int
    gone: int
    verdicts: Mapping[Verdict, int]


def compare(
    rows: Iterable[Mapping[str, Any]],
    answers: pa.Table,
    documents: pa.Table,
    policy: SignalPolicy,
    errand: Errand,
) -> Compared:
    """Return what is said otherwise today about released rows.

    rows: uid, url, key (the canonical URL) and signals as released; every key was asked.
    answers: OBSERVED, one row a key. documents: DOCUMENTS of their origins. What the errand does
    not read again (pages, bytes, lists) counts as it was recorded.
    """
    require(answers, OBSERVED)
    library = Library(documents)
    known = dict(zip(answers["url_key"].to_pylist(), answers_of(answers), strict=True))
    evidence, changes, count, gone = Evidence(), [], 0, 0
    verdicts = Counter[Verdict]()
    for row in rows:
        count += 1
        answer = known[row["key"]]
        if answer.outcome in SILENT:
            gone += 1
            continue
        facts = RowFacts(Known(answer, evidence.add(ANSWER, answer.document(ANSWER))))
        now = [
            pair
            for pair in find(facts, library, policy).signals
            if FAMILY[pair[0].channel] in REREAD[errand]
        ]
        own, verdict = _changes(row, now, policy, errand)
        verdicts[verdict] += 1
        changes += own
    return Compared(pa.Table.from_pylist(changes, schema=CHANGES), count, gone, verdicts)


def _changes(
    row: Mapping[str, Any], now: list[Timed], policy: SignalPolicy, errand: Errand
) -> tuple[list[dict[str, Any]], Verdict]:
    before: dict[tuple[Channel, Purpose], Say] = {}
    kept: list[Signal] = []
    for recorded in row["signals"] or ():
        channel, purpose = Channel(recorded["channel"]), Purpose(recorded["purpose"])
        say = Say(recorded["verdict"])
        if FAMILY[channel] in REREAD[errand]:
            before[channel, purpose] = say
        else:
            kept.append(Signal(channel, purpose, say))
    verdict = policy.verdict([*kept, *(signal for signal, _ in now)])
    said = {(s.channel, s.purpose): (s, at) for s, at in now}
    changes = []
    for channel, purpose in sorted(before.keys() | said.keys()):
        was = before.get((channel, purpose), Say.SILENT)
        signal, at = said.get((channel, purpose), (None, None))
        says = Say.SILENT if signal is None else signal.say
        if was is not says:
            changes.append(
                {
                    "uid": row["uid"],
                    "url": row["url"],
                    "channel": str(channel),
                    "purpose": str(purpose),
                    "before": str(was),
                    "now": str(says),
                    "verdict": str(verdict),
                    "evidence": signal.evidence if signal else None,
                    "at": at,
                }
            )
    return changes, verdict
