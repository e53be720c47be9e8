"""A claim tried out on a published release: rows, hosts and pictures, before it is accepted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from jobs.enrol import Track
from jobs.releases import Part, Release
from jobs.vaults import Vault
from optout import snapshot, union
from optout.registry import Registry
from pipeline.likeness import NOTHING_MEASURED
from pipeline.models.matcher_files import cohort_of
from pipeline.report.gallery import thumbnail
from pipeline.report.simulation import RULE_WORDS, Group, SimulationFacts
from pipeline.report.trial import Shown
from pipeline.simulate import Accepted, Found, accept, by_rule, find, is_stored, simulate
from schemas.verdict import Verdict

SHOWN = 24
"""Pictures shown of each rule."""


@dataclass(frozen=True)
class Simulated:
    """What a claim would do to a release.

    decided: DECIDED of rows that it drops or holds. rules: of each. compared: whether the claim's
    vectors are of the release's matcher. beside: rows of the vault that were judged along, null
    without the vault. stored: whether the vault had measured the claim's style.
    """

    claim_id: str
    release: Release
    accepted: Accepted
    rows: int
    decided: pa.Table
    rules: list[str]
    redacted: int
    compared: bool
    host: Mapping[str, str]
    part: Mapping[str, str]
    beside: int | None = None
    stored: bool = False
    caption: Mapping[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, Counter[str]]:
        """Return rows by rule and verdict, in the order of RULE_WORDS."""
        found: dict[str, Counter[str]] = {}
        verdicts = self.decided["verdict"].to_pylist()
        for rule, verdict in zip(self.rules, verdicts, strict=True):
            found.setdefault(rule, Counter())[verdict] += 1
        return {rule: found[rule] for rule in RULE_WORDS if rule in found}

    def hosts(self) -> list[tuple[str, int]]:
        """Return the hosts that would lose rows, the most first."""
        counts = Counter(self.host[uid] for uid in self.decided["uid"].to_pylist())
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

    @property
    def dropped(self) -> int:
        return self.decided["verdict"].to_pylist().count(str(Verdict.DROP))

    @property
    def held(self) -> int:
        return self.decided.num_rows - self.dropped


@dataclass(frozen=True, slots=True)
class Registered:
    """A claim in its registry.

    trust_local: of the other claims, whose styles share the budget. cohort: name or folder of the
    matcher whose cohort styles are read against.
    """

    registry: Registry
    claim_id: str
    trust_local: bool
    cohort: str = "builtin:lite"


def run(claim: Registered, release: Release, track: Track, vault: Vault | None = None) -> Simulated:
    """Return what a claim of a registry would drop of a release, nothing of which is changed.

    One shard after the other; of each only slim columns and what the claim finds stay in hand.
    Raises UsageError for a claim that is not in force, ProofError for a release whose files are
    not those of its manifest.
    """
    taken = snapshot.take(claim.registry, trust_local=claim.trust_local)
    matcher = release.matcher.fingerprint if release.matcher else ""
    honoured = union.join([taken], matcher)
    accepted = accept(honoured, claim.claim_id, release.config)
    cohort = cohort_of(claim.cohort, matcher)
    stored = vault is not None and is_stored(vault.styles, accepted, cohort)

    def found_in(one: Part) -> Found:
        measured = vault.likeness_of(one.rows["uid"]) if vault and stored else NOTHING_MEASURED
        return find(one.rows, one.vectors, accepted, cohort, measured)

    found: list[Found] = []
    host: dict[str, str] = {}
    part: dict[str, str] = {}
    caption: dict[str, str] = {}
    for name in track(release.names, "comparing"):
        one = release.part(name)
        found.append(found_in(one))
        columns = (one.rows[c].to_pylist() for c in ("uid", "host", "caption"))
        for uid, of, said in zip(*columns, strict=True):
            host[uid], part[uid], caption[uid] = of or "", name, said or ""
    beside = [found_in(vault.part(shard)) for shard in range(vault.shards)] if vault else []
    decided = simulate(found, accepted, beside, vault.edges if vault else None)
    return Simulated(
        claim_id=claim.claim_id,
        release=release,
        accepted=accepted,
        rows=len(host),
        decided=decided,
        rules=by_rule(decided),
        redacted=sum(len(one.redacted) for one in found),
        compared=taken.header.matcher in ("", matcher),
        host=host,
        part=part,
        beside=sum(one.slim.num_rows for one in beside) if vault else None,
        stored=stored,
        caption=caption,
    )


def facts(found: Simulated, title: str) -> SimulationFacts:
    """Return what a page about a simulation shows."""
    chosen = _chosen(found)
    pictures: dict[str, bytes] = {}
    for name in sorted({found.part[uid] for uids in chosen.values() for uid in uids}):
        own = {uid for uids in chosen.values() for uid in uids if found.part[uid] == name}
        pictures |= found.release.pictures(name, own)
    rows = {row["uid"]: row for row in found.decided.to_pylist()}
    groups = []
    for rule, counts in found.counts().items():
        shown = tuple(_shown(found, rows[uid], pictures.get(uid)) for uid in chosen[rule])
        groups.append(Group(rule, counts[str(Verdict.DROP)], counts[str(Verdict.HOLD)], shown))
    return SimulationFacts(
        claim_id=found.claim_id,
        release=title,
        rows=found.rows,
        dropped=found.dropped,
        held=found.held,
        redacted=found.redacted,
        style_state=found.accepted.state,
        hosts=tuple(found.hosts()),
        groups=tuple(groups),
        compared=found.compared,
    )


def _chosen(found: Simulated) -> dict[str, list[str]]:
    """Return the uids that are shown of each rule: evenly spaced, the most alike first."""
    columns = (found.decided[c].to_pylist() for c in ("uid", "similarity"))
    by: dict[str, list[tuple[float, str]]] = {}
    for rule, uid, similarity in zip(found.rules, *columns, strict=True):
        by.setdefault(rule, []).append((-(similarity or 0.0), uid))
    chosen = {}
    for rule, ranked in by.items():
        ordered = [uid for _, uid in sorted(ranked)]
        count = min(len(ordered), SHOWN)
        chosen[rule] = [ordered[i * len(ordered) // count] for i in range(count)]
    return chosen


def _shown(found: Simulated, row: Mapping[str, object], body: bytes | None) -> Shown:
    uid = str(row["uid"])
    similarity, threshold = row["similarity"], row["threshold"]
    note = "held" if row["verdict"] == str(Verdict.HOLD) else ""
    if isinstance(threshold, float) and isinstance(similarity, float) and threshold < similarity:
        note = f"{note + ', ' if note else ''}line at {threshold:.2f}"
    return Shown(
        found.caption[uid] or uid,
        found.host[uid],
        thumbnail(body) if body else None,
        similarity if isinstance(similarity, float) else None,
        note,
    )
