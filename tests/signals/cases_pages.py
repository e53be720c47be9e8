"""The page around the image: meta, headers, licences, stored tags, and hostile pages.

What a page forbids keeps the image from being asked.
"""

import gzip
from dataclasses import replace
from typing import Any

from optout.signals import page
from schemas.canonical import canonical_json
from schemas.verdict import Channel
from tests.optout.signals import page_cases
from tests.optout.signals.page_cases import meta
from tests.servers import Answer, redirect
from tests.signals.served import (
    GEN,
    IMAGE,
    LITERAL,
    PAGE,
    STRICT,
    Outcome,
    Served,
    dropped,
    expected,
    held,
    kept,
    quoted,
    text,
)

_ROBOTS, _TDM = Channel.PAGE_ROBOTS, Channel.PAGE_TDM


def _html(head: str) -> bytes:
    return page_cases.Case("", head, {}).html.encode()


def _of_page(case: page_cases.Case) -> Served:
    says = {(channel, GEN): say for channel, say in case.says.items()}
    outcome = expected(says, _ROBOTS)
    shown = [quoted(f"{n}: {v}") for n, v in case.headers]
    shown += [quoted(case.head)] if case.head else []
    shown += [f"{quoted(case.body)} in the body"] if "Pictures" not in case.body else []
    headers = [("Content-Type", "text/html; charset=utf-8"), *case.headers]
    return Served(
        f"page: {case.name}",
        ", ".join(shown),
        outcome,
        {PAGE: Answer(body=case.html.encode(), headers=headers)},
        page=PAGE,
        unasked=(IMAGE,) if outcome.verdict == "drop" else (),
    )


VECTORS = [_of_page(case) for case in page_cases.CASES]

_NOAI = _html(meta("noai"))
_SHUT = text("User-agent: *", "Disallow: /")


def _page(name: str, shown: str, answer: bytes | Answer, outcome: Outcome, **more: Any) -> Served:
    routes = {PAGE: answer, **more.pop("routes", {})}
    stopped = (IMAGE,) if outcome.verdict != "keep" else ()
    unasked = (*stopped, *more.pop("unasked", ()))
    return Served(
        f"page: {name}", shown, outcome, routes, **{"page": PAGE, "unasked": unasked, **more}
    )


def _stored(name: str, head: str, outcome: Outcome) -> Served:
    tags = page.extract(f"<head>{head}</head>".encode()).as_json()
    return Served(
        f"page: {name}",
        f"{quoted(head)}, stored in the source",
        outcome,
        page=PAGE,
        page_tags=canonical_json(tags).decode(),
        unasked=(PAGE, *((IMAGE,) if outcome.verdict != "keep" else ())),
    )


_UNREADABLE = held(_ROBOTS)
ASKING = [
    *(_page(f"status {s}", f"status {s}", Answer(s, _NOAI), kept(_ROBOTS)) for s in (404, 410)),
    *(
        _page(f"status {s}", f"status {s}", Answer(s, _html("")), _UNREADABLE)
        for s in (401, 403, 429, 500)
    ),
    _page("redirect on its host", "302, then `noai`", redirect("/p2.html"), dropped(_ROBOTS),
          routes={"/p2.html": _NOAI}),
    _page("redirect to another host", "302, then `noai` on another host",
          redirect("{other}/p.html"), dropped(_ROBOTS), routes={"other/p.html": _NOAI}),
    _page("redirects without end", "302 to itself", redirect(PAGE), _UNREADABLE),
    _page("redirect to a private address", "302 to `http://10.0.0.1/`",
          redirect("http://10.0.0.1/"), _UNREADABLE),
    Served("page: another host's page refuses", "a page on another host: `noai`",
           dropped(_ROBOTS), {"other/p.html": _NOAI}, page="other/p.html", unasked=(IMAGE,)),
    Served("page: closed by its robots.txt", "`Disallow: /` on the page's host", _UNREADABLE,
           {"other/p.html": _html(""), "other/robots.txt": _SHUT}, page="other/p.html",
           unasked=(IMAGE, "other/p.html")),
    Served("page: its host's tdmrep.json reserves", "tdmrep.json on the page's host",
           dropped(Channel.TDMREP),
           {"other/p.html": _html(""),
            "other/.well-known/tdmrep.json": b'[{"location":"/","tdm-reservation":1}]'},
           page="other/p.html", unasked=(IMAGE,)),
    _page("meta tdm-reservation, rfc-literal", quoted(meta("1", "tdm-reservation")),
          _html(meta("1", "tdm-reservation")), kept(_TDM), setting=LITERAL),
    _page("noml, rfc-literal", quoted(meta("noml")), _html(meta("noml")), kept(_ROBOTS),
          setting=LITERAL),
    _page("another training crawler's, strict", quoted(meta("noai", "GPTBot")),
          _html(meta("noai", "GPTBot")), dropped(_ROBOTS), setting=STRICT),
    _page("another training crawler's", quoted(meta("noai", "GPTBot")),
          _html(meta("noai", "GPTBot")), kept(_ROBOTS)),
    _stored("stored tags refuse", meta("noimageai"), dropped(_ROBOTS)),
    _stored("stored tags say nothing", meta("index"), kept(_ROBOTS)),
    _page("linked licence prohibits", '`<link rel="license">` to RSL on the same host',
          _html('<link rel="license" type="application/rsl+xml" href="/l.xml">'),
          dropped(Channel.PAGE_LICENSE),
          routes={"/l.xml": b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license>'
                            b'<prohibits type="usage">ai-train</prohibits></license></content>'
                            b"</rsl>"}),
    _page("linked licence is gone", '`<link rel="license">` to RSL, 404',
          _html('<link rel="license" type="application/rsl+xml" href="/l.xml">'),
          dropped(Channel.PAGE_LICENSE)),
    _page("linked licence of another kind", '`<link rel="license">` to Creative Commons',
          _html('<link rel="license" href="{other}/by/4.0/">'), kept(Channel.PAGE_LICENSE),
          unasked=("other/by/4.0/",)),
]  # fmt: skip

_TYPE = ("Content-Type", "text/html")
_DEEP = b"<html><head></head><body>" + b"<div>" * 100_000
HOSTILE = [
    _page("gzip bomb behind its head", "`noai`, then 50 MB in 50 KB",
          Answer(body=gzip.compress(_NOAI + b" " * 50_000_000, mtime=0),
                 headers=[_TYPE, ("Content-Encoding", "gzip")]), dropped(_ROBOTS)),
    _page("endless behind its head", "`noai`, then a body without end",
          Answer(body=_NOAI + b" " * 40_000, headers=[_TYPE], fault="endless"), dropped(_ROBOTS)),
    _page("slow body", "16 octets a second", Answer(body=_html("") * 9, byte_delay_s=1.0),
          _UNREADABLE),
    _page("slow head", "no answer in time", Answer(head_delay_s=30), _UNREADABLE),
    _page("reset", "the connection is reset", Answer(fault="reset"), _UNREADABLE),
    _page("breaks off", "half of a body, then a reset", Answer(body=_html("") * 99,
                                                               fault="truncate"), _UNREADABLE),
    _page("100,000 elements within one another", "100,000 `<div>`", _DEEP, kept(_ROBOTS)),
    _page("invalid UTF-8", "octets that are no text around `noai`",
          b"<head><title>\xff\xfd</title>" + meta("noai").encode() + b"\xff</head>",
          dropped(_ROBOTS)),
    _page("UTF-16", "`noai` in UTF-16", _NOAI.decode().encode("utf-16"), dropped(_ROBOTS)),
    _page("an image for a page", "octets of a JPEG", b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20,
          kept(_ROBOTS)),
    _page("10,000 tags", "10,000 metas of nothing, `noai` among the first 128 KB",
          _html(meta("noai") + meta("index") * 10_000), dropped(_ROBOTS)),
]  # fmt: skip

CASES = [*VECTORS, *ASKING, *(replace(case, id=f"hostile {case.id}") for case in HOSTILE)]
