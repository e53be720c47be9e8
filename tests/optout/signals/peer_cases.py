"""Sites that reserve an image through one signal each, for whoever says that they honour it.

A row is a signal; its vectors are sites with `/a.jpg`. `reserved` is what a site says about that
image for training a generative model: a few of them address somebody else.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.optout.signals.c2pa_files import picture, signed
from tests.optout.signals.sites import ORIGIN, Page
from tests.optout.signals.xmp_files import FILES, VOCABULARY, jpeg, mining, packet

JPEG = ("Content-Type", "image/jpeg")
PLAIN = picture()
TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
         "tiff": "image/tiff", "avif": "image/avif", "heic": "image/heic", "jxl": "image/jxl",
         "jp2": "image/jp2", "svg": "image/svg+xml", "svgz": "image/svg+xml"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Vector:
    """One site.

    page: of an image that stands in one. listed, declared: what lists of others say about an
    address, as a function of it.
    """

    name: str
    routes: Mapping[str, Page]
    reserved: bool = True
    page: str | None = None
    listed: Callable[[str], bytes] | None = None
    declared: Callable[[str], bytes] | None = None


@dataclass(frozen=True, eq=False)
class Probe:
    """A signal, and the sites on which it is tried. `recorded`: kept as provenance, not judged."""

    signal: str
    vectors: tuple[Vector, ...]
    recorded: bool = False


def sent(name: str, *headers: tuple[str, str], reserved: bool = True, **files: Page) -> Vector:
    """Return a site that sends the image with headers. files: robots, rsl."""
    paths = {"robots": "/robots.txt", "rsl": "/rsl.xml"}
    routes = {"/a.jpg": Page(PLAIN, (JPEG, *headers))}
    return Vector(name, routes | {paths[n]: p for n, p in files.items()}, reserved)


def beside(path: str, *texts: str | bytes, reserved: bool = True) -> tuple[Vector, ...]:
    """Return sites with one more file each."""
    bodies = [text.encode() if isinstance(text, str) else text for text in texts]
    image = {"/a.jpg": Page(PLAIN, (JPEG,))}
    return tuple(Vector(repr(body[:40]), image | {path: Page(body)}, reserved) for body in bodies)


def shown(head: str, *, rsl: Page | None = None) -> Vector:
    """Return a site whose page shows the image and says something in its head."""
    html = f"<!doctype html><head>{head}</head><img src=/a.jpg>".encode()
    page = Page(html, (("Content-Type", "text/html"),))
    routes = {"/a.jpg": Page(PLAIN, (JPEG,)), "/a.html": page}
    return Vector(head, routes | ({} if rsl is None else {"/rsl.xml": rsl}), page="/a.html")


def holding(name: str, body: bytes, container: str = "jpeg", *, reserved: bool = True) -> Vector:
    """Return a site whose image says something itself."""
    kind = TYPES.get(container, "application/octet-stream")
    return Vector(name, {"/a.jpg": Page(body, (("Content-Type", kind),))}, reserved)


def tagged(*lines: str, reserved: bool = True) -> Vector:
    return sent(" / ".join(lines), *(("X-Robots-Tag", line) for line in lines), reserved=reserved)


def robots(*lines: str, agent: str = "*") -> str:
    return "\n".join([f"User-agent: {agent}", *lines, ""])


def training_mining(prefix: str) -> tuple[Vector, ...]:
    """Return images with a training-mining assertion, one in each form."""

    def with_entry(key: str, use: str) -> bytes:
        content: dict[str, Any] = {"entries": {f"{prefix}.{key}": {"use": use}}}
        return signed(PLAIN, [(f"{prefix}.training-mining", content)])

    denied = with_entry("ai_generative_training", "notAllowed")
    return (
        holding("notAllowed", denied),
        holding("data_mining", with_entry("data_mining", "notAllowed")),
        holding("constrained", with_entry("ai_generative_training", "constrained")),
        holding("inherited from its parent", signed(PLAIN, parent=denied)),
        holding("allowed", with_entry("ai_generative_training", "allowed"), reserved=False),
    )


def opted_out(url: str) -> bytes:
    return json.dumps({"urls": [{"url": url, "optOut": True}]}).encode()


def not_opted_out(url: str) -> bytes:
    return json.dumps({"urls": [{"url": url, "optOut": False}]}).encode()


def not_answered(_: str) -> bytes:
    return b'{"urls": []}'


def declaration(url: str) -> bytes:
    return json.dumps({"url": url, "tdm-reservation": 1}).encode()


IMAGE = {"/a.jpg": Page(PLAIN, (JPEG,))}
RESERVED = '[{"location": "/", "tdm-reservation": 1}]'
RSL = Page(
    b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license>'
    b'<prohibits type="usage">ai-all</prohibits></license></content></rsl>'
)
LINK = '</rsl.xml>; rel="license"; type="application/rsl+xml"'
LICENSED = Page(robots("Allow: /", f"License: {ORIGIN}/rsl.xml").encode())
CC = packet(
    '<cc:license xmlns:cc="http://creativecommons.org/ns#" '
    'rdf:resource="https://creativecommons.org/licenses/by-nc-nd/4.0/"/>'
)

PROBES = (
    Probe(
        "robots.txt: `Allow`, `Disallow`",
        (
            *beside("/robots.txt", robots("Disallow: /"), robots("Disallow: /a", agent="ArtBot")),
            *beside("/robots.txt", robots("Disallow: /", agent="OtherBot"), reserved=False),
            Vector("status 503", IMAGE | {"/robots.txt": Page(status=503)}),
        ),
    ),
    Probe(
        "robots.txt: tokens of training crawlers",
        beside("/robots.txt", *(robots("Disallow: /", agent=a) for a in ("CCBot", "GPTBot"))),
    ),
    Probe(
        "Content-Signal, in robots.txt and as a header",
        (
            *beside(
                "/robots.txt",
                robots("Allow: /", "Content-Signal: search=yes, ai-train=no"),
                robots("Allow: /", "Content-signal: use=immediate"),
            ),
            sent("header", ("Content-Signal", "ai-train=no")),
        ),
    ),
    Probe(
        "Content-Usage header (AIPREF)",
        (
            sent("train-ai", ("Content-Usage", "train-ai=n")),
            sent("parameter", ("Content-Usage", "search=y, train-ai=n;exceptions=cc-cr")),
        ),
    ),
    Probe(
        "Content-Usage header: labels of older drafts",
        tuple(sent(x, ("Content-Usage", x)) for x in ("genai=n", "all=n", "bots=n")),
    ),
    Probe(
        "Content-Usage in robots.txt (AIPREF)",
        beside(
            "/robots.txt",
            robots("Allow: /", "Content-Usage: train-ai=n"),
            robots("Allow: /", "Content-Usage: train-ai=y", "Content-Usage: /a train-ai=n"),
        ),
    ),
    Probe(
        "X-Robots-Tag: `noai`, `noimageai`",
        (
            tagged("noai"),
            tagged("NoImageAI"),
            tagged("index", "noai"),
            tagged("max-snippet:-1, noai"),
            tagged("nofollow", reserved=False),
        ),
    ),
    Probe(
        "X-Robots-Tag: `noindex`, `noimageindex`",
        (
            tagged("noindex"),
            tagged("noimageindex"),
            tagged("nofollow, NoIndex"),
            tagged("max-image-preview:large, noimageindex"),
            tagged("index, follow", reserved=False),
        ),
    ),
    Probe("X-Robots-Tag: `noml`, `none`", (tagged("noml"), tagged("none"))),
    Probe(
        "X-Robots-Tag for one robot",
        (
            tagged("ArtBot: noai"),
            tagged("artbot: noai"),
            tagged("nofollow, artbot: noai"),
            tagged("otherbot: noai", reserved=False),
            tagged("otherbot: noindex, noai", reserved=False),
        ),
    ),
    Probe(
        "meta robots of the page",
        tuple(shown(f'<meta name="robots" content="{c}">') for c in ("noai", "noimageai, noml")),
    ),
    Probe(
        "TDMRep header",
        (
            sent("1", ("tdm-reservation", "1")),
            sent("1, 1", ("TDM-Reservation", "1, 1")),
            sent("0 and 1", ("tdm-reservation", "0"), ("tdm-reservation", "1")),
            sent("0", ("tdm-reservation", "0"), reserved=False),
        ),
    ),
    Probe(
        "`tdmrep.json`",
        (
            *beside("/.well-known/tdmrep.json", RESERVED, RESERVED.replace("1", '"1"')),
            *beside("/.well-known/tdmrep.json", RESERVED.replace("1", "0"), reserved=False),
            Vector("status 503", IMAGE | {"/.well-known/tdmrep.json": Page(status=503)}),
        ),
    ),
    Probe("TDMRep in meta of the page", (shown('<meta name="tdm-reservation" content="1">'),)),
    Probe(
        "`ai.txt`",
        (
            *beside("/ai.txt", robots("Disallow: *.jpg"), robots("Disallow: /")),
            *beside("/ai.txt", robots("Disallow: *.png", "Allow: /"), reserved=False),
        ),
    ),
    Probe("`trust.txt`", beside("/trust.txt", "datatrainingallowed=no\n")),
    Probe(
        "IPTC/PLUS data mining in XMP",
        (
            *(
                holding(name, file.build(mining(f"{VOCABULARY}DMI-PROHIBITED")), file.container)
                for name, file in FILES.items()
            ),
            holding("DMI-ALLOWED", jpeg(mining(f"{VOCABULARY}DMI-ALLOWED")), reserved=False),
        ),
    ),
    Probe("`c2pa.training-mining`", training_mining("c2pa")),
    Probe("`cawg.training-mining`", training_mining("cawg")),
    Probe(
        "RSL: robots.txt, `Link`, page",
        (
            sent("robots", robots=LICENSED, rsl=RSL),
            sent("link", ("Link", LINK), rsl=RSL),
            sent("gone", ("Link", LINK)),
            shown('<link rel="license" type="application/rsl+xml" href="/rsl.xml">', rsl=RSL),
        ),
    ),
    Probe("licence fields in the file (CC, IPTC)", (holding("CC", jpeg(CC)),), recorded=True),
    Probe(
        "declarations (TDM-AI), by address",
        (Vector("declared", IMAGE, declared=declaration),),
    ),
    Probe(
        "Spawning's list",
        (
            Vector("opted out", IMAGE, listed=opted_out),
            Vector("not opted out", IMAGE, listed=not_opted_out, reserved=False),
            Vector("not answered", IMAGE, listed=not_answered),
        ),
    ),
)
"""Rows of the table of peers in docs/signals.md."""

UNRESERVED = sent("no signal at all", reserved=False)
