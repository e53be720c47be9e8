"""Words beside pictures: names of claimants, near misses, other scripts, rows that are odd."""

from collections.abc import Iterator

from jobs.demo.cast import Cast, Work
from jobs.demo.layout import ARCHIVE, BLOG, COPY, Layout

FULL_WIDTH = 0xFEE0  # from "!" to its full-width twin


def names(layout: Layout, cast: Cast, pool: Iterator[Work]) -> None:
    """Name claimants as people do, and write what only looks like it."""
    for k, caption in enumerate(naming(cast)):
        url = layout.hang(BLOG, f"/posts/{k}.jpg", next(pool))
        layout.drop(url, caption, "optout_name", "the caption names a claimant")
        if k == 0:
            layout.drop(url, "A house by the sea", "optout_same_url", "the URL of a denied row")
    innocent = (
        f"{cast.stylist.name}strand, a beach in the north",
        "雪の上の狐、水彩",
        "Ένα καράβι στη θάλασσα",
        "قارب شراعي في البحر",
        "नीले आकाश के नीचे पहाड़",
        "Лодка под парусом, утро",
        "<script>alert('caption')</script> & \"quotes\"",
        "A caption with \u202eturned\u202c text and a bell \a",
    )
    for k, caption in enumerate(innocent):
        url = layout.hang(BLOG, f"/open/{k}.jpg", next(pool))
        layout.keep(url, caption, "no claimant is named")


def naming(cast: Cast) -> list[str]:
    """Return captions that name a claimant."""
    name, other = cast.stylist.name, cast.host.name
    wide = "".join(chr(ord(c) + FULL_WIDTH) if "!" <= c <= "~" else c for c in name)
    return [
        f"A house by the sea in the style of {name}",
        f"{name.upper()}, untitled, 2021",
        f"“Evening” — {name}\N{RIGHT SINGLE QUOTATION MARK}s newest print",
        f"#{name.replace(' ', '').lower()} #art",
        f"Portrait after {wide}",
        f"Poster by {other}, detail",
        f"Study in the manner of {other}",
        *(f"展覧会の絵、{alias}より" for alias in cast.stylist.aliases[:1]),
    ]


def odd_rows(layout: Layout, pool: Iterator[Work]) -> None:
    """Repeat rows, give one URL two captions, write URLs that are none."""
    for k in range(3):
        work = next(pool)
        url = layout.hang(ARCHIVE, f"/twice/{k}.jpg", work)
        layout.keep(url, work.caption, "stands twice in the list")
        layout.drop(url, work.caption, "repeated", "the very same row again")
    work = next(pool)
    url = layout.hang(ARCHIVE, "/shared.jpg", work)
    for caption in (work.caption, f"{work.caption}, seen from afar"):
        layout.may(url, caption, COPY, "one URL, two captions", group="one url")
    for url in ("", "not a url", "file:///etc/hostname", "http://bad host.localhost/a.jpg"):
        layout.drop(url, f"Malformed: {url or 'empty'}", "malformed", "no URL that can be asked")
