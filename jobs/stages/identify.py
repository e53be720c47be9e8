"""identify: every row of one identity bucket gets its uid; repeated rows are marked."""

from jobs.context import Context
from jobs.stages import Result
from pipeline.answers import for_shards
from pipeline.identify import identify, shard_of
from pipeline.plan import Task
from schemas.tables import OBSERVED, SOURCED


def run(context: Context, task: Task) -> Result:
    """args: sourced refs, given refs, bucket. Publishes ROWS and OBSERVED of given bytes."""
    bucket, shards = int(task.args["bucket"]), context.plan.shards
    sourced = context.bucket(context.refs(task, "sourced"), bucket, SOURCED)
    rows = identify(sourced, context.plan.source["name"])
    shard = shard_of(rows["uid"], shards)
    outputs = {"rows": context.publish_buckets(task.path("identified"), rows, shard)}
    given = context.bucket(context.refs(task, "given"), bucket, OBSERVED)
    if given.num_rows:
        observed, where = for_shards(given, rows, shards)
        outputs["observed"] = context.publish_buckets(task.path("observed"), observed, where)
    return outputs, {"rows": rows.num_rows}
