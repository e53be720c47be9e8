"""Lays a site out: which picture hangs on which host, and what must become of every row.

Nothing here asks the code under test. A verdict follows from what was put where: a robots.txt
that forbids a folder, a header, a copy of a registered work, a name in a caption.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.demo import captions, copies, rights, trouble
from jobs.demo.cast import Cast, Person, Work, exemplars
from jobs.demo.expect import ClaimSpec, ExpectedRow
from jobs.demo.hosts import Hosts
from jobs.demo.layout import COPY, LOOKALIKE, MIRROR, WORK, Layout

CONFIG: dict[str, dict[str, Any]] = {
    "fetch": {
        "max_bytes": trouble.MAX_BYTES,
        "timeout_s": trouble.TIMEOUT_S,
        "retries": 1,
        "backoff_s": 0.2,
        "contact": "demo@example.org",
    },
}
EXACT, SAME_PIXELS, HALVED, MIRRORED = range(6), range(6, 10), range(10, 18), range(18, 22)
"""Which of the works that nobody claims have a copy elsewhere, and of what kind."""
CHANGES: tuple[tuple[str, Callable[[bytes], bytes] | None], ...] = (
    ("exact", None),
    ("q75", copies.again),
    ("half", copies.half),
    ("mirrored", copies.mirrored),
)


def lay_out(cast: Cast, hosts: Hosts) -> list[ExpectedRow]:
    """Hang every picture, write every robots.txt, and return the rows with their verdicts.

    Takes some 60 works of `cast.others` for special cases; the rest hang on their own hosts.
    """
    layout = Layout(hosts)
    pool = iter(cast.others)
    _own_sites(layout, cast)
    trouble.signals(layout, pool)
    rights.rights(layout, pool)
    trouble.dead_links(layout, pool)
    trouble.redirects(layout, cast.host, pool)
    captions.names(layout, cast, pool)
    captions.odd_rows(layout, pool)
    shown = list(pool)
    _shown(layout, shown)
    _copies_of_claimed(layout, cast)
    _copies_of_shown(layout, shown)
    return layout.rows


def claims(cast: Cast, folder: Path) -> list[ClaimSpec]:
    """Put the registered works of a cast into folders of their own; return the claims."""
    stylist, host, sibling = cast.stylist, cast.host, cast.sibling
    contrast = exemplars(cast.contrast, folder) if cast.contrast else None
    domain = (f"{host.slug}.localhost",)
    return [
        ClaimSpec(exemplars(stylist, folder), stylist.name, "style", stylist.aliases,
                  style="active"),
        ClaimSpec(exemplars(host, folder), host.name, "artist", host.aliases, domain),
        ClaimSpec(exemplars(sibling, folder), sibling.name, "style", sibling.aliases,
                  style="not separable", contrast=contrast),
    ]  # fmt: skip


def _own_sites(layout: Layout, cast: Cast) -> None:
    for person in (cast.stylist, cast.host, cast.sibling):
        for k, work in enumerate(person.works):
            url = layout.hang(f"{person.slug}.localhost", f"/works/{k:02}.jpg", work)
            _own(layout, cast, person, url, work, listed=k < person.listed)


def _own(layout: Layout, cast: Cast, person: Person, url: str, work: Work, *, listed: bool) -> None:
    if person is cast.host:
        layout.drop(url, work.caption, "optout_host", "on a registered host")
    elif listed:
        layout.drop(url, work.caption, WORK, f"registered by {person.name}")
    elif person is cast.stylist:
        layout.may(url, work.caption, LOOKALIKE, "unregistered work of a style", by_style=True)
    else:
        layout.keep(url, work.caption, "style not separable, work not registered")


def _shown(layout: Layout, shown: list[Work]) -> None:
    for k, work in enumerate(shown):
        url = layout.hang(work.host, f"/{k // 20}/{k:03}.jpg", work)
        if k in EXACT or k in SAME_PIXELS:
            layout.may(url, work.caption, COPY, "has a copy elsewhere", group=f"shown {k}")
        else:
            layout.keep(url, work.caption, "nobody objects")


def _copies_of_claimed(layout: Layout, cast: Cast) -> None:
    for person in (cast.stylist, cast.host, cast.sibling):
        folder = f"/{person.slug}"
        some = person.registered[: 3 if person is cast.sibling else 5]
        for name, change in CHANGES:
            for k, work in enumerate(some):
                url = layout.hang(MIRROR, f"{folder}/{name}-{k}.jpg", work, change)
                note = f"{name} copy of a work registered by {person.name}"
                layout.drop(url, work.caption, WORK, note)
        for k, work in enumerate(person.registered[:3]):
            url = layout.hang(MIRROR, f"{folder}/cropped-{k}.jpg", work, copies.cropped)
            layout.may(url, work.caption, LOOKALIKE, "cropped copy of a registered work")
    for k, work in enumerate(cast.host.unlisted[:4]):  # neither registered nor on that host
        url = layout.hang(MIRROR, f"/{cast.host.slug}/unlisted-{k}.jpg", work, copies.again)
        layout.may(url, work.caption, LOOKALIKE, "copy of a work that is not registered")


def _copies_of_shown(layout: Layout, shown: list[Work]) -> None:
    """Hang copies of what nobody claims; the row with more pixels stays, of equals either."""
    for k in EXACT:
        url = layout.hang(MIRROR, f"/free/exact-{k}.jpg", shown[k])
        layout.may(url, shown[k].caption, COPY, "exact copy", group=f"shown {k}")
    for k in SAME_PIXELS:
        url = layout.hang(MIRROR, f"/free/png-{k}.png", shown[k], copies.as_png)
        layout.may(url, shown[k].caption, COPY, "the same pixels as PNG", group=f"shown {k}")
    for k in HALVED:
        url = layout.hang(MIRROR, f"/free/half-{k}.jpg", shown[k], copies.half)
        layout.drop(url, shown[k].caption, "duplicate", "smaller copy")
    for k in MIRRORED:
        url = layout.hang(MIRROR, f"/free/mirrored-{k}.jpg", shown[k], copies.mirrored)
        layout.may(url, shown[k].caption, COPY, "mirrored copy")
