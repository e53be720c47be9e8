"""Lists of others: Spawning's API on a host of its own, and declarations by address."""

import json
from typing import Any

from schemas.verdict import Channel
from tests.optout.signals import list_cases
from tests.servers import Answer, redirect
from tests.signals.served import (
    IMAGE,
    Outcome,
    Served,
    Setting,
    dropped,
    expected,
    held,
    kept,
    quoted,
)

_SPAWNING, _DECLARED = Channel.SPAWNING, Channel.DECLARATIONS


def _answered(*pairs: tuple[str, Any]) -> Answer:
    urls = [{"url": url, "optOut": out} for url, out in pairs]
    return Answer(body=json.dumps({"urls": urls}).encode())


def _listed(name: str, shown: str, answer: Any, outcome: Outcome) -> Served:
    return Served(
        f"list: {name}",
        shown,
        outcome,
        setting=Setting(list=_SPAWNING),
        listed=answer if callable(answer) else lambda _: answer,
        unasked=(IMAGE,) if outcome.verdict != "keep" else (),
    )


_ELSEWHERE = "https://c.example/"
SPAWNING = [
    _listed("D01 opted out", "`optOut: true`", lambda url: _answered((url, True)),
            dropped(_SPAWNING)),
    _listed("D01 not opted out", "`optOut: false`", lambda url: _answered((url, False)),
            kept(_SPAWNING)),
    _listed("D02 answer that is short", "no entry", _answered(), held(_SPAWNING)),
    _listed("D02 about others", "an entry for another address", _answered((_ELSEWHERE, False)),
            held(_SPAWNING)),
    _listed("D03 status 500", "status 500", Answer(500), held(_SPAWNING)),
    _listed("D03 status 401", "status 401", Answer(401, b"{}"), held(_SPAWNING)),
    _listed("D03 redirect", "302 elsewhere", redirect("http://10.0.0.1/"), held(_SPAWNING)),
    _listed("D03 HTML", "a page", b"<html>", held(_SPAWNING)),
    _listed("D03 no connection", "the connection is reset", Answer(fault="reset"),
            held(_SPAWNING)),
    _listed("D03 slow", "no answer in time", Answer(head_delay_s=30), held(_SPAWNING)),
    _listed("D03 nested without end", "200,000 arrays within one another", b"[" * 200_000,
            held(_SPAWNING)),
    _listed("D03 endless", "an answer without end", Answer(body=b" " * 50_000, fault="endless"),
            held(_SPAWNING)),
    _listed("twice, the stricter counts", "`false`, then `true`",
            lambda url: _answered((url, False), (url, True)), dropped(_SPAWNING)),
    _listed("no boolean", '`optOut: "true"`', lambda url: _answered((url, "true")),
            held(_SPAWNING)),
]  # fmt: skip


def _declared(case: list_cases.Declared) -> Served:
    setting = Setting(list=_DECLARED)
    says = {(_DECLARED, purpose): say for purpose, say in case.says.items()}
    outcome = expected(says, _DECLARED, setting)
    return Served(
        f"declaration: {case.name}",
        quoted(json.dumps(case.declaration)),
        outcome,
        setting=setting,
        declared=case.declaration,
        unasked=(IMAGE,) if outcome.verdict != "keep" else (),
    )


DECLARED = [_declared(case) for case in list_cases.DECLARED if not case.input_is_infer]

CASES = [*SPAWNING, *DECLARED]
