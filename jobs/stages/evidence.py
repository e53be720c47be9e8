"""evidence: the private evidence of all shards whose digests fall into one bucket, each once."""

from jobs.context import Context
from jobs.stages import Result
from pipeline.evidence import once
from pipeline.plan import Task
from pipeline.release import File, name_of
from pipeline.shard import write_parquet
from pipeline.storage import open_store
from pipeline.vault import PRIVATE_EVIDENCE, vault_of
from schemas.canonical import canonical_json
from schemas.tables import EVIDENCED


def run(context: Context, task: Task) -> Result:
    """args: evidence refs, bucket, out. Publishes a file of the vault, and its entry."""
    bucket = int(task.args["bucket"])
    table = once(context.bucket(context.refs(task, "evidence"), bucket, EVIDENCED), "sha256")
    file = File(f"{PRIVATE_EVIDENCE}/{name_of(bucket)}.parquet", write_parquet(table), len(table))
    open_store(vault_of(task.args["out"]), private=True).publish(file.path, file.body)
    listed = {"public": [], "private": [file.entry.model_dump(mode="json")]}
    outputs = {"files": context.publish(task.path("evidence", ".json"), canonical_json(listed))}
    return outputs, {"rows": table.num_rows}
