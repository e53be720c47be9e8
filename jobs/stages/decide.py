"""decide: the one global pass over slim columns; then one of each duplicate group is chosen."""

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from pipeline.decide import decide
from pipeline.identify import shard_of
from pipeline.plan import Task
from pipeline.represent import represent


def run(context: Context, task: Task) -> Result:
    """args: slim, matches, grants and edges refs, snapshot ref. Publishes DECIDED by shard."""
    slim, matches, grants, edges = (
        pa.concat_tables([context.table(r) for r in task.refs(n)])
        for n in ("slim", "matches", "grants", "edges")
    )
    snapshot = context.snapshot(task.ref("snapshot"))
    config = context.config
    decided = decide(
        slim,
        matches,
        edges,
        snapshot.claims,
        grants,
        config,
        trust_local=snapshot.header.trust_local,
    )
    threshold = config.relate.similarity or context.plan.model.duplicate_threshold
    chosen = represent(decided, slim, edges, threshold, config)
    shard = shard_of(chosen["uid"], context.plan.shards)
    return {
        "decided": context.publish_buckets(task.path("decided"), chosen, shard),
    }, {"rows": chosen.num_rows}
