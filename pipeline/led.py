"""Where redirects led: the addresses by which an image was reached, beside the one of its row.

Who asks to leave out an address means the image that lies there, whoever else points at it. A
grant by such an address would let anybody in who redirects to it, so only denials look here.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.urls import canonical_url, host_of
from pipeline.columns import combined
from pipeline.identify import addresses
from schemas.errors import UsageError
from schemas.tables import ROWS, TEXT, F

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


def _key(url: str | None) -> str | None:
    try:
        return canonical_url(url) if url else None
    except UsageError:
        return None
