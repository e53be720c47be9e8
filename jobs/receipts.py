"""Receipts as files: the proof, what it is about, and the policy that says whose keys count."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.claimant_files import (
    alone,
    claimant_folder,
    registry_at,
    replace_private,
    write_private,
)
from jobs.log_keys import log_key_of
from jobs.publishing import best_checkpoint, sign_head
from optout import receipt
from optout.entry import Draft, parse_leaf
from optout.log import checkpoint, merkle
from optout.log import policy as policies
from optout.log import proof as proofs
from optout.log.note import SignerKey, VerifierKey
from optout.log.policy import Log, Policy
from optout.log.says import says
from optout.receipt import Receipt
from optout.registry import Registry
from optout.storage import registry_url, sqlite_path
from schemas.errors import ClaimError, ProofError, UsageError

PROOF = proofs.SUFFIX
OPENED = ".receipt.json"
POLICY_FILE = "policy"


@dataclass(frozen=True, slots=True)
class ReceiptFiles:
    """Where a receipt lies."""

    proof: Path
    opened: Path

    @property
    def policy(self) -> Path:
        """Where the policy lies that goes along with it."""
        return self.opened.with_name(POLICY_FILE)


def files_at(path: Path) -> ReceiptFiles:
    """Return both files of a receipt, either of which may be named.

    Raises UsageError for a path that ends in no name.
    """
    if not path.name:
        raise UsageError(f"expected a file of a receipt, found {str(path)!r}")
    name = path.name.removesuffix(PROOF).removesuffix(OPENED).removesuffix(".json")
    return ReceiptFiles(path.with_name(name + PROOF), path.with_name(name + OPENED))


def prove(
    registry: Registry, seq: int, signer: SignerKey | None, policy: Policy
) -> proofs.LogProof | None:
    """Return the proof that an entry is in the log, by the checkpoint that says most by a policy.

    That is the kept one with most cosignatures, else the head, signed now. Null where neither is
    to be had on this machine: then it follows once the registry has published.
    """
    kept = best_checkpoint(registry, seq, policy)
    if kept is None and signer is not None:
        _, kept = sign_head(registry, signer)
    return receipt.prove(seq, registry.leaf_hashes(), kept) if kept else None


def write(files: ReceiptFiles, made: Receipt, shown: proofs.LogProof | None) -> None:
    """Write a receipt. Raises UsageError where a file exists already."""
    write_private(files.opened, made.to_bytes())
    if shown is not None:
        write_private(files.proof, proofs.render(shown))


def made_again(registry: Registry, claim_id: str) -> Receipt:
    """Return the receipt of a claim's parts in force, where a run broke off before it was written.

    Raises ClaimError where what the claim says was erased, or who asks.
    """
    standing = registry.standing(claim_id)
    match, identity = registry.parts(claim_id)
    if identity is None:
        raise ClaimError(f"expected to make the receipt of {claim_id} again, found who asks erased")
    (leaf,) = registry.leaves(standing.part_seq, standing.part_seq + 1)
    entry = parse_leaf(leaf, f"entry {standing.part_seq} of {registry.where}")
    draft = Draft(entry, entry.signature, match, identity)
    return receipt.make(registry.log_key()[0], draft, entry, standing.part_seq)


def renew(files: ReceiptFiles, held: Receipt, shown: proofs.LogProof, policy: Policy) -> bool:
    """Write another proof in place of the one before, unless that says more by a policy.

    Returns whether it was written. Raises ProofError where it is not that of the receipt's entry.
    """
    require_proof_of(held, shown)
    before = _proof_before(files, held)
    if before and says(before.checkpoint, policy) > says(shown.checkpoint, policy):
        return False
    replace_private(files.proof, proofs.render(shown))
    return True


def require_proof_of(held: Receipt, shown: proofs.LogProof) -> None:
    """Raise ProofError unless a proof is of a receipt's log and entry, whoever signed it."""
    head = checkpoint.parse(shown.checkpoint)
    if (head.origin, shown.index) != (held.origin, held.seq):
        raise ProofError(
            f"expected entry {held.seq} of {held.origin}, found {shown.index} of {head.origin}"
        )
    leaf = merkle.leaf_hash(held.entry.leaf())
    merkle.verify_inclusion(leaf, shown.index, head.size, shown.hashes, head.root)


def _proof_before(files: ReceiptFiles, held: Receipt) -> proofs.LogProof | None:
    """Return the proof that a receipt has, null where it has none that holds."""
    try:
        before = proofs.parse(files.proof.read_bytes())
        require_proof_of(held, before)
    except (OSError, ProofError):
        return None
    return before


def policy_beside(registry: str) -> Path:
    """Return where the policy of a registry of one's own is kept."""
    return claimant_folder(registry) / POLICY_FILE


@dataclass(frozen=True, slots=True)
class Trusted:
    """A policy and where it stands. is_own: it is the verifier's, and did not come with a proof."""

    policy: Policy
    path: Path
    is_own: bool


def policy_for(files: ReceiptFiles, origin: str, registry: str, given: Path | None) -> Trusted:
    """Return by which policy to read a receipt: the one given, that of a registry of one's own.

    Where neither knows the log of that origin, the one beside the receipt, which says what whoever
    gave it wants believed, also where it is the one given. Raises UsageError where there is none.
    """
    own = policy_beside(registry_at(registry))
    if given is not None:
        came_along = _is_same(given, files.policy) and not _is_same(given, own)
        return Trusted(read_policy(given), given, is_own=not came_along)
    if own.exists() and (trusted := read_policy(own)).log_keys(origin):
        return Trusted(trusted, own, is_own=True)
    return Trusted(read_policy(files.policy), files.policy, is_own=_is_same(files.policy, own))


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def policy_of(registry: Registry) -> Policy:
    """Return by what policy a registry judges its own checkpoints: the one beside it, and its key.

    Raises UsageError where that file holds none.
    """
    own, key = policy_beside(registry.where), log_key_of(registry)
    found = read_policy(own) if own.exists() else Policy()
    if key is None or key in found.log_keys(key.name):
        return found
    return replace(found, logs=(Log(key), *found.logs))


def trust_beside(registry: str, files: ReceiptFiles, key: VerifierKey) -> None:
    """Add the key of a registry's log to its policy, and to the one that goes with a receipt.

    Raises UsageError where the former is no policy; what else is called so beside a receipt is
    left as it is.
    """
    trust_log(own := policy_beside(registry), key)
    if files.policy != own:
        with contextlib.suppress(UsageError):
            trust_log(files.policy, key)


def trust_log(path: Path, key: VerifierKey) -> None:
    """Add a key of a log to a policy file, what else is in it left as it is.

    Where there is none, one is made that asks for no witness. Raises UsageError where the file
    holds no policy, or would not with the key in it.
    """
    if not path.exists():
        try:
            write_private(path, Policy(logs=(Log(key),)).to_bytes())
        except UsageError:
            if not path.exists():  # else somebody else was quicker: theirs is added to
                raise
    if not add_log(path, key):
        raise UsageError(f"expected to write a new policy file {path}, found no way to")


def require_new_name(registry: str, origin: str) -> None:
    """Raise UsageError where a registry that is yet to be made would share its log's name.

    Registries of one folder share a policy: two logs of one name, each trusted, would pass for one
    that shows two histories.
    """
    path, policy = sqlite_path(registry_url(registry)), policy_beside(registry)
    if path is None or path.exists() or not policy.exists():
        return
    if keys := read_policy(policy).log_keys(origin):
        raise UsageError(
            f"expected a name that is new to {policy}, found {origin}, which a log of the key"
            f" {keys[0].short} has there"
        )


def add_log(path: Path, key: VerifierKey) -> bool:
    """Do the same where there is such a file; returns whether there is one."""
    if not path.exists():
        return False
    if key in read_policy(path).log_keys(key.name):
        return True
    with alone(path):  # else one log would be written over by another, or stand there twice
        if key not in read_policy(path).log_keys(key.name):
            body = f"log {key}\n".encode() + path.read_bytes()
            policies.parse(body, f"{path} with the log {key.short} added")
            replace_private(path, body)
    return True


def read_policy(path: Path) -> Policy:
    """Return the policy of a file. Raises UsageError where it holds none."""
    try:
        body = path.read_bytes()
    except OSError as e:
        raise UsageError(
            f"expected a policy file (--policy) that says whose keys count, in {path}:"
            f" {e.strerror or e}"
        ) from e
    return policies.parse(body, str(path))


def read(files: ReceiptFiles) -> tuple[Receipt, proofs.LogProof]:
    """Return a receipt as its files hold it, unverified. Raises UsageError, ProofError."""
    made, body = read_opened(files), _body(files.proof)
    try:
        return made, proofs.parse(body)
    except ProofError as e:
        raise ProofError(f"{files.proof}: {e}") from e


def read_fitting(files: ReceiptFiles) -> Receipt:
    """Return what a receipt is about: parts as its entry commits to them, entry as in its proof.

    Who signs the log is for a policy to say, and is not asked. Raises UsageError, ProofError.
    """
    made, shown = read(files)
    receipt.check(made)
    receipt.check_place(made, shown)
    return made


def read_opened(files: ReceiptFiles) -> Receipt:
    """Return what a receipt's proof is about, unverified. Raises UsageError, ProofError."""
    return receipt.parse(_body(files.opened), str(files.opened))


def _body(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise UsageError(f"expected a receipt in {path}: {e.strerror or e}") from e
