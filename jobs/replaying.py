"""The claims of a release replayed: judged again from what is stored, by the state it was made by.

The stages of a build run again on the rows as published (and, with the vault, on all others), so
that every released row must come out as kept, and every other one for the reason it has. What the
auditor does not hold is told, claim by claim: only N of N is complete.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import checked
from jobs.releases import Release
from jobs.vaults import Vault, open_vault
from optout import index, match, snapshot, style, style_search, union
from optout.cohort import Cohort
from optout.lifecycle import STYLE_RULES
from optout.match import Candidates
from optout.registry import Registry
from optout.style import Search
from pipeline import led, recall, reread
from pipeline.models.matcher_files import load_cohort
from pipeline.recall import Found, Means
from pipeline.release import name_of
from pipeline.shard import read_parquet
from pipeline.unjudged import Lacking, Unjudged, unjudged, without_styles
from pipeline.vault import EVIDENCE_ROWS, PRIVATE_EVIDENCE, ROWS_FOLDER
from schemas.canonical import sha256_hex
from schemas.errors import ModelMismatchError, RegistryError, UsageError
from schemas.manifest import ListEntry
from schemas.ports import Store
from schemas.snapshot import Honoured, Snapshot
from schemas.tables import DECIDED, TRACED
from schemas.verdict import Reason, Verdict

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A list at the state that a release used. erased: claims of which nothing is left."""

    snapshot: Snapshot
    erased: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Where the auditor has lists: registries, and folders of snapshots or signed lists."""

    registries: Sequence[Registry] = ()
    folders: Sequence[Store] = ()

    def of(self, entry: ListEntry) -> Taken | None:
        """Return a list as a release used it; null where the auditor does not hold it.

        Raises RegistryError where a registry at that size says something else than was used.
        """
        for store in self.folders:
            found = snapshot.load(store, "")
            if sha256_hex(snapshot.header_bytes(found.header)) == entry.snapshot_sha256:
                return Taken(found)
        for registry in self.registries:
            if registry.log_key()[0] != entry.origin or entry.size is None:
                continue
            taken, gone = snapshot.past(registry, entry.size, trust_local=entry.trust_local)
            found_sha = sha256_hex(snapshot.header_bytes(taken.header))
            if not gone and found_sha != entry.snapshot_sha256:
                raise RegistryError(
                    f"expected snapshot {entry.snapshot_sha256} of {entry.origin} at"
                    f" {entry.size} entries, found {found_sha} by {registry.where}: the release"
                    " used other claims than the log has"
                )
            return Taken(taken, tuple(gone))
        return None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found.

    active: claims in force when the release was made; replayed: of those, judged just as the build
    must have judged them; erased: not replayable any more. wrong: in words.
    """

    active: int
    replayed: int
    erased: int
    rows: int
    wrong: tuple[str, ...]
    needs: tuple[str, ...]


def replay_claims(release: Release, held: Snapshots, vault_place: str) -> Replayed:
    """Return what comes out where the claims judge the release again.

    vault_place: "" for none. Raises RegistryError where a list is not what was used, ProofError
    where a file is not what the manifest names, and for another vault.
    """
    used = [entry for entry in release.manifest.lists if entry.used]
    active = sum(entry.claims_active or 0 for entry in used)
    taken = [held.of(entry) for entry in used]
    missing = [e.origin for e, one in zip(used, taken, strict=True) if one is None]
    there = [one for one in taken if one is not None]
    if missing:
        what = f"the snapshot of {', '.join(missing)} (--registry, --snapshot)"
        return Replayed(active, 0, 0, 0, (), (what,))
    matcher = release.matcher.fingerprint if release.matcher else ""
    honoured = union.join([one.snapshot for one in there], matcher)
    vault = open_vault(vault_place, release.manifest) if vault_place else None
    cohort = _cohort(matcher)
    lacking = Lacking(
        vectors=not any(path.startswith("embeddings/") for path in release.files),
        cohort=cohort is None,
        vault=vault is None,
    )
    left = unjudged(honoured, lacking)
    acting = without_styles(honoured) if cohort is None else honoured
    return _judged(release, vault, Grounds(acting, cohort, left, active, _erased(there)))


@dataclass(frozen=True, slots=True)
class Grounds:
    """By what a release is judged again. left: claims that cannot be judged as in the build."""

    honoured: Honoured
    cohort: Cohort | None
    left: Sequence[Unjudged]
    active: int
    erased: frozenset[str]


def _erased(taken: Sequence[Taken]) -> frozenset[str]:
    return frozenset(claim for one in taken for claim in one.erased)


def _searches() -> tuple[Candidates, Search]:
    """Return the fast twins where FAISS is installed, else the references: the same answers."""
    if find_spec("faiss") is None:
        return match.candidates, style.near_styles
    return index.candidates, style_search.near_styles


def _judged(release: Release, vault: Vault | None, grounds: Grounds) -> Replayed:
    search, near = _searches()
    means = Means(
        honoured=grounds.honoured,
        config=release.config,
        cohort=grounds.cohort,
        recaption=lambda decoded, _vectors, _captions: decoded,  # a change of wording is a fault
        search=search,
        near=near,
    )
    paths = _addresses(vault)
    released = [_of_part(release, name, means, paths) for name in release.names]
    beside = [_of_vault(vault, shard, means) for shard in range(vault.shards)] if vault else []
    threshold = release.manifest.thresholds["duplicate_similarity"]
    edges = vault.edges if vault else None
    again = recall.decide_again([*released, *beside], edges, means, threshold).decided
    wrong = [*_wrong_released(release, released, again), *_wording(released)]
    if vault is not None:
        wrong += _wrong_beside(vault, again)
    needs = [_needs(why, count) for why, count in Counter(u.why for u in grounds.left).items()]
    if release.config.match.safe:  # what it sets aside is known by digest alone
        styles = {f" by {rule}" for rule in STYLE_RULES}
        wrong = [one for one in wrong if not any(one.endswith(rule) for rule in styles)]
        needs.append("the safe lists that the build used")
    if grounds.erased:
        needs.append(
            f"nobody has it any more: {len(grounds.erased)} claims were erased since, and are not"
            " replayable"
        )
    unjudged = {one.claim_id for one in grounds.left} | grounds.erased
    rows = sum(one.slim.num_rows for one in [*released, *beside])
    replayed = grounds.active - len(unjudged)
    return Replayed(
        grounds.active, replayed, len(grounds.erased), rows, tuple(wrong), tuple(sorted(needs))
    )


def _needs(why: str, count: int) -> str:
    return f"{count} claims are not judged as in the build: {why}"


def _cohort(matcher: str) -> Cohort | None:
    try:
        found = load_cohort()
    except (UsageError, ModelMismatchError):
        return None
    return found if found.matcher == matcher else None


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the vault alone knows of rows' addresses: canonical keys, and hops of redirects."""

    keys: Mapping[str, str]
    hops: Mapping[str, list[str]]


def _addresses(vault: Vault | None) -> Addresses:
    if vault is None:
        return Addresses({}, {})
    store = vault.store
    told: dict[str, list[str]] = {}
    for path in store.paths(PRIVATE_EVIDENCE):
        told |= led.told_hops(read_parquet(store.read(path)))
    keys: dict[str, str] = {}
    hops: dict[str, list[str]] = {}
    for path in store.paths(EVIDENCE_ROWS):
        traced = read_parquet(store.read(path), TRACED.names)
        keys |= dict(zip(*(traced[n].to_pylist() for n in ("uid", "url_key")), strict=True))
        hops |= led.hops_by_row(traced, told)
    return Addresses(keys, hops)


def _of_part(release: Release, name: str, means: Means, known: Addresses) -> Found:
    body = checked(release.store, release.files, f"samples/{name}.parquet")
    samples = reread.samples_of(reread.read_rows(body))
    rows = reread.of_samples(samples, release.part(name).vectors, known.keys)
    judged = led.with_hops(rows.judged, known.hops)
    return recall.find(replace(rows, judged=judged), means)


def _of_vault(vault: Vault, shard: int, means: Means) -> Found:
    path = f"{ROWS_FOLDER}/{name_of(shard)}.parquet"
    return recall.find(reread.of_vaulted(read_parquet(vault.store.read(path))), means)


def _wrong_released(release: Release, found: Sequence[Found], again: pa.Table) -> list[str]:
    uids = pa.concat_arrays(
        [pa.array([], pa.string()), *(c for one in found for c in one.slim["uid"].chunks)]
    )
    own = again.filter(pc.is_in(again["uid"], uids))
    denied = own.filter(pc.not_equal(own["verdict"], str(Verdict.KEEP)))
    return [
        f"row {row['uid']} of {release.manifest.title!r} is released; claim"
        f" {row['claim_id'] or 'none'} says {row['reason']} by {row['rule'] or row['stage']}"
        for row in denied.select(DECIDED.names).to_pylist()
    ]


def _wording(found: Sequence[Found]) -> list[str]:
    return [
        f"row {uid} is released with a name in its wording that a claim takes out"
        for one in found
        for uid in one.worded["uid"].to_pylist()
    ]


def _wrong_beside(vault: Vault, again: pa.Table) -> list[str]:
    """Return the rows of the vault that claims now leave out for another reason, or keep."""
    columns = ("uid", "reason")
    now = dict(zip(*(again[n].to_pylist() for n in columns), strict=True))
    by_claims = {str(reason) for reason in reread.BY_CLAIMS} | {str(Reason.DUPLICATE)}
    wrong = []
    for shard in range(vault.shards):
        path = f"{ROWS_FOLDER}/{name_of(shard)}.parquet"
        table = read_parquet(vault.store.read(path), list(columns))
        for uid, reason in zip(*(table[n].to_pylist() for n in columns), strict=True):
            # A row of which nothing was kept cannot come out by likeness again.
            if reason in by_claims and now.get(uid) not in (reason, str(Reason.NOT_OBSERVED)):
                wrong.append(
                    f"row {uid} was left out as {reason}; the replay says {now.get(uid) or 'keep'}"
                )
    return wrong
