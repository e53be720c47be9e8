"""source: one part of the source is read; bytes that come with it go into packs."""

from collections.abc import Iterator
from dataclasses import astuple

import pyarrow as pa

from jobs.context import Context
from jobs.stages import Result
from pipeline.identify import identity_bucket
from pipeline.plan import Task
from pipeline.source import Part, Placed, Read, SourcePlan, given_observed, read_part


def run(context: Context, task: Task) -> Result:
    """args: part. Publishes SOURCED rows by identity bucket, and OBSERVED of given bytes."""
    plan = SourcePlan.from_json(context.plan.source)
    read = read_part(Part.from_json(task.args["part"]), plan)
    bucket = identity_bucket(read.rows, context.plan.identity_buckets)
    outputs = {"rows": context.publish_buckets(task.path("sourced"), read.rows, bucket)}
    given = given_observed(placed(context, read))
    if given.num_rows:
        of_row = dict(zip(read.rows["url_key"].to_pylist(), bucket.to_pylist(), strict=True))
        where = pa.array([of_row[key] for key in given["url_key"].to_pylist()], pa.int32())
        outputs["given"] = context.publish_buckets(task.path("given"), given, where)
    return outputs, {"rows": read.rows.num_rows, "given": given.num_rows}


def placed(context: Context, read: Read) -> Iterator[Placed]:
    """Put given bytes into packs and yield where each lies."""
    packs = context.packs("fetch/given")
    bodies = [(body.url_key, packs.add(body.body), body.unchecked) for body in read.bodies()]
    packs.flush()
    for url_key, sha256, unchecked in bodies:
        place = packs.places.get(sha256)
        pack, offset, length = astuple(place) if place else (None, None, None)
        yield Placed(url_key, pack, offset, length, sha256, unchecked)
