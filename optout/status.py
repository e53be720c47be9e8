"""Where every claim stands, as a map: what an epoch commits to, and what proves a past state. Pure.

The map follows from the entries alone: key is the hash of a claim's id, value the hash of what the
log says of it. So whoever has the entries can make it again, and one root proves of any claim where
it stood, or that there was none of that id.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from optout.leaf import notices, read_leaf
from optout.log.sparse import SparseMap
from optout.notice import EpochNotice
from optout.replay import Standing, replay
from schemas.canonical import canonical_json

KEY_PREFIX = b"recuse/v1/claim\n"
VALUE_PREFIX = b"recuse/v1/standing\n"
EPOCH_AGE = timedelta(days=1)
"""From which an epoch is followed by another although nothing was recorded since: only a later one
shows that a claim still stood at a date in between."""


def claim_key(claim_id: str) -> bytes:
    """Return the key of a claim in the map."""
    return hashlib.sha256(KEY_PREFIX + claim_id.encode()).digest()


def standing_json(standing: Standing) -> dict[str, Any]:
    """Return what the log says of a claim, as a JSON value."""
    return {
        "claim": standing.claim_id,
        "state": standing.state.value,
        "level": standing.level,
        "key": standing.claimant_key,
        "submitted_at": standing.submitted_at,
        "seq": standing.seq,
        "entry": standing.entry_hash,
        "part_seq": standing.part_seq,
        "authorship": standing.authorship.value if standing.authorship else None,
        "accepted": standing.accepted.value if standing.accepted else None,
    }


def standing_value(said: Mapping[str, Any]) -> bytes:
    """Return the value of a claim in the map, from `standing_json`."""
    return hashlib.sha256(VALUE_PREFIX + canonical_json(dict(said))).digest()


def status_map(standings: Mapping[str, Standing]) -> SparseMap:
    """Return the map of all claims."""
    return SparseMap(
        (claim_key(claim), standing_value(standing_json(standing)))
        for claim, standing in standings.items()
    )


def epoch(leaves: Sequence[bytes], tables_sha256: str, recorded_at: str, where: str) -> EpochNotice:
    """Return the notice of where every claim stands after these leaves.

    tables_sha256: of the snapshot at that size.
    """
    standings = replay(leaves, where)
    number = sum(isinstance(n, EpochNotice) for _, n in notices(leaves, where))
    counts = Counter(str(standing.state) for standing in standings.values())
    return EpochNotice(
        recorded_at=recorded_at,
        number=number,
        size=len(leaves),
        map_root=status_map(standings).root().hex(),
        claims=dict(sorted(counts.items())),
        tables_sha256=tables_sha256,
    )


def is_due(leaves: Sequence[bytes], now: str, where: str) -> bool:
    """Say whether an epoch would show more than those there are: of other entries, or a later day.

    now: time of the registry, RFC 3339. An epoch may stand behind entries that were recorded while
    it was made, and that it does not speak of.
    """
    told, newest = 0, ""
    for seq in reversed(range(len(leaves))):
        found = read_leaf(leaves[seq], where)
        if not isinstance(found, EpochNotice):
            if seq >= told:
                return True
            break
        told, newest = max(told, found.size), newest or found.recorded_at
    if not newest:
        return False  # nothing was recorded at all
    return datetime.fromisoformat(now) - datetime.fromisoformat(newest) >= EPOCH_AGE


def epochs(leaves: Sequence[bytes], where: str) -> list[tuple[int, EpochNotice]]:
    """Return the epochs of a log with their places."""
    return [(seq, n) for seq, n in notices(leaves, where) if isinstance(n, EpochNotice)]
