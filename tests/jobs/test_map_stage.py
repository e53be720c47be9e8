"""The maps that tasks make in pieces are those of all rows, whatever the number of shards."""

import pyarrow as pa
import pytest

from jobs.claims import Pinned
from jobs.context import PLAN_PATH, context_at
from jobs.sealing import Finished, roots
from jobs.stages import run_stage
from jobs.tasks import Tasks
from optout.log.sparse import SparseMap
from pipeline.plan import Receipt, Ref
from pipeline.release_maps import (
    ENTRIES,
    KINDS,
    LEAVES,
    band_pairs,
    bucket_of,
    depth_of,
    distinct_codes,
    entries,
    kinds,
    leaves,
    ledger_root,
    row_pairs,
)
from pipeline.storage import open_store
from schemas.tables import LEDGER, from_rows
from tests.jobs.test_engine import plan
from tests.pipeline.test_release_maps import row, table

NO_CLAIMS = Pinned(Ref("", ""), ())
ROWS = [row(n) for n in range(40)]
LEFT = [{"uid": f"{n:032x}", "stage": "match", "verdict": "drop", "reason": "optout_work",
         "commitment": "c" * 64} for n in range(100, 107)]  # fmt: skip


def made(folder, shards: int):
    """The roots that the tasks come to, where shard s has every row n with n % shards == s."""
    context_at.cache_clear()
    work = open_store(str(folder / f"work{shards}"))
    work.publish(PLAN_PATH, plan(shards=shards).model_dump_json().encode())
    context = context_at(work.root)
    depth = depth_of(context.plan.shards)
    released = []
    for shard in range(shards):
        own, out = ROWS[shard::shards], LEFT[shard::shards]
        entered = entries(table(*own), "00000") if own else ENTRIES.empty_table()
        codes = kinds(table(*own)) if own else KINDS.empty_table()
        left = leaves(from_rows(out, LEDGER)) if out else LEAVES.empty_table()
        bucket = bucket_of(entered["key"], depth)
        outputs = {
            "entries": context.publish_buckets(f"e/{shard}", entered, bucket),
            "codes": context.publish_table(f"c/{shard}", codes),
            "leaves": context.publish_table(f"l/{shard}", left),
        }
        released.append(Receipt("release", f"{shard:05d}", outputs, {}, 0.0))
    tasks = Tasks(context.plan, work.root, str(folder / "out")).maps(released)
    assert len(tasks) == (1 << depth) + 2
    receipts = [Receipt(t.stage, t.name, *run_stage(context, t), 0.0) for t in tasks]
    return roots(Finished(context, {"maps": receipts}, NO_CLAIMS))


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 64])
def test_pieces_come_to_the_maps_of_all_rows(tmp_path, shards):
    found = made(tmp_path, shards)
    rows = SparseMap(row_pairs(entries(table(*ROWS), "00000")))
    bands = SparseMap(band_pairs(distinct_codes([kinds(table(*ROWS))])))
    assert (found.rows, found.row_keys) == (rows.root().hex(), len(rows))
    assert (found.bands, found.band_keys) == (bands.root().hex(), len(bands))
    ledger = ledger_root([leaves(from_rows(LEFT, LEDGER))])
    assert (found.ledger, found.ledger_rows) == (ledger.hex(), len(LEFT))
    assert isinstance(bucket_of(pa.chunked_array([[]], pa.binary(32)), 3), pa.Array)
