"""Names rows: the uid by which a sample is known in every run, and which rows say the same twice.

A row's uid is its own where the source gives one, else the first 32 hex digits of the SHA-256 over
the canonical JSON of [source name, address, caption as given, n], n counting identical rows from 0
in source order. The address is the canonical URL; where bytes came with the source and no URL
does, it is their url_key; where the URL is malformed, it is the text that was given.

A later row that says the same (n >= 1), or that brings a uid already taken, is `repeated`. It
needs a name in the ledger all the same: the digest with its n, or, for a uid taken, the digest of
[source name, uid, null, n], a list that no row of the first kind gives. Among equal rows those
without a finding come first, so that a malformed row does not push out a sound one.

The page around an image is no part of a uid. Yet what another page says about the image must be
heard: an equal row with a page that none before it had is not `repeated`. It is judged like any
row, a denial by its page reaches all rows of that address, and else it is left out as a duplicate.
"""

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.urls import GIVEN, canonical_url
from schemas.canonical import plain_json, sha256_hex
from schemas.errors import UsageError
from schemas.tables import ROWS, SOURCED, require
from schemas.verdict import Reason

UID_DIGITS = 32
STAGE = "source"

Identity = tuple[str | None, str | None, str | None]
"""Given uid, or address and caption."""


def identity_bucket(sourced: pa.Table, count: int) -> pa.Array:
    """Return int32[n] in [0, count): rows that could be the same fall into the same bucket."""
    require(sourced, SOURCED)
    keys = (
        zlib.crc32(f"{uid or ''}\x00{address or ''}\x00{caption or ''}".encode()) % count
        for uid, address, caption in _identities(sourced)
    )
    return pa.array(keys, pa.int32())


def shard_of(uids: pa.Array | pa.ChunkedArray, count: int) -> pa.Array:
    """Return int32[n] in [0, count) by the digest of the uid, which a source cannot skew."""
    return pa.array((zlib.crc32(uid.encode()) % count for uid in uids.to_pylist()), pa.int32())


def identify(sourced: pa.Table, source_name: str) -> pa.Table:
    """Return ROWS, sorted by uid: the same rows, each with a uid that no other has.

    sourced: SOURCED with `extra.` columns, all rows of some identity buckets, in any order.
    """
    require(sourced, SOURCED)
    order = pc.sort_indices(
        sourced.append_column("_sound", pc.is_valid(sourced["stop_reason"])),
        sort_keys=[("_sound", "ascending"), ("row", "ascending")],
    )
    sourced = sourced.take(order)
    identities = _identities(sourced)
    uids, later = _uids(identities, source_name)
    known = _pages_known(sourced, identities)
    repeated = [again and heard for again, heard in zip(later, known, strict=True)]
    sourced = _stop_repeated(sourced, repeated)
    schema = pa.schema([*ROWS, *list(sourced.schema)[len(SOURCED) :]], metadata=ROWS.metadata)
    rows = pa.Table.from_arrays([pa.array(uids, pa.string()), *sourced.columns], schema=schema)
    return rows.sort_by("uid").combine_chunks()


def addresses(rows: pa.Table) -> list[str | None]:
    """Return the address of each row: canonical URL, else url_key, else what was given.

    rows: SOURCED or ROWS. Where bytes came with the source, url_key names them, and the canonical
    URL is made of `url`.
    """
    return [
        _address(key, url)
        for key, url in zip(rows["url_key"].to_pylist(), rows["url"].to_pylist(), strict=True)
    ]


def _address(url_key: str | None, url: str | None) -> str | None:
    if url_key is None:
        return url
    if url is None or not url_key.startswith(GIVEN):
        return url_key
    try:
        return canonical_url(url)
    except UsageError:
        return url_key


def _identities(sourced: pa.Table) -> list[Identity]:
    columns = (sourced["given_uid"].to_pylist(), addresses(sourced), sourced["caption"].to_pylist())
    return [
        (uid, None, None) if uid else (None, address, caption)
        for uid, address, caption in zip(*columns, strict=True)
    ]


def _uids(identities: Sequence[Identity], name: str) -> tuple[list[str], list[bool]]:
    seen: Counter[Identity] = Counter()
    uids, repeated = [], []
    for identity in identities:
        n = seen[identity]
        seen[identity] += 1
        uid, address, caption = identity
        if uid:
            uids.append(uid if n == 0 else _digest([name, uid, None, n]))
        else:
            uids.append(_digest([name, address, caption, n]))
        repeated.append(n > 0)
    return uids, repeated


def is_uid(uid: str, name: str, address: str | None, caption: str | None, most: int) -> bool:
    """Say whether a uid is that of an address and caption: the first, or one of `most` alike."""
    return any(uid == _digest([name, address, caption, n]) for n in range(most))


def _digest(value: list[str | int | None]) -> str:
    return sha256_hex(plain_json(value))[:UID_DIGITS]


def _pages_known(sourced: pa.Table, identities: Sequence[Identity]) -> list[bool]:
    """Say of each row whether an equal one before it has the same page, or it has none itself."""
    pages = zip(sourced["page_key"].to_pylist(), sourced["page_tags"].to_pylist(), strict=True)
    seen: set[tuple[Identity, tuple[str | None, str | None]]] = set()
    known = []
    for identity, page in zip(identities, pages, strict=True):
        known.append(page == (None, None) or (identity, page) in seen)
        seen.add((identity, page))
    return known


def _stop_repeated(sourced: pa.Table, repeated: Sequence[bool]) -> pa.Table:
    free = pc.is_null(sourced["stop_reason"]).to_numpy()
    mask = pa.array(np.asarray(repeated, dtype=bool) & free)
    stops = {
        "stop_stage": pa.scalar(STAGE),
        "stop_reason": pa.scalar(str(Reason.REPEATED)),
    }
    for column, value in stops.items():
        place = sourced.column_names.index(column)
        stopped = pc.if_else(mask, value, sourced[column])
        sourced = sourced.set_column(place, column, stopped)
    return sourced
