"""Builders of claims, keys and works for the tests of the registry."""

import hashlib
from collections.abc import Callable

import numpy as np

from optout.entry import Draft, draft_submit
from optout.keys import SigningKey
from optout.works import encode_vector
from schemas.claim import IdentityPart, MatchPart, StyleCalibration, WorkKeys, WorkView
from schemas.verdict import Scope, Stance

MATCHER = "m" * 64
DIM = 8


def random_bytes(seed: int) -> Callable[[int], bytes]:
    rng = np.random.default_rng(seed)
    return rng.bytes


def signing_key(seed: int = 1) -> SigningKey:
    return SigningKey(hashlib.sha256(str(seed).encode()).digest())


def unit(seed: int, dim: int = DIM) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(dim)
    return (values / np.linalg.norm(values)).astype(np.float32)


def work(seed: int, matcher: str = MATCHER, **changes: object) -> WorkKeys:
    rng = np.random.default_rng(seed)
    keys = {
        "work_id": f"{seed:04d}",
        "sha256": hashlib.sha256(f"bytes {seed}".encode()).hexdigest(),
        "pixel_sha256": hashlib.sha256(f"pixels {seed}".encode()).hexdigest(),
        "pdq": tuple(rng.bytes(32).hex() for _ in range(8)),
        "pdq_quality": 100,
    }
    if matcher:
        vectors = {name: encode_vector(unit(seed)) for name in ("cpy", "sty")}
        keys |= {"matcher": matcher, "cohort_mean": 0.25, **vectors}
    return WorkKeys(**{**keys, **changes})


def view(seed: int = 1, **changes: object) -> WorkView:
    given = {"kind": "crop", "cpy": encode_vector(unit(seed)), "cohort_mean": 0.2}
    return WorkView(**{**given, **changes})


def match_part(**changes: object) -> MatchPart:
    given = {"scope": Scope.ARTIST, "stance": Stance.OPT_OUT, "names": ("Ada Example",)}
    return MatchPart(**{**given, **changes})


def draft(seed: int = 1, **changes: object) -> Draft:
    identity = IdentityPart(artist="Ada Example", contact="ada@example.org")
    return draft_submit(match_part(**changes), identity, signing_key(seed), random_bytes(seed))


def active_style(tail: tuple[float, ...], threshold: float = 3.0) -> StyleCalibration:
    return StyleCalibration(state="active", threshold=threshold, alpha=1e-3, tail=tail)
