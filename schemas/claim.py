"""What a claimant says: two parts, each behind its own salted commitment in the log."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.verdict import Captions, Scope, Stance


class Part(BaseModel):
    """A part of a claim, hashed as canonical JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ViewKind = Literal["crop", "grey", "framed", "turned"]


class WorkView(Part):
    """What a copy of a work may show instead of all of it, as a copy vector."""

    kind: ViewKind
    cpy: str  # base64 of little-endian float16
    cohort_mean: float


class WorkKeys(Part):
    """One exemplar as a builder sees it: hashes and vectors, never pixels."""

    work_id: str
    sha256: str
    pixel_sha256: str
    pdq: tuple[str, ...]  # hex, eight dihedral variants, the upright first
    pdq_quality: int
    matcher: str = ""  # fingerprint of the vectors, empty where there are none
    cpy: str = ""  # base64 of little-endian float16
    sty: str = ""
    cohort_mean: float | None = None
    views: tuple[WorkView, ...] = ()
    keypoints: str = ""  # base64 of optout.keypoints.POINT, beside vectors only


class StyleOverlap(Part):
    """How far a style reaches into the works of another claim, or into contrast images."""

    label: str  # "claim 0f3a…" or "the contrast images"
    works: int
    taken: int  # at the threshold that acts
    near: int  # at 1e-2
    copies: int  # of works of the claim
    proved: bool | None = None  # the other's control, when it was tested; null in older records


class StyleCalibration(Part):
    """What enrolling found out about a style: the guard's numbers, the threshold if it passed."""

    state: Literal["none", "active", "not separable", "needs review"] = "none"
    threshold: float | None = None
    alpha: float | None = None
    tail: tuple[float, ...] = ()  # optout.enrol.Tail: gives the threshold at any alpha
    works: int | None = None  # distinct ones, which a style counts
    self_recall: float | None = None  # leave-one-out, at 1e-2
    cohesion: float | None = None  # likeness of the works, in spreads above chance
    cohort_hits: int | None = None
    cohort_images: int | None = None
    cohort_hands: int | None = None
    false_match_upper: float | None = None  # Clopper-Pearson, one-sided 95 %
    hand_share: float | None = None  # the largest share of one cohort hand's images that is hit
    overlaps: tuple[StyleOverlap, ...] = ()  # others that are near: who decides, then the nearest
    note: str = ""
    matcher: str = ""  # fingerprint of what it was calibrated with


class MatchPart(Part):
    """What builders must see to honour a claim."""

    scope: Scope
    stance: Stance
    names: tuple[str, ...] = ()
    captions: Captions = Captions.DROP  # what a name in a caption does
    hosts: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()  # host/path, as optout.urls.check_account gives it
    urls: tuple[str, ...] = ()
    works: tuple[WorkKeys, ...] = ()
    style: StyleCalibration = StyleCalibration()
    license: str = ""
    attribution: str = ""


class IdentityPart(Part):
    """Who asks; opened to the claimant alone."""

    artist: str
    contact: str = ""
    evidence: tuple[str, ...] = ()
