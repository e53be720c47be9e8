"""X-Robots-Tag lines with the answer that we expect, and why others answer otherwise.

The rows with a reason make the table of X-Robots-Tag in docs/signals.md.
"""

from dataclasses import dataclass

from schemas.verdict import Say


@dataclass(frozen=True)
class Case:
    """Header lines and the say about train-gen.

    why, datadiligence: who is right, and why, where img2dataset 1.47 or datadiligence 0.1.7 (both
    with their own defaults) answers otherwise; empty where it agrees.
    """

    name: str
    lines: tuple[str, ...]
    say: Say
    agent: str = "ArtBot"
    note: str = ""
    why: str = ""
    datadiligence: str = ""


DENY, SILENT = Say.DENY, Say.SILENT
INDEX = "index-token"
_FIRST_COLON = "recuse: img2dataset takes all before the first colon for a robot's name"
_CASE = "recuse: names and values have no case"
_SCOPE = "recuse: datadiligence does not carry a robot's name on to the directives after it"
_SEARCH = (
    "both: the token speaks about search; datadiligence honours it where `respect_noindex` is set"
)
_NOML = "recuse: noml refuses training, and neither knows it"
_SEMICOLON = "recuse: a semicolon separates too"
_EVERYBODY = "recuse: * is everybody"
_ROBOTS = "recuse: robots is everybody, as in the meta tag"
_VERSION = "recuse: the token ends before the slash"
_NO_COMMA = "recuse: a refusal without its comma is one"
_COLON = "recuse: a word that is a directive names no robot"

CASES = [
    Case("H01", ("noai",), DENY),
    Case("H02", ("NoAI",), DENY, datadiligence=_CASE),
    Case("H03", ("max-snippet:-1, max-image-preview:large, noai",), DENY, why=_FIRST_COLON),
    Case("H04", ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai",), DENY, why=_FIRST_COLON),
    Case(
        "H04 commas in the date",
        ("unavailable_after: Tuesday, 25-Jun-30 15:00:00 GMT, noai",),
        DENY,
        why=_FIRST_COLON,
    ),
    Case("H05", ("noai, otherbot: nofollow",), DENY, why=_FIRST_COLON),
    Case("H06", ("otherbot: noindex, noai",), SILENT, datadiligence=_SCOPE),
    Case(
        "H06 value directive in scope",
        ("otherbot: max-snippet: 5, noai",),
        SILENT,
        datadiligence=_SCOPE,
    ),
    Case("H07", ("ArtBot: noai",), DENY),
    Case(
        "H08",
        ("artbot : noai",),
        DENY,
        why="recuse: space before the colon means nothing",
        datadiligence=_CASE,
    ),
    Case("H09", ("index", "noai"), DENY),
    Case("H09 scope ends with its line", ("otherbot: nofollow", "noai"), DENY),
    Case("H10", ("noml",), DENY, note="noml", why=_NOML, datadiligence=_NOML),
    Case(
        "H11",
        ("none",),
        DENY,
        note=INDEX,
        why="recuse: none is noindex and nofollow together",
        datadiligence=_SEARCH,
    ),
    Case("H12", ("noai;",), DENY, why=_SEMICOLON, datadiligence=_SEMICOLON),
    Case("noimageai", ("noimageai",), DENY),
    Case("noindex", ("noindex",), DENY, note=INDEX, datadiligence=_SEARCH),
    Case(
        "noimageindex",
        ("nofollow, NoImageIndex",),
        DENY,
        note=INDEX,
        datadiligence=_CASE + "; and search tokens count for it only with `respect_noindex`",
    ),
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
    Case("everybody", ("*: noai",), DENY, why=_EVERYBODY, datadiligence=_EVERYBODY),
    Case("robots", ("robots: noai",), DENY, why=_ROBOTS, datadiligence=_ROBOTS),
    Case("version", ("ArtBot/2.1: noai",), DENY, why=_VERSION, datadiligence=_VERSION),
    Case("no commas", ("noai noimageai",), DENY, why=_NO_COMMA, datadiligence=_NO_COMMA),
    Case("colon after the word", ("noai:",), DENY, why=_COLON, datadiligence=_COLON),
    Case("part of a word", ("noaix, xnoai",), SILENT),
]
