"""RSL: licences that robots.txt, a Link header or a page names, and hostile ones."""

from typing import Any
from urllib.parse import urlsplit

from schemas.verdict import Channel
from tests.optout.signals import rsl_cases
from tests.optout.signals.rsl_cases import content, licence, permits, prohibits
from tests.servers import Answer, Route, redirect
from tests.signals.served import (
    ALLOW,
    IMAGE,
    PICTURE,
    ROBOTS,
    Outcome,
    Served,
    dropped,
    expected,
    kept,
    quoted,
    text,
)

_ROBOTS, _LINK = Channel.ROBOTS_LICENSE, Channel.LINK_LICENSE
_AT = "/license.xml"
_NAMED = text("User-agent: *", "Allow: /", f"License: {{here}}{_AT}")
_RSL = ("Content-Type", "application/rsl+xml")


def _document(contents: str) -> bytes:
    return rsl_cases.Case("", contents, {}).document


def _of_licence(case: rsl_cases.Case) -> Served:
    outcome = expected({(_ROBOTS, p): say for p, say in case.says.items()}, _ROBOTS)
    path = urlsplit(case.url).path
    return Served(
        f"RSL: {case.name}",
        quoted(case.contents),
        outcome,
        {ROBOTS: _NAMED, _AT: Answer(body=case.document, headers=[_RSL])},
        path=path,
        unasked=(path,) if outcome.verdict == "drop" else (),
    )


def _unreadable(name: str, body: bytes) -> Served:
    return Served(
        f"hostile RSL: {name}",
        quoted(body),
        dropped(_ROBOTS),
        {ROBOTS: _NAMED, _AT: body},
        unasked=(IMAGE,),
    )


# What names hosts of the table's own is served as a host here below.
VECTORS = [_of_licence(case) for case in rsl_cases.CASES if ".example" not in case.contents]

_NO = _document(content(licence(prohibits("ai-train"))))
_YES = _document(content(licence(permits("all"))))


def _link(value: str) -> Answer:
    return Answer(body=PICTURE, headers=[("Link", value)])


_LINKED = '<{here}/license.xml>; rel="license"; type="application/rsl+xml"'


def _carried(
    name: str, shown: str, outcome: Outcome, license_: Route | None, **more: Any
) -> Served:
    routes = {**({_AT: license_} if license_ is not None else {}), **more.pop("routes", {})}
    return Served(f"RSL: {name}", shown, outcome, routes, **more)


CARRIERS = [
    _carried("Link header, prohibited", quoted(_LINKED), dropped(_LINK), _NO, image=_link(_LINKED)),
    _carried("Link header, permitted", quoted(_LINKED), kept(_LINK, ALLOW), _YES,
             image=_link(_LINKED)),
    _carried("Link header, relative", "`</license.xml>; rel=license`", dropped(_LINK), _NO,
             image=_link('</license.xml>; rel=license; type="application/rsl+xml"')),
    _carried("Link header, gone", "a licence that is not there: nothing is licensed",
             dropped(_LINK), None, image=_link(_LINKED)),
    _carried("Link header to Creative Commons", "`rel=license` of another kind", kept(_LINK), None,
             image=_link("<{other}/by/4.0/>; rel=license"), unasked=("other/by/4.0/",)),
    _carried("Link header of another relation", "`rel=describedby`", kept(_LINK), _NO,
             image=_link('<{here}/license.xml>; rel="describedby"; type="application/rsl+xml"'),
             unasked=(_AT,)),
    _carried("Link header, nine licences", "more than are read: nothing is licensed",
             dropped(_LINK), None,
             image=_link(", ".join(f'<{{here}}/{n}.xml>; rel="license"; type="application/rsl+xml"'
                                   for n in range(9)))),
    _carried("the host by its address", '`content url="{here}/"` prohibits', dropped(_ROBOTS),
             _document(content(licence(prohibits("all")), url="{here}/")),
             routes={ROBOTS: _NAMED}, unasked=(IMAGE,)),
    _carried("another host by its address", '`content url="{other}/"` prohibits', kept(_ROBOTS),
             _document(content(licence(prohibits("all")), url="{other}/")),
             routes={ROBOTS: _NAMED}),
    _carried("for another crawler", "`License` in the group of GPTBot", kept(_ROBOTS), _NO,
             routes={ROBOTS: text("User-agent: GPTBot", "License: {here}/license.xml")}),
    _carried("above all groups", "`License` before any group", dropped(_ROBOTS), _NO,
             routes={ROBOTS: text("License: {here}/license.xml", "User-agent: *", "Disallow:")},
             unasked=(IMAGE,)),
    *(
        _carried(f"status {status}", f"status {status}: nothing is licensed", dropped(_ROBOTS),
                 Answer(status), routes={ROBOTS: _NAMED}, unasked=(IMAGE,))
        for status in (404, 403, 500)
    ),
    _carried("on another host", "a licence of another host", dropped(_ROBOTS), None,
             routes={ROBOTS: text("User-agent: *", "License: {other}/l.xml"),
                     "other/l.xml": _NO}, unasked=(IMAGE,)),
]  # fmt: skip

_ENTITIES = (
    b'<!DOCTYPE rsl [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(
        b'<!ENTITY a%d "%s">' % (n + 1, b"&a%s;" % (b"" if n == 0 else b"%d" % n) * 10)
        for n in range(9)
    )
    + b']><rsl xmlns="https://rslstandard.org/rsl">&a9;</rsl>'
)


def _hostile(name: str, shown: str, answer: Route, **more: Any) -> Served:
    routes = {ROBOTS: _NAMED, _AT: answer, **more.pop("routes", {})}
    unasked = (IMAGE, *more.pop("unasked", ()))
    return Served(f"hostile RSL: {name}", shown, dropped(_ROBOTS), routes, unasked=unasked, **more)


HOSTILE = [
    *(_unreadable(name, body) for name, body in rsl_cases.UNREADABLE.items()),
    _hostile("entities of entities", "a billion laughs", _ENTITIES),
    _hostile("external document type", "a DOCTYPE of another host",
             b'<!DOCTYPE rsl SYSTEM "{other}/x.dtd">' + _YES,
             routes={"other/x.dtd": b""}, unasked=("other/x.dtd",)),
    _hostile("redirects without end", "302 to itself", redirect(_AT)),
    _hostile("redirect to a private address", "302 to `http://10.0.0.1/`",
             redirect("http://10.0.0.1/")),
    _hostile("slow body", "16 octets a second", Answer(body=_YES * 9, byte_delay_s=1.0)),
    _hostile("private address", "`License: https://10.0.0.1/l.xml`", _YES,
             routes={ROBOTS: text("User-agent: *", "License: https://10.0.0.1/l.xml")}),
    _hostile("no web address", "`License: file:///etc/passwd`", _YES,
             routes={ROBOTS: text("User-agent: *", "License: file:///etc/passwd")}),
    _hostile("plain http of a public host", "`License: http://192.0.2.1/l.xml`", _YES,
             routes={ROBOTS: text("User-agent: *", "License: http://192.0.2.1/l.xml")}),
    _hostile("nine licences", "more than are read: nothing is licensed", _YES,
             routes={ROBOTS: text("User-agent: *",
                                  *(f"License: {{here}}/{n}.xml" for n in range(9)))}),
]  # fmt: skip

CASES = [*VECTORS, *CARRIERS, *HOSTILE]
