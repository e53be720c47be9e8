"""The maps over a release: what is inside, by key and by perceptual code; and the ledger's root.

Only their roots are published. Whoever has the samples makes the maps again, and proves by them
that a key or a look-alike is not inside (pipeline/absence.py). A prefix tells every hash from all
others; || joins bytes, JSON is canonical (RFC 8785). Both maps are those of optout/log/sparse.py.

*Rows.* Key: SHA-256("recuse/v1/rows/" || kind || 0x00 || value in UTF-8). Kinds: `uid`; `sha256`,
`stored_sha256` and `pixel_sha256` in hex; `url` and `final_url`, in the canonical form
(optout/urls.py), or as the text stands where it has none. `final_url` is where redirects
led; claims by address act on both (pipeline/led.py). Value of a uid:
SHA-256("recuse/v1/row" || JSON of the row's columns MAPPED and `part`, the name of the file that
holds it); of all other kinds: SHA-256("recuse/v1/uids" || JSON of the sorted uids that have it).

*Bands.* For both perceptual codes, `pdq` of the image as fetched and `stored_pdq` of the bytes in
the shard, of whatever quality: 16 bands of 16 bits, band j being bytes 2j and 2j + 1. Key:
SHA-256("recuse/v1/bands/" || kind || 0x00 || j in one byte || the two bytes). Value:
SHA-256("recuse/v1/codes" || the distinct codes with these bytes there, sorted, 32 bytes each).

*Ledger.* The RFC 6962 root over the rows of the ledger in order of uid; a leaf is a row's JSON.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from optout.log import merkle
from optout.log.sparse import Subtree
from optout.urls import canonical_url
from schemas.canonical import plain_json
from schemas.errors import SchemaError, UsageError
from schemas.manifest import Roots
from schemas.tables import KEY32, LEDGER, SAMPLES, TEXT, require

MAP_SPEC = "recuse/v1/map"
ROW_SPEC = "recuse/v1/rows"
BAND_SPEC = "recuse/v1/bands/16x16"
LEDGER_SPEC = "rfc6962-sha256"

MAPPED = [
    "uid",
    "url",
    "final_url",
    "sha256",
    "stored_sha256",
    "pixel_sha256",
    "pdq",
    "stored_pdq",
]
"""The columns of SAMPLES that the maps speak of."""
HASHES = ("sha256", "stored_sha256", "pixel_sha256")
URLS = ("url", "final_url")
CODES = ("pdq", "stored_pdq")
BANDS = 16
BAND_BYTES = 2
CODE_BYTES = BANDS * BAND_BYTES
BATCH_ROWS = 50_000

ENTRIES = pa.schema([("key", KEY32), ("uid", TEXT), ("value", KEY32)])
"""A row under one of its keys; value: of kind uid alone, the others follow from all their uids."""
LEAVES = pa.schema([("uid", TEXT), ("leaf", KEY32)])
KINDS = pa.schema([("kind", TEXT), ("code", KEY32)])

Codes = npt.NDArray[np.uint8]
Pair = tuple[bytes, bytes]


# --- rows


def row_key(kind: str, value: str) -> bytes:
    """Return the key of a value of one kind: uid, one of HASHES, or one of URLS (`url_form`)."""
    return hashlib.sha256(b"recuse/v1/rows/" + kind.encode() + b"\x00" + value.encode()).digest()


def url_form(url: str) -> str:
    """Return the form under which a URL is a key: the canonical one where it has one."""
    try:
        return canonical_url(url)
    except UsageError:
        return url


def uids_hash(uids: Iterable[str]) -> bytes:
    """Return the value of a key that is no uid: of the uids that have it."""
    return hashlib.sha256(b"recuse/v1/uids" + plain_json(sorted(uids))).digest()


def row_hash(row: Mapping[str, Any], part: str) -> bytes:
    """Return the value of a uid. row: the columns MAPPED, codes as bytes. part: 00000 and so on."""
    told = {name: _hex(row[name]) for name in MAPPED} | {"part": part}
    return hashlib.sha256(b"recuse/v1/row" + plain_json(told)).digest()


def entries(rows: pa.Table, part: str) -> pa.Table:
    """Return ENTRIES: all keys of the rows of one part.

    rows: the columns MAPPED of SAMPLES, and any others.
    """
    keys: list[bytes] = []
    uids: list[str] = []
    values: list[bytes | None] = []
    for row in rows.select(MAPPED).to_pylist():
        own = [row_key(kind, row[kind]) for kind in HASHES if row[kind]]
        own += [row_key(kind, url_form(row[kind])) for kind in URLS if row[kind]]
        keys += [row_key("uid", row["uid"]), *own]
        uids += [row["uid"]] * (1 + len(own))
        values += [row_hash(row, part), *[None] * len(own)]
    return pa.table([keys, uids, values], schema=ENTRIES)


def row_pairs(entered: pa.Table) -> Iterator[Pair]:
    """Yield the pairs of the row map, sorted by key.

    entered: ENTRIES, all rows that have any of its keys. Raises SchemaError for a uid that two
    rows have.
    """
    ordered = entered.sort_by("key")
    for key, same in groupby(_each(ordered), lambda entry: entry[0]):
        uids, values = zip(*[(uid, value) for _, uid, value in same], strict=True)
        if values[0] is not None and len(values) > 1:
            raise SchemaError(f"expected each uid once in a release, found {uids[0]} twice")
        yield key, values[0] or uids_hash(uids)


def _each(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table, of which few are Python's at a time."""
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def depth_of(shards: int) -> int:
    """Return in how many bits the keys of a piece of the row map agree: as many pieces as shards.

    Always the same map: the number of pieces is nobody's but the scheduler's business.
    """
    return min(16, (shards - 1).bit_length())


def bucket_of(keys: pa.ChunkedArray, depth: int) -> pa.Array:
    """Return int32[n]: the first `depth` bits of each key, up to 16: the subtree that holds it."""
    first = [int.from_bytes(key[:2], "big") >> (16 - depth) for key in keys.to_pylist()]
    return pa.array(first, pa.int32())


# --- bands


def band_key(kind: str, band: int, value: bytes) -> bytes:
    """Return the key of a bucket: the codes of one kind with these two bytes in a band."""
    body = b"recuse/v1/bands/" + kind.encode() + b"\x00" + bytes([band]) + value
    return hashlib.sha256(body).digest()


def codes_hash(codes: bytes) -> bytes:
    """Return the value of a bucket. codes: its distinct codes, sorted, one behind the other."""
    return hashlib.sha256(b"recuse/v1/codes" + codes).digest()


def kinds(rows: pa.Table) -> pa.Table:
    """Return KINDS: the distinct codes of rows. rows: the columns CODES, as bytes."""
    tables = [KINDS.empty_table()]
    for kind in CODES:
        found = pc.unique(rows[kind]).drop_null()
        tables.append(pa.table([pa.array([kind] * len(found), TEXT), found], schema=KINDS))
    return pa.concat_tables(tables)


def distinct_codes(tables: Iterable[pa.Table]) -> dict[str, Codes]:
    """Return the distinct codes of each kind, sorted, uint8[n, 32], from tables KINDS."""
    told = pa.concat_tables([KINDS.empty_table(), *tables])
    found = {}
    for kind in CODES:
        own = pc.unique(told["code"].filter(pc.equal(told["kind"], kind)))
        body = b"".join(sorted(own.to_pylist()))
        found[kind] = np.frombuffer(body, np.uint8).reshape(-1, CODE_BYTES)
    return found


def band_values(codes: Codes, band: int) -> npt.NDArray[np.uint16]:
    """Return the two bytes of each code in a band, as a number."""
    pair = np.ascontiguousarray(codes[:, band * BAND_BYTES : (band + 1) * BAND_BYTES])
    return pair.view(">u2").ravel().astype(np.uint16)


def buckets(codes: Codes, band: int, wanted: Sequence[int] | None = None) -> Iterator[Pair]:
    """Yield the two bytes of each bucket of a band and its codes, one behind the other.

    codes: distinct and sorted. wanted: the values of which to yield buckets; all without.
    """
    values = band_values(codes, band)
    if wanted is not None:
        inside = np.isin(values, np.array(wanted, np.uint16))
        codes, values = codes[inside], values[inside]
    order = np.argsort(values, kind="stable")  # codes of a bucket stay sorted
    values, body = values[order], codes[order].tobytes()
    starts = [*np.flatnonzero(np.diff(values, prepend=-1)).tolist(), len(values)]
    for start, end in pairwise(starts):
        yield int(values[start]).to_bytes(2, "big"), body[start * CODE_BYTES : end * CODE_BYTES]


def band_pairs(codes: Mapping[str, Codes]) -> Iterator[Pair]:
    """Yield the pairs of the band map. codes: from `distinct_codes`."""
    for kind in CODES:
        for band in range(BANDS):
            for value, body in buckets(codes[kind], band):
                yield band_key(kind, band, value), codes_hash(body)


# --- ledger


def leaves(ledger: pa.Table) -> pa.Table:
    """Return LEAVES of LEDGER rows. Raises SchemaError for another table."""
    require(ledger, LEDGER)
    hashes = [merkle.leaf_hash(plain_json(row)) for row in ledger.to_pylist()]
    return pa.table([ledger["uid"], pa.array(hashes, KEY32)], schema=LEAVES)


def ledger_root(tables: Iterable[pa.Table]) -> bytes:
    """Return the root over the ledger's rows in order of uid, from tables LEAVES in any order."""
    ordered = pa.concat_tables([LEAVES.empty_table(), *tables]).sort_by("uid")
    return merkle.root(ordered["leaf"].to_pylist())


def roots_of(rows: Subtree, bands: Subtree, ledger: Subtree) -> Roots:
    """Return what a manifest says of the maps."""
    return Roots(
        rows=rows.hash.hex(),
        row_keys=rows.keys,
        bands=bands.hash.hex(),
        band_keys=bands.keys,
        ledger=ledger.hash.hex(),
        ledger_rows=ledger.keys,
        map_spec=MAP_SPEC,
        row_spec=ROW_SPEC,
        band_spec=BAND_SPEC,
        ledger_spec=LEDGER_SPEC,
    )


def mapped(rows: pa.Table) -> pa.Table:
    """Return the columns MAPPED of samples, codes as bytes."""
    rows = with_codes(rows.select(MAPPED))
    return rows.cast(pa.schema([SAMPLES.field(name) for name in MAPPED]))


def with_codes(rows: pa.Table) -> pa.Table:
    """Return samples with their codes as bytes; beside tars they stand in hex.

    Raises SchemaError for what is no hex of 32 bytes.
    """
    for name in CODES:
        if not pa.types.is_string(rows[name].type):
            continue
        try:
            told = [None if t is None else bytes.fromhex(t) for t in rows[name].to_pylist()]
            codes = pa.array(told, KEY32)
        except (ValueError, pa.ArrowInvalid) as e:
            raise SchemaError(f"expected {name} of 32 bytes in hex: {e}") from e
        rows = rows.set_column(rows.column_names.index(name), name, codes)
    return rows


def _hex(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
