"""sift: which URLs of one uid shard are asked, now that lists and pages have answered."""

from jobs.context import Context
from jobs.stages import Result
from pipeline.plan import Task
from pipeline.requests import host_bucket, requests
from pipeline.screen import screen
from pipeline.sift import sift


def run(context: Context, task: Task) -> Result:
    """args: rows ref, shard, snapshot ref, refs of listed, pages, documents. Publishes REQUESTS."""
    shard = int(task.args["shard"])
    rows = context.table(task.ref("rows"))
    screened = screen(rows, context.honoured(task.ref("snapshot")).claims)
    left = sift(screened, context.facts(task, shard), context.policy)
    wanted = requests(left, shard)
    bucket = host_bucket(wanted["host"], context.plan.host_buckets)
    outputs = {"requests": context.publish_buckets(task.path("wanted"), wanted, bucket)}
    return outputs, {"rows": rows.num_rows, "urls": wanted.num_rows}
