"""What is said about erasing a claim: what goes, what stays, and what nobody can call back."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.erasing import Erased
    from optout.replay import Standing


def before(standing: "Standing", *, everything: bool) -> list[str]:
    """Return what an erasure will do."""
    if everything:
        lines = [
            (
                f"claim {standing.claim_id}: all that it says will be forgotten: who asks, names,"
                " hosts, addresses, hashes and vectors."
            )
        ]
        if standing.in_force:
            lines.append(
                "it ends the protection: builds that take a snapshot afterwards no longer leave"
                " your works out."
            )
        return lines
    return [
        (
            f"claim {standing.claim_id}: who asks will be forgotten: name, contact, and the names,"
            " hosts, accounts and addresses that the claim lists."
        ),
        (
            "hashes and vectors of the works, and the style, stay at work. Names and hosts"
            " are no longer acted on."
        ),
    ]


def after(done: "Erased", claim_id: str, registry: str) -> list[str]:
    """Return what was done."""
    lines = [
        (
            f"claim {claim_id} is erased, by entry {done.recorded.seq} of the log: its parts, their"
            " salts and the key under which they were written are destroyed."
        ),
        "the log still proves that something was recorded and when, and no longer what.",
        "snapshots and lists that held it are withdrawn: whoever takes a newer one is told so.",
        "copies elsewhere cannot be unmade: your receipt, and what builders have already taken.",
    ]
    if done.left is not None:
        lines.append(f"still at work: {len(done.left.works)} works.")
    lines.append(f"if copies of the file of claim keys of {registry} exist, they must go as well.")
    return lines


def backed_up(to: Path, size_bytes: int, registry: str) -> list[str]:
    """Return what a copy of a registry is good for."""
    return [
        (
            f"copied to {to}, {size_bytes:,} bytes: the whole log, and what claims say, under their"
            " keys."
        ),
        f"the file of claim keys of {registry} is not in it; without it the copy cannot be read.",
        "to use it: put it in the database's place, beside the keys, and run recuse optout list.",
    ]
