"""What whoever audits a release has beside it."""

from collections.abc import Callable
from dataclasses import dataclass

from optout.cohort import Cohort
from optout.log.fork import Fork
from optout.log.note import VerifierKey
from optout.log.policy import Policy
from optout.log_audit import HeldLog
from optout.registry import Registry
from pipeline import audit
from schemas.config import MAX_LIST_AGE_DAYS
from schemas.ports import Embedder, Store

Told = Callable[[int, int], None]
"""Told how much of a check is done, and how much there is."""
Loaded = Callable[[], Embedder | None]


@dataclass(frozen=True)
class Held:
    """What whoever audits has beside the release.

    keys: of builders. policy: whose logs and witnesses count. registries: opened, of the lists that
    were used or should have been. logs: open those of registries, at hand or as published.
    snapshots: folders of lists or snapshots. vault: "" for none.
    embedder: gives the release's matcher, null where it is not at hand; cohort: that of a matcher
    by its fingerprint, likewise. keep_fork: puts the proof that a log shows two histories where it
    is found again, and says where.
    """

    keys: tuple[VerifierKey, ...] = ()
    policy: Policy | None = None
    registries: tuple[Registry, ...] = ()
    logs: tuple[Callable[[], HeldLog], ...] = ()
    snapshots: tuple[Store, ...] = ()
    vault: str = ""
    demanded: tuple[str, ...] = ()
    max_age_days: float = MAX_LIST_AGE_DAYS
    sample: int | None = audit.SAMPLED_ROWS  # null: every row
    seed: int = 0
    embedder: Loaded = lambda: None
    cohort: Callable[[str], Cohort | None] = lambda _matcher: None
    keep_fork: Callable[[Fork, str], str] = lambda _fork, _origin: ""
