"""fetch: one chunk of a host bucket's URLs is asked, and what was observed is written once.

Facts are published once: where an earlier try got as far as publishing them, they stand, whatever
the web answers now. Packs come before facts, so that no fact points at bytes that are not there.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from pipeline.answers import documents_for_shards, explode_shards
from pipeline.fetch import Errand, Fetched, fetch
from pipeline.plan import Ref, Task
from pipeline.transport import AiohttpTransport
from schemas.canonical import sha256_hex
from schemas.tables import DOCUMENTS
from schemas.verdict import Outcome

FACTS = "facts.parquet"
PAGE_FACTS = "pages.parquet"
DOCUMENTS_FILE = "documents.parquet"


def run(context: Context, task: Task) -> Result:
    """args: chunk ref, bucket, round, errand. Publishes the chunk's facts, and copies by shard."""
    folder = f"fetch/{int(task.args['bucket']):05d}"
    path = f"{folder}/{task.name}-{task.digest[:16]}.{facts_suffix(task)}"
    known = known_documents(context, folder)
    if not context.work.exists(path):
        publish_facts(context, path, ask(context, task, known, folder))
        known = known_documents(context, folder)
    body = context.work.read(path)
    facts = context.foreign_table(context.work, path)
    return by_shard(context, task, Ref(path, sha256_hex(body), facts.num_rows), facts, known)


def facts_suffix(task: Task) -> str:
    """Return how the files end that hold what an errand observed."""
    return PAGE_FACTS if Errand(task.args["errand"]) is Errand.PAGE else FACTS


def ask(context: Context, task: Task, known: pa.Table, folder: str) -> Fetched:
    """Ask every URL of the task's chunk with the engine of the config."""
    requests = context.table(task.ref("chunk"))
    packs = context.packs(folder)
    rng = random.Random(f"{context.config.seed} {task.name}")  # noqa: S311  # jitter, not secrets
    settings = context.config.fetch
    fetch_with: Callable[..., Awaitable[Fetched]] = fetch
    errand = Errand(task.args["errand"])
    if errand is not Errand.IMAGE:
        fetch_with = partial(fetch, errand=errand)
    elif settings.engine == "img2dataset":
        from pipeline.web import img2dataset_engine  # noqa: PLC0415  # pandas

        fetch_with = img2dataset_engine.fetch

    async def all_of_it() -> Fetched:
        async with AiohttpTransport(settings) as transport:
            return await fetch_with(
                requests,
                known,
                context.image_gates if errand is Errand.IMAGE else context.policy,
                settings,
                transport=transport,
                clock=context.clock,
                rng=rng,
                packs=packs,
            )

    return asyncio.run(all_of_it())


def known_documents(context: Context, folder: str) -> pa.Table:
    """Return the origin documents that earlier chunks of the bucket have asked for."""
    paths = [p for p in context.work.paths(folder) if p.endswith(f".{DOCUMENTS_FILE}")]
    tables = [context.foreign_table(context.work, p) for p in paths]
    return pa.concat_tables(tables) if tables else DOCUMENTS.empty_table()


def publish_facts(context: Context, path: str, fetched: Fetched) -> None:
    """Publish documents, then observations; what is there already stands."""
    from jobs.context import parquet_bytes  # noqa: PLC0415

    documents = f"{path.rsplit('.', 2)[0]}.{DOCUMENTS_FILE}"
    context.work.publish_once(documents, parquet_bytes(fetched.documents))
    context.work.publish_once(path, parquet_bytes(fetched.observed))


def by_shard(
    context: Context, task: Task, ref: Ref, facts: pa.Table, documents: pa.Table
) -> Result:
    """Publish what each uid shard needs of the facts and documents, and count outcomes."""
    observed, shard = explode_shards(facts)
    spoken, document_shard = documents_for_shards(facts, documents)
    outputs = {
        "facts": ref,
        "observed": context.publish_buckets(task.path("observed"), observed, shard),
        "documents": context.publish_buckets(task.path("documents"), spoken, document_shard),
    }
    outcomes = facts["outcome"].to_pylist()
    counts = {
        "rows": facts.num_rows,
        "ok": outcomes.count(Outcome.OK),
        "moved": outcomes.count(Outcome.MOVED),
        "bytes": sum(n or 0 for n in facts["length"].to_pylist()),
    }
    return outputs, counts
