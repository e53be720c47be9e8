"""lists: what the lists of others say about the URLs of one uid shard.

Answers are published once, like everything that was observed: a second run of the task, and a
build from this one's store, take them from there.
"""

import asyncio
import os
import random

import pyarrow as pa
import pyarrow.compute as pc

from jobs.context import Context, parquet_bytes
from jobs.stages import Result
from pipeline.lists import SpawningList, asked_about, declared, listed_answers
from pipeline.plan import Task
from pipeline.screen import screen
from pipeline.transport import AiohttpTransport
from schemas.tables import LISTED
from schemas.verdict import Channel

FOLDER = "fetch/lists"


def run(context: Context, task: Task) -> Result:
    """args: rows ref, snapshot ref, shard. Publishes LISTED by uid shard."""
    shard = int(task.args["shard"])
    rows = context.table(task.ref("rows"))
    screened = screen(rows, context.honoured(task.ref("snapshot")).claims)
    urls = asked_about(screened)
    tables = [declared(urls, context.declarations, context.created_us)]
    if context.config.lists.spawning_url:
        tables.append(spawning(context, task, urls))
    found = pa.concat_tables(tables)
    bucket = pa.array([shard] * found.num_rows, pa.int32())
    outputs = {"listed": context.publish_buckets(task.path("listed"), found, bucket)}
    return outputs, {"rows": rows.num_rows, "urls": len(urls)}


def spawning(context: Context, task: Task, urls: list[str]) -> pa.Table:
    """Return what the URL list API says, from the store where that was asked already."""
    if context.bodies is not context.work:
        paths = context.bodies.paths(FOLDER)
        known = [context.foreign_table(context.bodies, path) for path in paths]
        every = pa.concat_tables([LISTED.empty_table(), *known])
        return every.filter(pc.is_in(every["url_key"], pa.array(urls, pa.string())))
    path = f"{FOLDER}/{task.name}-{task.digest[:16]}.parquet"
    if not context.work.exists(path):
        context.work.publish_once(path, parquet_bytes(asyncio.run(ask(context, task, urls))))
    return context.foreign_table(context.work, path)


async def ask(context: Context, task: Task, urls: list[str]) -> pa.Table:
    """Ask the API of the config about URLs. Its key stays in the environment of this process."""
    config = context.config
    rng = random.Random(f"{config.seed} {task.name}")  # noqa: S311  # jitter, not secrets
    async with AiohttpTransport(config.fetch) as transport:
        api = SpawningList(
            transport,
            context.clock,
            config.fetch,
            rng,
            key=os.environ.get(config.lists.spawning_key_env, ""),
            url=config.lists.spawning_url,
            batch_urls=config.lists.batch_urls,
        )
        return listed_answers(await api.ask(urls), Channel.SPAWNING)
