"""Submitting a claim, from a folder to a receipt: enrol, sign, record, keep key and receipt."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from jobs.claimant_files import key_path, read_key, receipt_path, write_private
from jobs.enrol import Enrolled, Folder, Matcher, Tools, contrast, enrol, other_claims
from jobs.log_keys import log_key_of, signer_at_hand, signer_of
from jobs.receipts import (
    ReceiptFiles,
    files_at,
    policy_beside,
    policy_of,
    prove,
    read_policy,
    trust_beside,
    write,
)
from jobs.registries import open_registry
from jobs.signed_heads import require_continued
from optout import receipt
from optout.append import Recorded
from optout.enrol import Other
from optout.entry import Draft, Random, draft_submit
from optout.hot import Listed
from optout.intake import Wish, understand
from optout.keys import SEED_BYTES, SigningKey
from optout.registry import Registry
from schemas.errors import ClaimError, CurationError, ModelMismatchError, UsageError
from schemas.ports import Clock
from schemas.verdict import Scope


@dataclass(frozen=True, slots=True)
class Order:
    """What `submit` is asked to do. key, receipt: null for the usual places."""

    registry: str
    wish: Wish
    works: Folder | None = None
    contrast: Folder | None = None
    trust_local: bool = False
    key: Path | None = None
    receipt: Path | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A recorded claim and where the claimant's files are."""

    enrolled: Enrolled
    recorded: Recorded
    key: Path
    key_is_new: bool
    receipt: ReceiptFiles
    proved: bool  # whether the proof is there already


@dataclass(frozen=True, slots=True)
class Rim:
    """Clock and randomness."""

    clock: Clock
    random: Random = field(default=secrets.token_bytes)


def submit(order: Order, tools: Tools, rim: Rim) -> Submitted:
    """Record a claim in a registry, which is made where there is none, and write its receipt.

    Nothing is recorded, and neither key nor receipt is left, where the claim is refused.
    """
    understand(order.wish)  # before a registry is made, or a thousand images are read
    kept = order.key is not None and order.key.exists()
    key = read_key(order.key) if order.key and kept else SigningKey(rim.random(SEED_BYTES))
    with open_registry(order.registry, rim.clock, random=rim.random, create=True) as registry:
        require_place(registry, files_at(order.receipt) if order.receipt else None)
        enrolled = tested(order, registry, tools, key.public)
        if tools.matcher and enrolled.part.works:
            card = tools.matcher.embedder.card
            registry.pin_matcher(card.fingerprint, card.name)
        draft = draft_submit(enrolled.part, enrolled.understood.identity, key, rim.random)
        claim_id = draft.statement.claim
        key_file = order.key or key_path(order.registry, claim_id)
        # The key comes first: a claim whose key was lost could never be withdrawn.
        if not kept:
            write_private(key_file, key.to_pem())
        recorded = _recorded(registry, draft, None if kept else key_file)
        files = files_at(order.receipt or receipt_path(order.registry, claim_id))
        proved = write_receipt(registry, files, draft, recorded, rim.random)
    return Submitted(enrolled, recorded, key_file, not kept, files, proved)


def require_place(registry: Registry, files: ReceiptFiles | None) -> None:
    """Raise UsageError where a receipt could not be written: before anything is recorded.

    files: where it will lie, null for a place that nothing else has. Raises RollbackError where
    the database is older than what its log has signed.
    """
    require_continued(registry)
    signer_at_hand(registry)
    if (own := policy_beside(registry.where)).exists():
        read_policy(own)
    for path in (files.opened, files.proof) if files else ():
        if path.exists():
            raise UsageError(f"expected a new file for a receipt, found {path} there already")


def write_receipt(
    registry: Registry, files: ReceiptFiles, draft: Draft, recorded: Recorded, random: Random
) -> bool:
    """Write the receipt of what was just recorded; returns whether its proof is there already.

    What goes wrong here undoes nothing: the error says how to get the receipt.
    """
    try:
        return _written(registry, files, draft, recorded, random)
    except (CurationError, OSError) as e:
        claim = recorded.entry.claim
        e.add_note(
            f"claim {claim} is recorded all the same, do not submit it again; for its receipt, once"
            f" that is mended: recuse optout receipt {claim}"
        )
        raise


def _written(
    registry: Registry, files: ReceiptFiles, draft: Draft, recorded: Recorded, random: Random
) -> bool:
    signer = signer_of(registry, random)
    made = receipt.make(registry.log_key()[0], draft, recorded.entry, recorded.seq)
    shown = prove(registry, recorded.seq, signer, policy_of(registry))
    write(files, made, shown)
    key = log_key_of(registry)
    if key is not None:
        trust_beside(registry.where, files, key)
    return shown is not None


def tested(order: Order, registry: Registry | None, tools: Tools, own_key: str) -> Enrolled:
    """Return the parts of a claim, tested as `submit` tests them; nothing is recorded.

    registry: whose claims it is held against; null for none. own_key: public key of the claimant.
    """
    if registry is None:
        given = contrast(order.contrast, tools) if order.contrast else []
        return enrol(order.wish, order.works, given, tools, trust_local=order.trust_local)
    if tools.matcher and order.works:
        require_matcher(registry, tools.matcher)
    others = _others(order, registry, tools, own_key)
    listed = Listed.of(registry.listed_by_others(own_key) if order.works else ())
    trusted = order.trust_local
    return enrol(order.wish, order.works, others, tools, trust_local=trusted, listed=listed)


def require_matcher(registry: Registry, matcher: Matcher) -> None:
    """Raise ModelMismatchError where the registry is pinned to another matcher than this one."""
    pinned, name = registry.matcher()
    found = matcher.embedder.card
    if pinned not in ("", found.fingerprint):
        raise ModelMismatchError(
            f"expected the matcher {name} {pinned[:16]} that {registry.where} is pinned to,"
            f" found {found.name} {found.fingerprint[:16]}; name the registry's with --matcher"
        )


def _others(order: Order, registry: Registry, tools: Tools, own_key: str) -> list[Other]:
    if order.wish.scope != Scope.STYLE or tools.matcher is None:
        return []
    given = contrast(order.contrast, tools) if order.contrast else []
    fingerprint = tools.matcher.embedder.card.fingerprint
    claimed = other_claims(registry, fingerprint, own_key, trust_local=order.trust_local)
    return given + claimed


def _recorded(registry: Registry, draft: Draft, path: Path | None) -> Recorded:
    """Record a claim. path: of its key, which is dropped where it was made for nothing."""
    claim = draft.statement.claim
    try:
        return registry.append(draft)
    except BaseException as e:
        if _stands(registry, claim) is False:
            if path is not None:
                path.unlink(missing_ok=True)
        else:  # it came after the commit, or nobody knows: without its key nobody could withdraw it
            e.add_note(
                f"claim {claim} may be recorded all the same (recuse optout list), then do not"
                f" submit it again; its receipt: recuse optout receipt {claim}"
            )
        raise


def _stands(registry: Registry, claim: str) -> bool | None:
    """Say whether a claim is recorded; null where nobody can tell."""
    try:
        registry.standing(claim)
    except ClaimError:
        return False
    except CurationError:
        return None
    return True
