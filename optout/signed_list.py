"""A signed list: a registry's snapshot beside a note by which its publisher stands for it.

    list.note        a signed note (optout.log.note) whose text is below
    snapshot.json    header of the snapshot, canonical JSON; the note holds its sha256
    checkpoint       of the log, signed by the log's key; where there is none, nothing says that
                     others are shown the same log
    claims.parquet   works.parquet: the tables, whose digest the header holds

The note is written last and read first; what it does not vouch for is not used. Nothing here
opens a path: files come through a Store, and keys from whoever asks, never from the list.

    recuse-list/1
    origin ORIGIN
    size LOG ENTRIES
    root HEX
    recorded_at RFC 3339, or none for an empty log
    exported_at RFC 3339
    snapshot_sha256 HEX
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optout import snapshot as snapshots
from optout.list_tables import require_sound
from optout.log.note import SignerKey, VerifierKey, opened, parse, sign
from schemas.canonical import sha256_hex
from schemas.errors import (
    ProofError,
    RegistryError,
    RollbackError,
    StaleSnapshotError,
    StorageError,
)
from schemas.ports import Store
from schemas.snapshot import Snapshot, SnapshotHeader

NOTE_FILE = "list.note"
FORMAT = "recuse-list/1"
NONE = "none"
DAY_S = 86_400
EXPORTED_AT = "%Y-%m-%dT%H:%M:%SZ"


class ListNote(BaseModel):
    """What the publisher of a list signs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: str = Field(pattern=r"^\S{1,200}$")  # also a folder's name and a line of text
    size: int = Field(ge=0)
    root: str = Field(pattern=r"^[0-9a-f]{64}$")
    recorded_at: str = Field(pattern=r"^\S*$")  # of the newest entry, "" for an empty log
    exported_at: str
    snapshot_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")  # of snapshot.json

    def to_text(self) -> str:
        """Return the text that is signed."""
        said = self.model_dump() | {"recorded_at": self.recorded_at or NONE}
        return "\n".join([FORMAT, *(f"{key} {value}" for key, value in said.items()), ""])

    def age_days(self, at: datetime) -> float:
        """Return how old the export is at a time; below zero for one that is yet to come."""
        exported = datetime.strptime(self.exported_at, EXPORTED_AT).replace(tzinfo=UTC)
        return (at - exported).total_seconds() / DAY_S


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list that was verified: by whom, what was signed, what it holds."""

    key: VerifierKey
    note: ListNote
    snapshot: Snapshot
    body: bytes  # of list.note, with every signature on it


def parse_text(text: str) -> ListNote:
    """Return what the text of a list's note says. Raises ProofError for any other text."""
    first, *lines = text.split("\n")
    said = {key: value for key, _, value in (line.partition(" ") for line in lines[:-1])}
    if said.get("recorded_at") == NONE:
        said["recorded_at"] = ""
    try:
        note = ListNote.model_validate(said)
        datetime.strptime(note.exported_at, EXPORTED_AT).replace(tzinfo=UTC)
    except ValueError as e:
        raise ProofError(f"expected the text of a {FORMAT} note, found {_problem(e)}") from e
    if first != FORMAT or note.to_text() != text:
        raise ProofError(f"expected the text of a {FORMAT} note, found another form: {text!r:.120}")
    return note


def sign_list(snapshot: Snapshot, exported_at: datetime, key: SignerKey) -> bytes:
    """Return list.note of a snapshot.

    Raises RegistryError for one whose levels are not what the registry states: a publisher cannot
    take control as proved for others; ProofError for an origin that no note can hold.
    """
    header = snapshot.header
    if header.trust_local:
        raise RegistryError("expected a snapshot taken without trust_local, found one with it")
    try:
        note = ListNote(
            origin=header.origin,
            size=header.size,
            root=header.root,
            recorded_at=header.recorded_at,
            exported_at=exported_at.astimezone(UTC).strftime(EXPORTED_AT),
            snapshot_sha256=sha256_hex(snapshots.header_bytes(header)),
        )
    except ValidationError as e:
        raise ProofError(f"expected a registry that can be exported: {_problem(e)}") from e
    return sign(note.to_text(), key)


def publish(snapshot: Snapshot, body: bytes, store: Store, folder: str = "") -> None:
    """Publish a snapshot and, last, its note."""
    snapshots.save(snapshot, store, folder)
    store.publish(snapshots.at(folder, NOTE_FILE), body)


def read(store: Store, key: VerifierKey, folder: str = "") -> SignedList:
    """Return the list in a folder, verified by the key given.

    Raises ProofError where the note is not signed by it, or does not vouch for what lies beside
    it; RegistryError where there is no list, or one that no registry could have recorded.
    """
    where = f"{store.root}/{folder}".rstrip("/")
    try:
        body = store.read(snapshots.at(folder, NOTE_FILE))
    except StorageError as e:
        raise RegistryError(f"expected a signed list in {where}: {e}") from e
    try:
        note = parse_text(opened(body, [key]).text)
    except ProofError as e:
        raise ProofError(f"{where}/{NOTE_FILE}: {e}") from e
    # Of the header as it was read, once: a mirror may answer a second question differently.
    taken = snapshots.load(store, folder, lambda header: _require_vouched(note, header, where))
    require_sound(taken)
    return SignedList(key, note, taken, body)


def _require_vouched(note: ListNote, header: SnapshotHeader, where: str) -> None:
    if (found := sha256_hex(snapshots.header_bytes(header))) != note.snapshot_sha256:
        raise ProofError(
            f"expected {snapshots.HEADER_FILE} of sha256 {note.snapshot_sha256} in {where}, found"
            f" {found}; it may be that it is being exported right now"
        )
    for name in ("origin", "size", "root", "recorded_at"):
        signed, found = getattr(note, name), getattr(header, name)
        if signed != found:
            raise ProofError(
                f"expected {name} {signed!r} in the snapshot of {where}, found {found!r}"
            )
    if header.trust_local:
        raise ProofError(f"expected a list that states its levels in {where}, found trust_local")


def peek(store: Store, path: str) -> tuple[ListNote, frozenset[str]]:
    """Return what a note says and the keys (NAME+ID) that claim to have signed it: unverified.

    For a copy that was verified when it was kept. Raises ProofError for what is no list's note.
    """
    try:
        note = parse(store.read(path))
        said = parse_text(note.text)
    except ProofError as e:
        raise ProofError(f"{store.root}/{path}: {e}") from e
    return said, frozenset(f"{s.name}+{s.key_id}" for s in note.signatures)


def require_no_rollback(
    held: ListNote | SnapshotHeader, found: ListNote | SnapshotHeader, where: str
) -> None:
    """Raise RollbackError where a log is shorter than the state already held, or another one.

    Raises RegistryError where it is the log of another registry. That a longer log extends the
    shorter one, sizes and roots alone cannot show.
    """
    if held.origin != found.origin:
        raise RegistryError(
            f"expected the log of {held.origin} in {where}, found that of {found.origin}"
        )
    if found.size < held.size:
        raise RollbackError(
            f"expected {held.size} log entries of {held.origin} or more in {where}, as already"
            f" seen, found {found.size}"
        )
    if found.size == held.size and found.root != held.root:
        raise RollbackError(
            f"expected root {held.root} of {held.origin} at size {held.size} in {where}, as already"
            f" seen, found {found.root}: its publisher shows two histories"
        )


def require_fresh(note: ListNote, at: datetime, max_age_days: float) -> None:
    """Raise StaleSnapshotError where an export is older than so many days; 0: no limit."""
    age = note.age_days(at)
    if max_age_days and age > max_age_days:
        raise StaleSnapshotError(
            f"expected the list of {note.origin} to be at most {max_age_days:g} days old, found an"
            f" export of {note.exported_at}, {age:.1f} days before; get a newer one, or allow the"
            " age (registry.max_age_days)"
        )


def _problem(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'text'}: {first['msg']}"
    return str(error)
