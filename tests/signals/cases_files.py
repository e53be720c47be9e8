"""tdmrep.json, ai.txt and trust.txt: vectors, statuses, and hostile files."""

import gzip
import json
from typing import Any

from schemas.verdict import Channel
from tests.optout.signals import ai_txt_cases, tdmrep_cases
from tests.optout.signals.tdmrep_cases import rule
from tests.servers import Answer, redirect
from tests.signals.cases_robots import servable
from tests.signals.served import (
    AI,
    ALLOW,
    DENY,
    ERROR,
    GEN,
    IMAGE,
    LITERAL,
    PICTURE,
    SILENT,
    STRICT,
    TDMREP,
    TRUST,
    TRUST_WELL_KNOWN,
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

_TDM, _AI, _TRUST = Channel.TDMREP, Channel.AI_TXT, Channel.TRUST_TXT
_RESERVED = b'[{"location":"/","tdm-reservation":1}]'
_FREE = b'[{"location":"/","tdm-reservation":0}]'


def _typed(body: bytes, content_type: str | None) -> Answer:
    return Answer(body=body, headers=[("Content-Type", content_type)] if content_type else [])


def _of_tdmrep(case: tdmrep_cases.FileCase) -> Served:
    setting = Setting(case.profile)
    says = {} if case.say is SILENT else {(_TDM, GEN): case.say}
    if case.name == "HTML":  # sites of one page answer every address with it: no file
        says = {}
    return Served(
        f"tdmrep.json: {case.name}",
        quoted(case.body),
        expected(says, _TDM, setting),
        {TDMREP: case.body},
        path=case.path,
        setting=setting,
        unread=case.say is DENY,
    )


TDMREP_VECTORS = [_of_tdmrep(case) for case in tdmrep_cases.FILES if servable(case.path)]


def _of_ai_txt(case: ai_txt_cases.Case) -> Served:
    setting = Setting(case.profile)
    says = {} if case.say is SILENT else {(_AI, GEN): case.say}
    return Served(
        f"ai.txt: {case.name}",
        quoted(case.lines) + (f", image served as `{case.media_type}`" if case.media_type else ""),
        expected(says, _AI, setting),
        {AI: _typed(case.body, case.content_type)},
        image=_typed(PICTURE, case.media_type),
        path=case.path,
        setting=setting,
        unread=case.say is DENY,
        # What the name alone forbids is not asked; what the served type forbids was.
        unasked=(case.path,) if case.say is DENY and case.media_type is None else (),
    )


_SAME_POINT = (
    "served type, parameters", "served type, the other name", "name and type disagree",
    "served type permitted",  # the name says nothing, so `Disallow: /` keeps it from being asked
    "group of another", "X03 the root", "no declared type", "served type that nobody knows",
)  # fmt: skip
AI_VECTORS = [
    *(
        _of_ai_txt(case)
        for case in ai_txt_cases.CASES
        if servable(case.path) and case.name not in _SAME_POINT
    ),
    Served("ai.txt: as the generator writes it, images out",
           "24 lines `Disallow: *.EXTENSION`, then `Allow: /`", dropped(_AI),
           {AI: ai_txt_cases.generated(images=False, text=True)}, unasked=(IMAGE,)),
    Served("ai.txt: as the generator writes it, an extension that it does not list",
           "24 lines `Disallow: *.EXTENSION`, then `Allow: /`", kept(_AI, ALLOW),
           {AI: ai_txt_cases.generated(images=False, text=True)}, path="/a.avif"),
]  # fmt: skip


def _of_trust(case: ai_txt_cases.TrustCase) -> Served:
    says = {} if case.say is SILENT else {(_TRUST, GEN): case.say}
    return Served(
        f"trust.txt: {case.name}",
        quoted(case.body),
        expected(says, _TRUST, STRICT),
        {TRUST: _typed(case.body, case.content_type)},
        setting=STRICT,
        unasked=(TRUST_WELL_KNOWN, *((IMAGE,) if case.say in (DENY, ERROR) else ())),
    )


_NO = b"datatrainingallowed=no\n"
TRUST_VECTORS = [
    *(_of_trust(case) for case in ai_txt_cases.TRUST),
    Served("trust.txt: at its second address", quoted(_NO), dropped(_TRUST),
           {TRUST_WELL_KNOWN: _NO}, setting=STRICT, unasked=(IMAGE,)),
    Served("trust.txt: not read in the default profile", quoted(_NO), kept(_TDM), {TRUST: _NO},
           unasked=(TRUST, TRUST_WELL_KNOWN)),
    Served("trust.txt: status 503", "status 503", held(_TRUST), {TRUST: Answer(503)},
           setting=STRICT, unasked=(IMAGE,)),
]  # fmt: skip


def _status(file: str, status: int, outcome: Outcome, setting: Setting = USUAL) -> Served:
    suffix = "" if setting == USUAL else f", {setting}"
    return Served(
        f"{file.rpartition('/')[2]}: status {status}{suffix}",
        f"status {status}",
        outcome,
        {file: Answer(status, _FREE)},
        setting=setting,
    )


STATUSES = [
    *(_status(TDMREP, s, kept(_TDM)) for s in (401, 403, 404, 410)),
    *(_status(TDMREP, s, held(_TDM)) for s in (301, 429, 500, 503)),
    _status(TDMREP, 503, held(_TDM), LITERAL),
    *(_status(AI, s, kept(_AI)) for s in (404, 403)),
    *(_status(AI, s, kept(_AI, ERROR)) for s in (429, 500, 503)),
    _status(AI, 503, held(_AI), STRICT),
    _status(AI, 503, kept(_AI, ERROR), LITERAL),
]


def _rules(count: int, last: dict[str, Any]) -> bytes:
    return json.dumps([*(rule(f"/no/{n}/", 1) for n in range(count - 1)), last]).encode()


def _tdm(name: str, shown: str, file: bytes | Answer, outcome: Outcome, **more: Any) -> Served:
    routes = {TDMREP: file, **more.pop("routes", {})}
    return Served(f"hostile tdmrep.json: {name}", shown, outcome, routes, **more)


_ZIPPED = [("Content-Encoding", "gzip")]
_UNREADABLE = held(_TDM)
HOSTILE = [
    _tdm("10,000 rules", "10,000 rules, the last one reserves",
         _rules(10_000, rule("/art/", 1)), dropped(_TDM)),
    _tdm("10,001 rules", "10,001 rules, the last one permits", _rules(10_001, rule("/", 0)),
         _UNREADABLE, unasked=(IMAGE,)),
    _tdm("2 MB", "more than is read, and a reservation in front",
         b'[{"location":"/","tdm-reservation":1},' + b" " * 2_000_000 + b"]", _UNREADABLE),
    _tdm("gzip bomb", "50 MB in 50 KB",
         Answer(body=gzip.compress(b"[" + b" " * 50_000_000, mtime=0), headers=_ZIPPED),
         _UNREADABLE),
    _tdm("objects nested", "100,000 objects within one another", b'{"a":' * 100_000, _UNREADABLE),
    _tdm("1,000 stars", "a pattern of 1,000 stars",
         json.dumps([rule("/" + "*a" * 1_000 + "$", 1), rule("/", 0)]).encode(),
         kept(_TDM, ALLOW), path="/" + "a" * 2_000 + "b"),
    _tdm("slow body", "16 octets a second", Answer(body=_FREE * 9, byte_delay_s=1.0), _UNREADABLE),
    _tdm("slow head", "no answer in time", Answer(head_delay_s=30), _UNREADABLE),
    _tdm("reset", "the connection is reset", Answer(fault="reset"), _UNREADABLE),
    _tdm("breaks off", "half of a body, then a reset", Answer(body=_FREE * 99, fault="truncate"),
         _UNREADABLE),
    _tdm("endless", "a body without end", Answer(body=b"[1,2,3," * 4_000, fault="endless"),
         _UNREADABLE),
    _tdm("redirects without end", "302 to itself", redirect(TDMREP), _UNREADABLE,
         unasked=(IMAGE,)),
    _tdm("redirect to a private address", "302 to `http://10.0.0.1/`",
         redirect("http://10.0.0.1/"), _UNREADABLE, unasked=(IMAGE,)),
    _tdm("redirect to a file", "302 to `file:///etc/passwd`", redirect("file:///etc/passwd"),
         _UNREADABLE, unasked=(IMAGE,)),
    _tdm("redirect to another host", "301 to a file of another host",
         redirect("{other}/tdm.json", 301), dropped(_TDM), routes={"other/tdm.json": _RESERVED}),
    _tdm("policy that is not asked for", "a reservation with the address of a policy",
         b'[{"location":"/","tdm-reservation":1,"tdm-policy":"{other}/policy.json"}]',
         dropped(_TDM), routes={"other/policy.json": b"{}"}, unasked=("other/policy.json",)),
    _tdm("robots.txt closes the file itself", "`Disallow: /.well-known/` and a reservation",
         _RESERVED, dropped(_TDM), routes={"/robots.txt": text("User-agent: *",
                                                               "Disallow: /.well-known/")}),
    Served("hostile ai.txt: 600 KB", "600 KB, the rule in the first line", dropped(_AI),
           {AI: text("User-agent: *", "Disallow: *.jpg") + b"# x\n" * 150_000}, unasked=(IMAGE,)),
    Served("hostile ai.txt: invalid UTF-8", "octets that are no text around the rule",
           dropped(_AI), {AI: b"\xff\xfe\xfd\nUser-agent: *\nDisallow: *.jpg # \xff\n"},
           unasked=(IMAGE,)),
    Served("hostile ai.txt: slow body", "16 octets a second", kept(_AI, ERROR),
           {AI: Answer(body=text("User-agent: *", "Disallow: /") * 9, byte_delay_s=1.0)}),
    Served("hostile ai.txt: slow body, strict", "16 octets a second", held(_AI),
           {AI: Answer(body=text("User-agent: *", "Disallow: /") * 9, byte_delay_s=1.0)},
           setting=STRICT, unasked=(IMAGE,)),
    Served("hostile ai.txt: wildcards", "2,000 patterns of 100 stars", kept(_AI),
           {AI: text("User-agent: *", *["Disallow: /" + "*a" * 100 + "$"] * 2_000)},
           path="/" + "a" * 200 + "b"),
]  # fmt: skip

CASES = [*TDMREP_VECTORS, *AI_VECTORS, *TRUST_VECTORS, *STATUSES, *HOSTILE]
