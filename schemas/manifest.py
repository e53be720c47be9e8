"""What a release says about itself: one canonical JSON document that names every file by digest."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas import SCHEMA_VERSION


class Entry(BaseModel):
    """A part of the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(Entry):
    """One file of the release."""

    path: str
    sha256: str
    size_bytes: int
    rows: int | None = None


class ListEntry(Entry):
    """One registry: used or declined, and at which checkpoint.

    The builder's own has no name, no key and no time of export; a declined one has a reason.
    """

    name: str = ""
    origin: str = ""  # of a declined list only where the config says it
    used: bool
    reason: str = ""  # why it was declined
    size: int | None = None
    root: str | None = None
    recorded_at: str | None = None  # of the newest entry, by the registry's clock
    exported_at: str | None = None  # of a signed list, by its publisher's clock
    age_days: float | None = None  # of that export, when the build began
    checkpoint: str | None = None  # the signed note of the log at that size, where there is one
    epoch: int | None = None  # the newest in the log at that size
    key: str | None = None  # that signed the list: NAME+ID
    snapshot_sha256: str | None = None  # of its snapshot.json, which holds the tables' digest
    trust_local: bool = False
    pinned: bool = False
    claims_active: int | None = None
    claims_not_judged_by_similarity: int | None = None


class ModelEntry(Entry):
    """A model that gave vectors, and the precision it ran in."""

    role: str  # sem, matcher
    name: str
    fingerprint: str
    weights_sha256: str
    precision: str
    device: str


class Roots(Entry):
    """What the maps over the release come to, and how they are made: pipeline/release_maps.py."""

    rows: str  # hex, of the map of all keys of the released rows
    row_keys: int
    bands: str  # hex, of the map of their perceptual codes
    band_keys: int
    ledger: str  # hex, RFC 6962, over the rows of the ledger in order of uid
    ledger_rows: int
    map_spec: str
    row_spec: str
    band_spec: str
    ledger_spec: str


class Recalled(Entry):
    """What a recall has done to the release that is the parent."""

    removed: int  # rows that are not released any more
    held: int  # of these, rows that somebody has to look at
    reworded: int  # rows whose caption says less than it did
    unjudged: int  # claims that could not be judged as in a build


class Manifest(Entry):
    """manifest.json: published last; without it there is no release."""

    schema_version: int = SCHEMA_VERSION
    format: str = "recuse-release/1"
    title: str
    created: str  # RFC 3339, fixed in the plan
    tool: dict[str, str]
    plan: str  # digest of config and source
    config: dict[str, Any]
    source: dict[str, Any]
    parent: str | None = None  # sha256 of its manifest.json
    recalled: Recalled | None = None  # where this is what a recall has left of the parent
    rows_in: int
    released: int
    captions_redacted: int = 0  # released rows from whose caption a name was taken out
    dropped: dict[str, int]  # by reason
    held: dict[str, int]
    unchecked: dict[str, int]  # released rows whose channels of a family could not be read
    signals: dict[str, dict[str, int]]  # channel -> what it said for the purpose -> rows
    signal_profile: dict[str, Any]  # how signals were read: optout.signals.profiles.Profile
    models: list[ModelEntry]
    lists: list[ListEntry]
    thresholds: dict[str, float]
    vault_sha256: str
    roots: Roots
    files: list[FileEntry] = Field(default_factory=list)

    def balanced(self) -> bool:
        """Say whether every input row ended in exactly one place."""
        out = self.released + sum(self.dropped.values()) + sum(self.held.values())
        return out == self.rows_in
