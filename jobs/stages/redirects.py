"""redirects: the answers of one round that moved to another host, as requests of the next round."""

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from pipeline.fetch import next_round
from pipeline.plan import Task
from pipeline.requests import host_bucket


def run(context: Context, task: Task) -> Result:
    """args: facts refs (OBSERVED). Publishes REQUESTS by host bucket."""
    observed = pa.concat_tables([context.table(r) for r in context.refs(task, "facts")])
    wanted = next_round(observed)
    bucket = host_bucket(wanted["host"], context.plan.host_buckets)
    ref = context.publish_buckets(task.path("wanted"), wanted, bucket)
    return {"requests": ref}, {"rows": wanted.num_rows}
