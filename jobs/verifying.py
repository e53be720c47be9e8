"""An audit of a release: everything that its files and what the auditor holds allow to check.

Here is in which order; how each check reads the release stands in jobs/checks/, and what is decided
in pipeline/audit.py, optout/list_audit.py, optout/log_audit.py and, for claims, in
pipeline/recall.py: the replay runs the stages of a build again on what was stored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from jobs import audit as signals
from jobs.checks.files import files, maps, rows, signature
from jobs.checks.held import Held, Told
from jobs.checks.images import stored_bytes, vectors
from jobs.checks.lists import lists, logs
from jobs.published import Published
from jobs.releases import Release, open_release, require_release
from jobs.replaying import Replayed, Snapshots, replay_claims
from jobs.vaults import Vault, open_vault
from pipeline import audit
from pipeline.audit import ABOUT, Check, Name, Status, failed, judged, needs, verified
from pipeline.manifest import MANIFEST_PATH
from pipeline.storage import open_store
from pipeline.vault import EVIDENCE_ROWS
from schemas.canonical import sha256_hex
from schemas.errors import CurationError, SchemaError

MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    pa.ArrowException,
    pl.exceptions.PolarsError,
)
"""What reading tables and JSON of somebody else's making may raise, whatever they hold."""


@dataclass
class Report:
    """The checks of one audit, in order. claims: replayed, in all, and erased since."""

    release: str
    manifest_sha256: str = ""
    checks: list[Check] = field(default_factory=list)
    replayed: Replayed | None = None

    def add(self, check: Check) -> Check:
        self.checks.append(check)
        return check


def verify(
    place: str, held: Held, told: Callable[[Name], Told] = lambda _name: lambda _done, _all: None
) -> Report:
    """Return what an audit of a release finds. told: of the parts of a check as they are done.

    Raises UsageError where there is no release at all.
    """
    store = open_store(place)
    require_release(store)
    body = store.read(MANIFEST_PATH)
    report = Report(place, sha256_hex(body))
    try:
        release = open_release(store)
        wrong = audit.said_faults(release.manifest, release.config)
    except SchemaError as e:
        report.add(failed(Name.MANIFEST, [str(e)]))
        return report
    report.add(judged(Name.MANIFEST, wrong, ABOUT[Name.MANIFEST]))
    report.add(_ended(Name.SIGNATURE, lambda: signature(store, body, held.keys)))
    whole = report.add(_ended(Name.FILES, lambda: files(release, told(Name.FILES))))
    if whole.status == Status.FAILED:
        return report  # nothing of it is what the manifest speaks of
    for name, check in (
        (Name.ROWS, lambda: rows(release)),
        (Name.MAPS, lambda: maps(release, told(Name.MAPS))),
        (Name.BYTES, lambda: stored_bytes(release, held, told(Name.BYTES))),
        (Name.VECTORS, lambda: vectors(release, held, told(Name.VECTORS))),
        (Name.LISTS, lambda: lists(release, held)),
        (Name.LOG, lambda: logs(release, held)),
        *_private(release, held, told),
    ):
        report.add(_ended(name, check))

    def last() -> Check:
        report.replayed = replayed(release, held)
        return claims(report.replayed)

    report.add(_ended(Name.CLAIMS, last))
    return report


def _ended(name: Name, check: Callable[[], Check]) -> Check:
    """Return how a check ends; what cannot be read as what it should be fails it."""
    try:
        return check()
    except CurationError as e:
        return failed(name, [str(e)])
    except MALFORMED as e:
        return failed(name, [f"expected files of their form, found {type(e).__name__}: {e!s:.300}"])


def _private(
    release: Release, held: Held, told: Callable[[Name], Told]
) -> list[tuple[Name, Callable[[], Check]]]:
    """Return the checks that only the holder of the vault can make."""
    names = (Name.VAULT, Name.LEDGER, Name.SIGNALS)
    if not held.vault:
        return [(name, partial(needs, name, "the vault (--vault)")) for name in names]
    if is_bare(release, held.vault):
        what = f"the vault of the release that was recalled, {release.manifest.parent}"
        return [
            (Name.VAULT, lambda: bare_vault(release, held.vault)),
            (Name.LEDGER, lambda: ledger_in_part(release, held.vault, what)),
            (Name.SIGNALS, partial(needs, Name.SIGNALS, what)),
        ]
    return [
        (Name.VAULT, lambda: vault(release, held.vault)),
        (Name.LEDGER, lambda: ledger_opened(release, held.vault)),
        (Name.SIGNALS, lambda: replayed_signals(release, held.vault, told(Name.SIGNALS))),
    ]


def vault(release: Release, place: str) -> Check:
    """Check that the vault is the one that the manifest pins."""
    found = open_vault(place, release.manifest)
    return verified(Name.VAULT, f"digest as pinned, shards: {found.shards}")


def is_bare(release: Release, place: str) -> bool:
    """Say whether a vault is that of a recall which had not the one of its parent.

    It holds what is known of the rows that the recall took out, and no evidence.
    """
    store = open_store(place, private=True)
    return release.manifest.recalled is not None and not store.paths(EVIDENCE_ROWS)


def bare_vault(release: Release, place: str) -> Check:
    """Check likewise that of a recall without the vault of its parent."""
    signals.check_digest(open_store(place, private=True), release.manifest)
    return verified(Name.VAULT, "digest as pinned, of a recall without its parent's vault")


def ledger_in_part(release: Release, place: str, lacking: str) -> Check:
    """Check the rows of the ledger that a recall took out; of the others its parent's vault knows.

    lacking: what says so.
    """
    held = Vault(open_store(place, private=True)).vaulted()
    ledger = release.ledger()
    own = ledger.filter(pc.is_in(ledger["uid"], Published(release, None).retracted()))
    wrong = audit.ledger_faults(own, held)
    said = f"{own.num_rows:,} of {ledger.num_rows:,} commitments opened"
    if wrong or own.num_rows == ledger.num_rows:
        return judged(Name.LEDGER, wrong, said)
    return needs(Name.LEDGER, lacking, said)


def ledger_opened(release: Release, place: str) -> Check:
    """Check that each row of the ledger commits to what the vault holds."""
    held = Vault(open_store(place, private=True)).vaulted()
    wrong = audit.ledger_faults(release.ledger(), held)
    return judged(Name.LEDGER, wrong, f"{held.num_rows:,} commitments opened")


def replayed_signals(release: Release, place: str, told: Told) -> Check:
    """Check every verdict by signals against the evidence."""
    found = signals.replay_signals(release.store.root, place, told)
    wrong = [
        f"{d.uid or 'release'} {d.what}: claimed {d.claimed}, found {d.found}"
        for d in found.disagreements
    ]
    return judged(Name.SIGNALS, wrong, f"{sum(found.rows.values()):,} rows replayed")


def replayed(release: Release, held: Held) -> Replayed:
    """Return what comes out where the claims judge a release again."""
    has_vault = held.vault and not is_bare(release, held.vault)
    vault = open_vault(held.vault, release.manifest) if has_vault else None
    old = Published(release, vault)
    return replay_claims(old, Snapshots(held.registries, held.snapshots), held.cohort(old.matcher))


def claims(found: Replayed) -> Check:
    """Check what the replay of claims says."""
    said = f"claims replayed {found.replayed} of {found.active}"
    if found.wrong:
        return failed(Name.CLAIMS, found.wrong)
    if found.needs:
        return Check(Name.CLAIMS, Status.NEEDS, said, needs=found.needs)
    return verified(Name.CLAIMS, f"{said}; {found.rows:,} rows judged again")
