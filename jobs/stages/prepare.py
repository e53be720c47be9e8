"""prepare: the answers of one uid shard are judged, its images decoded and embedded.

Decoding runs ahead in a thread of its own, so that the model never waits for it.
"""

import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.context import Context
from jobs.stages import Result
from pipeline.decode import Options, decoded_batches, with_similarity
from pipeline.embed import by_key, embed, hold_unsound
from pipeline.embedded import embedded, openable
from pipeline.evidence import evidence_bucket
from pipeline.fetchstore import read_bodies
from pipeline.judge import judge
from pipeline.plan import Task
from pipeline.safety import withheld
from schemas.ports import Store
from schemas.tables import DECODED, KEYPOINTS, STORED, with_metadata

AHEAD = 2  # batches that may be decoded before the model takes them
BODIES_AT_ONCE = 256

Known = dict[str, Mapping[str, np.ndarray]]
T = TypeVar("T")


def run(context: Context, task: Task) -> Result:
    """args: rows ref, shard, refs of observed, documents, pages, listed.

    Publishes JUDGED, TRACED and its evidence, DECODED, STORED and the vectors.
    """
    shard = int(task.args["shard"])
    rows = context.table(task.ref("rows"))
    facts, policy = context.facts(task, shard), context.policy
    found = judge(rows, facts, policy, stale_before_us=context.stale_before_us)
    found = replace(found, table=withheld(found.table))
    found = embedded(found, Bodies(context.bodies, found.table, openable(found.table)), policy)
    judged = found.table
    decoded, stored, vectors = images(context, task, rows, judged)
    evidence = found.evidence.table()
    bucket = evidence_bucket(evidence, context.plan.shards)
    outputs = {
        "judged": context.publish_table(task.path("judged"), judged),
        "traced": context.publish_table(task.path("traced"), found.traced),
        "evidence": context.publish_buckets(task.path("evidence"), evidence, bucket),
        "decoded": context.publish_table(task.path("decoded"), decoded),
        "stored": context.publish_table(task.path("stored"), stored),
        "vectors": context.publish_table(task.path("vectors"), vectors),
    }
    return outputs, {"rows": rows.num_rows, "images": vectors.num_rows}


def images(
    context: Context, task: Task, rows: pa.Table, judged: pa.Table
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return DECODED, STORED, and the vectors of a shard with its key points."""
    config = context.config
    embedder, matcher = context.embedder(), context.matcher()
    options = Options(
        config=config.decode,
        edge_px=max(embedder.edge_px, matcher.edge_px),
        safety=context.safety,
        keypoints=True,
    )
    captions = dict(zip(rows["uid"].to_pylist(), rows["caption"].to_pylist(), strict=True))
    known = known_vectors(context, task)
    tables: list[pa.Table] = [DECODED.empty_table()]
    stored: list[pa.Table] = [STORED.empty_table()]
    vectors: list[pa.Table] = []
    for batch in ahead(decoded_batches(judged, Bodies(context.bodies, judged), options)):
        uids, keys = batch.embeddable()
        found, similarity = embed(
            pa.array(uids, pa.string()),
            [batch.pixels[k] for k in keys],
            [captions[u] for u in uids],
            embedder,
            matcher,
            keys=keys,
            known=known,
        )
        known |= by_key(found, keys)
        table = with_similarity(batch.table, dict(zip(uids, similarity.to_pylist(), strict=True)))
        tables.append(hold_unsound(table, found))
        stored.append(batch.stored)
        points = pa.array([batch.keypoints[k] for k in keys], KEYPOINTS.type)
        vectors.append(found.append_column(KEYPOINTS, points))
    if not vectors:
        nothing = embed(pa.array([], pa.string()), [], [], embedder, matcher)[0]
        vectors.append(nothing.append_column(KEYPOINTS, pa.array([], KEYPOINTS.type)))
    marked = with_metadata(
        pa.concat_tables(vectors).combine_chunks(),
        model=context.plan.model.fingerprint,
        matcher=context.plan.matcher.fingerprint,
    )
    return pa.concat_tables(tables).combine_chunks(), pa.concat_tables(stored), marked


def known_vectors(context: Context, task: Task) -> Known:
    """Return the vectors of this shard that an earlier build's store has, of the same models."""
    store, known = context.bodies, Known()
    if store is context.work:
        return known
    wanted = {
        b"model": context.plan.model.fingerprint.encode(),
        b"matcher": context.plan.matcher.fingerprint.encode(),
    }
    for path in store.paths("vectors"):
        decoded = path.replace("vectors/", "decoded/", 1)
        if not path.startswith(f"vectors/{task.name}-") or not store.exists(decoded):
            continue
        table = context.foreign_table(store, path)
        if wanted.items() <= (table.schema.metadata or {}).items():
            keys = context.foreign_table(store, decoded).select(["uid", "pixel_sha256"])
            of_uid = dict(zip(*(keys[c].to_pylist() for c in keys.column_names), strict=True))
            known |= by_key(table, [of_uid[u] for u in table["uid"].to_pylist()])
    return known


class Bodies(Mapping[str, bytes]):
    """Bodies of a shard by sha256, read some hundreds at a time in the order in which rows come."""

    def __init__(
        self, store: Store, judged: pa.Table, wanted: pa.ChunkedArray | None = None
    ) -> None:
        """Take JUDGED; wanted: bool[n], else the rows that nothing stops."""
        chosen = pc.is_null(judged["stop_reason"]) if wanted is None else wanted
        live = judged.filter(chosen).sort_by("uid")
        places = live.select(["pack", "offset", "length", "sha256"])
        first: dict[str, int] = {}
        for i, sha256 in enumerate(places["sha256"].to_pylist()):
            first.setdefault(sha256, i)
        self._store = store
        self._places = places.take(pa.array(list(first.values()), pa.int64()))
        self._number = {sha256: i for i, sha256 in enumerate(first)}
        self._group = -1
        self._held: dict[str, bytes] = {}

    def __getitem__(self, sha256: str) -> bytes:
        group = self._number[sha256] // BODIES_AT_ONCE
        if group != self._group:
            places = self._places.slice(group * BODIES_AT_ONCE, BODIES_AT_ONCE)
            bodies = read_bodies(self._store, places)
            self._held = dict(zip(places["sha256"].to_pylist(), bodies, strict=True))
            self._group = group
        return self._held[sha256]

    def __iter__(self) -> Iterator[str]:
        return iter(self._number)

    def __len__(self) -> int:
        return len(self._number)

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._number


@dataclass(frozen=True)
class _Failed:
    error: BaseException


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items of an iterator that runs ahead in a thread."""
    waiting: queue.Queue[T | _Failed | None] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(item: T | _Failed | None) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as e:  # noqa: BLE001  # carried over to the thread that reads
            put(_Failed(e))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stopped.set()
        thread.join()
