"""What a registry denies by address and caption: listed URLs, hosts, accounts, and names.

Before any request it is the address that the source gave; once it was asked, every address to
which redirects led counts as well (pipeline.led), for a denial. A grant is by the row's own alone.

Only claims that may act do (optout.lifecycle.ACTS_FROM): the others wait for proof of control.
A listed URL also means the same address under the other of http and https, and an account the
same path in other capitals, for a denial; a grant is taken at its word. Of several findings the
first in the order URL, host, account, name stands, of each a row's own address before others, and
of several claims the smallest claim id. A name that its claim asks to redact stops a row only where
the row cannot be released without it (pipeline.wording).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from optout.lifecycle import Rule
from optout.urls import accounts_above, canonical_url, host_of, is_address, twin_url
from pipeline.identify import addresses
from pipeline.led import LED, REDIRECT, led
from pipeline.listed import Listed, listed, listed_names
from pipeline.wording import Met, Wording, names_met, wordings
from schemas.errors import UsageError
from schemas.tables import CLAIMS, GRANTS, ROWS, STOP, TEXT, require
from schemas.verdict import Captions, Reason, Stance

STAGE = "screen"

REASONS = {
    Rule.URL: Reason.OPTOUT_URL,
    Rule.HOST: Reason.OPTOUT_HOST,
    Rule.ACCOUNT: Reason.OPTOUT_ACCOUNT,
    Rule.NAME: Reason.OPTOUT_NAME,
}
_BY_ADDRESS = (Rule.URL, Rule.HOST, Rule.ACCOUNT)

Denials = dict[int, tuple[Rule, str, dict[str, str]]]
"""Place of a row -> the rule, the claim and the detail that stop it."""


def screen(rows: pa.Table, claims: pa.Table, judged: pa.Table | None = None) -> pa.Table:
    """Return ROWS with the stops of opt-out claims; the same rows in the same order.

    rows: ROWS, of which stopped ones stay as they are. claims: CLAIMS. judged: where redirects led
    (see `led`); None before anything was asked.
    """
    return screen_and_word(rows, claims, judged)[0]


def screen_and_word(
    rows: pa.Table, claims: pa.Table, judged: pa.Table | None = None
) -> tuple[pa.Table, dict[int, Wording]]:
    """Return what `screen` does, and how the captions of rows that stay are to be worded, by place.

    Rows that nothing asks to redact have no wording.
    """
    require(rows, ROWS)
    require(claims, CLAIMS)
    way = LED.empty_table() if judged is None else led(rows, judged)
    denied = _by_address(rows, way, claims)
    left = _left(rows, denied)
    names = listed_names(claims, Captions.DROP)
    for at, met in names_met(_captions(rows, left), names).items():
        denied[left[at]] = _named(met[0])
    left = _left(rows, denied)
    worded = wordings(_captions(rows, left), claims)
    for at, wording in worded.items():
        if wording.stop:
            denied[left[at]] = _named(wording.stop, captions=str(Captions.REDACT))
    stay = {left[at]: wording for at, wording in worded.items() if wording.stop is None}
    return (_stopped(rows, denied) if denied else rows), stay


def denier(claims: pa.Table) -> Callable[[str], bool]:
    """Return what says of a canonical URL whether opt-out claims deny it. claims: CLAIMS."""
    require(claims, CLAIMS)
    closed = {
        rule: {
            form
            for one in listed(claims, rule, Stance.OPT_OUT)
            for form in _forms(rule, one.key, twins=True)
        }
        for rule in _BY_ADDRESS
    }

    def denies(url: str) -> bool:
        return any(
            key in closed[rule]
            for rule in _BY_ADDRESS
            if closed[rule]
            for key in _covering(rule, host_of(url) if rule == Rule.HOST else url, twins=True)
        )

    return denies


def grants(rows: pa.Table, claims: pa.Table) -> pa.Table:
    """Return GRANTS: the rows that opt-in claims grant by URL, host or account, stopped or not."""
    require(rows, ROWS)
    require(claims, CLAIMS)
    uids = rows["uid"].to_pylist()
    found: set[tuple[str, str, str]] = set()
    for rule in _BY_ADDRESS:
        keys = listed(claims, rule, Stance.OPT_IN)
        for at, one in _find(rule, rows, keys, twins=False, every=True):
            found.add((uids[at], str(rule), one.claim_id))
    ordered = sorted(found)
    columns = [[row[0] for row in ordered], [row[2] for row in ordered], [r[1] for r in ordered]]
    return pa.Table.from_arrays([pa.array(c, TEXT) for c in columns], schema=GRANTS)


def _by_address(rows: pa.Table, way: pa.Table, claims: pa.Table) -> Denials:
    """Return what claims say against rows by their addresses. way: LED of the rows."""
    denied: Denials = {}
    for rule in _BY_ADDRESS:
        left = _left(rows, denied)
        keys = listed(claims, rule, Stance.OPT_OUT)
        if not left or not keys:
            continue
        for at, one in _find(rule, rows.take(left), keys, twins=True):
            denied[left[at]] = (rule, one.claim_id, {str(rule): one.key})
        led_to = _met_on_the_way(rule, way, keys)
        for place in sorted(led_to.keys() & {*left} - denied.keys()):
            one, url = led_to[place]
            denied[place] = (rule, one.claim_id, {str(rule): one.key, REDIRECT: url})
    return denied


def _met_on_the_way(
    rule: Rule, way: pa.Table, keys: Sequence[Listed]
) -> dict[int, tuple[Listed, str]]:
    """Return, by place of a row, the first claim on an address to which it led, and the address."""
    places, urls = way["at"].to_pylist(), way["url"].to_pylist()
    met: dict[int, tuple[Listed, str]] = {}
    for at, one in _find(rule, way, keys, twins=True):
        place = places[at]
        if place not in met or one < met[place][0]:
            met[place] = (one, urls[at])
    return met


def _left(rows: pa.Table, denied: Mapping[int, object]) -> list[int]:
    stops = rows["stop_reason"].to_pylist()
    return [i for i, stop in enumerate(stops) if stop is None and i not in denied]


def _captions(rows: pa.Table, left: Sequence[int]) -> pa.ChunkedArray:
    return rows["caption"].take(pa.array(left, pa.int64()))


def _named(met: Met, **more: str) -> tuple[Rule, str, dict[str, str]]:
    detail = {str(Rule.NAME): met.listed.key, "form": met.form, **more}
    return Rule.NAME, met.listed.claim_id, detail


def _find(
    rule: Rule, rows: pa.Table, keys: Sequence[Listed], *, twins: bool, every: bool = False
) -> Iterator[tuple[int, Listed]]:
    """Yield (row, key) of what is met: the first claim of each row, or `every` one."""
    by_key: dict[str, list[Listed]] = {}
    for one in keys:
        for key in _forms(rule, one.key, twins=twins):
            by_key.setdefault(key, []).append(one)
    if not by_key:
        return
    answers: dict[str | None, list[Listed]] = {None: []}  # hosts repeat
    for at, value in enumerate(_wanted(rule, rows, by_key)):
        if value not in answers:
            covering = _covering(rule, value, twins=twins)
            answers[value] = sorted(one for key in covering for one in by_key.get(key, ()))
        for one in answers[value] if every else answers[value][:1]:
            yield at, one


def _forms(rule: Rule, key: str, *, twins: bool) -> list[str]:
    """Return the keys under which a claimed one is looked up."""
    if rule == Rule.URL:
        return _url_keys(key, twins=twins)
    return [key.lower() if rule == Rule.ACCOUNT and twins else key]


def _wanted(rule: Rule, rows: pa.Table, by_key: Mapping[str, object]) -> Iterable[str | None]:
    """Return the address or host of each row, null where no key can cover it."""
    if rule == Rule.HOST:
        hosts: list[str | None] = rows["host"].to_pylist()
        return hosts
    if rule == Rule.URL:
        return addresses(rows)
    shared = {key.split("/", 1)[0] for key in by_key}  # few rows lie on them
    near = (host and host.removeprefix("www.") in shared for host in rows["host"].to_pylist())
    return (url if is_near else None for url, is_near in zip(addresses(rows), near, strict=True))


def _covering(rule: Rule, value: str | None, *, twins: bool) -> list[str]:
    """Return the keys that would cover an address or host, in the form of `_forms`."""
    if value is None:
        return []
    if rule == Rule.URL:
        return [value]
    if rule == Rule.HOST:
        return _above(value)
    return [key.lower() if twins else key for key in accounts_above(value)]


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


def _stopped(rows: pa.Table, denied: Denials) -> pa.Table:
    values: dict[str, list[str | None]] = {f.name: rows[f.name].to_pylist() for f in STOP}
    for at, (rule, claim_id, detail) in denied.items():
        values["stop_stage"][at] = STAGE
        values["stop_reason"][at] = str(REASONS[rule])
        values["stop_claim"][at] = claim_id
        values["stop_detail"][at] = json.dumps(detail, ensure_ascii=False)
    for name, column in values.items():
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(column, TEXT))
    return rows


def count_stops(rows: pa.Table) -> dict[str, int]:
    """Return reason -> rows stopped by it, sorted by reason."""
    counts = pc.value_counts(rows["stop_reason"].drop_null()).to_pylist()
    return dict(sorted((str(c["values"]), int(c["counts"])) for c in counts))
