"""relate: the duplicate edges of the whole build."""

import pyarrow as pa
import pyarrow.compute as pc

from jobs.context import Context
from jobs.stages import Result
from pipeline.plan import Task
from pipeline.relate import relate
from pipeline.slim import content_keys


def run(context: Context, task: Task) -> Result:
    """args: judged, decoded and vectors refs of all shards. Publishes EDGES."""
    shards = zip(context.refs(task, "judged"), context.refs(task, "decoded"), strict=True)
    keys = pa.concat_tables(
        [content_keys(context.table(judged), context.table(decoded)) for judged, decoded in shards]
    )
    vectors = pa.concat_tables(
        [context.table(r).select(["uid", "sem"]) for r in context.refs(task, "vectors")]
    )
    places = pc.index_in(keys["uid"], vectors["uid"].combine_chunks())
    config = context.config.relate
    edges = relate(
        keys,
        vectors["sem"].take(places),
        config=config,
        threshold=context.plan.duplicate_similarity(),
        seed=context.config.seed,
    )
    return {"edges": context.publish_table(task.path("edges"), edges)}, {
        "rows": keys.num_rows,
        "edges": edges.num_rows,
    }
