"""`recuse optout` receipt, verify-receipt, status, verify-status: what is proved of a claim."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, say
from jobs.cli.given import CLAIM, REGISTRY, opened, whole_id
from schemas.errors import UsageError

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

POLICY = Annotated[
    Path | None,
    typer.Option("--policy", help="File that says whose keys count. [your registry's]"),
]


def receipt(
    claim: CLAIM,
    registry: REGISTRY = "",
    path: Annotated[
        Path | None, typer.Option("--receipt", help="Your receipt. [where submit wrote it]")
    ] = None,
    policy: POLICY = None,
) -> None:
    """Get the proof of a receipt, or a newer one with more cosignatures.

    A receipt that is not there, as where submit broke off, is made again.
    """
    from jobs import receipts
    from jobs.claimant_files import receipt_path, registry_at, write_private
    from jobs.cli import claim_words
    from jobs.log_keys import signer_of

    with opened(registry) as found:
        claim_id = whole_id(found, claim)
        files = receipts.files_at(path or receipt_path(registry_at(registry), claim_id))
        if not files.opened.exists():
            write_private(files.opened, receipts.made_again(found, claim_id).to_bytes())
        held = receipts.read_opened(files)
        origin, _ = found.log_key()
        if (held.claim, held.origin) != (claim_id, origin):
            raise UsageError(
                f"expected the receipt of claim {claim_id} of {origin} in {files.opened}, found"
                f" that of {held.claim} of {held.origin}"
            )
        signer = signer_of(found)
        trusted = receipts.read_policy(policy) if policy else receipts.policy_of(found)
        shown = receipts.prove(found, held.seq, signer, trusted)
        if shown is None:
            raise UsageError(
                f"expected a published checkpoint of {found.where} beyond entry {held.seq}, found"
                " none yet: recuse registry publish makes one"
            )
    if signer is not None:  # the key may be newer than the policies
        receipts.trust_beside(registry_at(registry), files, signer.verifier)
    renewed = receipts.renew(files, held, shown, trusted)
    if not renewed:
        known = policy or receipts.policy_beside(registry_at(registry))
        say([
            "the proof that is there has more signatures, and stays",
            f"whose signatures count most, the policy says: {known} (--policy FILE names another)",
        ])  # fmt: skip
    say(claim_words.receipt_words(files, proved=True))


def verify_receipt(
    receipt: Annotated[Path, typer.Argument(help="Either file of a receipt.")],
    policy: POLICY = None,
    registry: Annotated[
        str, typer.Option("--registry", help="Also ask whether this registry still agrees.")
    ] = "",
) -> None:
    """Check a receipt without the registry: what you said was recorded, in a log that is signed.

    Needs nothing but the policy file, which says whose keys count. What it cannot tell without a
    registry or a release is what became of the claim since.
    """
    from jobs import receipts
    from jobs.cli import proof_words
    from jobs.seen import Head, require_known
    from optout.log.merkle import root
    from optout.receipt import verify
    from schemas.errors import RollbackError

    files = receipts.files_at(receipt)
    made, shown = receipts.read(files)
    trusted = receipts.policy_for(files, made.origin, registry, policy)
    held = verify(made, shown, trusted.policy)
    head = held.proved.checkpoint
    if trusted.is_own:  # else whoever gave the receipt could write what is remembered of a log
        signed = Head(head.origin, head.size, head.root.hex(), shown.checkpoint, held.proved.log)
        require_known(signed, trusted.policy.log_keys(head.origin))
    say(proof_words.receipt(held, trusted.policy, str(trusted.path)))
    say([] if trusted.is_own else [proof_words.CAME_ALONG])
    if not registry:
        say([proof_words.NEEDS_REGISTRY])
        return
    with opened(registry) as asked:
        leaves = asked.leaf_hashes(head.size)
        if len(leaves) < head.size or root(leaves) != head.root:
            raise RollbackError(
                f"expected the log of the receipt in {asked.where}, found another one"
            )
        standing = asked.standing(held.receipt.claim)
    say([f"verified: {asked.where} still has that log. The claim is {standing.state} there."])


def status(
    claim: CLAIM,
    registry: REGISTRY = "",
    at: Annotated[str, typer.Option("--at", help="A date or time, UTC: 2026-05-01.")] = "",
    proof: Annotated[
        Path | None, typer.Option("--proof", help="New file to write the proof of it to.")
    ] = None,
    policy: POLICY = None,
) -> None:
    """Say where a claim stands, or stood at a past date, and in which releases it was applied.

    Exit code 1 where nothing shows the date that is asked for.
    """
    from jobs import past_status
    from jobs.claimant_files import registry_at, write_private
    from jobs.cli import proof_words
    from jobs.receipts import policy_beside, read_policy

    with opened(registry) as found:
        claim_id = whole_id(found, claim)
        standing = found.standing(claim_id)
        view = found.view()
        applied = past_status.applied(view.leaves, standing, found.where)
        if not at and proof is None:
            say(proof_words.standing(standing))
            console().print(proof_words.applied(applied))
            return
        trusted = read_policy(policy or policy_beside(registry_at(registry)))
        asked = past_status.moment(at)
        made = past_status.proved(found, view, claim_id, trusted, asked)
    shown = past_status.shown(made, trusted)
    say(proof_words.stood(shown, asked))
    if proof is not None:
        write_private(proof, made.to_bytes())
        say([f"proof: {proof}"])
    if asked is not None and not shown.holds_at(asked):
        raise typer.Exit(1)


def verify_status(
    proof: Annotated[Path, typer.Argument(help="File that status wrote.")],
    policy: Annotated[Path, typer.Option("--policy", help="File that says whose keys count.")],
    at: Annotated[str, typer.Option("--at", help="Whether it shows this date, UTC.")] = "",
) -> None:
    """Check a proof of where a claim stood, without the registry.

    Exit code 1 where it holds and does not show the date that is asked for.
    """
    from jobs import past_status
    from jobs.cli import proof_words
    from jobs.receipts import read_policy
    from optout.past import parse

    try:
        body = proof.read_bytes()
    except OSError as e:
        raise UsageError(f"expected a proof of a status in {proof}: {e.strerror or e}") from e
    shown = past_status.shown(parse(body, str(proof)), read_policy(policy))
    asked = past_status.moment(at)
    say(proof_words.stood(shown, asked))
    if asked is not None and not shown.holds_at(asked):
        raise typer.Exit(1)
