"""The web's own faults: statuses, redirects, names that lead inside, bodies that do not end."""

import gzip
from dataclasses import replace

from schemas.verdict import Channel, Reason
from tests.servers import Answer, Route, redirect
from tests.signals.served import (
    FETCH,
    IMAGE,
    OWN_FILES,
    PICTURE,
    ROBOTS,
    TDMREP,
    Outcome,
    Served,
    dropped,
    failed,
    kept,
    text,
)

_ROBOTS = Channel.ROBOTS
_SHUT = text("User-agent: *", "Disallow: /")
_REFUSED, _LOOP = failed(Reason.ADDRESS_REFUSED), failed(Reason.TOO_MANY_REDIRECTS)
_STATUS, _SLOW = failed(Reason.HTTP_STATUS), failed(Reason.TOO_SLOW)
_LARGE, _UNREACHABLE = failed(Reason.TOO_LARGE), failed(Reason.UNREACHABLE)


def _image(name: str, shown: str, image: Route, outcome: Outcome, **more: object) -> Served:
    return Served(
        f"image: {name}",
        shown,
        outcome,
        image=image,
        **{"unread": True, **more},  # type: ignore[arg-type]
    )


STATUSES = [
    _image(
        f"status {status}",
        f"status {status}",
        Answer(status, b"" if status == 204 else PICTURE),
        _STATUS,
    )
    for status in (204, 206, 401, 402, 403, 404, 410, 429, 451, 500, 503)
]
REDIRECTS = [
    _image("redirects without end", "302 to itself", redirect(IMAGE), _LOOP),
    _image("redirects there and back", "two hosts that redirect to each other",
           redirect("{other}/b.jpg"), _LOOP, routes={"other/b.jpg": redirect("{here}/art/a.jpg")}),
    _image("redirect to another host", "302 to a host that says nothing",
           redirect("{other}/b.jpg"), kept(_ROBOTS), routes={"other/b.jpg": PICTURE},
           unread=False),
    _image("redirect to a closed host", "302 to a host with `Disallow: /`",
           redirect("{other}/b.jpg"), dropped(_ROBOTS, FETCH), unasked=("other/b.jpg",),
           routes={"other/b.jpg": PICTURE, "other/robots.txt": _SHUT}),
    _image("redirect to a host that reserves", "302 to a host whose tdmrep.json reserves",
           redirect("{other}/b.jpg"), dropped(Channel.TDMREP),
           routes={"other/b.jpg": PICTURE,
                   "other/.well-known/tdmrep.json": b'[{"location":"/","tdm-reservation":1}]'}),
    _image("redirect from a host that reserves", "302 from a host whose tdmrep.json reserves",
           redirect("{other}/b.jpg"), dropped(Channel.TDMREP), unread=False,
           routes={TDMREP: b'[{"location":"/","tdm-reservation":1}]', "other/b.jpg": PICTURE}),
    _image("redirect to a closed path", "302 to a path that robots.txt closes",
           redirect("/closed/b.jpg"), dropped(_ROBOTS, FETCH), unasked=("/closed/b.jpg",),
           routes={ROBOTS: text("User-agent: *", "Disallow: /closed/"),
                   "/closed/b.jpg": PICTURE}),
    _image("redirect to a file", "302 to `file:///etc/passwd`", redirect("file:///etc/passwd"),
           _REFUSED),
    _image("redirect to ftp", "302 to `ftp://h.example/a.jpg`", redirect("ftp://h.example/a.jpg"),
           _REFUSED),
    _image("redirect to a script", "302 to `javascript:alert(1)`", redirect("javascript:alert(1)"),
           _REFUSED),
    _image("redirect to data", "302 to `data:image/png;base64,`",
           redirect("data:image/png;base64,iVBOR"), _REFUSED),
    _image("redirect with a password", "302 to an address with a name and a password",
           redirect("http://u:p@h.example/a.jpg"), _REFUSED),
    _image("redirect to a private address", "302 to `http://10.0.0.1/`",
           redirect("http://10.0.0.1/"), _REFUSED),
    _image("redirect to metadata", "302 to `http://169.254.169.254/latest/`",
           redirect("http://169.254.169.254/latest/"), _REFUSED),
    _image("redirect to loopback in IPv6", "302 to `http://[::1]/`", redirect("http://[::1]/"),
           _REFUSED),
    _image("redirect to IPv4 within IPv6", "302 to `http://[::ffff:10.0.0.1]/`",
           redirect("http://[::ffff:10.0.0.1]/"), _REFUSED),
    _image("redirect to another port", "302 to port 6379 of loopback",
           redirect("http://127.0.0.1:6379/"), _REFUSED),
    _image("redirect to an address in decimal", "302 to `http://2130706433/`",
           redirect("http://2130706433/"), _REFUSED),
    _image("redirect to another scheme", "302 to https of the same host, which says nothing",
           redirect("{https}/b.jpg"), kept(_ROBOTS), host="secure.localhost", unread=False,
           routes={"https/b.jpg": PICTURE},
           asked=(*OWN_FILES, IMAGE, *(f"https{path}" for path in (*OWN_FILES, "/b.jpg")))),
    _image("redirect to another scheme that is closed",
           "302 to https of the same host, `Disallow: /` there", redirect("{https}/b.jpg"),
           dropped(_ROBOTS, FETCH), host="closed.localhost",
           routes={"https/robots.txt": _SHUT, "https/b.jpg": PICTURE},
           asked=(*OWN_FILES, IMAGE, f"https{ROBOTS}")),
    _image("redirect to another scheme without a certificate",
           "302 to https of a host whose certificate is another's", redirect("{https}/b.jpg"),
           _UNREACHABLE, routes={"https/b.jpg": PICTURE}, asked=(*OWN_FILES, IMAGE)),
]  # fmt: skip
NAMES = [
    Served("name: answer that changes after the check", "a name whose second answer is inside",
           kept(_ROBOTS), host="rebound.test"),
    Served("name: private address", "a name that leads to 10.0.0.1", _REFUSED,
           host="inside.test", asked=(), unread=True),
    Served("name: public and private address", "a name that leads to 192.0.2.1 and 10.0.0.1",
           _REFUSED, host="mixed.test", asked=(), unread=True),
    Served("name: metadata in IPv6", "a name that leads to `::ffff:169.254.169.254`", _REFUSED,
           host="mapped.test", asked=(), unread=True),
    Served("name: loopback that nobody opened", "a name that leads to 127.0.0.1", _REFUSED,
           host="loopback.test", asked=(), unread=True),
]  # fmt: skip
BODIES = [
    _image("slow body", "16 octets a second", Answer(body=PICTURE, byte_delay_s=1.0), _SLOW),
    _image("slow head", "no answer in time", Answer(head_delay_s=30), _SLOW),
    _image("reset", "the connection is reset", Answer(fault="reset"), _UNREACHABLE),
    _image("breaks off", "half of a body, then a reset",
           Answer(body=PICTURE * 9, fault="truncate"), _UNREACHABLE),
    _image("no HTTP", "octets that are no HTTP", Answer(fault="garbage"), _UNREACHABLE),
    _image("gzip bomb", "50 MB in 50 KB",
           Answer(body=gzip.compress(bytes(50_000_000), mtime=0),
                  headers=[("Content-Encoding", "gzip")]), _LARGE),
    _image("endless", "a body without end", Answer(body=PICTURE * 40, fault="endless"), _LARGE),
    _image("300 header lines", "more lines than are read",
           Answer(body=PICTURE, headers=[("X-N", "1")] * 300), _UNREACHABLE),
    _image("a header of 40 KB", "a longer line than is read",
           Answer(body=PICTURE, headers=[("X-N", "1" * 40_000)]), _UNREACHABLE),
]  # fmt: skip

HOSTILE = [replace(case, id=f"hostile {case.id}") for case in BODIES]
CASES = [*STATUSES, *REDIRECTS, *NAMES, *HOSTILE]
