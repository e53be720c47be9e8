"""Who reserves their rights in the newer ways: files of an origin, headers, inside the picture."""

from collections.abc import Iterator
from functools import partial

from jobs.demo.cast import Work
from jobs.demo.layout import Layout

RIGHTS, SHIELDED = "rights.localhost", "shielded.localhost"
ROBOTS = {
    RIGHTS: "User-agent: *\nContent-Usage: /usage/ train-ai=n\nAllow: /\n",
    SHIELDED: "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /\n",
}
TDMREP = '[{"location": "/tdm/", "tdm-reservation": 1}]'
AI_TXT = "User-Agent: *\nDisallow: /portfolio/*.jpg\nAllow: /\n"
PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">'
    "<plus:DataMining>http://ns.useplus.org/ldf/vocab/{}</plus:DataMining>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def rights(layout: Layout, pool: Iterator[Work]) -> None:
    """Hang pictures whose sites, headers or own bytes say what may be done with them."""
    for host, text in ROBOTS.items():
        layout.text(host, "/robots.txt", text)
    layout.text(RIGHTS, "/.well-known/tdmrep.json", TDMREP, kind="application/json")
    layout.text(RIGHTS, "/ai.txt", AI_TXT)
    for path, reason, note in (
        ("/usage/0.jpg", "signal_robots", "Content-Usage in robots.txt"),
        ("/tdm/0.jpg", "signal_well_known", "tdmrep.json"),
        ("/portfolio/0.jpg", "signal_well_known", "ai.txt"),
    ):
        work = next(pool)
        layout.drop(layout.hang(RIGHTS, path, work), work.caption, reason, note)
    work = next(pool)
    url = layout.hang(SHIELDED, "/0.jpg", work)
    layout.drop(url, work.caption, "signal_robots", "Content-Signal in robots.txt")
    for k, header in enumerate((("tdm-reservation", "1"), ("Content-Usage", "train-ai=n"))):
        work = next(pool)
        url = layout.hang(RIGHTS, f"/headers/{k}.jpg", work, headers=(header,))
        layout.drop(url, work.caption, "signal_header", ": ".join(header))
    work = next(pool)
    url = layout.hang(RIGHTS, "/tdm/1.jpg", work, headers=(("tdm-reservation", "0"),))
    layout.keep(url, work.caption, "a header lifts what tdmrep.json reserves")
    for code, kept in (("DMI-PROHIBITED", False), ("DMI-ALLOWED", True)):
        work = next(pool)
        url = layout.hang(RIGHTS, f"/inside/{code}.jpg", work, partial(with_packet, code=code))
        if kept:
            layout.keep(url, work.caption, f"{code} inside the file")
        else:
            layout.drop(url, work.caption, "signal_embedded", f"{code} inside the file")


def with_packet(body: bytes, code: str) -> bytes:
    """Return a JPEG with an XMP packet that says one thing about data mining."""
    segment = b"http://ns.adobe.com/xap/1.0/\0" + PACKET.format(code).encode()
    return body[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + body[2:]
