"""What belongs to a release and must never be published: rows not released, and what was known.

A similarity in a public ledger would give the registry's vectors back, and a public gallery of
dropped rows would show what must not be shown. The vault holds both, so that its owner can explain,
recall and audit; the public ledger carries a salted commitment to each row of it.
"""

import hashlib
import hmac
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.shard import write_parquet
from pipeline.storage import beside
from schemas import SCHEMA_VERSION
from schemas.canonical import canonical_json, digest, sha256_hex
from schemas.errors import SchemaError, StorageError
from schemas.manifest import FileEntry
from schemas.ports import Store
from schemas.tables import CLAIMS, EDGES, LEDGER, MATCHES, STATED, STORED, of_pixels, require
from schemas.verdict import Purpose, Reason, Say, Verdict

ROWS_FOLDER = "rows"
CAPTIONS_FOLDER = "captions"
"""ORIGINALS of released rows whose caption was redacted."""
HELD_FOLDER = "held"
HELD_UNTIL = f"{HELD_FOLDER}/until.json"
REVIEW_FOLDER = f"{HELD_FOLDER}/review"
"""Rows under review, whole (pipeline/held.py); the page that shows them; what was decided."""
DECISIONS = f"{REVIEW_FOLDER}/decisions.jsonl"
EVIDENCE_ROWS = "evidence/rows"
"""TRACED of each uid shard: which private evidence speaks for which row."""
PRIVATE_EVIDENCE = "evidence/private"
"""EVIDENCED, bucketed by digest."""
EDGES_PATH = "edges.parquet"
MATCHES_PATH = "matches.parquet"
CLAIMS_PATH = "claims.parquet"
SECRET_PATH = "secret"  # noqa: S105  # a file name

DAY_US = 86_400_000_000

COMMITTED = [
    "uid",
    "stage",
    "verdict",
    "reason",
    "claim_id",
    "rule",
    "similarity",
    "threshold",
    "by_uid",
    "dup_of",
    "detail",
]
"""The columns of VAULTED that a row's commitment covers."""

OF_BYTES = ["pixel_sha256", "stored_sha256", "pdq", "pdq_quality", "stored_pdq"]
"""What was computed from a row's pixels: not kept where its bytes forbid mining."""


WHOLE = ("rows", "judged", "decoded", "vectors")
"""What is kept of rows under review beside their images: tables of ShardTables, as they were."""


def whole_path(name: str, kind: str) -> str:
    """Return where a table of WHOLE stands, of one uid shard."""
    return f"{REVIEW_FOLDER}/{name}.{kind}.parquet"


def vault_of(release: str) -> str:
    """Return where the vault of a release lies: beside it, never inside."""
    return beside(release, ".vault")


# --- commitments


def salt(secret: bytes, uid: str) -> bytes:
    """Return the 32-byte salt of one row, from the release's secret."""
    return hmac.digest(secret, b"recuse ledger salt\0" + uid.encode(), "sha256")


def commitment(row: dict[str, Any]) -> str:
    """Return the hex commitment of a row of VAULTED: sha256(salt, canonical JSON of COMMITTED).

    Anybody who is given the row can check it against the ledger; nobody can guess it without the
    salt, however few values a reason or a similarity may take.
    """
    told = {name: plain(row[name]) for name in COMMITTED}
    return hashlib.sha256(bytes.fromhex(row["salt"]) + canonical_json(told)).hexdigest()


def plain(value: Any) -> Any:
    """Return a value that canonical JSON can write; floats that are no numbers become text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def salts(uids: Iterable[str], secret: bytes) -> pa.Array:
    """Return the hex salts of rows, in order."""
    return pa.array([salt(secret, uid).hex() for uid in uids], pa.string())


def ledger(vaulted: pa.Table) -> pa.Table:
    """Return LEDGER: what the public learns about each row that is not released.

    vaulted: VAULTED and further columns. Neither claim, host, hash nor similarity is among it.
    """
    committed = [commitment(row) for row in vaulted.select([*COMMITTED, "salt"]).to_pylist()]
    public = vaulted.select([n for n in LEDGER.names if n != "commitment"])
    return public.append_column("commitment", pa.array(committed, pa.string())).cast(LEDGER)


# --- rows


def forbids_mining(signals: pa.ChunkedArray) -> pa.Array:
    """Return for each row whether one of its signals denies the purpose `mine`."""
    denied = [
        any(s["purpose"] == Purpose.MINE and s["verdict"] == Say.DENY for s in row or ())
        for row in signals.to_pylist()
    ]
    return pa.array(denied, pa.bool_())


def redacted(vaulted: pa.Table) -> pa.Table:
    """Return the rows with nothing but sha256 left of bytes that forbid mining, or of safety rows.

    vaulted: VAULTED, named vectors, key points, `extra.` columns.
    """
    bare = pc.or_(
        pc.or_(forbids_mining(vaulted["signals"]), _has(vaulted, Reason.SAFETY)),
        _has(vaulted, Reason.SIGNAL_EMBEDDED),
    )
    for name in [*OF_BYTES, "clip_similarity", *of_pixels(vaulted.schema)]:
        place = vaulted.schema.get_field_index(name)
        field = vaulted.schema.field(place)
        vaulted = vaulted.set_column(place, field, _without(vaulted[name], bare))
    return vaulted


def _has(vaulted: pa.Table, reason: Reason) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(vaulted["reason"], str(reason)), fill_value=False)


def _without(column: pa.ChunkedArray, bare: pa.Array) -> pa.Array:
    """Return the column with null where `bare`; by index, since vectors know no if_else."""
    places = pa.array(range(len(column)), pa.int64())
    return column.combine_chunks().take(pc.if_else(bare, None, places))


def held_bodies(vaulted: pa.Table, stored: pa.Table) -> pa.Table:
    """Return STORED of held rows whose bytes may be kept: a decision can still release them."""
    require(stored, STORED)
    held = pc.equal(vaulted["verdict"], str(Verdict.HOLD))
    wanted = vaulted.filter(pc.and_(held, pc.is_valid(vaulted["stored_sha256"])))["uid"]
    return stored.filter(pc.is_in(stored["uid"], wanted.combine_chunks())).sort_by("uid")


def held_as_fetched(decided: pa.Table, judged: pa.Table, stored: pa.Table) -> pa.Table:
    """Return JUDGED rows that are held, have bytes, and were stopped before an image was made.

    What was denied or dropped is not among them, nor rows whose image stands in STORED, nor any
    whose signals forbid mining.
    """
    held = decided.filter(pc.equal(decided["verdict"], str(Verdict.HOLD)))["uid"].combine_chunks()
    wanted = pc.and_(pc.is_in(judged["uid"], held), pc.is_valid(judged["pack"]))
    made = pc.is_in(judged["uid"], stored["uid"].combine_chunks())
    unmade = pc.and_(wanted, pc.invert(made))
    return judged.filter(pc.and_(unmade, pc.invert(forbids_mining(judged["signals"])))).sort_by(
        "uid"
    )


def fetched_file(held: pa.Table, bodies: list[bytes], shard: int) -> tuple[str, bytes, int]:
    """Return path, bytes and rows of the file of held rows' bytes as fetched."""
    table = pa.table(
        {"uid": held["uid"], "sha256": held["sha256"], "body": pa.array(bodies, pa.binary())},
        metadata={"schema_version": str(SCHEMA_VERSION)},
    )
    return f"{HELD_FOLDER}/{shard:05d}.fetched.parquet", write_parquet(table), table.num_rows


def edges_file(edges: pa.Table) -> bytes:
    """Return the duplicate edges of a release as Parquet."""
    require(edges, EDGES)
    return write_parquet(edges.sort_by([("uid_a", "ascending"), ("uid_b", "ascending")]))


def matches_file(matches: pa.Table) -> bytes:
    """Return all matches as Parquet, also those that did not act."""
    require(matches, MATCHES)
    order = [(n, "ascending") for n in ("uid", "claim_id", "rule", "work_id")]
    return write_parquet(matches.sort_by(order))


def stated_by(claims: pa.Table, lists: Mapping[str, str]) -> pa.Table:
    """Return STATED, by claim. claims: CLAIMS. lists: name of each origin's list."""
    require(claims, CLAIMS)
    names = [lists.get(origin, "") for origin in claims["origin"].to_pylist()]
    columns = [claims["claim_id"], claims["origin"], pa.array(names, pa.string())]
    return pa.Table.from_arrays(columns, schema=STATED).sort_by("claim_id")


def list_of_claim(stated: pa.Table) -> dict[str, str]:
    """Return the name of the signed list behind each claim; absent are those of one's own registry.

    stated: STATED.
    """
    require(stated, STATED)
    return {row["claim_id"]: row["list"] for row in stated.to_pylist() if row["list"]}


# --- the folder


def vault_digest(files: Iterable[FileEntry]) -> str:
    """Return the digest by which a manifest pins its vault: over path and sha256 of each file.

    Held bytes are left out: they are deleted after `hold_days` (their sha256 stands in the rows),
    and the secret, which is erased when somebody's salt must be.
    """
    lasting = [
        f for f in files if not f.path.startswith(f"{HELD_FOLDER}/") and f.path != SECRET_PATH
    ]
    return digest(sorted([f.path, f.sha256] for f in lasting))


def held_until(created_us: int, hold_days: int) -> bytes:
    """Return the note, at HELD_UNTIL, that says how long held bytes are kept."""
    note = {"schema_version": SCHEMA_VERSION, "until_us": created_us + hold_days * DAY_US}
    return canonical_json(note)


def purge_held(vault: Store, now_us: int) -> int:
    """Delete the bytes of held rows once their time is over; return the number of rows deleted.

    What was decided about them stays, in words and hashes.
    Raises SchemaError where the note about the time cannot be read.
    """
    if not vault.exists(HELD_UNTIL) or now_us < read_held_until(vault):
        return 0
    rows = 0
    for path in vault.paths(HELD_FOLDER):
        if path in {HELD_UNTIL, DECISIONS}:
            continue
        if not path.startswith(f"{REVIEW_FOLDER}/"):
            rows += _rows(vault, path)
        vault.delete(path)
    return rows


def read_held_until(vault: Store) -> int:
    """Return the time, in microseconds, from which held bytes are deleted. Raises SchemaError."""
    body = vault.read(HELD_UNTIL)
    try:
        return int(json.loads(body)["until_us"])
    except (ValueError, KeyError, TypeError) as e:
        raise SchemaError(f"expected until_us in {vault.root}/{HELD_UNTIL}, found {body!r}") from e


def _rows(vault: Store, path: str) -> int:
    try:
        return int(pq.read_metadata(pa.BufferReader(vault.read(path))).num_rows)
    except (pa.ArrowInvalid, OSError) as e:
        raise StorageError(f"expected a Parquet file at {vault.root}/{path}: {e}") from e


def entry(path: str, body: bytes, rows: int | None = None) -> FileEntry:
    """Return how a manifest names a file."""
    return FileEntry(path=path, sha256=sha256_hex(body), size_bytes=len(body), rows=rows)
