"""Rows that were taken back, for the tests of copies that hold them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.retract import Report, retract
from optout.log.note import SignerKey
from optout.signed_file import sign_file
from pipeline.retracted import KIND, Retracted
from pipeline.shard import write_parquet
from schemas.tables import RETRACTIONS, from_rows
from tests.pipeline.samples import bodies, picture, sample, samples

COUNT = 6
GONE = {1, 4}
KEY = SignerKey("builder/test", b"k" * 32)
VERIFIER = str(KEY.verifier)
BODIES = bodies(COUNT).to_pylist()
UIDS = [sample(n)["uid"] for n in range(COUNT)]
STAYS = [n for n in range(COUNT) if n not in GONE]


def ours(count: int = COUNT) -> pa.Table:
    stored = [hashlib.sha256(b).hexdigest() for b in bodies(count).to_pylist()]
    table = samples(count)
    place = table.column_names.index("stored_sha256")
    return table.set_column(place, table.schema.field(place), pa.array(stored))


def taken_back(folder: Path) -> Path:
    """Write the retractions of the rows GONE, signed by KEY."""
    rows = ours().to_pylist()
    taken = [
        {k: rows[n][k] for k in ("uid", "sha256", "stored_sha256")}
        | {"release": "f" * 64, "reason": "optout_work"}
        for n in sorted(GONE)
    ]
    body = write_parquet(from_rows(taken, RETRACTIONS))
    path = folder / "retractions.parquet"
    path.write_bytes(body)
    note = sign_file(KIND, body, KEY, {"release": "f" * 64})
    path.with_name("retractions.parquet.note").write_bytes(note)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def require_once(copy: Path, retractions: Path) -> None:
    """A dry run changes nothing, a run drops all of it, and another one has nothing to do."""
    retracted = Retracted.read(retractions, [VERIFIER])
    before = contents(copy)
    would = retract(copy, retracted, yes=False)
    assert would.rows
    assert contents(copy) == before
    assert [(g.path, g.rows) for g in retract(copy, retracted, yes=True).going] == [
        (g.path, g.rows) for g in would.going
    ]
    after = contents(copy)
    assert retract(copy, retracted, yes=True).rows == 0
    assert contents(copy) == after
    assert not [name for name in after if ".part-" in name]


def write_members(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, body in members:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}


def table_of(keys: list[str], path: Path, **columns: object) -> None:
    pq.write_table(pa.table({"key": keys, **columns}), path)


def named(report: Report) -> list[str]:
    return [one.path.name for one in report.untold]


def anew(n: int) -> bytes:
    """Return the image of a row as somebody has encoded it again: no digest tells it."""
    return picture(1_000 + n)


def said(n: int, **more: object) -> bytes:
    """Return JSON that tells a row by its uid."""
    return json.dumps({"uid": sample(n)["uid"], **more}).encode()
