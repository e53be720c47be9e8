"""X-Robots-Tag lines with the answer that we expect, and what img2dataset 1.47 makes of them.

The rows with `why` make the second table in docs/signals.md.
"""

from dataclasses import dataclass

from schemas.verdict import Say


@dataclass(frozen=True)
class Case:
    """Header lines and the say about train-gen. `why`: empty where img2dataset agrees."""

    name: str
    lines: tuple[str, ...]
    say: Say
    agent: str = "ArtBot"
    note: str = ""
    why: str = ""


DENY, SILENT = Say.DENY, Say.SILENT
INDEX = "index-token"
_FIRST_COLON = "recuse: img2dataset takes all before the first colon for a robot's name"

CASES = [
    Case("H01", ("noai",), DENY),
    Case("H02", ("NoAI",), DENY),
    Case("H03", ("max-snippet:-1, max-image-preview:large, noai",), DENY, why=_FIRST_COLON),
    Case("H04", ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai",), DENY, why=_FIRST_COLON),
    Case(
        "H04 commas in the date",
        ("unavailable_after: Tuesday, 25-Jun-30 15:00:00 GMT, noai",),
        DENY,
        why=_FIRST_COLON,
    ),
    Case("H05", ("noai, otherbot: nofollow",), DENY, why=_FIRST_COLON),
    Case("H06", ("otherbot: noindex, noai",), SILENT),
    Case("H06 value directive in scope", ("otherbot: max-snippet: 5, noai",), SILENT),
    Case(
        "H07",
        ("ArtBot: noai",),
        DENY,
        why="recuse: names have no case; img2dataset lowers the header but not its own token",
    ),
    Case("H08", ("artbot : noai",), DENY, why="recuse: space before the colon means nothing"),
    Case("H09", ("index", "noai"), DENY),
    Case("H09 scope ends with its line", ("otherbot: nofollow", "noai"), DENY),
    Case("H10", ("noml",), DENY, note="noml", why="recuse: img2dataset does not know noml"),
    Case("H11", ("none",), DENY, note=INDEX, why="recuse: none is noindex and nofollow together"),
    Case("H12", ("noai;",), DENY, why="recuse: a semicolon separates too"),
    Case("noimageai", ("noimageai",), DENY),
    Case("noindex", ("noindex",), DENY, note=INDEX),
    Case("noimageindex", ("nofollow, NoImageIndex",), DENY, note=INDEX),
    Case("ai before index", ("noindex, noai",), DENY),
    Case("nothing about use", ("nofollow, noarchive, nosnippet",), SILENT),
    Case("empty", ("",), SILENT),
    Case("all", ("all",), SILENT),
    Case(
        "scope mid-list",
        ("nofollow, artbot: noai",),
        DENY,
        agent="artbot",
        why=_FIRST_COLON,
    ),
    Case(
        "scope changes mid-list",
        ("otherbot: noarchive, artbot: noai",),
        DENY,
        agent="artbot",
        why=_FIRST_COLON,
    ),
    Case("everybody", ("*: noai",), DENY, why="recuse: * is everybody"),
    Case("robots", ("robots: noai",), DENY, why="recuse: robots is everybody, as in the meta tag"),
    Case("version", ("ArtBot/2.1: noai",), DENY, why="recuse: the token ends before the slash"),
    Case("no commas", ("noai noimageai",), DENY, why="recuse: a refusal without its comma is one"),
    Case("colon after the word", ("noai:",), DENY, why=_FIRST_COLON),
    Case("part of a word", ("noaix, xnoai",), SILENT),
]
