"""What stands between a list and a picture: signals, dead links, redirects."""

from collections.abc import Iterator

from jobs.demo.cast import Person, Work
from jobs.demo.hosts import Answer
from jobs.demo.layout import ARCHIVE, BLOG, BROKEN, DEAD, MIRROR, NOAI, WORK, Layout

MAX_BYTES = 3_000_000
TIMEOUT_S = 3.0
ROBOTS = {
    ARCHIVE: "User-agent: *\nDisallow: /private/\nAllow: /\n",
    BLOG: "User-agent: OtherBot\nDisallow: /\n\nUser-agent: *\nDisallow:\n",
    MIRROR: "# everybody is welcome\n",
}
FOUND = range(2)
"""Which pictures of the closed folder are also shown where everybody may read."""
HEADERS = (
    ("all", "noai", True),
    ("all", "noai, noimageai", True),
    ("tricky", "max-snippet:-1, noai", True),
    ("tricky", "max-image-preview:large, nosnippet, noai", True),
    ("tricky", "unavailable_after: 25 Jun 2050 15:00:00 PST, noimageai", True),
    ("named", "RecuseBot: noai", True),
    ("index", "noindex", True),
    ("others", "otherbot: noai", False),
    ("welcome", "max-image-preview:large, noarchive", False),
)
"""Folder, X-Robots-Tag, whether it forbids."""


def signals(layout: Layout, pool: Iterator[Work]) -> None:
    """Close a folder by robots.txt, a host by one that cannot be read, folders by headers."""
    for host, text in ROBOTS.items():
        layout.text(host, "/robots.txt", text)
    layout.text(BROKEN, "/robots.txt", "try later\n", 503)
    for k in range(6):
        work = next(pool)
        url = layout.hang(ARCHIVE, f"/private/{k}.jpg", work)
        layout.drop(url, work.caption, "signal_robots", "folder closed by robots.txt")
        if k in FOUND:  # nobody read the bytes, so nobody can know that it is the same picture
            url = layout.hang(MIRROR, f"/found/{k}.jpg", work)
            layout.keep(url, work.caption, "open copy of a picture behind robots.txt")
    for k in range(4):
        work = next(pool)
        url = layout.hang(BROKEN, f"/{k}.jpg", work)
        layout.hold(url, work.caption, "signal_error", "robots.txt answers 503")
    for k, (folder, tag, forbids) in enumerate(HEADERS):
        work = next(pool)
        url = layout.hang(NOAI, f"/{folder}/{k}.jpg", work, headers=(("X-Robots-Tag", tag),))
        if forbids:
            layout.drop(url, work.caption, "signal_header", f"X-Robots-Tag: {tag}")
        else:
            layout.keep(url, work.caption, f"X-Robots-Tag: {tag}")


def dead_links(layout: Layout, pool: Iterator[Work]) -> None:
    """Name what is gone, what is no image, what is too large or slow, and what is never asked."""
    hosts = layout.hosts
    for k in range(4):
        url = hosts.url(DEAD, f"/gone/{k}.jpg")
        layout.drop(url, f"Once a picture, number {k}", "http_status", "404")
    layout.drop(layout.text(DEAD, "/410.jpg", "", 410), "A picture withdrawn", "http_status", "410")
    page = layout.text(DEAD, "/page.jpg", "<!doctype html><p>We moved.", kind="text/html")
    layout.drop(page, "A page, not a picture", "not_an_image", "HTML")
    empty = hosts.put(DEAD, "/empty.jpg", Answer())
    layout.drop(empty, "Nothing at all", "not_an_image", "no bytes")
    cut = hosts.put(DEAD, "/cut.jpg", Answer(next(pool).body()[:400]))
    layout.drop(cut, "Cut off after the header", "not_an_image", "400 bytes of a JPEG")
    huge = hosts.put(DEAD, "/huge.jpg", Answer(next(pool).body() + b"\0" * MAX_BYTES))
    layout.drop(huge, "A very large picture", "too_large", "over max_bytes")
    late = hosts.put(DEAD, "/never.jpg", Answer(next(pool).body(), delay_s=TIMEOUT_S + 2))
    layout.drop(late, "A picture that takes its time", "too_slow", "later than the time-out")
    work = next(pool)
    slow = hosts.put(DEAD, "/slow.jpg", Answer(work.body(), delay_s=0.7))
    layout.keep(slow, work.caption, "slow, but in time")
    for k in range(2):
        url = f"http://{DEAD}:{hosts.closed_port}/{k}.jpg"
        layout.drop(url, "Behind a closed door", "unreachable", "connection refused")
    inside = f"http://intranet.localhost:{hosts.closed_port}/plan.jpg"
    for url in (inside, "http://169.254.169.254/latest/meta.jpg"):
        layout.drop(url, "Behind the firewall", "address_refused", "an address never asked")


def redirects(layout: Layout, host: Person, pool: Iterator[Work]) -> None:
    """Lead from one host to another, where what holds there decides."""

    def moved(name: str, target: str) -> str:
        return layout.text(BLOG, f"/go/{name}", "", 302, headers=(("Location", target),))

    for k in range(3):
        work = next(pool)
        target = layout.hang(MIRROR, f"/moved/{k}.jpg", work)
        layout.keep(moved(f"open-{k}", target), work.caption, "redirect to an open host")
    noai = layout.hang(NOAI, "/all/to.jpg", next(pool), headers=(("X-Robots-Tag", "noai"),))
    layout.drop(moved("noai", noai), "Moved, forbidden", "signal_header", "redirect to noai")
    closed = layout.hang(ARCHIVE, "/private/to.jpg", next(pool))
    layout.drop(
        moved("closed", closed), "Moved, closed", "signal_robots", "redirect to a closed folder"
    )
    circle = layout.hosts.url(BLOG, "/go/circle")
    layout.drop(moved("circle", circle), "Round and round", "too_many_redirects", "leads to itself")
    home = layout.hosts.url(f"{host.slug}.localhost", "/works/00.jpg")
    reasons = frozenset({"optout_host", *WORK})
    layout.drop(moved("home", home), "Moved to its maker", reasons, "redirect to a registered host")
