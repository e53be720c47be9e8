"""A registry's log held against what releases, witnesses and snapshots say of it. Pure.

Two states of a log that are not of one history; a state that was old when a release used it; an
entry whose date others contradict; a snapshot with other claims than the entries leave in force.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from optout.leaf import entries, read_leaf
from optout.log import checkpoint
from optout.log import policy as policies
from optout.log.checkpoint import Checkpoint
from optout.log.fork import Fork, of_logs
from optout.log.policy import Policy
from optout.log.tile_reader import Read, TileReader
from optout.replay import Standing, replay
from optout.status import epochs
from schemas.errors import ProofError, RegistryError
from schemas.manifest import ListEntry
from schemas.snapshot import Snapshot

CLOCKS_APART = timedelta(minutes=10)
"""Between registry, witnesses and builder; what is dated wrongly by less is not found."""


@dataclass(frozen=True, slots=True)
class HeldLog:
    """A log as an auditor has it: a registry's, or one that is published.

    reader: of its newest state. read: its tiles, from which older states are read. signed:
    checkpoints of states that it had, by size, the smallest first.
    """

    where: str
    origin: str
    reader: TileReader
    read: Read
    signed: tuple[tuple[int, bytes], ...] = ()

    @property
    def size(self) -> int:
        return self.reader.size

    @property
    def root(self) -> bytes:
        return self.reader.root

    def leaves(self) -> list[bytes]:
        """Return the entries, each checked."""
        return list(self.reader.entries(0, self.size))


def state_fault(entry: ListEntry, log: HeldLog) -> str:
    """Return how a log contradicts the state at which a list was used; "" where it had it."""
    size = entry.size or 0
    if log.size < size:
        return (
            f"expected the log of {entry.origin} to have {size} entries or more, found"
            f" {log.size} in {log.where}: it was rolled back, or the release used a state that"
            " never was"
        )
    found = log.reader.root_at(size).hex()
    if found != entry.root:
        return (
            f"expected root {entry.root} of {entry.origin} at {size} entries, found {found} in"
            f" {log.where}: there are two histories"
        )
    return ""


@dataclass(frozen=True, slots=True)
class Build:
    """When a build was made. begun: by its own word. fetched: the last of its rows, null for none.

    max_age_days: how old a list may have been.
    """

    begun: datetime
    fetched: datetime | None
    max_age_days: float

    def used_at(self, entry: ListEntry) -> datetime:
        """Return when a list was read last: at the end, unless it was pinned at the beginning."""
        return self.begun if entry.pinned else max(self.begun, self.fetched or self.begun)


def build_faults(build: Build) -> list[str]:
    """Return whether rows were fetched so late that the build cannot have begun when it says."""
    newest = build.fetched or build.begun
    if newest - build.begun <= timedelta(days=build.max_age_days):
        return []
    return [f"rows were fetched up to {newest}; the build is said to have begun {build.begun}"]


def stale_fault(entry: ListEntry, log: HeldLog, build: Build) -> str:
    """Return how a list was older than its release says; "" where the log has no newer entry.

    A state stays the newest until the next entry is recorded: from then on it ages.
    """
    size = entry.size or 0
    if log.size <= size:
        return ""
    newer = recorded_at(next(log.reader.entries(size, size + 1)), log.where)
    age = build.used_at(entry) - newer
    if age <= timedelta(days=build.max_age_days) + CLOCKS_APART:
        return ""
    return (
        f"expected the list {entry.origin} to be at most {build.max_age_days:g} days old when the"
        f" build began, found that {log.where} has an entry more since {newer.isoformat()}, by its"
        f" own clock: {age / timedelta(days=1):.1f} days before"
    )


def recorded_at(leaf: bytes, where: str) -> datetime:
    """Return when an entry was recorded, by the registry's clock. Raises RegistryError."""
    try:
        found = datetime.fromisoformat(json.loads(leaf)["recorded_at"])
    except (ValueError, KeyError, TypeError) as e:
        raise RegistryError(f"expected the time of an entry in {where}, found {leaf!r:.120}") from e
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def signed_faults(log: HeldLog) -> list[str]:
    """Return how a log contradicts the signed states of its own that are kept beside it."""
    wrong = []
    for size, body in log.signed:
        try:
            head = checkpoint.parse(body)
        except ProofError as e:
            wrong.append(f"expected a checkpoint of {log.origin} in {log.where}: {e}")
            continue
        found = log.reader.root_at(size) if size <= log.size else None
        if head != Checkpoint(log.origin, size, found or b""):
            wrong.append(
                f"expected the signed state of {log.where} at {size} entries, root"
                f" {head.root.hex()}, found {found.hex() if found else f'{log.size} entries'}"
            )
    return wrong


def entry_faults(leaves: Sequence[bytes], where: str) -> list[str]:
    """Return which entry, the first of them, may not stand where it does.

    Such as what a claim's holder has not signed, nor a moderator openly.
    """
    try:
        replay(leaves, where)
    except RegistryError as e:
        return [str(e)]
    return []


@dataclass(frozen=True, slots=True)
class Seen:
    """A state that those whom a policy asks for had seen by a time of their own clocks."""

    size: int
    at: datetime


def seen(signed: Iterable[bytes], policy: Policy) -> Iterator[Seen]:
    """Give the states that witnesses have seen, of those checkpoints that the policy accepts."""
    for body in signed:
        try:
            found = policies.opened(body, policy)
        except ProofError:
            continue  # of another log, or by a key that counts no more: it shows nothing
        at = policy.existed_by(found.times)
        if at is not None:
            yield Seen(found.checkpoint.size, datetime.fromtimestamp(at, UTC))


def time_faults(leaves: Sequence[bytes], states: Iterable[Seen], where: str) -> list[str]:
    """Return which entries are dated otherwise than their place, or witnesses, allow.

    Entries stand in the order in which they were recorded; what a witness had seen without an
    entry was before it, and with it, after.
    """
    wrong: list[str] = []
    dated = [recorded_at(leaf, where) for leaf in leaves]
    for seq, (before, now) in enumerate(pairwise(dated), 1):
        if now < before - CLOCKS_APART:
            wrong.append(
                f"entry {seq} of {where} is dated {now.isoformat()}, before the one ahead of it"
                f" ({before.isoformat()})"
            )
    for state in states:
        early = (n for n in range(state.size, len(dated)) if dated[n] < state.at - CLOCKS_APART)
        held = range(min(state.size, len(dated)))
        late = (n for n in held if dated[n] > state.at + CLOCKS_APART)
        for places, said in ((early, "without"), (late, "with")):
            if (seq := next(places, -1)) >= 0:
                wrong.append(
                    f"entry {seq} of {where} is dated {dated[seq].isoformat()}; witnesses saw the"
                    f" log {said} it at {state.at.isoformat()}"
                )
    return wrong


def snapshot_faults(leaves: Sequence[bytes], found: Snapshot, where: str) -> list[str]:
    """Return how a snapshot has other claims than the entries of its log leave in force.

    leaves: as many as the snapshot says. Where an epoch speaks of the same state, it names the
    digest of its tables too; else only which claims are in it can be compared.
    """
    standings = replay(leaves, where)
    expected = {s.claim_id for s in standings.values() if s.in_force}
    held = set(found.claims["claim_id"].to_pylist())
    if expected != held:
        left, more = sorted(expected - held), sorted(held - expected)
        said = (
            f"expected {len(expected)} claims in force in the snapshot, as the log of"
            f" {found.header.origin} has at {len(leaves)} entries, found {len(held)}"
        )
        return [said + (f"; without {left[0]}" if left else f"; with {more[0]}")]
    if wrong := list(_other_claims(standings, leaves, found)):
        return wrong
    known = [epoch for _, epoch in epochs(leaves, where)]
    newest = max((seq for seq, _ in entries(leaves, where)), default=-1)
    if not known or known[-1].size <= newest or found.header.trust_local:
        return []
    epoch, tables = known[-1], found.header.tables_sha256
    if epoch.tables_sha256 == tables:
        return []
    said = f"expected a snapshot with tables {epoch.tables_sha256}, as epoch {epoch.number} of"
    return [f"{said} {found.header.origin} says, found {tables}"]


def _other_claims(
    standings: Mapping[str, Standing], leaves: Sequence[bytes], found: Snapshot
) -> Iterator[str]:
    for row in found.claims.select(["claim_id", "level", "seq", "commitment"]).to_pylist():
        stood = standings[row["claim_id"]]
        carried = read_leaf(leaves[stood.part_seq], found.header.origin)
        expected = (stood.level, stood.seq, getattr(carried, "match", ""))
        if (row["level"], row["seq"], row["commitment"]) != expected:
            yield (
                f"expected claim {row['claim_id']} in the snapshot at level {stood.level}, by entry"
                f" {stood.seq}, found level {row['level']}, entry {row['seq']}, or another"
                " commitment"
            )


def fork(logs: tuple[HeldLog, HeldLog], policy: Policy) -> tuple[str, Fork | None]:
    """Return how two copies of a log are not of one history, and the proof of it.

    "" where they are; no proof where the log has not signed a state of each that contradicts the
    other: then one of the copies was damaged or changed by somebody else.
    """
    one, other = sorted(logs, key=lambda log: log.size)
    if other.reader.root_at(one.size) == one.root:
        return "", None
    said = (
        f"expected one history of {one.origin}, found another in {one.where} than in"
        f" {other.where}, before entry {one.size}"
    )
    for first in one.signed:
        for second in other.signed:
            if proof := _proof((one, first), (other, second), policy):
                return said, proof
    return said, None


def _proof(
    one: tuple[HeldLog, tuple[int, bytes]], other: tuple[HeldLog, tuple[int, bytes]], policy: Policy
) -> Fork | None:
    readers = []
    for log, (size, body) in (one, other):
        if size > log.size:
            return None
        readers.append((body, TileReader(log.read, size, log.reader.root_at(size))))
    (first, a), (second, b) = readers
    try:
        return of_logs(first, second, policy, (a, b))
    except ProofError:
        return None  # not both signed by a log of the policy for what these files hold
