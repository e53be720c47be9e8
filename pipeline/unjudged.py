"""Which claims stored vectors cannot judge as a build would, and why."""

from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow.compute as pc

from optout.union import NOT_JUDGED
from pipeline.likeness import acting
from schemas.snapshot import Honoured
from schemas.verdict import Stance


class Why(StrEnum):
    """Why a claim cannot be judged as in a build."""

    OTHER_MATCHER = "its vectors are of another matcher than the release's"
    NO_VECTORS = "the release has no vectors of some rows to compare with it"
    NO_HASHES = "the release has no hashes of some rows to compare with it"
    NO_COHORT = "the cohort of the release's matcher is not at hand"
    NO_VAULT = "without the vault nobody knows copies, votes of sources and how far a claim reaches"


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a release lacks for a judgement."""

    vectors: bool = False
    hashes: bool = False
    cohort: bool = False
    vault: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Unjudged:
    """A claim that cannot be judged as in a build, and why."""

    claim_id: str
    why: Why


def unjudged(honoured: Honoured, lacking: Lacking) -> list[Unjudged]:
    """Return the opt-out claims that cannot be judged as in a build, by id, each reason once."""
    styles = set(acting(honoured))
    works = honoured.works.select(["claim_id", "matcher"]).to_pylist()
    compared = {w["claim_id"] for w in works if w["matcher"] == honoured.matcher}
    strange = {w["claim_id"] for w in works if w["matcher"] not in (None, "", honoured.matcher)}
    listed = {w["claim_id"] for w in works}
    columns = ["claim_id", "stance", "style_state", "names"]
    found: set[Unjudged] = set()
    for row in honoured.claims.select(columns).to_pylist():
        claim = row["claim_id"]
        if row["stance"] != Stance.OPT_OUT:
            continue
        reasons = {
            Why.OTHER_MATCHER: claim in strange - compared or row["style_state"] == NOT_JUDGED,
            Why.NO_VECTORS: lacking.vectors and claim in compared,
            Why.NO_HASHES: lacking.hashes and claim in listed,
            Why.NO_COHORT: lacking.cohort and claim in styles,
            Why.NO_VAULT: lacking.vault and (claim in listed or bool(row["names"])),
        }
        found |= {Unjudged(claim, why) for why, applies in reasons.items() if applies}
    return sorted(found)


def without_styles(honoured: Honoured) -> Honoured:
    """Return the claims with no style in force: what remains where their cohort is not at hand."""
    claims = honoured.claims
    place = claims.column_names.index("style_state")
    state = claims["style_state"]
    waits = pc.if_else(pc.equal(state, "active"), NOT_JUDGED, state)
    return replace(honoured, claims=claims.set_column(place, claims.schema.field(place), waits))
