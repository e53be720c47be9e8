"""What speaks for or against each row once its URL was asked: signals, and how the asking ended.

Every verdict is recomputed here from the facts in the fetch store; what a gate decided while it
fetched is not looked at. So a body that a newer policy denies is denied although it lies there,
and a URL that an older policy kept from being asked is held as not observed. Signals are listed
for kept rows too, one for each channel, purpose and document, SILENT where nothing was said.
Findings against a row, the first that holds: a denial, a failure of the web, an unreadable
channel, nothing observed, an unread family, signals too old.

`find` judges one row's facts and knows no tables: an auditor's replay calls it with facts read
back from evidence.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals.page_tags import PageTags
from optout.signals.policy import SignalPolicy, list_channel
from optout.signals.signal import Signal
from pipeline.columns import timestamps
from pipeline.evidence import Evidence, Library
from pipeline.facts import ANSWER, PAGE, Answer, answers_of
from pipeline.led import hops_before
from pipeline.standing import VERDICT_OF
from schemas.canonical import canonical_json
from schemas.tables import (
    DOCUMENTS,
    JUDGED,
    LISTED,
    OBSERVED,
    ROWS,
    SIGNAL,
    STOP,
    TEXT,
    TRACED,
    require,
)
from schemas.verdict import (
    FAMILY,
    FAMILY_REASON,
    Channel,
    Family,
    Outcome,
    Purpose,
    Reason,
    Say,
    Verdict,
)

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

GONE = frozenset({404, 410})
"""Statuses of a page that is no more: it says nothing."""

OF_DOCUMENTS = (Family.ROBOTS, Family.WELL_KNOWN)

_FROM_ANSWER = ["outcome", "final_url", "http_status", "fetched_at", "sha256", "pack", "offset"]
_FROM_ANSWER += ["length"]
_STOP = [f.name for f in STOP]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was observed for some rows.

    observed: OBSERVED of images; several answers for one url_key are rounds of one journey, of
    which the last counts. documents: DOCUMENTS. pages: OBSERVED of pages. listed: LISTED.
    """

    observed: pa.Table
    documents: pa.Table
    pages: pa.Table = field(default_factory=OBSERVED.empty_table)
    listed: pa.Table = field(default_factory=LISTED.empty_table)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of rows: JUDGED, TRACED of the same rows, and the evidence that both name."""

    table: pa.Table
    traced: pa.Table
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Stop:
    """The finding that keeps a row out."""

    stage: str
    reason: Reason
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """An answer under the digest of its evidence, which stands for it in comparisons."""

    value: Answer = field(compare=False, repr=False)
    evidence: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list of others answered, under the digest of its evidence."""

    answer: Mapping[str, Any] = field(compare=False, repr=False)
    evidence: str
    at_us: int | None


@dataclass(frozen=True, slots=True)
class RowFacts:
    """All that is known of one row before its bytes are opened."""

    answer: Known | None
    page: Known | None = None
    listed: tuple[Listed, ...] = ()


Timed = tuple[Signal, int | None]
"""A signal, and the time of its evidence."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the facts of a row mean."""

    signals: tuple[Timed, ...] = ()
    unchecked: tuple[str, ...] = ()
    stop: Stop | None = None


def judge(
    rows: pa.Table, facts: Facts, policy: SignalPolicy, *, stale_before_us: int | None = None
) -> Judged:
    """Join rows with what was observed of their URLs, and say what speaks against each.

    rows: ROWS. stale_before_us: signals read before that time are too old to release on.
    Returns JUDGED and TRACED: the uids of rows, sorted. A row that was stopped before keeps its
    stop and has null in all other columns.
    Raises SchemaError where a table departs from its schema or holds an unknown outcome.
    """
    require(rows, ROWS)
    require(facts.observed, OBSERVED)
    require(facts.documents, DOCUMENTS)
    require(facts.listed, LISTED)
    evidence = Evidence()
    index = _Index(facts, evidence)
    names = ["uid", "url_key", "page_key", "page_tags", *_STOP]
    rows = rows.select(names).sort_by("uid")
    live = pc.is_null(rows["stop_reason"]).to_pylist()
    keys = zip(*(rows[n].to_pylist() for n in names[1:4]), strict=True)
    known = [index.of(*key) if alive else None for key, alive in zip(keys, live, strict=True)]
    findings: dict[RowFacts, int] = {}
    slots = [None if f is None else findings.setdefault(f, len(findings)) for f in known]
    found = [find(f, index.library, policy, stale_before_us) for f in findings]
    keys = rows["url_key"].to_pylist()
    places = [None if f is None else index.place(key) for f, key in zip(known, keys, strict=True)]
    observed = facts.observed.take(pa.array(places, pa.int64()))
    table = _table(rows, observed, found, pa.array(slots, pa.int32()))
    return Judged(table, _traced(rows, known), evidence)


_Last = dict[str, tuple[int | None, Known | None]]
"""By URL: the row of its last answer, and the answer."""


class _Index:
    """The facts by URL; what is known of one URL is one object, so that findings are shared."""

    def __init__(self, facts: Facts, evidence: Evidence) -> None:
        self.library = Library(facts.documents)
        self._evidence = evidence
        self._answers: _Last = self._last(facts.observed, ANSWER)
        self._pages: _Last = self._last(facts.pages, PAGE)
        self._given: dict[str, Known] = {}
        self._listed: dict[str, list[Listed]] = {}
        at = timestamps(facts.listed["at"])
        for row, at_us in zip(facts.listed.drop_columns(["at"]).to_pylist(), at, strict=True):
            digest = evidence.add("list", row["body"])
            one = Listed(json.loads(row["body"]), digest, at_us)
            self._listed.setdefault(row["url_key"], []).append(one)

    def of(self, url_key: str, page_key: str | None, page_tags: str | None) -> RowFacts:
        page = self._pages.get(page_key or "", (None, None))[1]
        if page_tags is not None:
            page = self._given_page(page_key, page_tags)
        listed = tuple(self._listed.get(url_key, ()))
        return RowFacts(self._answers.get(url_key, (None, None))[1], page, listed)

    def place(self, url_key: str) -> int | None:
        """Return the row of OBSERVED that holds a URL's answer."""
        return self._answers.get(url_key, (None, None))[0]

    def _last(self, observed: pa.Table, kind: str) -> "_Last":
        """Return each url_key's last answer, with its row."""
        ranks = list(
            zip(
                pc.not_equal(observed["outcome"], Outcome.MOVED.value).to_pylist(),
                pc.fill_null(pc.list_value_length(observed["hops"]), 0).to_pylist(),
                [at or 0 for at in timestamps(observed["asked_at"])],
                strict=True,
            )
        )
        last: dict[str, int] = {}
        for index, key in enumerate(observed["url_key"].to_pylist()):
            before = last.get(key)
            if before is None or ranks[index] > ranks[before]:
                last[key] = index
        chosen = sorted(last.items(), key=lambda pair: pair[1])
        answers = answers_of(observed.take(pa.array([at for _, at in chosen], pa.int64())))
        found: _Last = {}
        for (key, at), answer in zip(chosen, answers, strict=True):
            known = Known(answer, self._evidence.add(kind, answer.document(kind)))
            found[key] = (at, known)
        return found

    def _given_page(self, page_key: str | None, tags: str) -> Known:
        """Return a page that came with the source: nothing was asked, so it has no time."""
        key = f"{page_key} {tags}"
        if key not in self._given:
            answer = given_page(page_key, tags)
            self._given[key] = Known(answer, self._evidence.add(PAGE, answer.document(PAGE)))
        return self._given[key]


def stale_before_us(created_us: int, max_age_h: float) -> int | None:
    """Return the time before which signals are too old for a release; None without a limit."""
    return created_us - int(max_age_h * 3_600_000_000) if max_age_h else None


def given_page(page_key: str | None, tags: str) -> Answer:
    """Return the facts of a page whose tags stand in the source."""
    return Answer(
        outcome=Outcome.GIVEN, hops=(), final_url=page_key, http_status=None, headers=None,
        asked_at_us=None, fetched_at_us=None, sha256=None, unchecked=(), detail=None,
        page_tags=tags,
    )  # fmt: skip


# --- one row


def find(
    facts: RowFacts, library: Library, policy: SignalPolicy, stale_before_us: int | None = None
) -> Finding:
    """Return what the facts of one row mean.

    Signals come in the order of work: lists, documents of every address on the way, the page,
    response headers.
    """
    answer = facts.answer.value if facts.answer is not None else None
    spoken = tuple(_of_answer(facts.answer, library, policy)) if facts.answer is not None else ()
    headers = [pair for pair in spoken if FAMILY[pair[0].channel] is Family.HEADERS]
    documents = [pair for pair in spoken if FAMILY[pair[0].channel] is not Family.HEADERS]
    said = (*_of_lists(facts, policy), *documents, *_of_page(facts, library, policy), *headers)
    unread = _unchecked(answer, facts.listed, policy) if answer is not None else frozenset()
    return Finding(
        said, tuple(sorted(unread)), _stop(answer, said, unread, policy, stale_before_us)
    )


def _stop(
    answer: Answer | None,
    said: Sequence[Timed],
    unread: frozenset[str],
    policy: SignalPolicy,
    stale_before_us: int | None,
) -> Stop | None:
    signals = [signal for signal, _ in said]
    verdict = policy.verdict(signals)
    if verdict is Verdict.DROP:
        return signal_stop(signals, Say.DENY, policy)
    if answer is not None and answer.outcome in FAILURES:
        return Stop(FETCH, FAILURES[answer.outcome], _asking(answer))
    if verdict is Verdict.HOLD:
        return signal_stop(signals, Say.ERROR, policy)
    if answer is None or answer.outcome not in WITH_BYTES or answer.sha256 is None:
        return Stop(FETCH, Reason.NOT_OBSERVED, _asking(answer) if answer is not None else {})
    if not unread <= policy.accept_unchecked:
        families = sorted(unread - policy.accept_unchecked)
        return Stop(JUDGE, Reason.UNCHECKED, {"families": families})
    oldest = min((at for _, at in said if at is not None), default=None)
    return stale_stop(oldest, stale_before_us)


def stale_stop(oldest: int | None, stale_before_us: int | None) -> Stop | None:
    """Return the stop of a row whose oldest signal is too old; None where nothing is."""
    if stale_before_us is None or oldest is None or oldest >= stale_before_us:
        return None
    hours = (stale_before_us - oldest) // 3_600_000_000
    return Stop(JUDGE, Reason.SIGNAL_STALE, {"hours_too_old": hours})


def _of_lists(facts: RowFacts, policy: SignalPolicy) -> Iterable[Timed]:
    for one in facts.listed:
        for signal in policy.of_listed(one.answer):
            yield signal.with_evidence(one.evidence), one.at_us


def _of_answer(known: Known, library: Library, policy: SignalPolicy) -> Iterable[Timed]:
    """Yield what documents and headers say about every address on the way, each statement once."""
    answer = known.value
    headers: tuple[Signal, ...] = ()
    if answer.headers is not None:
        documents = library.named(answer.hops[-1].documents) if answer.hops else {}
        headers = policy.of_headers(answer.final_url or "", answer.headers, documents)
    seen = set()
    for number, hop in enumerate(answer.hops, 1):
        documents = library.named(hop.documents)
        if not documents and hop.status is None:
            continue  # refused or unreachable before anything of it was asked
        at = {document.document_id: document.asked_at_us for document in documents.values()}
        last = number == len(answer.hops)
        said = policy.of_documents(hop.url, documents, answer.headers or () if last else ())
        if last:
            said = policy.in_force(said, headers)
        for signal in said:
            if signal.evidence is None and FAMILY[signal.channel] in answer.unchecked:
                continue  # a document that nobody could read: the row says so
            key = (signal.channel, signal.purpose, signal.say, signal.evidence)
            if key not in seen:
                seen.add(key)
                yield signal, at.get(signal.evidence or "")
    for signal in headers:
        if signal.evidence is None:
            yield signal.with_evidence(known.evidence), answer.at_us
        else:  # a licence that a header names
            yield signal, library.asked_at_us(signal.evidence)


def _of_page(facts: RowFacts, library: Library, policy: SignalPolicy) -> Iterable[Timed]:
    """Yield what the page around the image says, and what its host's documents say about it.

    A robots.txt that closes the page closes the page and not the image: then nobody could read it.
    """
    if facts.page is None:
        return
    answer = facts.page.value
    for hop in answer.hops:
        for signal in policy.of_documents(hop.url, library.named(hop.documents)):
            if signal.say is Say.DENY and signal.purpose is not Purpose.FETCH:
                yield signal, library.asked_at_us(signal.evidence or "")
    documents = library.named(answer.hops[-1].documents) if answer.hops else {}
    for signal in policy.of_page(answer.final_url or "", tags_of(answer), documents):
        if signal.evidence is None:
            yield signal.with_evidence(facts.page.evidence), answer.at_us
        else:
            yield signal, library.asked_at_us(signal.evidence)


def tags_of(answer: Answer) -> PageTags | None:
    """Return what a page says, nothing where it is gone; None where nobody could read it."""
    if answer.page_tags is not None:
        return PageTags.from_json(json.loads(answer.page_tags))
    if answer.outcome is Outcome.STATUS and answer.http_status in GONE:
        return PageTags()
    return None


def _unchecked(answer: Answer, listed: Sequence[Listed], policy: SignalPolicy) -> frozenset[str]:
    """Return the families that nobody read for an answer with bytes."""
    unread = set(answer.unchecked)
    if answer.outcome in WITH_BYTES:
        unread |= set(OF_DOCUMENTS) if not answer.hops else set()
        unread |= {Family.HEADERS} if answer.headers is None else set()
        answered = {list_channel(one.answer) for one in listed}
        unread |= {Family.LISTS} if not policy.lists <= answered else set()
    if not unread:
        return frozenset()
    read = {FAMILY[channel] for channel in Channel if policy.profile.reads(channel)}
    return frozenset(str(family) for family in unread if family in read)


def signal_stop(
    signals: Iterable[Signal], say: Say, policy: SignalPolicy, stage: str = JUDGE
) -> Stop:
    """Return the stop by the first signal that says so and binds."""
    signal = next(s for s in signals if s.say is say and policy.binds(s))
    reason = FAMILY_REASON[FAMILY[signal.channel]]
    detail = {
        "channel": signal.channel.value,
        "purpose": signal.purpose.value,
        "raw": signal.raw,
        "line": signal.line,
        "place": signal.place,
        "note": signal.note,
    }
    kept = {k: v for k, v in detail.items() if v not in (None, "")}
    return Stop(stage, Reason.SIGNAL_ERROR if say is Say.ERROR else reason, kept)


def _asking(answer: Answer) -> dict[str, Any]:
    asked = {
        "outcome": answer.outcome.value,
        "url": answer.final_url or (answer.hops[-1].url if answer.hops else None),
        "status": answer.http_status,
        "detail": answer.detail,
    }
    return {key: value for key, value in asked.items() if value is not None}


# --- tables


def _table(
    rows: pa.Table, observed: pa.Table, found: Sequence[Finding], slots: pa.Array
) -> pa.Table:
    """Assemble JUDGED; a slot of null is a row that was stopped before."""
    columns: dict[str, Any] = {"uid": rows["uid"]}
    columns |= {name: observed[name] for name in _FROM_ANSWER}
    columns["hops"] = hops_before(observed)
    columns["signals"] = signals_array([f.signals for f in found]).take(slots)
    unchecked = pa.array([list(f.unchecked) for f in found], pa.list_(TEXT))
    columns["unchecked"] = unchecked.take(slots)
    for name in ("digital_source_type", "rights"):
        columns[name] = pa.nulls(rows.num_rows, JUDGED.field(name).type)
    stops = [stop_columns(f.stop) for f in found]
    before = pc.is_null(slots)
    for name in _STOP:
        own = pa.array([stop[name] for stop in stops], TEXT).take(slots)
        columns[name] = pc.if_else(before, rows[name].combine_chunks(), own)
    return pa.Table.from_arrays([columns[name] for name in JUDGED.names], schema=JUDGED)


def weightier(first: Stop | None, second: Stop | None) -> Stop | None:
    """Return the stop that counts: one that drops before one that holds, else the first."""
    if first is None or second is None:
        return first or second
    holds = VERDICT_OF[first.reason] is Verdict.HOLD
    return second if holds and VERDICT_OF[second.reason] is Verdict.DROP else first


def stop_columns(stop: Stop | None) -> dict[str, str | None]:
    """Return the four columns of a stop, null without one."""
    if stop is None:
        return dict.fromkeys(_STOP)
    detail = canonical_json(dict(stop.detail)).decode()
    return dict(zip(_STOP, (stop.stage, stop.reason.value, None, detail), strict=True))


def signals_array(lists: Sequence[Sequence[Timed]]) -> pa.Array:
    """Return list<SIGNAL>, one list each."""
    said = [pair for own in lists for pair in own]
    values = {
        "channel": [signal.channel.value for signal, _ in said],
        "purpose": [signal.purpose.value for signal, _ in said],
        "verdict": [signal.say.value for signal, _ in said],
        "evidence": [signal.evidence for signal, _ in said],
        "at": [at for _, at in said],
    }
    arrays = [pa.array(values[f.name], f.type) for f in SIGNAL]
    offsets = [0]
    for own in lists:
        offsets.append(offsets[-1] + len(own))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(arrays, fields=list(SIGNAL))
    )


def _traced(rows: pa.Table, known: Sequence[RowFacts | None]) -> pa.Table:
    columns = {
        "uid": rows["uid"],
        "url_key": rows["url_key"],
        "answer": [f.answer.evidence if f and f.answer else None for f in known],
        "page": [f.page.evidence if f and f.page else None for f in known],
        "lists": [[one.evidence for one in f.listed] if f else None for f in known],
        "embedded": [None] * rows.num_rows,
    }
    return pa.table([columns[name] for name in TRACED.names], schema=TRACED)
