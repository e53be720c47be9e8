"""What a release says of single rows, of one claim, and of what changed: read back for an audit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import private_evidence
from jobs.releases import Release, open_release, require_release
from jobs.vaults import Vault, open_vault
from optout.receipt import Receipt
from optout.urls import canonical_url
from pipeline import delta as deltas
from pipeline import release_diff
from pipeline.delta import Applied, Delta
from pipeline.image.canonical import CanonicalHasher
from pipeline.manifest import MANIFEST_PATH
from pipeline.near.hamming import as_words
from pipeline.release_diff import Diff
from pipeline.release_maps import URLS
from pipeline.storage import open_store, read_anywhere
from schemas.canonical import sha256_hex
from schemas.errors import ImageError, StorageError, UsageError

UID_DIGITS = 32


@dataclass(frozen=True)
class Sample:
    """All that is known of one row. part: the file that holds it, "" where it is not released.

    row: its columns, of the release or of the vault. ledger: its public row, null for a released
    one. matches, edges: those that name it. evidence: documents by kind, from the vault.
    """

    uid: str
    part: str
    row: Mapping[str, Any]
    ledger: Mapping[str, Any] | None
    matches: Sequence[Mapping[str, Any]] = ()
    edges: Sequence[Mapping[str, Any]] = ()
    evidence: Mapping[str, Any] | None = None
    with_vault: bool = False


def explain(place: str, what: str, vault: str = "") -> list[Sample]:
    """Return the rows that a uid, a URL or an image file means, with all that is known of them.

    vault: "" for none; then of rows that are not released only the ledger speaks. Raises UsageError
    where nothing is found, ProofError where a file or the vault is not what the manifest names.
    """
    release = _release(place)
    private = open_vault(vault, release.manifest) if vault else None
    wanted = _wanted(what)
    found = [*_released(release, wanted), *_left_out(release, private, wanted)]
    if not found:
        told = "" if vault else " (give --vault: the public ledger knows rows by uid alone)"
        raise UsageError(f"expected a row of {place} that {what!r:.200} means, found none{told}")
    return [_with_evidence(one, private) if private else one for one in found]


def _release(place: str) -> Release:
    store = open_store(place)
    require_release(store)
    return open_release(store)


def _wanted(what: str) -> dict[str, str]:
    """Return the column by which rows are sought, and the value that it must have."""
    if len(what) == UID_DIGITS and set(what) <= set("0123456789abcdef"):
        return {"uid": what}
    if "://" in what and not what.startswith("file:"):
        return dict.fromkeys(URLS, canonical_url(what))  # given, or where redirects led
    try:
        body = read_anywhere(what)
    except (StorageError, OSError) as e:
        raise UsageError(f"expected a uid, a URL or an image file, found {what!r:.200}") from e
    wanted = {"sha256": sha256_hex(body), "stored_sha256": sha256_hex(body)}
    try:
        return wanted | {"pixel_sha256": CanonicalHasher().keys(body).pixel_sha256}
    except ImageError:
        return wanted


def _hits(table: pa.Table, wanted: Mapping[str, str]) -> pa.Table:
    hit = pa.array([False] * table.num_rows, pa.bool_())  # of a shard without rows too
    for name, value in wanted.items():
        if name not in table.column_names:
            continue
        column = table[name]
        if name in URLS:
            column = pa.array([_canonical(url) for url in column.to_pylist()], pa.string())
        hit = pc.or_(hit, pc.fill_null(pc.equal(column, value), fill_value=False))
    return table.filter(hit)


def _canonical(url: str | None) -> str | None:
    try:
        return canonical_url(url) if url else None
    except UsageError:
        return None


def _released(release: Release, wanted: Mapping[str, str]) -> list[Sample]:
    found = []
    for name in release.names:
        hits = _hits(release.plain(name), wanted)
        found += [Sample(row["uid"], name, row, None) for row in hits.to_pylist()]
    return found


def _left_out(release: Release, vault: Vault | None, wanted: Mapping[str, str]) -> list[Sample]:
    ledger = {row["uid"]: row for row in release.ledger().to_pylist()}
    if vault is None:
        uid = wanted.get("uid", "")
        return [Sample(uid, "", {}, ledger[uid])] if uid in ledger else []
    found = []
    for table in vault.each_vaulted():
        found += [
            Sample(row["uid"], "", row, ledger.get(row["uid"]))
            for row in _hits(table, wanted).to_pylist()
        ]
    return found


def _with_evidence(one: Sample, vault: Vault) -> Sample:
    matches, edges = vault.matches, vault.edges
    either = pc.or_(pc.equal(edges["uid_a"], one.uid), pc.equal(edges["uid_b"], one.uid))
    return Sample(
        one.uid,
        one.part,
        one.row,
        one.ledger,
        matches.filter(pc.equal(matches["uid"], one.uid)).to_pylist(),
        edges.filter(either).to_pylist(),
        _evidence(one.uid, vault),
        with_vault=True,
    )


def _evidence(uid: str, vault: Vault) -> dict[str, Any]:
    for traced in vault.each_traced():
        own = traced.filter(pc.equal(traced["uid"], uid))
        if own.num_rows:
            documents = private_evidence(vault.store, own)
            columns = (documents[name].to_pylist() for name in ("sha256", "body"))
            bodies = dict(zip(*columns, strict=True))
            (row,) = own.to_pylist()
            named = {kind: row[kind] for kind in ("answer", "page", "embedded") if row[kind]}
            return {
                kind: json.loads(bodies[digest])
                for kind, digest in named.items()
                if digest in bodies
            }
    return {}


# --- one claim


@dataclass(frozen=True)
class ClaimDelta:
    """What a release did for a claim. opened: null without the vault.

    exact: works of the receipt of which the very bytes or pixels are inside. nearest: the least PDQ
    distance of each other work to any released image. also: rows left out for another claim or
    reason that match the claim too; 0 without the vault.
    """

    claim: str
    title: str
    applied: Applied
    exact: tuple[str, ...]
    nearest: tuple[int, ...]
    opened: Delta | None
    also: int = 0

    @property
    def kept_out(self) -> bool:
        """Whether no work of the receipt is inside, by its bytes or its pixels."""
        return not self.exact


def claim_delta(place: str, receipt: Receipt, vault: str = "") -> ClaimDelta:
    """Return what a release did for the claim of a receipt. vault: "" for none.

    Raises ProofError where release or vault are not what the manifest says.
    """
    release = _release(place)
    works = receipt.parts.match.get("works", [])
    exact, codes = _inside(release, works)
    others = [work for work in works if work["work_id"] not in exact]
    private = open_vault(vault, release.manifest) if vault else None
    opened = _opened(release, receipt.claim, private) if private else None
    return ClaimDelta(
        receipt.claim,
        release.manifest.title,
        deltas.applied(release.manifest, receipt.origin, receipt.seq),
        tuple(sorted(exact)),
        tuple(deltas.least_distances([work["pdq"] for work in others], codes)),
        opened,
        _also(receipt.claim, private) if private else 0,
    )


def _inside(release: Release, works: Sequence[Mapping[str, Any]]) -> tuple[set[str], Any]:
    keys = {work[kind]: work["work_id"] for work in works for kind in ("sha256", "pixel_sha256")}
    exact: set[str] = set()
    codes: list[bytes] = []
    for name in release.names:
        rows = release.mapped(name)
        for kind in ("sha256", "stored_sha256", "pixel_sha256"):
            exact |= {keys[value] for value in rows[kind].to_pylist() if value in keys}
        for kind in ("pdq", "stored_pdq"):
            codes += [code for code in rows[kind].to_pylist() if code is not None]
    return exact, as_words(codes)


def _opened(release: Release, claim: str, vault: Vault) -> Delta:
    own = _of_claim(vault.vaulted(), claim)
    return deltas.make(claim, release.store.read(MANIFEST_PATH), release.ledger(), own)


def _also(claim: str, vault: Vault) -> int:
    """Return how many rows a claim matches that are left out for another reason than it."""
    matched = _of_claim(vault.matches, claim)["uid"].combine_chunks()
    vaulted = vault.vaulted()
    own = _of_claim(vaulted, claim)["uid"].combine_chunks()
    left = vaulted["uid"].filter(pc.is_in(vaulted["uid"], matched))
    return len(left.filter(pc.invert(pc.is_in(left, own))))


def _of_claim(table: pa.Table, claim: str) -> pa.Table:
    return table.filter(pc.fill_null(pc.equal(table["claim_id"], claim), fill_value=False))


# --- two releases


def compare(before: str, after: str, vaults: tuple[str, str] = ("", "")) -> Diff:
    """Return what changed from one release to another. vaults: "" where one is not at hand.

    Raises ProofError where a file is not what its manifest names.
    """
    old, new = (_places(*pair) for pair in zip((before, after), vaults, strict=True))
    return release_diff.diff(old, new)


def _places(place: str, vault: str) -> pl.DataFrame:
    release = _release(place)
    vaulted = open_vault(vault, release.manifest).vaulted() if vault else None
    samples = (release.uids(name) for name in release.names)
    return release_diff.places(samples, release.ledger(), vaulted)
