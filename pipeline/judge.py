"""What speaks for or against each row once its URL was asked: signals, and how the asking ended.

Every verdict is recomputed here from the facts in the fetch store; what a gate decided while it
fetched is not looked at. So a body that a newer policy denies is denied although it lies there,
and a URL that an older policy kept from being asked is held as not observed. Signals are listed
for kept rows too, one for each channel, purpose and document, SILENT where nothing was said.
Findings against a row, the first that holds: a denial, a failure of the web, an unreadable
channel, an unread one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals.channels import DOCUMENT_CHANNELS, HEADER_CHANNELS, SignalPolicy
from optout.signals.signal import Signal
from pipeline.evidence import (
    HeaderLines,
    Library,
    have_headers,
    header_documents,
    microseconds,
    signal_headers,
)
from schemas.canonical import canonical_json, sha256_hex
from schemas.errors import SchemaError
from schemas.tables import DOCUMENTS, JUDGED, OBSERVED, ROWS, SIGNAL, STOP, TEXT, require
from schemas.verdict import CHANNEL_REASON, Outcome, Reason, Say, Verdict

FETCH, JUDGE = "fetch", "judge"
"""Stages under which a stop is counted: the web's doing, or a signal's."""

FAILURES: Mapping[Outcome, Reason] = {
    Outcome.STATUS: Reason.HTTP_STATUS,
    Outcome.ADDRESS: Reason.ADDRESS_REFUSED,
    Outcome.UNREACHABLE: Reason.UNREACHABLE,
    Outcome.REDIRECTS: Reason.TOO_MANY_REDIRECTS,
    Outcome.TOO_LARGE: Reason.TOO_LARGE,
    Outcome.TOO_SLOW: Reason.TOO_SLOW,
}
WITH_BYTES = frozenset({Outcome.OK, Outcome.GIVEN})
"""All other outcomes end before a body, by a gate or on the way to another host."""

_OBSERVED = [f.name for f in JUDGED if f.name in OBSERVED.names and f.name != "unchecked"]
_STOP = [f.name for f in STOP]


@dataclass(frozen=True, slots=True)
class Stop:
    """The finding that keeps a row out."""

    stage: str
    reason: Reason
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of OBSERVED, as far as it matters here. headers is None where none were read."""

    outcome: Outcome
    hops: tuple[Mapping[str, Any], ...]
    final_url: str | None
    http_status: int | None
    headers: HeaderLines | None
    header_evidence: str
    at_us: int | None
    has_body: bool
    unchecked: frozenset[str]
    detail: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an answer means for every row that asked for its URL."""

    signals: tuple[tuple[Signal, int | None], ...] = ()  # with the time of its evidence
    unchecked: tuple[str, ...] = ()
    stop: Stop | None = None


UNASKED = Finding(stop=Stop(FETCH, Reason.NOT_OBSERVED, {}))


def judge(
    rows: pa.Table, observed: pa.Table, documents: pa.Table, policy: SignalPolicy
) -> pa.Table:
    """Join rows with what was observed of their URLs, and say what speaks against each.

    rows: ROWS. observed: OBSERVED; several answers for one url_key are rounds of one journey, of
    which the last counts. documents: DOCUMENTS.
    Returns JUDGED: the uids of rows, sorted. A row that was stopped before keeps its stop and has
    null in all other columns.
    Raises SchemaError where a table departs from its schema or holds an unknown outcome.
    """
    require(rows, ROWS)
    require(observed, OBSERVED)
    require(documents, DOCUMENTS)
    rows = rows.select(["uid", "url_key", *_STOP]).sort_by("uid")
    place = _last_answers(observed)
    live = pc.is_null(rows["stop_reason"]).to_pylist()
    keys = rows["url_key"].to_pylist()
    asked = [place.get(key) if alive else None for key, alive in zip(keys, live, strict=True)]
    chosen = sorted({index for index in asked if index is not None})
    slot = {index: at for at, index in enumerate(chosen)}
    answers = observed.take(pa.array(chosen, pa.int64()))
    library = Library(documents)
    found = [_find(answer, library, policy) for answer in _answers(answers)]
    slots = [None if index is None else slot[index] for index in asked]
    findings = [
        (found[at] if at is not None else UNASKED) if alive else None
        for at, alive in zip(slots, live, strict=True)
    ]
    return _table(rows, answers.take(pa.array(slots, pa.int64())), findings)


def _last_answers(observed: pa.Table) -> dict[str, int]:
    """Return the row of each url_key's last answer."""
    hops = pc.fill_null(pc.list_value_length(observed["hops"]), 0).to_pylist()
    ended = pc.not_equal(observed["outcome"], Outcome.MOVED.value).to_pylist()
    at = microseconds(observed["asked_at"])
    ranks = [(e, n, t or 0) for e, n, t in zip(ended, hops, at, strict=True)]
    last: dict[str, int] = {}
    for index, key in enumerate(observed["url_key"].to_pylist()):
        known = last.get(key)
        if known is None or ranks[index] > ranks[known]:
            last[key] = index
    return last


def _answers(observed: pa.Table) -> Iterable[Answer]:
    read = have_headers(observed).to_pylist()
    lines = signal_headers(observed["headers"])
    evidence = [sha256_hex(body) for body in header_documents(observed)]
    asked_at, fetched_at = microseconds(observed["asked_at"]), microseconds(observed["fetched_at"])
    names = ["outcome", "hops", "final_url", "http_status", "sha256", "unchecked", "detail"]
    for index, row in enumerate(observed.select(names).to_pylist()):
        fetched = fetched_at[index]
        yield Answer(
            outcome=_outcome(row["outcome"]),
            hops=tuple(row["hops"] or ()),
            final_url=row["final_url"],
            http_status=row["http_status"],
            headers=lines[index] if read[index] else None,
            header_evidence=evidence[index],
            at_us=asked_at[index] if fetched is None else fetched,
            has_body=row["sha256"] is not None,
            unchecked=frozenset(row["unchecked"] or ()),
            detail=row["detail"],
        )


def _outcome(value: str) -> Outcome:
    try:
        return Outcome(value)
    except ValueError as e:
        raise SchemaError(f"expected an outcome of {list(Outcome)}, found {value!r}") from e


def _find(answer: Answer, library: Library, policy: SignalPolicy) -> Finding:
    said = [*_of_hops(answer, library, policy), *_of_headers(answer, policy)]
    unread = _unchecked(answer)
    signals = [signal for signal, _ in said]
    verdict = policy.verdict(signals)
    stop: Stop | None = None
    if verdict is Verdict.DROP:
        stop = _signal_stop(signals, Say.DENY, policy)
    elif answer.outcome in FAILURES:
        stop = Stop(FETCH, FAILURES[answer.outcome], _asking(answer))
    elif verdict is Verdict.HOLD:
        stop = _signal_stop(signals, Say.ERROR, policy)
    elif answer.outcome not in WITH_BYTES or not answer.has_body:
        stop = Stop(FETCH, Reason.NOT_OBSERVED, _asking(answer))
    elif not unread <= policy.accept_unchecked:
        channels = sorted(unread - policy.accept_unchecked)
        stop = Stop(JUDGE, Reason.UNCHECKED, {"channels": channels})
    return Finding(tuple(said), tuple(sorted(unread)), stop)


def _of_hops(
    answer: Answer, library: Library, policy: SignalPolicy
) -> Iterable[tuple[Signal, int | None]]:
    """Yield what documents say about every address on the way, each statement once."""
    seen = set()
    for hop in answer.hops:
        documents = library.of_hop(hop, policy)
        if not documents and hop["status"] is None:
            continue  # refused or unreachable before anything of it was asked
        at = {document.document_id: document.asked_at_us for document in documents.values()}
        for signal in policy.of_documents(hop["url"], documents):
            if signal.evidence is None and signal.channel in answer.unchecked:
                continue  # a document that nobody could read: the row says so
            key = (signal.channel, signal.purpose, signal.say, signal.evidence)
            if key not in seen:
                seen.add(key)
                yield signal, at.get(signal.evidence or "")


def _of_headers(answer: Answer, policy: SignalPolicy) -> Iterable[tuple[Signal, int | None]]:
    if answer.headers is None:
        return
    for signal in policy.of_headers(answer.headers):
        yield signal.with_evidence(answer.header_evidence), answer.at_us


def _unchecked(answer: Answer) -> frozenset[str]:
    """Return the channels that nobody read for an answer with bytes."""
    unread = set(answer.unchecked)
    if answer.outcome in WITH_BYTES:
        unread |= set(DOCUMENT_CHANNELS) if not answer.hops else set()
        unread |= set(HEADER_CHANNELS) if answer.headers is None else set()
    return frozenset(str(channel) for channel in unread)


def _signal_stop(signals: Iterable[Signal], say: Say, policy: SignalPolicy) -> Stop:
    signal = next(s for s in signals if s.say is say and policy.binds(s))
    reason = Reason.SIGNAL_ERROR if say is Say.ERROR else CHANNEL_REASON[signal.channel]
    detail = {
        "channel": signal.channel.value,
        "purpose": signal.purpose.value,
        "raw": signal.raw,
        "line": signal.line,
        "place": signal.place,
        "note": signal.note,
    }
    return Stop(JUDGE, reason, {k: v for k, v in detail.items() if v not in (None, "")})


def _asking(answer: Answer) -> dict[str, Any]:
    asked = {
        "outcome": answer.outcome.value,
        "url": answer.final_url or (answer.hops[-1]["url"] if answer.hops else None),
        "status": answer.http_status,
        "detail": answer.detail,
    }
    return {key: value for key, value in asked.items() if value is not None}


def _table(rows: pa.Table, facts: pa.Table, findings: list[Finding | None]) -> pa.Table:
    """Assemble JUDGED; a finding of None is a row that was stopped before."""
    columns: dict[str, Any] = {"uid": rows["uid"]}
    columns |= {name: facts[name] for name in _OBSERVED}
    columns["signals"] = _signals(findings)
    unchecked = [None if finding is None else list(finding.unchecked) for finding in findings]
    columns["unchecked"] = pa.array(unchecked, pa.list_(TEXT))
    stops = zip(findings, rows.select(_STOP).to_pylist(), strict=True)
    stopped = [row if finding is None else _stop_columns(finding.stop) for finding, row in stops]
    for name in _STOP:
        columns[name] = pa.array([stop[name] for stop in stopped], TEXT)
    return pa.Table.from_arrays([columns[name] for name in JUDGED.names], schema=JUDGED)


def _stop_columns(stop: Stop | None) -> dict[str, str | None]:
    if stop is None:
        return dict.fromkeys(_STOP)
    detail = canonical_json(dict(stop.detail)).decode()
    return dict(zip(_STOP, (stop.stage, stop.reason.value, None, detail), strict=True))


def _signals(findings: list[Finding | None]) -> pa.Array:
    said = [pair for finding in findings if finding for pair in finding.signals]
    values = {
        "channel": [signal.channel.value for signal, _ in said],
        "purpose": [signal.purpose.value for signal, _ in said],
        "verdict": [signal.say.value for signal, _ in said],
        "evidence": [signal.evidence for signal, _ in said],
        "at": [at for _, at in said],
    }
    arrays = [pa.array(values[field.name], field.type) for field in SIGNAL]
    offsets: list[int] = [0]
    for finding in findings:
        offsets.append(offsets[-1] + (len(finding.signals) if finding else 0))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.StructArray.from_arrays(arrays, fields=list(SIGNAL)),
        mask=pa.array([finding is None for finding in findings], pa.bool_()),
    )
