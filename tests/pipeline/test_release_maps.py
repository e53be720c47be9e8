"""The maps hold every key and code of a release, and come out the same however it is cut."""

import hashlib
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from optout.log import merkle
from optout.log.sparse import EMPTY, SparseMap, joined
from pipeline.release_maps import (
    BANDS,
    CODES,
    ENTRIES,
    MAPPED,
    band_key,
    band_pairs,
    bucket_of,
    buckets,
    codes_hash,
    distinct_codes,
    entries,
    kinds,
    leaves,
    ledger_root,
    mapped,
    row_key,
    row_pairs,
    uids_hash,
    url_form,
)
from pipeline.shard import read_parquet, without_images, write_parquet
from pipeline.tars import tar_metadata
from schemas.errors import SchemaError
from schemas.tables import LEDGER, SAMPLES, from_rows
from tests.pipeline.samples import samples

EACH = 8


def row(n: int, **values: Any) -> dict[str, Any]:
    rng = random.Random(n)
    told = {
        "uid": f"{n:032x}",
        "url": f"HTTP://a.example:80/{n}.jpg",
        "final_url": f"https://b.example/{n}.jpg",
        "sha256": f"{n:064x}",
        "stored_sha256": f"{n + 1000:064x}",
        "pixel_sha256": f"{n + 2000:064x}",
        "pdq": rng.randbytes(32),
        "stored_pdq": rng.randbytes(32),
    }
    return told | values


def table(*rows: dict[str, Any]) -> pa.Table:
    return from_rows(list(rows), SAMPLES).select(MAPPED)


def row_map(*parts: pa.Table) -> SparseMap:
    entered = pa.concat_tables([entries(t, f"{n:05d}") for n, t in enumerate(parts)])
    return SparseMap(row_pairs(entered))


def test_every_key_of_a_row_is_in_the_map_by_the_words_of_the_docs() -> None:
    made = row_map(table(row(1), row(2, sha256=f"{1:064x}")))
    uid = f"{1:032x}"

    def value(kind: str, text: str) -> bytes | None:
        body = b"recuse/v1/rows/" + kind.encode() + b"\x00" + text.encode()
        return made.get(hashlib.sha256(body).digest())

    told = {k: v.hex() if isinstance(v, bytes) else v for k, v in row(1).items()}
    document = json.dumps({**told, "part": "00000"}, sort_keys=True, separators=(",", ":"))
    assert value("uid", uid) == hashlib.sha256(b"recuse/v1/row" + document.encode()).digest()
    both = json.dumps([uid, f"{2:032x}"], separators=(",", ":")).encode()
    assert value("sha256", f"{1:064x}") == hashlib.sha256(b"recuse/v1/uids" + both).digest()
    alone = uids_hash([uid])
    assert value("stored_sha256", f"{1001:064x}") == alone
    assert value("pixel_sha256", f"{2001:064x}") == alone
    assert value("url", "http://a.example/1.jpg") == alone
    assert value("final_url", "https://b.example/1.jpg") == alone
    assert value("url", "https://b.example/1.jpg") is None
    assert value("sha256", f"{1001:064x}") is None
    assert len(made) == 2 + 1 + 2 + 2 + 4


def test_a_url_that_has_no_canonical_form_is_a_key_as_it_stands() -> None:
    assert url_form("ftp://a.example/x") == "ftp://a.example/x"
    made = row_map(table(row(1, url="ftp://a.example/x", final_url=None)))
    assert made.get(row_key("url", "ftp://a.example/x")) == uids_hash([f"{1:032x}"])


def test_rows_without_a_value_have_no_key_of_that_kind() -> None:
    bare = dict.fromkeys(["url", "final_url", "stored_sha256", "pixel_sha256"])
    assert len(row_map(table(row(1, **bare)))) == 2
    assert row_map(table()).root() == EMPTY


def test_a_uid_that_two_rows_have_is_refused() -> None:
    with pytest.raises(SchemaError, match="each uid once"):
        row_map(table(row(1)), table(row(1, sha256="f" * 64)))


def test_a_changed_row_and_one_in_another_part_give_another_root() -> None:
    rows = [row(n) for n in range(5)]
    root = row_map(table(*rows)).root()
    assert row_map(table(*reversed(rows))).root() == root
    assert row_map(table(*rows[:2]), table(*rows[2:])).root() != root
    for name in MAPPED[1:]:
        odd = row(9)[name]
        assert row_map(table(*rows[:4], rows[4] | {name: odd})).root() != root


def test_pieces_by_the_first_bits_give_the_map_of_all_rows() -> None:
    entered = entries(table(*[row(n) for n in range(30)]), "00000")
    for depth in (0, 1, 3, 6):
        bucket = bucket_of(entered["key"], depth)
        pieces = [
            SparseMap(row_pairs(entered.filter(pc.equal(bucket, b)))).below(depth)
            for b in range(1 << depth)
        ]
        assert joined(pieces) == SparseMap(row_pairs(entered)).below(0)
    assert ENTRIES.equals(entered.schema)


def test_every_code_is_in_its_sixteen_buckets_of_its_kind() -> None:
    rows = [row(n) for n in range(40)]
    rows += [row(50 + n, pdq=rows[0]["pdq"][:16] + bytes([n]) * 16) for n in range(3)]
    rows.append(row(60, pdq=rows[0]["pdq"], stored_pdq=None))
    found = distinct_codes([kinds(table(*rows[:20])), kinds(table(*rows[20:]))])
    made = SparseMap(band_pairs(found))
    for kind in CODES:
        for one in rows:
            for band in range(BANDS if one[kind] else 0):
                value = one[kind][2 * band : 2 * band + 2]
                same = {
                    r[kind] for r in rows if r[kind] and r[kind][2 * band : 2 * band + 2] == value
                }
                assert made.get(band_key(kind, band, value)) == codes_hash(b"".join(sorted(same)))
    assert len(set(map(bytes, found["pdq"]))) == len(found["pdq"]) == 43


def test_buckets_of_some_values_are_the_same_as_among_all() -> None:
    rng = np.random.default_rng(3)
    codes = np.unique(rng.integers(0, 3, (500, 32), np.uint8), axis=0)
    every = dict(buckets(codes, 4))
    assert sum(map(len, every.values())) == codes.size
    wanted = [0, 1, 2, 0x0102, 0xFFFF]
    some = {v: b for v, b in every.items() if int.from_bytes(v, "big") in wanted}
    assert dict(buckets(codes, 4, wanted)) == some
    assert not dict(buckets(codes[:0], 4))


def test_a_band_map_that_leaves_out_a_bucket_or_a_code_has_another_root() -> None:
    found = distinct_codes([kinds(table(*[row(n) for n in range(20)]))])
    pairs = list(band_pairs(found))
    root = SparseMap(pairs).root()
    for n in random.Random(1).sample(range(len(pairs)), EACH):
        assert SparseMap(pairs[:n] + pairs[n + 1 :]).root() != root
    for kind in CODES:
        fewer = found | {kind: found[kind][1:]}
        assert SparseMap(band_pairs(fewer)).root() != root


def test_the_ledger_root_is_over_rows_in_order_of_uid() -> None:
    rows = [
        {"uid": f"{n:032x}", "stage": "match", "verdict": "drop", "reason": "optout_work",
         "commitment": f"{n:064x}"} for n in range(7)
    ]  # fmt: skip
    table = from_rows(rows, LEDGER)
    plain = [json.dumps(r, sort_keys=True, separators=(",", ":")).encode() for r in rows]
    root = merkle.root([merkle.leaf_hash(leaf) for leaf in plain])
    assert ledger_root([leaves(table)]) == root
    assert ledger_root([leaves(table[4:]), leaves(table[:4])]) == root
    assert ledger_root([leaves(table[:6])]) != root
    assert ledger_root([]) == merkle.EMPTY_ROOT


def test_all_layouts_of_a_release_have_the_same_keys_and_codes() -> None:
    table = samples(3)
    plain = mapped(read_parquet(write_parquet(without_images(table)), MAPPED))
    beside_tars = mapped(read_parquet(write_parquet(tar_metadata(table, 0)), MAPPED))
    assert plain.equals(beside_tars)
    assert plain["pdq"].to_pylist() == table["pdq"].to_pylist()
    assert entries(plain, "00000").equals(entries(beside_tars, "00000"))


@pytest.mark.parametrize("code", ["0" * 63, "0" * 62, "g" * 64, ""])
def test_a_code_beside_tars_that_is_none_is_told(code):
    table = tar_metadata(samples(1), 0)
    place = table.column_names.index("stored_pdq")
    with pytest.raises(SchemaError, match="expected stored_pdq of 32 bytes in hex"):
        mapped(table.set_column(place, "stored_pdq", pa.array([code])))
