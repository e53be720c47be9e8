"""redact: the rows of one shard as the newest claims let them be released: stops, and captions."""

from jobs.context import Context
from jobs.stages import Result
from pipeline.embed import recaptioned
from pipeline.plan import Task
from pipeline.redact import redact


def run(context: Context, task: Task) -> Result:
    """args: rows, judged, decoded, vectors refs, snapshot ref.

    Publishes ROWS with stops and without names, DECODED with the similarity of captions that were
    cut, ORIGINALS, and MATCHES by names that were taken out.
    """
    rows = context.table(task.ref("rows"))
    claims = context.honoured(task.ref("snapshot")).claims
    found = redact(rows, claims, context.table(task.ref("judged")))
    decoded = task.ref("decoded")
    if found.originals.num_rows:
        vectors = context.table(task.ref("vectors"))
        cut = {*found.originals["uid"].to_pylist()} & {*vectors["uid"].to_pylist()}
        uids, texts = (found.rows[name].to_pylist() for name in ("uid", "caption"))
        captions = {uid: text for uid, text in zip(uids, texts, strict=True) if uid in cut}
        if captions:
            again = recaptioned(context.table(decoded), vectors, captions, context.embedder())
            decoded = context.publish_table(task.path("recaptioned"), again)
    outputs = {
        "rows": context.publish_table(task.path("redacted"), found.rows),
        "decoded": decoded,
        "originals": context.publish_table(task.path("originals"), found.originals),
        "named": context.publish_table(task.path("named"), found.named),
    }
    return outputs, {"rows": rows.num_rows, "redacted": found.originals.num_rows}
