"""One XMP packet taken apart: what it says about use, rights and origin.

XMP is RDF in XML and lets a property be an element, an attribute or a reference, under any prefix:
names are compared by namespace and local name. A packet may be UTF-8, 16 or 32. Elements are
looked at one after another and none is kept, so that a hostile packet costs no more than its
length. No document type, no entity and nothing outside the packet is read.
Source: XMP specification part 1 section 7 and part 3 section 1.1; facts sections 8, 10 and 11.
"""

import re
import xml.etree.ElementTree as ET  # builds and writes fragments; defusedxml does the parsing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from xml.parsers.expat import ExpatError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from optout.signals.containers.walk import PACKET_BYTES
from optout.signals.signal import excerpt

DEPTH = 128
ELEMENTS = 100_000
FRAGMENTS = 8
RIGHTS = 32
"""Caps on nesting, elements, RSL fragments and rights fields. Beyond the first three a packet
counts as broken; rights fields are provenance, and some are as good as all."""

ELEMENT, ATTRIBUTE, RESOURCE, NESTED, FOREIGN = (
    "element",
    "attribute",
    "resource",
    "nested",  # about a source or a part of the image, as in xmpMM:Pantry
    "foreign",  # a property of this name in a namespace that nobody defined it in
)

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_NODES = frozenset({f"{_RDF}RDF", f"{_RDF}Description"})
_REFERENCES = frozenset({f"{_RDF}resource", f"{_RDF}value", f"{_RDF}about"})
_MINING = "DataMining"
_PLUS = (
    "http://ns.useplus.org/ldf/xmp/1.0/",
    "https://ns.useplus.org/ldf/xmp/1.0/",  # in scripts that are copied widely
    "http://ns.useplus.org/ldf/xmp/1.0",
    "https://ns.useplus.org/ldf/xmp/1.0",
    "http://ns.exiftool.org/XMP/XMP-plus/1.0/",  # RDF that ExifTool prints
    "http://ns.exiftool.ca/XMP/XMP-plus/1.0/",
)
_TDM = (
    "http://www.w3.org/ns/tdmrep/",
    "https://www.w3.org/ns/tdmrep/",
    "http://www.w3.org/ns/tdmrep#",  # as in EPUB
    "https://www.w3.org/ns/tdmrep#",
    "http://www.w3.org/ns/tdmrep",
)
_RSL = frozenset({"{https://rslstandard.org/rsl}rsl", "{http://rslstandard.org/rsl}rsl"})
_SOURCE_TYPE = "DigitalSourceType"
_RIGHTS = "http://ns.adobe.com/xap/1.0/rights/"
_TDM_FIELD = "tdm"

_FIELDS: Mapping[str, str] = {
    **{f"{{{uri}}}{_MINING}": _MINING for uri in _PLUS},
    **{f"{{{uri}}}{name}": _TDM_FIELD for uri in _TDM for name in ("reservation", "reserve_tdm")},
    f"{{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}}{_SOURCE_TYPE}": _SOURCE_TYPE,
    f"{{{_RIGHTS}}}WebStatement": "xmpRights:WebStatement",
    f"{{{_RIGHTS}}}UsageTerms": "xmpRights:UsageTerms",
    f"{{{_RIGHTS}}}Marked": "xmpRights:Marked",
    "{http://creativecommons.org/ns#}license": "cc:license",
    "{http://web.resource.org/cc/}license": "cc:license",  # as SVG editors wrote it
    "{http://purl.org/dc/elements/1.1/}rights": "dc:rights",
    **{f"{{{uri}}}LicensorURL": "plus:LicensorURL" for uri in _PLUS},
    **{f"{{{uri}}}OtherConstraints": "plus:OtherConstraints" for uri in _PLUS},
}

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),  # before the mark of UTF-16, with which it begins
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_END = re.compile(r"<\?xpacket\s+end[^>]{0,64}\?>")


class Statement(NamedTuple):
    """A value as found, where it stood (ELEMENT ... FOREIGN), and the line of the packet."""

    raw: str
    where: str
    line: int


@dataclass(frozen=True, slots=True)
class XmpStatements:
    """What one packet says, in the order of the packet.

    data_mining, tdm: values of plus:DataMining and tdm:reservation.
    rsl: rsl:rsl elements as XML text.
    digital_source_type: last segment of the URI that names how the image came about.
    rights: (field, value), e.g. `xmpRights:WebStatement`; values have at most 512 bytes.
    broken: it does not parse, or is longer or deeper than is read; the rest is what came before.
    """

    data_mining: tuple[Statement, ...] = ()
    tdm: tuple[Statement, ...] = ()
    rsl: tuple[str, ...] = ()
    digital_source_type: str | None = None
    rights: tuple[tuple[str, str], ...] = ()
    broken: bool = False


class _TooMuchError(ValueError):
    """More of something than is read."""


@lru_cache(maxsize=8)
def read(packet: bytes) -> XmpStatements:
    """Return what a packet says; any bytes are answered. The last 8 packets are remembered."""
    if len(packet) > PACKET_BYTES:
        return XmpStatements(broken=True)
    target = _Target()
    parser: Any = XMLParser(target=target, forbid_dtd=True)
    target.parser = parser.parser
    broken = False
    try:
        parser.feed(text_of(packet))
        parser.close()
    except (ET.ParseError, ExpatError, DefusedXmlException, ValueError):
        broken = True
    finally:
        target.parser = None  # a cycle, which would keep the parser until it is looked for
    return target.statements(broken=broken)


def text_of(packet: bytes) -> str:
    """Return a packet as text, without what pads it; octets that are no text are replaced.

    The encoding is that of the byte order mark, else of the first `<`, else UTF-8.
    """
    encoding = "utf-8"
    for mark, name in _BOMS:
        if packet.startswith(mark):
            encoding = name
            break
    text = packet.decode(encoding, "replace")
    end = _END.search(text)
    stop = end.end() if end else text.rfind(">") + 1
    return text[max(text.find("<"), 0) : stop]


class _Open(NamedTuple):
    """A property whose value may follow: field, place, and the depth of its element."""

    field: str
    where: str
    depth: int
    line: int


class _Target:
    """Receives the elements of a packet from the parser and notes what is of interest."""

    def __init__(self) -> None:
        self.parser: Any = None
        self._mining: list[Statement] = []
        self._tdm: list[Statement] = []
        self._rsl: list[str] = []
        self._rights: list[tuple[str, str]] = []
        self._source_type: str | None = None
        self._elements = 0
        self._plain: list[bool] = []  # of each open element: a node, or outside of RDF
        self._properties = 0  # open elements that are not
        self._in_rdf = False
        self._open: list[_Open] = []
        self._text: list[str] = []
        self._fragment: ET.TreeBuilder | None = None
        self._fragment_depth = 0

    def statements(self, *, broken: bool) -> XmpStatements:
        return XmpStatements(
            tuple(self._mining),
            tuple(self._tdm),
            tuple(self._rsl),
            self._source_type,
            tuple(self._rights),
            broken,
        )

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._flush()
        self._elements += 1
        if self._elements > ELEMENTS or len(self._plain) == DEPTH:
            raise _TooMuchError
        line = self.parser.CurrentLineNumber
        self._in_rdf = self._in_rdf or tag == f"{_RDF}RDF"
        plain = tag in _NODES or not self._in_rdf
        own = self._properties == 0
        self._plain.append(plain)
        self._properties += not plain
        field = _field(tag)
        if field:
            self._open.append(_Open(field, _where(tag, ELEMENT, own=own), len(self._plain), line))
        for name, value in attributes.items():
            said = _field(name)
            if said:
                self._note(said, value, _where(name, ATTRIBUTE, own=own and plain), line)
            elif self._open and name in _REFERENCES:
                inner = self._open[-1]
                where = RESOURCE if inner.where == ELEMENT else inner.where
                self._note(inner.field, value, where, line)
        if self._fragment is None and tag in _RSL:
            if len(self._rsl) == FRAGMENTS:
                raise _TooMuchError
            self._fragment, self._fragment_depth = ET.TreeBuilder(), len(self._plain)
        if self._fragment is not None:
            self._fragment.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._flush()
        depth = len(self._plain)
        if self._open and self._open[-1].depth == depth:
            self._open.pop()
        if self._fragment is not None:
            self._fragment.end(tag)
            if self._fragment_depth == depth:
                self._rsl.append(ET.tostring(self._fragment.close(), encoding="unicode"))
                self._fragment = None
        self._properties -= not self._plain.pop()

    def data(self, text: str) -> None:
        if self._open:
            self._text.append(text)
        if self._fragment is not None:
            self._fragment.data(text)

    def close(self) -> None:
        """Do what a target must have; all was noted on the way."""

    def _flush(self) -> None:
        """Note the text between two tags as a value of the innermost property."""
        if self._text:
            value = "".join(self._text).strip()
            self._text.clear()
            if value:
                inner = self._open[-1]
                self._note(inner.field, value, inner.where, inner.line)

    def _note(self, field: str, value: str, where: str, line: int) -> None:
        value = value.strip()
        if not value:
            return
        if field == _MINING:
            self._mining.append(Statement(value, where, line))
        elif field == _TDM_FIELD:
            self._tdm.append(Statement(value, where, line))
        elif field == _SOURCE_TYPE:
            segment = value.rstrip("/").rpartition("/")[2]
            if self._source_type is None and where not in (NESTED, FOREIGN):
                self._source_type = excerpt(segment)
        elif len(self._rights) < RIGHTS:
            self._rights.append((field, excerpt(value)))


def _field(tag: str) -> str | None:
    field = _FIELDS.get(tag)
    if field is None and tag.endswith(_MINING) and tag.rpartition("}")[2] == _MINING:
        return _MINING
    return field


def _where(tag: str, where: str, *, own: bool) -> str:
    if tag not in _FIELDS:
        return FOREIGN
    return where if own else NESTED
