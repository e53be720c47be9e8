"""requests: the URLs of one host bucket, merged from all shards and cut into chunks."""

from jobs.context import Context
from jobs.stages import Result
from pipeline.plan import Task
from pipeline.requests import chunks, merge_requests
from schemas.tables import REQUESTS


def run(context: Context, task: Task) -> Result:
    """args: requests refs, bucket, round. Publishes one REQUESTS file a chunk."""
    wanted = context.bucket(context.refs(task, "requests"), int(task.args["bucket"]), REQUESTS)
    merged = merge_requests([wanted])
    parts = chunks(merged, context.config.fetch.urls_per_task)
    outputs = {
        f"{i:05d}": context.publish_table(task.path("requests", f"-{i:05d}.parquet"), part)
        for i, part in enumerate(parts)
    }
    return outputs, {"rows": merged.num_rows}
