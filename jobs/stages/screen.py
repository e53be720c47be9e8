"""screen: the rows of one uid shard, and which pages may be asked under the claims at the start."""

from jobs.context import Context
from jobs.stages import Result
from pipeline.plan import Task
from pipeline.requests import host_bucket, page_requests, public_urls, requests
from pipeline.screen import screen
from schemas.tables import ROWS


def run(context: Context, task: Task) -> Result:
    """args: identified refs, shard, snapshot ref. Publishes ROWS (unscreened), REQUESTS of pages.

    The rows are published as identified: what the claims say about them is decided by the newest
    snapshot, after the fetch. Here the claims only keep URLs from being asked.
    """
    shard = int(task.args["shard"])
    rows = context.bucket(context.refs(task, "identified"), shard, ROWS).sort_by("uid")
    screened = screen(rows, context.honoured(task.ref("snapshot")).claims)
    wanted, pages = requests(screened, shard), page_requests(screened, shard)
    outputs = {"rows": context.publish_table(task.path("rows"), rows)}
    if pages.num_rows:
        bucket = host_bucket(pages["host"], context.plan.host_buckets)
        outputs["pages"] = context.publish_buckets(task.path("pages"), pages, bucket)
    stopped = screened.num_rows - screened["stop_reason"].null_count
    allowed = context.config.fetch.allow_hosts
    counts = {
        "rows": rows.num_rows,
        "stopped": stopped,
        "urls": wanted.num_rows,
        "pages": pages.num_rows,
        "public_urls": len(public_urls(wanted, allowed)) + len(public_urls(pages, allowed)),
    }
    return outputs, counts
