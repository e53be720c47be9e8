"""Where redirects led: the addresses by which an image was reached, beside the one of its row.

Who asks to leave out an address means the image that lies there, whoever else points at it. A
grant by such an address would let anybody in who redirects to it, so only denials look here.
"""

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.urls import canonical_url, host_of
from pipeline.columns import combined
from pipeline.identify import addresses
from schemas.errors import UsageError
from schemas.tables import ROWS, TEXT, F

REDIRECT = "redirect"
"""Key of a stop's detail: the address at which a claim was met, where it is not the row's own."""

LED = pa.schema([F("at", pa.int64()), *(ROWS.field(name) for name in ("url", "url_key", "host"))])
"""One further address of a row. at: place of the row. url, url_key: the same, canonical."""


def led(rows: pa.Table, judged: pa.Table) -> pa.Table:
    """Return LED: every address on the way to each image but its row's own, in that order.

    rows: ROWS. judged: JUDGED, or uid, final_url and, where it is known, `hops` of it; of any rows.
    An address that has no canonical form was not asked, and is left out.
    """
    known = pc.index_in(rows["uid"], combined(judged["uid"])).cast(pa.int64())
    final = combined(judged["final_url"].take(known))
    hops = pa.nulls(rows.num_rows, pa.list_(TEXT))
    if "hops" in judged.column_names:
        hops = combined(judged["hops"].take(known))
    elsewhere = pc.not_equal(final, combined(rows["url_key"]))
    several = pc.greater(pc.list_value_length(hops), 0)
    asked = pc.or_(*(pc.fill_null(flag, fill_value=False) for flag in (elsewhere, several)))
    places = pc.indices_nonzero(asked).cast(pa.int64())
    ways = zip(hops.take(places).to_pylist(), final.take(places).to_pylist(), strict=True)
    own = addresses(rows.take(places))
    found = []
    for at, (before, last), address in zip(places.to_pylist(), ways, own, strict=True):
        keys = [_key(url) for url in (*(before or ()), last)]
        found += [(at, key) for key in dict.fromkeys(keys) if key not in (None, address)]
    urls = pa.array([key for _, key in found], TEXT)
    hosts = pa.array([host_of(key or "") for _, key in found], TEXT)
    return pa.Table.from_arrays(
        [pa.array([at for at, _ in found], pa.int64()), urls, urls, hosts], schema=LED
    )


def hops_before(observed: pa.Table) -> pa.Array:
    """Return the addresses on the way to each answer's final one: list<string>[n].

    observed: OBSERVED, n rows; a null list of hops gives null.
    """
    hops = combined(observed["hops"])
    parents = pc.list_parent_indices(hops)
    urls = pc.list_flatten(hops).field("url")
    last = combined(observed["final_url"]).take(parents)
    before = pc.fill_null(pc.not_equal(urls, last), fill_value=True)
    counts = np.bincount(parents.filter(before).to_numpy(), minlength=len(hops))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), urls.filter(before), mask=combined(hops.is_null())
    )


def told_hops(evidence: pa.Table) -> dict[str, list[str]]:
    """Return the addresses asked for each answer that redirects led to, by its digest.

    evidence: EVIDENCED, any part of it.
    """
    answers = evidence.filter(pc.equal(evidence["kind"], "answer"))
    digests, bodies = (answers[name].to_pylist() for name in ("sha256", "body"))
    told = {
        digest: [hop[0] for hop in json.loads(body)["hops"]]
        for digest, body in zip(digests, bodies, strict=True)
    }
    return {digest: hops for digest, hops in told.items() if len(hops) > 1}


def hops_by_row(traced: pa.Table, told: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the addresses on the way of rows that redirects led, by uid. traced: TRACED."""
    columns = (traced[name].to_pylist() for name in ("uid", "answer"))
    return {uid: told[answer] for uid, answer in zip(*columns, strict=True) if answer in told}


def with_hops(judged: pa.Table, known: Mapping[str, list[str]]) -> pa.Table:
    """Return JUDGED with the hops of rows, where they are not known.

    judged: of a release or its vault, which say where redirects ended and not how they got there.
    """
    told = pa.array([known.get(uid) for uid in judged["uid"].to_pylist()], pa.list_(TEXT))
    return _with_column(judged, pc.coalesce(combined(judged["hops"]), told))


def with_told_hops(judged: pa.Table, details: pa.ChunkedArray) -> pa.Table:
    """Return JUDGED of a vault's rows with the address at which a claim was met on the way.

    details: of VAULTED, n rows in the order of judged. So the same claims meet these rows again.
    """
    told = [json.loads(detail).get(REDIRECT) if detail else None for detail in details.to_pylist()]
    return _with_column(judged, pa.array([[url] if url else None for url in told], pa.list_(TEXT)))


def _with_column(judged: pa.Table, hops: pa.Array) -> pa.Table:
    place = judged.schema.get_field_index("hops")
    return judged.set_column(place, judged.schema.field(place), hops)


def _key(url: str | None) -> str | None:
    try:
        return canonical_url(url) if url else None
    except UsageError:
        return None
