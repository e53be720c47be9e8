"""What sites say today about the images of a release, beside what they said when it was made.

Read again are the documents of each origin, once each, and on request the response headers of each
image (bodies stay unread). Nothing about the release changes: the answer is a list of what did.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.asking import Asked, Means, ask, require_contact
from jobs.audit import checked, policy_of
from optout.signals.policy import SignalPolicy
from optout.signals.signal import Signal
from optout.urls import canonical_url, host_of
from pipeline.evidence import Evidence, Library
from pipeline.facts import ANSWER, answers_of
from pipeline.fetch import Errand
from pipeline.judge import Known, RowFacts, Timed, find
from pipeline.manifest import read_manifest
from pipeline.requests import public_urls
from pipeline.storage import open_store
from schemas.config import FetchConfig
from schemas.errors import UsageError
from schemas.tables import REQUESTS, UTC, from_rows
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

FAMILIES = {
    Errand.ORIGIN: frozenset({Family.ROBOTS, Family.WELL_KNOWN}),
    Errand.HEAD: frozenset({Family.ROBOTS, Family.WELL_KNOWN, Family.HEADERS}),
}
"""What each depth of a recheck reads again."""

SILENT = frozenset({Outcome.UNREACHABLE, Outcome.TOO_SLOW, Outcome.ADDRESS})
"""Outcomes that say nothing new: an image that is gone from the web is still in the release."""


@dataclass
class Rechecked:
    """What a recheck found. left: rows beyond the limit. gone: rows whose host did not answer."""

    changes: pa.Table
    documents: pa.Table
    rows: int
    left: int
    gone: int
    verdicts: Counter[str] = field(default_factory=Counter)


def recheck(
    release: str,
    config: FetchConfig,
    errand: Errand,
    max_urls: int,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Rechecked:
    """Ask again, at most `max_urls` URLs, and return what changed.

    config: contact, allow_hosts and manners; the product token is the release's own.
    Raises StorageError and SchemaError for a release that cannot be read, UsageError where public
    hosts would be asked without a contact.
    """
    store = open_store(release)
    manifest = read_manifest(store)
    policy = policy_of(manifest)
    files = {f.path: f for f in manifest.files}
    samples = [p for p in sorted(files) if p.startswith("samples/") and p.endswith(".parquet")]
    rows = [row for path in samples for row in _rows(checked(store, files, path))]
    urls = sorted({row["key"] for row in rows if row["key"]})
    chosen = set(urls[:max_urls])
    wanted = requests_of(chosen)
    config = config.model_copy(update={"agent": policy.agent})
    require_contact(config, len(public_urls(wanted, config.allow_hosts)))
    asked, done = Asked(), Counter[str]()

    def count(more: int) -> None:
        done["urls"] += more
        told(min(done["urls"], len(chosen)), len(chosen))

    ask(wanted, Means(policy, config, errand), asked, count)
    return compared([row for row in rows if row["key"] in chosen], asked, policy, errand,
                    left=sum(row["key"] not in chosen for row in rows))  # fmt: skip


def requests_of(urls: Iterable[str]) -> pa.Table:
    """Return REQUESTS of canonical URLs."""
    rows = [
        {"host": host_of(url), "url_key": url, "url": url, "shards": [0], "hops": []}
        for url in sorted(urls)
    ]
    return from_rows(rows, REQUESTS)


def compared(
    rows: list[dict[str, Any]], asked: Asked, policy: SignalPolicy, errand: Errand, *, left: int
) -> Rechecked:
    """Return what changed for rows of a release: key, uid, url, signals."""
    answers = asked.answers()
    library = Library(asked.documents)
    known = dict(zip(answers["url_key"].to_pylist(), answers_of(answers), strict=True))
    evidence, changes, gone, verdicts = Evidence(), [], 0, Counter[str]()
    for row in rows:
        answer = known[row["key"]]
        if answer.outcome in SILENT:
            gone += 1
            continue
        facts = RowFacts(Known(answer, evidence.add(ANSWER, answer.document(ANSWER))))
        now = [
            pair for pair in find(facts, library, policy).signals
            if FAMILY[pair[0].channel] in FAMILIES[errand]
        ]  # fmt: skip
        own, verdict = _changes(row, now, policy, errand)
        verdicts[str(verdict)] += 1
        changes += own
    return Rechecked(
        pa.Table.from_pylist(changes, schema=CHANGES), asked.documents, len(rows), left, gone,
        verdicts,
    )  # fmt: skip


def _changes(
    row: Mapping[str, Any], now: list[Timed], policy: SignalPolicy, errand: Errand
) -> tuple[list[dict[str, Any]], Verdict]:
    before = {}
    kept: list[Signal] = []
    for signal in row["signals"] or ():
        channel, purpose, say = (
            Channel(signal["channel"]), Purpose(signal["purpose"]), Say(signal["verdict"])
        )  # fmt: skip
        if FAMILY[channel] in FAMILIES[errand]:
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
                    "uid": row["uid"], "url": row["url"], "channel": str(channel),
                    "purpose": str(purpose), "before": str(was), "now": str(says),
                    "verdict": str(verdict), "evidence": signal.evidence if signal else None,
                    "at": at,
                }
            )  # fmt: skip
    return changes, verdict


def _rows(body: bytes) -> list[dict[str, Any]]:
    table = pq.read_table(pa.BufferReader(body), columns=["uid", "url", "signals"])
    rows: list[dict[str, Any]] = table.to_pylist()
    return [row | {"key": _key(row["url"])} for row in rows]


def _key(url: str | None) -> str | None:
    try:
        return canonical_url(url) if url else None
    except UsageError:
        return None
