"""readmit: rows let in by a review, out of the vault that holds them; nothing is asked.

They come as the first build left them. What may have changed is looked at again here: safety
lists, the age of their signals, and whether a copy of them was released. Claims come later.
"""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import private_evidence
from jobs.context import Context
from jobs.readmission import members, release_of
from jobs.review import read_decisions
from jobs.stages import Result
from pipeline.evidence import EVIDENCE_INDEX, evidence_bucket
from pipeline.held import Whole, copies, read_whole, stopped, unreleased
from pipeline.identify import shard_of
from pipeline.judge import stale_stop
from pipeline.plan import Task
from pipeline.review import Choice, standing
from pipeline.safety import STAGE as SAFETY
from pipeline.shard import read_parquet
from pipeline.storage import open_store
from pipeline.vault import EDGES_PATH
from schemas.canonical import canonical_json
from schemas.errors import ModelMismatchError
from schemas.ports import Store
from schemas.tables import DOCUMENTS, EVIDENCED, TEXT
from schemas.verdict import Reason

STAGE = "readmit"
Stops = dict[str, tuple[str, str, str | None]]


def run(context: Context, task: Task) -> Result:
    """args: shard. Publishes what screen and prepare would, and the documents of all origins."""
    shard = int(task.args["shard"])
    (part,) = context.plan.source["parts"]
    uids = pa.array(members(context.plan), TEXT)
    own = uids.filter(pc.equal(shard_of(uids, context.plan.shards), shard)).to_pylist()
    vault = open_store(part["path"], private=True)
    release = open_store(release_of(part["path"]))
    whole = read_whole(vault, own) if own else nothing(vault, uids[0].as_py())
    require_same_models(context, whole.vectors)
    judged = stopped(whole.judged, stale(context, whole.judged))
    limit = context.plan.duplicate_similarity()
    listed = unsafe(context, whole)
    decoded = stopped(whole.decoded, listed)
    if context.config.relate.dedup:
        decoded = stopped(decoded, already_released(vault, own, limit))
    evidence = private_evidence(vault, whole.traced) if own else EVIDENCED.empty_table()
    documents = documents_of(release, evidence)
    tables = {
        "rows": whole.rows,
        "judged": judged,
        "decoded": decoded,
        "stored": without(whole.stored, listed),
        "vectors": without(whole.vectors, listed),
        "traced": whole.traced,
        "documents": documents,
    }
    outputs = {k: context.publish_table(task.path(k), t) for k, t in tables.items()}
    bucket = evidence_bucket(evidence, context.plan.shards)
    outputs["evidence"] = context.publish_buckets(task.path("evidence"), evidence, bucket)
    return outputs, {"rows": whole.rows.num_rows}


def nothing(vault: Store, uid: str) -> Whole:
    """Return a shard without rows, in the form of those that have some."""
    some = read_whole(vault, [uid])
    tables = {name: getattr(some, name).slice(0, 0) for name in Whole.__slots__}
    return Whole(**tables)


def require_same_models(context: Context, vectors: pa.Table) -> None:
    """Raise ModelMismatchError where the vectors are of other models than the plan's."""
    told = vectors.schema.metadata or {}
    for key, choice in (("model", context.plan.model), ("matcher", context.plan.matcher)):
        found = told.get(key.encode(), b"none").decode()
        if found != choice.fingerprint:
            raise ModelMismatchError(
                f"expected held rows with vectors of the {key} {choice.fingerprint[:16]}, found"
                f" {found[:16]}: rows embedded by another can only be fetched anew"
            )


def stale(context: Context, judged: pa.Table) -> Stops:
    """Return stops of rows whose signals are too old by now."""
    before_us = context.stale_before_us
    if before_us is None:
        return {}
    found: Stops = {}
    for row in judged.select(["uid", "signals"]).to_pylist():
        moments = [s["at"] for s in row["signals"] or () if s["at"] is not None]
        oldest = int(min(moments).timestamp() * 1_000_000) if moments else None
        stop = stale_stop(oldest, before_us)
        if stop is not None:
            detail = canonical_json(dict(stop.detail)).decode()
            found[row["uid"]] = (stop.stage, str(stop.reason), detail)
    return found


def unsafe(context: Context, whole: Whole) -> Stops:
    """Return stops of rows that a safety list names by now."""
    sha256 = dict(zip(*(whole.judged[n].to_pylist() for n in ("uid", "sha256")), strict=True))
    keys = whole.decoded.select(["uid", "pdq", "pdq_quality"]).to_pylist()
    hits = {
        row["uid"]: context.safety.hit(sha256[row["uid"]], row["pdq"], row["pdq_quality"] or 0)
        for row in keys
    }
    return {uid: (SAFETY, str(Reason.SAFETY), hit) for uid, hit in hits.items() if hit}


def without(table: pa.Table, stops: Stops) -> pa.Table:
    """Return a table without the rows of which nothing may be stored."""
    return table.filter(pc.invert(pc.is_in(table["uid"], pa.array(list(stops), TEXT))))


def already_released(vault: Store, uids: list[str], similarity: float) -> Stops:
    """Return stops of rows of which the release, or another out of its vault, has a copy."""
    if not uids:
        return {}
    pairs = copies(uids, read_parquet(vault.read(EDGES_PATH)), similarity)
    others = pairs["other"].unique().sort().to_list()
    later = standing(read_decisions(vault))
    mine = set(uids)
    out = {
        uid
        for uid in unreleased(vault, others)
        if uid not in later or later[uid].choice != Choice.RELEASED
    }
    found: Stops = {}
    for uid, other in pairs.iter_rows():
        if other not in out and other not in mine:
            detail = canonical_json({"released_as": other}).decode()
            found.setdefault(uid, (STAGE, str(Reason.DUPLICATE), detail))
    return found


def documents_of(release: Store, evidence: pa.Table) -> pa.Table:
    """Return DOCUMENTS that the evidence of answers and pages names, out of a release."""
    ids = sorted({i for value in _answers(evidence) for hop in value["hops"] for i in hop[2]})
    index = read_parquet(release.read(EVIDENCE_INDEX))
    named = index.filter(pc.is_in(index["document_id"], pa.array(ids, TEXT)))
    bodies = [
        None if sha256 is None else release.read(f"evidence/{sha256}")
        for sha256 in named["sha256"].to_pylist()
    ]
    whole = named.append_column("body", pa.array(bodies, pa.binary()))
    return whole.select(DOCUMENTS.names).cast(DOCUMENTS)


def _answers(evidence: pa.Table) -> list[dict[str, Any]]:
    rows = evidence.select(["kind", "body"]).to_pylist()
    return [json.loads(row["body"]) for row in rows if row["kind"] in {"answer", "page"}]
