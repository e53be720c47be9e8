"""robots.txt: groups and rules, rights records, statuses, and hostile files."""

import gzip

from optout.urls import canonical_url
from schemas.errors import UsageError
from schemas.verdict import Channel, Say
from tests.optout.signals import robots_cases, robots_rights_cases
from tests.servers import Answer, redirect
from tests.signals.served import (
    DENY,
    FETCH,
    IMAGE,
    LITERAL,
    ROBOTS,
    STRICT,
    USUAL,
    Outcome,
    Says,
    Served,
    Setting,
    dropped,
    expected,
    held,
    kept,
    quoted,
    text,
)

_CHANNEL = Channel.ROBOTS
_FORBIDDEN = dropped(_CHANNEL, FETCH)
_UNREADABLE = held(_CHANNEL, FETCH)


def servable(path: str) -> bool:
    """Say whether a path is asked as it stands: no URL that we ask has escaped letters in it."""
    try:
        return canonical_url(f"http://h.localhost{path}") == f"http://h.localhost{path}"
    except UsageError:
        return False


def _asked(outcome: Outcome) -> tuple[str, ...] | None:
    """Return what a closed address costs its host: one request."""
    return (ROBOTS,) if outcome in (_FORBIDDEN, _UNREADABLE) else None


def _of_rules(case: robots_cases.Case) -> Served:
    setting = Setting(agent=case.agent)
    says: Says = {} if case.say is Say.SILENT else {(_CHANNEL, FETCH): case.say}
    outcome = expected(says, _CHANNEL, setting)
    return Served(
        f"robots.txt: {case.name}",
        quoted(case.lines),
        outcome,
        {ROBOTS: case.body},
        path=case.path,
        setting=setting,
        asked=_asked(outcome),
    )


def _of_rights(case: robots_rights_cases.Case, setting: Setting, says: Says) -> Served:
    outcome = expected(says, _CHANNEL, setting)
    suffix = "" if setting == USUAL else f", {setting}"
    return Served(
        f"robots.txt: {case.name}{suffix}",
        quoted(case.lines),
        outcome,
        {ROBOTS: case.lines.encode()},
        path=case.path,
        setting=setting,
        asked=_asked(outcome),
    )


_SAME_POINT = ("robots.txt itself", "HTML page", "R02 own group replaces *", "case of names")
RULES = [
    _of_rules(case)
    for case in robots_cases.CASES
    if servable(case.path)
    and case.name not in _SAME_POINT
    and (case.agent in {"ArtBot", "img2dataset"} or case.say is DENY)
]
RIGHTS = [
    *(_of_rights(case, USUAL, case.default) for case in robots_rights_cases.CASES),
    *(
        _of_rights(case, STRICT, case.strict)
        for case in robots_rights_cases.CASES
        if case.strict is not None
        if expected(case.strict, _CHANNEL, STRICT) != expected(case.default, _CHANNEL)
    ),
]


def _status(status: int, outcome: Outcome, setting: Setting = USUAL) -> Served:
    return Served(
        f"robots.txt: R10 status {status}" + ("" if setting == USUAL else f", {setting}"),
        f"status {status}",
        outcome,
        # RFC 9110 gives 304 no content.
        {ROBOTS: Answer(status, b"" if status == 304 else text("User-agent: *", "Disallow:"))},
        setting=setting,
        asked=_asked(outcome),
    )


STATUSES = [
    *(_status(s, kept(_CHANNEL)) for s in (404, 410)),
    *(_status(s, _FORBIDDEN) for s in (400, 401, 402, 403, 418, 451)),
    *(_status(s, _UNREADABLE) for s in (408, 425, 429, 500, 502, 503, 504, 304)),
    *(_status(s, kept(_CHANNEL), LITERAL) for s in (401, 403, 429, 451)),
    _status(503, _UNREADABLE, LITERAL),
]


def _long(first: str, last: str, size_bytes: int = 600_000) -> bytes:
    """Return a file of comments with one rule at each end."""
    head, tail = text("User-agent: *", first), text(last)
    line = b"# " + b"x" * 97 + b"\n"
    return head + line * ((size_bytes - len(head) - len(tail)) // len(line)) + tail


def _cut() -> bytes:
    """Return a file whose last whole line would be `Allow: /` if it were cut at the limit."""
    head = text("User-agent: *", "Disallow: /")
    cut = 512_000 - len("Allow: /")
    return head + b"#" * (cut - len(head) - 1) + b"\n" + text("Allow: /elsewhere/") * 9


_SHUT = text("User-agent: *", "Disallow: /")
_BOMB = gzip.compress(_SHUT + b"#\n" * 25_000_000, mtime=0)
_QUIET_BOMB = gzip.compress(b"#\n" * 25_000_000, mtime=0)
_ZIPPED = [("Content-Encoding", "gzip")]


def _hostile(
    name: str, shown: str, robots: Answer | bytes, outcome: Outcome, **more: object
) -> Served:
    routes = {ROBOTS: robots, **more.pop("routes", {})}  # type: ignore[dict-item]
    asked = more.pop("asked", _asked(outcome))
    return Served(f"hostile robots.txt: {name}", shown, outcome, routes, asked=asked, **more)  # type: ignore[arg-type]


HOSTILE = [
    _hostile("R11 rule beyond 500 KiB", "600 KB, the rule in the last line",
             _long("Disallow: /never/", "Disallow: /"), kept(_CHANNEL)),
    _hostile("rule at the head of 600 KB", "600 KB, the rule in the first line",
             _long("Disallow: /", "Allow: /"), _FORBIDDEN),
    _hostile("permission that the limit would make", "`Allow: /elsewhere/` cut to `Allow: /`",
             _cut(), _FORBIDDEN),
    _hostile("gzip bomb behind a rule", "50 MB in 50 KB, the rule in the first line",
             Answer(body=_BOMB, headers=_ZIPPED), _FORBIDDEN),
    _hostile("gzip bomb of nothing", "50 MB of comments in 50 KB",
             Answer(body=_QUIET_BOMB, headers=_ZIPPED), kept(_CHANNEL)),
    _hostile("no gzip", "declared as gzip, and none", Answer(body=_SHUT, headers=_ZIPPED),
             _UNREADABLE),
    _hostile("cut gzip", "half of a gzip stream",
             Answer(body=gzip.compress(_SHUT)[:-12], headers=_ZIPPED), _UNREADABLE),
    _hostile("encoding nobody asked for", "Content-Encoding: br",
             Answer(body=_SHUT, headers=[("Content-Encoding", "br")]), _UNREADABLE),
    _hostile("endless", "a body without end, the rule in its first line",
             Answer(body=_long("Disallow: /", "#", 60_000), fault="endless"), _FORBIDDEN),
    _hostile("slow body", "16 octets a second",
             Answer(body=text("User-agent: *", "Disallow:") * 20, byte_delay_s=1.0), _UNREADABLE),
    _hostile("slow head", "no answer in time", Answer(head_delay_s=30), _UNREADABLE),
    _hostile("body that breaks off", "half of a body, then a reset",
             Answer(body=text("User-agent: *", "Disallow:") * 99, fault="truncate"), _UNREADABLE),
    _hostile("redirects without end", "302 to itself", redirect("/robots.txt"), _UNREADABLE,
             asked=(ROBOTS,) * 6),
    _hostile("redirect to another host", "301 to rules of another host",
             redirect("{other}/rules.txt", 301), _FORBIDDEN, routes={"other/rules.txt": _SHUT},
             asked=(ROBOTS, "other/rules.txt"),
             unasked=(IMAGE, "other/robots.txt")),
    _hostile("redirect to a file", "302 to `file:///etc/passwd`", redirect("file:///etc/passwd"),
             _UNREADABLE),
    _hostile("redirect to a private address", "302 to `http://10.0.0.1/`",
             redirect("http://10.0.0.1/"), _UNREADABLE),
    _hostile("redirect to metadata", "302 to `http://169.254.169.254/latest/`",
             redirect("http://169.254.169.254/latest/"), _UNREADABLE),
    _hostile("redirect to loopback", "302 to `http://127.0.0.1:22/`",
             redirect("http://127.0.0.1:22/"), _UNREADABLE),
    _hostile("200 with a page of HTML", "`<!doctype html><p>Disallow: /</p>`",
             Answer(body=b"<!doctype html><p>Disallow: /</p>",
                    headers=[("Content-Type", "text/html")]), kept(_CHANNEL)),
    _hostile("many groups", "15,000 groups of other agents, then ours",
             b"".join(b"User-agent: a%d\nDisallow: /\n" % n for n in range(15_000))
             + text("User-agent: ArtBot", "Disallow: /"), _FORBIDDEN),
    _hostile("wildcards", "2,000 patterns of 100 stars",
             text("User-agent: *", *["Disallow: /" + "*a" * 100 + "$"] * 2_000), kept(_CHANNEL),
             path="/" + "a" * 200 + "b"),
    _hostile("NUL and control characters", "a NUL in front of the rule",
             b"User-agent: *\n\0\x01\nDisallow: /\n", _FORBIDDEN),
]  # fmt: skip

CASES = [*RULES, *RIGHTS, *STATUSES, *HOSTILE]
