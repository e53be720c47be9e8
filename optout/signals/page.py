"""Pages: what the HTML around an image says about it, through the tags that bear signals.

The tags are taken out once (`extract`, or optout.signals.wat from Common Crawl's metadata); they
are the evidence, since HTML is not kept, and `of_page` reads them as often as somebody asks.

    page:robots    <meta name="robots | our token" content="noai">, X-Robots-Tag of the page
    page:tdm       <meta name="tdm-reservation" content="1">, else the header of that name
    page:license   <script type="application/rsl+xml">; linked licences are the caller's to ask for

Only `<head>` is trusted for meta: what stands in the body may be a visitor's words.
Source: facts sections 7 and 10; section 11 for licences that are no opt-out.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from types import MappingProxyType

from selectolax.lexbor import LexborHTMLParser

from optout.signals import link_header, rsl, tdmrep, x_robots
from optout.signals.link_header import LICENSE, absolute, is_rsl
from optout.signals.page_tags import LINK, READ_BYTES, ROBOT_NAME, TDM, PageTags, gather, joined
from optout.signals.profiles import Profile
from optout.signals.signal import Signal
from optout.signals.training_tokens import tokens_for
from schemas.verdict import Channel

__all__ = ["CHANNELS", "PageTags", "extract", "licences", "of_page", "rsl_links"]

CHANNELS = (Channel.PAGE_ROBOTS, Channel.PAGE_TDM, Channel.PAGE_LICENSE)

MAX_MARKUP = 8192
"""Tags read of a page: the parser's time grows by the square of those within one another."""

FIELD = "html:license"
"""Under which field the provenance of a licence from a page stands."""

_PAGE_HEADER = "page header"

# --- taking them out


def extract(html: bytes | str, *, headers: Iterable[tuple[str, str]] = ()) -> PageTags:
    """Return the tags of a page that bear signals. Any bytes or text have an answer.

    html: as it came; bytes are read by their byte order mark, else the charset that a meta names,
    else as UTF-8. headers: of the page's own response; those that bear signals are kept.
    """
    markup, cut = _markup(html)
    page = LexborHTMLParser(markup)
    based = page.css_first("base[href]")
    base = (based.attributes.get("href") or "") if based is not None else ""
    metas = page.head.css("meta[name][content]") if page.head is not None else []
    return gather(
        metas=((m.attributes["name"] or "", m.attributes["content"] or "") for m in metas),
        # A link in the body counts: RSL that is named by mistake is read, and decides by itself.
        licenses=(
            (
                (a.attributes.get("type") or "") if a.tag == LINK else "",
                joined(base, a.attributes["href"] or ""),
            )
            for a in page.css("link[rel][href], a[rel][href]")
            if LICENSE in (a.attributes["rel"] or "").lower().split()
        ),
        inline=(s.text() for s in page.css("script[type]") if is_rsl(s.attributes["type"] or "")),
        headers=headers,
        truncated=cut,
    )


_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CHARSET = re.compile(
    rb"<meta[^>]{0,256}?charset\s{0,8}=\s{0,8}[\"']?\s{0,8}([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE
)
_PRESCAN_BYTES = 1024
# What pages are written in beside UTF-8. Others of Python's codecs are no encodings of the web,
# and some of them take time that grows by the square of the text.
_CHARSETS = MappingProxyType(
    {
        "ascii": "cp1252", "us-ascii": "cp1252", "iso-8859-1": "cp1252", "latin1": "cp1252",
        "windows-1252": "cp1252", "iso-8859-2": "iso-8859-2", "iso-8859-15": "iso-8859-15",
        "windows-1250": "cp1250", "windows-1251": "cp1251", "koi8-r": "koi8-r",
        "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "euc-jp": "euc-jp",
        "euc-kr": "cp949", "big5": "big5hkscs", "gb2312": "gb18030", "gbk": "gb18030",
        "gb18030": "gb18030",
    }
)  # fmt: skip
_TAG = re.compile(rb"<[A-Za-z/]")


def _markup(html: bytes | str) -> tuple[bytes, bool]:
    """Return what is read of a page as UTF-8, and whether there was more."""
    if isinstance(html, str):
        body = html[:READ_BYTES].encode("utf-8", "replace")
    else:
        body = _text(html[:READ_BYTES]).encode("utf-8", "replace")
    cut = len(html) > READ_BYTES or len(body) > READ_BYTES
    body = body[:READ_BYTES]
    first_unread = next(islice(_TAG.finditer(body), MAX_MARKUP, None), None)
    return (body, cut) if first_unread is None else (body[: first_unread.start()], True)


def _text(body: bytes) -> str:
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    named = _CHARSET.search(body[:_PRESCAN_BYTES])
    label = named[1].decode("ascii").lower() if named else ""
    return body.decode(_CHARSETS.get(label, "utf-8"), "replace")


# --- reading them


def of_page(tags: PageTags, agent: str, profile: Profile, page_url: str) -> tuple[Signal, ...]:
    """Return what a page says, of each channel one signal a purpose; nothing of a silent one.

    agent: our product token. page_url: absolute. Licences that are linked (`rsl_links`) are not
    in the answer: whoever has them judges them by optout.signals.rsl.
    """
    inline = [
        signal
        for text in tags.rsl
        for signal in rsl.of_fragment(text, page_url, profile, Channel.PAGE_LICENSE)
    ]
    return (*_of_robots(tags, agent, profile), *_of_tdm(tags, profile), *rsl.per_purpose(inline))


def rsl_links(tags: PageTags, page_url: str) -> tuple[str, ...]:
    """Return the absolute URLs of the RSL licences that a page or its Link headers name, each once.

    An address that no request can be sent to is among them: a licence is named all the same.
    """
    linked = [absolute(href, page_url) for kind, href in tags.licenses if is_rsl(kind, href)]
    sent = [url for _, url in link_header.rsl_links(_links(tags), page_url)]
    return tuple(dict.fromkeys((*linked, *sent)))


def licences(tags: PageTags, page_url: str) -> tuple[tuple[str, str], ...]:
    """Return (field, absolute URL) of the page's other licences: provenance, no opt-out."""
    linked = [
        (FIELD, absolute(href, page_url)) for kind, href in tags.licenses if not is_rsl(kind, href)
    ]
    return tuple(dict.fromkeys((*linked, *link_header.licences(_links(tags), page_url))))


def _links(tags: PageTags) -> list[tuple[int, str]]:
    return [(index, value) for index, (name, value) in enumerate(tags.headers) if name == LINK]


def _of_robots(tags: PageTags, agent: str, profile: Profile) -> tuple[Signal, ...]:
    tokens = dict(x_robots.deny_tokens(index_tokens=profile.index_tokens, noml=profile.noml))
    # That a page wants no place in an index says nothing about its images, unlike the same word
    # in an image's own header. noimageindex names them, and none closes the links to them too.
    tokens.pop("noindex", None)
    # Metas are header lines addressed to a robot, so that one reader knows all directives. All of
    # them count, and what one refuses no other gives back.
    lines = [
        (x_robots.HEADER, f"{name}: {content}")
        for name, content in tags.metas
        if name not in TDM and ROBOT_NAME.fullmatch(name)
    ]
    for proxies in dict.fromkeys(((), tokens_for(profile.robots_tokens))):
        if said := x_robots.read(lines, agent, tokens, proxies):
            robot = lines[said[0].line or 0][1].partition(":")[0]
            return tuple(_placed(said, f"proxy {robot}" if proxies else None))
        if said := x_robots.read(tags.headers, agent, tokens, proxies):
            return tuple(_placed(said, _PAGE_HEADER, said[0].line))
    return ()


def _of_tdm(tags: PageTags, profile: Profile) -> tuple[Signal, ...]:
    said = tdmrep.of_meta([pair for pair in tags.metas if pair[0] in TDM], profile)
    if said:
        return said
    # A page's header speaks about the page as its meta does, and stands behind it.
    sent = tdmrep.of_meta([pair for pair in tags.headers if pair[0] in TDM], profile)
    return tuple(replace(signal, note=signal.note or _PAGE_HEADER) for signal in sent)


def _placed(said: Iterable[Signal], note: str | None, line: int | None = None) -> Iterator[Signal]:
    for signal in said:
        yield replace(
            signal,
            channel=Channel.PAGE_ROBOTS,
            line=line,
            place="",
            note=signal.note if note is None else note,
        )
