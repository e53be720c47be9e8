"""The claims that a build uses: what a registry's log said at one size, match parts open."""

from dataclasses import dataclass

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from schemas import SCHEMA_VERSION


class SnapshotHeader(BaseModel):
    """What pins a snapshot: origin, log size and RFC 6962 root, and the registry's matcher."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    origin: str  # the registry's name, e.g. "local/<random>"
    size: int  # log entries
    root: str  # hex RFC 6962 root of the log at that size
    recorded_at: str  # RFC 3339 time of the newest entry, by the registry's clock; "" when empty
    matcher: str  # fingerprint; "" when the registry has no matcher yet
    matcher_name: str
    trust_local: bool  # control is taken as proved on a registry of one's own
    tables_sha256: str  # digest over the rows of both tables
    withdrawn: tuple[tuple[int, int], ...] = ()
    """Log sizes, first to last, whose snapshots hold what was erased since."""
    epoch: int | None = None  # number of the newest epoch in the log


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A header with its SNAPSHOT_CLAIMS and WORKS (sorted: claim_id; claim_id, work_id).

    checkpoint: the log's signed checkpoint of that size and root; empty where nobody has signed.
    """

    header: SnapshotHeader
    claims: pa.Table
    works: pa.Table
    checkpoint: bytes = b""


@dataclass(frozen=True, slots=True)
class Honoured:
    """All that a build honours: CLAIMS and WORKS of its registry and of the lists, sorted as there.

    matcher: fingerprint of the build's own; vectors of any other are not compared.
    """

    matcher: str
    claims: pa.Table
    works: pa.Table
