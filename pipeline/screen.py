"""What a registry denies before any request: listed URLs, hosts, and names in captions.

Only claims that may act do (optout.lifecycle.ACTS_FROM): the others wait for proof of control.
A listed URL also means the same address under the other of http and https, for a denial; a grant
is taken at its word. Of several findings the first in the order URL, host, name stands, and of
several claims the smallest claim id.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from optout.lifecycle import Rule, acts
from optout.names import find_names
from optout.urls import canonical_url, is_address, twin_url
from pipeline.identify import addresses
from schemas.errors import UsageError
from schemas.tables import CLAIMS, GRANTS, ROWS, STOP, TEXT, require
from schemas.verdict import Reason, Scope, Stance

STAGE = "screen"

REACH = {
    Rule.URL: frozenset(Scope),
    Rule.HOST: frozenset({Scope.ARTIST, Scope.STYLE, Scope.DOMAIN}),
    Rule.NAME: frozenset({Scope.ARTIST, Scope.STYLE}),
}
"""The scopes whose claims use a rule: a claim on listed works means no host and no name."""

REASONS = {
    Rule.URL: Reason.OPTOUT_URL,
    Rule.HOST: Reason.OPTOUT_HOST,
    Rule.NAME: Reason.OPTOUT_NAME,
}
_COLUMNS = {Rule.URL: "urls", Rule.HOST: "hosts", Rule.NAME: "names"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One key of one claim."""

    key: str
    claim_id: str


def screen(rows: pa.Table, claims: pa.Table) -> pa.Table:
    """Return ROWS with the stops of opt-out claims; the same rows in the same order.

    rows: ROWS, of which stopped ones stay as they are. claims: CLAIMS.
    """
    require(rows, ROWS)
    require(claims, CLAIMS)
    stops = rows["stop_reason"].to_pylist()
    free = [i for i, stop in enumerate(stops) if stop is None]
    denied: dict[int, tuple[Rule, Listed]] = {}
    for rule in REASONS:
        left = [i for i in free if i not in denied]
        listed = _listed(claims, rule, Stance.OPT_OUT)
        if left and listed:
            found = _find(rule, rows.take(left), listed, twins=True)
            denied.update((left[at], (rule, one)) for at, one in found)
    return _stopped(rows, denied) if denied else rows


def grants(rows: pa.Table, claims: pa.Table) -> pa.Table:
    """Return GRANTS: the rows that opt-in claims grant by exact URL or host, stopped or not."""
    require(rows, ROWS)
    require(claims, CLAIMS)
    uids = rows["uid"].to_pylist()
    found: set[tuple[str, str, str]] = set()
    for rule in (Rule.HOST, Rule.URL):
        listed = _listed(claims, rule, Stance.OPT_IN)
        for at, one in _find(rule, rows, listed, twins=False, every=True):
            found.add((uids[at], str(rule), one.claim_id))
    ordered = sorted(found)
    columns = [[row[0] for row in ordered], [row[2] for row in ordered], [r[1] for r in ordered]]
    return pa.Table.from_arrays([pa.array(c, TEXT) for c in columns], schema=GRANTS)


def _listed(claims: pa.Table, rule: Rule, stance: Stance) -> list[Listed]:
    """Return the keys of the claims that may act by a rule, sorted by claim and key."""
    columns = ("claim_id", "scope", "stance", "level", "trusted", _COLUMNS[rule])
    listed = [
        Listed(key, claim_id)
        for claim_id, scope, claimed, level, trusted, keys in zip(
            *(claims[name].to_pylist() for name in columns), strict=True
        )
        if claimed == stance and Scope(scope) in REACH[rule]
        if acts(rule, level, trusted, stance)
        for key in keys or ()
    ]
    return sorted(listed, key=lambda one: (one.claim_id, one.key))


def _find(
    rule: Rule, rows: pa.Table, listed: Sequence[Listed], *, twins: bool, every: bool = False
) -> Iterator[tuple[int, Listed]]:
    """Yield (row, key) of what is met: the first claim of each row, or `every` one."""
    if rule == Rule.NAME:
        yield from _by_name(rows["caption"], listed)
        return
    by_key: dict[str, list[Listed]] = {}
    for one in listed:
        for key in _url_keys(one.key, twins=twins) if rule == Rule.URL else (one.key,):
            by_key.setdefault(key, []).append(one)
    if not by_key:
        return
    wanted: Iterable[str | None] = addresses(rows) if rule == Rule.URL else rows["host"].to_pylist()
    answers: dict[str | None, list[Listed]] = {None: []}  # hosts repeat
    for at, value in enumerate(wanted):
        if value not in answers:
            keys = [value] if rule == Rule.URL else _above(value)
            found = [one for key in keys if key is not None for one in by_key.get(key, ())]
            answers[value] = sorted(found, key=lambda one: (one.claim_id, one.key))
        for one in answers[value] if every else answers[value][:1]:
            yield at, one


def _by_name(captions: pa.ChunkedArray, listed: Sequence[Listed]) -> Iterator[tuple[int, Listed]]:
    found = find_names(captions, [one.key for one in listed])
    last = -1
    for at, name in zip(found["row"].to_pylist(), found["name"].to_pylist(), strict=True):
        if at != last:  # sorted: the first name of a row is of the smallest claim
            yield at, listed[name]
        last = at


def _url_keys(url: str, *, twins: bool) -> list[str]:
    try:
        key = canonical_url(url)
    except UsageError:  # an older registry's; what it names can be no row's address
        return []
    twin = twin_url(key) if twins else None
    return [key, twin] if twin else [key]


def _above(host: str | None) -> list[str]:
    """Return a host and the hosts above it, nearest first: all claims that could cover it."""
    if not host:
        return []
    if is_address(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]


def _stopped(rows: pa.Table, denied: dict[int, tuple[Rule, Listed]]) -> pa.Table:
    values: dict[str, list[str | None]] = {f.name: rows[f.name].to_pylist() for f in STOP}
    for at, (rule, one) in denied.items():
        values["stop_stage"][at] = STAGE
        values["stop_reason"][at] = str(REASONS[rule])
        values["stop_claim"][at] = one.claim_id
        values["stop_detail"][at] = json.dumps({str(rule): one.key}, ensure_ascii=False)
    for name, column in values.items():
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(column, TEXT))
    return rows


def count_stops(rows: pa.Table) -> dict[str, int]:
    """Return reason -> rows stopped by it, sorted by reason."""
    counts = pc.value_counts(rows["stop_reason"].drop_null()).to_pylist()
    return dict(sorted((str(c["values"]), int(c["counts"])) for c in counts))
