"""What is to be asked: one request a URL however many rows name it, bucketed by host."""

import re
import zlib
from collections.abc import Iterable, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from optout.urls import GIVEN, host_of
from schemas.tables import REQUESTS, ROWS, from_rows, require


def requests(rows: pa.Table, shard: int) -> pa.Table:
    """Return REQUESTS of the rows of a uid shard that nothing stops, sorted by host and url_key.

    rows: ROWS. Bytes that came with the source are not asked for.
    """
    require(rows, ROWS)
    live = rows["url_key"].filter(pc.is_null(rows["stop_reason"]))
    return requests_to(pc.unique(live.drop_null()).to_pylist(), shard)


def page_requests(rows: pa.Table, shard: int) -> pa.Table:
    """Return REQUESTS of the pages around the images of a uid shard that nothing stops.

    rows: ROWS. A page whose tags came with the source is not asked for.
    """
    require(rows, ROWS)
    live = pc.and_(pc.is_null(rows["stop_reason"]), pc.is_null(rows["page_tags"]))
    return requests_to(pc.unique(rows["page_key"].filter(live).drop_null()).to_pylist(), shard)


def requests_to(keys: Iterable[str], shard: int = 0) -> pa.Table:
    """Return REQUESTS to canonical URLs, sorted by host and url_key; given bytes are not asked."""
    asked = sorted((host_of(key), key) for key in set(keys) if not key.startswith(GIVEN))
    return from_rows(
        [
            {"host": host, "url_key": key, "url": key, "shards": [shard], "hops": []}
            for host, key in asked
        ],
        REQUESTS,
    )


def merge_requests(tables: Sequence[pa.Table]) -> pa.Table:
    """Return REQUESTS with each url_key once: the shards of all tables, sorted by host, url_key.

    Where tables differ about what to ask for a url_key, the first one that names it stands.
    """
    for table in tables:
        require(table, REQUESTS, extra=False)
    if not tables:
        return REQUESTS.empty_table()
    joined = pa.concat_tables(tables).combine_chunks()
    keys = pl.DataFrame(
        {
            "url_key": pl.from_arrow(joined["url_key"]),
            "shards": pl.from_arrow(joined["shards"]),
            "first": pl.int_range(len(joined), eager=True),
        }
    )
    merged = (
        keys.explode("shards")
        .group_by("url_key")
        .agg(pl.col("shards").drop_nulls().unique().sort(), pl.col("first").min())
        .sort("first")
    )
    rows = joined.take(pa.array(merged["first"].to_numpy()))
    shards = merged["shards"].to_arrow().cast(REQUESTS.field("shards").type)
    rows = rows.set_column(rows.column_names.index("shards"), REQUESTS.field("shards"), shards)
    return rows.sort_by([("host", "ascending"), ("url_key", "ascending")]).cast(REQUESTS)


def host_bucket(hosts: pa.Array | pa.ChunkedArray, count: int) -> pa.Array:
    """Return int32[n] in [0, count): all of a host in one bucket. hosts: string[n], no nulls."""
    buckets: dict[str, int] = {}
    values = hosts.to_pylist()
    for host in values:
        if host not in buckets:
            buckets[host] = zlib.crc32(host.encode()) % count
    return pa.array((buckets[host] for host in values), pa.int32())


def chunks(requests: pa.Table, urls_per_task: int) -> list[pa.Table]:
    """Cut REQUESTS into tables of at most `urls_per_task`, asked one after another.

    The n-th URL of every host comes before the n+1-th of any: a chunk mixes hosts, and a big host
    is spread over many chunks. Depends on the rows, not on their order.
    """
    require(requests, REQUESTS, extra=False)
    by_host = requests.sort_by([("host", "ascending"), ("url_key", "ascending")])
    frame = pl.DataFrame({"host": pl.from_arrow(by_host["host"])}).with_row_index("at")
    order = (
        frame.with_columns(pl.col("at").cum_count().over("host").alias("rank"))
        .sort("rank", "host")["at"]
        .to_numpy()
    )
    mixed = by_host.take(pa.array(order))
    return [mixed.slice(at, urls_per_task) for at in range(0, len(mixed), urls_per_task)]


def public_urls(requests: pa.Table, allow_hosts: Sequence[str]) -> pa.Table:
    """Return the REQUESTS that go to hosts other than those opened by hand, as HOST:PORT."""
    require(requests, REQUESTS, extra=False)
    allowed = {host.lower() for host in allow_hosts}
    public = [_host_port(url) not in allowed for url in requests["url"].to_pylist()]
    return requests.filter(pa.array(public, pa.bool_()))


def _host_port(url: str) -> str:
    """Return HOST:PORT of a canonical URL, an IPv6 address in brackets."""
    scheme, _, rest = url.partition("://")
    authority = rest.split("/", 1)[0]
    if re.search(r":[0-9]+$", authority):
        return authority
    return f"{authority}:{443 if scheme == 'https' else 80}"
