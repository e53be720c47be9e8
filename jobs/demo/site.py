"""Lays a site out: which picture hangs on which host, and what must become of every row.

Nothing here asks the code under test. A verdict follows from what was put where: a robots.txt
that forbids a folder, a header, a copy of a registered work, a name in a caption.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.demo import copies
from jobs.demo.cast import Cast, Person, Work, exemplars
from jobs.demo.expect import ClaimSpec, ExpectedRow
from jobs.demo.hosts import Answer, Hosts

ARCHIVE, BLOG, MIRROR = "archive.localhost", "blog.localhost", "mirror.localhost"
NOAI, BROKEN, DEAD = "noai.localhost", "broken.localhost", "deadlinks.localhost"
MAX_BYTES = 3_000_000
TIMEOUT_S = 3.0
CONFIG = {
    "fetch": {"max_bytes": MAX_BYTES, "timeout_s": TIMEOUT_S, "retries": 1, "backoff_s": 0.2,
              "contact": "demo@example.org"},
    # one hand is a large share of a list this short: without it the flood guard would hold it all
    "match": {"share_cap": 300.0},
}

WORK = frozenset({"optout_work", "optout_copy", "optout_style"})
LOOKALIKE = frozenset({*WORK, "review", "duplicate"})
"""A picture by a claimant's hand that is not registered: near in style, or near as a copy is."""

UNLISTED = "unregistered work of a claimed style"

ROBOTS = {
    ARCHIVE: "User-agent: *\nDisallow: /private/\nAllow: /\n",
    BLOG: "User-agent: OtherBot\nDisallow: /\n\nUser-agent: *\nDisallow:\n",
    MIRROR: "# everybody is welcome\n",
}
HEADERS = (
    ("all", "noai", True),
    ("all", "noai, noimageai", True),
    ("tricky", "max-snippet:-1, noai", True),
    ("tricky", "unavailable_after: 25 Jun 2050 15:00:00 PST, noimageai", True),
    ("named", "RecuseBot: noai", True),
    ("index", "noindex", True),
    ("others", "otherbot: noai", False),
    ("welcome", "max-image-preview:large, noarchive", False),
)
"""Folder, X-Robots-Tag, whether it forbids."""


EXACT, SAME_PIXELS, HALVED, MIRRORED = range(6), range(6, 10), range(10, 18), range(18, 22)
"""Which works of the archive have a copy elsewhere, and of what kind."""


@dataclass(slots=True)
class Layout:
    """The site while it is laid out."""

    hosts: Hosts
    rows: list[ExpectedRow] = field(default_factory=list)

    def expect(self, url: str, caption: str, verdict: str, reasons: Iterable[str] = (),
               note: str = "", group: str = "") -> str:  # fmt: skip
        """Add a row; return its URL."""
        found = frozenset(reasons)
        row = ExpectedRow(url, caption, verdict, found, note, group, note == UNLISTED)
        self.rows.append(row)
        return url

    def hang(self, host: str, path: str, work: Work, change: Callable[[bytes], bytes] | None = None,
             **headers: str) -> str:  # fmt: skip
        """Show a work, changed or not, at a path; return its URL."""
        body = change(work.body()) if change else work.body()
        kind = "image/png" if body.startswith(b"\x89PNG") else "image/jpeg"
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return self.hosts.put(host, path, Answer(body, content_type=kind, headers=named))


def lay_out(cast: Cast, hosts: Hosts) -> list[ExpectedRow]:
    """Hang every picture, write every robots.txt, and return the rows with their verdicts.

    Takes at least 50 works of `cast.others`; what the special cases do not need hangs in the archive.
    """
    layout = Layout(hosts)
    for host, text in ROBOTS.items():
        hosts.put(host, "/robots.txt", Answer(text.encode(), content_type="text/plain"))
    hosts.put(BROKEN, "/robots.txt", Answer(b"try later\n", 503, "text/plain"))
    pool = iter(cast.others)
    _own_sites(layout, cast)
    _signals(layout, pool)
    _dead(layout, pool)
    _redirects(layout, cast, pool)
    _names(layout, cast, pool)
    _odd_rows(layout, pool)
    shown = list(pool)
    for k, work in enumerate(shown):
        url = layout.hang(work.host, f"/{k // 20}/{k:03}.jpg", work)
        if k in EXACT or k in SAME_PIXELS:
            layout.expect(
                url, work.caption, "any", {"duplicate"}, "has a copy elsewhere", f"shown {k}"
            )
        else:
            layout.expect(url, work.caption, "keep", note="nobody objects")
    _copies_of_claimed(layout, cast)
    _copies_of_free(layout, shown)
    return layout.rows


def claims(cast: Cast, folder: Path) -> list[ClaimSpec]:
    """Put the registered works of a cast into folders of their own; return the claims."""
    stylist, host, sibling = cast.stylist, cast.host, cast.sibling
    contrast = exemplars(cast.contrast, folder) if cast.contrast else None
    domain = (f"{host.slug}.localhost",)
    return [
        ClaimSpec(exemplars(stylist, folder), stylist.name, "style", stylist.aliases, style="active"),
        ClaimSpec(exemplars(host, folder), host.name, "artist", host.aliases, domain),
        ClaimSpec(exemplars(sibling, folder), sibling.name, "style", sibling.aliases,
                  style="not separable", contrast=contrast),
    ]  # fmt: skip


def _own_sites(layout: Layout, cast: Cast) -> None:
    for person in (cast.stylist, cast.host, cast.sibling):
        host = f"{person.slug}.localhost"
        for k, work in enumerate(person.works):
            url = layout.hang(host, f"/works/{k:02}.jpg", work)
            listed = k < person.listed
            if person is cast.host:
                layout.expect(url, work.caption, "drop", {"optout_host"}, "on a registered host")
            elif listed:
                layout.expect(url, work.caption, "drop", WORK, f"registered by {person.name}")
            elif person is cast.stylist:
                layout.expect(
                    url, work.caption, "any", LOOKALIKE, "unregistered work of a claimed style"
                )
            else:
                layout.expect(
                    url, work.caption, "keep", note="style not separable, work not registered"
                )


def _signals(layout: Layout, pool: Iterator[Work]) -> None:
    for k in range(6):
        work = next(pool)
        url = layout.hang(ARCHIVE, f"/private/{k}.jpg", work)
        layout.expect(url, work.caption, "drop", {"signal_robots"}, "folder closed by robots.txt")
        if k < 2:  # nobody read the bytes, so nobody can know that this is the same picture
            url = layout.hang(MIRROR, f"/found/{k}.jpg", work)
            layout.expect(
                url, work.caption, "keep", note="open copy of a picture behind robots.txt"
            )
    for k in range(4):
        work = next(pool)
        url = layout.hang(BROKEN, f"/{k}.jpg", work)
        layout.expect(url, work.caption, "hold", {"signal_error"}, "robots.txt answers 503")
    for k, (folder, tag, forbids) in enumerate(HEADERS):
        for part in range(2 if folder == "tricky" else 1):
            work = next(pool)
            url = layout.hang(NOAI, f"/{folder}/{k}-{part}.jpg", work, X_Robots_Tag=tag)
            verdict, reasons = ("drop", {"signal_header"}) if forbids else ("keep", set())
            layout.expect(url, work.caption, verdict, reasons, f"X-Robots-Tag: {tag}")


def _dead(layout: Layout, pool: Iterator[Work]) -> None:
    hosts = layout.hosts
    for k in range(4):
        layout.expect(
            hosts.url(DEAD, f"/gone/{k}.jpg"),
            f"Once a picture, number {k}",
            "drop",
            {"http_status"},
            "404",
        )
    gone = hosts.put(DEAD, "/gone/for-good.jpg", Answer(b"", 410, "text/plain"))
    layout.expect(gone, "A picture withdrawn", "drop", {"http_status"}, "410")
    page = Answer(
        b"<!doctype html><title>moved</title><p>Our pictures have moved.", 200, "text/html"
    )
    layout.expect(
        hosts.put(DEAD, "/page.jpg", page),
        "A page, not a picture",
        "drop",
        {"not_an_image"},
        "HTML",
    )
    layout.expect(
        hosts.put(DEAD, "/empty.jpg", Answer()),
        "Nothing at all",
        "drop",
        {"not_an_image"},
        "no bytes",
    )
    cut = next(pool)
    half = cut.body()[:400]
    layout.expect(
        hosts.put(DEAD, "/cut.jpg", Answer(half)),
        cut.caption,
        "drop",
        {"not_an_image"},
        "a torso of a JPEG",
    )
    huge = Answer(next(pool).body() + b"\0" * MAX_BYTES)
    layout.expect(
        hosts.put(DEAD, "/huge.jpg", huge),
        "A very large picture",
        "drop",
        {"too_large"},
        "over max_bytes",
    )
    for k in range(2):
        refused = f"http://{DEAD}:{hosts.closed_port}/{k}.jpg"
        layout.expect(
            refused, "Behind a closed door", "drop", {"unreachable"}, "connection refused"
        )
    late = next(pool)
    never = hosts.put(DEAD, "/never.jpg", Answer(late.body(), delay_s=TIMEOUT_S + 2))
    layout.expect(never, late.caption, "drop", {"too_slow"}, "later than the time-out")
    slow = next(pool)
    layout.expect(
        hosts.put(DEAD, "/slow.jpg", Answer(slow.body(), delay_s=0.7)),
        slow.caption,
        "keep",
        note="slow, but in time",
    )
    for url in (
        f"http://intranet.localhost:{hosts.closed_port}/plan.jpg",
        "http://169.254.169.254/latest/meta.jpg",
    ):
        layout.expect(
            url,
            "Behind the firewall",
            "drop",
            {"address_refused"},
            "an address that is never asked",
        )


def _redirects(layout: Layout, cast: Cast, pool: Iterator[Work]) -> None:
    hosts = layout.hosts

    def moved(name: str, target: str) -> str:
        headers = (("Location", target),)
        return hosts.put(BLOG, f"/go/{name}", Answer(b"", 302, "text/plain", headers))

    for k in range(3):
        work = next(pool)
        target = layout.hang(MIRROR, f"/moved/{k}.jpg", work)
        layout.expect(
            moved(f"open-{k}", target), work.caption, "keep", note="redirect to an open host"
        )
    forbidden = layout.hang(NOAI, "/all/target.jpg", next(pool), X_Robots_Tag="noai")
    layout.expect(
        moved("noai", forbidden),
        "Moved behind a header",
        "drop",
        {"signal_header"},
        "redirect to noai",
    )
    closed = layout.hang(ARCHIVE, "/private/target.jpg", next(pool))
    layout.expect(
        moved("private", closed),
        "Moved behind robots.txt",
        "drop",
        {"signal_robots"},
        "redirect to a closed folder",
    )
    circle = hosts.url(BLOG, "/go/circle")
    layout.expect(
        moved("circle", circle),
        "Round and round",
        "drop",
        {"too_many_redirects"},
        "redirects to itself",
    )
    home = hosts.url(f"{cast.host.slug}.localhost", "/works/00.jpg")
    layout.expect(
        moved("home", home),
        "Moved to its maker",
        "drop",
        {"optout_host", *WORK},
        "redirect to a registered host",
    )


def _names(layout: Layout, cast: Cast, pool: Iterator[Work]) -> None:
    name, other = cast.stylist.name, cast.host.name
    naming = [
        f"A house by the sea in the style of {name}",
        f"{name.upper()}, untitled, 2021",
        f"“Evening” — {name}’s newest print",
        f"#{name.replace(' ', '').lower()} #art",
        f"Portrait after {''.join(chr(ord(c) + 0xFEE0) if '!' <= c <= '~' else c for c in name)}",
        f"Poster by {other}, detail",
        f"Study in the manner of {other}",
        *[f"展覧会の絵、{alias}より" for alias in cast.stylist.aliases[:1]],
    ]
    for k, caption in enumerate(naming):
        url = layout.hang(BLOG, f"/posts/{k}.jpg", next(pool))
        layout.expect(url, caption, "drop", {"optout_name"}, "the caption names a claimant")
        if k == 0:
            layout.expect(
                url, "A house by the sea", "drop", {"optout_same_url"}, "same URL as a denied row"
            )
    innocent = [
        f"{name}strand, a beach in the north",
        "雪の上の狐、水彩",
        "Ένα καράβι στη θάλασσα",
        "قارب شراعي في البحر",
        "नीले आकाश के नीचे पहाड़",
        "Лодка под парусом, утро",
        "<script>alert('caption')</script> & \"quotes\"",
        "A caption with \u202eturned\u202c text and a bell \a",
    ]
    for k, caption in enumerate(innocent):
        url = layout.hang(BLOG, f"/open/{k}.jpg", next(pool))
        layout.expect(url, caption, "keep", note="no claimant is named")


def _odd_rows(layout: Layout, pool: Iterator[Work]) -> None:
    for k in range(3):
        work = next(pool)
        url = layout.hang(ARCHIVE, f"/twice/{k}.jpg", work)
        layout.expect(url, work.caption, "keep", note="stands twice in the list")
        layout.expect(url, work.caption, "drop", {"repeated"}, "the very same row again")
    work = next(pool)
    url = layout.hang(ARCHIVE, "/shared.jpg", work)
    for caption in (work.caption, f"{work.caption}, seen from afar"):
        layout.expect(url, caption, "any", {"duplicate"}, "one URL, two captions", "one url")
    for url in ("", "not a url", "file:///etc/hostname", "http://bad host.localhost/a.jpg"):
        layout.expect(
            url, f"Malformed: {url or 'empty'}", "drop", {"malformed"}, "no URL that can be asked"
        )


def _copies_of_claimed(layout: Layout, cast: Cast) -> None:
    for person in (cast.stylist, cast.host, cast.sibling):
        changes = [
            ("exact", None),
            ("q75", copies.again),
            ("half", copies.half),
            ("mirrored", copies.mirrored),
        ]
        for name, change in changes:
            some = person.registered[:3] if person is cast.sibling else person.registered[:5]
            for k, work in enumerate(some):
                url = layout.hang(MIRROR, f"/{person.slug}/{name}-{k}.jpg", work, change)
                layout.expect(
                    url,
                    work.caption,
                    "drop",
                    WORK,
                    f"{name} copy of a work registered by {person.name}",
                )
        for k, work in enumerate(person.registered[:3]):
            url = layout.hang(MIRROR, f"/{person.slug}/cropped-{k}.jpg", work, copies.cropped)
            layout.expect(
                url, work.caption, "any", LOOKALIKE, "cropped copy of a registered work"
            )
    for k, work in enumerate(
        cast.host.unlisted[:4]
    ):  # neither registered nor on the registered host
        url = layout.hang(MIRROR, f"/{cast.host.slug}/unlisted-{k}.jpg", work, copies.again)
        layout.expect(
            url, work.caption, "keep", note="copy elsewhere of a work that is not registered"
        )


def _copies_of_free(layout: Layout, shown: list[Work]) -> None:
    """Hang copies of what the archive shows; the row with more pixels stays, of equals either."""
    for k in EXACT:
        url = layout.hang(MIRROR, f"/free/exact-{k}.jpg", shown[k])
        layout.expect(url, shown[k].caption, "any", {"duplicate"}, "exact copy", f"shown {k}")
    for k in SAME_PIXELS:
        url = layout.hang(MIRROR, f"/free/png-{k}.png", shown[k], copies.as_png)
        layout.expect(
            url, shown[k].caption, "any", {"duplicate"}, "the same pixels as PNG", f"shown {k}"
        )
    for k in HALVED:
        url = layout.hang(MIRROR, f"/free/half-{k}.jpg", shown[k], copies.half)
        layout.expect(url, shown[k].caption, "drop", {"duplicate"}, "smaller copy")
    for k in MIRRORED:
        url = layout.hang(MIRROR, f"/free/mirrored-{k}.jpg", shown[k], copies.mirrored)
        layout.expect(
            url, shown[k].caption, "any", {"duplicate"}, "mirrored copy of a free picture"
        )
