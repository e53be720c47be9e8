"""From answers by URL to answers by uid shard: which shard needs which observation and document.

The fetch store holds one row a URL. Shards are by uid, and several may wait for one URL, so each
answer is handed to every shard that asked, without its body (the pack stays where it is).
"""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.identify import shard_of
from schemas.tables import DOCUMENTS, OBSERVED
from schemas.verdict import Outcome


def explode_shards(facts: pa.Table) -> tuple[pa.Table, pa.Array]:
    """Return OBSERVED rows once for each shard that waits for them, and those shards (int32[n]).

    Answers that moved to another host are left out: a later round answers for them.
    """
    settled = facts.filter(pc.not_equal(facts["outcome"], Outcome.MOVED.value))
    lists = settled["shards"].combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
    parents = pc.list_parent_indices(lists)
    return settled.take(parents), pc.list_flatten(lists)


def for_shards(given: pa.Table, rows: pa.Table, shards: int) -> tuple[pa.Table, pa.Array]:
    """Return OBSERVED rows of bytes that came with the source, with the shard of their row.

    given: OBSERVED whose url_key names its row; rows: ROWS of the same identity bucket.
    """
    keys = _frame(given, "url_key").with_row_index("at")
    uids = _frame(rows, "url_key", "uid")
    joined = keys.join(uids, on="url_key", how="inner", maintain_order="left")
    shard = shard_of(joined["uid"].to_arrow().cast(pa.string()), shards)
    answers = given.take(joined["at"].to_arrow())
    lists = pa.array([[s] for s in shard.to_pylist()], pa.list_(pa.int32()))
    place = OBSERVED.get_field_index("shards")
    return answers.set_column(place, OBSERVED.field(place), lists), shard


def documents_for_shards(facts: pa.Table, documents: pa.Table) -> tuple[pa.Table, pa.Array]:
    """Return DOCUMENTS rows once for each shard whose answers name them, and those shards."""
    hops = _frame(facts, "shards", "hops")
    named = (
        hops.explode("hops")
        .select("shards", document_id=pl.col("hops").struct.field("documents"))
        .explode("document_id")
        .drop_nulls("document_id")
        .explode("shards")
        .unique()
        .sort("shards", "document_id")
    )
    index = {d: i for i, d in enumerate(documents["document_id"].to_pylist())}
    wanted = [
        (index[d], s)
        for d, s in zip(named["document_id"], named["shards"], strict=True)
        if d in index
    ]
    at = np.array([i for i, _ in wanted], np.int64)
    shard = pa.array([s for _, s in wanted], pa.int32())
    return documents.take(pa.array(at)).cast(DOCUMENTS), shard


def latest(tables: list[pa.Table]) -> pa.Table:
    """Return one settled answer a URL out of all rounds of a fetch store (OBSERVED)."""
    everything = pa.concat_tables(tables) if tables else OBSERVED.empty_table()
    settled = everything.filter(pc.not_equal(everything["outcome"], Outcome.MOVED.value))
    order = _frame(settled, "url_key").with_row_index("at")
    first = order.unique("url_key", keep="first", maintain_order=True)["at"].to_arrow()
    return settled.take(first)


def with_shards(facts: pa.Table, requests: pa.Table) -> pa.Table:
    """Return the answers to the URLs of REQUESTS, each with the shards that ask for it now."""
    asked = _frame(requests, "url_key").with_row_index("request")
    stored = _frame(facts, "url_key").with_row_index("fact")
    joined = stored.join(asked, on="url_key", how="inner").sort("url_key")
    found = facts.take(joined["fact"].to_arrow())
    lists = requests["shards"].take(joined["request"].to_arrow())
    place = OBSERVED.get_field_index("shards")
    return found.set_column(place, OBSERVED.field(place), lists)


def _frame(table: pa.Table, *columns: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table.select(list(columns))))
