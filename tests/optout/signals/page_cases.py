"""Pages with what they say about the images on them, in the default profile for agent ArtBot.

`head` is the inside of `<head>`; `html` is the page, for those that want it served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.verdict import Channel, Say

ROBOTS, TDM, LICENSE = Channel.PAGE_ROBOTS, Channel.PAGE_TDM, Channel.PAGE_LICENSE
DENY, ALLOW, ERROR = Say.DENY, Say.ALLOW, Say.ERROR
SILENT: Mapping[Channel, Say] = MappingProxyType({})
NOAI = MappingProxyType({ROBOTS: DENY})


@dataclass(frozen=True)
class Case:
    """A page and what its channels say about train-gen; channels that are missing are silent."""

    name: str
    head: str
    says: Mapping[Channel, Say]
    note: str = ""
    body: str = "<p>Pictures.</p>"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def html(self) -> str:
        """The whole page."""
        return f"<!doctype html><html><head>{self.head}</head><body>{self.body}</body></html>"


def meta(content: str, name: str = "robots") -> str:
    return f'<meta name="{name}" content="{content}">'


def rsl(terms: str, url: str = "/") -> str:
    return (
        '<script type="application/rsl+xml"><rsl xmlns="https://rslstandard.org/rsl">'
        f'<content url="{url}"><license>{terms}</license></content></rsl></script>'
    )


PROHIBITED = '<prohibits type="usage">ai-all</prohibits>'
PERMITTED = '<permits type="usage">all</permits>'

CASES = [
    Case("as DeviantArt has it", meta("noai, noimageai"), NOAI),
    Case("noimageai", meta("noimageai"), NOAI),
    Case("upper case", '<META NAME=" Robots" CONTENT="NoAI">', NOAI),
    Case("noml", meta("noml"), NOAI, "noml"),
    Case("our token", meta("noai", "ArtBot"), NOAI),
    Case("everybody", meta("noai", "*"), NOAI),
    Case("another robot", meta("noai", "OtherBot"), SILENT),
    Case("several sum negatively", meta("all") + meta("noai") + meta("index"), NOAI),
    Case("ours allows, all deny", meta("noai") + meta("all", "artbot"), NOAI),
    Case("noindex of a page", meta("noindex, nofollow"), SILENT),
    Case("noimageindex", meta("noimageindex"), NOAI, "index-token"),
    Case("none", meta("none"), NOAI, "index-token"),
    Case("values with colons", meta("max-snippet:-1, max-image-preview:large, noai"), NOAI),
    Case("a description", meta("none of it is noai", "description"), SILENT),
    Case("entities", meta("&#110;oai"), NOAI),
    Case("in noscript", f"<noscript>{meta('noai')}</noscript>", NOAI),
    Case("in a comment", f"<!-- {meta('noai')} -->", SILENT),
    Case("in a template", f"<template>{meta('noai')}</template>", SILENT),
    Case("in the body", "", SILENT, body=meta("noai")),
    Case("after what no head holds", f"<div>{meta('noai')}</div>", SILENT),
    Case("http-equiv", '<meta http-equiv="content-usage" content="train-ai=n">', SILENT),
    Case("header of the page", "", NOAI, "page header", headers=(("X-Robots-Tag", "noai"),)),
    Case("noindex header of the page", "", SILENT, headers=(("X-Robots-Tag", "noindex"),)),
    Case("header for another robot", "", SILENT, headers=(("X-Robots-Tag", "other: noai"),)),
    Case("reserved", meta("1", "tdm-reservation"), MappingProxyType({TDM: DENY})),
    Case("not reserved", meta("0", "TDM-Reservation"), MappingProxyType({TDM: ALLOW})),
    Case(
        "reserved by the page's header",
        "",
        MappingProxyType({TDM: DENY}),
        "page header",
        headers=(("TDM-Reservation", "1"),),
    ),
    Case(
        "meta stands before the header",
        meta("0", "tdm-reservation"),
        MappingProxyType({TDM: ALLOW}),
        headers=(("tdm-reservation", "1"),),
    ),
    Case("inline licence", rsl(PROHIBITED), MappingProxyType({LICENSE: DENY})),
    Case("inline permission", rsl(PERMITTED), MappingProxyType({LICENSE: ALLOW})),
    Case("inline licence in the body", "", MappingProxyType({LICENSE: DENY}), body=rsl(PROHIBITED)),
    Case(
        "the strictest of two",
        rsl(PERMITTED) + rsl(PROHIBITED, "/elsewhere/"),
        MappingProxyType({LICENSE: DENY}),
    ),
    Case(
        "inline licence that cannot be read",
        '<script type="application/rsl+xml"><rsl></script>',
        MappingProxyType({LICENSE: DENY}),
        "unreadable licence",
    ),
    Case("other script", "<script>var noai = 1</script>", SILENT),
]
