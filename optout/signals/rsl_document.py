"""RSL documents taken apart: contents with their licences, nothing judged.

    rsl > content[@url, @server, @encrypted] > license > permits | prohibits | payment | reporting

Elements are known by their local name, in RSL's namespace or in none; others are no business of
ours. There is no DTD and no entity, whatever it declares. A document is small: MAX_BYTES is what a
fetcher keeps of one, MAX_DEPTH is ten times what the format needs.
Source: facts section 10 (RSL 1.0; commas and other words of 0.9 as legacy).
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from schemas.errors import SignalError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 40
MEDIA_TYPE = "application/rsl+xml"
PERMITS, PROHIBITS, PAYMENT, REPORTING = "permits", "prohibits", "payment", "reporting"
USAGE = "usage"

LEGACY = {"train-ai": "ai-train", "inference": "ai-input"}
"""Words that drafts and guides used, and what they are called now."""

_TERMS = frozenset({PERMITS, PROHIBITS, PAYMENT, REPORTING})
_NAMESPACE = re.compile(r"(?:https?://(?:www\.)?rslstandard\.org/rsl/?)?")
_WORDS = re.compile(r"[\s,]+")
_SPACE = " \t\r\n\ufeff"


class Term(NamedTuple):
    """One permits, prohibits, payment or reporting element.

    type: lower case, empty where it has none. words: lower case and in today's terms; for payment
    the words of its type. legacy: whether they were written otherwise. line: from 1.
    """

    kind: str
    type: str
    words: tuple[str, ...]
    legacy: bool
    line: int
    raw: str


class Content(NamedTuple):
    """One content element. url: as written, empty where it has none. licences: terms of each."""

    url: str
    server: bool
    encrypted: bool
    licences: tuple[tuple[Term, ...], ...]
    line: int
    raw: str


def read(xml: bytes | str) -> tuple[Content, ...]:
    """Return the contents of a document, at least one.

    xml: bytes as sent, in the encoding that they declare; or text, whose declaration is ignored.
    Raises SignalError where it is too large or deep, is not well-formed, has a DTD, is not RSL or
    has no content.
    """
    root = _parsed(xml)
    if root.name != "rsl":
        raise SignalError(f"expected an RSL document, found <{root.name:.80}> at line {root.line}")
    contents = tuple(_content(node) for node in root.children if node.name == "content")
    if not contents:
        raise SignalError("expected an RSL document with a content, found none")
    return contents


@dataclass(slots=True)
class _Node:
    name: str  # local, lower case; empty in a namespace that is not RSL's
    attributes: dict[str, str]
    line: int
    parts: list[str] = field(default_factory=list)
    children: "list[_Node]" = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts)


class _Tree:
    """Builds nodes from what the XML parser reports."""

    def __init__(self) -> None:
        self.parser: DefusedXMLParser | None = None
        self.document = _Node("", {}, 0)
        self._open = [self.document]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise SignalError(f"expected at most {MAX_DEPTH} elements in one another")
        expat = getattr(self.parser, "parser", None)  # the only one who knows the line
        line = getattr(expat, "CurrentLineNumber", 0)
        plain = {_local(name): value for name, value in attributes.items()}
        node = _Node(_own(tag), plain, line)
        self._open[-1].children.append(node)
        self._open.append(node)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].parts.append(text)

    def close(self) -> None:
        """Do nothing: the parser asks for it, and knows whether the document is whole."""


def _parsed(xml: bytes | str) -> _Node:
    body = xml.strip(_SPACE).encode("utf-8", "replace") if isinstance(xml, str) else xml
    if len(body) > MAX_BYTES:
        raise SignalError(f"expected at most {MAX_BYTES} bytes of RSL, found {len(body)}")
    tree = _Tree()
    parser = DefusedXMLParser(
        target=tree, encoding="utf-8" if isinstance(xml, str) else None, forbid_dtd=True
    )
    tree.parser = parser
    try:
        parser.feed(body.lstrip(b" \t\r\n"))
        parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as e:
        # The last two: an encoding that the XML parser or Python does not know.
        raise SignalError(f"expected RSL as well-formed XML without a DTD: {e!r:.200}") from e
    return tree.document.children[0]


def _local(name: str) -> str:
    return name.rpartition("}")[2].lower()


def _own(tag: str) -> str:
    namespace, brace, name = tag.removeprefix("{").rpartition("}")
    return name.lower() if not brace or _NAMESPACE.fullmatch(namespace) else ""


def _content(node: _Node) -> Content:
    url = node.attributes.get("url", "").strip()
    return Content(
        url=url,
        server="server" in node.attributes,  # even an empty one: rights are not read into a slip
        encrypted=node.attributes.get("encrypted", "").strip().lower() not in {"", "false", "0"},
        licences=tuple(
            tuple(_term(child) for child in licence.children if child.name in _TERMS)
            for licence in node.children
            if licence.name == "license"
        ),
        line=node.line,
        raw=f'<content url="{url}">',
    )


def _term(node: _Node) -> Term:
    kind = " ".join(node.attributes.get("type", "").lower().split())
    written = kind if node.name == PAYMENT else node.text.lower()
    words = tuple(word for word in _WORDS.split(written) if word)
    shown = " ".join(node.text.split())
    return Term(
        kind=node.name,
        type=kind,
        words=tuple(LEGACY.get(word, word) for word in words),
        legacy=node.name != PAYMENT and ("," in written or any(word in LEGACY for word in words)),
        line=node.line,
        raw=f'<{node.name} type="{kind}">{shown}</{node.name}>',
    )
