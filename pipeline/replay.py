"""Every verdict by signals computed again from the evidence: keeps as well as drops.

What a release claims (signals of each row, kept, dropped for this reason, held for that one) is
compared with what its evidence gives, by the same functions that judged it. Nothing is taken on
trust but the evidence itself, and of that each document is checked against its digest.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from optout.signals.document import found
from optout.signals.embedded import EmbeddedFacts
from optout.signals.evidence import microseconds
from optout.signals.policy import SignalPolicy
from optout.urls import GIVEN, canonical_url
from pipeline.columns import timestamps
from pipeline.embedded import open_facts
from pipeline.evidence import EVIDENCE, Library
from pipeline.facts import Answer
from pipeline.formats.rows import MAX_KEPT_URL
from pipeline.identify import is_uid
from pipeline.judge import WITH_BYTES, Known, Listed, RowFacts, Stop, Timed, find, weightier
from pipeline.standing import STANDING, VERDICT_OF
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError, SignalError, UsageError
from schemas.tables import DOCUMENTS, EVIDENCED, TRACED, require
from schemas.verdict import FAMILY_REASON, Reason, Verdict

UID = "uid"
GIVEN_SHARE = 0.5
"""Where more of the released rows have uids that are not made of their words, the source has given
uids of its own, and nothing follows from them."""
BOUND = ("url", "caption", "final_url", "http_status", "sha256")
"""What a released row says of the answer that it came from, and of what its uid is made of."""
MOST_ALIKE = 64
"""Rows that say the same are told apart by a number; so many are tried."""
OF_SIGNALS = frozenset({*FAMILY_REASON.values(), Reason.SIGNAL_ERROR, Reason.SIGNAL_STALE})
"""Reasons that the replay must come to by itself."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a release says about a row. reason: None where it is released.

    own: whether the reason is the row's own finding and not one that spread from a copy. told: the
    columns BOUND of a released row, its caption as the source gave it.
    """

    uid: str
    signals: Sequence[Mapping[str, Any]] | None
    reason: Reason | None
    own: bool = True
    told: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where the evidence says something else than the release."""

    uid: str
    what: str
    claimed: str
    found: str


def library_of(index: pa.Table, bodies: Mapping[str, bytes]) -> tuple[Library, list[Disagreement]]:
    """Return the origin documents of a release, and those that are not what their names say.

    index: EVIDENCE. bodies: by the name under which they are published.
    """
    require(index, EVIDENCE, extra=False)
    wrong = []
    asked_at = timestamps(index["asked_at"])
    texts: list[bytes | None] = []
    for row, at_us in zip(index.drop_columns(["asked_at"]).to_pylist(), asked_at, strict=True):
        body = bodies.get(row["sha256"] or "")
        texts.append(body)
        if (row["sha256"] is None) != (body is None):
            wrong.append(Disagreement("", "document", row["sha256"] or "none", "no body"))
            continue
        again = found(
            row["kind"], row["origin"], row["url"],
            http_status=row["http_status"], asked_at_us=at_us or 0, body=body,
        )  # fmt: skip
        if (again.document_id, again.sha256) != (row["document_id"], row["sha256"]):
            said = f"{row['document_id']} of {row['url']}"
            wrong.append(Disagreement("", "document", said, again.document_id))
    place = DOCUMENTS.get_field_index("body")
    documents = index.add_column(place, DOCUMENTS.field(place), pa.array(texts, pa.binary()))
    return Library(documents), wrong


class Private:
    """Private evidence by digest; a document that is absent or other than its digest is refused."""

    def __init__(self, evidence: pa.Table) -> None:
        """Take EVIDENCED."""
        require(evidence, EVIDENCED)
        columns = (evidence["sha256"].to_pylist(), evidence["body"].to_pylist())
        self._bodies: dict[str, bytes] = dict(zip(*columns, strict=True))

    def value(self, digest: str) -> dict[str, Any]:
        """Return the JSON value of a document. Raises SchemaError."""
        body = self._bodies.get(digest)
        if body is None:
            raise SchemaError(f"expected evidence {digest}, found none in the vault")
        if (said := sha256_hex(body)) != digest:
            raise SchemaError(f"expected evidence {digest}, found bytes with sha256 {said}")
        value = json.loads(body)
        if not isinstance(value, dict):
            raise SchemaError(f"expected evidence {digest} as a JSON object, found other JSON")
        return value


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a replay rests on: documents, the policy of the release, and when signals grew stale."""

    library: Library
    policy: SignalPolicy
    stale_before_us: int | None = None
    source: str | None = None  # its name; null where it gives uids of its own


def replay(
    claimed: Iterable[Claimed], traced: pa.Table, private: Private, grounds: Grounds
) -> list[Disagreement]:
    """Return where the evidence disagrees with what is claimed of the rows of one uid shard.

    traced: TRACED of all rows of the shard. private: the evidence that it names. A claimed row
    without a trace, and a traced row that nothing claims, are disagreements too.
    """
    require(traced, TRACED)
    traces = {row["uid"]: row for row in traced.to_pylist()}
    wrong: list[Disagreement] = []
    for row in claimed:
        trace = traces.pop(row.uid, None)
        if trace is None:
            wrong.append(Disagreement(row.uid, "trace", "a row", "no trace in the vault"))
            continue
        try:
            wrong += _compare(row, trace, private, grounds)
        except (SchemaError, SignalError, ValueError, RecursionError) as e:  # JSON nests too deep
            wrong.append(Disagreement(row.uid, "evidence", "evidence that can be read", str(e)))
    wrong += [Disagreement(uid, "row", "no row", "a trace in the vault") for uid in traces]
    return wrong


def without_given(wrong: Sequence[Disagreement], released: int) -> list[Disagreement]:
    """Return what disagrees, without uids where the source seems to have given them."""
    made = [one for one in wrong if one.what != UID]
    return made if len(wrong) - len(made) > GIVEN_SHARE * released else list(wrong)


def _compare(
    row: Claimed, trace: Mapping[str, Any], private: Private, grounds: Grounds
) -> Iterable[Disagreement]:
    if row.signals is None:  # stopped before anything was asked of it
        if row.reason is None:
            yield Disagreement(row.uid, "signals", "a released row", "no signals")
        elif row.reason in OF_SIGNALS and row.own:
            yield Disagreement(row.uid, "verdict", str(row.reason), "no signals")
        return
    facts = facts_of(trace, private)
    yield from _unbound(row, trace, facts.answer, grounds.source)
    said, stop, opened = _judged(facts, trace, private, grounds)
    ours, theirs = [_told(pair) for pair in said], [_listed(signal) for signal in row.signals]
    if ours != theirs:
        more = [s for s in ours if s not in theirs] or [s for s in theirs if s not in ours]
        first = " ".join(str(part) for part in more[0][:3]) if more else "another order"
        yield Disagreement(row.uid, "signals", f"{len(theirs)} signals", f"differs: {first}")
    if row.reason is None and (stop is not None or not opened):
        reason = stop.reason.value if stop is not None else "its bytes were never opened"
        yield Disagreement(row.uid, "verdict", "keep", reason)
    elif row.reason is not None and stop is not None:
        weightier = STANDING[row.reason] <= STANDING[stop.reason]
        if not weightier or (row.reason in OF_SIGNALS and row.own and row.reason != stop.reason):
            yield Disagreement(row.uid, "verdict", row.reason.value, stop.reason.value)
    elif row.reason in OF_SIGNALS and row.own:
        yield Disagreement(row.uid, "verdict", str(row.reason), "nothing against it")


def _unbound(
    row: Claimed, trace: Mapping[str, Any], known: Known | None, source: str | None
) -> Iterable[Disagreement]:
    """Give where a released row is another than the one that its evidence speaks of."""
    if row.told is None:
        return
    key, told = trace["url_key"], row.told
    address = key
    if told["url"] is not None and len(told["url"]) < MAX_KEPT_URL:
        with contextlib.suppress(UsageError):
            address = canonical_url(told["url"])
    if address != key and not key.startswith(GIVEN):
        yield Disagreement(row.uid, "address", str(told["url"]), key)
    if source is not None and not is_uid(row.uid, source, address, told["caption"], MOST_ALIKE):
        yield Disagreement(row.uid, UID, row.uid, "that of another address or caption")
    if known is None or key.startswith(GIVEN):
        return
    answer = known.value
    asked = answer.hops[0].url if answer.hops else key
    for what, claimed, seen in (
        ("address", key, asked),
        ("final_url", told["final_url"], answer.final_url),
        ("http_status", told["http_status"], answer.http_status),
        ("sha256", told["sha256"], answer.sha256),
    ):
        if claimed != seen:
            yield Disagreement(row.uid, what, str(claimed), str(seen))


def facts_of(trace: Mapping[str, Any], private: Private) -> RowFacts:
    """Return the facts of a row from its evidence. Raises SchemaError."""

    def known(digest: str | None) -> Known | None:
        return None if digest is None else Known(Answer.parse(private.value(digest)), digest)

    listed = []
    for digest in trace["lists"] or ():
        value = private.value(digest)
        listed.append(Listed(value, digest, microseconds(value.get("asked_at"))))
    return RowFacts(known(trace["answer"]), known(trace["page"]), tuple(listed))


def _judged(
    facts: RowFacts, trace: Mapping[str, Any], private: Private, grounds: Grounds
) -> tuple[tuple[Timed, ...], Stop | None, bool]:
    """Return the signals, the stop, and whether the bytes were opened where they had to be."""
    finding = find(facts, grounds.library, grounds.policy, grounds.stale_before_us)
    digest = trace["embedded"]
    answer = facts.answer.value if facts.answer is not None else None
    if digest is None:
        return finding.signals, finding.stop, False
    before = finding.stop
    dropped = before is not None and VERDICT_OF[before.reason] is Verdict.DROP
    if dropped or answer is None or answer.outcome not in WITH_BYTES:
        raise SchemaError("expected no embedded evidence for a row that was dropped before")
    embedded = EmbeddedFacts.parse(private.value(digest))
    if embedded.sha256 != answer.sha256:
        raise SchemaError(
            f"expected embedded evidence of bytes {answer.sha256}, found {embedded.sha256}"
        )
    opened = open_facts(embedded, digest, grounds.policy)
    said = tuple((signal, answer.fetched_at_us) for signal in opened.signals)
    return (*finding.signals, *said), weightier(before, opened.stop), True


def _told(pair: Timed) -> tuple[str, str, str, str | None, int | None]:
    signal, at_us = pair
    return signal.channel.value, signal.purpose.value, signal.say.value, signal.evidence, at_us


def _listed(signal: Mapping[str, Any]) -> tuple[str, str, str, str | None, int | None]:
    at = signal["at"]
    told = at if at is None or isinstance(at, str) else at.isoformat()  # text beside tars
    at_us = microseconds(told)
    return signal["channel"], signal["purpose"], signal["verdict"], signal["evidence"], at_us
