"""Response headers: X-Robots-Tag, tdm-reservation, Content-Usage, Content-Signal, and each other.

A header that forbids stops the answer: its body is not read.
"""

from collections.abc import Sequence

from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals import (
    content_signal_cases,
    content_usage_cases,
    tdmrep_cases,
    x_robots_cases,
)
from tests.servers import Answer, redirect
from tests.signals.served import (
    ALLOW,
    DENY,
    GEN,
    LITERAL,
    PICTURE,
    ROBOTS,
    SILENT,
    STRICT,
    TDMREP,
    USUAL,
    Outcome,
    Served,
    Setting,
    dropped,
    expected,
    held,
    kept,
    quoted,
    text,
)

_X, _TDM = Channel.X_ROBOTS, Channel.TDM_HEADER
_USAGE, _SIGNAL = Channel.CONTENT_USAGE, Channel.CONTENT_SIGNAL


def with_headers(*headers: tuple[str, str], status: int = 200) -> Answer:
    return Answer(status, PICTURE, headers)


def _served(
    name: str,
    headers: Sequence[tuple[str, str]],
    outcome: Outcome,
    setting: Setting = USUAL,
) -> Served:
    family = headers[0][0] if headers else "headers"
    suffix = "" if setting.profile in ("default", name) else f", {setting}"
    return Served(
        f"{family}: {name}{suffix}",
        ", then ".join(quoted(f"{n}: {v}") for n, v in headers),
        outcome,
        image=with_headers(*headers),
        setting=setting,
        unread=outcome.verdict == "drop",
    )


def _of(
    name: str,
    header: tuple[str, str],
    channel: Channel,
    says: dict[Purpose, Say],
    setting: Setting = USUAL,
) -> Served:
    outcome = expected({(channel, p): say for p, say in says.items()}, channel, setting)
    return _served(name, [header], outcome, setting)


X_ROBOTS = [
    _served(
        case.name,
        [("X-Robots-Tag", line) for line in case.lines],
        dropped(_X) if case.say is DENY else kept(_X),
        Setting(agent=case.agent),
    )
    for case in x_robots_cases.CASES
]
TDM = [
    _served(
        case.name,
        [("tdm-reservation", value) for value in case.values],
        expected({} if case.say is SILENT else {(_TDM, GEN): case.say}, _TDM,
                 Setting(case.profile)),
        Setting(case.profile),
    )
    for case in tdmrep_cases.HEADERS
    if case.values
]  # fmt: skip
USAGE = [
    *(
        _of(case.name, ("Content-Usage", case.value), _USAGE, dict(case.default))
        for case in content_usage_cases.CASES
    ),
    *(
        _of(case.name, ("Content-Usage", case.value), _USAGE, dict(case.strict), STRICT)
        for case in content_usage_cases.CASES
        if case.strict is not None and case.strict != content_usage_cases.STRICT_NO
    ),
]
SIGNALS = [
    *(
        _of(case.name, ("Content-Signal", case.value), _SIGNAL, dict(case.default))
        for case in content_signal_cases.CASES
    ),
    *(
        _of(case.name, ("Content-Signal", case.value), _SIGNAL, dict(case.strict), STRICT)
        for case in content_signal_cases.CASES
        if case.strict is not None
    ),
]

_RESERVED = b'[{"location":"/","tdm-reservation":1}]'
_FREE = b'[{"location":"/","tdm-reservation":0}]'
_NOAI = ("X-Robots-Tag", "noai")


def _together(name: str, shown: str, outcome: Outcome, **more: object) -> Served:
    return Served(f"headers: {name}", shown, outcome, **more)  # type: ignore[arg-type]


TOGETHER = [
    _together("T04 header above the file", "tdmrep.json reserves, `tdm-reservation: 0`",
              kept(_TDM, ALLOW), routes={TDMREP: _RESERVED},
              image=with_headers(("tdm-reservation", "0"))),
    _together("T04 header above the file, strict", "tdmrep.json reserves, `tdm-reservation: 0`",
              dropped(Channel.TDMREP), routes={TDMREP: _RESERVED}, setting=STRICT, unread=True,
              image=with_headers(("tdm-reservation", "0"))),
    _together("T04 header above the file, rfc-literal",
              "tdmrep.json reserves, `tdm-reservation: 0`", kept(_TDM, ALLOW),
              routes={TDMREP: _RESERVED}, setting=LITERAL,
              image=with_headers(("tdm-reservation", "0"))),
    _together("T05 header against the file", "tdmrep.json permits, `tdm-reservation: 1`",
              dropped(_TDM), routes={TDMREP: _FREE}, unread=True,
              image=with_headers(("tdm-reservation", "1"))),
    _together("header that cannot be read above the file",
              "tdmrep.json reserves, `tdm-reservation: true`", dropped(Channel.TDMREP),
              routes={TDMREP: _RESERVED}, unread=True,
              image=with_headers(("tdm-reservation", "true"))),
    _together("permission in one family, refusal in another", "`tdm-reservation: 0`, `noai`",
              dropped(_X), image=with_headers(("tdm-reservation", "0"), _NOAI), unread=True),
    _together("Content-Signal grants, Content-Usage refuses", "`ai-train=yes`, `train-ai=n`",
              dropped(_USAGE), unread=True,
              image=with_headers(("Content-Signal", "ai-train=yes"),
                                 ("Content-Usage", "train-ai=n"))),
    _together("robots.txt grants, the header refuses", "`Content-Signal: ai-train=yes`, `noai`",
              dropped(_X), unread=True, image=with_headers(_NOAI),
              routes={ROBOTS: text("User-agent: *", "Content-Signal: ai-train=yes")}),
    _together("Content-Usage in two lines", "`train-ai=y`, then `train-ai=n`", dropped(_USAGE),
              unread=True, image=with_headers(("Content-Usage", "train-ai=y"),
                                              ("content-usage", "train-ai=n"))),
    _together("name in capitals", "`X-ROBOTS-TAG: noai`", dropped(_X), unread=True,
              image=with_headers(("X-ROBOTS-TAG", "noai"))),
    _together("header of a redirect", "302 with `Content-Usage: train-ai=n`, then a plain answer",
              kept(_USAGE), image=Answer(302, b"", [("Location", "/b.jpg"),
                                                    ("Content-Usage", "train-ai=n")]),
              routes={"/b.jpg": PICTURE}),
    _together("header behind a redirect", "302, then `noai`", dropped(_X), unread=True,
              image=redirect("/b.jpg"), routes={"/b.jpg": with_headers(_NOAI)}),
    _together("H11 none, rfc-literal", "`none`", kept(_X), setting=LITERAL,
              image=with_headers(("X-Robots-Tag", "none"))),
    _together("noindex, rfc-literal", "`noindex`", kept(_X), setting=LITERAL,
              image=with_headers(("X-Robots-Tag", "noindex"))),
    _together("H10 noml, rfc-literal", "`noml`", kept(_X), setting=LITERAL,
              image=with_headers(("X-Robots-Tag", "noml"))),
    _together("another training crawler's, strict", "`GPTBot: noai`", dropped(_X), setting=STRICT,
              unread=True, image=with_headers(("X-Robots-Tag", "GPTBot: noai"))),
    _together("another training crawler's", "`GPTBot: noai`", kept(_X),
              image=with_headers(("X-Robots-Tag", "GPTBot: noai"))),
    _together("Content-Signal is not read, rfc-literal", "`Content-Signal: ai-train=no`",
              kept(_X), setting=LITERAL, image=with_headers(("Content-Signal", "ai-train=no"))),
    _together("what is not for this build", "`Content-Usage: train-ai=n`, a build for mining",
              kept(_USAGE, DENY), setting=Setting(purpose=Purpose.MINE),
              image=with_headers(("Content-Usage", "train-ai=n"))),
    _together("reserved for mining", "`tdm-reservation: 1`, a build for mining",
              dropped(_TDM, Purpose.MINE), setting=Setting(purpose=Purpose.MINE), unread=True,
              image=with_headers(("tdm-reservation", "1"))),
]  # fmt: skip


def _hostile(name: str, shown: str, value: str, outcome: Outcome, header: str = "") -> Served:
    return Served(
        f"hostile headers: {name}",
        shown,
        outcome,
        image=with_headers((header or "X-Robots-Tag", value)),
        unread=outcome.verdict == "drop",
    )


HOSTILE = [
    _hostile("invalid UTF-8", "octets that are no text beside `noai`", "\xff\xfe, noai",
             dropped(_X)),
    _hostile("30 KB of commas", "30,000 commas, then `noai`", "," * 30_000 + "noai", dropped(_X)),
    _hostile("30 KB of scopes", "3,000 names of robots, then `noai` in the last one's scope",
             "bota:bo, " * 3_000 + "noai", kept(_X)),
    _hostile("nested lists", "10,000 parentheses", "train-ai=" + "(" * 10_000, kept(_USAGE),
             "Content-Usage"),
    _hostile("long digits", "10,000 digits", "1" * 10_000, held(_TDM), "tdm-reservation"),
    Served("hostile headers: 200 lines", "200 lines of `all`, then `noai`", dropped(_X),
           image=with_headers(*[("X-Robots-Tag", "all")] * 200, _NOAI), unread=True),
    Served("hostile headers: policy that is not asked for", "`tdm-reservation: 1`, `tdm-policy`",
           dropped(_TDM), image=with_headers(("tdm-reservation", "1"),
                                             ("tdm-policy", "{other}/policy.json")),
           routes={"other/policy.json": b"{}"}, unasked=("other/policy.json",), unread=True),
    Served("hostile headers: refusal above an endless body", "`noai`, a body without end",
           dropped(_X), image=Answer(body=b"x" * 50_000, headers=[_NOAI], fault="endless"),
           unread=True),
    Served("hostile headers: refusal above a slow body", "`noai`, 16 octets a second",
           dropped(_X), image=Answer(body=PICTURE, headers=[_NOAI], byte_delay_s=1.0),
           unread=True),
]  # fmt: skip

CASES = [*X_ROBOTS, *TDM, *USAGE, *SIGNALS, *TOGETHER, *HOSTILE]
