"""map: a piece of the row map, the band map, or the root over the ledger."""

from jobs.context import Context
from jobs.stages import Result
from optout.log.sparse import SparseMap, Subtree
from pipeline.plan import Task
from pipeline.release_maps import ENTRIES, band_pairs, distinct_codes, ledger_root, row_pairs
from schemas.canonical import canonical_json


def run(context: Context, task: Task) -> Result:
    """args: entries refs, bucket and depth; or codes refs; or leaves refs. Publishes a Subtree."""
    if "entries" in task.args:
        entries = context.bucket(context.refs(task, "entries"), int(task.args["bucket"]), ENTRIES)
        found = SparseMap(row_pairs(entries)).below(int(task.args["depth"]))
    elif "codes" in task.args:
        codes = distinct_codes(map(context.table, context.refs(task, "codes")))
        found = SparseMap(band_pairs(codes)).below(0)
    else:
        leaves = [context.table(ref) for ref in context.refs(task, "leaves")]
        found = Subtree(sum(t.num_rows for t in leaves), ledger_root(leaves))
    body = canonical_json({"keys": found.keys, "hash": found.hash.hex()})
    return {"subtree": context.publish(task.path("map", ".json"), body)}, {"rows": found.keys}
