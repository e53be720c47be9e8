"""What is said about proofs: what was verified, by whose word a time is, what it does not show."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table

from jobs.cli.console import safe
from optout.log.note import VerifierKey
from optout.log.policy import Policy

if TYPE_CHECKING:
    from jobs.past_status import AppliedIn
    from jobs.publishing import Published
    from optout.past import Moment, Stood
    from optout.receipt import Held
    from optout.replay import Standing

SHOWN_FILES = 5
NEEDS_REGISTRY = (
    "needs --registry: what has become of the claim since, and whether the log still shows it."
)
CAME_ALONG = (
    "the policy came along with the receipt: whoever gave you both may have written it. Name one"
    " that you trust and keep elsewhere (--policy)."
)
STATES = {
    "recorded": "recorded: it stands in the log; listed works and their copies are left out of"
    " builds that take a snapshot from now on",
    "active": "active: control is proved; names, hosts and styles act as well",
    "withdrawn": "withdrawn: builds no longer honour it",
    "erased": "erased: nothing of what it said is left",
    "": "unknown: there was no claim of that id",
}


def receipt(held: "Held", policy: Policy, where: str) -> list[str]:
    """Return what a receipt proves."""
    said, proved = held.receipt, held.proved
    return [
        (
            f"verified: claim {said.claim} is entry {said.seq} of {said.origin}; its parts, salts"
            " and signature belong to that entry."
        ),
        (
            f"verified: the entry is in the log of {proved.checkpoint.size} entries that"
            f" {proved.log.short} has signed, a key of {where}."
        ),
        *times(policy, proved.times, said.entry.recorded_at),
    ]


def times(policy: Policy, found: Mapping[VerifierKey, int], recorded_at: str) -> list[str]:
    """Return when an entry was there, and by whose word."""
    by = policy.existed_by(found)
    lines = [
        f"cosigned {moment_text(at)} by {key.short}"
        for key, at in sorted(found.items(), key=lambda one: one[1])
    ]
    if by is not None:
        return [f"verified: it was there by {moment_text(by)}, as the witnesses say.", *lines]
    if found:
        return [
            *lines,
            (
                "not proved: a time. Fewer witnesses have cosigned than the policy asks for;"
                f" recorded {recorded_at} by the registry's clock."
            ),
        ]
    return [
        (
            f"recorded {recorded_at} by the registry's clock; no witness of the policy has"
            " cosigned, so nobody else says so."
        ),
    ]


def moment_text(at: int) -> str:
    """Return a POSIX time in words."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def standing(now: "Standing") -> list[str]:
    """Return where a claim stands."""
    return [
        f"claim {now.claim_id}",
        STATES[now.state.value],
        (
            f"level {now.level}; submitted {now.submitted_at} by the registry's clock; newest entry"
            f" {now.seq}"
        ),
    ]


def applied(found: "Sequence[AppliedIn]") -> Table | str:
    """Return the releases that say they honour the registry with the claim in it."""
    if not found:
        return "no release was announced to this registry: nothing is said to be applied or removed"
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("release", "manifest", "made by"):
        table.add_column(name)
    for one in found:
        at = one.release.applied
        how = f"entry {at.size} of this registry" if at else "without this registry"
        told = _then(one.then)
        table.add_row(
            safe(one.release.title),
            one.release.manifest_sha256[:16],
            f"{how}, {told}" if at else how,
        )
    table.caption = (
        "as announced to this registry: it had the states that they name; who signed them was not"
        " checked. recuse audit verify RELEASE --key VKEY checks the signature, recuse audit delta"
        " RELEASE --receipt FILE shows what was left out for the claim"
    )
    table.caption_justify = "left"
    return table


def _then(standing: "Standing | None") -> str:
    if standing is None:
        return "before the claim was there"
    return "the claim in it" if standing.in_force else f"where the claim was {standing.state}"


def stood(shown: "Stood", at: datetime | None) -> list[str]:
    """Return what a proof shows of a past state."""
    lines = [
        f"claim {shown.claim}",
        STATES.get(shown.state, shown.state),
        f"shown from {_moment(shown.since)} on",
    ]
    if shown.until is not None:
        lines.append(f"and nothing was said of it until {_moment(shown.until)}")
    elif shown.changed:
        lines.append("by the epoch after that, something newer was recorded about it")
    if not shown.quorum:
        lines.append("not proved: that everybody is shown this log; too few witnesses cosigned")
    if at is not None and not shown.holds_at(at):
        lines.append(f"not shown: the state at {at:%Y-%m-%d %H:%M} UTC itself")
        if shown.since.at <= at and not shown.changed:
            lines.append("an epoch after that date shows it: recuse registry publish makes them")
    return lines


def _moment(found: "Moment") -> str:
    said = f"{found.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{said}, as witnesses say" if found.proved else f"{said} by the registry's clock"


def published(done: "Published", store: str) -> list[str]:
    """Return what was published."""
    lines = [f"log {done.head.origin}: {done.head.size} entries, root {done.head.root.hex()}"]
    if done.epoch is not None:
        counts = ", ".join(f"{count} {state}" for state, count in done.epoch.claims.items())
        lines.append(f"epoch {done.epoch.number}: {counts or 'no claims'}")
    elif done.head.size:
        lines.append("no new epoch: nothing has changed since the newest, which is not a day old")
    for one in done.cosigned:
        name = one.witness.key.short
        if one.at is not None:
            lines.append(f"cosigned {moment_text(one.at)} by {name}")
        else:
            lines.append(f"not cosigned by {name}: {one.problem}")
    if store:
        lines.append(f"{done.written.files} files written to {store}")
        lines += _mended(done.written.mended)
    return lines


def _mended(paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    shown = ", ".join(paths[:SHOWN_FILES]) + (", …" if len(paths) > SHOWN_FILES else "")
    return [f"{len(paths)} of them had been published before, and were missing or damaged: {shown}"]
