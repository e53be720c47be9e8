"""`recuse optout review`: a vault opened, its page written, decisions and safe list kept.

What is decided stands in pipeline/review.py. Decisions are written first, so that there is none
without evidence; a safe list that lacks a line of them gets it by the same command once more.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from pipeline.report.waiting import PER_CLAIM, render_waiting
from pipeline.review import (
    Choice,
    Chosen,
    Decision,
    Held,
    Wanted,
    cleared_by,
    decisions_of,
    parse_decisions,
    render_decisions,
    standing,
    under_review,
)
from pipeline.shard import read_parquet
from pipeline.storage import open_store, read_anywhere
from pipeline.vault import (
    CLAIMS_PATH,
    DECISIONS,
    HELD_FOLDER,
    HELD_UNTIL,
    MATCHES_PATH,
    REVIEW_FOLDER,
    ROWS_FOLDER,
    list_of_claim,
    read_held_until,
    vault_of,
)
from schemas.errors import UsageError
from schemas.ports import Store
from schemas.safe import Cleared, parse_safe, render_safe
from schemas.tables import VAULTED

PAGE = f"{REVIEW_FOLDER}/index.html"
VAULT = ".vault"
COLUMNS = ["uid", "decision", "why"]
CHOICES = {"let-in": Choice.LET_IN, "keep-out": Choice.KEEP_OUT}


@dataclass(frozen=True)
class Review:
    """A vault and what waits in it. place: of the vault. until_us: when its images go.

    lists: name of the signed list behind a claim; absent are those of the builder's own registry.
    """

    place: str
    store: Store
    held: list[Held]
    decisions: list[Decision]
    until_us: int
    lists: Mapping[str, str]

    @property
    def waiting(self) -> list[Held]:
        """The rows about which nobody has decided."""
        decided = standing(self.decisions)
        return [row for row in self.held if row.uid not in decided]

    @property
    def safe_path(self) -> str:
        """Where the safe list stands unless somebody says otherwise: beside the vault."""
        folder, slash, _ = self.place.rpartition("/")
        return f"{folder}{slash}safe.jsonl"


def open_review(release_or_vault: str) -> Review:
    """Read a vault. Raises UsageError where there is none, SchemaError for other files."""
    given = release_or_vault.rstrip("/")
    place = given if given.endswith(VAULT) else vault_of(given)
    store = open_store(place, private=True)
    if not store.exists(HELD_UNTIL):
        raise UsageError(f"expected a release with its vault in {place}, found none")
    pictured = {uid for _, table in images(store, ["uid"]) for uid in table["uid"].to_pylist()}
    names = VAULTED.names
    rows = [
        read_parquet(store.read(path), names)
        for path in store.paths(ROWS_FOLDER)
        if path.endswith(".parquet")
    ]
    vaulted = pa.concat_tables([t.cast(VAULTED) for t in rows] or [VAULTED.empty_table()])
    matches = read_parquet(store.read(MATCHES_PATH))
    held = under_review(vaulted, matches, pictured)
    lists = list_of_claim(read_parquet(store.read(CLAIMS_PATH)))
    return Review(place, store, held, read_decisions(store), read_held_until(store), lists)


def images(store: Store, columns: list[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
    """Yield path and STORED of each file of held rows' images, or some of its columns."""
    for path in store.paths(HELD_FOLDER):
        own = path.startswith(f"{REVIEW_FOLDER}/") or path.endswith(".fetched.parquet")
        if path.endswith(".parquet") and not own:
            yield path, read_parquet(store.read(path), columns)


def read_decisions(store: Store) -> list[Decision]:
    """Return the decisions that a vault holds. Raises SchemaError."""
    if not store.exists(DECISIONS):
        return []
    return parse_decisions(store.read(DECISIONS), f"{store.root}/{DECISIONS}")


def add_decisions(store: Store, new: Iterable[Decision]) -> None:
    """Write further lines below those that stand. Raises StorageError."""
    before = store.read(DECISIONS) if store.exists(DECISIONS) else b""
    store.publish(DECISIONS, before + render_decisions(new))


def write_page(review: Review) -> str:
    """Write the page that shows what waits, and return where it is."""
    waiting = review.waiting
    shown: dict[str, bytes] = {}
    wanted = {row.uid for row in limited(waiting)}
    for _, table in images(review.store):
        for row in table.to_pylist():
            if row["uid"] in wanted:
                shown[row["uid"]] = row["body"]
    until = datetime.fromtimestamp(review.until_us / 1e6, UTC).isoformat()
    page = render_waiting(waiting, shown, review.place, until, review.lists)
    review.store.publish(PAGE, page.encode())
    return f"{review.place}/{PAGE}"


def limited(waiting: Iterable[Held]) -> Iterator[Held]:
    """Yield the first rows of each claim, as many as the page shows."""
    seen: dict[str, int] = {}
    for row in waiting:
        claim = row.near[0].claim_id
        seen[claim] = seen.get(claim, 0) + 1
        if seen[claim] <= PER_CLAIM:
            yield row


@dataclass(frozen=True)
class Recorded:
    """What was written: decisions, and lines that the safe list did not have.

    reversed_rows: kept out although they were let in before.
    """

    decisions: list[Decision]
    cleared: list[Cleared]
    reversed_rows: int
    review: Review


def record(review: Review, chosen: Chosen, by: str, why: str, safe_path: str) -> Recorded:
    """Write decisions into the vault and what they clear into a safe list; once again is harmless.

    Raises UsageError for a safe list that cannot be read.
    """
    at = now()
    lines = read_safe(safe_path)
    counts = standing(review.decisions)
    new = [
        one
        for one in decisions_of(chosen, at, by, why)
        if one.uid not in counts or counts[one.uid].choice != one.choice
    ]
    if new:
        add_decisions(review.store, new)
    known = {(one.claim_id, one.sha256, one.pixel_sha256) for one in lines}
    cleared = [
        one
        for one in cleared_by(decisions_of(chosen, at, by, why))
        if (one.claim_id, one.sha256, one.pixel_sha256) not in known
    ]
    if cleared:
        folder, slash, name = safe_path.rpartition("/")
        open_store(folder or slash or ".").publish(name, render_safe([*lines, *cleared]))
    turned = sum(one.choice == Choice.KEEP_OUT and one.uid in counts for one in new)
    return Recorded(new, cleared, turned, replace(review, decisions=[*review.decisions, *new]))


def read_safe(path: str) -> list[Cleared]:
    """Return the lines of a safe list, none where there is no such file yet. Raises UsageError."""
    folder, slash, name = path.rpartition("/")
    if not name:
        raise UsageError(f"expected the path of a safe list, found {path!r}")
    store = open_store(folder or slash or ".")
    return parse_safe(store.read(name), path) if store.exists(name) else []


def read_wanted(path: str) -> Wanted:
    """Return what a CSV file decides: uid, decision (let-in, keep-out), why. Raises UsageError."""
    try:
        text = read_anywhere(path).decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise UsageError(f"expected UTF-8 in {path}: {e}") from e
    rows = csv.reader(io.StringIO(text))
    if (header := next(rows, [])) not in (COLUMNS, COLUMNS[:2]):
        raise UsageError(f"{path}: expected columns {','.join(COLUMNS)}, found {header}")
    chosen: dict[Choice, list[str]] = {choice: [] for choice in CHOICES.values()}
    why: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) not in {2, 3} or row[1] not in CHOICES:
            raise UsageError(
                f"{path}, line {number}: expected uid,let-in|keep-out,why, found {row}"
            )
        chosen[CHOICES[row[1]]].append(row[0])
        why[row[0]] = row[2] if len(row) == len(COLUMNS) else ""
    return Wanted(tuple(chosen[Choice.LET_IN]), tuple(chosen[Choice.KEEP_OUT]), why=why)


def now() -> str:
    """Return the time as it stands in decisions."""
    from pipeline.clock import clock_from_environment  # noqa: PLC0415  # one use

    seconds = clock_from_environment().now_us() // 1_000_000
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
