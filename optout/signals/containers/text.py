"""SVG and XML, which are read whole, and a search for packets in bytes of no known container.

Source: SVG 2 section 5.8 (metadata); XMP specification part 3 section 1.2 (packet scanning).
"""

import re

from optout.signals.containers.walk import PACKET_BYTES, PACKETS, Walk

GZIP_MAGIC = b"\x1f\x8b\x08"

SCAN_BYTES = 64 * 2**20
"""How far bytes of no known container are searched."""

_HEAD_BYTES = 4096
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BEGINNINGS = (
    b"<?xml",
    b"<?xpacket",
    b"<svg",
    b"<x:xmpmeta",
    b"<rdf:rdf",
    b"<!doctype svg",
    b"<!--",
)
_MARKS = (
    (b"<x:xmpmeta", b"</x:xmpmeta>"),
    (b"<x:xapmeta", b"</x:xapmeta>"),
    (b"<rdf:RDF", b"</rdf:RDF>"),
)
_OF_INTEREST = (b"22-rdf-syntax-ns#", b"rslstandard.org/rsl", b"DataMining")
_PLAIN_DOCTYPE = re.compile(rb"<!DOCTYPE[^<>\[]{0,512}>")


def is_xml(body: bytes) -> bool:
    """Say whether bytes begin like XML that could be an image or a packet."""
    head = body[:_HEAD_BYTES]
    for bom in _BOMS:
        head = head.removeprefix(bom)
    head = head.replace(b"\0", b"").lstrip().lower()  # UTF-16 and 32 too
    return head.startswith(_BEGINNINGS)


def walk(body: bytes, container: str = "svg") -> Walk:
    """Return the document as one packet, where it speaks of what packets speak of.

    A longer document (pixels may stand in it as Base64) is searched instead. A document type
    without declarations is left out: every editor writes one, and no parser of ours takes any.
    """
    if len(body) > PACKET_BYTES:
        return scan(body, container)
    found = Walk(container)
    if b"\0" in body[:4] or any(mark in body for mark in _OF_INTEREST):
        found.add(_PLAIN_DOCTYPE.sub(b"", body, count=1))
    return found


def walk_gzip(body: bytes) -> Walk:
    """Return the packets of an SVG in gzip; none of anything else in gzip."""
    found = Walk("svgz")
    document = found.inflated(body, "document")
    if not is_xml(document):
        found.faults.clear()  # whatever it is, it is no image
        return found
    inner = walk(document[:PACKET_BYTES], found.container)
    inner.faults = [*found.faults, *inner.faults]
    return inner


def scan(body: bytes, container: str = "unknown") -> Walk:
    """Return what stands between the marks of packets; RDF on its own only where there is none."""
    found = Walk(container)
    for begin, finish in _MARKS:
        if found.packets:
            break
        at = body.find(begin, 0, SCAN_BYTES)
        for _ in range(PACKETS):
            if at < 0:
                break
            stop = body.find(finish, at, SCAN_BYTES)
            if stop < 0:
                found.fault("packet has no end")
                found.add(body[at : min(at + PACKET_BYTES, SCAN_BYTES)])
                break
            found.add(body[at : stop + len(finish)])
            at = body.find(begin, stop, SCAN_BYTES)
    return found
