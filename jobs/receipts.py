"""Receipts as files: the proof, what it is about, and the policy that says whose keys count."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from jobs.claimant_files import claimant_folder, registry_at, write_private
from jobs.list_files import log_key_path, read_signer, write_signer
from jobs.publishing import newest_checkpoint, sign_head
from optout import receipt
from optout.entry import Random
from optout.keys import SEED_BYTES
from optout.log import checkpoint, merkle, note
from optout.log import policy as policies
from optout.log import proof as proofs
from optout.log.note import SignerKey, VerifierKey, parse_verifier_key
from optout.log.policy import Log, Policy
from optout.receipt import Receipt
from optout.registry import Registry
from schemas.errors import ProofError, UsageError

PROOF = proofs.SUFFIX
OPENED = ".receipt.json"
POLICY_FILE = "policy"


@dataclass(frozen=True, slots=True)
class ReceiptFiles:
    """Where a receipt lies."""

    proof: Path
    opened: Path


def files_at(path: Path) -> ReceiptFiles:
    """Return both files of a receipt, either of which may be named."""
    name = path.name.removesuffix(PROOF).removesuffix(OPENED).removesuffix(".json")
    return ReceiptFiles(path.with_name(name + PROOF), path.with_name(name + OPENED))


def signer_at_hand(registry: Registry) -> SignerKey | None:
    """Return the key that signs for a registry's log, null where it is not in its usual place."""
    origin, known = registry.log_key()
    path = log_key_path(registry.where, origin)
    if not known or not path.exists():
        return None
    signer = read_signer(path)
    return signer if known == str(signer.verifier) else None


def signer_of(registry: Registry, random: Random = secrets.token_bytes) -> SignerKey | None:
    """Return the same key; where the log has none yet, one is made and named in the registry."""
    origin, known = registry.log_key()
    if known:
        return signer_at_hand(registry)
    path = log_key_path(registry.where, origin)
    if not path.exists():  # else a run broke off between the file and the registry
        write_signer(SignerKey(origin, random(SEED_BYTES)), path)
    signer = read_signer(path)
    registry.set_log_key(signer.verifier)
    return signer


def prove(registry: Registry, seq: int, signer: SignerKey | None) -> proofs.LogProof | None:
    """Return the proof that an entry is in the log, by the checkpoint that says most.

    That is the kept one with most cosignatures, else the head, signed now. Null where neither is
    to be had on this machine: then it follows once the registry has published.
    """
    kept = newest_checkpoint(registry, seq)
    if kept is None and signer is not None:
        _, kept = sign_head(registry, signer)
    return receipt.prove(seq, registry.leaf_hashes(), kept) if kept else None


def write(files: ReceiptFiles, made: Receipt, shown: proofs.LogProof | None) -> None:
    """Write a receipt. Raises UsageError where a file exists already."""
    write_private(files.opened, made.to_bytes())
    if shown is not None:
        write_private(files.proof, proofs.render(shown))


def renew(files: ReceiptFiles, held: Receipt, shown: proofs.LogProof) -> bool:
    """Write another proof in place of the one before, unless that has more signatures.

    Returns whether it was written. Raises ProofError where it is not that of the receipt's entry.
    """
    require_proof_of(held, shown)
    before = _proof_before(files, held)
    if before and _signatures(before) > _signatures(shown):
        return False
    _rewrite(files.proof, proofs.render(shown))
    return True


def _rewrite(path: Path, body: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    write_private(part, body)
    part.replace(path)


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


def _signatures(shown: proofs.LogProof) -> int:
    return len(note.parse(shown.checkpoint).signatures)


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
    gave it wants believed. Raises UsageError where there is none.
    """
    if given is not None:
        return Trusted(read_policy(given), given, is_own=True)
    own, beside = policy_beside(registry_at(registry)), files.opened.with_name(POLICY_FILE)
    if own.exists() and (trusted := read_policy(own)).log_keys(origin):
        return Trusted(trusted, own, is_own=True)
    return Trusted(read_policy(beside), beside, is_own=False)


def write_policy(path: Path, key: VerifierKey) -> None:
    """Write a policy that trusts one log's key and asks for no witness, where there is none yet."""
    if path.exists():
        return
    write_private(path, Policy(logs=(Log(key),)).to_bytes())


def add_log(path: Path, key: VerifierKey) -> bool:
    """Add a key of a log to a policy file, what else is in it left as it is.

    Returns whether there is such a file. Raises UsageError where it holds no policy.
    """
    if not path.exists():
        return False
    if key not in read_policy(path).log_keys(key.name):
        _rewrite(path, f"log {key}\n".encode() + path.read_bytes())
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


def log_key_of(registry: Registry) -> VerifierKey | None:
    """Return the key that signs for a registry's log, null where none does yet."""
    _, known = registry.log_key()
    return parse_verifier_key(known) if known else None
