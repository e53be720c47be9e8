"""What is said to an artist about a claim: what was understood, what acts, what waits, numbers."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from jobs.cli.console import safe
from optout.guard import (
    ACTIVE,
    LEAST_COHESION,
    LEAST_SELF_RECALL,
    MOST_OF_A_COHORT_HAND,
    acts_by_authorship,
)
from optout.lifecycle import ACCEPTANCE, AUTHORSHIP, LEVELS, PROVED, Rule, State, acts
from optout.works import count_points, is_common
from schemas.claim import MatchPart, StyleCalibration, StyleOverlap
from schemas.verdict import Captions, Stance

if TYPE_CHECKING:  # what these import takes longer than listing claims
    import sqlalchemy as sa

    from jobs.receipts import ReceiptFiles
    from jobs.refresh import Refreshed
    from jobs.submit import Submitted
    from optout.intake import Exemplars
    from optout.replay import Standing

SHOWN_REFUSALS = 20
SHOWN_COMMON = 5

CAPTIONS = {
    Captions.DROP: "a row whose caption names you is left out",
    Captions.REDACT: "your name is taken out of captions, and the rows stay",
}
"""What a name in a caption does, by what the claimant chose."""


STYLE_OUTCOMES = {
    "active": "look-alikes: active. Your works are recognised as one style.",
    "not separable": (
        "look-alikes: not separable. Your works, names and hosts are protected; look-alikes are"
        " not."
    ),
    "needs review": (
        "look-alikes: needs review. They are protected once somebody has looked; your works, names"
        " and hosts are protected now."
    ),
}
TAIL_NUMBERS = ("begins at", "share above", "shape", "scale", "least rate", "mean", "spread")
"""What `optout.tail.Tail` holds, in its order."""


def understood(part: MatchPart, artist: str = "") -> Table:
    """Return a table of what a claim says, as it was understood."""
    table = grid()
    if artist:
        table.add_row("artist", safe(artist))
    stance = (
        "may be used (opt-in)" if part.stance == Stance.OPT_IN else "must be left out (opt-out)"
    )
    table.add_row("asks that", stance)
    table.add_row("kind", part.scope.value)
    for label, values in (
        ("names", part.names),
        ("hosts", part.hosts),
        ("accounts", part.accounts),
        ("addresses", part.urls),
    ):
        if values:
            table.add_row(label, "\n".join(safe(value) for value in values))
    if part.names and part.stance == Stance.OPT_OUT:
        table.add_row("captions", CAPTIONS[part.captions])
    if part.works:
        compared = sum(bool(work.matcher) for work in part.works)
        said = f"{len(part.works)}, {compared} of them also compared by likeness"
        parts, points = sum(len(w.views) for w in part.works), sum(map(count_points, part.works))
        beside = f", with {parts} views of parts and {points:,} key points" if parts else ""
        table.add_row("works", said + beside)
        common = sum(map(is_common, part.works))
        if common:
            table.add_row(
                "common designs", f"{common} of them; protected only against almost exact copies"
            )
    if part.license:
        table.add_row("licence", safe(part.license))
    if part.attribution:
        table.add_row("attribution", safe(part.attribution))
    return table


def effects(part: MatchPart, level: int, *, trust_local: bool) -> Table:
    """Return a table of what the claim reaches, and whether it acts now or waits for proof."""
    table = grid()
    for label, rule in _reach(part):
        if acts(rule, level, trust_local, part.stance):
            said = "acts now"
        elif acts(rule, PROVED, trust_local=False, stance=part.stance):
            said = f"waits until your control is proved (level {PROVED})"
        else:
            said = "never: nothing is granted by likeness or by name"
        table.add_row(label, said)
    return table


def level_words(level: int, *, trust_local: bool) -> str:
    """Return a sentence about the level of a claim."""
    said = f"level {level}: {LEVELS[level]}"
    if not trust_local:
        return said
    return (
        f"{said}; --trust-local takes control as proved, which holds only for builds that say"
        " --registry.trust-local too"
    )


def moderated(standing: "Standing") -> list[str]:
    """Return what moderators have stated beside the level, and what it changes."""
    lines = []
    if standing.authorship:
        lines.append(
            f"authorship: proved, since {AUTHORSHIP[standing.authorship]}; so a style need not show"
            " by likeness that its works are by one hand"
        )
    if standing.accepted:
        lines.append(
            f"accepted: a moderator lets the style act, since {ACCEPTANCE[standing.accepted]}"
        )
    return lines


def style_words(style: StyleCalibration) -> list[str]:
    """Return what came out of testing a style, in plain words; nothing where none was asked.

    style: as it stands, where moderators have stated something.
    """
    if style.state == "none":
        return [style.note] if style.note else []
    lines = [STYLE_OUTCOMES[style.state]]
    if style.note:
        lines.append(f"why: {style.note}.")
    if style.state != ACTIVE and acts_by_authorship(style):
        lines.append(
            "active once a moderator has established that the works are yours: they stand on a host"
            " whose control is proved, or the files are signed."
        )
    return lines


def review_next(count: int) -> str:
    """Return what a moderator may do about styles that wait."""
    return (
        f"{count} wait. See what one would drop: recuse optout simulate CLAIM RELEASE. Then recuse"
        " registry verify CLAIM --level N --authorship HOW where the works are proved to be the"
        " claimant's own, or accept-style CLAIM --reason WHY where one that needs review may act."
    )


def style_numbers(style: StyleCalibration) -> dict[str, str]:
    """Return every number that testing a style gave, by label; none where nothing was tested."""
    said: dict[str, str] = {}
    if style.works is not None:
        said["works counted"] = f"{style.works} that differ from each other"
    if style.self_recall is not None:
        said["known again"] = (
            f"{style.self_recall:.0%} of them, each left out in turn ({LEAST_SELF_RECALL:.0%} are"
            " needed)"
        )
    if style.cohesion is not None:
        said["alike"] = (
            f"{style.cohesion:.1f} spreads more than works of different hands ({LEAST_COHESION} are"
            " needed)"
        )
    if style.cohort_images:
        said["taken for yours"] = (
            f"{style.cohort_hits} of {style.cohort_images:,} images by {style.cohort_hands} other"
            f" hands; with 95% confidence fewer than {style.false_match_upper or 0:.2%} of such"
            " images"
        )
    if style.hand_share is not None:
        said["of one other hand"] = (
            f"{style.hand_share:.0%} of its images at most ({MOST_OF_A_COHORT_HAND:.0%} are"
            " allowed)"
        )
    if style.overlaps:
        said["nearest others"] = "\n".join(map(_overlap, style.overlaps))
    if style.threshold is not None and style.alpha is not None:
        said["threshold"] = (
            f"{style.threshold:.2f}, so that at most {style.alpha:.2%} of images by others reach"
            " it; higher where many styles share the budget"
        )
    if style.tail:
        numbers = zip(TAIL_NUMBERS, style.tail, strict=False)
        said["tail"] = ", ".join(f"{name} {value:.4g}" for name, value in numbers)
    return said


def _overlap(other: StyleOverlap) -> str:
    copies = f", {other.copies} are copies of yours" if other.copies else ""
    return (
        f"{other.label}: {other.taken} of {other.works} works would be taken,"
        f" {other.near} are near{copies}"
    )


def told(said: Mapping[str, str]) -> Table:
    """Return a table of labels and what is said of them, fit for a terminal."""
    table = grid()
    for label, text in said.items():
        table.add_row(safe(label), safe(text))
    return table


def refusals(found: "Exemplars") -> list[str]:
    """Return a line for each image that was refused, the first few, and for merged ones."""
    lines = [f"{r.name}: {r.reason}" for r in found.refused[:SHOWN_REFUSALS]]
    if len(found.refused) > SHOWN_REFUSALS:
        lines.append(f"and {len(found.refused) - SHOWN_REFUSALS} more")
    near = len(found.works) - len(found.distinct)
    if near:
        lines.append(
            f"{near} works are near-duplicates of others; all are protected, a style counts each"
            " group once"
        )
    return lines


def common_designs(found: "Exemplars") -> list[str]:
    """Return what is said of works that are common designs; nothing where there are none."""
    names = [
        name for name, work in zip(found.accepted, found.works, strict=True) if is_common(work)
    ]
    if not names:
        return []
    more = f" and {len(names) - SHOWN_COMMON} more" if len(names) > SHOWN_COMMON else ""
    said = f"{', '.join(names[:SHOWN_COMMON])}{more}: common designs, of which many like them exist"
    return [f"{said}; protected only against almost exact copies"]


def who_can_see(registry: str) -> list[str]:
    """Return where a claim is recorded and who can see what of it."""
    return [
        (
            f"recorded in {registry}, and nowhere else; whoever can read that registry can read all"
            " of the claim."
        ),
        "its log shows a random id, times and two sealed commitments: no name, address or image.",
        (
            "builders who are given a snapshot see names, hosts, accounts, addresses, hashes and"
            " vectors of the works; not who you are, nor your contact."
        ),
        "your images were read here and not kept.",
    ]


def outcome(done: "Submitted") -> list[str]:
    """Return where key and receipt lie."""
    key = f"key: {done.key}"
    if done.key_is_new:
        key += " (keep it, and keep it to yourself: only with it you can withdraw the claim)"
    return [key, *receipt_words(done.receipt, proved=done.proved)]


def receipt_words(files: "ReceiptFiles", *, proved: bool) -> list[str]:
    """Return where a receipt lies, and what each of its files is. proved: its proof is there."""
    opened = f"receipt: {files.opened} (it opens your claim to whoever reads it)"
    if not proved:
        return [
            opened,
            "its proof follows once the registry has published: recuse optout receipt CLAIM",
        ]
    return [opened, f"proof: {files.proof} (it says nothing of the claim; anybody may see it)"]


def listing(rows: "Iterable[sa.Row[tuple[object, ...]]]") -> Table:
    """Return the table of `recuse optout list`."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("claim", "state", "kind", "style"):
        table.add_column(name, no_wrap=True)
    table.add_column("names and hosts", overflow="fold")
    for row in rows:
        said = [*json.loads(row.names), *json.loads(row.hosts)]  # accounts are among the hosts
        table.add_row(
            row.claim_id[:12],
            f"{safe(row.state)} L{row.level}" + (" authorship" if row.authorship else ""),
            _kind(row) + (" opt-in" if row.stance == Stance.OPT_IN else ""),
            ("" if row.style_state == "none" else safe(row.style_state))
            + (" (accepted)" if row.accepted else ""),
            safe(", ".join(said)),
        )
    return table


def _kind(row: "sa.Row[tuple[object, ...]]") -> str:
    if row.scope or row.state == State.ERASED:
        return safe(row.scope)
    return "unreadable"  # its key is gone, by an erasure that this database is older than


def _reach(part: MatchPart) -> list[tuple[str, Rule]]:
    reach = []
    if part.works:
        reach.append(("these very files", Rule.SHA256))
    if any(work.matcher for work in part.works):
        reach.append(("copies of the works", Rule.COPY))
    for label, values, rule in (
        ("listed addresses", part.urls, Rule.URL),
        ("hosts", part.hosts, Rule.HOST),
        ("accounts", part.accounts, Rule.ACCOUNT),
        ("names in captions", part.names, Rule.NAME),
    ):
        if values:
            reach.append((label, rule))
    if part.style.state == ACTIVE:
        reach.append(("look-alikes", Rule.STYLE))
    return reach


def grid() -> Table:
    """Return a table of labels and what stands behind them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def refreshed(done: "Refreshed", matcher: str) -> list[str]:
    """Return what a refresh has done."""
    lines = [
        f"{done.added} works have vectors of {matcher} now, by entry {done.recorded.seq} of the log"
    ]
    if done.missing:
        lines.append(
            f"{done.missing} works have none of it: their images are not in the folder, so they"
            " are found by their hashes alone"
        )
    if done.ended:
        lines.append("the style was accepted as it was before; by its new vectors nobody has yet")
    if done.strange:
        few = ", ".join(done.strange[:3])
        lines.append(f"left out, as no work of the claim: {len(done.strange)} files ({few})")
    return lines
