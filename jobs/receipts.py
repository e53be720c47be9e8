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


def replace_proof(files: ReceiptFiles, shown: proofs.LogProof) -> None:
    """Write another proof in place of the one before."""
    part = files.proof.with_name(f".{files.proof.name}.part")
    part.unlink(missing_ok=True)
    write_private(part, proofs.render(shown))
    part.replace(files.proof)


def policy_beside(registry: str) -> Path:
    """Return where the policy of a registry of one's own is kept."""
    return claimant_folder(registry) / POLICY_FILE


def policy_near(files: ReceiptFiles) -> Path:
    """Return the policy that goes with a receipt: beside it, else where the registry keeps one."""
    beside = files.opened.with_name(POLICY_FILE)
    return beside if beside.exists() else policy_beside(registry_at(""))


def write_policy(path: Path, key: VerifierKey) -> None:
    """Write a policy that trusts one log's key and asks for no witness, where there is none yet."""
    if path.exists():
        return
    write_private(path, Policy(logs=(Log(key),)).to_bytes())


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
    bodies = []
    for path in (files.opened, files.proof):
        try:
            bodies.append(path.read_bytes())
        except OSError as e:
            raise UsageError(f"expected a receipt in {path}: {e.strerror or e}") from e
    made = receipt.parse(bodies[0], str(files.opened))
    try:
        return made, proofs.parse(bodies[1])
    except ProofError as e:
        raise ProofError(f"{files.proof}: {e}") from e


def log_key_of(registry: Registry) -> VerifierKey | None:
    """Return the key that signs for a registry's log, null where none does yet."""
    _, known = registry.log_key()
    return parse_verifier_key(known) if known else None
