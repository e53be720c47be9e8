"""release: the files of one uid shard, published below the release and its vault.

Nothing is released by this: without its manifest, which comes last, a folder is no release.
"""

import json

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from pipeline.fetchstore import read_bodies
from pipeline.likeness import by_row
from pipeline.plan import Ref, Task
from pipeline.release import File, Form, Part, ShardTables, name_of, release_shard
from pipeline.release_maps import (
    ENTRIES,
    KINDS,
    MAPPED,
    bucket_of,
    depth_of,
    entries,
    kinds,
    leaves,
    mapped,
)
from pipeline.report.gallery import shard_pictures
from pipeline.report.tally import tally
from pipeline.shard import read_parquet, write_parquet
from pipeline.storage import open_store
from pipeline.vault import EVIDENCE_ROWS, fetched_file, held_as_fetched, vault_of
from schemas.canonical import canonical_json
from schemas.tables import DECIDED, LEDGER


def run(context: Context, task: Task) -> Result:
    """args: out, shard, parts ref, refs of the shard's tables. Publishes a list of files."""
    shard = int(task.args["shard"])
    config = context.config
    tables = ShardTables(
        rows=context.table(task.ref("rows")),
        judged=context.table(task.ref("judged")),
        decoded=context.table(task.ref("decoded")),
        stored=context.table(task.ref("stored")),
        vectors=context.table(task.ref("vectors")),
        decided=context.bucket([task.ref("decided")], shard, DECIDED),
        originals=context.table(task.ref("originals")),
        similarities=by_row(context.table(task.ref("similarities"))),
    )
    form = Form(config.output.format, config.decode.encode_format, context.secret())
    files = release_shard(tables, parts_of(context, task, shard), shard, form)
    held = held_bytes(context, tables, shard)
    traced = context.table(task.ref("traced"))
    path = f"{EVIDENCE_ROWS}/{name_of(shard)}.parquet"
    held.append(File(path, write_parquet(traced), traced.num_rows))
    out = open_store(task.args["out"])
    vault = open_store(vault_of(task.args["out"]), private=True)
    for store, some in ((out, files.public), (vault, [*files.private, *held])):
        for file in some:
            store.publish(file.path, file.body)
    listed = {
        "public": [f.entry.model_dump(mode="json") for f in files.public],
        "private": [f.entry.model_dump(mode="json") for f in [*files.private, *held]],
        "tally": tally(tables, str(config.signals.purpose)).as_json(),
    }
    shown = shard_pictures(tables, shard, context.plan.shards)
    outputs = {
        "files": context.publish(task.path("released", ".json"), canonical_json(listed)),
        "pictures": context.publish_table(task.path("pictures"), shown),
        **for_maps(context, task, files.public),
    }
    return outputs, {"rows": tables.rows.num_rows}


def for_maps(context: Context, task: Task, files: list[File]) -> dict[str, Ref]:
    """Publish what the maps need to know of a shard, out of the very files that are released."""
    tables = {f.path: f.body for f in files if f.path.endswith(".parquet")}
    rows = {
        path.split("/")[1].removesuffix(".parquet"): mapped(read_parquet(body, MAPPED))
        for path, body in tables.items()
        if path.startswith("samples/")
    }
    entered = pa.concat_tables([ENTRIES.empty_table(), *(entries(r, n) for n, r in rows.items())])
    codes = kinds(pa.concat_tables(rows.values())) if rows else KINDS.empty_table()
    ledger = [read_parquet(b, LEDGER.names) for p, b in tables.items() if p.startswith("ledger/")]
    bucket = bucket_of(entered["key"], depth_of(context.plan.shards))
    return {
        "entries": context.publish_buckets(task.path("entries"), entered, bucket),
        "codes": context.publish_table(task.path("codes"), codes),
        "leaves": context.publish_table(task.path("leaves"), leaves(pa.concat_tables(ledger))),
    }


def parts_of(context: Context, task: Task, shard: int) -> list[Part]:
    """Return the samples files that were planned for a shard."""
    planned = json.loads(context.work.read(task.ref("parts").path))
    return [Part(**part) for part in planned if part["shard"] == shard]


def held_bytes(context: Context, tables: ShardTables, shard: int) -> list[File]:
    """Return the vault's file of held rows whose image was never made: their bytes as fetched."""
    held = held_as_fetched(tables.decided, tables.judged, tables.stored)
    if not held.num_rows:
        return []
    bodies = read_bodies(context.bodies, held.select(["pack", "offset", "length", "sha256"]))
    return [File(*fetched_file(held, bodies, shard))]
