"""Answers of lists and declarations, with what we expect of them.

The first table is asked of url_lists, the second of declarations; vectors by their facts' ids.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from schemas.verdict import Purpose, Say

DENY, ALLOW, SILENT, ERROR = Say.DENY, Say.ALLOW, Say.SILENT, Say.ERROR
MINE, INFER = Purpose.MINE, Purpose.INFER
TRAIN_DISC, TRAIN_GEN = Purpose.TRAIN_DISC, Purpose.TRAIN_GEN

A, B = "https://a.example/1.jpg", "https://b.example/2.jpg?x=1"


@dataclass(frozen=True)
class Answered:
    """What a list sent about A and B, and what that says about each."""

    name: str
    says: tuple[Say, Say]
    body: bytes | None
    status: int | None = 200
    notes: tuple[str, str] = ("", "")


def entries(*pairs: tuple[str, Any]) -> bytes:
    """Return the answer with an entry for each (url, optOut)."""
    return json.dumps({"urls": [{"url": url, "optOut": out} for url, out in pairs]}).encode()


def every(text: str) -> tuple[str, str]:
    return (text, text)


NOT_ANSWERED, MALFORMED = "not answered", "malformed"
ANSWERED = [
    Answered("D01 opted out and not", (DENY, SILENT), entries((A, True), (B, False))),
    Answered("D01 in another order", (DENY, SILENT), entries((B, False), (A, True))),
    Answered("D02 short", (SILENT, ERROR), entries((A, False)), notes=("", NOT_ANSWERED)),
    Answered("D02 the second alone", (ERROR, DENY), entries((B, True)), notes=(NOT_ANSWERED, "")),
    Answered("D02 about others", (ERROR, ERROR), entries(("https://c.example/", False)),
             notes=every(NOT_ANSWERED)),
    Answered("D02 empty", (ERROR, ERROR), entries(), notes=every(NOT_ANSWERED)),
    Answered("D03 status 500", (ERROR, ERROR), b"", 500, every("status 500")),
    Answered("D03 status 500 with an answer", (ERROR, ERROR), entries((A, False), (B, False)), 500,
             every("status 500")),
    Answered("D03 status 401", (ERROR, ERROR), b"{}", 401, every("status 401")),
    Answered("D03 redirect", (ERROR, ERROR), b"", 302, every("status 302")),
    Answered("D03 no response", (ERROR, ERROR), None, None, every("no response")),
    Answered("D03 body cut off", (ERROR, ERROR), None, 200, every("no response")),
    Answered("D03 HTML", (ERROR, ERROR), b"<html>", notes=every(MALFORMED)),
    Answered("D03 cut JSON", (ERROR, ERROR), entries((A, True))[:-3], notes=every(MALFORMED)),
    Answered("D03 another shape", (ERROR, ERROR), b'[{"url": "x"}]', notes=every(MALFORMED)),
    Answered("D03 nested without end", (ERROR, ERROR), b"[" * 200_000, notes=every(MALFORMED)),
    Answered("optOut that is no boolean", (ERROR, SILENT), entries((A, "true"), (B, False)),
             notes=(MALFORMED, "")),
    Answered("twice, the stricter counts", (DENY, DENY),
             entries((A, True), (A, False), (B, False), (B, True))),
    Answered("twice, one of them malformed", (ERROR, DENY),
             entries((A, False), (A, None), (B, 1), (B, True)), notes=(MALFORMED, "")),
    Answered("written otherwise", (DENY, DENY),
             entries(("HTTPS://A.example:443/1.jpg", True), (B, True))),
]  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """One declaration and what it says; purposes that are missing are silent."""

    name: str
    declaration: dict[str, Any]
    says: dict[Purpose, Say] = field(default_factory=dict)
    note: str = ""
    input_is_infer: bool = False


RESERVED = {MINE: DENY, TRAIN_DISC: DENY, TRAIN_GEN: DENY}
GRANTED = dict.fromkeys(RESERVED, ALLOW)
I01 = {"all": "false", "ai-use": "true", "search": "true"}
I02 = {"all": "true", "train-genai": "false"}

DECLARED = [
    Declared("I01 inherited", I01, RESERVED),
    Declared("I01 use that is excepted", I01, {**RESERVED, INFER: ALLOW}, input_is_infer=True),
    Declared("I01 use that is not", {"all": "false"}, {**RESERVED, INFER: DENY},
             input_is_infer=True),
    Declared("I02 one kind of training", I02, {MINE: ALLOW, TRAIN_DISC: ALLOW, TRAIN_GEN: DENY}),
    Declared("I02 training of all kinds", {"train-ai": "false"},
             {TRAIN_DISC: DENY, TRAIN_GEN: DENY}),
    Declared("I03 reserved", {"tdm-reservation": 1, "tdm-policy": "https://a.example/p"}, RESERVED),
    Declared("I03 not reserved", {"tdm-reservation": 0}, GRANTED),
    Declared("I03 as text", {"tdm-reservation": "1"}, RESERVED, "nonconforming"),
    Declared("I03 as a boolean", {"tdm-reservation": True}, RESERVED, "nonconforming"),
    Declared("I04 reserved, unverified", {**I01, "verified": False}, RESERVED),
    Declared("I04 granted, unverified", {"tdm-reservation": 0, "verified": False}),
    Declared("I04 both, unverified", {**I02, "verified": False}, {TRAIN_GEN: DENY}),
    Declared("I04 verified", {**I02, "verified": True},
             {MINE: ALLOW, TRAIN_DISC: ALLOW, TRAIN_GEN: DENY}),
    Declared("both dialects, the stricter counts", {"tdm-reservation": 0, "all": "false"},
             RESERVED),
    Declared("search alone", {"search": "false"}),
    Declared("third shape", {"TDMAI": False}, RESERVED, "nonconforming"),
    Declared("third shape grants nothing", {"TDMAI": True}),
    Declared("booleans", {"all": False}, RESERVED, "nonconforming"),
    Declared("intent and version", {**I01, "intent": "supersede", "version": "1.0"}, RESERVED),
    Declared("what nobody knows beside it", {**I01, "iscc": "ISCC:KEC", "metadata": {}}, RESERVED),
]  # fmt: skip

REFUSED = {
    "no JSON": b"url https://a.example/",
    "no object": b"[1]",
    "cut": b'{"url": "https://a.example/", "all": "fal',
    "nothing named": b'{"all": "false"}',
    "nothing said": b'{"url": "https://a.example/"}',
    "no URL": b'{"url": "a.example/1.jpg", "all": "false"}',
    "URL that is no text": b'{"url": 1, "all": "false"}',
    "no sha256": b'{"sha256": "ab", "all": "false"}',
    "public suffix": b'{"domain": "co.uk", "all": "false"}',
    "no domain": b'{"domain": "a b", "all": "false"}',
    "unknown value": b'{"domain": "a.example", "all": "no"}',
    "unknown reservation": b'{"domain": "a.example", "tdm-reservation": 2}',
    "reservation that is a list": b'{"domain": "a.example", "tdm-reservation": [1]}',
    "third shape of text": b'{"domain": "a.example", "TDMAI": "maybe"}',
    "unknown intent": b'{"domain": "a.example", "all": "false", "intent": "revoke"}',
    "intent that is a list": b'{"domain": "a.example", "all": "false", "intent": []}',
    "unknown version": b'{"domain": "a.example", "all": "false", "version": "2.0"}',
    "verified that is text": b'{"domain": "a.example", "all": "false", "verified": "no"}',
    "nested without end": b'{"domain": ' + b"[" * 60_000,
    "too long": b'{"domain": "a.example", "all": "false", "x": "' + b"x" * 70_000 + b'"}',
}
"""Lines that stop a run."""
