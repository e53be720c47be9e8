"""A recall: the rows of a release judged by newer claims, and a new release without what they deny.

What is decided stands in pipeline/recall.py, how files change in pipeline/rewrite.py. One part
after the other; of each only slim columns and what the claims find stay in hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from jobs.claims import Member, newest
from jobs.context import load_pinned
from jobs.enrol import Track
from jobs.list_files import file_name, lists_folder
from jobs.published import Published, left_out
from jobs.registries import open_registry
from jobs.releases import Release
from jobs.vaults import Vault
from optout import index, style_search, union
from optout.cohort import Cohort
from optout.log import merkle
from optout.signed_list import require_no_rollback
from pipeline.clock import clock_from_environment
from pipeline.embed import recaptioned
from pipeline.likeness import acting
from pipeline.plan import ModelChoice
from pipeline.recall import (
    Changes,
    Decided,
    Found,
    Means,
    Recaption,
    changes,
    changes_by_part,
    decide_again,
    find,
)
from pipeline.reread import (
    BY_CLAIMS,
)
from pipeline.unjudged import Lacking, Unjudged, unjudged, without_styles
from schemas.canonical import digest
from schemas.config import ListConfig, RegistryConfig
from schemas.errors import RegistryError, RollbackError, UsageError
from schemas.manifest import ListEntry, Manifest
from schemas.ports import Embedder
from schemas.snapshot import Honoured, SnapshotHeader
from schemas.tables import TEXT
from schemas.verdict import Verdict

UNJUDGED_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Claims:
    """The claims by which a release is judged again, and what is needed beside them.

    cohort: of the release's matcher; None where it is not at hand. safe: SAFE.
    """

    members: tuple[Member, ...]
    cohort: Cohort | None
    safe: pa.Table | None = None

    def honoured(self, matcher: str) -> Honoured:
        """Return all of them together. Raises RegistryError where two contradict each other."""
        return union.join([member.snapshot for member in self.members], matcher)


@dataclass(frozen=True, eq=False)
class Judged:
    """What newer claims do to a release. parts, beside: what was found, by part and by shard."""

    old: Published
    claims: Claims
    honoured: Honoured
    parts: Mapping[str, Found]
    beside: Mapping[int, Found]
    decided: Decided
    changes: Changes
    unjudged: Sequence[Unjudged]
    shard: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def by_part(self) -> Mapping[str, Changes]:
        """The changes to each part."""
        return changes_by_part(self.decided.decided, self.parts)

    @property
    def reworded(self) -> int:
        return sum(one.num_rows for one in self.changes.worded)

    @property
    def plan(self) -> str:
        """Digest of all that the new release follows from."""
        members = [[m.name, m.sha256, m.snapshot.header.trust_local] for m in self.claims.members]
        cleared = self.claims.safe.to_pylist() if self.claims.safe is not None else []
        left = [[one.claim_id, one.why] for one in self.unjudged]  # by what was at hand
        told = [members, cleared, self.old.vault is not None, left]
        return digest(["recall", self.old.sha256, *told])

    def found_of(self, shard: int) -> list[Found]:
        """Return what was found in the rows of a shard, released or not."""
        own = [one for name, one in self.parts.items() if self.shard[name] == shard]
        return [*own, *([self.beside[shard]] if shard in self.beside else [])]


def judge(
    old: Published, claims: Claims, track: Track, recaption: Recaption | None = None
) -> Judged:
    """Return what the claims do to the rows of a release. Nothing is written.

    recaption: compares captions that change with their images; default: by the release's model.
    Raises ProofError for files that are not those of its manifest or vault.
    """
    honoured = claims.honoured(old.matcher)
    cohort_lacks = claims.cohort is None and bool(acting(honoured))
    means = Means(
        honoured=without_styles(honoured) if cohort_lacks else honoured,
        config=old.release.config,
        cohort=claims.cohort,
        recaption=recaption or recaption_by(old.manifest),
        search=index.at_hand(),
        near=style_search.near_styles,
    )
    parts: dict[str, Found] = {}
    shard: dict[str, int] = {}
    no_vectors = no_hashes = False
    for name in track(old.release.names, "judging"):
        one = old.rows(name)
        shard[name] = one.shard
        stored = old.measured(one.samples["uid"])
        parts[name] = find(one.reread, means, one.originals, stored)
        no_vectors = no_vectors or not _whole(one.vectors, ("cpy", "sty"), one.samples.num_rows)
        no_hashes = no_hashes or not _whole(one.samples, ("sha256", "pixel_sha256", "pdq"))
    beside = {s: _beside(old.vault, s, means) for s in range(old.shards)} if old.vault else {}
    decided = decide_again(
        [*parts.values(), *beside.values()],
        old.vault.edges if old.vault else None,
        means,
        old.duplicate_similarity,
        claims.safe,
    )
    lacking = Lacking(no_vectors, no_hashes, cohort_lacks, old.vault is None)
    return Judged(
        old=old,
        claims=claims,
        honoured=means.honoured,
        parts=parts,
        beside=beside,
        decided=decided,
        changes=changes(decided.decided, list(parts.values())),
        unjudged=unjudged(honoured, lacking),
        shard=shard,
    )


def _beside(vault: Vault, shard: int, means: Means) -> Found:
    """Return what the claims find in the rows of a shard that are not released."""
    vaulted = vault.rows(shard)
    stored = vault.likeness_of(vaulted["uid"])
    by_claims = pc.is_in(vaulted["reason"], pa.array(sorted(BY_CLAIMS), TEXT))
    doubted = vaulted["uid"].filter(by_claims).combine_chunks()
    return find(left_out(vault, vaulted, shard), means, stored=stored, doubted=doubted)


def _whole(table: pa.Table, names: Iterable[str], rows: int | None = None) -> bool:
    """Say whether all rows have all columns. rows: how many there must be."""
    if rows is not None and table.num_rows != rows:
        return False
    return all(n in table.column_names and not table[n].null_count for n in names)


def recaption_by(manifest: Manifest) -> Recaption:
    """Return what compares captions with their images, by the release's model, loaded if asked."""
    loaded: list[Embedder] = []

    def again(decoded: pa.Table, vectors: pa.Table, captions: Mapping[str, str]) -> pa.Table:
        if not loaded:
            (entry,) = [m for m in manifest.models if m.role == "sem"]
            choice = ModelChoice(
                name=entry.name,
                fingerprint=entry.fingerprint,
                weights_sha256=entry.weights_sha256,
                precision=entry.precision,
                device=entry.device,
                edge_px=0,
                duplicate_threshold=0.0,
            )
            loaded.append(load_pinned(choice, 32))
        return recaptioned(decoded, vectors, captions, loaded[0])

    return again


# --- whose claims


def registry_of(
    release: Release, url: str, lists: Sequence[ListConfig], *, trust_local: bool
) -> RegistryConfig:
    """Return whose claims judge a release: a registry, and lists as given or as its config names.

    Lists of the config are sought among those that were imported. Raises UsageError where a
    registry or a list that the release honours is missing: its newer claims would be passed over.
    """
    used = {entry.name: entry for entry in release.manifest.lists if entry.used}
    if "" in used and not url:
        raise UsageError(
            f"expected --registry: the release honours the claims of {used[''].origin}, and newer"
            " ones would be passed over"
        )
    named = {one.name for one in lists}
    kept = [_imported(one) for one in release.config.registry.subscribed if one.name not in named]
    together = (*lists, *kept)
    lost = sorted(used.keys() - {""} - {one.name for one in together if one.subscribe})
    if lost:
        raise UsageError(f"expected list {lost[0]!r}, which the release honours (--list), found it"
                         " neither given nor in the release's config")  # fmt: skip
    own = release.config.registry
    return RegistryConfig(
        url=url,
        trust_local=trust_local or own.trust_local,
        lists=together,
        max_age_days=own.max_age_days,
    )


def _imported(one: ListConfig) -> ListConfig:
    """Return a list of a release's config at the place to which it was imported."""
    if one.location or not one.origin:
        return one
    return one.model_copy(update={"location": str(lists_folder() / file_name(one.origin))})


def claims_now(release: Release, config: RegistryConfig, created: str) -> tuple[Member, ...]:
    """Return the newest claims. created: against which lists are old.

    Raises UsageError for a list without a place, RegistryError and its kinds as a build does, and
    RollbackError where a registry shows less than the release has seen, or something else.
    """
    for one in config.subscribed:
        if not one.location:
            raise UsageError(
                f"expected where list {one.name!r} lies (--list '{{name: {one.name},"
                f" location: …, key: …}}', or recuse optout import), found nothing"
            )
    members = newest(config, created)
    before = {entry.name: entry for entry in release.manifest.lists if entry.used}
    for member in members:
        if (seen := before.get(member.name)) is not None:
            where = f"list {member.name!r}" if member.name else "the registry"
            held = _header(seen)
            require_no_rollback(held, member.snapshot.header, where)
            if not member.name:
                _require_extended(config.url, held)
    return members


def _require_extended(url: str, held: SnapshotHeader) -> None:
    """Raise RollbackError unless a registry's log goes on from a state: it may be longer anyhow.

    As where a copy from before was brought back, and claims came since.
    """
    with open_registry(url, clock_from_environment()) as registry:
        found = merkle.root(registry.leaf_hashes(held.size)).hex()
    if found != held.root:
        raise RollbackError(
            f"expected root {held.root} of {held.origin} at size {held.size} in the registry, as"
            f" already seen, found {found}: its log does not go on from there"
        )


def _header(entry: ListEntry) -> SnapshotHeader:
    if entry.size is None or entry.root is None:
        raise RegistryError(f"expected size and root of {entry.origin} in the manifest, found none")
    return SnapshotHeader(
        origin=entry.origin,
        size=entry.size,
        root=entry.root,
        recorded_at=entry.recorded_at or "",
        matcher="",
        matcher_name="",
        trust_local=entry.trust_local,
        tables_sha256="",
    )


def counts(judged: Judged) -> dict[tuple[str, str], int]:
    """Return removed rows by verdict and reason, the most first."""
    removed = judged.changes.removed.group_by(["verdict", "reason"]).aggregate([([], "count_all")])
    rows = [((r["verdict"], r["reason"]), r["count_all"]) for r in removed.to_pylist()]
    order = {str(Verdict.DROP): 0, str(Verdict.HOLD): 1}
    return dict(sorted(rows, key=lambda row: (order[row[0][0]], -row[1], row[0])))


def require_judged(judged: Judged) -> None:
    """Raise UsageError where claims cannot be judged as in a build."""
    if not judged.unjudged:
        return
    some = judged.unjudged[:UNJUDGED_SHOWN]
    error = UsageError(
        f"expected a release of which every claim can be judged, found"
        f" {len({one.claim_id for one in judged.unjudged}):,} claims of which that is not so:"
        " build anew, or go on without (--allow-unjudged); the manifest then says how many"
    )
    for one in some:
        error.add_note(f"claim {one.claim_id}: {one.why}")
    if len(judged.unjudged) > len(some):
        error.add_note(f"… and {len(judged.unjudged) - len(some):,} more")
    raise error
