"""match: the rows of one shard against the newest claims, and what the global pass reads."""

from jobs.context import Context
from jobs.stages import Result
from pipeline.filters import refused
from pipeline.match import match
from pipeline.plan import Task
from pipeline.screen import grants, screen
from pipeline.slim import content_keys, sample_columns, slim


def run(context: Context, task: Task) -> Result:
    """args: rows, judged, decoded, vectors refs, snapshot ref. Publishes SLIM, MATCHES, GRANTS."""
    rows, judged, decoded, vectors = (
        context.table(task.ref(n)) for n in ("rows", "judged", "decoded", "vectors")
    )
    honoured = context.honoured(task.ref("snapshot"))
    screened = screen(rows, honoured.claims)
    config = context.config
    filtered = refused(sample_columns(rows, judged, decoded), config.filters)
    matches = match(
        content_keys(judged, decoded), vectors, honoured, context.cohort(), config.match
    )
    outputs = {
        "slim": context.publish_table(task.path("slim"), slim(screened, judged, decoded, filtered)),
        "matches": context.publish_table(task.path("matches"), matches),
        "grants": context.publish_table(task.path("grants"), grants(rows, honoured.claims)),
    }
    return outputs, {"rows": rows.num_rows, "matches": matches.num_rows}
