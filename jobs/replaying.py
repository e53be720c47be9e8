"""The claims of a release replayed: judged again from what is stored, by the state it was made by.

The stages of a build run again on the rows as published (and, with the vault, on all others), so
that every released row must come out as kept, and every other one for the reason it has. What the
auditor does not hold is told, claim by claim: only N of N is complete.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobs.published import Published, left_out
from jobs.vaults import Vault
from optout import index, snapshot, style_search, union
from optout.cohort import Cohort
from optout.registry import Registry
from pipeline import recall
from pipeline.misplaced import Absent, misplaced, unjoined
from pipeline.recall import Found, Means
from pipeline.unjudged import Lacking, Unjudged, unjudged, without_styles
from schemas.canonical import sha256_hex
from schemas.errors import RegistryError
from schemas.manifest import ListEntry
from schemas.ports import Store
from schemas.snapshot import Snapshot


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
        given = loaded(self.folders, entry)
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
            return Taken(given or taken, () if given else tuple(gone))
        return Taken(given) if given else None


def loaded(folders: Sequence[Store], entry: ListEntry) -> Snapshot | None:
    """Return the snapshot that a release used, of those in some folders; null where none is it.

    Raises RegistryError where it is of another state than the release says.
    """
    for store in folders:
        found = snapshot.load(store, "")
        if sha256_hex(snapshot.header_bytes(found.header)) != entry.snapshot_sha256:
            continue
        head = found.header
        if (head.origin, head.size, head.root) != (entry.origin, entry.size, entry.root):
            raise RegistryError(
                f"expected the snapshot of {entry.origin} at {entry.size} entries, as the manifest"
                f" says, found one of {head.origin} at {head.size}"
            )
        return found
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


def replay_claims(old: Published, held: Snapshots, cohort: Cohort | None) -> Replayed:
    """Return what comes out where the claims judge a release again.

    cohort: of the release's matcher; null where it is not at hand. Raises RegistryError where a
    list is not what was used, ProofError where a file is not what the manifest names.
    """
    used = [entry for entry in old.manifest.lists if entry.used]
    taken = [(entry, held.of(entry)) for entry in used]
    active = sum(_in_force(entry, one) for entry, one in taken)
    missing = [entry.origin for entry, one in taken if one is None]
    there = [(entry, one) for entry, one in taken if one is not None]
    if missing:
        what = f"the snapshot of {', '.join(missing)} (--registry, --snapshot)"
        return Replayed(active, 0, 0, 0, (), (what,))
    honoured = union.join([one.snapshot for _, one in there], old.matcher)
    inside = bool(old.release.names)  # where nothing is, no vector, copy or vote is lacking
    lacking = Lacking(
        vectors=inside and not any(path.startswith("embeddings/") for path in old.release.files),
        cohort=cohort is None and (inside or old.vault is not None),
        vault=inside and old.vault is None,
    )
    judging = without_styles(honoured) if cohort is None else honoured
    means = Means(
        honoured=judging,
        config=old.release.config,
        cohort=cohort,
        recaption=lambda decoded, _vectors, _captions: decoded,  # a change of wording is a fault
        search=index.at_hand(),
        near=style_search.near_styles,
    )
    absent = Absent(
        safe=bool(old.release.config.match.safe),  # known by digest alone
        styles=not judging.claims.equals(honoured.claims),
        claims=frozenset(claim for _, one in there for claim in one.erased),
    )
    rows, wrong = _judged(old, means, absent)
    recalled = old.manifest.recalled is not None
    left = unjudged(honoured, lacking)
    gone = {one.claim_id for one in left} | absent.claims
    return Replayed(
        active,
        active - len(gone),
        len(absent.claims),
        rows,
        (*(fault for entry, one in there for fault in _state_faults(entry, one)), *wrong),
        tuple(sorted(_needs(left, absent, old.manifest.parent if recalled else ""))),
    )


def _judged(old: Published, means: Means, absent: Absent) -> tuple[int, list[str]]:
    """Return how many rows were judged again, and which come out elsewhere."""
    parts = (old.rows(name) for name in old.release.names)
    released = [recall.find(one.reread, means, one.originals) for one in parts]
    vault = old.vault
    found = [*released, *(_beside(vault, means) if vault else ())]
    threshold = old.duplicate_similarity
    again = recall.decide_again(found, vault.edges if vault else None, means, threshold).decided
    vaulted = vault.each_vaulted() if vault else ()
    if old.manifest.recalled is not None:  # what its parent had left out, a recall never judged
        left = old.retracted()
        vaulted = (table.filter(pc.is_in(table["uid"], left)) for table in vaulted)
    wrong = misplaced(old.manifest.title, released, vaulted, again, absent)
    if vault:
        wrong += unjoined(pa.concat_tables([one.slim for one in found]), vault.edges)
    return sum(one.slim.num_rows for one in found), wrong


def _beside(vault: Vault, means: Means) -> Iterator[Found]:
    """Give what the claims find in the rows that are not released, shard by shard."""
    for shard in range(vault.shards):
        yield recall.find(left_out(vault, vault.rows(shard), shard), means)


def _in_force(entry: ListEntry, taken: Taken | None) -> int:
    if taken is None:
        return entry.claims_active or 0
    return taken.snapshot.claims.num_rows + len(taken.erased)


def _state_faults(entry: ListEntry, taken: Taken) -> Iterator[str]:
    """Give what a manifest says of the state of a list, and the list itself does not."""
    found, newest = _in_force(entry, taken), taken.snapshot.header.recorded_at
    where = f"{entry.origin} at {entry.size} entries"
    if entry.claims_active not in (None, found):
        yield f"expected {entry.claims_active} claims in force of {where}, found {found}"
    if entry.recorded_at not in (None, newest):
        yield f"expected the newest entry of {where} from {entry.recorded_at}, found {newest}"


def _needs(left: Sequence[Unjudged], absent: Absent, parent: str | None) -> Iterator[str]:
    if parent:
        yield f"an audit of the release that was recalled, {parent}, for what that had left out"
    for why, count in Counter(one.why for one in left).items():
        yield f"{count} claims are not judged as in the build: {why}"
    if absent.safe:
        yield "the safe lists that the build used"
    if absent.claims:
        yield (
            f"nobody has it any more: {len(absent.claims)} claims were erased since, and are not"
            " replayable"
        )
