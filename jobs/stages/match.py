"""match: the rows of one shard against the newest claims, and what the global pass reads."""

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from optout import index, style_search
from pipeline.filters import refused
from pipeline.likeness import claim_parts, likeness, part_of_claim
from pipeline.match import match
from pipeline.plan import Task
from pipeline.screen import grants
from pipeline.slim import content_keys, sample_columns, slim


def run(context: Context, task: Task) -> Result:
    """args: rows, named, judged, decoded, vectors, snapshot refs.

    Styles and copies are sought by the fast twins, which give what the references would.
    Publishes SLIM, MATCHES, GRANTS, and SIMILARITIES in buckets of claims. rows: as redacted, with
    the stops of the same snapshot.
    """
    rows, named, judged, decoded, vectors = (
        context.table(task.ref(n)) for n in ("rows", "named", "judged", "decoded", "vectors")
    )
    honoured = context.honoured(task.ref("snapshot"))
    config = context.config
    filtered = refused(sample_columns(rows, judged, decoded), config.filters)
    similar = likeness(
        vectors,
        honoured,
        context.cohort(),
        config.match.epsilon,
        search=style_search.near_styles,
    )
    keys = content_keys(judged, decoded)
    found = match(keys, vectors, honoured, similar, config.match, search=index.candidates)
    matches = pa.concat_tables([found, named])
    parts = claim_parts(honoured, context.plan.rows_estimate)
    part = part_of_claim(similar, honoured, parts)
    outputs = {
        "slim": context.publish_table(task.path("slim"), slim(rows, judged, decoded, filtered)),
        "matches": context.publish_table(task.path("matches"), matches),
        "similarities": context.publish_buckets(task.path("similarities"), similar, part),
        "grants": context.publish_table(task.path("grants"), grants(rows, honoured.claims)),
    }
    return outputs, {"rows": rows.num_rows, "matches": matches.num_rows}
