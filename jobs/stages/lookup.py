"""lookup: an earlier build's fetch store answers instead of the web; nothing is asked."""

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from jobs.stages.fetch import DOCUMENTS_FILE, facts_suffix
from pipeline.answers import documents_for_shards, explode_shards, latest, with_shards
from pipeline.plan import Task
from schemas.tables import DOCUMENTS, OBSERVED


def run(context: Context, task: Task) -> Result:
    """args: chunk ref, errand. Publishes what the store says about the chunk's URLs, by shard."""
    requests = context.table(task.ref("chunk"))
    paths = context.bodies.paths("fetch")
    suffix = facts_suffix(task)
    facts = latest(
        [context.foreign_table(context.bodies, p) for p in paths if p.endswith(f".{suffix}")]
    )
    found = with_shards(facts if facts.num_rows else OBSERVED.empty_table(), requests)
    tables = [
        context.foreign_table(context.bodies, p) for p in paths if p.endswith(f".{DOCUMENTS_FILE}")
    ]
    documents = pa.concat_tables(tables) if tables else DOCUMENTS.empty_table()
    observed, shard = explode_shards(found)
    spoken, document_shard = documents_for_shards(found, documents)
    outputs = {
        "facts": context.publish_table(task.path("facts"), found),
        "observed": context.publish_buckets(task.path("observed"), observed, shard),
        "documents": context.publish_buckets(task.path("documents"), spoken, document_shard),
    }
    return outputs, {"rows": found.num_rows, "absent": requests.num_rows - found.num_rows}
