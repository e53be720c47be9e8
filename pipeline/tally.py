"""What the signals of a shard said, counted for the manifest and the report."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals.combine import strictest
from schemas.verdict import Say, Verdict


@dataclass(frozen=True)
class Tally:
    """Rows by channel and what it said most restrictively; released rows by unread channel."""

    signals: Mapping[str, Mapping[str, int]]
    unchecked: Mapping[str, int]


def tally(judged: pa.Table, decided: pa.Table) -> Tally:
    """Return the tally of one shard. judged: JUDGED; decided: DECIDED of the same uids."""
    said: dict[str, Counter[str]] = {}
    for row in judged["signals"].to_pylist():
        by_channel: dict[str, list[Say]] = {}
        for signal in row or ():
            by_channel.setdefault(signal["channel"], []).append(Say(signal["verdict"]))
        for channel, says in by_channel.items():
            said.setdefault(channel, Counter())[str(strictest(says))] += 1
    kept = decided.filter(pc.equal(decided["verdict"], str(Verdict.KEEP)))["uid"]
    released = judged.filter(pc.is_in(judged["uid"], kept.combine_chunks()))
    unread = Counter(c for row in released["unchecked"].to_pylist() for c in row or ())
    return Tally({c: dict(sorted(n.items())) for c, n in sorted(said.items())}, dict(unread))


def merged(tallies: list[Tally]) -> Tally:
    """Return the tally of all shards."""
    said: dict[str, Counter[str]] = {}
    unread: Counter[str] = Counter()
    for one in tallies:
        for channel, counts in one.signals.items():
            said.setdefault(channel, Counter()).update(counts)
        unread.update(one.unchecked)
    signals = {c: dict(sorted(n.items())) for c, n in sorted(said.items())}
    return Tally(signals, dict(sorted(unread.items())))
