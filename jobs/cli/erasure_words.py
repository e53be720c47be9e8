"""What is said about erasing a claim: what goes, what stays, and what nobody can call back."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.erasing import Erased
    from optout.replay import Standing

FINAL = "this cannot be undone."


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
        return [*lines, FINAL]
    return [
        (
            f"claim {standing.claim_id}: who asks will be forgotten: name, contact, and the names,"
            " hosts, accounts and addresses that the claim lists."
        ),
        (
            "the claim stays: hashes and vectors of its works, and its style, work as before."
            " Names, hosts, accounts and addresses no longer do, since they say who you are."
        ),
        (
            "it cannot be refreshed afterwards: should the registry move to another matcher, its"
            " hashes work on, and its vectors no longer do."
        ),
        FINAL,
    ]


def after(done: "Erased", claim_id: str, registry: str) -> list[str]:
    """Return what was done."""
    seq = done.recorded.seq
    if done.left is None:
        lines = [
            (
                f"claim {claim_id} is erased, by entry {seq} of the log: its parts, their salts and"
                " the key under which they were written are destroyed."
            ),
            "the log still proves that something was recorded and when, and no longer what.",
        ]
    else:
        count = len(done.left.works)
        works = f"{count} works" if count > 1 else "its work"
        lines = [
            (
                f"who asks for claim {claim_id} is forgotten, by entry {seq} of the log: name,"
                " contact, names, hosts, accounts and addresses, their salts and the key under"
                " which they were written are destroyed."
            ),
            f"the claim stays: hashes and vectors of {works} keep working, and so does its style.",
            "keep your key: it still withdraws the claim, or erases the rest of it (--all).",
            "the log still proves what is recorded and when, and no longer who asked.",
        ]
    return [
        *lines,
        "snapshots and lists that held what is gone are withdrawn: builds pinned to one stop.",
        (
            "copies elsewhere cannot be unmade: what builders have already taken, and your own"
            " receipt, which says what it always said; delete it where nobody is to read that."
        ),
        (
            f"if you keep copies of the file of claim keys of {registry}, destroy them as well: by"
            " one of them an old copy of the registry can be read again."
        ),
    ]


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
