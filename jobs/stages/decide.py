"""decide: the one global pass over slim columns; then one of each duplicate group is chosen."""

from dataclasses import asdict

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from pipeline.decide import decide
from pipeline.identify import shard_of
from pipeline.likeness import claim_parts
from pipeline.plan import Ref, Task
from pipeline.release import plan_parts, released_sizes
from pipeline.represent import represent
from pipeline.votes import votes
from schemas.canonical import canonical_json
from schemas.tables import SIMILARITIES


def run(context: Context, task: Task) -> Result:
    """args: slim, matches, similarities, grants, edges, decoded refs, snapshot ref.

    Publishes DECIDED, parts, and MATCHES by the votes of sources.
    """
    slim, matches, grants, edges = (
        pa.concat_tables([context.table(r) for r in context.refs(task, n)])
        for n in ("slim", "matches", "grants", "edges")
    )
    honoured = context.honoured(task.ref("snapshot"))
    config = context.config
    refs = context.refs(task, "similarities")
    similarities = (
        context.bucket(refs, part, SIMILARITIES)
        for part in range(claim_parts(honoured, context.plan.rows_estimate))
    )
    voted = votes(slim, similarities, edges, honoured, config.match, safe=context.safe)
    met = pa.concat_tables([matches, voted])
    decided = decide(slim, met, edges, honoured.claims, grants, config, safe=context.safe)
    chosen = represent(decided, slim, edges, context.plan.duplicate_similarity(), config)
    shard = shard_of(chosen["uid"], context.plan.shards)
    decoded = pa.concat_tables(
        [
            context.table(r).select(["uid", "stored_size_bytes"])
            for r in context.refs(task, "decoded")
        ]
    )
    outputs = {
        "decided": context.publish_buckets(task.path("decided"), chosen, shard),
        "votes": context.publish_table(task.path("votes"), voted),
        "parts": parts(context, task, chosen, shard, decoded),
    }
    return outputs, {"rows": chosen.num_rows}


def parts(
    context: Context, task: Task, decided: pa.Table, shard: pa.Array, decoded: pa.Table
) -> Ref:
    """Publish the plan of the samples files: which released rows stand in which."""
    released = released_sizes(decided, shard, decoded)
    planned = [asdict(p) for p in plan_parts(released, context.config.output.shard_mb)]
    return context.publish(task.path("parts", ".json"), canonical_json(planned))
