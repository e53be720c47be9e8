"""A snapshot: the claims in force at one size of the log, as the two tables that a build uses.

It follows from the log alone: two people who take it at the same size hold the same bytes.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from optout.erasure import withdrawn
from optout.leaf import read_leaf
from optout.log import checkpoint
from optout.log.checkpoint import Checkpoint
from optout.refresh import as_judged, check_history
from optout.registry import LogView, Registry, match_part
from optout.replay import Standing, replay
from optout.status import epochs
from optout.works import decode_points, decode_vector
from schemas import SCHEMA_VERSION
from schemas.canonical import canonical_json
from schemas.claim import MatchPart
from schemas.errors import CurationError, ProofError, RegistryError, SchemaError
from schemas.ports import Store
from schemas.snapshot import Snapshot, SnapshotHeader
from schemas.tables import SNAPSHOT_CLAIMS, WORKS, from_rows, require

HEADER_FILE = "snapshot.json"
CHECKPOINT_FILE = "checkpoint"
CLAIMS_FILE = "claims.parquet"
WORKS_FILE = "works.parquet"


def take(registry: Registry, *, trust_local: bool) -> Snapshot:
    """Return the claims in force, after checking the log, its signatures and the match parts.

    A checkpoint of just this size goes with it where one was published. Raises RegistryError where
    anything does not hold.
    """
    taken = from_view(registry.view(), registry.where, trust_local=trust_local)
    size = taken.header.size
    return replace(taken, checkpoint=dict(registry.checkpoints(size - 1)).get(size, b""))


def past(registry: Registry, size: int, *, trust_local: bool) -> tuple[Snapshot, list[str]]:
    """Return the snapshot at an earlier size, and the claims in it that were erased since.

    Of those nothing is left, so they are not in its tables, and its digest is another then.
    Raises RegistryError as `take` does.
    """
    view = registry.view_at(size)
    standings = replay(view.leaves, registry.where).values()
    there = view.match_parts.keys() | view.locked
    gone = [s for s in standings if s.in_force and s.part_seq not in there]
    without = frozenset(s.claim_id for s in gone)
    taken = from_view(view, registry.where, trust_local=trust_local, without=without)
    return taken, sorted(without)


def from_view(
    view: LogView, where: str, *, trust_local: bool, without: AbstractSet[str] = frozenset()
) -> Snapshot:
    """Return the snapshot of one state of a log; pure. Raises RegistryError as `take` does.

    without: claims that are left out.
    """
    standings = replay(view.leaves, where)
    acting = [s for s in standings.values() if s.in_force and s.claim_id not in without]
    active = sorted(acting, key=lambda s: s.claim_id)
    check_history(view.leaves, view.match_parts, where)
    parts = [(s, as_judged(match_part(view, s, where), view.matcher)) for s in active]
    claims = claims_table(view, parts)
    works = works_table(parts)
    newest = read_leaf(view.leaves[-1], where).recorded_at if view.leaves else ""
    numbers = [said.number for _, said in epochs(view.leaves, where)]
    header = SnapshotHeader(
        origin=view.origin,
        size=len(view.leaves),
        root=view.root,
        recorded_at=newest,
        matcher=view.matcher,
        matcher_name=view.matcher_name,
        trust_local=trust_local,
        tables_sha256=tables_sha256(claims, works),
        withdrawn=withdrawn(view.leaves, where),
        epoch=max(numbers, default=None),
    )
    return Snapshot(header, claims, works)


def save(snapshot: Snapshot, store: Store, folder: str) -> None:
    """Publish a snapshot under a folder, "" for the root.

    The header comes last; without it there is no snapshot.
    """
    store.publish(at(folder, CLAIMS_FILE), _parquet(snapshot.claims))
    store.publish(at(folder, WORKS_FILE), _parquet(snapshot.works))
    if snapshot.checkpoint:
        store.publish(at(folder, CHECKPOINT_FILE), snapshot.checkpoint)
    elif store.exists(at(folder, CHECKPOINT_FILE)):  # of an earlier state
        store.delete(at(folder, CHECKPOINT_FILE))
    store.publish(at(folder, HEADER_FILE), header_bytes(snapshot.header))


def header_bytes(header: SnapshotHeader) -> bytes:
    """Return snapshot.json: canonical JSON, whose sha256 names the snapshot."""
    return canonical_json(header.model_dump())


def load(
    store: Store, folder: str, vouched: Callable[[SnapshotHeader], None] = lambda _header: None
) -> Snapshot:
    """Return the snapshot under a folder. Raises RegistryError unless it is what was saved.

    vouched: is shown the header as it was read, once, before anything that it names is looked at.
    """
    try:
        header = SnapshotHeader.model_validate_json(store.read(at(folder, HEADER_FILE)))
        if header.schema_version != SCHEMA_VERSION:
            raise SchemaError(f"schema_version {header.schema_version}, not {SCHEMA_VERSION}")
    except (CurationError, ValueError, pa.ArrowException, OSError) as e:
        raise RegistryError(f"expected a snapshot in {store.root}/{folder}: {e}") from e
    vouched(header)
    try:
        claims = _table(store.read(at(folder, CLAIMS_FILE)), SNAPSHOT_CLAIMS)
        works = _table(store.read(at(folder, WORKS_FILE)), WORKS)
    except (CurationError, ValueError, pa.ArrowException, OSError) as e:
        raise RegistryError(f"expected a snapshot in {store.root}/{folder}: {e}") from e
    found = tables_sha256(claims, works)
    if found != header.tables_sha256:
        raise RegistryError(
            f"expected tables of digest {header.tables_sha256} in {store.root}/{folder},"
            f" found {found}"
        )
    return Snapshot(header, claims, works, _checkpoint(store, folder, header))


def _checkpoint(store: Store, folder: str, header: SnapshotHeader) -> bytes:
    """Return the checkpoint beside a snapshot. Raises RegistryError where it is of another state.

    Whether the log's key has signed it, is for whoever has a policy to ask.
    """
    path = at(folder, CHECKPOINT_FILE)
    if not store.exists(path):
        return b""
    body = store.read(path)
    try:
        found = checkpoint.parse(body)
    except ProofError as e:
        raise RegistryError(f"expected a checkpoint in {store.root}/{path}: {e}") from e
    if found != head_of(header):
        raise RegistryError(
            f"expected a checkpoint of {header.origin} at {header.size} entries in"
            f" {store.root}/{path}, found one of {found.origin} at {found.size}, root"
            f" {found.root.hex()}"
        )
    return body


def head_of(header: SnapshotHeader) -> Checkpoint:
    """Return the state of the log of which a snapshot is."""
    return Checkpoint(header.origin, header.size, bytes.fromhex(header.root))


def tables_sha256(claims: pa.Table, works: pa.Table) -> str:
    """Return the digest over the rows of both tables; no matter how they were stored."""
    sha = hashlib.sha256()
    for table in (claims, works):
        for field in table.schema:
            sha.update(f"{field.name}:{field.type};{table.num_rows}\n".encode())
            column = table[field.name].combine_chunks()
            for piece in _column_bytes(column):
                sha.update(piece)
    return sha.hexdigest()


def claims_table(view: LogView, parts: Iterable[tuple[Standing, MatchPart]]) -> pa.Table:
    """Return SNAPSHOT_CLAIMS of the claims given, in their order."""
    rows = [
        {
            "claim_id": standing.claim_id,
            "scope": part.scope.value,
            "stance": part.stance.value,
            "level": standing.level,
            "names": part.names,
            "captions": part.captions.value,
            "hosts": part.hosts,
            "accounts": part.accounts,
            "urls": part.urls,
            "license": part.license,
            "attribution": part.attribution,
            "style_state": standing.style(part.style).state,
            "style_threshold": part.style.threshold,
            "style_alpha": part.style.alpha,
            "style_tail": part.style.tail,
            "seq": standing.seq,
            "commitment": view.match_parts[standing.part_seq].commitment,
        }
        for standing, part in parts
    ]
    return from_rows(rows, SNAPSHOT_CLAIMS)


def works_table(parts: Iterable[tuple[Standing, MatchPart]]) -> pa.Table:
    """Return WORKS of the claims given, each claim's works by work id."""
    rows = [
        (standing.claim_id, work)
        for standing, part in parts
        for work in sorted(part.works, key=lambda w: w.work_id)
    ]
    works = [work for _, work in rows]
    where = "a match part"
    try:
        pdq = [[bytes.fromhex(value) for value in work.pdq] for work in works]
    except ValueError as e:
        raise RegistryError(f"expected PDQ hashes in hex in {where}: {e}") from e
    columns = {
        "claim_id": [claim_id for claim_id, _ in rows],
        "work_id": [work.work_id for work in works],
        "sha256": [work.sha256 for work in works],
        "pixel_sha256": [work.pixel_sha256 for work in works],
        "pdq": pdq,
        "pdq_quality": [work.pdq_quality for work in works],
        "matcher": [work.matcher or None for work in works],
        "cpy": _halves([work.cpy for work in works]),
        "sty": _halves([work.sty for work in works]),
        "cohort_mean": [work.cohort_mean for work in works],
        "views": [[view.kind for view in work.views] for work in works],
        "view_cpy": [[decode_vector(view.cpy) for view in work.views] for work in works],
        "view_means": [[view.cohort_mean for view in work.views] for work in works],
        "keypoints": [decode_points(work.keypoints) or None for work in works],
    }
    try:
        return pa.Table.from_pydict(columns, schema=WORKS)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as e:
        raise RegistryError(f"expected keys of works in {where}: {e}") from e


def at(folder: str, name: str) -> str:
    """Return the path of a file in a folder, "" for the root."""
    return f"{folder}/{name}" if folder else name


def _halves(texts: list[str]) -> pa.Array:
    return pa.array(
        [decode_vector(text) if text else None for text in texts], pa.list_(pa.float16())
    )


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _table(body: bytes, schema: pa.Schema) -> pa.Table:
    table = pq.read_table(pa.BufferReader(body))
    require(table, schema, extra=False)
    return table.select(schema.names).cast(schema)  # Parquet names the items of lists otherwise


def _column_bytes(array: pa.Array) -> Iterable[bytes]:
    """Give the bytes of a column: which rows are null, lengths, values."""
    yield bytes(array.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_list(array.type):
        lengths = pc.list_value_length(array).fill_null(0).to_numpy()
        yield lengths.astype("<i8").tobytes()
        yield from _column_bytes(array.flatten())
    elif array.type in (pa.string(), pa.binary()) or pa.types.is_fixed_size_binary(array.type):
        values = [v.encode() if isinstance(v, str) else v or b"" for v in array.to_pylist()]
        yield struct.pack(f"<{len(values)}q", *map(len, values))
        yield b"".join(values)
    else:
        kind = "f" if pa.types.is_floating(array.type) else "i"
        values = array.fill_null(0) if array.null_count else array
        plain = values.to_numpy(zero_copy_only=False)
        yield plain.astype(f"<{kind}{array.type.bit_width // 8}").tobytes()
