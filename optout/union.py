"""The claims of several registries as one: what a build honours. Pure.

Claims are put side by side and never weighed here: who may act is said claim by claim (level, and
`trusted` on a registry of one's own), and that an opt-out of any registry outranks an opt-in of
any other is for `decide`. Nothing that one registry states takes anything from another: a claim
that two of them hold must be the same in both.
"""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optout.guard import ACTIVE
from optout.lifecycle import PROVED
from schemas.errors import RegistryError
from schemas.snapshot import Honoured, Snapshot
from schemas.tables import CLAIMS, WORKS, require

NOT_JUDGED = "not judged"
"""The state of a style whose vectors come from another matcher than the build's: it waits."""

_STATED = ("level", "seq", "style_state")
"""What two registries may say differently of one claim: what their moderators found, and where."""


def join(snapshots: Sequence[Snapshot], matcher: str) -> Honoured:
    """Return the claims of all snapshots; none gives no claims.

    matcher: fingerprint of the build's. Of a snapshot of another one, hashes, names, hosts and
    addresses act; its vectors are not compared. A claim that several hold stands once, as stated
    by the one by which most of it acts: control proved, then a style that is active, then one's own
    registry, then the higher level, then the one that comes first.
    Raises RegistryError where two hold different claims under one id.
    """
    repeated = _repeated(snapshots)
    _require_same(snapshots, repeated)
    speaks = _speakers(snapshots, repeated)
    claims, works = [CLAIMS.empty_table()], [WORKS.empty_table()]
    for place, snapshot in enumerate(snapshots):
        silent = pa.array([c for c, speaker in speaks.items() if speaker != place], pa.string())
        claims.append(_without(_resolved(snapshot, matcher), silent))
        works.append(_without(snapshot.works, silent))
    joined = Honoured(
        matcher,
        pa.concat_tables(claims).sort_by("claim_id"),
        pa.concat_tables(works).sort_by([("claim_id", "ascending"), ("work_id", "ascending")]),
    )
    require(joined.claims, CLAIMS, extra=False)
    return joined


def _repeated(snapshots: Sequence[Snapshot]) -> set[str]:
    held = Counter(claim for s in snapshots for claim in s.claims["claim_id"].to_pylist())
    return {claim for claim, count in held.items() if count > 1}


def _speakers(snapshots: Sequence[Snapshot], repeated: AbstractSet[str]) -> dict[str, int]:
    """Return for each claim that several hold the place of the snapshot that speaks for it."""
    best: dict[str, tuple[bool, bool, bool, int, int]] = {}
    for place, snapshot in enumerate(snapshots):
        own = snapshot.header.trust_local
        columns = ("claim_id", "level", "style_state")
        stated = (snapshot.claims[name].to_pylist() for name in columns)
        for claim, level, style in zip(*stated, strict=True):
            rank = (own or level >= PROVED, style == ACTIVE, own, level, -place)
            if claim in repeated and (claim not in best or rank > best[claim]):
                best[claim] = rank
    return {claim: -rank[-1] for claim, rank in best.items()}


def _require_same(snapshots: Sequence[Snapshot], repeated: AbstractSet[str]) -> None:
    """Raise RegistryError where a claim that several hold differs in more than what is stated.

    The commitment alone would not do: what opens it stays with the registry, so a list could show
    the commitment of somebody else's claim beside a match part that protects nobody.
    """
    first: dict[str, tuple[str, Any]] = {}
    for snapshot in snapshots:
        origin = snapshot.header.origin
        for claim, said in _said(snapshot, repeated).items():
            before, other = first.setdefault(claim, (origin, said))
            if other != said:
                raise RegistryError(
                    f"expected claim {claim} to be the same in {before} and in {origin}, found two"
                    " claims of one id: decline one of the two lists, and tell who publishes them"
                )


def _said(snapshot: Snapshot, repeated: AbstractSet[str]) -> dict[str, Any]:
    """Return what a snapshot holds of some claims, by claim id, in a form that compares."""
    if not repeated:
        return {}
    wanted = pa.array(sorted(repeated), pa.string())
    tables = [t.filter(pc.is_in(t["claim_id"], wanted)) for t in (snapshot.claims, snapshot.works)]
    said: dict[str, Any] = {
        row["claim_id"]: [{k: v for k, v in row.items() if k not in _STATED}]
        for row in tables[0].to_pylist()
    }
    for work in tables[1].sort_by("work_id").to_pylist():
        said[work["claim_id"]].append(work)
    return said


def _resolved(snapshot: Snapshot, matcher: str) -> pa.Table:
    """Return CLAIMS of a snapshot: who states them, whether they are trusted, what waits."""
    header, claims = snapshot.header, snapshot.claims
    if header.matcher not in ("", matcher):
        state = claims["style_state"]
        waits = pc.if_else(pc.equal(state, ACTIVE), NOT_JUDGED, state)
        claims = claims.set_column(claims.column_names.index("style_state"), "style_state", waits)
    rows = claims.num_rows
    columns = [
        *claims.columns,
        pa.array([header.origin] * rows, pa.string()),
        pa.array([header.trust_local] * rows, pa.bool_()),
    ]
    return pa.Table.from_arrays(columns, schema=CLAIMS)


def _without(table: pa.Table, claims: pa.Array) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["claim_id"], claims)))
